"""A matched filter for clips in a mashup: the mashup is whitened cell by cell, and correlated at every lag.

Music is loud in a few cells of the short-time spectrum. Each cell divided by the power around it counts as much as any
other, so a clip's correlation has a sharp peak where the clip lies, however loud the music is elsewhere.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional

FFT = 1024
HOP = FFT // 4
SMOOTHED = (3, 9)  # bins and frames that the power is averaged over: few bins, so that steady tones go
SILENT_SHARE = 0.01  # of a bin's mean power: cells that are more silent count no more than that
QUANTUM = 1 / 32767
CELL = 1024  # lags that are judged together
NEIGHBOUR_CELLS = 5  # around a peak, that it has to stand out from: tones correlate with tones at many lags
LONGEST_BLOCK = 1 << 18  # samples of one correlation
REACH = 24  # samples on either side of a peak that its summit is interpolated from


class Peak(NamedTuple):
    """A lag in samples (a fraction), and the height of the correlation there over its spread at lags around it."""

    lag: float
    significance: float


class WhitenedWave:
    """A wave's short-time spectrum (bins, frames), and the weights with which its cells are alike by chance.

    The sum of weights * spectrum * a clip's spectrum then has the variance of the sum of weights * the clip's power.
    """

    def __init__(self, wave: torch.Tensor) -> None:
        self.samples = len(wave)
        self.spectrum = spectrum_of(wave)
        margins = (SMOOTHED[0] // 2, SMOOTHED[1] // 2)
        power = self.spectrum.abs()[None, None] ** 2
        power = functional.avg_pool2d(power, SMOOTHED, 1, margins, count_include_pad=False)[0, 0]
        window_energy = float((_window() ** 2).sum())
        power = power + SILENT_SHARE * power.mean(dim=1, keepdim=True) + QUANTUM**2 / 6 * window_energy
        self.weights = 2 * HOP / FFT / power
        self.weights[-FFT // 32 :] = 0  # the highest sixteenth: there one resampling differs from another
        self._unit = FFT * window_energy / (2 * HOP)

    def wave(self) -> torch.Tensor:
        """The weighted wave, scaled so that its correlation with a clip is `inner` of the two: (samples,)."""
        weighted = self.weights * self.spectrum
        return self._unit * torch.istft(weighted, FFT, HOP, window=_window(), length=self.samples)

    def inner(self, one: torch.Tensor, other: torch.Tensor) -> float:
        """The weighted inner product of two spectra."""
        return float((self.weights * (one * other.conj()).real).sum())


def spectrum_of(wave: torch.Tensor) -> torch.Tensor:
    """The short-time spectrum (FFT / 2 + 1, 1 + samples // HOP), complex; frame k is centred at sample k * HOP."""
    return torch.stft(wave, FFT, HOP, window=_window(), center=True, pad_mode="constant", return_complex=True)


class Correlator:
    """A wave (samples,) to be correlated with clips of `most` samples, at every lag from -most to the wave's end."""

    def __init__(self, wave: torch.Tensor, most: int) -> None:
        padded = functional.pad(wave, (most, 0))
        self.lags = -(-len(padded) // CELL) * CELL
        if len(padded) <= LONGEST_BLOCK:
            self.block = self.step = 1 << (len(padded) - 1).bit_length()  # what wraps around meets the zeros in front
        else:
            self.block = max(LONGEST_BLOCK, 1 << (most + CELL).bit_length())
            self.step = (self.block - most) // CELL * CELL
        begins = range(0, len(padded), self.step)
        self.spectra = [torch.fft.rfft(padded[begin : begin + self.block], self.block) for begin in begins]

    def correlations(self, clips: torch.Tensor) -> torch.Tensor:
        """With clips (clips, most): (clips, lags)."""
        spectra = torch.fft.rfft(clips, self.block).conj_physical()
        parts = [torch.fft.irfft(block * spectra, self.block)[:, : self.step] for block in self.spectra]
        return (parts[0] if len(parts) == 1 else torch.cat(parts, dim=1))[:, : self.lags]


def peaks(correlation: torch.Tensor, first_lag: int, least: float) -> list[Peak]:
    """The peaks of a correlation (lags,) that are more significant than `least`, at most one in CELL lags."""
    cells = correlation[: len(correlation) // CELL * CELL].reshape(-1, CELL)
    highest, where = cells.max(dim=1)
    spread = math.sqrt(math.pi / 2) * cells.abs().mean(dim=1)
    margin = NEIGHBOUR_CELLS // 2
    around = functional.avg_pool1d(spread[None], NEIGHBOUR_CELLS, 1, margin, count_include_pad=False)[0]
    significance = highest / around.clamp(min=1e-4 * float(around.max()) + 1e-30)  # where nothing overlaps: none
    return [
        Peak(first_lag + _summit(correlation, cell * CELL + int(where[cell])), float(significance[cell]))
        for cell in torch.nonzero(significance > least)[:, 0].tolist()
    ]


def placed(wave: np.ndarray, lag: float, samples: int) -> torch.Tensor:
    """A clip from `lag` on, a fraction of a sample included, cut to a mashup: (samples,)."""
    whole = math.floor(lag)
    size = 1 << (len(wave) + 64).bit_length()
    spectrum = torch.fft.rfft(torch.from_numpy(wave), size)
    turn = -2 * math.pi * (lag - whole) / size * torch.arange(len(spectrum))
    delayed = torch.fft.irfft(spectrum * torch.polar(torch.ones(len(spectrum)), turn), size)[: len(wave) + 1]
    mashup = torch.zeros(samples)
    begin, end = max(0, whole), min(samples, whole + len(delayed))
    if begin < end:
        mashup[begin:end] = delayed[begin - whole : end - whole]
    return mashup


def _summit(correlation: torch.Tensor, at: int) -> float:
    """The place of a peak between the samples, by band-limited interpolation around it."""
    if not REACH <= at < len(correlation) - REACH:
        return float(at)
    near = correlation[at - REACH : at + REACH + 1].double()
    shift = torch.arange(-1, 1.001, 1 / 64, dtype=torch.float64)[:, None] - torch.arange(-REACH, REACH + 1)
    curve = (torch.sinc(shift) * torch.cos(math.pi * shift / (2 * REACH + 4)) ** 2) @ near
    return at + float(curve.argmax()) / 64 - 1


def _window() -> torch.Tensor:
    return torch.hann_window(FFT)
