"""The numbers of voices from those that were found: how many are stretched, by how much, and how they are balanced."""

import numpy as np
import pandas as pd

from messy_mashup.mashup.arrangement import Arrangements
from messy_mashup.mashup.pool import ABSENT
from messy_mashup.search.evidence import Evidence

TRIMMED = 0.08  # at each end of the found rates, of which some are wrong
NEAR = 0.006  # of rate 1: so little stretch is found as none
PAIRS = 20_000  # simulated, to know how far apart two gains of a range are
LOWEST_GAIN = 0.02

Numbers = dict[str, float]


class VoiceFit:
    """How often voices are found, learnt from probes, and what that makes of those that were."""

    def __init__(self, probed: Evidence, known: Arrangements) -> None:
        self.chance = _probed_chances(probed.voices, known)
        pairs = np.random.default_rng(0).random((2, PAIRS))
        self._distances = [(low, _distance(low, pairs)) for low in np.linspace(LOWEST_GAIN, 0.99, 98)]

    def numbers(self, test: Evidence) -> Numbers:
        """stretched, rate and gain (whose upper end is 1, since a mashup is scaled as a whole)."""
        voices = test.voices
        rates = voices.loc[~voices["steady"].astype(bool), "rate"].to_numpy(float)
        low, high = _ends(rates)
        return {"stretched": self._stretched(voices, high - low), "rate.low": low, "rate.high": high} | self._gains(
            voices
        )

    def evidence(self, test: Evidence) -> dict[str, int]:
        """How many voices each number rests on."""
        steady = test.voices["steady"].astype(bool)
        pairs = int(steady.groupby(test.voices["mashup"]).sum().sub(1).clip(lower=0).sum()) if len(steady) else 0
        rates = int((~steady).sum())
        return {"stretched": len(steady), "rate.low": rates, "rate.high": rates, "gain.low": pairs, "gain.high": pairs}

    def _stretched(self, voices: pd.DataFrame, width: float) -> float:
        """The share of stretched voices, with those that were missed, and those that were taken for steady ones."""
        if not len(voices):
            return np.nan
        steady = float(voices["steady"].astype(bool).sum())
        near = min(0.5, 2 * NEAR / width) if width > 0 else 0.0
        stretched = (len(voices) - steady) / (self.chance["stretched"] * (1 - near))
        steady = max(0.0, steady / self.chance["steady"] - near * stretched)
        return stretched / (stretched + steady)

    def _gains(self, voices: pd.DataFrame) -> Numbers:
        """The range from whose width two gains of a mashup are as far apart as those of steady voices are."""
        steady = voices[voices["steady"].astype(bool)]
        apart = [
            abs(np.log(one / other))
            for _, gains in steady.groupby("mashup")["gain"]
            for place, one in enumerate(gains)
            for other in gains.iloc[:place]
            if one > 0 and other > 0
        ]
        if not apart:
            return {"gain.low": np.nan, "gain.high": np.nan}
        lows, distances = map(np.array, zip(*self._distances, strict=True))
        return {"gain.low": float(np.interp(-np.mean(apart), -distances, lows)), "gain.high": 1.0}


def _probed_chances(found: pd.DataFrame, known: Arrangements) -> dict[str, float]:
    """How often a steady and a stretched voice of the probes is found; with none arranged, as good as never."""
    arranged, known_steady = known.voice_clip != ABSENT, known.voice_rate == 1
    was_found = np.zeros(known.voice_clip.shape, bool)
    for mashup, clip in zip(found["mashup"], found["clip"], strict=True):
        was_found[mashup] |= known.voice_clip[mashup] == clip
    return {
        kind: max(0.02, float(was_found[which].mean())) if which.any() else 0.02
        for kind, which in {"steady": arranged & known_steady, "stretched": arranged & ~known_steady}.items()
    }


def _ends(rates: np.ndarray) -> tuple[float, float]:
    """The ends of a uniform range of rates of which a few are wrong."""
    if len(rates) < 2:
        return np.nan, np.nan
    low, high = np.quantile(rates, (TRIMMED, 1 - TRIMMED))
    beyond = TRIMMED / (1 - 2 * TRIMMED) * (high - low)
    return float(low - beyond), float(high + beyond)


def _distance(low: float, pairs: np.ndarray) -> float:
    """How far apart, as a ratio's logarithm, two gains between `low` and 1 are in the mean."""
    one, other = np.log(low + (1 - low) * pairs)
    return float(np.abs(one - other).mean())
