"""The quick bootstrap gives what scikit-learn's F1 gives, draw by draw, and widens where many are compared."""

import numpy as np
import pytest

from messy_mashup.scoring.metrics import macro_f1, paired_difference
from messy_mashup.scoring.paired_bootstrap import PairedBootstrap, macro_f1_of_choices

CLASSES = 4


@pytest.fixture
def labels() -> np.ndarray:
    return np.arange(200) % CLASSES


def choices(labels: np.ndarray, right: float, seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    wrong = generator.integers(CLASSES, size=len(labels))
    return np.where(generator.random(len(labels)) < right, labels, wrong)


def logits(chosen: np.ndarray) -> np.ndarray:
    return np.eye(CLASSES)[chosen]


def test_scores_are_those_of_scikit_learn(labels):
    chosen = np.stack([choices(labels, right, seed) for seed, right in enumerate((0.2, 0.6, 0.9))])
    chosen[0][chosen[0] == 2] = 1  # a class that is never chosen counts as 0
    expected = [macro_f1(labels, logits(each)) for each in chosen]
    np.testing.assert_allclose(macro_f1_of_choices(labels, chosen, CLASSES), expected)
    found = PairedBootstrap(labels, CLASSES).difference(chosen[2], chosen[0])
    assert found.difference == pytest.approx(expected[2] - expected[0], abs=1e-6)


def test_the_interval_is_that_of_the_plain_way(labels):
    ours, theirs = choices(labels, 0.7, 1), choices(labels, 0.6, 2)
    found = PairedBootstrap(labels, CLASSES).difference(ours, theirs)
    plain = paired_difference(macro_f1, labels, logits(ours)[None], logits(theirs)[None], seed=1, repeats=400)
    assert (found.low, found.high) == pytest.approx(plain[1:], abs=0.02)
    assert found.low < found.difference < found.high


def test_the_same_choices_differ_by_nothing(labels):
    found = PairedBootstrap(labels, CLASSES).difference(labels, labels)
    assert (found.difference, found.low, found.high) == (0, 0, 0)


def test_comparisons_widen_the_interval(labels):
    bootstrap = PairedBootstrap(labels, CLASSES)
    ours, theirs = choices(labels, 0.7, 1), choices(labels, 0.6, 2)
    one, ten = bootstrap.difference(ours, theirs), bootstrap.difference(ours, theirs, comparisons=10)
    assert ten.low < one.low < one.high < ten.high
