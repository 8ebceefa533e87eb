"""Augmentation of log-mels as pictures."""

import random
import threading

import numpy as np
import pytest
import torch

from messy_mashup.features import pictures
from messy_mashup.features.frame_spec import AST_FBANK, librosa_log_mel
from messy_mashup.features.pictures import Pictures
from messy_mashup.recipe import AugmentRecipe

FRAMES, MELS = 145, 96
SPEC = librosa_log_mel(MELS, 160, 1024)


@pytest.fixture(scope="module")
def log_mel() -> torch.Tensor:
    return torch.randn(8, FRAMES, MELS, generator=torch.Generator().manual_seed(0)) - 0.5


def always(**settings: float) -> Pictures:
    return Pictures(AugmentRecipe(pictures=1.0, **settings), SPEC, FRAMES)


def only(change: Pictures, *names: str) -> Pictures:
    """The same with only the named transforms applied."""
    for transform in change.change.transforms:
        transform.p = 1.0 if type(transform).__name__ in names else 0.0
    return change


def test_a_clip_s_result_follows_from_its_seed_alone(log_mel):
    change = Pictures(AugmentRecipe(pictures=0.5), SPEC, FRAMES)
    seeds = list(range(50, 58))
    first = change(log_mel, seeds)
    backwards = change(log_mel.flip(0), seeds[::-1]).flip(0)
    one_by_one = torch.cat([change(log_mel[k : k + 1], np.array([seeds[k]])) for k in (3, 0, 7, 1, 2, 4, 6, 5)])
    assert torch.equal(first, backwards)
    assert torch.equal(first[[3, 0, 7, 1, 2, 4, 6, 5]], one_by_one)
    assert torch.equal(first, Pictures(AugmentRecipe(pictures=0.5), SPEC, FRAMES)(log_mel, seeds))
    assert not torch.equal(first, change(log_mel, list(range(58, 66))))


def test_threads_at_once_get_what_one_would(log_mel):
    change = Pictures(AugmentRecipe(pictures=0.5), SPEC, FRAMES)
    expected = [change(log_mel, range(k, k + 8)) for k in range(0, 32, 8)]
    got: dict[int, list[torch.Tensor]] = {}

    def work(number: int) -> None:
        got[number] = [change(log_mel, range(8 * number, 8 * number + 8)) for _ in range(5)]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(expected[number], result) for number in range(4) for result in got[number])


def test_the_input_and_the_global_generators_stay_as_they_are(log_mel):
    before = log_mel.clone()
    states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    changed = always()(log_mel, range(8))
    assert torch.equal(log_mel, before)
    assert changed.data_ptr() != log_mel.data_ptr()
    assert (changed.shape, changed.dtype) == (log_mel.shape, torch.float32)
    assert all(not torch.equal(one, other) for one, other in zip(changed, log_mel, strict=True))
    assert torch.equal(torch.get_rng_state(), states[0])
    assert np.array_equal(np.random.get_state()[1], states[1])
    assert random.getstate() == states[2]


def test_masks_are_spans_over_time_and_bands_at_the_clip_s_mean(log_mel):
    change = only(always(masked_frames=0.2, masked_mels=0.1), "XYMasking")
    changed = change(log_mel.repeat(8, 1, 1), range(64))
    longest_time = longest_bands = 0
    for before, after in zip(log_mel.repeat(8, 1, 1), changed, strict=True):
        masked = (after - before).abs() > 1e-5
        frames, bands = masked.float().mean(1) > 0.95, masked.float().mean(0) > 0.95
        torch.testing.assert_close(masked, (frames[:, None] | bands) & masked)
        torch.testing.assert_close(after[masked], before.mean().expand(int(masked.sum())), rtol=0, atol=1e-6)
        for lines in (frames, bands):
            assert int(lines.int().diff().abs().sum()) <= 2  # one span
        longest_time = max(longest_time, int(frames.sum()))
        longest_bands = max(longest_bands, int(bands.sum()))
    assert 20 < longest_time <= round(0.2 * FRAMES)
    assert 6 < longest_bands <= round(0.1 * MELS)


