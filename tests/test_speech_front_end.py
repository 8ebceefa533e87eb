"""The singers' log-mel and MFCC, held against python_speech_features and against its formulas written out again."""

import numpy as np
import pytest
import torch
from scipy.fft import dct

from banks import bank_of
from messy_mashup.features.cepstrum import mfcc
from messy_mashup.features.frame_spec import AST_FBANK, MAEST_MEL, librosa_log_mel, speech_log_mel
from messy_mashup.features.logmel import padding_value, wave_log_mel
from messy_mashup.mashup.arrangement import draw
from messy_mashup.mashup.frames import MashupPlayer
from messy_mashup.mashup.pool import Pool
from messy_mashup.recipes.whole_songs import WHOLE_SONGS

SPEC = speech_log_mel()
EPSILON = np.finfo(float).eps


def sounds(samples: int = 48_000) -> dict[str, np.ndarray]:
    generator, time_s = np.random.default_rng(0), np.arange(samples) / 16_000
    return {
        "noise": generator.normal(0, 0.2, samples).astype(np.float32),
        "chirp": (0.8 * np.sin(2 * np.pi * (100 + 900 * time_s) * time_s)).astype(np.float32),
        "voice": np.sum([0.2 / k * np.sin(2 * np.pi * 180 * k * time_s) for k in range(1, 20)], axis=0).astype("f4"),
    }


