"""A folder becomes a table of clips, and everything that is broken is named at once."""

from pathlib import Path

import pytest

from example_trees import noise_wave, write_messy_mashup, write_text, write_wave
from messy_mashup.data import corpora
from messy_mashup.data.corpora import messy_mashup
from messy_mashup.errors import UserError


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    write_messy_mashup(tmp_path, seconds=0.01)
    return tmp_path


def sentences(root: Path) -> str:
    return "\n".join(item.sentence for item in messy_mashup.scan(root).broken)


def test_every_stem_and_noise_clip_is_a_row(tree: Path) -> None:
    corpus = messy_mashup.scan(tree)
    assert corpus.broken == ()
    assert corpus.classes == ("blues", "rock")
    assert list(corpus.clips.columns) == list(corpora.COLUMNS)
    rows = {row["clip"]: row for row in corpus.clips.to_dict("records")}
    assert len(rows) == len(corpus.clips) == 2 * 2 * 4 + 3
    assert rows["blues.00000/drums"] == {
        "clip": "blues.00000/drums",
        "path": "genres_stems/blues/blues.00000/drums.wav",
        "kind": "stem",
        "group": "blues.00000",
        "label": "blues",
        "part": "drums",
        "artist": "",
        "split": "",
    }
    assert rows["2-5555-A-10"] == {
        "clip": "2-5555-A-10",
        "path": "ESC-50-master/audio/2-5555-A-10.wav",
        "kind": "noise",
        "group": "5555",
        "label": "10",
        "part": "noise",
        "artist": "",
        "split": "",
    }
    assert all((tree / path).is_file() for path in corpus.clips["path"])


def test_takes_of_one_recording_share_their_group(tree: Path) -> None:
    clips = messy_mashup.scan(tree).clips.set_index("clip")
    assert clips.at["1-100032-A-0", "group"] == clips.at["1-100032-B-0", "group"] != clips.at["2-5555-A-10", "group"]


def test_others_is_other(tree: Path) -> None:
    song = tree / "genres_stems/rock/rock.00001"
    (song / "other.wav").rename(song / "others.wav")
    clips = messy_mashup.scan(tree).clips.set_index("clip")
    assert clips.at["rock.00001/other", "path"].endswith("rock.00001/others.wav")
    write_wave(song / "other.wav", noise_wave(1, 0.01))
    assert "rock.00001: both other.wav and others.wav" in sentences(tree)


def test_all_that_is_broken_is_named_at_once(tree: Path) -> None:
    (tree / "genres_stems/blues/blues.00000/vocals.wav").unlink()
    (tree / "genres_stems/rock/rock.00000/drums.wav").unlink()
    (tree / "genres_stems/rock/rock.00000/other.wav").unlink()
    (tree / "genres_stems/pop").mkdir()
    (tree / "genres_stems/jazz/blues.00001").mkdir(parents=True)
    (tree / "ESC-50-master/audio/2-5555-A-10.wav").rename(tree / "ESC-50-master/audio/rain.wav")
    told = sentences(tree)
    for part in (
        "blues/blues.00000: no vocals.wav",
        "rock/rock.00000: no drums.wav, other.wav",
        "genres_stems/pop: the genre holds no song",
        "jazz/blues.00001: a song of this name is in",
        "rain.wav: is not named",
        "2-5555-A-10.wav: listed in esc50.csv and missing",
    ):
        assert part in told
    assert set(messy_mashup.scan(tree).clips["group"]) == {"blues.00001", "rock.00001", "100032"}


def test_noise_and_its_table_must_agree(tree: Path) -> None:
    lines = ["filename,target", "1-100032-A-0.wav,0", "1-100032-B-0.wav,7"]
    write_text(tree / "ESC-50-master/meta/esc50.csv", lines)
    told = sentences(tree)
    assert "1-100032-B-0.wav: esc50.csv gives target 7" in told
    assert "2-5555-A-10.wav: not listed in esc50.csv" in told


def test_names_alone_are_enough_of_the_noise_table(tree: Path) -> None:
    names = sorted(path.name for path in (tree / "ESC-50-master/audio").iterdir())
    write_text(tree / "ESC-50-master/meta/esc50.csv", ["filename", *names])
    assert messy_mashup.scan(tree).broken == ()
    write_text(tree / "ESC-50-master/meta/esc50.csv", ["file", *names])
    with pytest.raises(UserError, match=r"esc50\.csv has no column filename"):
        messy_mashup.scan(tree)


@pytest.mark.parametrize("missing", ["ESC-50-master/audio", "ESC-50-master/meta/esc50.csv", "genres_stems"])
def test_a_missing_part_of_the_layout_is_named(tree: Path, missing: str) -> None:
    (tree / missing).rename(tree / "elsewhere")
    with pytest.raises(UserError, match=missing):
        messy_mashup.scan(tree)


def test_ids_of_the_test_are_text_in_their_order(tree: Path) -> None:
    write_text(tree / "test.csv", ["id,filename", "0002,mashups/song0002.wav", "0001,mashups/song0001.wav"])
    clips = messy_mashup.test_clips(tree)
    assert clips.to_dict("list") == {
        "id": ["0002", "0001"],
        "path": ["mashups/song0002.wav", "mashups/song0001.wav"],
    }


def test_missing_mashups_are_named_at_once(tree: Path) -> None:
    write_text(tree / "test.csv", ["id,filename", *(f"{i:04d},mashups/song{i:04d}.wav" for i in range(1, 31))])
    with pytest.raises(UserError) as caught:
        messy_mashup.test_clips(tree)
    assert str(caught.value).count("listed in test.csv and missing") == 20
    assert "song0003.wav" in str(caught.value)
    assert "... and 8 more" in str(caught.value)


def test_repeated_ids_are_an_error(tree: Path) -> None:
    write_text(tree / "test.csv", ["id,filename", "0001,mashups/song0001.wav", "0001,mashups/song0002.wav"])
    with pytest.raises(UserError, match="0001"):
        messy_mashup.test_clips(tree)


def test_a_corpus_is_recognised_by_its_contents(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert "messy_mashup" in corpora.names()
    assert corpora.is_corpus(tree)
    assert corpora.recognise(tree) == "messy_mashup"
    other = tmp_path_factory.mktemp("messy_mashup")
    assert not corpora.is_corpus(other)
    with pytest.raises(UserError, match="looks like no corpus"):
        corpora.recognise(other)
    with pytest.raises(UserError, match="no corpus 'nothing'"):
        corpora.load("nothing")
