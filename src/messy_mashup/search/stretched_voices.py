"""Voices at any rate are found in a mashup by the patterns of their levels, one after the other: what is found is taken
away from the pattern, which uncovers quieter voices.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

import numpy as np
import torch

from messy_mashup.search.pattern_likeness import best_likeness, refined, usual_likeness
from messy_mashup.search.power_gains import fitted, power
from messy_mashup.search.voice_catalogue import ANY_OFFSET_S, FRAME_S, VoiceCatalogue, levels_db, pattern
from messy_mashup.search.wave_check import WaveCheck, check_wave

SIGNIFICANT = 8.0  # deviations above the middle of the wrong stems' maxima: by patterns alone a voice
HOPEFUL = 3.0  # so many make a voice where the waves agree,
CHECKED = 5  # which is looked at for so many stems a round, the most alike first
ROUNDS = 4


@dataclass(frozen=True)
class StretchedVoice:
    """A stem, by its place in the catalogue: at which rate, and where in it the mashup begins.

    significance: deviations above the middle of the wrong stems. wave: what its wave says, where that was asked.
    """

    stem: int
    rate: float
    offset_s: float
    significance: float
    wave: WaveCheck | None = None


@dataclass
class Search:
    """One mashup while it is searched: `wave` is the mashup less its steady voices, `free` the stems that may still be
    in it, of parts and songs that are not yet found.
    """

    wave: torch.Tensor  # (samples,)
    levels: torch.Tensor  # (frames, bands) in dB
    free: np.ndarray  # (stems,) bool
    found: list[StretchedVoice] = field(default_factory=list)
    refused: dict[int, StretchedVoice] = field(default_factory=dict)  # by stem: their waves do not agree

    def unexplained(self, catalogue: VoiceCatalogue) -> torch.Tensor:
        """The pattern of what no found voice explains: (frames, bands)."""
        heard = pattern(self.levels)
        if self.found:
            explained, mixed = voices_power(self.found, len(self.levels), catalogue), power(self.levels)
            gain = fitted(mixed, explained)
            heard *= 1 - (torch.tensordot(gain, explained, 1) / mixed).clamp(max=1)
        return heard

    def take(self, voice: StretchedVoice, catalogue: VoiceCatalogue) -> None:
        """The voice is there, and no other of its part or its song."""
        self.found.append(voice)
        self.free &= (catalogue.part != catalogue.part[voice.stem]) & (catalogue.song != catalogue.song[voice.stem])


@dataclass(frozen=True)
class Round:
    """One round of the search of one mashup: the pattern that was searched, (frames, bands), and of each stem how far
    it stands out of its part, in deviations, and the rate at which it is most alike.
    """

    heard: torch.Tensor
    height: np.ndarray  # (stems,), -inf where a stem is not free
    rate: np.ndarray  # (stems,)
    catalogue: VoiceCatalogue
    offset_s: tuple[float, float]

    def voice(self, stem: int) -> StretchedVoice:
        """The stem where it is most alike."""
        rate, begin_s = refined(self.heard, stem, float(self.rate[stem]), self.catalogue, self.offset_s)
        return StretchedVoice(stem, rate, begin_s, float(self.height[stem]))


Rule = Callable[[Search, Round], StretchedVoice | None]  # the voice that a round has found


def by_pattern(search: Search, found: Round) -> StretchedVoice | None:
    """The stem that stands out most, where patterns alone make it a voice."""
    stem = int(np.argmax(found.height))
    return found.voice(stem) if found.height[stem] >= SIGNIFICANT else None


def by_wave(search: Search, found: Round) -> StretchedVoice | None:
    """Of the stems that stand out, the first whose wave is in the mashup."""
    new = (int(stem) for stem in np.argsort(-found.height) if stem not in search.refused)
    for stem in islice(new, CHECKED):
        if found.height[stem] < HOPEFUL:
            break
        alike = found.voice(stem)
        check = check_wave(search.wave, stem, alike.rate, alike.offset_s, found.catalogue)
        voice = replace(alike, offset_s=check.offset_s, wave=check)
        if check.agrees:
            return voice
        search.refused[stem] = voice
    return None


def search_stretched(
    residuals: Sequence[torch.Tensor],
    free: Sequence[np.ndarray],
    catalogue: VoiceCatalogue,
    offset_s: tuple[float, float] = ANY_OFFSET_S,
    rule: Rule = by_pattern,
) -> list[Search]:
    """The searches of mashups (samples,) with the voices they found at any rate, at most one a part and one a song.

    free: (stems,) bool of each mashup, the stems that are looked for. offset_s: where in its stem a voice may begin;
    the narrower, the less is alike by chance.
    """
    rows = zip(residuals, free, strict=True)
    searches = [Search(wave, levels_db(wave), stems.copy()) for wave, stems in rows]
    # By whole seconds, so that what is found in a mashup does not depend on those that it is searched with
    by_length = defaultdict(list)
    for search in searches:
        by_length[math.ceil(len(search.wave) / catalogue.bank.sample_rate_hz)].append(search)
    for seconds, together in by_length.items():
        _search(together, float(seconds), catalogue, offset_s, rule)
    return searches


def _search(
    searched: list[Search], length_s: float, catalogue: VoiceCatalogue, offset_s: tuple[float, float], rule: Rule
) -> None:
    """Look for one voice after the other in mashups of one class of lengths."""
    usual = usual_likeness(length_s, catalogue, offset_s)
    for _ in range(ROUNDS):
        searched = [search for search in searched if search.free.any()]
        if not searched:
            break
        patterns = [search.unexplained(catalogue) for search in searched]
        likeness, rates = best_likeness(patterns, length_s, catalogue, offset_s)
        found = zip(searched, patterns, likeness - usual, rates, strict=True)
        rounds = [
            (search, Round(heard, _heights(row, search.free, catalogue.part), rate, catalogue, offset_s))
            for search, heard, row, rate in found
        ]
        searched = [search for search, looked in rounds if _taken(search, looked, rule)]


def _taken(search: Search, found: Round, rule: Rule) -> bool:
    voice = rule(search, found) if found.heard.any() else None
    if voice is None:
        return False
    search.take(voice, found.catalogue)
    return True


def _heights(likeness: np.ndarray, free: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """How far each free stem's likeness (stems,) lies above the middle of its part, in deviations: (stems,)."""
    height = np.full(len(likeness), -np.inf)
    for part in np.unique(parts[free]):
        of_part = parts == part
        middle = np.median(likeness[of_part])
        deviation = 1.4826 * np.median(np.abs(likeness[of_part] - middle))
        height[of_part] = (likeness[of_part] - middle) / max(deviation, 1e-6)
    height[~free] = -np.inf
    return height


def voices_power(voices: list[StretchedVoice], frames: int, catalogue: VoiceCatalogue) -> torch.Tensor:
    """The power of stems as mashups would hold them at gain 1: (voices, frames, bands)."""
    played = []
    for voice in voices:
        levels = levels_db(catalogue.wave(voice.stem))
        row = torch.round(voice.offset_s / FRAME_S + torch.arange(frames, device=levels.device) * voice.rate).long()
        inside = (row >= 0) & (row < len(levels))
        played.append(power(levels[row.clamp(0, len(levels) - 1)]) * inside[:, None])
    return torch.stack(played)
