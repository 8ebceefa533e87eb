"""Calibration errors equal their definition, and tell a calibrated model from one that is too sure."""

import numpy as np
import pytest

from messy_mashup.scoring.reliability import BINS, calibrated_ece, confidences, ece, reliability


def logits_of(probability):
    return np.log(np.asarray(probability, np.float64))


def model(clips, sharpened, seed=0):
    """Labels drawn from the model's own probabilities, which it then states `sharpened` times as sharply."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 1.5, (clips, 4))
    probability = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (generator.random((clips, 1)) > probability.cumsum(axis=1)).sum(axis=1)
    return labels, logits * sharpened


def test_ece_by_hand():
    """Two clips at .9, one of them right, and two at .6, both right: |.5 - .9| / 2 + |1 - .6| / 2."""
    logits = logits_of([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.4, 0.6]])
    labels = np.array([0, 1, 1, 1])
    assert ece(labels, logits) == pytest.approx(0.4)
    table = reliability(labels, logits)
    assert table["clips"].tolist() == [2, 2]
    assert table["right"].tolist() == [2, 1]
    assert table["confidence"].tolist() == pytest.approx([0.6, 0.9])
    assert table["accuracy"].tolist() == [1, 0.5]
    assert (table["low"] < table["confidence"]).all()
    assert (table["confidence"] <= table["high"] + 1e-12).all()


def test_the_error_is_the_weighted_distance_over_the_bins():
    labels, logits = model(3000, 2.0)
    table = reliability(labels, logits)
    distance = (table["accuracy"] - table["confidence"]).abs()
    assert ece(labels, logits) == pytest.approx((distance * table["clips"]).sum() / 3000)
    assert table["clips"].sum() == 3000
    assert (np.diff(table["low"]) > 0).all()


def test_certain_and_undecided_clips_have_a_bin():
    logits = np.array([[1000.0, 0.0], [0.0, 0.0]])
    table = reliability(np.array([0, 0]), logits)
    assert table["confidence"].tolist() == [0.5, 1.0]
    assert table["high"].tolist() == [8 / BINS, 1.0]
    assert ece(np.array([0, 0]), logits) == pytest.approx(0.25)


def test_a_model_that_is_too_sure_is_told_from_a_calibrated_one():
    labels, logits = model(4000, 1.0)
    middle, high = calibrated_ece(labels, logits, seed=0, repeats=200)
    assert 0 < middle < high
    assert ece(labels, logits) < high
    labels, logits = model(4000, 3.0)
    assert ece(labels, logits) > 3 * calibrated_ece(labels, logits, seed=0, repeats=200)[1]


def test_what_a_calibrated_model_would_show_is_exceeded_as_seldom_as_it_says():
    exceeded = [
        ece(labels, logits) > calibrated_ece(labels, logits, seed, repeats=100)[1]
        for seed, (labels, logits) in ((seed, model(150, 1.0, seed)) for seed in range(200))
    ]
    assert 0.01 <= np.mean(exceeded) <= 0.1


def test_confidences_are_of_the_class_that_is_chosen():
    sure, right = confidences(np.array([1, 0]), logits_of([[0.2, 0.8], [0.3, 0.7]]))
    assert sure.tolist() == pytest.approx([0.8, 0.7])
    assert right.tolist() == [True, False]
    with pytest.raises(ValueError, match="empty"):
        confidences(np.zeros(0, int), np.zeros((0, 3)))
