"""Whitened mashups are correlated with the stems of a catalogue: at every lag, or in pieces at the few asked for."""

import math

import numpy as np
import torch
from torch.nn.functional import pad

from messy_mashup.search.voice_catalogue import NARROW, SPEC, VoiceCatalogue

STEMS_AT_ONCE = 32
LEAST_OVERLAP = 0.5  # of the mashup, or of the stem where that is shorter
LAGS_SHARE = 8  # a mashup is cut into pieces where the lags searched are fewer than one in so many
LEAST_PIECE = 1024


def correlations(
    whitened: list[torch.Tensor], hopeful: list[np.ndarray], catalogue: VoiceCatalogue, offset_s: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """The highest correlation of every mashup (points,) with its hopeful stems, in deviations over all lags, and its
    lag in samples: (mashups, stems) each.
    """
    longest = int(catalogue.length.max() * NARROW)
    first, last = _lags(
        [len(wave) for wave in whitened], longest, np.array(offset_s) * SPEC.sample_rate_hz * float(NARROW)
    )
    low, high = min(first), max(*first, *last)
    fft, piece = _pieces(max(map(len, whitened)), high - low + 1)
    count = -(-max(map(len, whitened)) // piece)
    powers = torch.stack([_power(wave, _whole(max(map(len, whitened)) + longest)) for wave in whitened])
    mixed = [pad(wave, (0, count * piece - len(wave))).view(count, piece) for wave in whitened]
    mixed = [torch.fft.rfft(pieces, fft).conj() for pieces in mixed]
    peaks, lags, start = np.zeros((len(whitened), len(catalogue))), np.zeros((len(whitened), len(catalogue))), 0
    for stems in catalogue.whitened(STEMS_AT_ONCE):
        moved = pad(stems, (-low, (count - 1) * piece + fft + low - longest))  # what of a stem each piece may meet
        spectra = torch.fft.rfft(moved.unfold(1, fft, piece), fft)
        deviation = _deviation(stems, powers)
        for row, pieces in enumerate(mixed):
            some = start + np.flatnonzero(hopeful[row][start : start + len(stems)])
            if not len(some):
                continue
            heights = torch.fft.irfft((spectra[some - start] * pieces).sum(1), fft)
            begin = first[row] - low
            peak, at = heights[:, begin : max(begin, last[row] - low) + 1].max(dim=1)
            peaks[row, some] = (peak / deviation[some - start, row]).cpu()
            lags[row, some] = ((at + first[row]) / float(NARROW)).cpu()
        start += len(stems)
    return peaks, lags


def _lags(points: list[int], longest: int, offsets: np.ndarray) -> tuple[list[int], list[int]]:
    """The first and the last lag at which mashups of so many points are compared with stems of `longest`."""
    least = [int(LEAST_OVERLAP * min(count, longest)) for count in points]
    first = [math.floor(max(overlap - count, offsets[0])) for count, overlap in zip(points, least, strict=True)]
    return first, [math.ceil(min(longest - overlap, offsets[1])) for overlap in least]


def _deviation(stems: torch.Tensor, powers: torch.Tensor) -> torch.Tensor:
    """How much the correlations of stems (stems, points) with mashups, power spectra (mashups, bins), deviate over all
    lags, which Parseval tells without them: (stems, mashups).
    """
    points = 2 * (powers.shape[1] - 1)
    return ((_power(stems, points) @ powers.T).clamp(min=1e-12) * 2).sqrt() / points


def _pieces(points: int, lags: int) -> tuple[int, int]:
    """The FFT that correlates pieces of a mashup at so many lags, and the points of a piece."""
    if LAGS_SHARE * lags >= points:
        return _whole(points + lags), points
    fft = _whole(max(LEAST_PIECE, LAGS_SHARE * lags))
    return fft, fft - lags + 1


def _whole(points: int) -> int:
    """An even number of points, at least so many, that an FFT is fast for."""
    from scipy.fft import next_fast_len

    return 2 * next_fast_len(-(-points // 2))


def _power(waves: torch.Tensor, points: int) -> torch.Tensor:
    spectra = torch.fft.rfft(waves, points)
    return spectra.real.square() + spectra.imag.square()
