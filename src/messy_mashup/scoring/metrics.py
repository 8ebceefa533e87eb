"""Metrics over labels (clips,) and logits (clips, classes): what the competition asks, and how sure it is.

Every function raises ValueError with a sentence where shapes disagree, a logit is not finite or there is no clip.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import log_softmax
from scipy.special import softmax as scipy_softmax
from sklearn.metrics import auc, confusion_matrix, f1_score, precision_recall_fscore_support, roc_curve

Metric = Callable[[np.ndarray, np.ndarray], float]


class FoldSpread(NamedTuple):
    """Macro F1 over folds: `std` is the sample's (n - 1), None where there is only one fold."""

    mean: float
    std: float | None
    per_fold: dict[int, float]


class Roc(NamedTuple):
    """Each class against the rest: `points` holds false and true positive rates, `macro` is the mean of the areas."""

    points: list[tuple[np.ndarray, np.ndarray]]
    auc: np.ndarray  # (classes,)
    macro: float


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities (clips, classes) in float64."""
    return scipy_softmax(logits.astype(np.float64), axis=1)


def macro_f1(labels: np.ndarray, logits: np.ndarray) -> float:
    """Mean F1 over all classes that the logits have; a class without clips and predictions counts as 0."""
    _validate(labels, logits)
    classes = range(logits.shape[1])
    return float(f1_score(labels, logits.argmax(axis=1), labels=classes, average="macro", zero_division=0))


def accuracy(labels: np.ndarray, logits: np.ndarray) -> float:
    """Share of clips whose highest logit is at their label."""
    _validate(labels, logits)
    return float((logits.argmax(axis=1) == labels).mean())


def log_loss(labels: np.ndarray, logits: np.ndarray) -> float:
    """Mean negative log-likelihood in nats, taken from the logits, so that it is never clipped."""
    _validate(labels, logits)
    return float(-log_softmax(logits.astype(np.float64), axis=1)[np.arange(len(labels)), labels].mean())


def brier(labels: np.ndarray, logits: np.ndarray) -> float:
    """Mean squared distance of the probabilities from what is true, summed over the classes: 0 to 2 (Brier 1950)."""
    _validate(labels, logits)
    wrong = softmax(logits)
    wrong[np.arange(len(labels)), labels] -= 1
    return float(np.square(wrong).sum(axis=1).mean())


def confusion(labels: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """Counts (classes, classes): rows are the true classes, columns the predicted."""
    _validate(labels, logits)
    return confusion_matrix(labels, logits.argmax(axis=1), labels=range(logits.shape[1]))


def roc(labels: np.ndarray, logits: np.ndarray, among: Sequence[int] | None = None) -> Roc:
    """Curve and area of every class, or of those `among` the classes, against the rest, by its probability.

    ValueError where such a class has no clip.
    """
    _validate(labels, logits)
    numbers = np.arange(logits.shape[1]) if among is None else np.asarray(among, int)
    absent = np.setdiff1d(numbers, labels)
    if absent.size or len(np.unique(labels)) < 2:
        lack = f"class {absent[0]} has no clip" if absent.size else "there is one class only"
        raise ValueError(f"a ROC curve needs clips of the class and of others: {lack}")
    probability = softmax(logits)
    points = [roc_curve(labels == number, probability[:, number])[:2] for number in numbers]
    areas = np.array([auc(*curve) for curve in points])
    return Roc(points, areas, float(areas.mean()))


def per_class(labels: np.ndarray, logits: np.ndarray, classes: Sequence[str]) -> pd.DataFrame:
    """A row a class: class, precision, recall, f1, clips."""
    _validate(labels, logits)
    if len(classes) != logits.shape[1]:
        raise ValueError(f"{len(classes)} class names for logits of {logits.shape[1]} classes")
    precision, recall, f1, clips = precision_recall_fscore_support(
        labels, logits.argmax(axis=1), labels=range(len(classes)), zero_division=0
    )
    return pd.DataFrame({"class": list(classes), "precision": precision, "recall": recall, "f1": f1, "clips": clips})


def fold_spread(labels: np.ndarray, logits: np.ndarray, folds: np.ndarray) -> FoldSpread:
    """Macro F1 of every fold's clips, its mean and its standard deviation; `folds` is (clips,)."""
    per_fold = {fold: macro_f1(*truth) for fold, truth in _by_fold(labels, logits, folds).items()}
    scores = list(per_fold.values())
    std = float(np.std(scores, ddof=1)) if len(scores) > 1 else None
    return FoldSpread(float(np.mean(scores)), std, per_fold)


def fold_scores(labels: np.ndarray, logits: np.ndarray, folds: np.ndarray) -> pd.DataFrame:
    """A row a fold: fold, clips, macro_f1, accuracy, log_loss; `folds` is (clips,)."""
    rows = []
    for fold, truth in _by_fold(labels, logits, folds).items():
        scores = {metric.__name__: metric(*truth) for metric in (macro_f1, accuracy, log_loss)}
        rows.append({"fold": fold, "clips": len(truth[0]), **scores})
    return pd.DataFrame(rows)


