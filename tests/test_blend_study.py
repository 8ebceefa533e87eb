"""A study tells what is planted in the runs, and nothing where nothing is."""

from itertools import combinations

import numpy as np
import pytest

from made_up_runs import held_out
from messy_mashup.scoring.blend_study import SUBSETS, greedy_order, study
from messy_mashup.scoring.ensemble import HeldOut
from messy_mashup.scoring.metrics import macro_f1, softmax


@pytest.fixture(scope="module")
def runs() -> HeldOut:
    """Three alike, and one that is worse than guessing: it calls every class by the next one's name."""
    made = held_out([1.2, 1.2, 1.2, 3.0], clips=600)
    made.logits[3] = np.roll(made.logits[3], 1, axis=1)
    return made


@pytest.fixture(scope="module")
def studied(runs):
    return study(runs)


def test_a_run_that_hurts_is_named_and_the_others_help(studied):
    found, _ = studied
    assert [run.verdict for run in found.runs] == ["helps", "helps", "helps", "hurts"]
    assert found.runs[3].by_leaving.low > 0
    assert found.order[-1] == "run3"


def test_a_method_that_beats_equal_weights_replaces_them(studied):
    found, blended = studied
    assert found.best.startswith("stacking")  # it alone can turn the names back
    hill = next(method for method in found.methods if method.name == "hill")
    assert hill.against_equal.low > 0
    assert set(blended) == {method.name for method in found.methods}


def test_equal_weights_stay_among_runs_that_are_alike():
    found, _ = study(held_out([1.0, 1.0, 1.0], clips=240))
    assert found.best == "equal"
    assert [run.verdict for run in found.runs if run.verdict == "hurts"] == []


def test_every_number_of_runs_has_all_its_sets(runs, studied):
    found, _ = studied
    p = np.stack([softmax(each) for each in runs.logits])
    assert [each.sets for each in found.numbers] == [4, 6, 4, 1]
    for each in found.numbers:
        scores = [
            macro_f1(runs.clips.label, p[list(chosen)].mean(axis=0)) for chosen in combinations(range(4), each.runs)
        ]
        assert (each.mean, each.low, each.high) == pytest.approx((np.mean(scores), min(scores), max(scores)), abs=1e-4)
        assert each.low - 1e-9 <= each.greedy
    assert found.numbers[-1].greedy == pytest.approx(found.numbers[-1].mean)


def test_many_runs_are_drawn_from(runs):
    many = HeldOut(tuple(map(str, range(12))), np.tile(runs.logits[:3], (4, 1, 1)), runs.clips)
    found, _ = study(many)
    assert [each.sets for each in found.numbers][:2] == [12, 66]
    assert max(each.sets for each in found.numbers) == SUBSETS


def test_greedy_order_is_by_log_loss_of_the_mean():
    labels = np.array([0, 1])
    good = np.array([[0.7, 0.3], [0.3, 0.7]])
    left, right = np.array([[0.95, 0.05], [0.6, 0.4]]), np.array([[0.4, 0.6], [0.05, 0.95]])
    assert greedy_order(np.stack([left, right, good]), labels)[0] == 2
    assert greedy_order(np.stack([good, 1 - good]), labels) == [0, 1]


def test_it_is_the_same_every_time(runs, studied):
    assert study(runs)[0] == studied[0]


def test_a_method_that_cannot_be_fitted_is_left_out_with_its_reason():
    found, blended = study(held_out([1.0, 1.0], clips=24, folds=2))
    assert set(found.left_out) == {"stacking", "stacking, tempered"}
    assert "one class has 3" in found.left_out["stacking"]
    assert "stacking" not in blended
