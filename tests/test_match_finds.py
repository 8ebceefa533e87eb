"""Finds of many mashups are kept portion by portion: what is there is read, what is not of this search is not."""

import json
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from banks import PARTS, RATE_HZ
from example_trees import write_wave
from messy_mashup.data.bank import Bank
from messy_mashup.mashup.arrangement import draw
from messy_mashup.mashup.pool import Pool
from messy_mashup.recipe import MashupRecipe
from messy_mashup.search import match_finds
from messy_mashup.search.match_finds import COLUMNS, Heard, Way, find_all
from mixed_voices import Mixed, mixed, stem, write_sung_corpus

CARD = {"files": "these"}
sung = partial(stem, seconds=4.0, slide=1.0)


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    return write_sung_corpus(tmp_path_factory.mktemp("sung"), ("rock",), 4, sung)


@pytest.fixture(scope="module")
def mashups(tmp_path_factory):
    """Five mashups as files at the host's rate, of which the third is too short and the fifth of strange songs."""
    folder = tmp_path_factory.mktemp("mashups")
    voices = [[Mixed(number, "drums", offset_s=0.2 * number), Mixed(3, "vocals")] for number in range(3)]
    strange = [Mixed(70 + number, part) for number, part in enumerate(PARTS)]
    each = [(voices[0], 2.0), (voices[1], 2.0), (voices[1], 0.9), (voices[2], 2.0), (strange, 2.0)]
    for number, (made_of, seconds) in enumerate(each, 1):
        wave = mixed(made_of, 2.0, sung)[: round(seconds * RATE_HZ)]
        write_wave(folder / f"song{number}.wav", 0.9 * wave, RATE_HZ)
    return [Heard(f"{number:04d}", folder / f"song{number}.wav") for number in range(1, 6)]


@pytest.fixture(autouse=True)
def small_portions(monkeypatch):
    monkeypatch.setattr(match_finds, "AT_ONCE", 2)


@pytest.fixture
def searches(monkeypatch):
    """How many mashups each search had."""
    counts, search = [], match_finds.find_matches

    def counted(waves, *rest):
        counts.append(len(waves))
        return search(waves, *rest)

    monkeypatch.setattr(match_finds, "find_matches", counted)
    return counts


