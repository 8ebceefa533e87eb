"""Averages over classes against scikit-learn, their intervals, and what repeated splits say."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score

from messy_mashup.scoring import metrics
from messy_mashup.scoring.averages import average_intervals, averages
from messy_mashup.scoring.predictions import Predictions
from messy_mashup.scoring.repetitions import corrected_interval, records, repetition_table


@pytest.fixture
def truth():
    """Unequal classes, as ISMIR2004's are, called right three times in four."""
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), [120, 40, 15, 5])
    logits = generator.normal(size=(len(labels), 4)) + 2.2 * np.eye(4)[labels]
    return labels, logits


def test_they_are_scikit_learn_s(truth):
    labels, logits = truth
    called = logits.argmax(axis=1)
    told = averages(labels, logits)
    assert set(told) == {f"{way} {kind}" for way in ("macro", "weighted") for kind in ("precision", "recall", "F1")}
    for way in ("macro", "weighted"):
        assert told[f"{way} precision"] == pytest.approx(precision_score(labels, called, average=way))
        assert told[f"{way} recall"] == pytest.approx(recall_score(labels, called, average=way))
        assert told[f"{way} F1"] == pytest.approx(f1_score(labels, called, average=way))
    assert told["weighted recall"] == pytest.approx(metrics.accuracy(labels, logits))
    assert told["macro F1"] != pytest.approx(told["weighted F1"], abs=0.02)  # the classes are unequal


def test_intervals_are_those_of_the_plain_bootstrap(truth):
    labels, logits = truth
    intervals = average_intervals(labels, logits, seed=3, repeats=200)
    for name, (low, high) in intervals.items():
        assert low < averages(labels, logits)[name] < high

        def score(one, other, name=name):
            return averages(one, other)[name]

        plain = metrics.bootstrap_interval(score, labels, logits, seed=3, repeats=200)
        # one class may be missing in a draw: scikit-learn counts it as 0, as is done here
        np.testing.assert_allclose((low, high), plain, atol=1e-9)


def test_the_corrected_interval_holds_what_it_promises():
    """Means over ten random splits of one sample, each tested on a fifth: covered in about 95 of 100 cases."""
    generator, covered, plain = np.random.default_rng(0), 0, 0
    for _ in range(300):
        sample = generator.normal(0.8, 0.4, 200)  # a score a clip, of which a split tests 40
        scores = [generator.choice(sample, 40, replace=False).mean() for _ in range(10)]
        low, high = corrected_interval(scores, 40 / 160)
        covered += low <= 0.8 <= high
        low, high = corrected_interval(scores, 0.0)
        plain += low <= 0.8 <= high
    assert covered / 300 > 0.88
    assert plain < covered


def test_a_table_of_parts_and_repetitions():
    generator = np.random.default_rng(1)
    labels, folds = np.tile(np.arange(3), 40), np.repeat(np.arange(4), 30)
    logits = (generator.normal(size=(120, 3)) + np.eye(3)[labels]).astype(np.float32)
    ids = np.array([f"test{number}" for number in range(120)])
    predicted = Predictions(ids, np.array(["a", "b", "c"]), logits, folds, labels, "plan")
    table = repetition_table([("validation", predicted, 0.125), ("test", predicted, 0.5)]).set_index(["part", "score"])
    by_fold = metrics.fold_scores(labels, logits, folds)
    row = table.loc[("test", "accuracy")]
    assert (row["repetitions"], row["mean"]) == (4, pytest.approx(by_fold["accuracy"].mean()))
    assert row["sd"] == pytest.approx(by_fold["accuracy"].std())
    assert row["low"] < row["mean"] < row["high"]
    assert (
        row["high"] - row["low"]
        > table.loc[("validation", "accuracy"), "high"] - table.loc[("validation", "accuracy"), "low"]
    )
    one = Predictions(ids[:30], predicted.classes, logits[:30], folds[:30], labels[:30], "plan")
    single = records(repetition_table([("test", one, 0.0)]))[0]
    assert (single["repetitions"], single["sd"], single["low"]) == (1, None, None)
    with pytest.raises(ValueError, match="two of them or more"):
        corrected_interval([0.5], 0.1)
