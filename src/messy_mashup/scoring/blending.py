"""How the runs of a blend become one: methods, each fitted on held-out clips alone, and what fitting leaves.

Log-probabilities go in as (runs, clips, classes) and come out as (clips, classes).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from scipy.stats import rankdata

from messy_mashup.errors import UserError
from messy_mashup.scoring.stacking import Stack, fit_stack

TINY = np.finfo(np.float32).tiny
TEMPERATURES = (0.05, 20.0)
# Enough for shares in steps of 2 %; finer ones would fit the clips at hand.
HILL_STEPS = 50
EQUAL = "equal"


@dataclass(frozen=True)
class Mean:
    """The mean of the probabilities, each run with its share; the shares sum to 1."""

    shares: tuple[float, ...]
    kind: Literal["mean"] = "mean"

    def combine(self, log_probabilities: np.ndarray) -> np.ndarray:
        """Log-probabilities of the blend."""
        mean = np.tensordot(self.shares, np.exp(log_probabilities), axes=1)
        return np.log(mean.clip(min=TINY))

    def fault(self, runs: int) -> str | None:
        """Why it could not combine so many runs, or None."""
        whole = len(self.shares) == runs and min(self.shares, default=-1) >= 0 and math.isclose(sum(self.shares), 1)
        return None if whole else "its shares are not one a run, or do not sum to 1"


@dataclass(frozen=True)
class Geometric:
    """The mean of the log-probabilities: a run that rules a class out is heard more than in the mean."""

    kind: Literal["geometric"] = "geometric"

    def combine(self, log_probabilities: np.ndarray) -> np.ndarray:
        """Log-probabilities of the blend."""
        return log_softmax(log_probabilities.mean(axis=0), axis=1)

    def fault(self, runs: int) -> str | None:
        """Why it could not combine so many runs, or None."""
        return None


@dataclass(frozen=True)
class RankMean:
    """The mean over the runs of where a clip stands among all clips in the probability of a class, from 0 to 1.

    It needs many clips, as balanced as those it was scored on. Ranks are no probabilities: the temperature makes some
    of them, and leaves which class is highest.
    """

    temperature: float
    kind: Literal["rank"] = "rank"

    def combine(self, log_probabilities: np.ndarray) -> np.ndarray:
        """Log-probabilities of the blend; UserError for fewer clips than classes, whose ranks would tell nothing."""
        _, clips, classes = log_probabilities.shape
        if clips < classes:
            raise UserError(
                f"this blend ranks clips against each other, and {clips} cannot be ranked in {classes} classes: "
                "label more clips at once, or run blend.py again with --method equal"
            )
        return log_softmax(mean_ranks(log_probabilities) / self.temperature, axis=1)

    def fault(self, runs: int) -> str | None:
        """Why it could not combine so many runs, or None."""
        return None if 0 < self.temperature < math.inf else "its temperature is none"


Combiner = Annotated[Mean | Geometric | RankMean | Stack, Field(discriminator="kind")]


@dataclass(frozen=True)
class Rule:
    """A method after fitting: each run's temperature, by which its logits are divided, and what combines them."""

    temperatures: tuple[float, ...]
    combiner: Combiner

    def combine(self, logits: np.ndarray) -> np.ndarray:
        """Log-probabilities (clips, classes) float32 from the runs' logits (runs, clips, classes)."""
        return self.combiner.combine(tempered(logits, self.temperatures)).astype(np.float32)


def tempered(logits: np.ndarray, temperatures: Sequence[float]) -> np.ndarray:
    """Log-probabilities float64 of logits (runs, clips, classes), each run's divided by its temperature."""
    return log_softmax(logits.astype(np.float64) / np.reshape(temperatures, (-1, 1, 1)), axis=2)


def mean_ranks(log_probabilities: np.ndarray) -> np.ndarray:
    """(clips, classes): where each clip stands among all in each class, from 0 to 1, in the mean over the runs."""
    clips = log_probabilities.shape[1]
    return (rankdata(log_probabilities, axis=1).mean(axis=0) - 0.5) / clips


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """By what to divide logits (clips, classes) so that their log loss is least (Guo et al., ICML 2017)."""

    def loss(log_temperature: float) -> float:
        scaled = log_softmax(logits.astype(np.float64) / np.exp(log_temperature), axis=1)
        return float(-scaled[np.arange(len(labels)), labels].mean())

    return float(np.exp(minimize_scalar(loss, bounds=np.log(TEMPERATURES), method="bounded").x))


