"""The numbers of noise bursts from those that were found: how many, how loud by which measure, how long, and where."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from messy_mashup.mashup.arrangement import Arrangements
from messy_mashup.mashup.pool import ABSENT
from messy_mashup.recipe import BurstLevel
from messy_mashup.search.evidence import Evidence

SAME_S = 0.15  # a burst that is found within so much of where it was arranged is that one
TRIMMED = 0.04  # at each end of found values, of which a few are wrong
WHOLE_S = 0.1  # a burst that begins so near to its clip's begin is likely a whole clip
AT_END_S = 0.03  # a burst that ends so near to its mashup's end reaches it
FEWEST = 12  # bursts without which a host's ways are not told
USUAL_FIRST = ("peak", "piece", "snr", "raw")
LEAST_GAIN, LEAST_PIECE_S = 0.01, 0.1  # what a search can find at all
MOST_BURSTS = 8
NOISY = np.linspace(0, 1, 41)  # shares of noisy mashups that are tried
LEAST_CHANCE = 0.05  # of being found: gains with less are not counted up

Numbers = dict[str, float]


@dataclass(frozen=True)
class BurstShape:
    """What a host does with a noise clip, which is read off the found bursts without knowing what was missed."""

    level: BurstLevel | None  # what its gain multiplies: the measure by which the gains are most nearly uniform
    inside: bool | None  # whether a burst ends with its mashup at the latest, rather than being cut by its end
    length_s: tuple[float, float]  # whole clips, or pieces of lengths from this to that; NaN or None: cannot be told

    @classmethod
    def of(cls, test: Evidence, clip_s: np.ndarray) -> "BurstShape":
        """From the bursts found in the test mashups, and the lengths of the bank's clips."""
        bursts = test.bursts
        if len(bursts) < FEWEST:
            return cls(None, None, (np.nan, np.nan))
        ends_s = bursts["at_s"] + bursts["length_s"]
        reaching = ends_s > test.lengths_s[bursts["mashup"].to_numpy(int)] - AT_END_S
        inside = float((reaching & (bursts["at_s"] > WHOLE_S)).mean()) < 0.2
        if float((bursts["offset_s"] < WHOLE_S).mean()) > 0.5:
            length_s = (float(clip_s[bursts["clip"]].max()),) * 2
        else:
            uncut = bursts.loc[~reaching & (bursts["at_s"] > AT_END_S), "length_s"].to_numpy()
            low_s, high_s = _ends(uncut, np.ones(len(uncut))) if len(uncut) >= FEWEST else (np.nan, np.nan)
            length_s = (float(np.maximum(low_s, LEAST_PIECE_S)), high_s)  # NaN stays NaN
        return cls(_level(bursts), inside, length_s)


class BurstFit:
    """How often bursts are found, learnt from probes, and what that makes of those that were."""

    def __init__(self, probed: Evidence, known: Arrangements) -> None:
        gain, found = _probed_gains(probed.bursts, known)
        self.model = (
            LogisticRegression(C=10.0).fit(np.log(gain)[:, None], found) if 0 < found.sum() < len(found) else None
        )
        self.share_found = float(found.mean()) if len(found) else 1.0

    def chance(self, gain: np.ndarray) -> np.ndarray:
        """How likely a burst of a gain ("piece") is found."""
        if self.model is None:
            return np.full(len(gain), max(self.share_found, LEAST_CHANCE))
        return self.model.predict_proba(np.log(np.maximum(gain, 1e-4))[:, None])[:, 1].clip(LEAST_CHANCE, 1)

    def numbers(self, test: Evidence, level: str) -> Numbers:
        """noisy, bursts and burst_gain (or burst_snr_db); NaN for what only bursts tell where there are none."""
        bursts = test.bursts
        if len(bursts) < 2:
            names = ("bursts.low", "bursts.high", f"{_range_of(level)}.low", f"{_range_of(level)}.high")
            return {"noisy": len(bursts) / len(test)} | dict.fromkeys(names, np.nan)
        chance = self.chance(bursts["piece"].to_numpy())
        low, high = _ends(_drawn(bursts[level], level), 1 / chance)
        low = low if level == "snr" else max(low, LEAST_GAIN)
        gains = {f"{_range_of(level)}.low": low, f"{_range_of(level)}.high": high}
        count = (1 / chance).sum() / len(test)  # a mashup, the missed ones included
        fewest, most = _range_of_counts(test, len(bursts) / len(test) / count)
        noisy = min(1.0, 2 * count / (fewest + most))
        return {"noisy": noisy, "bursts.low": fewest, "bursts.high": most} | gains

    def evidence(self, test: Evidence) -> dict[str, int]:
        """How many bursts each number rests on."""
        names = ("noisy", "bursts.low", "bursts.high", "burst_gain.low", "burst_gain.high", "burst_snr_db.low")
        return dict.fromkeys((*names, "burst_snr_db.high"), len(test.bursts))


