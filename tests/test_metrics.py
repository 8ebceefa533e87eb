"""Metrics equal their definitions, count every class, and refuse what they cannot score."""

import numpy as np
import pytest
from sklearn.metrics import log_loss as sklearn_log_loss
from sklearn.metrics import roc_auc_score

from messy_mashup.scoring.metrics import (
    accuracy,
    bootstrap_interval,
    brier,
    confusion,
    f1_intervals,
    fold_scores,
    fold_spread,
    log_loss,
    macro_f1,
    paired_difference,
    per_class,
    roc,
    softmax,
)

GENRES = ["blues", "jazz", "rock"]
LABELS = np.array([0, 0, 1, 1, 2, 2])
PREDICTED = np.array([0, 1, 1, 1, 2, 0])
LOGITS = np.eye(3, dtype=np.float32)[PREDICTED]


def drawn(clips, classes, right, seed=0):
    generator = np.random.default_rng(seed)
    labels = generator.integers(classes, size=clips)
    logits = generator.normal(size=(clips, classes)).astype(np.float32)
    hit = generator.random(clips) < right
    logits[hit, labels[hit]] += 20
    return labels, logits


def test_macro_f1_by_hand():
    assert macro_f1(LABELS, LOGITS) == pytest.approx((1 / 2 + 4 / 5 + 2 / 3) / 3)


def test_macro_f1_counts_classes_that_no_clip_has():
    padded = np.hstack([LOGITS, np.full((6, 1), -9, np.float32)])
    assert macro_f1(LABELS, padded) == pytest.approx(macro_f1(LABELS, LOGITS) * 3 / 4)


def test_accuracy_by_hand():
    assert accuracy(LABELS, LOGITS) == pytest.approx(4 / 6)


def test_log_loss_equals_scikit_learn_s():
    labels, logits = drawn(200, 5, 0.5)
    assert log_loss(labels, logits) == pytest.approx(sklearn_log_loss(labels, softmax(logits), labels=range(5)))


def test_log_loss_is_not_clipped():
    assert log_loss(np.array([1]), np.array([[1000.0, 0.0]])) == pytest.approx(1000)


def test_brier_by_hand():
    """Of two classes: .2 and .2 off, then .7 and .7 off."""
    logits = np.log([[0.8, 0.2], [0.7, 0.3]])
    assert brier(np.array([0, 1]), logits) == pytest.approx((2 * 0.2**2 + 2 * 0.7**2) / 2)
    assert brier(np.array([1]), np.array([[1000.0, 0.0]])) == pytest.approx(2)


def test_softmax_of_large_logits():
    assert softmax(np.array([[1e4, 1e4]], np.float32)).tolist() == [[0.5, 0.5]]


def test_confusion_has_true_rows():
    assert confusion(LABELS, LOGITS).tolist() == [[1, 1, 0], [0, 2, 0], [1, 0, 1]]


def test_per_class_names_and_counts():
    table = per_class(LABELS, LOGITS, GENRES)
    assert table["class"].tolist() == GENRES
    assert table["clips"].tolist() == [2, 2, 2]
    assert table["f1"].mean() == pytest.approx(macro_f1(LABELS, LOGITS))
    assert table.loc[1, ["precision", "recall"]].tolist() == pytest.approx([2 / 3, 1])
    with pytest.raises(ValueError, match="2 class names"):
        per_class(LABELS, LOGITS, GENRES[:2])


def test_fold_spread_scores_each_fold_alone():
    labels, logits = drawn(300, 3, 0.6)
    folds = np.arange(300) % 3
    mean, std, each = fold_spread(labels, logits, folds)
    assert each == {fold: macro_f1(labels[folds == fold], logits[folds == fold]) for fold in range(3)}
    assert mean == pytest.approx(np.mean(list(each.values())))
    assert std == pytest.approx(np.std(list(each.values()), ddof=1))


def test_fold_scores_are_those_of_each_fold_s_clips():
    labels, logits = drawn(90, 3, 0.6)
    folds = np.arange(90) % 3 + 4
    table = fold_scores(labels, logits, folds)
    assert table.columns.tolist() == ["fold", "clips", "macro_f1", "accuracy", "log_loss"]
    assert table["fold"].tolist() == [4, 5, 6]
    assert table["clips"].tolist() == [30] * 3
    assert table["macro_f1"].tolist() == list(fold_spread(labels, logits, folds).per_fold.values())
    assert table["log_loss"].mean() == pytest.approx(log_loss(labels, logits)), "folds of equal size"
    with pytest.raises(ValueError, match="each clip needs one fold"):
        fold_scores(labels, logits, folds[:5])


def test_one_fold_has_no_spread():
    assert fold_spread(LABELS, LOGITS, np.zeros(6, int)).std is None


def test_bootstrap_interval_is_seeded_and_as_wide_as_the_binomial():
    labels, logits = drawn(400, 10, 0.8)
    low, high = bootstrap_interval(accuracy, labels, logits, seed=3)
    assert (low, high) == bootstrap_interval(accuracy, labels, logits, seed=3)
    share = accuracy(labels, logits)
    expected = 2 * 1.96 * np.sqrt(share * (1 - share) / 400)
    assert low < share < high
    assert high - low == pytest.approx(expected, rel=0.15)


def test_bootstrap_interval_covers_the_truth_as_often_as_it_says():
    hits = []
    for seed in range(200):
        labels, logits = drawn(120, 3, 0.7, seed)
        low, high = bootstrap_interval(accuracy, labels, logits, seed, repeats=200, level=0.9)
        hits.append(low <= 0.7 + 0.3 / 3 <= high)
    assert 0.83 <= np.mean(hits) <= 0.96


