"""ISMIR2004: three parts of mp3 with a tracklist each; classes come from the lists alone."""

from pathlib import Path

import pytest

from example_trees import ISMIR2004_COUNTS, noise_wave, tone_wave, write_ismir2004, write_mp3, write_wave
from messy_mashup.data import corpora
from messy_mashup.data.bank_build import build
from messy_mashup.data.corpora import ismir2004
from messy_mashup.errors import UserError


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return write_ismir2004(tmp_path / "ismir04_genre", seconds=0.2)


def rewrite(path: Path, change) -> None:
    path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")


def sentences(root: Path) -> str:
    return "\n".join(item.sentence for item in ismir2004.scan(root).broken)


def test_parts_classes_and_artists_are_the_lists_own(tree, tmp_path):
    assert corpora.recognise(tree) == "ismir2004"
    corpus = ismir2004.scan(tree)
    assert corpus.broken == ()
    assert corpus.classes == ("classical", "electronic", "jazz_blues")
    counts = corpus.clips.groupby(["split", "label"]).size().unstack()
    assert {split: row.to_dict() for split, row in counts.iterrows()} == dict.fromkeys(
        ("train", "validation", "test"), ISMIR2004_COUNTS
    )
    first = corpus.clips.iloc[0]
    assert first["clip"] == "training/classical/artist_0/album/00_classical"
    assert first["artist"] == "artist 0"
    assert set(corpus.clips.loc[corpus.clips["split"] == "validation", "artist"]) == {""}
    bank = build("ismir2004", tree, tmp_path / "bank", workers=1)
    stems = bank.index[bank.index["kind"] == "stem"]
    assert len(stems) == 3 * 11
    assert sorted(stems["source_hz"].unique()) == [22_050, 44_100, 48_000]


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: ['"class","artist","album","track","track_number","file_path"', *lines],
        lambda lines: [line.replace("jazz_blues\",", "Jazz-Blues\",", 1) for line in lines],
        lambda lines: [line.replace('","classical/', '","training/classical/') for line in lines],
        lambda lines: [line.replace("/album/", "\\album\\") for line in lines],
        lambda lines: [*lines, "", ",,,,,"],
    ],
    ids=["header", "spelling", "path from audio", "backslashes", "empty lines"],
)  # fmt: skip
def test_tracklists_as_they_are_found(tree, change):
    before = ismir2004.scan(tree).clips
    rewrite(tree / "metadata/training/tracklist.csv", change)
    after = ismir2004.scan(tree)
    assert after.broken == ()
    assert after.clips.equals(before)


def test_names_of_2004_are_latin_1(tree):
    path = tree / "metadata/training/tracklist.csv"
    path.write_bytes(path.read_text().replace("artist 0", "Jürgen").encode("latin-1"))
    assert "Jürgen" in set(ismir2004.scan(tree).clips["artist"])


def test_tracklists_beside_the_audio(tree):
    for part in ("training", "development", "evaluation"):
        (tree / "audio" / part).rename(tree / part)
        (tree / "metadata" / part / "tracklist.csv").rename(tree / part / "tracklist.csv")
    corpus = ismir2004.scan(tree)
    assert (len(corpus.clips), corpus.broken) == (33, ())
    assert corpora.recognise(tree) == "ismir2004"


def test_all_that_is_wrong_is_named_at_once(tree):
    audio = tree / "audio/training"
    write_mp3(audio / "world/new.mp3", tone_wave(1, 1, 0.2), 22_050)
    (audio / "classical/cover.jpg").write_bytes(b"\xff\xd8")
    (audio / "electronic/artist_0/album/00_electronic.mp3").unlink()
    lines = [
        '"polka","a","b","c","1","x.mp3"',
        '"classical","a"',
        '"classical","a","b","c","1","../development/tracks/00_classical.mp3"',
        '"classical","artist 0","album","track 0","0","classical/artist_0/album/00_classical.mp3"',
    ]
    rewrite(tree / "metadata/training/tracklist.csv", lambda before: [*before, *lines])
    told = sentences(tree)
    for part in (
        "world/new.mp3: not listed in",
        "00_electronic.mp3: listed in",
        "line 12: 'polka' is none of the classes",
        "line 13: ",
        "../development/tracks/00_classical.mp3: listed in",
        "line 15: classical/artist_0/album/00_classical.mp3 is listed twice",
    ):
        assert part in told
    assert "cover.jpg" not in told
    assert len(ismir2004.scan(tree).clips) == 32


def test_a_file_of_the_wrong_kind_is_named(tree, tmp_path):
    path = tree / "audio/evaluation/tracks/00_classical.mp3"
    path.write_text("<html>404</html>")
    with pytest.raises(UserError, match=r"evaluation/tracks/00_classical\.mp3: cannot be read as audio"):
        build("ismir2004", tree, tmp_path / "bank", workers=1)
    write_wave(path.with_suffix(".wav"), noise_wave(1, 0.2))
    path.with_suffix(".wav").rename(path)  # by the name of an mp3 it is read for what it is
    assert len(build("ismir2004", tree, tmp_path / "bank", workers=1).index.query("kind == 'stem'")) == 33


def test_parts_that_are_missing(tree):
    (tree / "metadata/evaluation/tracklist.csv").unlink()
    with pytest.raises(UserError, match=r"evaluation part tracklist\.csv is missing"):
        ismir2004.scan(tree)
    rewrite(tree / "metadata/training/tracklist.csv", lambda lines: [line for line in lines if "jazz" not in line])
    (tree / "audio/evaluation").rename(tree / "elsewhere")
    with pytest.raises(UserError, match="training part has no track of jazz_blues"):
        ismir2004.scan(tree)
