"""A recipe's numbers, fitted to what is found in the test mashups.

What is found is not all that is there, so the same is looked for in probes: mashups of the same bank whose arrangements
are known. They tell how often a burst of a gain, or a voice, is found, and every estimate allows for it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from messy_mashup.calibration.burst_fit import BurstFit, BurstShape
from messy_mashup.calibration.voice_fit import VoiceFit
from messy_mashup.mashup.arrangement import Arrangements, draw
from messy_mashup.mashup.pool import Pool
from messy_mashup.purposes import PROBES
from messy_mashup.recipe import MashupRecipe
from messy_mashup.search.evidence import Evidence

RESAMPLED = 200  # bootstrap samples of the mashups, for the intervals
INTERVAL = (5, 95)  # percentiles
# Wide enough for whatever a host may have drawn.
PROBE = {
    "whole": 1.0, "gain": (0.4, 1.0), "tempo": "random", "stretched": 0.5, "rate": (0.85, 1.18), "noisy": 0.9,
    "bursts": (1, 3), "burst_level": "piece", "burst_gain": (0.03, 1.2),
}  # fmt: skip
SURE_SHARE = 1e-3  # of the simulated whole mashups that are shorter than what counts as cut
FEWEST_CUT = 3  # mashups; fewer may have a rate that was not found
CLEARLY_CUT = 0.95  # of the shortest whole mashup: only what is shorter tells how many are cut

# A few more bursts in fewer mashups are much the same: it is their mean number that is identified, or not.
MEAN_COUNT, COUNTS = "noisy * bursts", ("noisy", "bursts.low", "bursts.high")
FEWEST = 12  # finds without which a number is not told
WIDEST = 0.6  # of an interval, as a share of its number (or of 0.5, for what may well be 0)

Numbers = dict[str, float]


@dataclass(frozen=True)
class Calibration:
    """The fitted recipe and where its numbers come from.

    figures: a row a number: number, was, fitted, low and high (of its interval, NaN where it has none), evidence (how
    many finds it rests on), identified; a number that is not keeps the recipe's value.
    """

    recipe: MashupRecipe
    figures: pd.DataFrame


def probes(
    pool: Pool, recipe: MashupRecipe, shape: BurstShape, count: int, seed: int
) -> tuple[MashupRecipe, Arrangements]:
    """Mashups to look into that are known, with bursts of the test's shape, and the recipe they were drawn by."""
    # Nothing of the recipe but its parts: what is not searched for would count as missed.
    noisy = PROBE["noisy"] if len(pool.noises) else 0.0
    plain = replace(MashupRecipe(parts=recipe.parts), **(PROBE | {"noisy": noisy}))
    probing = _with_shape(plain, replace(shape, level="piece"))
    return probing, draw(pool, probing, (seed, PROBES, 0), 0, count)


def calibrated(
    recipe: MashupRecipe,
    pool: Pool,
    test: Evidence,
    test_lengths_s: np.ndarray,
    probed: Evidence,
    known: Arrangements,
    shape: BurstShape,
    seed: int = 0,
) -> Calibration:
    """The recipe with the numbers of the test mashups; `test_lengths_s` are those of all, searched or not."""
    bursts, voices = BurstFit(probed, known), VoiceFit(probed, known)
    level = shape.level or recipe.burst_level

    def numbers(evidence: Evidence) -> Numbers:
        found = voices.numbers(evidence) | bursts.numbers(evidence, level)
        count = found["noisy"] * (found["bursts.low"] + found["bursts.high"]) / 2
        return found | {MEAN_COUNT: count if np.isfinite(count) else found["noisy"]}

    fitted, rests_on = numbers(test), voices.evidence(test) | bursts.evidence(test) | {MEAN_COUNT: len(test)}
    intervals = _intervals(numbers, test, seed)
    known = {name for name, value in fitted.items() if _identified(intervals[name], value, rests_on[name])}
    counts = {name for name in COUNTS if np.isfinite(fitted[name])}
    known = known | counts if MEAN_COUNT in known else known - counts
    kept = {name: value for name, value in fitted.items() if name in known - {MEAN_COUNT}}
    if not any(name.startswith(("burst_gain", "burst_snr")) for name in kept):
        shape = replace(shape, level=None)  # another measure would give the recipe's gains another meaning
    tempo = "random" if {"stretched", "rate.low", "rate.high"} <= known else recipe.tempo
    found = _applied(_with_shape(replace(recipe, tempo=tempo), shape), kept)
    lengths = _length_numbers(replace(found, whole=1.0), pool, test_lengths_s, seed)
    every = fitted | _shape_numbers(shape) | lengths
    rows = [
        {
            "number": name,
            "was": _was(recipe, name),
            "fitted": value,
            "low": intervals[name][0] if name in intervals else np.nan,
            "high": intervals[name][1] if name in intervals else np.nan,
            "evidence": rests_on.get(name, len(test.bursts) if name.startswith("burst") else len(test_lengths_s)),
            "identified": name in known or (name not in fitted and np.isfinite(value)),
        }
        for name, value in every.items()
    ]
    return Calibration(_applied(found, lengths), pd.DataFrame(rows))


