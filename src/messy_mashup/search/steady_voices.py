"""Voices that were not stretched are found in a mashup sample by sample: by correlation of whitened waves."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat

import numpy as np
import torch
from torch.nn.functional import pad

from messy_mashup.search.stem_correlations import correlations
from messy_mashup.search.voice_catalogue import (
    ANY_OFFSET_S,
    NARROW,
    VoiceCatalogue,
    narrow_size,
    narrow_spectrum,
    one_thread,
    whitening,
)

CORRELATION = 10.0  # a peak of this many deviations is looked at: chance makes 7 in noise and up to 20 in music
AGREEMENT = 12.0  # and is a voice where the parts of the mashup agree on its gain: mean over error
BLOCKS = 8
LEAST_BLOCKS = 2.5  # over so many of them, by its energy, a voice must be spread
LOOKED_AT = 8  # peaks of a mashup
PASSES = 3  # what is found is taken away, which uncovers quieter voices
HOPEFUL = 0.25  # of the stems, the most alike in one pass, are looked for in the next
TURNED_TOGETHER = 64  # bins, over which two samples of lag turn a phase by less than a tenth


@dataclass(frozen=True)
class SteadyVoice:
    """A stem, by its place in the catalogue, that begins `lag` samples before the mashup does."""

    stem: int
    lag: float
    agreement: float


class _Mashup:
    """A mashup at the narrow rate, and what was found in it."""

    def __init__(self, wave: torch.Tensor, catalogue: VoiceCatalogue, free: np.ndarray | None = None) -> None:
        self.catalogue = catalogue
        # An FFT so long that nothing that is shifted comes in again at the other end
        self.size = narrow_size(len(wave) + int(catalogue.length.max()) + 1)
        self.points = int(self.size * NARROW)
        self.heard = int(len(wave) * NARROW)
        self.wave = torch.fft.irfft(narrow_spectrum(wave, self.size), self.points)[: self.heard]
        self.found: list[SteadyVoice] = []
        self.free = np.full(len(catalogue), True) if free is None else free
        self.hopeful = self.free  # the stems that are still looked for

    def spectrum(self, stem: int, lag: float = 0.0) -> torch.Tensor:
        """Of the stem from `lag` samples on: by turning phases, so that a lag may lie between two samples."""
        return _turned(narrow_spectrum(self.catalogue.wave(stem), self.size), lag, self.size)

    def shifted(self, stem: int, lag: float) -> torch.Tensor:
        """The stem from `lag` samples on, as the mashup would hold it at gain 1: (points heard,)."""
        return torch.fft.irfft(self.spectrum(stem, lag), self.points)[: self.heard]

    def divisor(self, wave: torch.Tensor) -> torch.Tensor:
        return whitening(torch.fft.rfft(wave, self.points), self.size)

    def whitened(self, wave: torch.Tensor, divisor: torch.Tensor) -> torch.Tensor:
        return torch.fft.irfft(torch.fft.rfft(wave, self.points) / divisor, self.points)[: self.heard]

    def gains(self) -> tuple[torch.Tensor, torch.Tensor]:
        """By least squares of whitened waves, and errors by leaving out one block after the other: (voices,) each."""
        divisor = self.divisor(self.wave)
        voices = [self.shifted(voice.stem, voice.lag) for voice in self.found]
        parts = _blocks(torch.stack([self.whitened(voice, divisor) for voice in voices]))
        mixed = _blocks(self.whitened(self.wave, divisor)[None])[:, 0]
        products = torch.stack([a @ a.T for a in parts])
        against = torch.stack([a @ b for a, b in zip(parts, mixed, strict=True)])
        whole = _solved(products.sum(0), against.sum(0))
        left_out = [_solved(products.sum(0) - a, against.sum(0) - b) for a, b in zip(products, against, strict=True)]
        return whole, torch.stack(left_out).std(dim=0, correction=0) * (BLOCKS - 1) ** 0.5

    def residual(self) -> torch.Tensor:
        """What is left when the found voices are taken away: (points heard,)."""
        if not self.found:
            return self.wave
        voices = torch.stack([self.shifted(voice.stem, voice.lag) for voice in self.found])
        return self.wave - self.gains()[0] @ voices


@one_thread()
def find_steady(
    waves: Sequence[torch.Tensor],
    catalogue: VoiceCatalogue,
    offset_s: tuple[float, float] = ANY_OFFSET_S,
    free: Sequence[np.ndarray] | None = None,
) -> list[list[SteadyVoice]]:
    """The unstretched voices of each mashup, at most one a part and one a song, in the order they were found.

    offset_s: where in its stem a voice may begin; a narrow range is searched many times as fast.
    free: (stems,) bool of each mashup, the stems that are looked for: all, where it is not given.
    """
    mashups = [
        _Mashup(wave, catalogue, stems) for wave, stems in zip(waves, free or repeat(None), strict=free is not None)
    ]
    searched = mashups
    for _ in range(PASSES):
        residuals = [mashup.residual() for mashup in searched]
        divisors = [mashup.divisor(residual) for mashup, residual in zip(searched, residuals, strict=True)]
        whitened = [mashup.whitened(*each) for mashup, *each in zip(searched, residuals, divisors, strict=True)]
        hopeful = [mashup.hopeful for mashup in searched]
        peaks, lags = correlations(whitened, hopeful, catalogue, offset_s)
        for mashup, peak in zip(searched, peaks, strict=True):
            mashup.hopeful = mashup.free & (peak >= np.quantile(peak, 1 - HOPEFUL))
        rows = zip(searched, whitened, divisors, peaks, lags, strict=True)
        searched = [mashup for mashup, *found in rows if _accepted(mashup, *found)]
        if not searched:
            break
    return [mashup.found for mashup in mashups]


def gains(wave: torch.Tensor, voices: list[SteadyVoice], catalogue: VoiceCatalogue) -> tuple[np.ndarray, np.ndarray]:
    """The gains of a mashup's steady voices by least squares of whitened waves, and their errors by leaving out one
    block after the other: (voices,) each.
    """
    mashup = _Mashup(wave, catalogue)
    mashup.found = voices
    whole, spread = mashup.gains()
    return whole.cpu().numpy(), spread.cpu().numpy()


def without(wave: torch.Tensor, voices: list[SteadyVoice], catalogue: VoiceCatalogue) -> torch.Tensor:
    """What is left of a mashup (samples,) when its steady voices are taken away."""
    if not voices:
        return wave
    gain, _ = gains(wave, voices, catalogue)
    size = narrow_size(len(wave) + int(catalogue.length.max()) + 1)
    for voice, level in zip(voices, gain.tolist(), strict=True):
        spectrum = _turned(torch.fft.rfft(catalogue.wave(voice.stem), size), voice.lag, size)
        wave = wave - level * torch.fft.irfft(spectrum, size)[: len(wave)]
    return wave


def _accepted(mashup: _Mashup, mixed: torch.Tensor, divisor: torch.Tensor, peak: np.ndarray, lag: np.ndarray) -> bool:
    """Whether peaks (stems,) of a whitened residual at lags (stems,) were voices; those are added to what was found."""
    before, catalogue = len(mashup.found), mashup.catalogue
    for stem in np.argsort(-peak)[:LOOKED_AT].tolist():
        known = [voice.stem for voice in mashup.found]
        taken = np.isin(catalogue.part[known], catalogue.part[stem]) | np.isin(
            catalogue.song[known], catalogue.song[stem]
        )
        if peak[stem] < CORRELATION or taken.any():
            continue
        spectrum = mashup.spectrum(stem)
        cross = spectrum / divisor * torch.fft.rfft(mixed, mashup.points).conj()
        exact = _exact_lag(cross, float(lag[stem]), mashup.size)
        voice = torch.fft.irfft(_turned(spectrum, exact, mashup.size), mashup.points)[: mashup.heard]
        agreement = _agreement(mixed, mashup.whitened(voice, divisor))
        if agreement >= AGREEMENT:
            mashup.found.append(SteadyVoice(stem, exact, agreement))
    return len(mashup.found) > before


def _agreement(mixed: torch.Tensor, voice: torch.Tensor) -> float:
    """The gain of a voice over its error, which the blocks of the mashup tell: a voice that is stretched a little
    drifts away, and what is alike by chance is alike in one place only.
    """
    against = (_blocks(mixed[None])[:, 0] * _blocks(voice[None])[:, 0]).sum(1)
    energy = _blocks(voice[None])[:, 0].square().sum(1)
    if energy.sum() == 0 or energy.sum().square() < LEAST_BLOCKS * energy.square().sum():
        return 0.0
    gain = against.sum() / energy.sum()
    error = (against - gain * energy).square().sum().sqrt() / energy.sum()
    return float(gain / error.clamp(min=1e-12))


def _exact_lag(cross: torch.Tensor, lag: float, size: int) -> float:
    """A lag to a twentieth of a sample, near one that is known to two samples, by a cross spectrum (bins,)."""
    near = _turned(cross, round(lag), size)
    near = pad(near, (0, -len(near) % TURNED_TOGETHER)).view(-1, TURNED_TOGETHER).sum(1)
    middle = (torch.arange(len(near), device=near.device) + 0.5) * TURNED_TOGETHER - 0.5
    tries = torch.arange(-40, 41, device=near.device) / 20
    turn = tries[:, None] * middle * (2 * np.pi / size)
    heights = (torch.polar(torch.ones_like(turn), turn) * near).real.sum(1)
    return round(lag) + float(tries[heights.argmax()])


def _turned(spectrum: torch.Tensor, lag: float, size: int) -> torch.Tensor:
    turn = torch.arange(len(spectrum), device=spectrum.device) * (2 * np.pi * lag / size)
    return spectrum * torch.polar(torch.ones_like(turn), turn)


def _blocks(waves: torch.Tensor) -> torch.Tensor:
    """(waves, points) in BLOCKS parts: (blocks, waves, points of a block)."""
    points = waves.shape[1] // BLOCKS
    return waves[:, : points * BLOCKS].view(len(waves), BLOCKS, points).transpose(0, 1)


def _solved(products: torch.Tensor, against: torch.Tensor) -> torch.Tensor:
    return torch.linalg.lstsq(products.double(), against.double()[:, None]).solution[:, 0].clamp(min=0).float()
