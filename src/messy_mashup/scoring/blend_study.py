"""What is known of a blend from its held-out clips: which method, which runs help or hurt, how many runs it takes.

Every score is macro F1 over the clips of all folds together.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np

from messy_mashup.errors import UserError
from messy_mashup.scoring import blending, metrics
from messy_mashup.scoring.blending import EQUAL, METHODS, TINY, tempered
from messy_mashup.scoring.ensemble import HeldOut
from messy_mashup.scoring.paired_bootstrap import Difference, PairedBootstrap, macro_f1_of_choices
from messy_mashup.scoring.reliability import ece

SUBSETS = 200  # of each number of runs are drawn where there are more


@dataclass(frozen=True)
class Figures:
    """What a system is worth on the held-out clips."""

    macro_f1: float
    log_loss: float
    ece: float


@dataclass(frozen=True)
class Compared:
    """A method against equal weights, on nested folds: every clip is blended by a rule of the other folds."""

    name: str
    figures: Figures
    against_equal: Difference  # at 95 % for all methods together


@dataclass(frozen=True)
class RunFigures:
    """A run alone, with its temperature (that of all folds; the figures are nested), and the blend without it."""

    name: str
    alone: Figures
    tempered: Figures
    temperature: float
    macro_f1_without: float  # of the others, at equal weights
    by_leaving: Difference  # what the blend gains without it, at 95 % for all runs together

    @property
    def verdict(self) -> str:
        """Whether it hurts or helps, where the interval tells."""
        if self.by_leaving.low > 0:
            return "hurts"
        return "helps" if self.by_leaving.high < 0 else "no clear effect"


@dataclass(frozen=True)
class OfNumber:
    """Blends of that many runs at equal weights: the mean and range over sets of runs, and of the greedy set."""

    runs: int
    sets: int
    mean: float
    low: float
    high: float
    greedy: float | None  # chosen on the other folds, one run after the other, by log loss; None where there are none
    accuracy: tuple[float, float, float] | None = None  # mean, worst and best over the sets


@dataclass(frozen=True)
class Study:
    """A blend's study: the methods, the runs, and score against number of runs."""

    methods: tuple[Compared, ...]  # equal weights first
    left_out: dict[str, str]  # methods that could not be fitted, and why
    runs: tuple[RunFigures, ...]
    numbers: tuple[OfNumber, ...]
    order: tuple[str, ...]  # in which the runs are added greedily, on all folds

    @property
    def best(self) -> str:
        """Equal weights, unless a method is above them beyond doubt; of several such the surest."""
        return max(self.methods, key=lambda method: max(method.against_equal.low, 0)).name


def study(held_out: HeldOut) -> tuple[Study, dict[str, np.ndarray]]:
    """The study of two runs or more in two folds or more, and each method's nested log-probabilities by its name."""
    labels, folds = held_out.clips.label, held_out.clips.fold
    bootstrap = PairedBootstrap(labels, held_out.logits.shape[2])
    blended, left_out = _nested(held_out)
    equal = blended[EQUAL].argmax(axis=1)
    methods = tuple(
        Compared(name, figures(labels, logits), _against(bootstrap, logits, equal, len(blended) - 1))
        for name, logits in blended.items()
    )
    probabilities = np.exp(tempered(held_out.logits, blending.unit_temperatures(held_out.logits, labels)))
    runs = _runs(held_out, probabilities, bootstrap, equal)
    numbers = tuple(_numbers(probabilities, labels, _greedy_scores(probabilities, labels, folds).tolist()))
    order = tuple(held_out.runs[run] for run in greedy_order(probabilities, labels))
    return Study(methods, left_out, runs, numbers, order), blended


def numbers_at_equal_weights(held_out: HeldOut) -> tuple[OfNumber, ...]:
    """Score against number of runs where one fold is held out: nothing is chosen, so it takes no others."""
    labels = held_out.clips.label
    probabilities = np.exp(tempered(held_out.logits, blending.unit_temperatures(held_out.logits, labels)))
    return tuple(_numbers(probabilities, labels, [None] * len(probabilities)))


