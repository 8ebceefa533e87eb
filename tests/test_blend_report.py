"""What a study says in words is what its figures say."""

import json

import numpy as np
import pytest
from matplotlib.image import imread

from made_up_runs import held_out
from messy_mashup.scoring.blend_report import remove_study, rule_told, told, write_study
from messy_mashup.scoring.blend_study import study
from messy_mashup.scoring.blending import Geometric, Mean, RankMean, Rule
from messy_mashup.scoring.stacking import Stack


@pytest.fixture(scope="module")
def alike():
    return study(held_out([1.0, 1.0, 1.0], clips=240))[0]


@pytest.fixture(scope="module")
def harmed():
    made = held_out([1.2, 1.2, 3.0], clips=600)
    made.logits[2] = np.roll(made.logits[2], 1, axis=1)
    return study(made)[0]


def line_of(text: str, begin: str) -> list[str]:
    return next(line.split() for line in text.splitlines() if line.strip().startswith(begin))


def test_the_tables_hold_the_figures(alike):
    text = told(alike)
    geometric = alike.methods[1]
    assert line_of(text, "geometric ")[1:3] == [
        f"{geometric.figures.macro_f1:.4f}",
        f"{geometric.against_equal.difference:+.4f}",
    ]
    assert "None of 9 methods beats equal weights clearly" in text
    assert f"{alike.runs[1].temperature:.2f}" in line_of(text, "run1 ")
    assert max(map(len, text.splitlines())) <= 120


def test_the_winner_and_the_run_that_hurts_are_named(harmed):
    text = told(harmed)
    assert f"{harmed.best} beats equal weights clearly" in text
    assert any(line.strip().startswith("run2") and line.endswith("hurts") for line in text.splitlines())


def test_figures_and_pictures_are_left_and_removed(tmp_path, alike):
    write_study(alike, tmp_path, "three")
    figures = json.loads((tmp_path / "three.study.json").read_text())
    assert figures["best"] == "equal"
    assert figures["methods"][1]["against_equal"]["low"] == alike.methods[1].against_equal.low
    assert figures["verdicts"] == {run.name: run.verdict for run in alike.runs}
    for name in ("three.members.png", "three.methods.png"):
        assert imread(tmp_path / name)[..., :3].std() > 0.05
    (tmp_path / "other.study.json").write_text("{}")
    remove_study(tmp_path, "three")
    remove_study(tmp_path, "three")
    assert [path.name for path in tmp_path.iterdir()] == ["other.study.json"]


def test_a_rule_is_told_run_by_run():
    runs = ["a", "b"]
    unit = (1.0, 1.0)
    for combiner in (Mean((0.5, 0.5)), Geometric(), RankMean(0.1)):
        assert rule_told(runs, Rule(unit, combiner)) == "all runs alike"
    assert rule_told(runs, Rule(unit, Mean((0.75, 0.25)))) == "shares of 0.75 (a), 0.25 (b)"
    assert rule_told(runs, Rule((1.5, 2.0), Geometric())) == "all runs alike; temperatures of 1.50 (a), 2.00 (b)"
    # of three classes: on its own log-probability each has 1 in a and 2 in b, on the others' 9
    own = np.where(np.eye(3)[:, None] == 1, np.array([1, 2])[None, :, None], 9).reshape(3, 6)
    stack = Stack(tuple(map(tuple, own.tolist())), (0.0,) * 3, 1.0)
    assert rule_told(runs, Rule(unit, stack)) == "mean coefficients of 1.00 (a), 2.00 (b)"
