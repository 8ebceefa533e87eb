"""Whole clips: every frame is heard, the tail is never dropped, and nothing unreadable becomes a genre."""

import numpy as np
import pytest
import soundfile
import torch
from torch import nn

from messy_mashup.errors import UserError
from messy_mashup.features.frame_spec import AST_FBANK, librosa_log_mel
from messy_mashup.features.logmel import padding_value
from messy_mashup.scoring.predict import Listener, classify, file_log_mel, overlapping_windows

SPEC = librosa_log_mel(mels=64, hop=320, fft=1024)


class MeanOfBands(nn.Module):
    """Logits that are the first two bands' means, so that the mean over windows can be told by hand."""

    def forward(self, log_mel: torch.Tensor) -> torch.Tensor:
        return log_mel[:, :, :2].mean(1)


def listener(frames: int) -> Listener:
    return Listener(MeanOfBands(), SPEC, frames, ("jazz", "rock"), torch.device("cpu"))


@pytest.mark.parametrize("length", [1, 50, 99, 100, 101, 150, 151, 333, 1000])
def test_windows_cover_every_frame_and_end_where_the_clip_ends(length):
    clip = torch.arange(length)[:, None].repeat(1, 3).float()
    windows = overlapping_windows(clip, 100, SPEC)
    heard = torch.cat([window[:, 0] for window in windows]).unique()
    assert set(range(length)) <= set(heard.tolist())
    assert all(window.shape == (100, 3) for window in windows)
    if length >= 100:
        assert windows[-1][-1, 0] == length - 1
        starts = np.array([int(window[0, 0]) for window in windows])
        assert (np.diff(starts) <= 50).all()
        assert (np.diff(starts) > 0).all()
    else:
        assert (windows[0][length:] == padding_value(SPEC)).all()


def test_logits_are_the_mean_over_a_clips_own_windows():
    generator = torch.Generator().manual_seed(0)
    clips = [torch.randn(length, 64, generator=generator) for length in (30, 100, 250, 7000, 100)]
    together = listener(100).logits(clips)
    assert together.shape == (5, 2)
    for clip, logits in zip(clips, together, strict=True):
        windows = torch.stack(overlapping_windows(clip, 100, SPEC))
        np.testing.assert_allclose(logits, windows[:, :, :2].mean((0, 1)), atol=1e-5)


def test_no_clip_gives_no_row():
    assert listener(100).logits([]).shape == (0, 2)


def write(path, wave, rate_hz=16_000, **options):
    soundfile.write(path, wave, rate_hz, **options)
    return path


def test_what_cannot_be_classified_is_a_sentence_that_names_the_file(tmp_path):
    (tmp_path / "text.wav").write_text("no audio at all")
    nan = np.full(8000, np.nan, np.float32)
    files = [
        tmp_path / "text.wav",
        write(tmp_path / "empty.wav", np.zeros(0)),
        write(tmp_path / "nan.wav", nan, subtype="FLOAT"),
        write(tmp_path / "silence.wav", np.zeros(8000)),
    ]
    results = list(classify([listener(20)], files))
    assert [file for file, _ in results] == files
    for file, result in results:
        assert isinstance(result, UserError)
        assert str(file) in str(result)
    short = write(tmp_path / "short.wav", np.full(100, 0.5))
    with pytest.raises(UserError, match="shorter than one window"):
        file_log_mel(short, AST_FBANK)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3"])
def test_every_format_and_level_is_heard_alike(tmp_path, name):
    time_s = np.arange(3 * 44_100) / 44_100
    tone = np.stack([np.sin(2 * np.pi * 440 * time_s)] * 2, axis=1)
    loud = file_log_mel(write(tmp_path / name, 0.9 * tone, 44_100), SPEC)
    quiet = file_log_mel(write(tmp_path / f"quiet_{name}", 0.1 * tone, 44_100), SPEC)
    band = loud.mean(0).argmax()
    assert (loud[20:-20, band] - quiet[20:-20, band]).abs().max() < 0.05
    assert loud.max() == pytest.approx(float(quiet.max()), abs=0.02)


def test_one_of_twenty_minutes(tmp_path):
    generator = np.random.default_rng(0)
    file = write(tmp_path / "long.flac", generator.normal(0, 0.1, 20 * 60 * 16_000).clip(-1, 1))
    ((_, probabilities),) = classify([listener(150)], [file])
    assert probabilities.shape == (2,)
    assert probabilities.sum() == pytest.approx(1)
