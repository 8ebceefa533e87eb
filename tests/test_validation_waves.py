"""The mashups that a member was validated on can be heard again, from its own bank only."""

import json

import numpy as np
import pytest

from banks import RATE_HZ, bank_of, songs
from messy_mashup import paths
from messy_mashup.data.bank import CARD
from messy_mashup.errors import UserError
from messy_mashup.mashup.validation import open_plan
from messy_mashup.recipe import FoldRecipe, MashupRecipe, Recipe
from messy_mashup.recipe_text import to_json
from messy_mashup.training import validation_waves
from messy_mashup.training.run_folder import WEIGHTS, save_weights
from messy_mashup.training.validation_waves import Validation
from messy_mashup.training.validation_waves import bank_of as bank_trained_with

MASHUP = MashupRecipe(length_s=(0.3, 0.5), burst_s=(0.1, 0.2), noisy=0.5)
RECIPE = Recipe("small", folds=FoldRecipe(count=2, validation_per_song=1, validation=MASHUP))
NOISES = {f"1-{number}-A-{number}": np.full(4000, 0.1, np.float32) for number in range(4)}


@pytest.fixture
def bank(tmp_path):
    return bank_of(tmp_path / "bank", songs(("jazz", "pop"), 8, 0.6) | NOISES)


@pytest.fixture
def member(bank, tmp_path):
    folder = tmp_path / "runs" / "small" / "fold0"
    folder.mkdir(parents=True)
    plan = open_plan(bank, RECIPE.folds, tmp_path / "runs" / "folds")
    card = {"recipe": json.loads(to_json(RECIPE)), "fold": 0, "plan": plan.digest, "bank": bank.digest}
    save_weights(folder / WEIGHTS, {}, card)
    return folder


def test_a_validation_mashup_can_be_heard(member, bank, tmp_path):
    mashups = Validation.of(member, bank, tmp_path / "runs")
    first = mashups.plan.validation.iloc[0]
    wave = mashups.wave(first["id"])
    assert len(wave) == int(first["length_s"] * RATE_HZ)
    assert np.abs(wave).max() == pytest.approx(1)
    with pytest.raises(UserError, match="no validation or test mashup nothing"):
        mashups.wave("nothing")


def test_what_it_is_made_of_is_told(member, bank, tmp_path):
    mashups = Validation.of(member, bank, tmp_path / "runs")
    table = mashups.plan.validation
    silent = table["burst0_clip"] == ""
    assert 0 < silent.sum() < len(table)
    for row in (table[silent].iloc[0], table[~silent].iloc[0]):
        voices, noise = mashups.made_of(row["id"]).split("; ")
        assert voices.split(", ") == [row[f"voice{voice}_clip"] for voice in range(4)]
        assert noise == "no noise" if row["burst0_clip"] == "" else row["burst0_clip"] in noise


def test_mashups_of_another_bank_are_not_played_and_nothing_is_written_for_them(member, tmp_path):
    other = bank_of(tmp_path / "other", songs(("jazz", "pop"), 8, 0.7) | NOISES)
    before = sorted((tmp_path / "runs" / "folds").iterdir())
    with pytest.raises(UserError, match="validated on other mashups"):
        Validation.of(member, other, tmp_path / "runs")
    assert sorted((tmp_path / "runs" / "folds").iterdir()) == before


def test_a_plan_that_was_changed_is_not_played(member, bank, tmp_path):
    (written,) = (tmp_path / "runs" / "folds").glob("*/validation.csv")
    lines = written.read_text().splitlines()
    written.write_text("\n".join(lines[:-1]) + "\n")
    with pytest.raises(UserError, match="validated on other mashups"):
        Validation.of(member, bank, tmp_path / "runs")


def test_the_bank_is_found_by_what_it_holds(member, bank, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "inputs", lambda: tmp_path / "inputs")
    runs = tmp_path / "runs"
    with pytest.raises(UserError, match=r"no bank below .*banks holds the clips .*name its folder with --bank"):
        bank_trained_with(member, runs)
    other = bank_of(tmp_path / "other", songs(("jazz",), 4, 0.6))
    by_folder = {"a_other": other, "b_right": bank}
    (runs / "banks" / "c_damaged").mkdir(parents=True)
    (runs / "banks" / "c_damaged" / CARD).write_text("{")
    for name in by_folder:
        (runs / "banks" / name).mkdir(parents=True)
        (runs / "banks" / name / CARD).touch()
    opened = validation_waves.Bank.open
    monkeypatch.setattr(
        validation_waves.Bank, "open", lambda folder: by_folder.get(folder.name) or opened(folder), raising=True
    )
    assert bank_trained_with(member, runs) is bank
    (runs / "banks" / "b_right" / CARD).unlink()
    with pytest.raises(UserError, match="no bank below"):
        bank_trained_with(member, runs)
    attached = tmp_path / "inputs" / "kernel" / "runs" / "banks" / "b_right"
    attached.mkdir(parents=True)
    (attached / CARD).touch()
    assert bank_trained_with(member, runs) is bank
