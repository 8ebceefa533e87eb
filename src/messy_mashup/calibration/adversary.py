"""An adversary that tells simulated mashups from the test's: where it cannot, they are alike, and else it says why.

Clips are described by descriptors and by statistics of their bands; gradient boosting and a logistic regression learn
on all folds but one which clips are of the test, and are asked about that one. AUC .5: nothing tells them apart.
What this cannot do: the songs of the test are unknown, so that its mashups are split at random, and a song that is
heard in several of them tells them apart whatever the simulation does. Simulated against simulated mashups of other
songs shows how much that is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from scipy.stats import rankdata

from messy_mashup.calibration.descriptors import RANGE_DB, band_edges_hz, decibels, describe
from messy_mashup.features.frame_spec import FrameSpec

BANDS = 24
LAGS_S = (0.01, 0.04, 0.16, 0.64)  # the changes over the first are the flux, those over the others are modulation
LEVEL_PERCENTILES = (10, 50, 90)
STEEP_PERCENTILE = 95
INTERVAL = (0.025, 0.975)
REPEATS = 1000
LENGTH = "length_s"


@dataclass(frozen=True)
class Features:
    """What is known of some clips: a column a feature, and the fold in which each clip is asked about.

    No song may be heard in two folds of simulated clips: draw the mashups of a fold from the songs of that fold.
    """

    table: pd.DataFrame
    folds: np.ndarray  # (clips,)

    def without_length(self) -> "Features":
        """The same but for the length; what else it may have left its mark on, `match_lengths` takes care of."""
        return Features(self.table.drop(columns=LENGTH), self.folds)


@dataclass(frozen=True)
class Adversary:
    """What came of it. `auc` is the mean over the folds, and its interval is over draws of the clips of each.

    telling: a row a feature, the most telling first: feature, auc (of it alone: how often the test's clip has more of
    it), simulated and test (medians).
    families: a row a family of features: family, drop (of the AUC where the family is shuffled among the clips).
    """

    auc: float
    interval: tuple[float, float]
    per_fold: dict[int, float]
    telling: pd.DataFrame
    families: pd.DataFrame
    is_test: np.ndarray  # (clips,) bool, the simulated first
    score: np.ndarray  # (clips,) the share of its fold that sounds less like the test


class Likeness(NamedTuple):
    """How well simulated and test clips are told apart: whole, and by what is left when their lengths are alike."""

    with_length: Adversary
    without_length: Adversary


class _Split(NamedTuple):
    """One fold's clips, asked about by a model that has learnt from the others."""

    fold: int
    rows: np.ndarray
    score: np.ndarray
    drop: dict[str, float]


def likeness(
    simulated: Sequence[torch.Tensor],
    folds: np.ndarray,
    test: Sequence[torch.Tensor],
    spec: FrameSpec,
    seed: int = 0,
) -> Likeness:
    """Tell simulated clips' log-mels (frames, mels), drawn fold by fold, from those of the test, split at random."""
    numbers = np.unique(folds)
    test_folds = numbers[random_folds(len(test), len(numbers), seed)]
    pairs = ((simulated, test), match_lengths(simulated, test, spec))
    whole, matched = ((features_of(one, spec, folds), features_of(two, spec, test_folds)) for one, two in pairs)
    return Likeness(adversarial_auc(*whole, seed), adversarial_auc(*(side.without_length() for side in matched), seed))


def random_folds(clips: int, count: int, seed: int) -> np.ndarray:
    """Folds of equal size for clips whose songs are unknown: (clips,)."""
    return np.random.default_rng(seed).permutation(clips) % count


