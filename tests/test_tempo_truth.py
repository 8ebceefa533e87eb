"""A voice played at another rate, held against music that was truly rendered at that tempo."""

import librosa
import numpy as np
import pytest
import soxr
import torch

from banks import RATE_HZ, bank_of
from messy_mashup.data.demo_music.song import song
from messy_mashup.features.frame_spec import AST_FBANK, FrameSpec, librosa_log_mel
from messy_mashup.features.logmel import wave_log_mel
from messy_mashup.mashup.frames import MashupPlayer
from test_frames import one_voice

SPECS = {"librosa": librosa_log_mel(mels=64, hop=320, fft=1024), "ast": AST_FBANK}
SECONDS = 6.0


def decibels(log_mel: torch.Tensor, spec: FrameSpec) -> torch.Tensor:
    """Above a floor of 60 dB below the loudest band, so that silence does not decide."""
    levels = log_mel / spec.decibels(1.0)
    return levels.clamp(min=levels.max() - 60)


def errors_db(folder, wave: np.ndarray, truth: np.ndarray, rate: float, spec: FrameSpec) -> tuple[float, float]:
    """Mean absolute log-mel error in dB of the frame domain and of librosa's stretch."""
    bank = bank_of(folder, {"a.0/drums": wave})
    played = MashupPlayer(bank, spec).whole_log_mel(one_voice(0, len(wave) / rate / RATE_HZ, rate=rate), "peak")
    stretched = librosa.effects.time_stretch(wave, rate=rate)
    target = decibels(wave_log_mel(torch.from_numpy(truth / np.abs(truth).max()), spec), spec)
    candidates = [played, wave_log_mel(torch.from_numpy(stretched / np.abs(stretched).max()), spec)]
    return tuple(float((decibels(one, spec)[: len(target)] - target[: len(one)]).abs().mean()) for one in candidates)


def clicks(tempo_bpm: float, seconds: float) -> np.ndarray:
    """Short bursts of a decaying tone, one a beat, each beginning on its exact sample."""
    wave = np.zeros(round(seconds * RATE_HZ), np.float32)
    time_s = np.arange(400) / RATE_HZ
    click = np.sin(2 * np.pi * 1500 * time_s) * np.exp(-time_s * 300)
    for beat_s in np.arange(0.2, seconds - 0.1, 60 / tempo_bpm):
        start = round(beat_s * RATE_HZ)
        wave[start : start + len(click)] += click
    return wave


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())
@pytest.mark.parametrize("rate", [0.9, 1.1])
def test_click_tracks(tmp_path, rate, spec):
    wave = clicks(120, SECONDS)
    truth = np.zeros(round(len(wave) / rate), np.float32)
    click = wave[round(0.2 * RATE_HZ) :][:400]
    for beat_s in np.arange(0.2, SECONDS - 0.1, 0.5):
        start = round(beat_s / rate * RATE_HZ)
        truth[start : start + 400] += click[: len(truth) - start]
    ours, librosas = errors_db(tmp_path, wave, truth, rate, spec)
    assert ours < librosas


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())
@pytest.mark.parametrize("rate", [0.9, 1.1])
@pytest.mark.parametrize("genre", ["disco", "jazz", "reggae", "classical"])
def test_songs_rendered_at_both_tempi(tmp_path, genre, rate, spec):
    original, faster = (song(genre, 0, 1, SECONDS, tempo_scale=scale) for scale in (1.0, rate))
    ours, librosas = zip(*(
        errors_db(tmp_path / stem, mono_16k(original[stem]), mono_16k(faster[stem]), rate, spec)
        for stem in original
        if np.abs(original[stem]).max() > 0
    ), strict=True)  # fmt: skip
    print(genre, rate, np.mean(ours), np.mean(librosas))
    assert np.mean(ours) < np.mean(librosas)


def mono_16k(stem: np.ndarray) -> np.ndarray:
    """A stem of the demo (samples, 2) int16 at 44.1 kHz as the bank would hold it."""
    return soxr.resample(stem.mean(axis=1).astype(np.float32) / 32768, 44_100, RATE_HZ)
