"""The log-mel front-ends, held against transformers' and librosa's own."""

import librosa
import numpy as np
import pytest
import torch

from messy_mashup.features.frame_spec import AST_FBANK, librosa_log_mel
from messy_mashup.features.logmel import padding_value, wave_log_mel
from messy_mashup.torchvision_import import import_torchvision


@pytest.fixture(scope="module")
def extractor():
    import_torchvision()
    from transformers import ASTFeatureExtractor

    return ASTFeatureExtractor()


def sounds(samples: int) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    time_s = np.arange(samples) / 16_000
    return {
        "noise": generator.normal(0, 0.1, samples).astype(np.float32),
        "chirp": (0.8 * np.sin(2 * np.pi * (100 + 900 * time_s) * time_s)).astype(np.float32),
        "quiet": (1e-4 * np.sin(2 * np.pi * 440 * time_s) + 0.1).astype(np.float32),  # with a constant offset
        "silence": np.zeros(samples, np.float32),
    }


@pytest.mark.parametrize("name", ["noise", "chirp", "quiet", "silence"])
@pytest.mark.parametrize("samples", [163_840, 160_000, 40_001])
def test_ast_fbank_equals_the_extractor_s(extractor, name, samples):
    """Error at most 5e-4 of its normalised log-mel in bands up to 70 dB below the loudest, where float32 ends;
    frames, padding and normalisation in the extractor's order.
    """
    wave = sounds(samples)[name]
    theirs = extractor(wave, sampling_rate=16_000, return_tensors="pt").input_values[0]
    ours = wave_log_mel(torch.from_numpy(wave), AST_FBANK)
    spoken = theirs[: len(ours)]
    assert (ours - spoken)[spoken > spoken.max() - AST_FBANK.decibels(70)].abs().max() < 5e-4
    assert (theirs[len(ours) :] - padding_value(AST_FBANK)).abs().sum() < 1e-4
    assert len(ours) == min(1024, 1 + (samples - 400) // 160)


@pytest.mark.parametrize(("mels", "hop", "fft"), [(128, 160, 1024), (64, 320, 1024), (40, 160, 512)])
@pytest.mark.parametrize("name", ["noise", "chirp", "quiet", "silence"])
def test_librosa_log_mel_equals_librosa_s(name, mels, hop, fft):
    """Error at most 1e-3 dB in bands up to 70 dB below the loudest, where float32 ends."""
    wave = sounds(40_001)[name]
    spec = librosa_log_mel(mels, hop, fft)
    power = librosa.feature.melspectrogram(y=wave, sr=16_000, n_fft=fft, hop_length=hop, n_mels=mels)
    theirs = librosa.power_to_db(power, top_db=None).T
    ours = wave_log_mel(torch.from_numpy(wave), spec).numpy() * spec.divisor + spec.mean
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs)[theirs > theirs.max() - 70].max() < 1e-3
    assert padding_value(spec) == pytest.approx((-100 - spec.mean) / spec.divisor)


def test_a_wave_in_portions_is_the_same_as_whole(monkeypatch):
    from messy_mashup.features import logmel

    wave = torch.from_numpy(sounds(100_000)["noise"])
    whole = wave_log_mel(wave, AST_FBANK)
    monkeypatch.setattr(logmel, "FRAMES_AT_ONCE", 100)
    torch.testing.assert_close(wave_log_mel(wave, AST_FBANK), whole, rtol=0, atol=1e-5)


def test_a_log_mel_stays_float32_under_autocast():
    wave = torch.from_numpy(sounds(20_000)["noise"])
    with torch.autocast("cpu", torch.bfloat16):
        inside = wave_log_mel(wave, AST_FBANK)
    assert inside.dtype == torch.float32
    assert torch.equal(inside, wave_log_mel(wave, AST_FBANK))


def test_decibels_in_the_units_of_each_front_end():
    wave = torch.from_numpy(sounds(20_000)["noise"])
    for spec in (AST_FBANK, librosa_log_mel(64, 320, 1024)):
        louder = wave_log_mel(10 ** (6 / 20) * wave, spec) - wave_log_mel(wave, spec)
        assert louder.median() == pytest.approx(spec.decibels(6.0), rel=1e-3)
