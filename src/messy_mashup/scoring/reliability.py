"""Whether a model is as often right as it says: bins of confidence and the expected calibration error (ECE).

Confidence is the probability of the class that is chosen. After Guo et al., On Calibration of Modern Neural Networks,
ICML 2017: equal-width bins (low, high], ECE = sum over the bins of share of clips x |accuracy - mean confidence|.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from messy_mashup.scoring.metrics import accuracy, softmax

BINS = 15  # Guo et al.'s


class Confidences(NamedTuple):
    """Of each clip (clips,): the probability of the class that was chosen, and whether it is the right one."""

    confidence: np.ndarray
    right: np.ndarray


def confidences(labels: np.ndarray, logits: np.ndarray) -> Confidences:
    """How sure the model is of each clip, and whether rightly; ValueError as for every metric."""
    accuracy(labels, logits)  # refuses what cannot be scored
    probability = softmax(logits)
    return Confidences(probability.max(axis=1), logits.argmax(axis=1) == labels)


def reliability(labels: np.ndarray, logits: np.ndarray) -> pd.DataFrame:
    """A row a bin that has clips: low, high, clips, right, confidence (their mean), accuracy."""
    confidence, right = confidences(labels, logits)
    rows = []
    for number in np.unique(_bin(confidence)):
        inside = _bin(confidence) == number
        low, high, clips = number / BINS, (number + 1) / BINS, int(inside.sum())
        hits = int(right[inside].sum())
        rows.append((low, high, clips, hits, float(confidence[inside].mean()), hits / clips))
    return pd.DataFrame(rows, columns=["low", "high", "clips", "right", "confidence", "accuracy"])


def ece(labels: np.ndarray, logits: np.ndarray) -> float:
    """The expected calibration error: 0 for a model that is as often right as it says."""
    return _ece(*confidences(labels, logits))


def calibrated_ece(labels: np.ndarray, logits: np.ndarray, seed: int, repeats: int = 1000) -> tuple[float, float]:
    """The ECE that a perfectly calibrated model of the same confidences would show: its median and 95th percentile.

    It is not 0, because a bin of few clips is off by chance (Brocker and Smith, Weather and Forecasting 22, 2007).
    """
    confidence, _ = confidences(labels, logits)
    generator = np.random.default_rng(seed)
    drawn = [_ece(confidence, generator.random(len(confidence)) < confidence) for _ in range(repeats)]
    middle, high = np.quantile(drawn, [0.5, 0.95])
    return float(middle), float(high)


def _bin(confidence: np.ndarray) -> np.ndarray:
    """The number of each clip's bin; a confidence on an edge belongs to the bin below."""
    return np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)


def _ece(confidence: np.ndarray, right: np.ndarray) -> float:
    off = np.bincount(_bin(confidence), weights=right - confidence, minlength=BINS)
    return float(np.abs(off).sum() / len(confidence))
