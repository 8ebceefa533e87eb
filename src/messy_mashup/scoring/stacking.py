"""Logistic stacking: a multinomial regression on the log-probabilities of all runs, for every class of every run."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import LeaveOneGroupOut, StratifiedKFold

from messy_mashup.errors import UserError

SURE = np.log(1e-6)  # a class less likely than that counts as this likely: one run's certainty must not rule alone
STRENGTHS = tuple(10.0**power for power in range(-5, 1))  # C of sklearn, the strongest L2 first
INNER_FOLDS = 4
ITERATIONS = 5000


@dataclass(frozen=True)
class Stack:
    """A fitted regression: coefficients (classes, runs x classes) on the runs' log-probabilities, and intercepts."""

    coefficients: tuple[tuple[float, ...], ...]
    intercepts: tuple[float, ...]
    strength: float  # C, as the inner folds chose it
    kind: Literal["stack"] = "stack"

    def combine(self, log_probabilities: np.ndarray) -> np.ndarray:
        """Log-probabilities (clips, classes) from those of the runs (runs, clips, classes)."""
        return log_softmax(_features(log_probabilities) @ np.array(self.coefficients).T + self.intercepts, axis=1)

    def fault(self, runs: int) -> str | None:
        """Why it could not combine so many runs, or None."""
        classes = len(self.intercepts)
        whole = len(self.coefficients) == classes and all(len(row) == runs * classes for row in self.coefficients)
        finite = np.isfinite(np.array([*self.intercepts, *(one for row in self.coefficients for one in row)])).all()
        return None if whole and finite else "its coefficients are not one a class, run and class"


def fit_stack(log_probabilities: np.ndarray, labels: np.ndarray, folds: np.ndarray) -> Stack:
    """Fit on held-out clips; the L2 penalty is the one of the least log loss on inner folds.

    Inner folds are the folds themselves, so that no song is on both sides; where there is one only, its clips are cut
    into four. UserError where a class is missing from a part that is learnt from.
    """
    features, classes = _features(log_probabilities), log_probabilities.shape[2]
    mean, deviation = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-9)
    scaled = (features - mean) / deviation
    losses = []
    for learnt, held_out in _inner_folds(labels, folds, classes):
        models = _path(scaled[learnt], labels[learnt], classes)
        losses.append([_loss(scaled[held_out], labels[held_out], *model) for model in models])
    best = int(np.mean(losses, axis=0).argmin())
    coefficients, intercepts = list(_path(scaled, labels, classes))[best]
    coefficients = coefficients / deviation
    intercepts = intercepts - coefficients @ mean
    return Stack(tuple(map(tuple, coefficients.tolist())), tuple(intercepts.tolist()), STRENGTHS[best])


def _features(log_probabilities: np.ndarray) -> np.ndarray:
    """(clips, runs x classes)"""
    runs, clips, classes = log_probabilities.shape
    return log_probabilities.clip(min=SURE).transpose(1, 0, 2).reshape(clips, runs * classes)


def _path(features: np.ndarray, labels: np.ndarray, classes: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Coefficients and intercepts for every strength, each begun where the one before ended."""
    if absent := sorted(set(range(classes)) - set(labels.tolist())):
        raise UserError(
            f"stacking lacks held-out clips of class number {absent[0]} outside some fold: "
            "take another --method, or validate on more mashups (folds.validation_per_song)"
        )
    model = LogisticRegression(warm_start=True, max_iter=ITERATIONS)
    for strength in STRENGTHS:
        model.set_params(C=strength).fit(features, labels)
        coefficients, intercepts = model.coef_, model.intercept_
        if classes == 2:  # sklearn fits the second class alone
            coefficients, intercepts = np.vstack([0 * coefficients, coefficients]), np.append(0, intercepts)
        yield coefficients.copy(), intercepts.copy()


def _loss(features: np.ndarray, labels: np.ndarray, coefficients: np.ndarray, intercepts: np.ndarray) -> float:
    return float(-log_softmax(features @ coefficients.T + intercepts, axis=1)[np.arange(len(labels)), labels].mean())


def _inner_folds(labels: np.ndarray, folds: np.ndarray, classes: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    if len(np.unique(folds)) > 1:
        return LeaveOneGroupOut().split(labels, groups=folds)
    rarest = int(np.bincount(labels, minlength=classes).min())
    if rarest < INNER_FOLDS:
        raise UserError(
            f"stacking needs {INNER_FOLDS} held-out clips of every class outside each fold, one class has {rarest}: "
            "take another --method, or validate on more mashups (folds.validation_per_song)"
        )
    return StratifiedKFold(INNER_FOLDS, shuffle=True, random_state=0).split(labels, labels)