@pytest.fixture(scope="module")
def kept(mashups, bank, tmp_path_factory):
    """A folder with what one process found, and the table."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(match_finds, "AT_ONCE", 2)
        folder = tmp_path_factory.mktemp("kept") / "found"
        return folder, find_all(mashups, bank, folder, CARD, Way(), "the test")


def again(kept, mashups: list[Heard], bank: Bank, folder: Path, card=CARD, way=Way()) -> pd.DataFrame:  # noqa: B008
    """Search once more, in a copy of the folder of finds."""
    if not folder.exists():
        shutil.copytree(kept[0], folder)
    return find_all(mashups, bank, folder, card, way, "the test")


def test_the_table_says_what_was_found_in_which_mashup(kept, bank):
    _, table = kept
    assert list(table.columns) == COLUMNS
    assert [table[name].dtype.kind for name in ("rate", "offset_s", "correlation", "significance")] == ["f"] * 4
    assert table["steady"].dtype == table["found"].dtype == bool
    found = table[table["found"]]
    assert set(zip(found["id"], found["clip"], strict=True)) == {
        (name, clip)
        for name, drums in (("0001", 0), ("0002", 1), ("0004", 2))
        for clip in (f"rock.{drums:05d}/drums", "rock.00003/vocals")
    }
    drums = found[found["part"] == "drums"]
    assert drums["offset_s"].to_numpy() == pytest.approx([0, 0.2, 0.4], abs=0.001)
    named = bank.index.set_index("clip").loc[table["clip"]]
    assert named["group"].tolist() == table["song"].tolist()
    assert named["part"].tolist() == table["part"].tolist()
    assert set(table["label"]) == {"rock"}


def test_ids_stay_text_and_a_mashup_that_is_too_short_has_no_rows(kept):
    assert set(kept[1]["id"]) <= {"0001", "0002", "0004", "0005"}


def test_kept_portions_are_read_and_not_searched_again(kept, mashups, bank, searches, tmp_path):
    folder = tmp_path / "found"
    pd.testing.assert_frame_equal(again(kept, mashups, bank, folder), kept[1])
    assert searches == []
    (folder / "000002.csv").unlink()
    pd.testing.assert_frame_equal(again(kept, mashups, bank, folder), kept[1])
    assert searches == [1]  # of the two in it one is too short


def test_another_card_discards_what_was_kept(kept, mashups, bank, searches, tmp_path):
    folder = tmp_path / "found"
    again(kept, mashups, bank, folder, {"files": "others"})
    assert searches == [2, 1, 1]
    again(kept, mashups, bank, folder, {"files": "others"})
    assert searches == [2, 1, 1]


@pytest.mark.parametrize("what", ["bank", "offsets", "version"])
def test_another_bank_range_or_version_discards_them_too(kept, mashups, bank, searches, tmp_path, monkeypatch, what):
    way = Way(offset_s=(-1.0, 1.0)) if what == "offsets" else Way()
    if what == "version":
        monkeypatch.setattr(match_finds, "MATCH_VERSION", 0)
    again(kept, mashups[:1], replace(bank, digest="other") if what == "bank" else bank, tmp_path / "found", CARD, way)
    assert searches == [1]
    assert sorted(path.name for path in (tmp_path / "found").glob("*.csv")) == ["000000.csv"]


def test_the_number_of_workers_and_the_device_discard_nothing(kept, mashups, bank, searches, tmp_path):
    again(kept, mashups, bank, tmp_path / "found", way=Way(workers=3))
    assert searches == []


def test_what_a_kill_left_half_written_is_no_portion(kept, mashups, bank, searches, tmp_path):
    folder = tmp_path / "found"
    shutil.copytree(kept[0], folder)
    whole = (folder / "000004.csv").read_bytes()
    (folder / "000004.csv").unlink()
    (folder / ".000004.csv.12345.partial").write_bytes(whole[: len(whole) // 2])
    pd.testing.assert_frame_equal(again(kept, mashups, bank, folder), kept[1])
    assert searches == [1]


def test_an_interrupted_search_keeps_the_portions_before_it(kept, mashups, bank, tmp_path, monkeypatch):
    search = match_finds.find_matches

    def killed(waves, *rest):
        if len(waves) == 1:
            raise KeyboardInterrupt
        return search(waves, *rest)

    monkeypatch.setattr(match_finds, "find_matches", killed)
    with pytest.raises(KeyboardInterrupt):
        find_all(mashups, bank, tmp_path / "found", CARD, Way(), "the test")
    monkeypatch.setattr(match_finds, "find_matches", search)
    assert [path.name for path in (tmp_path / "found").glob("*.csv")] == ["000000.csv"]
    assert json.loads((tmp_path / "found" / "card.json").read_text())["files"] == "these"
    pd.testing.assert_frame_equal(again(kept, mashups, bank, tmp_path / "found"), kept[1])


@pytest.mark.slow
def test_two_workers_give_the_same_table_as_one(kept, mashups, bank, tmp_path):
    pd.testing.assert_frame_equal(find_all(mashups, bank, tmp_path, CARD, Way(workers=2), "the test"), kept[1])


def test_barred_songs_are_barred_in_their_mashup(kept, mashups, bank, tmp_path):
    first, second = (replace(mashup, barred=frozenset(["rock.00003"])) for mashup in mashups[:2])
    table = find_all([first, replace(second, barred=frozenset())], bank, tmp_path, CARD, Way(), "the test")
    found = table[table["found"]]
    assert found.loc[found["id"] == "0001", "song"].tolist() == ["rock.00000"]
    assert sorted(found.loc[found["id"] == "0002", "song"]) == ["rock.00001", "rock.00003"]


def test_no_mashups_give_an_empty_table(bank, searches, tmp_path):
    for mashups in ([], []):
        table = find_all(mashups, bank, tmp_path, CARD, Way(), "the test")
        assert list(table.columns) == COLUMNS
        assert len(table) == 0
        assert len(table[table["found"]]) == 0
    assert searches == []


def test_an_arrangement_is_rendered_from_the_files_as_a_host_would(bank):
    pool = Pool.of(bank.index, RATE_HZ, ("rock",), PARTS)
    recipe = MashupRecipe(length_s=(2.0, 2.0), stretched=1.0, noisy=1.0, bursts=(1, 1), burst_s=(1.0, 1.0))
    one = draw(pool, recipe, (1, 2, 3), 0, 1)
    wave = Heard("fold0-00000", arrangement=one).wave(bank)
    assert wave.dtype == np.float32
    assert len(wave) == pytest.approx(2 * RATE_HZ, abs=2)
    assert np.abs(wave).max() == pytest.approx(1, abs=0.05)
    raw, peak = (Heard("", arrangement=one, burst_level=level).wave(bank) for level in ("raw", "peak"))
    assert np.array_equal(peak, wave)
    assert not np.array_equal(raw, peak)
