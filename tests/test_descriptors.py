"""Descriptors tell of a clip what was put into it."""

import time

import numpy as np
import pytest
import torch

from banks import PARTS, RATE_HZ, bank_of, songs
from messy_mashup.calibration.descriptors import DESCRIPTORS, decibels, describe, describe_all
from messy_mashup.features.frame_spec import AST_FBANK, FrameSpec, librosa_log_mel
from messy_mashup.features.logmel import wave_log_mel
from messy_mashup.mashup.arrangement import draw
from messy_mashup.mashup.frames import MashupPlayer
from messy_mashup.mashup.pool import Pool
from messy_mashup.recipe import MashupRecipe

SPEC = librosa_log_mel(mels=96, hop=160, fft=1024)


def heard(wave: np.ndarray, spec: FrameSpec = SPEC):
    return describe(wave_log_mel(torch.from_numpy(wave.astype(np.float32)), spec), spec)


def tone(hz: float, seconds: float) -> np.ndarray:
    return np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE_HZ)) / RATE_HZ)


def noise(seconds: float, level: float = 0.1) -> np.ndarray:
    return level * np.random.default_rng(0).normal(size=round(seconds * RATE_HZ))


def clicks(tempo_bpm: float, seconds: float) -> np.ndarray:
    wave = np.zeros(round(seconds * RATE_HZ))
    for beat_s in np.arange(0.1, seconds - 0.1, 60 / tempo_bpm):
        wave[round(beat_s * RATE_HZ) :][:400] = tone(1500, 0.025) * np.exp(-np.arange(400) / 60)
    return wave


@pytest.mark.parametrize("hz", [300, 1000, 5000])
def test_a_sine_at_peak_one_has_minus_three_decibels_and_its_frequency(hz):
    told = heard(tone(hz, 3.0))
    assert told["length_s"] == pytest.approx(3.0)
    assert told["level_db"] == pytest.approx(-3.01, abs=0.3)
    assert told["centroid_hz"] == pytest.approx(hz, rel=0.06)
    assert told["flatness"] < 1e-3
    assert told["bandwidth_hz"] < 0.1 * hz + 100
    assert told["silent_share"] == 0


def test_levels_hold_for_noise_and_for_another_front_end():
    level_db = 20 * np.log10(0.1)
    other = FrameSpec(400, 160, 512, 40, 0.0, 8000.0, "hann_periodic", True, "htk", None, "natural", 1e-10)
    assert heard(noise(3.0))["level_db"] == pytest.approx(level_db, abs=0.3)
    assert heard(noise(3.0), other)["level_db"] == pytest.approx(level_db, abs=0.3)
    assert heard(noise(3.0))["flatness"] > 0.6


def test_silence_edges_and_range():
    told = heard(np.concatenate([np.zeros(RATE_HZ), noise(3.0)]))
    assert told["silent_share"] == pytest.approx(0.25, abs=0.01)
    assert told["begin_db"] < -60
    assert told["end_db"] == pytest.approx(20 * np.log10(2 / np.sqrt(3)), abs=0.4)
    assert heard(noise(3.0))["level_range_db"] < 2 < 60 < told["level_range_db"]


def test_a_burst_is_told_by_loudness_and_by_colour():
    calm = noise(6.0, 0.05)
    loud, odd = calm.copy(), calm.copy()
    loud[2 * RATE_HZ : 3 * RATE_HZ] *= 4
    odd[2 * RATE_HZ : 3 * RATE_HZ] = 0.05 * np.sqrt(2) * tone(3000, 1.0)
    plain, louder, odder = (heard(wave) for wave in (calm, loud, odd))
    assert louder["burst_db"] == pytest.approx(12, abs=0.5)
    assert abs(odder["burst_db"] - plain["burst_db"]) < 0.5
    assert odder["burst_colour_db"] > 5 * plain["burst_colour_db"]


def test_low_and_high_bands():
    mix = 0.5 * tone(100, 2.0) + 0.05 * tone(6000, 2.0)
    told = heard(mix)
    assert told["low_db"] == pytest.approx(0, abs=0.3)
    assert told["high_db"] == pytest.approx(-20, abs=0.6)


@pytest.mark.parametrize("tempo_bpm", [90, 120, 150])
def test_clicks_have_their_tempo_and_their_number(tempo_bpm):
    told = heard(clicks(tempo_bpm, 10.0))
    assert told["tempo_bpm"] == pytest.approx(tempo_bpm, rel=0.04)
    assert told["onsets_per_s"] == pytest.approx(tempo_bpm / 60, rel=0.1)
    assert told["pulse"] > 0.5 > heard(noise(10.0))["pulse"]


@pytest.mark.parametrize("wave", [np.zeros(RATE_HZ // 2), noise(0.5), tone(440, 0.5), np.zeros(10 * RATE_HZ)])
def test_silence_and_short_clips_give_finite_numbers(wave):
    told = heard(wave)
    assert tuple(told.index) == DESCRIPTORS
    assert np.isfinite(told.to_numpy(float)).all()
    if not wave.any():
        assert (told["silent_share"], told["tempo_bpm"], told["pulse"], told["onsets_per_s"]) == (1, 0, 0, 0)


def test_played_mashups_are_described_row_by_row(tmp_path):
    bank = bank_of(tmp_path, songs(("rock",), 4, 1.0))
    recipe = MashupRecipe(noisy=0.0, length_s=(0.8, 0.8), stretched=0.0)
    mashups = draw(Pool.of(bank.index, RATE_HZ, ("rock",), PARTS), recipe, (0, 0, 0), 0, 3)
    player = MashupPlayer(bank, SPEC)
    table = describe_all((player.whole_log_mel(mashups[row : row + 1], "peak") for row in range(3)), SPEC)
    assert table.columns.tolist() == list(DESCRIPTORS)
    assert table["length_s"].tolist() == pytest.approx([0.8] * 3)
    assert table["level_db"].between(-20, -8).all()


def test_what_cannot_be_described_is_refused():
    with pytest.raises(ValueError, match="8 frames or more"):
        decibels(np.zeros((7, 96)), SPEC)
    with pytest.raises(ValueError, match="not finite"):
        decibels(np.full((9, 96), np.nan), SPEC)
    with pytest.raises(ValueError, match="pre-emphasis"):
        decibels(np.zeros((9, 128)), AST_FBANK)


def test_thirty_seconds_take_a_twentieth_of_a_second():
    log_mel = wave_log_mel(torch.from_numpy(noise(30.0).astype(np.float32)), SPEC)
    describe(log_mel, SPEC)
    spent_s = []
    for _ in range(5):
        begun_s = time.process_time()
        describe(log_mel, SPEC)
        spent_s.append(time.process_time() - begun_s)
    assert min(spent_s) < 0.1  # .02 where measured
