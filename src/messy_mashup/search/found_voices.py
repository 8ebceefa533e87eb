"""Which stems of the bank lie in a mashup: at what rate, from where on, how loud, and how sure that is.

Unstretched voices are found by their waves, exactly, and taken away; the others by the patterns of their levels.
"""

from dataclasses import dataclass

import numpy as np
import torch

from messy_mashup.search.power_gains import power_gains
from messy_mashup.search.steady_voices import SteadyVoice, find_steady, gains, without
from messy_mashup.search.stretched_voices import StretchedVoice, search_stretched, voices_power
from messy_mashup.search.voice_catalogue import ANY_OFFSET_S, VoiceCatalogue, levels_db, one_thread


@dataclass(frozen=True)
class FoundVoice:
    """A stem in a mashup: mashup(t) holds gain x stem(offset_s + rate x t), times in seconds.

    gain is of the wave as it was given, so only ratios within a mashup tell what its host did; gain_error is one
    standard deviation. A phase vocoder costs a stretched voice 1.7 dB (8 s of the demo's music), which stays so, and
    makes transients lag by up to a hop, so that short mashups' rates come out nearer 1 by up to hop / length.
    significance: a steady voice's gain over its error, which the parts of the mashup tell;
    a stretched one's deviations above the middle of the wrong stems. Only among their own kind are they compared.
    """

    clip: int
    rate: float
    offset_s: float
    gain: float
    gain_error: float
    significance: float
    steady: bool  # found sample by sample: rate 1, or so near that the stretch has not yet left out a frame


@one_thread()
def find_voices(
    waves: list[np.ndarray], catalogue: VoiceCatalogue, offset_s: tuple[float, float] = ANY_OFFSET_S
) -> list[list[FoundVoice]]:
    """The voices of each mashup, its wave (samples,) at the bank's rate: at most one a part and one a song.

    offset_s: where in its stem a voice may begin; find_steady tells it. A narrow range finds more, and faster.
    Many mashups at once are faster than one after the other. A voice that is not in the bank is not found.
    """
    if not waves:
        return []
    mashups = catalogue.heard(waves)
    steady = find_steady(mashups, catalogue, offset_s)
    residuals = [without(wave, voices, catalogue) for wave, voices in zip(mashups, steady, strict=True)]
    free = [catalogue.apart_from([voice.stem for voice in voices]) for voices in steady]
    stretched = [search.found for search in search_stretched(residuals, free, catalogue, offset_s)]
    return [
        _steady_found(wave, fixed, catalogue) + _stretched_found(residual, free, catalogue)
        for wave, residual, fixed, free in zip(mashups, residuals, steady, stretched, strict=True)
    ]


def _steady_found(wave: torch.Tensor, voices: list[SteadyVoice], catalogue: VoiceCatalogue) -> list[FoundVoice]:
    if not voices:
        return []
    offsets_s = [voice.lag / catalogue.bank.sample_rate_hz for voice in voices]
    levels = zip(*(values.tolist() for values in gains(wave, voices, catalogue)), strict=True)
    return [
        FoundVoice(int(catalogue.clip[voice.stem]), 1.0, offset_s, gain, error, voice.agreement, True)
        for voice, offset_s, (gain, error) in zip(voices, offsets_s, levels, strict=True)
    ]


def _stretched_found(wave: torch.Tensor, voices: list[StretchedVoice], catalogue: VoiceCatalogue) -> list[FoundVoice]:
    if not voices:
        return []
    levels = levels_db(wave)
    played = voices_power(voices, len(levels), catalogue)
    found = zip(*(values.tolist() for values in power_gains(levels, played)), strict=True)
    return [
        FoundVoice(int(catalogue.clip[voice.stem]), voice.rate, voice.offset_s, gain, error, voice.significance, False)
        for voice, (gain, error) in zip(voices, found, strict=True)
    ]
