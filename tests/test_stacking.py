"""Stacking learns what no mean can: a class that a run calls by another's name."""

import numpy as np
import pytest

from made_up_runs import CLASSES, held_out
from messy_mashup.errors import UserError
from messy_mashup.scoring.blending import method, tempered
from messy_mashup.scoring.metrics import accuracy, log_loss
from messy_mashup.scoring.stacking import STRENGTHS, fit_stack


def test_a_run_that_swaps_two_classes_is_put_right():
    runs = held_out([1.5, 1.5], clips=600)
    labels, folds = runs.clips.label, runs.clips.fold
    right = method("stacking", "none").nested(runs.logits, labels, folds)
    runs.logits[1] = runs.logits[1][:, [1, 0, 2, 3]]
    swapped = method("stacking", "none").nested(runs.logits, labels, folds)
    equal = method("equal", "none").nested(runs.logits, labels, folds)
    assert accuracy(labels, swapped) == pytest.approx(accuracy(labels, right), abs=0.02)
    assert accuracy(labels, swapped) > accuracy(labels, equal) + 0.1


def test_noise_gets_a_strong_penalty_and_skill_a_weak_one():
    def strength(skill: float) -> float:
        runs = held_out([skill], clips=240)
        return fit_stack(tempered(runs.logits, (1.0,)), runs.clips.label, runs.clips.fold).strength

    noise = held_out([0.0], clips=240)
    blended = method("stacking", "none").nested(noise.logits, noise.clips.label, noise.clips.fold)
    assert log_loss(noise.clips.label, blended) == pytest.approx(np.log(len(CLASSES)), abs=0.05)
    assert STRENGTHS[0] <= strength(0.0) < strength(2.0)


def test_two_classes_are_told_apart_like_many():
    runs = held_out([1.0, 1.0], clips=240)
    kept = runs.clips.label < 2
    logits, labels, folds = runs.logits[:, kept, :2], runs.clips.label[kept], runs.clips.fold[kept]
    stacked = method("stacking", "none").nested(logits, labels, folds)
    assert stacked.shape == (kept.sum(), 2)
    assert accuracy(labels, stacked) > 0.7


def test_one_certain_run_does_not_rule_alone():
    runs = held_out([1.0, 1.0])
    stack = fit_stack(tempered(runs.logits, (1.0, 1.0)), runs.clips.label, runs.clips.fold)
    sure = tempered(runs.logits[:, :1] * np.float32(1e6), (1.0, 1.0))
    assert np.isfinite(stack.combine(sure)).all()
    np.testing.assert_allclose(np.exp(stack.combine(sure)).sum(), 1)


def test_a_class_that_is_missing_is_told():
    runs = held_out([1.0, 1.0])
    here = (runs.clips.label != 3) | (runs.clips.fold == 0)
    with pytest.raises(UserError, match="class number 3"):
        method("stacking", "none").nested(runs.logits[:, here], runs.clips.label[here], runs.clips.fold[here])
    few = held_out([1.0, 1.0], clips=24, folds=2)
    with pytest.raises(UserError, match="one class has 3"):
        method("stacking", "none").nested(few.logits, few.clips.label, few.clips.fold)
