"""Whole clips: every frame is heard, the tail is never dropped, and nothing unreadable becomes a genre."""

import math
import weakref
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch
from torch import nn

from messy_mashup.errors import UserError
from messy_mashup.features.frame_spec import AST_FBANK, librosa_log_mel
from messy_mashup.features.logmel import padding_value
from messy_mashup.recipe import ScoringRecipe
from messy_mashup.scoring.predict import Listener, file_log_mel, windows_of
from messy_mashup.scoring.verdicts import classify

SPEC = librosa_log_mel(mels=64, hop=320, fft=1024)


class MeanOfBands(nn.Module):
    """Logits that are the first two bands' means, so that the mean over windows can be told by hand."""

    def forward(self, log_mel: torch.Tensor) -> torch.Tensor:
        return log_mel[:, :, :2].mean(1)


def listener(frames: int) -> Listener:
    return Listener(MeanOfBands(), SPEC, frames, ("jazz", "rock"), torch.device("cpu"))


@pytest.mark.parametrize("length", [1, 50, 99, 100, 101, 150, 151, 333, 1000])
def test_windows_hold_every_frame_and_a_short_clip_is_filled(length):
    clip = torch.arange(length)[:, None].repeat(1, 3).float()
    windows = [window for _, window in windows_of(clip, 100, SPEC, ScoringRecipe())]
    heard = torch.cat([window[:, 0] for window in windows]).unique()
    assert set(range(length)) <= set(heard.tolist())
    assert all(window.shape == (100, 3) for window in windows)
    if length >= 100:
        assert windows[-1][-1, 0] == length - 1
    else:
        assert len(windows) == 1
        assert (windows[0][length:] == padding_value(SPEC)).all()


def clips_of(*lengths: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(length, 64, generator=generator) for length in lengths]


def test_logits_are_the_mean_over_a_clips_own_windows():
    clips = clips_of(30, 100, 250, 7000, 100)
    together = listener(100).logits(clips)
    assert together.shape == (5, 2)
    for clip, logits in zip(clips, together, strict=True):
        windows = torch.stack([window for _, window in windows_of(clip, 100, SPEC, ScoringRecipe())])
        np.testing.assert_allclose(logits, windows[:, :, :2].mean((0, 1)), atol=1e-5)


def test_the_default_gives_the_bits_that_it_always_gave():
    """As it was before scoring was a recipe: batches of 64 windows, sums in float64 in the order of the windows."""
    torch.manual_seed(0)
    hearer = replace(listener(100), model=nn.Sequential(nn.Flatten(), nn.Linear(6400, 30), nn.GELU(), nn.Linear(30, 2)))
    clips = clips_of(30, 7000, 100, 250, 333, 101)
    queue = []
    for clip, log_mel in enumerate(clips):
        last = len(log_mel) - 100
        starts = np.linspace(0, max(0, last), 1 + math.ceil(max(0, last) / 50)).round().astype(int)
        whole = nn.functional.pad(log_mel, (0, 0, 0, max(0, -last)), value=padding_value(SPEC))
        queue += [(clip, whole[start : start + 100]) for start in starts]
    sums, counts = np.zeros((len(clips), 2)), np.zeros((len(clips), 1))
    for begin in range(0, len(queue), 64):
        batch = queue[begin : begin + 64]
        with torch.inference_mode():
            logits = hearer.model(torch.stack([window for _, window in batch])).numpy()
        for (clip, _), row in zip(batch, logits, strict=True):
            sums[clip] += row
            counts[clip] += 1
    np.testing.assert_array_equal(hearer.logits(clips), (sums / counts).astype(np.float32))


RANDOM = ScoringRecipe(windows="random", pooled="majority")


@pytest.mark.parametrize("scoring", [ScoringRecipe(), RANDOM, replace(RANDOM, pooled="probabilities")])
def test_a_clip_s_result_depends_on_no_other_clip(scoring):
    clips = clips_of(30, 7000, 100, 250, 333, 101)
    hearer = replace(listener(100), scoring=scoring)
    together = hearer.logits(clips)
    np.testing.assert_allclose(hearer.logits(clips[::-1])[::-1], together, rtol=1e-5, atol=1e-6)
    for clip, logits in zip(clips, together, strict=True):
        np.testing.assert_allclose(hearer.logits([clip])[0], logits, rtol=1e-5, atol=1e-6)


def test_votes_are_told_of_each_clip():
    clip = torch.zeros(1000, 64)
    clip[:250, 0], clip[250:, 1] = 8.0, 1.0
    hearer = replace(listener(50), scoring=ScoringRecipe(overlap=0, pooled="majority"))
    (opinion,) = hearer.opinions([clip])
    assert hearer.classes[opinion.logits.argmax()] == "rock"
    assert opinion.votes.max() == 0.75
    (mean,) = replace(hearer, scoring=ScoringRecipe(overlap=0)).opinions([clip])
    assert (hearer.classes[mean.logits.argmax()], mean.votes[mean.logits.argmax()]) == ("jazz", 0.25)


def test_no_more_than_a_batch_and_a_clip_is_held_at_once():
    """Two thousand clips, of which a few are alive at any time."""
    alive, most = weakref.WeakSet(), 0

    def clips():
        nonlocal most
        for _ in range(2000):
            clip = torch.zeros(150, 64)
            alive.add(clip)
            most = max(most, len(alive))
            yield clip

    assert listener(100).logits(clips()).shape == (2000, 2)
    assert most <= 66


def test_no_clip_gives_no_row():
    assert listener(100).logits([]).shape == (0, 2)


def write(path, wave, rate_hz=16_000, **options):
    soundfile.write(path, wave, rate_hz, **options)
    return path


def first(logits: np.ndarray) -> np.ndarray:
    """The first member's logits."""
    return logits[0]


def test_what_cannot_be_classified_is_a_sentence_that_names_the_file(tmp_path):
    (tmp_path / "text.wav").write_text("no audio at all")
    nan = np.full(8000, np.nan, np.float32)
    files = [
        tmp_path / "text.wav",
        write(tmp_path / "empty.wav", np.zeros(0)),
        write(tmp_path / "nan.wav", nan, subtype="FLOAT"),
        write(tmp_path / "silence.wav", np.zeros(8000)),
    ]
    results = list(classify([listener(20)], files, first))
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
    ((_, verdict),) = classify([listener(150)], [file], first)
    assert verdict.probabilities.shape == (2,)
    assert verdict.probabilities.sum() == pytest.approx(1)
    assert 0 < verdict.votes <= 1


class Broken(nn.Module):
    """Gives no number."""

    def forward(self, log_mel: torch.Tensor) -> torch.Tensor:
        return torch.full((len(log_mel), 2), torch.nan)


def test_logits_that_are_no_numbers_become_no_genre(tmp_path):
    tone = write(tmp_path / "a.wav", 0.5 * np.sin(np.arange(16_000)))
    ((_, result),) = classify([listener(20), replace(listener(20), model=Broken())], [tone], first)
    assert isinstance(result, UserError)
    assert "a.wav: the model gave no finite logits" in str(result)