def test_holes_are_small_and_at_the_clip_s_mean(log_mel):
    changed = only(always(), "CoarseDropout")(log_mel, range(8))
    masked = (changed - log_mel).abs() > 1e-5
    mean = log_mel.mean((1, 2), keepdim=True).expand_as(log_mel)
    torch.testing.assert_close(changed[masked], mean[masked], rtol=0, atol=1e-6)
    most = pictures.HOLES[1] * pictures.HOLE_BANDS[1] * pictures.HOLE_FRAMES[1]
    assert 0 < masked.float().mean((1, 2)).max() <= most


def test_contrast_is_about_the_mean(log_mel):
    changed = only(always(), "ColorJitter")(log_mel, range(8))
    mean = log_mel.mean((1, 2), keepdim=True)
    factor = (changed - mean).std((1, 2)) / (log_mel - mean).std((1, 2))
    torch.testing.assert_close(changed, mean + factor[:, None, None] * (log_mel - mean), rtol=0, atol=1e-4)
    assert factor.min() > 1 - pictures.CONTRAST - 1e-3
    assert factor.max() < 1 + pictures.CONTRAST + 1e-3
    assert factor.std() > 0.02


def test_a_shift_moves_bands_and_a_stretch_moves_time():
    """A line at one band stays one, a few bands off at most; a stroke stays one, nearer the middle or farther."""
    change = only(always(), "Affine")
    line, stroke = torch.zeros(32, FRAMES, MELS), torch.zeros(32, FRAMES, MELS)
    line[:, :, 40] = 1
    stroke[:, 20:23] = 1
    moved = change(line, range(32))
    bands = moved.mean(1).argmax(1) - 40
    assert bands.abs().max() <= 3
    assert len(bands.unique()) > 3
    assert moved.std(1).max() < 1e-4  # the same at all times
    times = change(stroke, range(32)).mean(2).argmax(1)
    assert 72 - 1.1 * 53 <= times.min() < 19
    assert 23 < times.max() <= 72 - 0.9 * 50


def test_changes_are_drawn_apart_from_each_other(log_mel):
    """With one seed for all transforms albumentations would apply all of them to a clip or none."""
    change = Pictures(AugmentRecipe(pictures=0.5, masked_frames=0, masked_mels=0), SPEC, FRAMES)
    changed = change(log_mel[:1].repeat(200, 1, 1), range(200))
    same = (changed - log_mel[:1]).abs().amax((1, 2)) < 1e-5
    assert 0.06 < same.float().mean() < 0.2  # of three transforms none: an eighth
    holed = ((changed - log_mel[:1].mean()).abs() < 1e-6).float().mean((1, 2)) > 1e-3
    assert 0.35 < holed.float().mean() < 0.65


@pytest.mark.parametrize("spec", [SPEC, AST_FBANK], ids=["librosa", "ast"])
def test_extreme_levels_are_not_cut(spec):
    """Digital silence but for one frame at the loudest there is, with no transform drawn."""
    change = Pictures(AugmentRecipe(pictures=0.0), spec, FRAMES)
    log_mel = torch.full((1, FRAMES, spec.mels), -spec.decibels(140))
    log_mel[:, 70] = spec.decibels(45)
    torch.testing.assert_close(change(log_mel, [0]), log_mel, rtol=0, atol=2e-6)


def test_a_clip_of_one_level_stays_at_it():
    silence = torch.full((4, FRAMES, MELS), -2.3333)
    torch.testing.assert_close(always()(silence, range(4)), silence, rtol=0, atol=1e-5)


def test_another_size_is_refused(log_mel):
    with pytest.raises(ValueError, match=r"\(8, 145, 96\) where \(7, 145, 96\)"):
        always()(log_mel, range(7))