def bootstrap_interval(
    metric: Metric, labels: np.ndarray, logits: np.ndarray, seed: int, repeats: int = 1000, level: float = 0.95
) -> tuple[float, float]:
    """The percentile interval of a metric over `repeats` draws of the clips with replacement."""
    _validate(labels, logits)
    scores = [metric(labels[drawn], logits[drawn]) for drawn in _draws(len(labels), seed, repeats, level)]
    low, high = np.quantile(scores, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def f1_intervals(
    labels: np.ndarray, logits: np.ndarray, seed: int, repeats: int = 1000, level: float = 0.95
) -> np.ndarray:
    """The percentile interval of each class's F1 over draws of the clips: (2, classes), low above high."""
    matrices = drawn_confusions(labels, logits, seed, repeats, level)
    found = np.diagonal(matrices, axis1=1, axis2=2)
    scores = 2 * found / np.maximum(matrices.sum(axis=1) + matrices.sum(axis=2), 1)  # faster than scikit-learn by far
    return np.quantile(scores, [(1 - level) / 2, (1 + level) / 2], axis=0)


def drawn_confusions(
    labels: np.ndarray, logits: np.ndarray, seed: int, repeats: int = 1000, level: float = 0.95
) -> np.ndarray:
    """The confusion matrices (repeats, classes, classes) of draws of the clips with replacement."""
    _validate(labels, logits)
    classes = logits.shape[1]
    cell = labels * classes + logits.argmax(axis=1)  # of the confusion matrix
    drawn = _draws(len(labels), seed, repeats, level)
    matrices = np.array([np.bincount(cell[clips], minlength=classes**2) for clips in drawn])
    return matrices.reshape(-1, classes, classes)


def paired_difference(
    metric: Metric, labels: np.ndarray, ours: np.ndarray, theirs: np.ndarray, seed: int, repeats: int = 1000
) -> tuple[float, float, float]:
    """By how much `ours` scores above `theirs`, both logits (runs, clips, classes) of the same clips and seeds, in the
    mean over the runs, and its 95 % interval over draws of runs and of clips with replacement.
    """
    if ours.shape != theirs.shape:
        raise ValueError(f"logits {ours.shape} and {theirs.shape} are not of the same runs and clips")
    runs, clips = ours.shape[:2]

    def difference(drawn_runs: np.ndarray, drawn_clips: np.ndarray) -> float:
        label = labels[drawn_clips]
        pairs = ((ours[run, drawn_clips], theirs[run, drawn_clips]) for run in drawn_runs)
        return float(np.mean([metric(label, mine) - metric(label, yours) for mine, yours in pairs]))

    generator = np.random.default_rng(seed)
    draws = [(generator.integers(runs, size=runs), generator.integers(clips, size=clips)) for _ in range(repeats)]
    low, high = np.quantile([difference(*draw) for draw in draws], [0.025, 0.975])
    return difference(np.arange(runs), np.arange(clips)), float(low), float(high)


def _by_fold(labels: np.ndarray, logits: np.ndarray, folds: np.ndarray) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Labels and logits of every fold's clips."""
    _validate(labels, logits)
    if folds.shape != labels.shape:
        raise ValueError(f"folds have shape {folds.shape}, labels {labels.shape}: each clip needs one fold")
    return {int(fold): (labels[folds == fold], logits[folds == fold]) for fold in np.unique(folds)}


def _draws(clips: int, seed: int, repeats: int, level: float) -> Iterator[np.ndarray]:
    """Which clips each draw of a bootstrap takes, the same for the same seed whatever the metric."""
    if repeats < 1 or not 0 < level < 1:
        raise ValueError(f"a bootstrap needs repeats >= 1 and 0 < level < 1, not {repeats} and {level}")
    generator = np.random.default_rng(seed)
    return (generator.integers(clips, size=clips) for _ in range(repeats))


def _validate(labels: np.ndarray, logits: np.ndarray) -> None:
    if labels.ndim != 1 or logits.ndim != 2 or len(labels) != len(logits):
        raise ValueError(f"labels {labels.shape} and logits {logits.shape} must be (clips,) and (clips, classes)")
    if logits.size == 0:
        raise ValueError("there is no clip to score: labels and logits are empty")
    if not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"labels are {labels.dtype}, they must be whole numbers")
    if labels.min() < 0 or labels.max() >= logits.shape[1]:
        raise ValueError(f"labels go from {labels.min()} to {labels.max()}, logits have {logits.shape[1]} classes")
    if not np.isfinite(logits).all():
        clips = np.flatnonzero(~np.isfinite(logits).all(axis=1))
        raise ValueError(f"logits of {len(clips)} clips are not finite, the first at position {clips[0]}")
