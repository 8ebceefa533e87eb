"""What is listened to is what the models hear: the waveform against the frame domain, tempo, bursts and levels."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from banks import PARTS, RATE_HZ, bank_of, songs
from messy_mashup.features.frame_spec import AST_FBANK, librosa_log_mel
from messy_mashup.features.logmel import wave_log_mel
from messy_mashup.mashup.arrangement import Pool, draw
from messy_mashup.mashup.frames import MashupPlayer
from messy_mashup.mashup.render import burst_spans, render
from messy_mashup.recipe import MashupRecipe
from test_frames import one_voice
from test_tempo_truth import clicks

STEADY = MashupRecipe(length_s=(1.0, 2.0), stretched=0.0, noisy=1.0, bursts=(1, 3), burst_s=(0.2, 0.7))


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    generator = np.random.default_rng(5)
    noises = {f"1-{n}-A-{n}": generator.uniform(-0.3, 0.3, RATE_HZ).astype(np.float32) for n in range(3)}
    return bank_of(tmp_path_factory.mktemp("bank"), songs(("jazz", "rock"), 5, 2.5) | noises)


def arranged(bank, recipe, count):
    return draw(Pool.of(bank.index, RATE_HZ, ("jazz", "rock"), PARTS), recipe, (0, 0, 0), 0, count)


@pytest.mark.parametrize("spec", [librosa_log_mel(mels=64, hop=320, fft=1024), AST_FBANK], ids=["librosa", "ast"])
@pytest.mark.parametrize("burst_level", ["raw", "peak"])
def test_at_rate_1_its_log_mel_is_the_frame_domain_s(bank, spec, burst_level):
    mashups = arranged(bank, STEADY, 8)
    player = MashupPlayer(bank, spec)
    for row in range(len(mashups)):
        wave = render(bank, mashups, row, burst_level)
        assert wave.dtype == np.float32
        assert len(wave) == int(mashups.length_s[row] * RATE_HZ)
        assert np.abs(wave).max() == pytest.approx(1, abs=1e-6)
        heard = wave_log_mel(torch.from_numpy(wave), spec)
        assert (heard - player.whole_log_mel(mashups[row : row + 1], burst_level)).abs().max() < 1e-3


@pytest.mark.parametrize("rate", [0.9, 1.1])
def test_the_tempo_that_comes_out(tmp_path, rate):
    bank = bank_of(tmp_path, {"a.0/drums": clicks(120, 14.0)})
    wave = render(bank, one_voice(0, 12.0, offset_s=0.1, rate=rate), 0)
    # The vocoder smears clicks, each by another amount, so the tempo is that of all of them: the strongest wave about
    # a beat long in their loudness, blocks of 10 ms to the power of a quarter. Its phase tells where they are.
    blocks = np.mean(wave.reshape(-1, 160) ** 2, axis=1) ** 0.25
    time_s = (np.arange(len(blocks)) + 0.5) * 160 / RATE_HZ
    beats_hz = np.arange(1.5, 2.7, 0.001)
    loudness = (blocks - blocks.mean()) * np.hanning(len(blocks))
    waves = np.exp(-2j * np.pi * beats_hz[:, None] * time_s) @ loudness
    strongest = np.abs(waves).argmax()
    assert beats_hz[strongest] == pytest.approx(2 * rate, rel=0.003)
    beat_s = 0.5 / rate
    late_s = -np.angle(waves[strongest]) / (2 * np.pi) * beat_s - 0.1 / rate  # the first click is at 0.2 s of the clip
    assert (late_s + beat_s / 2) % beat_s - beat_s / 2 == pytest.approx(0, abs=0.015)


def test_each_voice_keeps_its_gain_at_any_rate(tmp_path):
    """Two tones an octave and more apart: their levels are read off the spectrum of the mix."""
    time_s = np.arange(3 * RATE_HZ) / RATE_HZ
    tones = {f"a.0/{part}": 0.3 * np.sin(2 * np.pi * hz * time_s) for part, hz in (("drums", 500), ("bass", 2000))}
    bank = bank_of(tmp_path, {name: wave.astype(np.float32) for name, wave in tones.items()})
    pair = {
        "voice_clip": [[0, 1]], "voice_offset_s": [[0.2, 0.1]], "voice_rate": [[1.0, 1.1]], "voice_gain": [[0.8, 0.4]]
    }  # fmt: skip
    mashup = replace(one_voice(0, 2.0), **{name: np.array(value) for name, value in pair.items()})
    wave = render(bank, mashup, 0)[RATE_HZ // 2 : RATE_HZ * 3 // 2]  # a second: the bins are whole hertz
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave))))
    assert spectrum[1990:2010].max() / spectrum[490:510].max() == pytest.approx(0.5, rel=0.05)


@pytest.mark.parametrize(("burst_level", "level"), [("peak", 0.4), ("raw", 0.4 * 0.25)])
def test_bursts_are_where_and_as_loud_as_arranged(tmp_path, burst_level, level):
    """Over silence a burst is all there is; over a loud sample it is measured against that sample."""
    music = np.zeros(2 * RATE_HZ, np.float32)
    music[100] = 0.5
    noise = np.full(RATE_HZ, 0.25, np.float32)
    bank = bank_of(tmp_path, {"a.0/drums": music, "1-1-A-22": noise})
    mashup = one_voice(0, 1.5, gain=0.7, burst=(1, 0.2, 1.0, 0.3, 0.4))
    wave = render(bank, mashup, 0, burst_level)
    sounding = np.zeros(len(wave), bool)
    sounding[RATE_HZ : RATE_HZ + int(0.3 * RATE_HZ)] = True
    assert wave[sounding] == pytest.approx(level, abs=1e-4)
    assert wave[100] == 1
    assert np.flatnonzero(wave[~sounding]).tolist() == [100]
    assert burst_spans(bank, mashup, 0) == [("clapping (1-1-A-22)", 1.0, 1.3)]


def test_a_burst_past_the_end_is_cut(tmp_path):
    waves = {"a.0/drums": np.zeros(RATE_HZ, np.float32), "1-1-A-1": np.ones(RATE_HZ, np.float32)}
    bank = bank_of(tmp_path, waves)
    mashup = one_voice(0, 1.0, burst=(1, 0.0, 0.75, 1.0, 0.4))
    assert np.flatnonzero(render(bank, mashup, 0)).tolist() == list(range(12_000, 16_000))
    assert burst_spans(bank, mashup, 0)[0][2] == 1.0


@pytest.mark.parametrize("rate", [0.9, 1.0])
def test_outside_its_clip_a_voice_is_silent(tmp_path, rate):
    ones = np.ones(8000, np.float32)
    bank = bank_of(tmp_path, {"a.0/drums": 0.1 * ones, "a.1/drums": ones})
    wave = render(bank, one_voice(0, 1.0, offset_s=0.25, rate=rate), 0)
    assert len(wave) == RATE_HZ
    ends = round(4000 / rate)
    assert (wave[ends:] == 0).all()
    assert np.abs(wave[: ends - 500]).min() > 0.1


def test_silence_stays_silent(tmp_path):
    bank = bank_of(tmp_path, {"a.0/drums": np.zeros(RATE_HZ, np.float32), "1-1-A-1": np.zeros(RATE_HZ, np.float32)})
    assert (render(bank, one_voice(0, 1.0, rate=1.1, burst=(1, 0.0, 0.1, 0.5, 0.4)), 0) == 0).all()


def test_the_same_mashup_whatever_its_batch_and_every_time(bank):
    mashups = arranged(bank, replace(STEADY, stretched=1.0), 3)
    assert np.array_equal(render(bank, mashups, 2), render(bank, mashups[2:], 0))


@pytest.mark.parametrize("row", [-1, 3])
def test_a_row_that_is_not_there_is_refused(bank, row):
    mashups = arranged(bank, STEADY, 3)
    for of_row in (render, burst_spans):
        with pytest.raises(IndexError, match=f"no mashup {row}: the arrangements are numbered 0 to 2"):
            of_row(bank, mashups, row)


@pytest.mark.parametrize("clip", [-1, 43])
def test_a_clip_that_the_bank_does_not_hold_is_refused(bank, clip):
    with pytest.raises(IndexError, match=f"wants clip {clip}: the bank holds clips 0 to 42"):
        render(bank, one_voice(clip, 1.0), 0)
