"""Voices that were not stretched are found in a mashup sample by sample: by correlation of whitened waves."""

from dataclasses import dataclass

import numpy as np
import torch

from messy_mashup.mashup.voice_catalogue import SPEC, WHITENED_HZ, VoiceCatalogue, whitening

STEMS_AT_ONCE = 32
CORRELATION = 10.0  # a peak of this many deviations is looked at: chance makes 7 in noise and up to 20 in music
AGREEMENT = 12.0  # and is a voice where the parts of the mashup agree on its gain: mean over error
BLOCKS = 8
LEAST_BLOCKS = 2.5  # over so many of them, by its energy, a voice must be spread
LOOKED_AT = 8  # peaks of a mashup
SPARSE = 7  # every so many lags tell how much correlations deviate
PASSES = 3  # what is found is taken away, which uncovers quieter voices
LEAST_OVERLAP = 0.5  # of the mashup, or of the stem where that is shorter


@dataclass(frozen=True)
class SteadyVoice:
    """A stem, by its place in the catalogue, that begins `lag` samples before the mashup does."""

    stem: int
    lag: float
    agreement: float


def find_steady(waves: list[torch.Tensor], catalogue: VoiceCatalogue) -> list[list[SteadyVoice]]:
    """The unstretched voices of each mashup, at most one a part and one a song, in the order they were found."""
    found: list[list[SteadyVoice]] = [[] for _ in waves]
    searched = list(range(len(waves)))
    for _ in range(PASSES):
        residuals = [without(waves[row], found[row], catalogue) for row in searched]
        peaks, lags = _correlations(residuals, catalogue)
        more = [
            row
            for row, residual, peak, lag in zip(searched, residuals, peaks, lags, strict=True)
            if _accepted(residual, catalogue, found[row], peak, lag)
        ]
        searched = more
        if not searched:
            break
    return found


def gains(wave: torch.Tensor, voices: list[SteadyVoice], catalogue: VoiceCatalogue) -> tuple[np.ndarray, np.ndarray]:
    """The gains of a mashup's steady voices by least squares of whitened waves, and their errors by leaving out one
    block after the other: (voices,) each.
    """
    size = _size(len(wave), catalogue)
    divisor = whitening(wave, size)
    mixed = _whitened(wave, divisor)
    parts = torch.stack([_whitened(_shifted(voice.stem, voice.lag, len(wave), catalogue), divisor) for voice in voices])
    products = torch.stack([a @ a.T for a in _blocks(parts)])
    against = torch.stack([a @ b for a, b in zip(_blocks(parts), _blocks(mixed[None])[:, 0], strict=True)])
    whole = _solved(products.sum(0), against.sum(0))
    left_out = [_solved(products.sum(0) - a, against.sum(0) - b) for a, b in zip(products, against, strict=True)]
    spread = torch.stack(left_out).std(dim=0, correction=0) * (BLOCKS - 1) ** 0.5
    return whole.cpu().numpy(), spread.cpu().numpy()


def without(wave: torch.Tensor, voices: list[SteadyVoice], catalogue: VoiceCatalogue) -> torch.Tensor:
    """What is left of a mashup (samples,) when its steady voices are taken away."""
    if not voices:
        return wave
    gain, _ = gains(wave, voices, catalogue)
    for voice, level in zip(voices, gain.tolist(), strict=True):
        wave = wave - level * _shifted(voice.stem, voice.lag, len(wave), catalogue)
    return wave


def _accepted(
    residual: torch.Tensor,
    catalogue: VoiceCatalogue,
    found: list[SteadyVoice],
    peak: np.ndarray,
    lag: np.ndarray,
) -> bool:
    """Whether peaks (stems,) of one mashup at lags (stems,) were voices; those are added to what was found."""
    before = len(found)
    divisor = whitening(residual, _size(len(residual), catalogue))
    mixed = _whitened(residual, divisor)
    for stem in np.argsort(-peak)[:LOOKED_AT].tolist():
        known = [voice.stem for voice in found]
        taken = np.isin(catalogue.part[known], catalogue.part[stem]) | np.isin(
            catalogue.song[known], catalogue.song[stem]
        )
        if peak[stem] < CORRELATION or taken.any():
            continue
        exact = _exact_lag(residual, stem, float(lag[stem]), divisor, catalogue)
        voice = _whitened(_shifted(stem, exact, len(residual), catalogue), divisor)
        agreement = _agreement(mixed, voice)
        if agreement >= AGREEMENT:
            found.append(SteadyVoice(stem, exact, agreement))
    return len(found) > before


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


