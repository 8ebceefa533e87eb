"""Whether a stem's wave is in a mashup at a given rate and place: by normalised cross-correlation, against chance.

A phase vocoder turns the phase of each band by its own amount, and slowly, so waves are correlated in small pieces of
the short-time spectrum, each with a phase of its own. The same stem at other times of the same mashup is chance.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import avg_pool2d

from messy_mashup.data.vocoder import vocoded
from messy_mashup.search.voice_catalogue import VoiceCatalogue

FFT = 512  # samples
HOP = 128
FINE = 4  # lags a hop
MOST_LAG = 12  # of them: 24 ms, by which patterns may be off
BINS = slice(2, 162)  # 62 to 5,000 Hz
PIECE = (4, 8)  # bins and frames: 125 Hz, 64 ms
WHITENED = (9, 9)  # bins and frames that a cell's power is averaged over
SILENT_SHARE = 0.01  # of a bin's mean power: cells that are more silent count no more than that
LOUDEST = 3.0  # times the mean of a stem's pieces: louder ones count no more
DECOYS = 24
NEAREST_DECOY = 16  # frames from where the stem is thought to be
CHECKED_S = 12.0  # of a mashup's middle: enough to be sure
PARTS = 8  # of a mashup
LEAST_PARTS = 2.5  # over so many of them a voice must be spread
AGREES = 6.0  # deviations above chance: wrong stems of real music reach 5 in hundreds of tries
LEAST_CORRELATION = 0.17  # above chance


@dataclass(frozen=True)
class WaveCheck:
    """What the wave of a stem says about its being in a mashup.

    offset_s: where in the stem the mashup begins: to 2 ms, or as exactly as a vocoder leaves it, 30 ms at worst.
    correlation: root mean square over pieces of the
    normalised correlation, less what chance gives. significance: by how many deviations of the decoys it is above them.
    spread: over how many eighths of the mashup the stem is heard.
    """

    offset_s: float
    correlation: float
    significance: float
    spread: float

    @property
    def agrees(self) -> bool:
        """Whether the stem is there."""
        enough = self.correlation >= LEAST_CORRELATION and self.spread >= LEAST_PARTS
        return enough and self.significance >= AGREES


def check_wave(wave: torch.Tensor, stem: int, rate: float, offset_s: float, catalogue: VoiceCatalogue) -> WaveCheck:
    """Look for a stem of the catalogue in a mashup (samples,) at a rate, near an offset in seconds of the stem."""
    skipped = max(0, len(wave) - round(CHECKED_S * catalogue.bank.sample_rate_hz)) // 2
    heard = wave[skipped : len(wave) - skipped]
    begin_s = offset_s / rate + skipped / catalogue.bank.sample_rate_hz  # in the stretched stem
    mashup = _Mashup(heard)
    played = _played(stem, rate, begin_s, len(heard), catalogue)
    heights = [mashup.correlation(played[:, lag::FINE]) for lag in range(2 * MOST_LAG + 1)]
    best = int(np.argmax(heights))
    chance = _chance(mashup, played)
    above = heights[best] - chance.mean()
    lag_s = (best - MOST_LAG) * HOP / FINE / catalogue.bank.sample_rate_hz
    return WaveCheck(
        offset_s=offset_s + lag_s * rate,
        correlation=float(max(0.0, above) ** 0.5),
        significance=float(above / max(chance.std(), 1e-6)),
        spread=mashup.spread(played[:, best::FINE]),
    )


class _Mashup:
    """A mashup's short-time spectrum, each cell weighed by the power around it."""

    def __init__(self, wave: torch.Tensor) -> None:
        spectrum = _spectrum(wave, HOP)
        self.frames = spectrum.shape[1]
        power = spectrum.abs().square()
        margins = (WHITENED[0] // 2, WHITENED[1] // 2)
        around = avg_pool2d(power[None], WHITENED, 1, margins, count_include_pad=False)[0]
        self.weight = 1 / (around + SILENT_SHARE * around.mean(1, keepdim=True)).clamp(min=1e-10)
        self.weighted = self.weight * spectrum
        self.energy = _pieces((self.weight * power)[None])[0]

    def correlation(self, voice: torch.Tensor) -> float:
        """Mean over pieces of the squared normalised correlation with a voice's spectrum (bins, frames or more)."""
        voice = voice[:, : self.frames]
        loudness = self._loudness(voice)
        cross = self.weighted * voice.conj()
        cross = _pieces(torch.stack([cross.real, cross.imag])).square().sum(0)
        alike = cross / (self.energy * loudness).clamp(min=1e-12)
        share = _shares(loudness)
        return float((alike * share).sum() / share.sum().clamp(min=1e-12))

    def spread(self, voice: torch.Tensor) -> float:
        """Over how many parts of the mashup a voice is heard."""
        by_time = _shares(self._loudness(voice[:, : self.frames])).sum(0)
        parts = torch.stack([part.sum() for part in torch.tensor_split(by_time, PARTS)])
        return float(parts.sum().square() / parts.square().sum().clamp(min=1e-12))

    def _loudness(self, voice: torch.Tensor) -> torch.Tensor:
        return _pieces((self.weight * voice.abs().square())[None])[0]


def _played(stem: int, rate: float, begin_s: float, samples: int, catalogue: VoiceCatalogue) -> torch.Tensor:
    """The spectrum of a stem as a mashup would hold it, from MOST_LAG before to MOST_LAG after: FINE frames a hop."""
    rate_hz, margin = catalogue.bank.sample_rate_hz, MOST_LAG * HOP // FINE
    wave = catalogue.wave(stem)
    # Only what is heard is stretched, with a second around it
    first = max(0, round((begin_s * rate - 1) * rate_hz))
    last = max(first, round(((begin_s + samples / rate_hz) * rate + 1) * rate_hz))
    heard = wave[first:last]
    if rate != 1 and len(heard):
        heard = torch.from_numpy(vocoded(heard.cpu().numpy(), rate, rate_hz)).to(wave)
    begin = round(begin_s * rate_hz - first / rate) - margin
    silent = max(0, -begin)
    held = torch.zeros(samples + 2 * margin, device=wave.device)
    piece = heard[max(0, begin) :][: max(0, len(held) - silent)]
    held[silent : silent + len(piece)] = piece
    return _spectrum(held, HOP // FINE)


def _chance(mashup: _Mashup, played: torch.Tensor) -> np.ndarray:
    """The correlations of a stem at other times, (decoys,): each may choose among lags, as the stem itself may."""
    nearest = min(NEAREST_DECOY, mashup.frames // 2)
    shifts = np.linspace(nearest, mashup.frames - nearest, DECOYS).round().astype(int).tolist()
    lags = [played[:, lag::FINE][:, : mashup.frames] for lag in (0, MOST_LAG, 2 * MOST_LAG)]
    return np.array([max(mashup.correlation(torch.roll(lag, shift, 1)) for lag in lags) for shift in shifts])


def _spectrum(wave: torch.Tensor, hop: int) -> torch.Tensor:
    window = torch.hann_window(FFT, device=wave.device)
    spectrum = torch.stft(wave, FFT, hop, window=window, center=True, pad_mode="constant", return_complex=True)
    return spectrum[BINS]


def _pieces(cells: torch.Tensor) -> torch.Tensor:
    return avg_pool2d(cells, PIECE, PIECE)


def _shares(loudness: torch.Tensor) -> torch.Tensor:
    """How much each piece counts: by its loudness in the stem, up to a limit, so that no single hit decides."""
    return (loudness / loudness.mean().clamp(min=1e-12)).clamp(max=LOUDEST)
