"""Synthetic noise has the colour it is named after, and is one sound at every rate."""

import hashlib

import numpy as np
import pytest
import scipy.signal
import scipy.stats
import soxr

from messy_mashup.data.synthetic_noise import CLIPS, KINDS, SECONDS, SOURCE_HZ, kind_of, wave

RATE_HZ = 16_000


def of(kind: str) -> list[str]:
    return [name for name in CLIPS if kind_of(name) == kind]


def power_db(sound: np.ndarray, sample_rate_hz: int) -> tuple[np.ndarray, np.ndarray]:
    frequency_hz, power = scipy.signal.welch(sound, sample_rate_hz, nperseg=8192)
    return frequency_hz, 10 * np.log10(np.maximum(power, 1e-30))


@pytest.mark.parametrize("name", CLIPS)
def test_it_is_the_same_sound_at_two_rates(name: str) -> None:
    high, low = wave(name, SOURCE_HZ), wave(name, RATE_HZ)
    assert (high.dtype, low.dtype) == (np.float32, np.float32)
    assert (len(high), len(low)) == (SECONDS * SOURCE_HZ, SECONDS * RATE_HZ)
    np.testing.assert_allclose(soxr.resample(high, SOURCE_HZ, RATE_HZ, quality="HQ"), low, atol=1e-6)
    for sound in (high, low):
        assert 0.3 < np.abs(sound).max() <= 1
        assert abs(sound.mean()) < 0.01


def test_the_same_bits_come_out_again_and_no_two_clips_are_alike() -> None:
    digests = [hashlib.sha256(wave(name, RATE_HZ).tobytes()).hexdigest() for name in CLIPS]
    assert len(set(digests)) == len(CLIPS)
    assert digests == [hashlib.sha256(wave(name, RATE_HZ).tobytes()).hexdigest() for name in CLIPS]


@pytest.mark.parametrize(("kind", "slope_db"), [("white", 0.0), ("pink", -3.01), ("brown", -6.02)])
def test_power_falls_with_frequency_as_the_colour_says(kind: str, slope_db: float) -> None:
    for name in of(kind):
        frequency_hz, level_db = power_db(wave(name, RATE_HZ), RATE_HZ)
        band = (frequency_hz > 60) & (frequency_hz < 7000)
        fit = scipy.stats.linregress(np.log2(frequency_hz[band]), level_db[band])
        assert fit.slope == pytest.approx(slope_db, abs=0.5)
        assert np.std(level_db[band] - fit.intercept - fit.slope * np.log2(frequency_hz[band])) < 1.5


def test_hum_is_the_mains_and_its_harmonics() -> None:
    mains = set()
    for name in of("hum"):
        power = np.abs(np.fft.rfft(wave(name, SOURCE_HZ))) ** 2
        mains_hz = int(np.argmax(power)) // SECONDS
        mains.add(mains_hz)
        at_harmonics = power[mains_hz * SECONDS :: mains_hz * SECONDS].sum()
        assert at_harmonics / power.sum() > 0.999
        assert power[mains_hz * SECONDS] / power.sum() < 0.98
    assert mains == {50, 60}


def test_clicks_are_single_and_crackle_is_dense_and_heavy_tailed() -> None:
    for name in of("clicks"):
        sound = wave(name, RATE_HZ)
        assert 8 <= events(sound, 0.05) <= 90
        assert np.mean(np.abs(sound) < 1e-3) > 0.8
    for name in of("crackle"):
        sound = wave(name, RATE_HZ)
        assert events(sound, 0.005) > 500
        assert scipy.stats.kurtosis(sound) > 30


def events(sound: np.ndarray, threshold: float) -> int:
    """How often the sound rises above a threshold after 2 ms below it."""
    loud = np.flatnonzero(np.abs(sound) > threshold)
    return 1 + int((np.diff(loud) > 0.002 * RATE_HZ).sum())


@pytest.mark.parametrize("kind", KINDS)
def test_it_goes_on_from_its_end_to_its_beginning(kind: str) -> None:
    """Where a loop begins again, it jumps no further than within."""
    sound = wave(of(kind)[0], SOURCE_HZ)
    assert abs(sound[0] - sound[-1]) <= np.abs(np.diff(sound)).max()
