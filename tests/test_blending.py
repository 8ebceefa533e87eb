"""Each method is what its name says, fitted on held-out clips alone and scored on others."""

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from made_up_runs import held_out, parts_of
from messy_mashup.errors import UserError
from messy_mashup.scoring.blending import (
    FITS,
    METHODS,
    Mean,
    fit_hill,
    fit_temperature,
    fitted_temperatures,
    mean_ranks,
    method,
    tempered,
)
from messy_mashup.scoring.ensemble import held_out_clips
from messy_mashup.scoring.metrics import accuracy, log_loss

named = pytest.mark.parametrize("each", METHODS, ids=lambda each: each.name)


def log_probabilities(runs):
    return tempered(runs.logits, (1.0,) * len(runs.logits))


def test_equal_is_the_mean_probability_and_geometric_the_mean_of_logs():
    runs = held_out([1.0, 0.5, 2.0])
    truth = runs.clips.label, runs.clips.fold
    equal = method("equal", "none").fitted(runs.logits, *truth).combine(runs.logits)
    np.testing.assert_allclose(np.exp(equal), softmax(runs.logits, axis=2).mean(axis=0), rtol=1e-5)
    geometric = method("geometric", "none").fitted(runs.logits, *truth).combine(runs.logits)
    expected = log_softmax(log_softmax(runs.logits, axis=2).mean(axis=0), axis=1)
    np.testing.assert_allclose(geometric, expected, rtol=1e-4, atol=1e-5)


def test_ranks_forget_how_sure_a_run_is():
    runs = held_out([1.0, 1.0])
    louder = log_probabilities(runs)
    ranks = mean_ranks(louder)
    np.testing.assert_array_equal(mean_ranks(louder * 7), ranks)
    assert 0 < ranks.min() < ranks.max() < 1
    np.testing.assert_allclose(ranks.mean(axis=0), 0.5)
    rule = method("rank", "none").fitted(runs.logits, runs.clips.label, runs.clips.fold)
    np.testing.assert_array_equal(rule.combine(runs.logits).argmax(axis=1), ranks.argmax(axis=1))
    with pytest.raises(UserError, match="--method equal"):
        rule.combine(runs.logits[:, :1])


def test_hill_climbing_leaves_noise_out_and_finds_the_better_run():
    runs = held_out([2.0, 0.0, 1.8], clips=600)
    shares = fit_hill(log_probabilities(runs), runs.clips.label, runs.clips.fold).shares
    assert sum(shares) == pytest.approx(1)
    assert shares[1] < 0.1 < shares[2] < shares[0] + 0.3


def test_hill_climbing_ends_where_no_shares_are_better():
    runs = held_out([1.5, 1.2], clips=300)
    log_p = log_probabilities(runs)
    labels = runs.clips.label
    found = log_loss(labels, fit_hill(log_p, labels, runs.clips.fold).combine(log_p))
    grid = [log_loss(labels, Mean((share, 1 - share)).combine(log_p)) for share in np.linspace(0, 1, 201)]
    assert found <= min(grid) + 2e-4


def test_temperature_takes_back_how_the_logits_were_scaled():
    quiet, loud = (held_out_clips({"run": parts_of(2.0, 0, 1200, loudness=loudness)}).logits[0] for loudness in (1, 4))
    labels = held_out_clips({"run": parts_of(2.0, 0, 1200)}).clips.label
    ratio = fit_temperature(loud, labels) / fit_temperature(quiet, labels)
    assert ratio == pytest.approx(4, rel=0.01)
    (temperature,) = fitted_temperatures(loud[None], labels)
    around = [log_loss(labels, loud / (temperature * factor)) for factor in (0.9, 1.0, 1.1)]
    assert min(around) == around[1]


def test_a_run_that_is_always_right_keeps_a_finite_temperature():
    labels = np.arange(40) % 4
    assert 0.05 <= fit_temperature(np.eye(4)[labels] * 9, labels) < 1


@named
def test_a_fold_s_blend_does_not_know_its_labels(each):
    runs = held_out([1.5, 0.8, 1.0])
    labels, folds = runs.clips.label, runs.clips.fold
    blended = each.nested(runs.logits, labels, folds)
    assert blended.dtype == np.float32
    np.testing.assert_allclose(np.exp(blended.astype(float)).sum(axis=1), 1, rtol=1e-4)
    changed = np.where(folds == 1, (labels + 1) % 4, labels)
    again = each.nested(runs.logits, changed, folds)
    np.testing.assert_array_equal(again[folds == 1], blended[folds == 1])
    if each.is_fitted:
        assert (again[folds != 1] != blended[folds != 1]).any()
    np.testing.assert_array_equal(each.nested(runs.logits, labels, folds), blended)


@named
def test_runs_together_beat_the_best_alone(each):
    runs = held_out([1.2] * 5, clips=600)
    labels = runs.clips.label
    blended = each.nested(runs.logits, labels, runs.clips.fold)
    assert accuracy(labels, blended) > max(accuracy(labels, run) for run in runs.logits)


@named
def test_one_fold_is_enough_only_where_nothing_is_fitted(each):
    runs = held_out([1.0, 1.0], folds=1)
    if each.is_fitted:
        with pytest.raises(UserError, match="only fold 0"):
            each.nested(runs.logits, runs.clips.label, runs.clips.fold)
    else:
        assert each.nested(runs.logits, runs.clips.label, runs.clips.fold).shape == (120, 4)


def test_every_method_is_there_with_and_without_temperatures():
    assert [each.name for each in METHODS] == [*FITS, *(f"{name}, tempered" for name in FITS)]
    assert [each.name for each in METHODS if not each.is_fitted] == ["equal", "geometric"]