def log_bands(wave: np.ndarray) -> np.ndarray:
    """Natural log of the 40 bands (frames, 40) as one reads it in books, in float64."""
    emphasised = np.append(wave[0], wave[1:] - 0.97 * wave[:-1]).astype(np.float64)
    frames = 1 + max(0, -(-(len(wave) - 400) // 160))
    filled = np.pad(emphasised, (0, max(0, 400 + 160 * (frames - 1) - len(wave))))
    windows = np.stack([filled[160 * t : 160 * t + 400] for t in range(frames)]) * np.hamming(400)
    power = np.abs(np.fft.rfft(windows, 1024)) ** 2 / 1024
    mel = np.linspace(0, 2595 * np.log10(1 + 8000 / 700), 42)
    corner = np.floor(1025 * 700 * (10 ** (mel / 2595) - 1) / 16_000).astype(int)
    filters = np.zeros((40, 513))
    for band, (low, middle, high) in enumerate(zip(corner[:-2], corner[1:-1], corner[2:], strict=True)):
        for k in range(low, middle):
            filters[band, k] = (k - low) / (middle - low)
        for k in range(middle, high):
            filters[band, k] = (high - k) / (high - middle)
    return np.log(np.maximum(power @ filters.T, EPSILON))


def ours(wave: np.ndarray) -> np.ndarray:
    return wave_log_mel(torch.from_numpy(wave), SPEC).numpy() * SPEC.divisor + SPEC.mean


@pytest.mark.parametrize("name", ["noise", "chirp", "voice"])
def test_it_equals_the_formulas_in_every_frame_but_the_last(name):
    """To 1e-3 in natural logs in bands up to 70 dB below the loudest, where float32 ends."""
    wave = sounds()[name]
    theirs, found = log_bands(wave), ours(wave)
    assert found.shape == theirs.shape == (299, 40)
    heard = theirs[:-1] > theirs.max() - 7 * np.log(10)
    assert np.abs(found - theirs)[:-1][heard].max() < 1e-3
    # The last holds the step from the clip's last sample to the zeros behind it, as it would if those were recorded
    silence_too = log_bands(np.append(wave, np.zeros(160, np.float32)))[298]
    np.testing.assert_allclose(found[-1][silence_too > -20], silence_too[silence_too > -20], atol=1e-3)


@pytest.mark.parametrize("samples", [100, 400, 401, 560, 561, 47_999, 48_000])
def test_every_length_has_the_frames_of_the_formulas(samples):
    assert len(ours(sounds()["noise"][:samples])) == len(log_bands(sounds()["noise"][:samples]))


@pytest.mark.parametrize("name", ["noise", "chirp", "voice"])
def test_it_equals_python_speech_features(name):
    base = pytest.importorskip("python_speech_features.base")
    wave = sounds()[name]
    powers, _ = base.fbank(wave, 16_000, 0.025, 0.01, 40, 1024, 0, 8000, 0.97, np.hamming)
    theirs = np.log(powers)
    np.testing.assert_allclose(log_bands(wave), np.maximum(theirs, np.log(EPSILON)), atol=1e-9)
    heard = theirs[:-1] > theirs.max() - 7 * np.log(10)
    assert np.abs(ours(wave) - theirs)[:-1][heard].max() < 1e-3
    args = (wave, 16_000, 0.025, 0.01, 13, 40, 1024, 0, 8000, 0.97, 22, False, np.hamming)
    cepstra = mfcc(torch.from_numpy((theirs - SPEC.mean) / SPEC.divisor), SPEC).numpy()
    np.testing.assert_allclose(cepstra, base.mfcc(*args), atol=1e-6)


def test_mfcc_is_the_lifted_dct():
    bands = torch.randn(2, 5, 40, generator=torch.Generator().manual_seed(0))
    lifter = 1 + 11 * np.sin(np.pi * np.arange(13) / 22)
    wanted = dct(bands.numpy() * SPEC.divisor + SPEC.mean, norm="ortho")[..., :13] * lifter
    np.testing.assert_allclose(mfcc(bands, SPEC).numpy(), wanted, atol=1e-3)


def test_normal_levels_are_about_minus_one_to_one_and_silence_is_the_padding():
    voice = wave_log_mel(torch.from_numpy(sounds()["voice"]), SPEC)
    assert -1.5 < voice.quantile(0.05) < voice.quantile(0.95) < 1.5
    assert wave_log_mel(torch.zeros(48_000), SPEC).numpy() == pytest.approx(padding_value(SPEC), abs=1e-5)
    assert SPEC.frames_in(3.0) == 299


@pytest.mark.parametrize("spec", [AST_FBANK, MAEST_MEL, librosa_log_mel(64, 320, 1024), SPEC])
def test_a_player_counts_frames_as_the_front_end_does(tmp_path, spec):
    player = MashupPlayer(bank_of(tmp_path, {"rock.00000/mix": sounds(2000)["noise"]}), spec)
    lengths = torch.arange(0, 3000)
    before = [
        1 + n // spec.hop if spec.centred else max(0, 1 + (n - spec.window) // spec.hop) for n in lengths.tolist()
    ]
    counted = player._frame_count(lengths).tolist()
    assert counted == [spec.frame_count(n) for n in lengths.tolist()]
    assert spec is SPEC or counted == before


def test_a_clip_that_is_played_is_the_clip_that_is_heard(tmp_path):
    """To what int16 costs: 0.01 in the normalised bands up to 60 dB below the loudest."""
    waves = {f"rock.0000{n}/mix": wave for n, wave in enumerate(sounds().values())}
    bank = bank_of(tmp_path, waves)
    pool = Pool.of(bank.index, 16_000, bank.classes, ("mix",))
    mashups = draw(pool, WHOLE_SONGS, (0, 1, 0), 0, 3)
    player = MashupPlayer(bank, SPEC)
    batch = player.log_mel(mashups, 299, "peak")
    for row, clip in enumerate(mashups.voice_clip[:, 0]):
        wave = bank.wave(int(clip))
        heard = wave_log_mel(torch.from_numpy(wave / np.abs(wave).max()), SPEC)
        loud = heard > heard.max() - SPEC.decibels(60)
        assert (batch[row] - heard)[loud].abs().max() < 0.01
        assert (player.whole_log_mel(mashups[row : row + 1], "peak") - batch[row]).abs().max() < 1e-5