def match_lengths(
    simulated: Sequence[torch.Tensor], test: Sequence[torch.Tensor], spec: FrameSpec
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Both cut at their ends so that their lengths are distributed alike, and where the frames begin to reach past
    the clip: the clip that is longer than so many in a hundred keeps what both sides have at that percentile.
    """
    edge = -(-spec.window // (2 * spec.hop)) if spec.centred else 0
    sides = [[log_mel[edge : len(log_mel) - edge] for log_mel in side] for side in (simulated, test)]
    lengths = [np.array([len(log_mel) for log_mel in side]) for side in sides]
    cut = []
    for side, own in zip(sides, lengths, strict=True):
        percentile = 100 * (rankdata(own, method="ordinal") - 0.5) / len(own)
        kept = np.min([np.percentile(every, percentile, method="nearest") for every in lengths], axis=0)
        cut.append([log_mel[:frames] for log_mel, frames in zip(side, np.minimum(kept, own), strict=True)])
    return cut[0], cut[1]


def features_of(log_mels: Sequence[torch.Tensor], spec: FrameSpec, folds: np.ndarray) -> Features:
    """The features of whole clips' log-mels (frames, mels)."""
    if len(log_mels) != len(folds):
        raise ValueError(f"{len(log_mels)} clips and {len(folds)} folds: each clip needs one")
    rows = [describe(log_mel, spec).to_dict() | _band_statistics(log_mel, spec) for log_mel in log_mels]
    return Features(pd.DataFrame(rows), np.asarray(folds))


def adversarial_auc(simulated: Features, test: Features, seed: int = 0) -> Adversary:
    """Have the adversary learn and be asked, fold by fold; the same arguments give the same numbers.

    ValueError where both do not have the same features and, in each of two folds or more, clips.
    """
    if simulated.table.columns.tolist() != test.table.columns.tolist():
        raise ValueError("simulated and test clips have different features: describe both in the same way")
    numbers = np.unique(simulated.folds)
    if len(numbers) < 2 or not np.array_equal(numbers, np.unique(test.folds)):
        raise ValueError("an adversary needs simulated and test clips in each fold, and two folds or more")
    table = pd.concat([simulated.table, test.table], ignore_index=True)
    folds = np.concatenate([simulated.folds, test.folds])
    is_test = np.arange(len(table)) >= len(simulated.table)
    splits = [_asked(table, is_test, folds == fold, (seed, int(fold))) for fold in numbers]
    score = np.empty(len(table))
    for split in splits:
        score[split.rows] = split.score
    per_fold = {split.fold: area(is_test[split.rows], split.score) for split in splits}
    drops = pd.DataFrame([split.drop for split in splits]).mean().sort_values(ascending=False, kind="stable")
    return Adversary(
        auc=float(np.mean(list(per_fold.values()))),
        interval=_interval(splits, is_test, seed),
        per_fold=per_fold,
        telling=_telling(table, is_test),
        families=drops.rename_axis("family").reset_index(name="drop"),
        is_test=is_test,
        score=score,
    )


def area(is_test: np.ndarray, score: np.ndarray) -> float:
    """The area under the ROC curve: how often a clip of the test has the higher score; ties count half."""
    positive, negative = int(is_test.sum()), int((~is_test).sum())
    above = rankdata(score)[is_test].sum() - positive * (positive + 1) / 2
    return float(above / (positive * negative))


def _band_statistics(log_mel: torch.Tensor, spec: FrameSpec) -> dict[str, float]:
    """Levels, changes and the steepest rise and fall of BANDS bands, named "statistic, low-high Hz"."""
    levels = decibels(log_mel, spec)
    levels = np.maximum(levels, levels.max() - RANGE_DB)
    groups = [group for group in np.array_split(np.arange(spec.mels), BANDS) if len(group)]
    bands = np.stack([levels[:, group].mean(axis=1) for group in groups], axis=1)
    step = np.percentile(np.diff(bands, axis=0), [STEEP_PERCENTILE, 100 - STEEP_PERCENTILE], axis=0)
    statistics = {"mean_db": bands.mean(axis=0), "sd_db": bands.std(axis=0), "rise_db": step[0], "fall_db": -step[1]}
    for percentile, of_bands in zip(LEVEL_PERCENTILES, np.percentile(bands, LEVEL_PERCENTILES, axis=0), strict=True):
        statistics[f"p{percentile}_db"] = of_bands
    for lag_s in LAGS_S:
        lag = min(len(bands) - 1, max(1, round(lag_s * spec.sample_rate_hz / spec.hop)))
        statistics[f"change_{1000 * lag_s:.0f}ms_db"] = np.abs(bands[lag:] - bands[:-lag]).mean(axis=0)
    edges_hz = band_edges_hz(spec)
    names = [f"{edges_hz[group[0]]:.0f}-{edges_hz[group[-1] + 2]:.0f} Hz" for group in groups]
    return {
        f"{statistic}, {name}": float(value)
        for statistic, values in statistics.items()
        for name, value in zip(names, values, strict=True)
    }


def _asked(table: pd.DataFrame, is_test: np.ndarray, held_out: np.ndarray, key: tuple[int, int]) -> _Split:
    model = _model(key[0])
    model.fit(table[~held_out], is_test[~held_out])
    clips, truth = table[held_out], is_test[held_out]
    score = _ranked(model.predict_proba(clips)[:, 1])
    generator, drop = np.random.default_rng(key), {}
    families = pd.Series([_family(column) for column in table.columns], index=table.columns)
    for family, columns in families.groupby(families, sort=True):
        shuffled = clips.copy()
        shuffled[columns.index] = clips[columns.index].to_numpy()[generator.permutation(len(clips))]
        drop[family] = area(truth, score) - area(truth, model.predict_proba(shuffled)[:, 1])
    return _Split(key[1], np.flatnonzero(held_out), score, drop)


def _model(seed: int):
    from sklearn.ensemble import HistGradientBoostingClassifier, VotingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    trees = HistGradientBoostingClassifier(
        max_iter=80, max_leaf_nodes=8, min_samples_leaf=10, l2_regularization=1.0, random_state=seed
    )
    line = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, class_weight="balanced", max_iter=2000))
    return VotingClassifier([("trees", trees), ("line", line)], voting="soft")


