"""How sure a difference of macro F1 is: many systems against one on the same drawn clips, all draws at once.

A draw is how often it takes each clip, so that the counts behind F1 are products of matrices: hundreds of comparisons
of thousands of clips take seconds. Clips share songs, so for other songs the intervals are too narrow.
"""

from dataclasses import dataclass

import numpy as np

LEVEL = 0.95
DRAWS = 4000  # the tail of an interval for forty comparisons together still holds two or three of them


@dataclass(frozen=True)
class Difference:
    """By how much a system's macro F1 is above another's, and the interval of that."""

    difference: float
    low: float
    high: float


class PairedBootstrap:
    """Draws of clips with replacement, the same ones for everything that is compared on these labels."""

    def __init__(self, labels: np.ndarray, classes: int, seed: int = 0) -> None:
        clips = len(labels)
        drawn = np.random.default_rng(seed).multinomial(clips, np.full(clips, 1 / clips), size=DRAWS)
        # The first row takes every clip once: the score of all clips stands before those of the draws.
        self._taken = np.vstack([np.ones(clips), drawn]).astype(np.float32)
        self._is_label = labels[:, None] == np.arange(classes)
        self._labels_taken = self._taken @ self._is_label.astype(np.float32)

    def difference(self, ours: np.ndarray, theirs: np.ndarray, comparisons: int = 1) -> Difference:
        """Between two systems' chosen classes (clips,), with its 95 % interval.

        The interval is widened (Bonferroni) so that 95 % holds for that many comparisons together: the best of ten
        equal systems looks better than the others by chance.
        """
        scores = self._scores(ours) - self._scores(theirs)
        tail = (1 - LEVEL) / 2 / comparisons
        low, high = np.quantile(scores[1:], [tail, 1 - tail])
        return Difference(float(scores[0]), float(low), float(high))

    def _scores(self, chosen: np.ndarray) -> np.ndarray:
        """Macro F1 of all clips, then of every draw; a class without clips and predictions counts as 0."""
        is_chosen = chosen[:, None] == np.arange(self._is_label.shape[1])
        counts = np.hstack([is_chosen & self._is_label, is_chosen]).astype(np.float32)
        hits, chosen_taken = np.split(self._taken @ counts, 2, axis=1)
        return (2 * hits / np.maximum(self._labels_taken + chosen_taken, 1)).mean(axis=1, dtype=np.float64)


def macro_f1_of_choices(labels: np.ndarray, chosen: np.ndarray, classes: int) -> np.ndarray:
    """Macro F1 (systems,) of the classes (systems, clips) that many systems chose for the same clips."""
    scores = np.zeros(len(chosen))
    for number in range(classes):
        is_label, is_chosen = labels == number, chosen == number
        hits = (is_chosen & is_label).sum(axis=1)
        scores += 2 * hits / np.maximum(is_label.sum() + is_chosen.sum(axis=1), 1)
    return scores / classes