def _range_of_counts(test: Evidence, chance: float) -> tuple[float, float]:
    """The likeliest range of bursts in a noisy mashup, each of which is found by chance."""
    found = np.bincount(test.bursts["mashup"], minlength=len(test))
    seen = np.bincount(found.clip(max=MOST_BURSTS), minlength=MOST_BURSTS + 1)
    best, likeliest = -np.inf, (np.nan, np.nan)
    for low in range(1, 6):
        for high in range(low, MOST_BURSTS):
            some = np.mean([_binomial(count, chance) for count in range(low, high + 1)], axis=0)
            every = NOISY[:, None] * some + (1 - NOISY[:, None]) * (np.arange(MOST_BURSTS + 1) == 0)
            likelihood = float((np.log(every.clip(1e-9)) * seen).sum(axis=1).max())
            if likelihood > best + 0.5:  # a wider range has to be worth it
                best, likeliest = likelihood, (float(low), float(high))
    return likeliest


def _probed_gains(found: pd.DataFrame, known: Arrangements) -> tuple[np.ndarray, np.ndarray]:
    """The gains ("piece") of all bursts that were arranged, and which of them were found."""
    mashup, place = (known.burst_clip != ABSENT).nonzero()
    gain, was_found = known.burst_gain[mashup, place], np.zeros(len(mashup), bool)
    for number, (row, burst) in enumerate(zip(mashup, place, strict=True)):
        of_clip = found[(found["mashup"] == row) & (found["clip"] == known.burst_clip[row, burst])]
        begins_s = of_clip["at_s"] - of_clip["offset_s"]
        arranged_s = known.burst_at_s[row, burst] - known.burst_offset_s[row, burst]
        was_found[number] = (begins_s - arranged_s).abs().lt(SAME_S).any()
    return gain, was_found


def _drawn(gain: pd.Series, level: str) -> np.ndarray:
    """What a host would have drawn uniformly: the gain, or the SNR in dB."""
    return -20 * np.log10(gain.to_numpy()) if level == "snr" else gain.to_numpy()


def _range_of(level: str) -> str:
    return "burst_snr_db" if level == "snr" else "burst_gain"


def _ends(values: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """The ends of a uniform range, from weighted values of which a few at each end may be wrong."""
    order = np.argsort(values)
    share = (np.cumsum(weights[order]) - 0.5 * weights[order]) / weights.sum()
    low, high = np.interp((TRIMMED, 1 - TRIMMED), share, values[order])
    beyond = TRIMMED / (1 - 2 * TRIMMED) * (high - low)
    return float(low - beyond), float(high + beyond)


def _level(bursts: pd.DataFrame) -> BurstLevel:
    """The measure by which the gains are most nearly uniform; of those so few bursts do not part, the most usual."""
    distances = {level: _distance_from_uniform(_drawn(bursts[level], level)) for level in USUAL_FIRST}
    return next(
        level for level in USUAL_FIRST if distances[level] < min(distances.values()) + 0.6 / np.sqrt(len(bursts))
    )


def _distance_from_uniform(values: np.ndarray) -> float:
    """The largest distance between the distribution of values, without the trimmed ends, and a straight line."""
    values = np.sort(values)
    cut = int(TRIMMED * len(values))
    kept = values[cut : len(values) - cut]
    if len(kept) < 2 or kept[0] == kept[-1]:
        return 1.0
    line = (kept - kept[0]) / (kept[-1] - kept[0])
    return float(np.abs(line - np.linspace(0, 1, len(kept))).max())


def _binomial(count: int, chance: float) -> np.ndarray:
    """How likely 0 to MOST_BURSTS of `count` bursts are found."""
    from scipy.stats import binom

    return binom.pmf(np.arange(MOST_BURSTS + 1), count, chance)