def _family(feature: str) -> str:
    """What a feature is one of: a statistic of all bands, or a descriptor alone."""
    return feature.partition(", ")[0]


def _ranked(score: np.ndarray) -> np.ndarray:
    """Shares of the clips that lie below, so that the scores of several models can stand beside each other."""
    return (rankdata(score) - 0.5) / len(score)


def _interval(splits: list[_Split], is_test: np.ndarray, seed: int) -> tuple[float, float]:
    """Percentiles of the mean AUC over draws, with replacement, of each fold's simulated and test clips."""
    generator = np.random.default_rng(seed)
    areas = np.empty((REPEATS, len(splits)))
    for column, split in enumerate(splits):
        truth = is_test[split.rows]
        sides = [split.score[truth == side] for side in (False, True)]
        drawn = [side[generator.integers(len(side), size=(REPEATS, len(side)))] for side in sides]
        rank = rankdata(np.concatenate(drawn, axis=1), axis=1)[:, len(sides[0]) :].sum(axis=1)
        areas[:, column] = (rank - len(sides[1]) * (len(sides[1]) + 1) / 2) / (len(sides[0]) * len(sides[1]))
    low, high = np.quantile(areas.mean(axis=1), INTERVAL)
    return float(low), float(high)


def _telling(table: pd.DataFrame, is_test: np.ndarray) -> pd.DataFrame:
    rows = [
        (name, area(is_test, table[name].to_numpy()), table[name][~is_test].median(), table[name][is_test].median())
        for name in table.columns
    ]
    told = pd.DataFrame(rows, columns=["feature", "auc", "simulated", "test"])
    return told.iloc[(-(told["auc"] - 0.5).abs()).argsort(kind="stable")].reset_index(drop=True)