def _correlations(waves: list[torch.Tensor], catalogue: VoiceCatalogue) -> tuple[np.ndarray, np.ndarray]:
    """The highest correlation of every mashup with every stem, in deviations over all lags, and its lag in samples:
    (mashups, stems) each.
    """
    from scipy.fft import next_fast_len

    size = _size(max(map(len, waves)), catalogue)
    bins = int(WHITENED_HZ[1] * size / SPEC.sample_rate_hz)
    points = next_fast_len(2 * bins)
    mixed = torch.stack([_unit_spectrum(wave, size, bins) for wave in waves])
    peaks, lags = np.zeros((len(waves), len(catalogue))), np.zeros((len(waves), len(catalogue)))
    for start in range(0, len(catalogue), STEMS_AT_ONCE):
        stems = range(start, min(start + STEMS_AT_ONCE, len(catalogue)))
        spectra = torch.stack([_unit_spectrum(catalogue.wave(stem), size, bins) for stem in stems])
        longest = int(catalogue.length[list(stems)].max())
        for row, wave in enumerate(waves):
            heights = torch.fft.irfft(spectra * mixed[row].conj(), points)
            least = LEAST_OVERLAP * min(len(wave), longest)
            before, after = (int((samples - least) * points / size) for samples in (len(wave), longest))
            deviation = heights[:, ::SPARSE].std(dim=1).clamp(min=1e-12)
            peak, at = torch.cat([heights[:, -before:], heights[:, :after]], dim=1).max(dim=1)
            peaks[row, start : stems.stop] = (peak / deviation).cpu()
            lags[row, start : stems.stop] = ((at - before) * (size / points)).cpu()
    return peaks, lags


def _exact_lag(
    residual: torch.Tensor, stem: int, lag: float, divisor: torch.Tensor, catalogue: VoiceCatalogue
) -> float:
    """A lag to a twentieth of a sample, near one that is known to two samples."""
    size = 2 * (len(divisor) - 1)
    cross = (torch.fft.rfft(catalogue.wave(stem), size) / divisor) * (torch.fft.rfft(residual, size) / divisor).conj()
    bins = int(WHITENED_HZ[1] * size / SPEC.sample_rate_hz)
    turn = torch.arange(bins, device=cross.device) * (2 * np.pi / size)
    tries = round(lag) + torch.arange(-40, 41, device=cross.device) / 20
    heights = [float((cross[:bins] * torch.polar(torch.ones_like(turn), turn * value)).real.sum()) for value in tries]
    return float(tries[int(np.argmax(heights))])


def _shifted(stem: int, lag: float, samples: int, catalogue: VoiceCatalogue) -> torch.Tensor:
    """The stem from `lag` samples on, (samples,): by turning phases, so that a lag may lie between two samples."""
    size = _size(samples, catalogue)
    spectrum = torch.fft.rfft(catalogue.wave(stem), size)
    turn = torch.arange(len(spectrum), device=spectrum.device) * (2 * np.pi * lag / size)
    return torch.fft.irfft(spectrum * torch.polar(torch.ones_like(turn), turn), size)[:samples]


def _size(samples: int, catalogue: VoiceCatalogue) -> int:
    """An FFT so long that nothing that is shifted comes in again at the other end."""
    from scipy.fft import next_fast_len

    return 2 * next_fast_len((samples + int(catalogue.length.max()) + 1) // 2 + 1)


def _unit_spectrum(wave: torch.Tensor, size: int, bins: int) -> torch.Tensor:
    spectrum = (torch.fft.rfft(wave, size) / whitening(wave, size))[: bins + 1]
    return spectrum / torch.linalg.vector_norm(spectrum).clamp(min=1e-12)


def _whitened(wave: torch.Tensor, divisor: torch.Tensor) -> torch.Tensor:
    return torch.fft.irfft(torch.fft.rfft(wave, 2 * (len(divisor) - 1)) / divisor)[: len(wave)]


def _blocks(waves: torch.Tensor) -> torch.Tensor:
    """(waves, samples) in BLOCKS parts: (blocks, waves, samples of a block)."""
    samples = waves.shape[1] // BLOCKS
    return waves[:, : samples * BLOCKS].view(len(waves), BLOCKS, samples).transpose(0, 1)


def _solved(products: torch.Tensor, against: torch.Tensor) -> torch.Tensor:
    return torch.linalg.lstsq(products.double(), against.double()[:, None]).solution[:, 0].clamp(min=0).float()