def unit_temperatures(logits: np.ndarray, labels: np.ndarray) -> tuple[float, ...]:
    """The logits of each run as they are."""
    return (1.0,) * len(logits)


def fitted_temperatures(logits: np.ndarray, labels: np.ndarray) -> tuple[float, ...]:
    """Each run's temperature."""
    return tuple(fit_temperature(run, labels) for run in logits)


def fit_equal(log_probabilities: np.ndarray, labels: np.ndarray, folds: np.ndarray) -> Mean:
    """The mean of the probabilities: nothing is fitted."""
    runs = len(log_probabilities)
    return Mean((1 / runs,) * runs)


def fit_geometric(log_probabilities: np.ndarray, labels: np.ndarray, folds: np.ndarray) -> Geometric:
    """The mean of the log-probabilities: nothing is fitted."""
    return Geometric()


def fit_rank(log_probabilities: np.ndarray, labels: np.ndarray, folds: np.ndarray) -> RankMean:
    """The mean rank; fitted is only how sure it is."""
    return RankMean(fit_temperature(mean_ranks(log_probabilities), labels))


def fit_hill(log_probabilities: np.ndarray, labels: np.ndarray, folds: np.ndarray) -> Mean:
    """Shares by hill climbing: from the best run on, the run that helps most is added, with replacement.

    After Caruana et al., Ensemble Selection from Libraries of Models, ICML 2004. It climbs on log loss, which every
    clip moves a little; macro F1 moves in steps, so that among hundreds of clips the climb would follow single ones.
    """
    of_truth = np.exp(log_probabilities[:, np.arange(len(labels)), labels])  # (runs, clips): all that log loss looks at
    total, added, losses = np.zeros(len(labels)), [], []
    for step in range(1, HILL_STEPS + 1):
        loss = -np.log(((total + of_truth) / step).clip(min=TINY)).mean(axis=1)
        added.append(int(loss.argmin()))
        losses.append(loss.min())
        total += of_truth[added[-1]]
    kept = added[: int(np.argmin(losses)) + 1]
    counts = np.bincount(kept, minlength=len(of_truth))
    return Mean(tuple(float(count) / len(kept) for count in counts))


@dataclass(frozen=True)
class Method:
    """A way to blend: how the temperatures come about, then what combines the runs.

    `fit` takes log-probabilities (runs, clips, classes), labels (clips,) and folds (clips,) of held-out clips.
    """

    name: str
    temperatures: Callable[[np.ndarray, np.ndarray], tuple[float, ...]]
    fit: Callable[[np.ndarray, np.ndarray, np.ndarray], Combiner]

    @property
    def is_fitted(self) -> bool:
        """Whether anything of it comes from the held-out clips."""
        return self.temperatures is not unit_temperatures or self.fit not in (fit_equal, fit_geometric)

    def fitted(self, logits: np.ndarray, labels: np.ndarray, folds: np.ndarray) -> Rule:
        """The rule for these runs' logits (runs, clips, classes) of held-out clips."""
        temperatures = self.temperatures(logits, labels)
        return Rule(temperatures, self.fit(tempered(logits, temperatures), labels, folds))

    def nested(self, logits: np.ndarray, labels: np.ndarray, folds: np.ndarray) -> np.ndarray:
        """Log-probabilities (clips, classes) float32; what is done to a fold was fitted on the others.

        UserError where there is one fold only: a rule must not be scored on the clips that it was fitted on.
        """
        if not self.is_fitted:
            return self.fitted(logits, labels, folds).combine(logits)
        present = np.unique(folds)
        if len(present) < 2:
            raise UserError(
                f"only fold {present[0]} is held out: {self.name} weights need two, to be fitted and scored"
            )
        blended = np.empty(logits.shape[1:], np.float32)
        for fold in present:
            here = folds == fold
            rule = self.fitted(logits[:, ~here], labels[~here], folds[~here])
            blended[here] = rule.combine(logits[:, here])
        return blended


FITS = {EQUAL: fit_equal, "geometric": fit_geometric, "rank": fit_rank, "hill": fit_hill, "stacking": fit_stack}
SCALES = {"none": unit_temperatures, "fitted": fitted_temperatures}


def method(name: str, temperatures: str) -> Method:
    """A method by its name in FITS and that of its temperatures in SCALES."""
    told = name if temperatures == "none" else f"{name}, tempered"
    return Method(told, SCALES[temperatures], FITS[name])


METHODS = tuple(method(name, temperatures) for temperatures in SCALES for name in FITS)