def test_f1_intervals_hold_each_class_s_f1_and_are_wide_where_clips_are_few():
    labels, logits = drawn(600, 3, 0.6)
    rare = np.concatenate([np.flatnonzero(labels < 2), np.flatnonzero(labels == 2)[:12]])
    labels, logits = labels[rare], logits[rare]
    low, high = f1_intervals(labels, logits, seed=0, repeats=200)
    score = per_class(labels, logits, GENRES)["f1"].to_numpy()
    assert (low < score).all()
    assert (score < high).all()
    assert (high - low).argmax() == 2
    assert np.array_equal(f1_intervals(labels, logits, seed=0, repeats=200), [low, high])
    of_one = bootstrap_interval(
        lambda label, logit: per_class(label, logit, GENRES)["f1"][1], labels, logits, seed=0, repeats=50
    )
    assert f1_intervals(labels, logits, seed=0, repeats=50)[:, 1].tolist() == pytest.approx(of_one)
    assert f1_intervals(LABELS, np.hstack([LOGITS, np.full((6, 1), -9)]), 0, repeats=9)[:, 3].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("labels", "logits", "reason"),
    [
        (LABELS[:5], LOGITS, r"labels \(5,\) and logits \(6, 3\)"),
        (LABELS, LABELS, "must be"),
        (np.zeros(0, int), np.zeros((0, 3)), "empty"),
        (LABELS + 1, LOGITS, "from 1 to 3"),
        (LABELS - 1, LOGITS, "from -1 to 1"),
        (LABELS.astype(float), LOGITS, "whole numbers"),
        (
            LABELS,
            np.where(np.arange(6)[:, None] == 4, np.nan, LOGITS),
            "1 clips are not finite, the first at position 4",
        ),
    ],
)
@pytest.mark.parametrize("metric", [macro_f1, accuracy, log_loss, brier, confusion])
def test_what_cannot_be_scored_is_refused(metric, labels, logits, reason):
    with pytest.raises(ValueError, match=reason):
        metric(labels, logits)


def test_folds_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="each clip needs one fold"):
        fold_spread(LABELS, LOGITS, np.zeros(5, int))


def test_a_paired_difference_is_surer_than_the_scores_it_is_of():
    generator = np.random.default_rng(0)
    label = generator.integers(0, 4, 400)
    theirs = np.stack([np.eye(4)[label] * 2 + generator.normal(0, 1.2, (400, 4)) for _ in range(3)])
    ours = theirs + 0.25 * np.eye(4)[label]
    difference, low, high = paired_difference(macro_f1, label, ours, theirs, seed=0, repeats=200)
    scores = [[macro_f1(label, one) for one in logits] for logits in (ours, theirs)]
    assert difference == pytest.approx(np.mean(scores[0]) - np.mean(scores[1]))
    assert 0 < low < difference < high
    of_one = bootstrap_interval(macro_f1, label, theirs[0], seed=0, repeats=200)
    assert high - low < of_one[1] - of_one[0]
    assert paired_difference(macro_f1, label, ours, ours, seed=0, repeats=20) == (0, 0, 0)
    with pytest.raises(ValueError, match="not of the same runs and clips"):
        paired_difference(macro_f1, label, ours, theirs[:2], seed=0)


def test_roc_by_hand():
    """One class against the rest: of two clips of it and two of the other, one pair is in the wrong order."""
    labels, score = np.array([1, 1, 0, 0]), np.array([2.0, 0.0, 1.0, -1.0])
    curves = roc(labels, np.stack([np.zeros(4), score], axis=1))
    assert curves.auc.tolist() == [0.75, 0.75]
    false_positives, true_positives = curves.points[1]
    assert list(zip(false_positives, true_positives, strict=True)) == [(0, 0), (0, 0.5), (0.5, 0.5), (0.5, 1), (1, 1)]


def test_areas_equal_scikit_learn_s_and_tell_chance_from_knowledge():
    labels, logits = drawn(500, 4, 0.5)
    logits = logits + np.random.default_rng(1).normal(size=logits.shape)  # so that none is sure beyond float64
    curves = roc(labels, logits)
    assert curves.macro == pytest.approx(roc_auc_score(labels, softmax(logits), multi_class="ovr"))
    assert curves.auc.mean() == pytest.approx(curves.macro)
    assert roc(labels, np.eye(4)[labels]).auc.tolist() == [1, 1, 1, 1]
    assert roc(labels, np.zeros((500, 4))).auc.tolist() == [0.5] * 4


@pytest.mark.parametrize(("labels", "reason"), [([0, 1, 1], "class 2 has no clip"), ([0, 0, 0], "class 1 has no clip")])
def test_roc_wants_clips_of_every_class(labels, reason):
    with pytest.raises(ValueError, match=reason):
        roc(np.array(labels), np.eye(3))


def test_roc_among_the_classes_that_have_clips():
    labels, logits = drawn(300, 3, 0.5)
    logits = logits + np.random.default_rng(1).normal(size=logits.shape)
    with_absent = np.hstack([logits, np.full((300, 1), -50.0)])
    curves, whole = roc(labels, with_absent, among=[0, 2]), roc(labels, logits)
    assert curves.auc.tolist() == pytest.approx(whole.auc[[0, 2]].tolist())
    assert curves.macro == pytest.approx(curves.auc.mean())
    with pytest.raises(ValueError, match="class 3 has no clip"):
        roc(labels, with_absent)


def test_roc_of_one_class_is_refused():
    with pytest.raises(ValueError, match="one class only"):
        roc(np.zeros(3, int), np.zeros((3, 1)))
