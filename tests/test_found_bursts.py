"""Noise bursts that a test laid into music are found again: clip, place, length and gain; and nothing else is."""

import numpy as np
import pytest

from banks import RATE_HZ, bank_of
from messy_mashup.search.found_bursts import NoiseCatalogue, burst_gains, find_bursts, without_bursts

SECONDS = 3.0


def coloured(generator: np.random.Generator, seconds: float) -> np.ndarray:
    """Noise that swells and fades, louder at low frequencies, its peak 0.5."""
    size = round(seconds * RATE_HZ)
    spectrum = np.fft.rfft(generator.normal(size=size))
    wave = np.fft.irfft(spectrum / (20 + np.arange(len(spectrum)) * RATE_HZ / size) ** 0.5, size)
    wave *= 1 + 0.8 * np.sin(2 * np.pi * generator.uniform(2, 6) * np.arange(size) / RATE_HZ)
    return (0.5 * wave / np.abs(wave).max()).astype(np.float32)


def music(seed: int = 0) -> np.ndarray:
    """Decaying tones over a quiet floor, peak 1."""
    generator = np.random.default_rng(seed)
    time_s = np.arange(round(SECONDS * RATE_HZ)) / RATE_HZ
    wave = generator.normal(0, 0.01, len(time_s))
    for begin_s in np.arange(0, SECONDS, 0.25):
        since_s = np.maximum(0, time_s - begin_s)
        tones = sum(np.sin(2 * np.pi * generator.uniform(80, 2000) * since_s) for _ in range(4))
        wave += np.where(time_s >= begin_s, np.exp(-6 * since_s), 0) * tones
    return (wave / np.abs(wave).max()).astype(np.float32)


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory):
    generator = np.random.default_rng(7)
    clips = {f"1-{n}-A-{n}": coloured(generator, 1.5) for n in range(6)}
    clips["1-5-A-5"][RATE_HZ // 2 :] = 0  # half a second of sound, then digital silence
    bank = bank_of(tmp_path_factory.mktemp("bank"), {"rock.00000/drums": music(1)} | clips)
    return NoiseCatalogue(bank)


def mixed(catalogue, bursts):
    """Music at peak 1 with bursts (clip, at_s, offset_s, length_s, gain) added, all divided by the peak."""
    wave = music()
    for clip, at_s, offset_s, length_s, gain in bursts:
        at, offset, length = (round(value * RATE_HZ) for value in (at_s, offset_s, length_s))
        piece = catalogue.bank.wave(clip)[offset : offset + length][: len(wave) - at]
        wave[at : at + len(piece)] += gain * piece
    return wave / np.abs(wave).max()


CASES = {
    "one": [(1, 0.7, 0.0, 1.5, 0.6)],
    "quiet": [(2, 0.4, 0.0, 1.5, 0.1)],
    "overlapping": [(1, 0.5, 0.0, 1.5, 0.6), (3, 0.9, 0.0, 1.5, 0.4)],
    "cut by the end": [(4, 2.4, 0.0, 0.6, 0.8)],
    "a part of the clip": [(2, 1.2, 0.5, 0.6, 0.8)],
    "twice": [(3, 0.1, 0.0, 1.5, 0.5), (3, 1.4, 0.0, 1.5, 0.9)],
    "begun before the mashup": [(1, 0.0, 0.8, 0.7, 0.7)],
}


@pytest.mark.parametrize("bursts", CASES.values(), ids=CASES.keys())
def test_bursts_are_found_where_and_as_loud_as_they_are(catalogue, bursts):
    wave = mixed(catalogue, bursts)
    found = find_bursts(wave, catalogue)
    assert [burst.clip for burst in found] == [clip for clip, *_ in bursts]
    gains = burst_gains(wave, found, catalogue, "raw")
    for burst, gain, (_, at_s, offset_s, length_s, true_gain) in zip(found, gains, bursts, strict=True):
        assert burst.at_s - burst.offset_s == pytest.approx(at_s - offset_s, abs=0.5 / RATE_HZ)
        assert burst.at_s == pytest.approx(at_s, abs=0.04)
        assert burst.length_s == pytest.approx(length_s, abs=0.06)
        assert gain == pytest.approx(true_gain, rel=0.12)


def test_music_alone_holds_none(catalogue):
    for seed in range(3):
        assert find_bursts(music(seed), catalogue) == []


def test_silence_holds_none(catalogue):
    assert find_bursts(np.zeros(RATE_HZ, np.float32), catalogue) == []


def test_a_lag_between_two_samples_is_found(catalogue):
    clip = catalogue.bank.wave(2)
    turn = np.exp(-2j * np.pi * np.fft.rfftfreq(1 << 15) * 0.4)
    later = np.fft.irfft(np.fft.rfft(clip, 1 << 15) * turn)[: len(clip)]
    wave = music()
    wave[8000 : 8000 + len(later)] += 0.6 * later
    burst = find_bursts(wave, catalogue)[0]
    assert (burst.at_s - burst.offset_s) * RATE_HZ == pytest.approx(8000.4, abs=0.1)


def test_silence_at_the_clip_s_end_does_not_count(catalogue):
    burst = find_bursts(mixed(catalogue, [(6, 0.8, 0.0, 1.5, 0.8)]), catalogue)[0]
    assert burst.length_s == pytest.approx(0.5, abs=0.02)


def test_levels_differ_by_what_the_gain_multiplies(catalogue):
    wave = mixed(catalogue, [(1, 0.7, 0.0, 1.5, 0.6)])
    found = find_bursts(wave, catalogue)
    raw, peak, snr = (burst_gains(wave, found, catalogue, level)[0] for level in ("raw", "peak", "snr"))
    clip = catalogue.bank.wave(1)
    assert peak == pytest.approx(raw * np.abs(clip).max(), rel=1e-4)
    stretch = burst_gains(wave, found, catalogue, "piece")[0]
    assert stretch == pytest.approx(peak, rel=0.02)  # all of the clip is heard
    rest = music()
    assert snr == pytest.approx(raw * np.sqrt(np.mean(clip**2) / np.mean(rest**2)), rel=0.05)


def test_what_is_left_is_the_music(catalogue):
    wave = mixed(catalogue, [(1, 0.7, 0.0, 1.5, 0.9)])
    rest = without_bursts(wave, find_bursts(wave, catalogue), catalogue)
    error = rest / np.abs(rest).max() - music()
    assert np.mean(error**2) < 0.02 * np.mean(catalogue.bank.wave(1) ** 2)


def test_without_music_there_is_no_gain(catalogue):
    with pytest.raises(ValueError, match="no music is left"):
        burst_gains(np.zeros(100, np.float32), [], catalogue, "raw")
