"""The frame domain against truth: waves that are mixed plainly, sample by sample."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from banks import PARTS, RATE_HZ, bank_of, songs
from messy_mashup.data.demo_music.song import song
from messy_mashup.features.frame_spec import AST_FBANK, librosa_log_mel
from messy_mashup.features.logmel import padding_value, wave_log_mel
from messy_mashup.mashup.arrangement import Arrangements, draw
from messy_mashup.mashup.frames import MashupPlayer
from messy_mashup.mashup.pool import Pool
from messy_mashup.recipe import MashupRecipe

LIBROSA = librosa_log_mel(mels=64, hop=320, fft=1024)
STEADY = MashupRecipe(length_s=(1.0, 2.0), stretched=0.0, burst_s=(0.2, 0.7))


def mixed_plainly(bank, mashup: Arrangements, burst_level: str) -> np.ndarray:
    """One mashup at rate 1, mixed in the order of levels that the design fixes."""
    length = int(mashup.length_s[0] * RATE_HZ)
    music = np.zeros(length)
    for clip, offset_s, gain in zip(mashup.voice_clip[0], mashup.voice_offset_s[0], mashup.voice_gain[0], strict=True):
        start = round(offset_s * RATE_HZ)
        part = bank.wave(clip)[start : start + length]
        music[: len(part)] += gain * part
    music /= np.abs(music).max() or 1
    for burst in np.flatnonzero(mashup.burst_clip[0] >= 0):
        clip, at = mashup.burst_clip[0, burst], int(mashup.burst_at_s[0, burst] * RATE_HZ)
        start = int(mashup.burst_offset_s[0, burst] * RATE_HZ)
        wave = bank.wave(clip)
        level = np.abs(wave).max() if burst_level == "peak" else 1
        noise = wave[start : start + int(mashup.burst_length_s[0, burst] * RATE_HZ)][: length - at] / level
        music[at : at + len(noise)] += mashup.burst_gain[0, burst] * noise
    return music / (np.abs(music).max() or 1)


def one_voice(clip: int, length_s: float, offset_s=0.0, rate=1.0, gain=1.0, burst=None, fade_s=0.0) -> Arrangements:
    """A mashup of one voice and, given as (clip, offset_s, at_s, length_s, gain), one burst."""
    *burst, burst_gain = burst or (-1, 0.0, 0.0, 0.0, 0.0)
    columns = [np.array([[value]]) for value in (clip, offset_s, rate, gain, *burst, fade_s, burst_gain)]
    none = np.array([0.0])
    return Arrangements(np.array([0]), np.array([length_s]), none, none, none, *columns)


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    generator = np.random.default_rng(5)
    noises = {f"1-{n}-A-{n}": generator.uniform(-0.3, 0.3, RATE_HZ).astype(np.float32) for n in range(3)}
    return bank_of(tmp_path_factory.mktemp("bank"), songs(("jazz", "rock"), 5, 2.5) | noises)


@pytest.mark.parametrize("spec", [LIBROSA, AST_FBANK], ids=["librosa", "ast"])
@pytest.mark.parametrize("burst_level", ["raw", "peak"])
def test_at_rate_1_equals_the_log_mel_of_the_mixed_wave(bank, spec, burst_level):
    pool = Pool.of(bank.index, RATE_HZ, ("jazz", "rock"), PARTS)
    mashups = draw(pool, STEADY, (0, 0, 0), 0, 12)
    player = MashupPlayer(bank, spec)
    for row in range(len(mashups)):
        mashup = mashups[row : row + 1]
        truth = wave_log_mel(torch.from_numpy(mixed_plainly(bank, mashup, burst_level)).float(), spec)
        played = player.whole_log_mel(mashup, burst_level)
        assert played.shape == truth.shape
        assert (played - truth).abs().max() < 1e-3


def test_a_heard_part_is_a_slice_of_the_whole(bank):
    pool = Pool.of(bank.index, RATE_HZ, ("jazz", "rock"), PARTS)
    mashups = draw(pool, STEADY, (1, 0, 0), 0, 6)
    player = MashupPlayer(bank, LIBROSA)
    heard = player.log_mel(mashups, 40, "peak")
    for row in range(6):
        whole = player.whole_log_mel(mashups[row : row + 1], "peak")
        first = int(mashups.heard_at[row] * (len(whole) - 40 + 1))
        torch.testing.assert_close(heard[row], whole[first : first + 40], rtol=0, atol=1e-5)


def test_frames_past_the_end_have_the_padding_value(bank):
    mashup = one_voice(0, 1.0)
    heard = MashupPlayer(bank, AST_FBANK).log_mel(mashup, 150, "peak")[0]
    ends = AST_FBANK.frame_count(RATE_HZ)
    assert (heard[ends:] == padding_value(AST_FBANK)).all()
    assert (heard[:ends] != padding_value(AST_FBANK)).all()


@pytest.mark.parametrize("rate", [0.9, 1.0, 1.1])
@pytest.mark.parametrize("spec", [LIBROSA, AST_FBANK], ids=["librosa", "ast"])
def test_a_loud_neighbour_is_never_heard(tmp_path, spec, rate):
    quiet = np.full(8000, 1e-3, np.float32)
    loud = np.full(8000, 1.0, np.float32) * np.resize([1, -1], 8000)
    between = bank_of(tmp_path / "a", {"a.0/drums": loud, "a.1/drums": quiet, "a.2/drums": loud})
    alone = bank_of(tmp_path / "b", {"a.0/drums": 0 * loud, "a.1/drums": quiet, "a.2/drums": 0 * loud})
    # Longer than the clip, beginning before and ending after it.
    mashup = one_voice(1, 0.8, offset_s=0.0, rate=rate)
    heard = [MashupPlayer(bank, spec).whole_log_mel(mashup, "peak") for bank in (between, alone)]
    torch.testing.assert_close(*heard, rtol=0, atol=0)


def test_burst_position_gain_and_peak_come_out_as_arranged(tmp_path):
    """Music is a 500 Hz tone, the burst a tone near 3 kHz: each is read off its own band."""
    time_s = np.arange(3 * RATE_HZ) / RATE_HZ
    tones = {"a.0/drums": 0.5 * np.sin(2 * np.pi * 500 * time_s), "1-1-A-1": 0.05 * np.sin(2 * np.pi * 3010 * time_s)}
    bank = bank_of(tmp_path, {name: wave.astype(np.float32) for name, wave in tones.items()})
    spec = replace(LIBROSA, mean=0.0, divisor=1.0, mel_norm=None)
    gain, at_s, length_s = 0.4, 1.0, 0.8
    player = MashupPlayer(bank, spec)
    level_db = player.whole_log_mel(one_voice(0, 3.0, burst=(1, 0.5, at_s, length_s, gain)), "peak")
    clean_db = player.whole_log_mel(one_voice(0, 3.0), "peak")
    music_band = clean_db.mean(0).argmax()
    burst_band = level_db[70:90].sub(clean_db[70:90]).mean(0).argmax()
    frame_s = torch.arange(len(level_db)) * spec.hop / RATE_HZ
    inside = (frame_s > at_s + 0.05) & (frame_s < at_s + length_s - 0.05)
    outside = (frame_s < at_s - 0.05) | (frame_s > at_s + length_s + 0.05)
    peak_db = 20 * np.log10(1 + gain)  # two tones' peaks add up somewhere within 0.8 s
    assert (clean_db - level_db)[outside, music_band].mean() == pytest.approx(peak_db, abs=0.05)
    power = 10 ** (level_db[inside] / 10)  # without mel_norm, neighbouring bands add up to all of a tone
    burst, music = (power[:, band - 3 : band + 4].sum() for band in (burst_band, music_band))
    assert 10 * torch.log10(burst / music) == pytest.approx(20 * np.log10(gain), abs=0.1)
    assert (level_db - clean_db)[outside, burst_band].max() < 0.01
    begins, ends = np.flatnonzero(level_db[:, burst_band] > level_db[inside, burst_band].mean() - 6)[[0, -1]]
    assert begins * spec.hop / RATE_HZ == pytest.approx(at_s, abs=0.021)
    assert ends * spec.hop / RATE_HZ == pytest.approx(at_s + length_s, abs=0.021)


def test_the_raw_burst_level_keeps_the_clips_own(tmp_path):
    generator = np.random.default_rng(0)
    clips = {"a.0/drums": generator.normal(0, 0.1, RATE_HZ), "1-1-A-1": generator.uniform(-0.1, 0.1, RATE_HZ)}
    bank = bank_of(tmp_path, {name: wave.astype(np.float32) for name, wave in clips.items()})
    player = MashupPlayer(bank, replace(LIBROSA, mean=0.0, divisor=1.0))
    raw, peak, louder = (
        player.whole_log_mel(one_voice(0, 1.0, gain=1e-6, burst=(1, 0.0, 0.0, 1.0, gain)), level)
        for level, gain in (("raw", 0.5), ("peak", 0.5), ("raw", 0.5 / float(bank.index["peak"][1])))
    )
    torch.testing.assert_close(peak, louder, rtol=0, atol=1e-3)
    assert (raw - peak).abs().max() > 1


def test_digital_silence_gives_finite_numbers(tmp_path):
    bank = bank_of(tmp_path, {"a.0/drums": np.zeros(RATE_HZ, np.float32), "1-1-A-1": np.zeros(RATE_HZ, np.float32)})
    for spec in (LIBROSA, AST_FBANK):
        for burst in (None, (1, 0.0, 0.2, 0.5, 0.8)):
            heard = MashupPlayer(bank, spec).whole_log_mel(one_voice(0, 1.0, burst=burst), "peak")
            assert torch.isfinite(heard).all()


def test_the_same_mashup_in_any_batch(bank):
    pool = Pool.of(bank.index, RATE_HZ, ("jazz", "rock"), PARTS)
    recipe = replace(STEADY, stretched=0.5)
    player = MashupPlayer(bank, LIBROSA)
    together = player.log_mel(draw(pool, recipe, (3, 0, 1), 0, 8), 30, "peak")
    alone = player.log_mel(draw(pool, recipe, (3, 0, 1), 5, 1), 30, "peak")
    assert torch.equal(together[5:6], alone)


def test_peaks_of_long_mashups_are_estimated_within_a_decibel(tmp_path):
    """A song of 30 s: 7 % of its samples are looked at, those whose envelope promises most."""
    stems = song("rock", seed=0, index=0, seconds=30.0)
    wave = sum(stem.mean(axis=1)[:: 44_100 // RATE_HZ][: 30 * RATE_HZ] for stem in stems.values()).astype(np.float32)
    bank = bank_of(tmp_path, {"a.0/drums": wave / 32768})
    played = MashupPlayer(bank, LIBROSA).whole_log_mel(one_voice(0, len(wave) / RATE_HZ), "peak")
    truth = wave_log_mel(torch.from_numpy(wave / np.abs(wave).max()), LIBROSA)
    error_db = (played - truth).mean() * LIBROSA.divisor
    assert 0 <= error_db < 1


def test_a_window_longer_than_the_guard_and_another_rate_are_refused(bank):
    with pytest.raises(ValueError, match="guard"):
        MashupPlayer(bank, replace(LIBROSA, window=8192, fft=8192))
    with pytest.raises(ValueError, match="22050 Hz"):
        MashupPlayer(bank, replace(LIBROSA, sample_rate_hz=22_050))
