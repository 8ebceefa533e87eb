"""Precision, recall and F1 averaged over classes: plainly (macro), and weighted by the clips of each class."""

import numpy as np
from sklearn.metrics import precision_recall_fscore_support

from messy_mashup.scoring.metrics import drawn_confusions

KINDS = ("precision", "recall", "F1")
WAYS = ("macro", "weighted")


def averages(labels: np.ndarray, logits: np.ndarray) -> dict[str, float]:
    """All six by their names, such as "weighted F1"; a class that is never called has precision 0.

    The weighted recall is the accuracy.
    """
    told = {}
    for way in WAYS:
        scores = precision_recall_fscore_support(
            labels, logits.argmax(axis=1), labels=range(logits.shape[1]), average=way, zero_division=0
        )
        told |= {f"{way} {kind}": float(score) for kind, score in zip(KINDS, scores, strict=False)}
    return told


def average_intervals(
    labels: np.ndarray, logits: np.ndarray, seed: int, repeats: int = 1000, level: float = 0.95
) -> dict[str, tuple[float, float]]:
    """The percentile interval of each of them over draws of the clips with replacement."""
    matrices = drawn_confusions(labels, logits, seed, repeats, level)
    found, called, clips = np.diagonal(matrices, axis1=1, axis2=2), matrices.sum(axis=1), matrices.sum(axis=2)
    by_class = {
        "precision": found / np.maximum(called, 1),
        "recall": found / np.maximum(clips, 1),
        "F1": 2 * found / np.maximum(called + clips, 1),
    }
    shares = {"macro": np.full(found.shape, 1 / found.shape[1]), "weighted": clips / clips.sum(axis=1, keepdims=True)}
    ends = [(1 - level) / 2, (1 + level) / 2]
    return {
        f"{way} {kind}": tuple(map(float, np.quantile((shares[way] * by_class[kind]).sum(axis=1), ends)))
        for way in WAYS
        for kind in KINDS
    }
