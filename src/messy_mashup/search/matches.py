"""The stems that mashups are made of: looked for by waves and by patterns, verified on waves against chance, and taken
away, so that quieter ones are found.

It works on a closed set only: a stem that is not in the bank is not found, and nothing is said in its place.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from messy_mashup.search.steady_voices import SteadyVoice, find_steady, without
from messy_mashup.search.stretched_voices import StretchedVoice, by_wave, search_stretched
from messy_mashup.search.voice_catalogue import ANY_OFFSET_S, VoiceCatalogue, one_thread
from messy_mashup.search.wave_check import check_wave


@dataclass(frozen=True)
class Match:
    """A stem in a mashup: mashup(t) holds stem(offset_s + rate x t), times in seconds.

    clip: row of the bank's index. correlation, significance: of the waves; see WaveCheck.
    steady: at rate 1, where it is found sample by sample. found: else it was looked at and is not there, or in doubt.
    """

    clip: int
    rate: float
    offset_s: float
    correlation: float
    significance: float
    steady: bool
    found: bool


@one_thread()
def find_matches(
    waves: Sequence[np.ndarray],
    catalogue: VoiceCatalogue,
    offset_s: tuple[float, float] = ANY_OFFSET_S,
    barred: Sequence[Sequence[str]] | None = None,
) -> list[list[Match]]:
    """The stems of each mashup, (samples,) at the bank's rate: those that were found, one a part and one a song, then
    those that were looked at closely and refused.

    barred: the songs that are not looked for in each mashup. UserError where one is shorter than LEAST_S.
    """
    if not waves:
        return []
    mashups = catalogue.heard(waves)
    free = [~np.isin(catalogue.song, songs) for songs in barred or [()] * len(waves)]
    steady = find_steady(mashups, catalogue, offset_s, free)
    residuals = [without(wave, voices, catalogue) for wave, voices in zip(mashups, steady, strict=True)]
    left = [stems & catalogue.apart_from([v.stem for v in voices]) for stems, voices in zip(free, steady, strict=True)]
    searches = search_stretched(residuals, left, catalogue, offset_s, by_wave)
    rows = zip(mashups, steady, searches, strict=True)
    return [
        [_steady_match(wave, voice, catalogue) for voice in fixed]
        + [_match(voice, catalogue, found=True) for voice in search.found]
        + [_match(voice, catalogue, found=False) for voice in search.refused.values()]
        for wave, fixed, search in rows
    ]


def _steady_match(wave: torch.Tensor, voice: SteadyVoice, catalogue: VoiceCatalogue) -> Match:
    offset_s = voice.lag / catalogue.bank.sample_rate_hz
    check = check_wave(wave, voice.stem, 1.0, offset_s, catalogue)
    clip = int(catalogue.clip[voice.stem])
    return Match(clip, 1.0, offset_s, check.correlation, check.significance, steady=True, found=True)


def _match(voice: StretchedVoice, catalogue: VoiceCatalogue, found: bool) -> Match:
    clip, check = int(catalogue.clip[voice.stem]), voice.wave
    return Match(clip, voice.rate, voice.offset_s, check.correlation, check.significance, steady=False, found=found)
