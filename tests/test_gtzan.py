"""GTZAN: its layouts, its lists, and all that can be wrong with it, named at once."""

from pathlib import Path

import pandas as pd
import pytest

from example_trees import noise_wave, write_gtzan, write_text, write_wave
from messy_mashup.data import corpora
from messy_mashup.data.bank_build import build, skip
from messy_mashup.data.corpora import BrokenFilesError, gtzan
from messy_mashup.errors import UserError

FILTERED = ("train_filtered.txt", "valid_filtered.txt", "test_filtered.txt")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return write_gtzan(tmp_path / "gtzan", clips=3, seconds=0.05)


def sentences(root: Path) -> str:
    return "\n".join(item.sentence for item in gtzan.scan(root).broken)


@pytest.mark.parametrize(("place", "ending"), [("genres", "wav"), ("genres", "au"), ("genres_original", "wav")])
def test_every_layout_is_read(tmp_path, place, ending):
    root = write_gtzan(tmp_path / "Data", clips=2, seconds=0.05, place=place, ending=ending)
    assert corpora.recognise(root) == "gtzan"
    corpus = gtzan.scan(root)
    assert corpus.broken == ()
    assert corpus.classes == ("blues", "rock")
    assert corpus.clips.iloc[0].to_dict() == {
        "clip": "blues.00000",
        "path": f"{place}/blues/blues.00000.{ending}",
        "kind": "stem",
        "group": "blues.00000",
        "label": "blues",
        "part": "mix",
        "artist": "",
        "split": "",
    }
    bank = build("gtzan", root, tmp_path / "bank", workers=1)
    assert (bank.index["part"] == "mix").sum() == 4
    assert not bank.index["tempo_bpm"].any()  # no stems to be brought together
    assert len(corpora.test_clips("gtzan", root)) == 0


def test_a_corrupt_excerpt_is_named_and_can_be_left_out(tmp_path):
    root = write_gtzan(tmp_path / "gtzan", genres=("jazz", "pop"), clips=2, seconds=0.05)
    corrupt = root / "genres/jazz/jazz.00054.wav"
    corrupt.write_bytes(b"\x00" * 1000)  # as Kaggle's copy of it: no header that anything can read
    with pytest.raises(BrokenFilesError, match=r"jazz\.00054\.wav: cannot be read as audio(.|\n)*--skip-broken"):
        build("gtzan", root, tmp_path / "bank", workers=1)
    bank = build("gtzan", root, tmp_path / "bank", workers=1, on_broken=skip)
    assert bank.index.loc[bank.index["kind"] == "stem", "label"].value_counts().to_dict() == {"jazz": 2, "pop": 2}
    assert [item.path for item in bank.skipped] == ["genres/jazz/jazz.00054.wav"]


def test_all_that_is_wrong_is_named_at_once(tree):
    (tree / "genres/pop").mkdir()
    (tree / "genres/techno").mkdir()
    write_wave(tree / "genres/rock/blues.00007.wav", noise_wave(1, 0.05))
    write_wave(tree / "genres/rock/rock.1.wav", noise_wave(1, 0.05))
    (tree / "genres/rock/cover.jpg").write_bytes(b"\xff\xd8")
    (tree / "genres/rock/.DS_Store").write_bytes(b"")
    write_wave(tree / "genres/rock/rock.00001.au", noise_wave(1, 0.05))
    told = sentences(tree)
    for part in (
        "genres/pop: the genre holds no excerpt",
        "genres/techno: techno is none of GTZAN's genres",
        "rock/blues.00007.wav: is not named rock.<five digits>",
        "rock/rock.1.wav: is not named",
        "rock/cover.jpg: is not named",
        "rock.00001.wav: rock.00001.au beside it is the same excerpt",
    ):
        assert part in told
    assert "DS_Store" not in told
    assert len(gtzan.scan(tree).clips) == 6


def test_lists_tell_artists_and_a_filtered_split(tree):
    write_text(
        tree / "artists.csv", ["file,artist", "blues.00000.wav,Hooker", "blues/blues.00001.au, Hooker ", "rock.00002,Q"]
    )
    lists = (["blues/blues.00000.wav", "rock/rock.00000.wav"], ["blues\\blues.00002.wav", ""], ["rock.00002.au"])
    for name, lines in zip(FILTERED, lists, strict=True):
        write_text(tree / name, lines)
    clips = gtzan.scan(tree).clips.set_index("clip")
    assert clips["artist"].to_dict() == {
        "blues.00000": "Hooker", "blues.00001": "Hooker", "blues.00002": "", "rock.00000": "", "rock.00001": "",
        "rock.00002": "Q",
    }  # fmt: skip
    assert clips["split"].to_dict() == {
        "blues.00000": "train", "blues.00001": "", "blues.00002": "validation", "rock.00000": "train", "rock.00001": "",
        "rock.00002": "test",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "lines", "told"),
    [
        ("artists.csv", ["file,singer", "blues.00000,H"], r"artists\.csv has no column artist"),
        ("artists.csv", ["file,artist", "song.mp3,H"], r"artists\.csv: 'song\.mp3' is no excerpt"),
        ("train_filtered.txt", ["blues/blues.00000.wav"], r"lacks test_filtered\.txt, valid_filtered\.txt"),
    ],
)
def test_lists_that_do_not_fit_are_refused(tree, name, lines, told):
    write_text(tree / name, lines)
    with pytest.raises(UserError, match=told):
        gtzan.scan(tree)


def test_an_excerpt_in_two_parts_is_refused(tree):
    for name in FILTERED:
        write_text(tree / name, ["blues/blues.00000.wav"])
    with pytest.raises(UserError, match=r"valid_filtered\.txt: blues/blues\.00000\.wav is in train_filtered\.txt"):
        gtzan.scan(tree)


def test_the_digest_of_a_bank_tells_its_lists_and_is_as_before_without(tree, tmp_path):
    plain = build("gtzan", tree, tmp_path / "bank", workers=1)
    write_text(tree / "artists.csv", ["file,artist", "blues.00000,Hooker"])
    listed = build("gtzan", tree, tmp_path / "bank", workers=1)
    assert listed.index.set_index("clip")["artist"]["blues.00000"] == "Hooker"
    assert plain.digest != listed.digest
    (tree / "artists.csv").unlink()
    assert build("gtzan", tree, tmp_path / "bank", workers=1).digest == plain.digest


def test_it_is_not_taken_for_another_corpus(tree, tmp_path):
    assert not gtzan.looks_like(tmp_path)
    assert not corpora.is_competition(tree)
    (tmp_path / "genres" / "blues").mkdir(parents=True)
    write_wave(tmp_path / "genres/blues/song.wav", noise_wave(1, 0.05))
    assert not gtzan.looks_like(tmp_path)
    assert isinstance(gtzan.scan(tree).clips, pd.DataFrame)
