"""A student is taught by the members that never heard its held-out songs, and learns what they say."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

import tiny
from messy_mashup.data.bank import Bank
from messy_mashup.data.folds import ALL
from messy_mashup.errors import UserError
from messy_mashup.mashup.arrangement import draw
from messy_mashup.mashup.validation import open_plan
from messy_mashup.purposes import TRAINING
from messy_mashup.recipe_text import from_json
from messy_mashup.scoring import predictions
from messy_mashup.scoring.blending import RankMean
from messy_mashup.scoring.ensemble import load_blend
from messy_mashup.scoring.metrics import softmax
from messy_mashup.training.feed import Feed
from messy_mashup.training.parallel import Ranks
from messy_mashup.training.teacher import teacher_of, teaching_members
from test_commands import House, run


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> House:
    """A blend of two runs, two folds and a member of all songs each, and a student of it."""
    house = House(tmp_path_factory.mktemp("house"))
    assert house.train("--name", "other", "--set", "train.seed=5") == 0
    assert run("blend", tiny.RECIPE, "other", "--name", "pair", "--runs", house.runs, "--method", "equal") == 0
    assert distil(house) == 0
    return house


def distil(house: House, *more: object) -> int:
    return run("distil", "pair", "--folds", "0,1", "--runs", house.runs, "--set", "train.seed=9", *more)


@pytest.fixture
def pair(house):
    return load_blend(house.runs, "pair")


def test_a_fold_is_taught_by_those_that_never_heard_its_songs(pair):
    for fold, name in ((0, "fold0"), (1, "fold1"), (ALL, "all")):
        chosen = teaching_members(pair, fold)
        assert chosen.members == (f"{tiny.RECIPE}/{name}", f"other/{name}")
        assert chosen.counted_for == pair.runs
    halved = replace(pair, members=pair.members[:4], weights=pair.weights[:4], counted_for=pair.counted_for[:4])
    with pytest.raises(UserError, match="other of pair has no member fold1: train it first"):
        teaching_members(halved, 1)
    ranked = replace(pair, rule=replace(pair.rule, combiner=RankMean(1.0)))
    with pytest.raises(UserError, match="ranks clips against each other"):
        teaching_members(ranked, 0)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_a_target_is_the_blend_s_mean_probability(house, pair, temperature):
    recipe = from_json(house.runs / "pair_student" / "fold0" / "recipe.json")
    recipe = replace(recipe, teacher=replace(recipe.teacher, temperature=temperature, share=0.75))
    bank = Bank.open(house.runs / "banks" / "tiny")
    plan = open_plan(bank, recipe.folds, house.runs / "folds")
    teacher = teacher_of(pair, house.runs, 0, bank, recipe, torch.device("cpu"))
    pool = plan.pool(bank, 0, recipe.mashup.parts)
    mashups = draw(pool, recipe.mashup, (recipe.train.seed, TRAINING, 1), 0, recipe.train.batch_size)
    each = []
    for listener in teacher.listeners:
        log_mel = teacher.players[listener.spec].log_mel(mashups, listener.frames, recipe.mashup.burst_level)
        with torch.inference_mode():
            each.append(softmax(listener.model.eval()(log_mel).numpy()))
    told = softmax(np.log(np.mean(each, axis=0)) / temperature)
    np.testing.assert_allclose(teacher.probabilities(mashups), told, atol=1e-5)
    player = teacher.players[teacher.listeners[0].spec]
    feed = Feed(recipe, player, pool, teacher.listeners[0].frames, Ranks(), teacher)
    expected = 0.75 * told + 0.25 * np.eye(2)[mashups.label]
    np.testing.assert_allclose(feed.batch(1, 0).target, expected, atol=1e-5)


def test_a_student_is_a_run_with_honest_predictions_and_stands_beside_its_teacher(house, pair):
    student = house.runs / "pair_student"
    told = json.loads((student / "distilled.json").read_text())
    assert [row["side"] for row in told] == ["pair", "pair_student"]
    assert [row["members"] for row in told] == [6, 2]
    assert told[0]["weights"] == 3 * told[1]["weights"]
    assert all(row["clips_per_s"] > 0 for row in told)
    parts = [predictions.load(student / f"fold{fold}" / "oof.npz") for fold in (0, 1)]
    teacher = predictions.load(house.runs / "blends" / "pair.oof.npz")
    assert sorted(np.concatenate([part.id for part in parts])) == sorted(teacher.id)
    assert {part.origin for part in parts} == {teacher.origin}
    right = np.concatenate([part.logits.argmax(1) == part.label for part in parts])
    assert told[1]["accuracy"] == pytest.approx(right.mean())
    recipe = from_json(student / "fold0" / "recipe.json")
    assert recipe.teacher.blend == "pair"
    assert len(recipe.teacher.digest) == 16
    assert run("report", "pair_student", "--runs", house.runs) == 0


def test_a_teacher_that_has_no_say_changes_nothing(house):
    """With a share of 0 a student ends in the bits of a run that was never taught."""
    assert distil(house, "--name", "untaught", "--set", "teacher.share=0") == 0
    assert house.train("--name", "plain", "--folds", "0", "--set", "train.seed=9") == 0
    untaught, plain, taught = (
        load_file(house.runs / name / "fold0" / "weights.safetensors") for name in ("untaught", "plain", "pair_student")
    )
    assert all(torch.equal(untaught[name], plain[name]) for name in plain)
    assert not all(torch.equal(taught[name], plain[name]) for name in plain)


def test_broken_off_it_goes_on_to_the_same_bits(house):
    assert distil(house, "--name", "again", "--hours", "1e-6") == 75
    assert distil(house, "--name", "again") == 0
    for name in ("fold0/weights.safetensors", "fold1/oof.npz"):
        assert (house.runs / "again" / name).read_bytes() == (house.runs / "pair_student" / name).read_bytes()


def test_what_cannot_be_is_told(house, capfd):
    assert run("distil", "nothing", "--runs", house.runs) == 2
    assert "nothing.json is missing: run blend.py first" in capfd.readouterr().err
    assert distil(house, "--set", "teacher.temperature=0") == 2
    assert "teacher.temperature" in capfd.readouterr().err
    assert house.train("--name", "lonely", "--set", "teacher.blend=pair") == 2
    assert "students are trained by distil.py" in capfd.readouterr().err
    path = house.runs / "other" / "fold0" / "weights.safetensors"
    kept = path.read_bytes()
    path.write_bytes((house.runs / "plain" / "fold0" / "weights.safetensors").read_bytes())
    assert distil(house, "--name", "late") == 2
    assert "has changed since it was blended" in capfd.readouterr().err
    path.write_bytes(kept)
    assert isinstance(pd.read_json(house.runs / "pair_student" / "distilled.json"), pd.DataFrame)
