"""`python src/mashup.py` as a user types it: files like the test's, a table that reads back, the same bytes again."""

import json
import runpy
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

import tiny
from kill_harness import tree_digests
from messy_mashup.data import bank_build
from messy_mashup.data.bank import Bank
from messy_mashup.mashup import wav_folder
from messy_mashup.mashup.arrangement_table import from_table, read_table
from messy_mashup.mashup.render import render
from messy_mashup.mashup.stretch import DEFAULT_STRETCH
from messy_mashup.mashup.wav_folder import pcm16

SOURCES = Path(__file__).resolve().parents[1] / "src"
SHORT = ("--set", "mashup.length_s=(0.3,0.5)", "--set", "mashup.burst_s=(0.1,0.3)")


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> tuple[Path, Path]:
    """A tiny data set and its bank."""
    folder = tmp_path_factory.mktemp("house")
    data = tiny.write_tiny_corpus(folder / "tiny")
    bank_build.build("messy_mashup", data, folder / "bank", workers=1)
    return data, folder / "bank"


@pytest.fixture
def mashup(house, capsys):
    """The exit status and the output of a call."""
    data, bank = house

    def call(*arguments: object, place: tuple = ("--data", data, "--bank", bank)) -> tuple[int, str]:
        argv, sys.argv = sys.argv, ["mashup", *map(str, (*arguments, *place))]
        try:
            runpy.run_path(str(SOURCES / "mashup.py"), run_name="__main__")
            status = 0
        except SystemExit as end:
            status = end.code or 0
        finally:
            sys.argv = argv
        shown = capsys.readouterr()
        return status, shown.out + shown.err

    return call


def test_the_files_are_like_the_tests_and_the_table_tells_what_they_are_made_of(house, mashup, tmp_path):
    status, shown = mashup("--count", 3, "--out", tmp_path / "out", *SHORT)
    assert status == 0
    assert "3 mashups, 3 of them written now" in shown
    assert {"signalsmith": "Signalsmith Stretch", "librosa": "librosa's phase vocoder"}[DEFAULT_STRETCH] in shown
    bank = replace(Bank.open(house[1]), source=str(house[0]))
    table = read_table(tmp_path / "out" / "arrangements.csv")
    assert table["id"].tolist() == ["mashup00000", "mashup00001", "mashup00002"]
    assert table["filename"].tolist() == [f"{id_}.wav" for id_ in table["id"]]
    mashups = from_table(table, bank.index["clip"].to_numpy(str), ("blues", "rock"))
    for row, name in enumerate(table["filename"]):
        header = soundfile.info(tmp_path / "out" / name)
        assert (header.samplerate, header.channels, header.subtype, header.format) == (22_050, 1, "PCM_16", "WAV")
        samples, _ = soundfile.read(tmp_path / "out" / name, dtype="int16")
        assert np.abs(samples.astype(int)).max() == 32767
        wave = render(bank, mashups, row, sample_rate_hz=22_050)
        assert np.abs(samples - wave * 32767).max() <= 0.51


@pytest.mark.parametrize(("sample_rate_hz", "stretch"), [(44_100, "librosa"), (16_000, DEFAULT_STRETCH)])
def test_the_same_call_elsewhere_gives_the_same_bytes(mashup, tmp_path, sample_rate_hz, stretch):
    more = ("--count", 2, *SHORT, "--seed", 3, "--rate", sample_rate_hz, "--stretch", stretch)
    for name in "ab":
        assert mashup(*more, "--out", tmp_path / name)[0] == 0
    assert tree_digests(tmp_path / "a") == tree_digests(tmp_path / "b")
    assert mashup("--count", 2, *SHORT, "--seed", 4, "--out", tmp_path / "c")[0] == 0
    assert not set(tree_digests(tmp_path / "c").values()) & set(tree_digests(tmp_path / "a").values())


