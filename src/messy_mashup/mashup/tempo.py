"""Tempo policies: at which rate each voice is played, and how the bars of several songs come to lie on each other.

`none`: every voice at its own tempo. `random`: some voices at a rate that is drawn. `sync`: the anchor, which is the
first voice whose song has a sure tempo, keeps its own; the others take its tempo, its half or its double, whichever is
nearest, as far as the limit allows. `downbeats`: as `sync`, and the voices begin where their bars lie on the anchor's.
"""

import numpy as np

from messy_mashup.data.beats import CONFIDENT
from messy_mashup.mashup.pool import ABSENT, Pool, Tempi
from messy_mashup.recipe import MashupRecipe

BEATS_A_BAR = 4
LEAST_LEFT = 0.5  # of a mashup's length, when its voices are aligned


def rates(recipe: MashupRecipe, pool: Pool, clip: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """The rate of each voice (batch, voices); `drawn` are the rates of the random policy."""
    match recipe.tempo:
        case "none":
            return np.ones(clip.shape)
        case "random":
            return drawn
        case "sync" | "downbeats":
            return synced_rates(pool.tempi.bpm[clip], pool.tempi.confidence[clip], recipe.sync_limit)


def synced_rates(bpm: np.ndarray, confidence: np.ndarray, limit: float) -> np.ndarray:
    """The rates (batch, voices) that bring voices to the anchor's tempo, octaves folded; 1 where that is too far."""
    sure = confidence >= CONFIDENT
    anchor = np.take_along_axis(bpm, sure.argmax(axis=1)[:, None], axis=1)
    ratio = np.where(sure & sure.any(axis=1, keepdims=True), anchor / np.where(sure, bpm, 1.0), 1.0)
    folded = ratio / 2.0 ** np.rint(np.log2(ratio))
    return np.where(np.maximum(folded, 1 / folded) <= 1 + limit, folded, 1.0)


def with_variants(pool: Pool, clip: np.ndarray, rate: np.ndarray, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Clip and rate of each voice (batch, voices), where chosen stretched voices are the nearest of their stem's
    pre-stretched variants, played at the rate that is left.
    """
    if not len(pool.variant_rates):
        return clip, rate
    nearest = np.abs(np.log(rate[..., None] / pool.variant_rates)).argmin(axis=-1)
    variant = pool.variants[clip, nearest]
    chosen = chosen & (rate != 1) & (variant != ABSENT)
    return np.where(chosen, variant, clip), np.where(chosen, rate / pool.variant_rates[nearest], rate)


def aligned(
    pool: Pool, clip: np.ndarray, rate: np.ndarray, offset_s: np.ndarray, length_s: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Offsets (batch, voices) moved by less than a bar so that bars begin together, and the lengths that this leaves.

    Where a song's bars are not sure, its beats are taken; where its tempo is not the anchor's, or too little of its
    clip would be left, its offset stays.
    """
    tempi = Tempi(*(values[clip] for values in vars(pool.tempi).values()))
    sure = tempi.confidence >= CONFIDENT
    anchor = sure.argmax(axis=1)[:, None]
    beat_s = 60 / np.where(sure, tempi.bpm, 1.0) / rate  # as played
    octaves = np.log2(beat_s / np.take_along_axis(beat_s, anchor, axis=1))
    follows = sure & (np.abs(octaves - np.rint(octaves)) < 1e-6)
    bars = (tempi.bar_confidence >= CONFIDENT) & (np.take_along_axis(tempi.bar_confidence, anchor, 1) >= CONFIDENT)
    unit_s = np.where(bars, BEATS_A_BAR * beat_s, beat_s)
    unit_s = np.minimum(unit_s, np.take_along_axis(unit_s, anchor, axis=1))
    begins_s = (tempi.bar_s - offset_s) / rate  # when the first bar is heard
    late_s = (begins_s - np.take_along_axis(begins_s, anchor, axis=1)) % unit_s
    moved_s = offset_s + np.where(follows, late_s * rate, 0.0)
    # A unit earlier where the clip would end too soon and there is so much before.
    unit_s = np.where(follows, unit_s * rate, np.inf)
    too_far = (moved_s + length_s[:, None] * rate > pool.length_s[clip]) & (moved_s >= unit_s)
    moved_s = np.where(too_far, moved_s - unit_s, moved_s)
    left_s = (pool.length_s[clip] - moved_s) / rate
    moved_s = np.where(left_s >= LEAST_LEFT * length_s[:, None], moved_s, offset_s)
    room_s = ((pool.length_s[clip] - moved_s) / rate).min(axis=1)
    return moved_s, np.minimum(length_s, room_s)