def figures(labels: np.ndarray, logits: np.ndarray) -> Figures:
    """Macro F1, log loss and ECE of logits (clips, classes)."""
    return Figures(*(metric(labels, logits) for metric in (metrics.macro_f1, metrics.log_loss, ece)))


def greedy_order(probabilities: np.ndarray, labels: np.ndarray) -> list[int]:
    """The runs of probabilities (runs, clips, classes), each the one that lowers the mean's log loss most."""
    of_truth = probabilities[:, np.arange(len(labels)), labels]
    total, order = np.zeros(len(labels)), []
    while len(order) < len(of_truth):
        losses = -np.log(((total + of_truth) / (len(order) + 1)).clip(min=TINY)).mean(axis=1)
        losses[order] = np.inf
        order.append(int(losses.argmin()))
        total += of_truth[order[-1]]
    return order


def _nested(held_out: HeldOut) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    blended, left_out = {}, {}
    for method in METHODS:
        try:
            blended[method.name] = method.nested(held_out.logits, held_out.clips.label, held_out.clips.fold)
        except UserError as error:
            left_out[method.name] = str(error)
    return blended, left_out


def _against(bootstrap: PairedBootstrap, logits: np.ndarray, equal: np.ndarray, comparisons: int) -> Difference:
    return bootstrap.difference(logits.argmax(axis=1), equal, comparisons)


def _runs(
    held_out: HeldOut, probabilities: np.ndarray, bootstrap: PairedBootstrap, equal: np.ndarray
) -> tuple[RunFigures, ...]:
    labels, folds = held_out.clips.label, held_out.clips.fold
    total, rows = probabilities.sum(axis=0), []
    alone = blending.method(EQUAL, "fitted")
    for number, name in enumerate(held_out.runs):
        own = held_out.logits[number : number + 1]
        others = (total - probabilities[number]).argmax(axis=1)
        rows.append(
            RunFigures(
                name,
                figures(labels, own[0]),
                figures(labels, alone.nested(own, labels, folds)),
                blending.fit_temperature(own[0], labels),
                float(macro_f1_of_choices(labels, others[None], total.shape[1])[0]),
                bootstrap.difference(others, equal, len(held_out.runs)),
            )
        )
    return tuple(rows)


def _greedy_scores(probabilities: np.ndarray, labels: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """(runs,): macro F1 of the first, the first two, ... of the greedy order of the other folds."""
    chosen = np.empty(probabilities.shape[:2], int)
    for fold in np.unique(folds):
        here = folds == fold
        order = greedy_order(probabilities[:, ~here], labels[~here])
        chosen[:, here] = probabilities[order][:, here].cumsum(axis=0).argmax(axis=2)
    return macro_f1_of_choices(labels, chosen, probabilities.shape[2])


def _numbers(probabilities: np.ndarray, labels: np.ndarray, greedy: Sequence[float | None]) -> Iterator[OfNumber]:
    runs, clips, classes = probabilities.shape
    flat = probabilities.reshape(runs, -1).astype(np.float32)
    for number in range(1, runs + 1):
        sets = _sets(runs, number)
        chosen = (sets @ flat).reshape(len(sets), clips, classes).argmax(axis=2)
        scores, right = macro_f1_of_choices(labels, chosen, classes), (chosen == labels).mean(axis=1)
        yield OfNumber(number, len(sets), *_spread(scores), greedy[number - 1], _spread(right))


def _spread(scores: np.ndarray) -> tuple[float, float, float]:
    """Mean, worst and best."""
    return float(scores.mean()), float(scores.min()), float(scores.max())


def _sets(runs: int, number: int) -> np.ndarray:
    """Sets (sets, runs) of that many runs: all of them, or SUBSETS drawn."""
    if comb(runs, number) <= SUBSETS:
        members: Sequence[Sequence[int]] = list(combinations(range(runs), number))
    else:
        generator = np.random.default_rng(number)
        members = [generator.choice(runs, number, replace=False) for _ in range(SUBSETS)]
    taken = np.zeros((len(members), runs), np.float32)
    np.put_along_axis(taken, np.array(members), 1, axis=1)
    return taken
