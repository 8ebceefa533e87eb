"""From a dry stem to what a record holds: equaliser, room, place in the stereo picture, level, 44.1 kHz."""

from dataclasses import dataclass

import numpy as np
import scipy.fft

from messy_mashup.data.demo_music.instruments import RATE_HZ


@dataclass(frozen=True)
class Mix:
    """How one stem of one song is mixed and mastered. Each record sounds different, whatever its genre."""

    tilt_db: float  # a straight line over the octaves around 1 kHz, dB an octave
    bumps: tuple[tuple[float, float, float], ...]  # (centre in Hz, gain in dB, width in octaves)
    low_cut_hz: float
    high_cut_hz: float
    wet: float
    room_s: float
    level_db: float  # RMS of the sounding part, against full scale
    room_seed: int


def draw_mix(
    room_s: float, song_tilt_db: float, song_bumps: tuple, wet: float, level_db: float, rng: np.random.Generator
) -> Mix:
    """The song's own sound and, on top, the stem's."""
    bumps = tuple(draw_bump(rng, 1.0) for _ in range(2))
    return Mix(
        tilt_db=song_tilt_db + float(rng.normal(0, 0.5)),
        bumps=song_bumps + bumps,
        low_cut_hz=float(np.exp(rng.uniform(np.log(20), np.log(60)))),
        high_cut_hz=float(np.exp(rng.uniform(np.log(7000), np.log(11000)))),
        wet=wet * float(np.exp(rng.normal(0, 0.3))),
        room_s=room_s,
        level_db=level_db,
        room_seed=int(rng.integers(1 << 31)),
    )


def draw_bump(rng: np.random.Generator, spread_db: float) -> tuple[float, float, float]:
    """A broad peak or dip somewhere between 80 Hz and 8 kHz."""
    return (
        float(np.exp(rng.uniform(np.log(80), np.log(8000)))),
        float(rng.normal(0, spread_db)),
        float(rng.uniform(0.4, 1.2)),
    )


def equaliser(mix: Mix, hz: np.ndarray) -> np.ndarray:
    """The amplitude response at some frequencies."""
    octaves = np.log2(np.maximum(hz, 20.0) / 1000)
    gain_db = mix.tilt_db * octaves
    for centre_hz, bump_db, width in mix.bumps:
        gain_db = gain_db + bump_db * np.exp(-0.5 * ((octaves - np.log2(centre_hz / 1000)) / width) ** 2)
    cut = 1 / np.sqrt((1 + (mix.low_cut_hz / np.maximum(hz, 1.0)) ** 4) * (1 + (hz / mix.high_cut_hz) ** 8))
    return (10 ** (gain_db / 20) * cut).astype(np.float32)


def room(mix: Mix) -> np.ndarray:
    """Impulse response of the room, (2, samples) float32: the direct sound and a decaying, darkening tail."""
    rng = np.random.default_rng(mix.room_seed)
    samples = round(mix.room_s * RATE_HZ)
    time_s = np.arange(samples) / RATE_HZ
    tail = rng.standard_normal((2, samples), np.float32)
    tail[:, 1:] = 0.6 * tail[:, 1:] + 0.4 * tail[:, :-1]
    tail *= np.exp(-6.9 * time_s / mix.room_s) * (time_s > 0.008)
    tail *= mix.wet / np.sqrt(np.sum(tail**2, axis=1, keepdims=True))
    tail[:, 0] = 1.0
    return tail.astype(np.float32)


def record(dry: np.ndarray, mix: Mix) -> np.ndarray:
    """Equaliser and room in one transform: dry (2, samples) to (2, samples), float32 at RATE_HZ, level untouched."""
    response = room(mix)
    size = scipy.fft.next_fast_len(dry.shape[1] + response.shape[1] + 4096, real=True)
    spectrum = scipy.fft.rfft(dry, size) * scipy.fft.rfft(response, size)
    knots_hz = np.geomspace(1.0, RATE_HZ / 2, 2000)
    spectrum *= np.interp(np.linspace(0, RATE_HZ / 2, spectrum.shape[1]), knots_hz, equaliser(mix, knots_hz))
    return scipy.fft.irfft(spectrum, size)[:, : dry.shape[1]]


def gain_to_level(wave: np.ndarray, level_db: float) -> float:
    """The factor that brings the sounding blocks of (2, samples) to a level without clipping; 0 for silence."""
    block = RATE_HZ // 20
    mono_power = np.mean(wave[:, : wave.shape[1] // block * block].astype(np.float64) ** 2, axis=0)
    power = mono_power.reshape(-1, block).mean(axis=1)
    if not power.size or power.max() < 1e-12:
        return 0.0
    sounding = np.sqrt(power[power > 0.003 * power.max()].mean())
    return float(min(10 ** (level_db / 20) / sounding, 0.97 / np.abs(wave).max()))


def to_44100(wave: np.ndarray) -> np.ndarray:
    """(2, samples) at RATE_HZ to (2 x samples, 2) int16 at 44.1 kHz."""
    import soxr

    doubled = soxr.resample(np.ascontiguousarray(wave.T), RATE_HZ, 2 * RATE_HZ, "LQ")
    return np.round(np.clip(doubled, -1, 1) * 32767).astype(np.int16)