def _intervals(numbers: Callable[[Evidence], Numbers], test: Evidence, seed: int) -> dict[str, tuple[float, float]]:
    rng = np.random.default_rng(seed)
    drawn = [numbers(test.of(rng.integers(len(test), size=len(test)))) for _ in range(RESAMPLED)]
    table = pd.DataFrame(drawn)
    return {
        name: tuple(np.nanpercentile(values, INTERVAL)) if values.notna().any() else (np.nan, np.nan)
        for name, values in table.items()
    }


def _identified(interval: tuple[float, float], value: float, evidence: int) -> bool:
    low, high = interval
    return evidence >= FEWEST and np.isfinite([value, low, high]).all() and high - low <= WIDEST * max(abs(value), 0.5)


def _length_numbers(whole: MashupRecipe, pool: Pool, lengths_s: np.ndarray, seed: int) -> Numbers:
    """How many mashups are as long as their shortest voice, and how long the others are.

    What is shorter than the recipe's whole mashups ever are must have been cut; if those that are cut have any length
    from the shortest to the longest alike, the rest follows.
    """
    whole_s = draw(pool, whole, (seed, PROBES, 1), 0, 4000).length_s
    shortest_whole_s = np.quantile(whole_s, SURE_SHARE) * 0.995
    low_s, high_s = float(lengths_s.min()), float(lengths_s.max())
    short = float(np.mean(lengths_s < shortest_whole_s))
    if short <= max(2 * SURE_SHARE, FEWEST_CUT / len(lengths_s)) or low_s >= CLEARLY_CUT * shortest_whole_s:
        return {"whole": 1.0, "length_s.low": low_s, "length_s.high": high_s}
    cut = min(1.0, short * (high_s - low_s) / (shortest_whole_s - low_s))
    return {"whole": 1 - cut, "length_s.low": low_s, "length_s.high": high_s}


def _with_shape(recipe: MashupRecipe, shape: BurstShape) -> MashupRecipe:
    length_s = shape.length_s if np.isfinite(shape.length_s).all() else recipe.burst_s
    inside = recipe.inside if shape.inside is None else shape.inside
    return replace(recipe, burst_level=shape.level or recipe.burst_level, inside=inside, burst_s=length_s)


def _shape_numbers(shape: BurstShape) -> Numbers:
    return dict(zip(("burst_s.low", "burst_s.high"), shape.length_s, strict=True))


def _applied(recipe: MashupRecipe, numbers: Numbers) -> MashupRecipe:
    """The recipe with numbers such as `noisy` or `rate.low` put in."""
    fields: dict[str, object] = {}
    for name, value in numbers.items():
        field, _, end = name.partition(".")
        value = round(value) if field == "bursts" else float(f"{value:.4g}")
        if not end:
            fields[field] = value
            continue
        low, high = fields.get(field, getattr(recipe, field))
        fields[field] = (value, max(value, high)) if end == "low" else (min(low, value), value)
    return replace(recipe, **fields)


def _was(recipe: MashupRecipe, name: str) -> float:
    if name == MEAN_COUNT:
        return recipe.noisy * sum(recipe.bursts) / 2
    field, _, end = name.partition(".")
    value = getattr(recipe, field)
    return value[end == "high"] if end else value