def test_broken_off_it_goes_on_to_the_same_bytes(mashup, tmp_path, monkeypatch):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert mashup("--count", 4, *SHORT, "--out", whole)[0] == 0

    def break_off_at_2(bank, mashups, row, *more):
        if row == 2:
            raise KeyboardInterrupt
        return render(bank, mashups, row, *more)

    with monkeypatch.context() as patch:
        patch.setattr(wav_folder, "render", break_off_at_2)
        status, shown = mashup("--count", 4, *SHORT, "--out", broken)
    assert status == 130
    assert "run the same command again to go on" in shown
    left = {path.name for path in broken.iterdir()}
    assert left == {"settings.json", "arrangements.csv", "mashup00000.wav", "mashup00001.wav"}
    status, shown = mashup("--count", 4, *SHORT, "--out", broken)
    assert status == 0
    assert "4 mashups, 2 of them written now" in shown
    assert tree_digests(broken) == tree_digests(whole)


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (("--seed", 1), "seed 0 there, 1 now"),
        (("--rate", 44_100), "sample_rate_hz 22050 there, 44100 now"),
        (("--set", "mashup.noisy=0.5"), "mashup.noisy 0.8 there, 0.5 now"),
        (("--count", 2), "count 1 there, 2 now"),
    ],
)
def test_other_settings_in_the_same_folder_are_refused(mashup, tmp_path, other, told):
    assert mashup("--count", 1, *SHORT, "--out", tmp_path / "out")[0] == 0
    before = tree_digests(tmp_path / "out")
    status, shown = mashup("--count", 1, *SHORT, "--out", tmp_path / "out", *other)
    assert status == 2
    assert f"holds mashups of other settings ({told}): name another with --out" in shown
    assert tree_digests(tmp_path / "out") == before


def test_a_folder_of_something_else_is_left_alone(mashup, tmp_path):
    (tmp_path / "mashup00000.wav").write_bytes(b"mine")
    status, shown = mashup("--count", 1, *SHORT, "--out", tmp_path)
    assert status == 2
    assert "is not empty and holds no settings.json of mashups: name a new folder with --out" in shown
    assert [path.name for path in tmp_path.iterdir()] == ["mashup00000.wav"]


def test_a_table_that_was_changed_is_noticed(mashup, tmp_path):
    assert mashup("--count", 1, *SHORT, "--out", tmp_path / "out")[0] == 0
    table = tmp_path / "out" / "arrangements.csv"
    table.write_text(table.read_text() + "\n")
    status, shown = mashup("--count", 1, *SHORT, "--out", tmp_path / "out")
    assert status == 2
    assert "arrangements.csv is not what its settings draw in this version: name another folder" in shown


def test_damaged_settings_are_noticed(mashup, tmp_path):
    (tmp_path / "settings.json").write_text("{")
    status, shown = mashup("--count", 1, *SHORT, "--out", tmp_path)
    assert status == 2
    assert "settings.json is damaged" in shown


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (("--set", "train.lr=1"), "only mashup."),
        (("--set", "mashup.loud=1"), "no such field"),
        (("--set", "mashup.vocoded=1"), "the recipe wants pre-stretched clips"),
        (("--recipe", "nothing"), "there is no recipe nothing"),
        (("--rate", "8000"), "invalid choice"),
        (("--count", "0"), "1 or more"),
        (("--seed", "-1"), "whole number"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_written(mashup, tmp_path, wrong, told):
    status, shown = mashup("--count", 1, "--out", tmp_path / "out", *wrong)
    assert status == 2
    assert told in shown
    assert not (tmp_path / "out").exists()


def test_at_the_banks_own_rate_the_bank_alone_is_enough(house, mashup, tmp_path):
    data, bank = house
    away = data.rename(data.with_name("away"))
    try:
        alone = ("--bank", bank)
        assert mashup("--count", 1, *SHORT, "--rate", 16_000, "--out", tmp_path / "a", place=alone)[0] == 0
        status, shown = mashup("--count", 1, *SHORT, "--out", tmp_path / "b", place=alone)
        assert status == 2
        assert "there is no file" in shown
        moved = ("--bank", bank, "--data", away)
        assert mashup("--count", 1, *SHORT, "--out", tmp_path / "b", place=moved)[0] == 0
    finally:
        away.rename(data)


def test_a_peak_of_1_is_full_scale_and_more_is_not_clipped():
    assert pcm16(np.array([0, 1, -1, 0.5])).tolist() == [0, 32767, -32767, 16384]
    assert pcm16(np.array([0, 1.25, -0.625])).tolist() == [0, 32767, -16384]
    assert pcm16(np.array([0, 0.1])).tolist() == [0, 3277]
    assert pcm16(np.zeros(3)).tolist() == [0, 0, 0]
    assert len(pcm16(np.zeros(0))) == 0


def test_the_settings_hold_the_whole_recipe(mashup, tmp_path):
    assert mashup("--count", 1, *SHORT, "--out", tmp_path / "out", "--recipe", "messy_mashup_cnn_tiny")[0] == 0
    settings = json.loads((tmp_path / "out" / "settings.json").read_text())
    assert settings["mashup.length_s"] == [0.3, 0.5]
    assert settings["sample_rate_hz"] == 22_050
    assert settings["stretch"] == DEFAULT_STRETCH
