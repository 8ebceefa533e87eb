"""Noise that no recording holds: white, pink and brown, mains hum, clicks and the crackle of vinyl, the same each time.

Every clip is a period of an endless sound: it goes on from its end to its beginning without a seam, so it loops.
"""

import zlib
from collections.abc import Callable

import numpy as np
import soxr

SOURCE_HZ = 44_100
SECONDS = 10
SAMPLES = SECONDS * SOURCE_HZ
TAKES = 4
VERSION = 1  # to be raised with any change of the sound: banks make their clips anew
PEAK = 0.8  # room for the overshoot of resampling
FULL_SCALE = 32767
LOWEST_HZ = 20.0
LOUDEST_IMPULSE = 30.0  # of the typical one, so that one does not drown all others


def wave(name: str, sample_rate_hz: int) -> np.ndarray:
    """The clip of that name in CLIPS: float32 (SECONDS * sample_rate_hz,), resampled by soxr as a file is."""
    kind = kind_of(name)
    sound = _MAKERS[kind](np.random.RandomState(zlib.crc32(name.encode())))
    # The grid of a 16-bit file: what differs in the last bits between machines is gone before it is resampled.
    sound = (np.rint(sound * (PEAK * FULL_SCALE / np.abs(sound).max())) / FULL_SCALE).astype(np.float32)
    return sound if sample_rate_hz == SOURCE_HZ else soxr.resample(sound, SOURCE_HZ, sample_rate_hz, quality="HQ")


def kind_of(name: str) -> str:
    """The kind of noise that a clip of CLIPS is, such as "pink"."""
    return name.split("-")[1]


def _coloured(chance: np.random.RandomState, slope: float) -> np.ndarray:
    """Noise whose power falls by 3 dB an octave for each `slope`, from LOWEST_HZ up, in random phases."""
    frequency_hz = np.fft.rfftfreq(SAMPLES, 1 / SOURCE_HZ)
    heard = frequency_hz >= LOWEST_HZ
    phase = 2 * np.pi * chance.random_sample(len(frequency_hz))
    amplitude = np.maximum(frequency_hz, LOWEST_HZ) ** (-slope / 2) * heard
    return np.fft.irfft(amplitude * np.exp(1j * phase), SAMPLES)


def _white(chance: np.random.RandomState) -> np.ndarray:
    return _coloured(chance, 0)


def _pink(chance: np.random.RandomState) -> np.ndarray:
    return _coloured(chance, 1)


def _brown(chance: np.random.RandomState) -> np.ndarray:
    return _coloured(chance, 2)


def _hum(chance: np.random.RandomState) -> np.ndarray:
    """The mains, 50 or 60 Hz, and its harmonics to 2 kHz, the odd ones stronger."""
    mains_hz = chance.choice((50, 60))
    spectrum = np.zeros(SAMPLES // 2 + 1, complex)
    for number in range(1, 2000 // mains_hz + 1):
        level = number ** -chance.uniform(0.8, 1.6) * (1 if number % 2 else chance.uniform(0.2, 0.8))
        spectrum[number * mains_hz * SECONDS] = level * np.exp(2j * np.pi * chance.random_sample())
    return np.fft.irfft(spectrum, SAMPLES)


def _clicks(chance: np.random.RandomState) -> np.ndarray:
    """Single clicks, 1 to 8 a second, each of its own pitch and level, dead within some milliseconds."""
    sound = np.zeros(SAMPLES)
    time_s = np.arange(SOURCE_HZ // 50) / SOURCE_HZ
    for _ in range(round(SECONDS * chance.uniform(1, 8))):
        pitch_hz, decay_s = 1000 * 4 ** chance.random_sample(), 0.0005 * 4 ** chance.random_sample()
        click = np.cos(2 * np.pi * pitch_hz * time_s) * np.exp(-time_s / decay_s)
        _strike(sound, click, chance, chance.uniform(0.2, 1, 1))
    return sound


def _crackle(chance: np.random.RandomState) -> np.ndarray:
    """As from vinyl: hundreds of impulses a second, each dead within some milliseconds, most soft, a few very loud."""
    sound = np.zeros(SAMPLES)
    time_s = np.arange(SOURCE_HZ // 300) / SOURCE_HZ
    for decay_s in (0.00008, 0.00015, 0.0003):
        level = chance.pareto(1.5, round(SECONDS * chance.uniform(50, 250)))
        _strike(sound, np.exp(-time_s / decay_s), chance, np.minimum(level, LOUDEST_IMPULSE))
    return sound


def _strike(sound: np.ndarray, impulse: np.ndarray, chance: np.random.RandomState, level: np.ndarray) -> None:
    """Add an impulse (samples,) to the sound once for each level (times,), anywhere, either way up."""
    at = (chance.randint(SAMPLES, size=len(level))[:, None] + np.arange(len(impulse))) % SAMPLES
    np.add.at(sound, at, (level * chance.choice((-1, 1), len(level)))[:, None] * impulse)


_MAKERS: dict[str, Callable[[np.random.RandomState], np.ndarray]] = {
    "white": _white,
    "pink": _pink,
    "brown": _brown,
    "hum": _hum,
    "clicks": _clicks,
    "crackle": _crackle,
}
KINDS = tuple(_MAKERS)
CLIPS = tuple(f"synthetic-{kind}-{take:02d}" for kind in KINDS for take in range(TAKES))
