"""Windows and pools of a clip: nothing is left out, the default is what it was, a majority is a majority."""

import math

import numpy as np
import pytest
import torch
from scipy.special import log_softmax, softmax

from messy_mashup.features.frame_spec import AST_FBANK, librosa_log_mel
from messy_mashup.features.logmel import wave_log_mel
from messy_mashup.recipe import ScoringRecipe
from messy_mashup.scoring.pooling import chunk_windows, pool

LENGTHS = [1, 50, 99, 100, 101, 150, 151, 333, 1000]
RANDOM = ScoringRecipe(windows="random")
LIBROSA = librosa_log_mel(mels=64, hop=320, fft=1024)


def window_starts(length, frames, scoring):
    """Where the windows begin, each of which is a chunk."""
    chunks = chunk_windows(length, frames, 0, scoring)
    assert all(len(chunk) == 1 for chunk in chunks)
    return np.concatenate(chunks)


@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.5, 0.75, 0.99])
@pytest.mark.parametrize("length", LENGTHS)
def test_overlapping_windows_cover_every_frame_and_end_where_the_clip_ends(length, overlap):
    starts = window_starts(length, 100, ScoringRecipe(overlap=overlap))
    heard = {frame for start in starts for frame in range(start, start + 100)}
    assert set(range(length)) <= heard
    assert starts[0] == 0
    assert starts[-1] == max(0, length - 100)
    shared = 1 - np.diff(starts) / 100
    assert (shared >= overlap).all()
    assert (np.diff(starts) > 0).all()


@pytest.mark.parametrize("frames", [1, 2, 99, 100, 101])
def test_the_default_s_windows_are_those_that_were_always_taken(frames):
    for length in range(frames + 1, 700, 7):
        last = length - frames
        count = 1 + math.ceil(last / max(1, frames // 2))
        before = np.linspace(0, last, count).round().astype(int)
        np.testing.assert_array_equal(window_starts(length, frames, ScoringRecipe()), before)


def last_samples_unheard(spec, samples):
    """How many samples at a clip's end change nothing in its log-mel."""
    wave = 0.1 * torch.randn(samples, generator=torch.Generator().manual_seed(0))
    before = wave_log_mel(wave, spec)
    for unheard in range(2 * spec.hop):
        wave[samples - 1 - unheard] += 0.5
        if not torch.equal(wave_log_mel(wave, spec), before):
            return unheard
    return 2 * spec.hop


@pytest.mark.parametrize("more", [0, 1, 80, 159])
def test_librosa_hears_the_last_sample_and_kaldi_at_most_a_hop_less_one_before_it(more):
    """Whatever is in a frame is in a window, as above: so these are all the samples that are not heard."""
    assert last_samples_unheard(LIBROSA, 16_000 + more) == 0
    assert last_samples_unheard(AST_FBANK, AST_FBANK.window + 100 * AST_FBANK.hop + more) == more
    assert AST_FBANK.hop == 160


def test_random_windows_are_the_seed_s_and_lie_within_the_clip():
    starts = window_starts(1000, 100, RANDOM)
    assert len(starts) == 20
    assert starts.min() >= 0
    assert starts.max() <= 900
    np.testing.assert_array_equal(starts, window_starts(1000, 100, RANDOM))
    assert not np.array_equal(starts, window_starts(1000, 100, ScoringRecipe(windows="random", seed=1)))
    np.testing.assert_allclose(starts / 901, window_starts(9100, 100, RANDOM) / 9001, atol=0.002)
    many = window_starts(109, 100, ScoringRecipe(windows="random", chunks=4000))
    assert (np.bincount(many, minlength=10) > 300).all()  # of 400 each, the last start as often as the first
    for length in (1, 99, 100):
        np.testing.assert_array_equal(window_starts(length, 100, RANDOM), [0])


def test_long_chunks_are_heard_whole_by_overlapping_windows():
    recipe = ScoringRecipe(windows="random", chunks=5, chunk_s=1.0)
    chunks = chunk_windows(2000, 100, 330, recipe)
    assert len(chunks) == 5
    for chunk in chunks:
        assert chunk[-1] - chunk[0] == 330 - 100  # from its first frame to its last
        assert (np.diff(chunk) <= 50).all()
        assert 0 <= chunk[0] <= chunk[-1] <= 2000 - 100
    assert len({chunk[0] for chunk in chunks}) == 5
    (whole,) = chunk_windows(250, 100, 330, recipe)  # a clip that is shorter than a chunk is one
    np.testing.assert_array_equal(whole, window_starts(250, 100, ScoringRecipe()))


def of(*probabilities):
    return np.log(np.array(probabilities)).astype(np.float32)


def test_logits_are_averaged_as_they_always_were():
    windows = np.random.default_rng(0).normal(0, 5, (37, 10)).astype(np.float32)
    total = np.zeros(10)
    for row in windows:
        total += row
    np.testing.assert_array_equal(pool(windows, "logits").logits, total / 37)


def test_probabilities_are_averaged():
    windows = 3 * np.random.default_rng(0).normal(size=(7, 10)).astype(np.float32)
    mean = softmax(windows.astype(np.float64), axis=1).mean(axis=0)
    np.testing.assert_allclose(np.exp(pool(windows, "probabilities").logits), mean)


def test_a_majority_s_confidence_is_the_mean_over_the_windows_that_chose_it():
    windows = of([0.5, 0.3, 0.2], [0.6, 0.1, 0.3], [0.01, 0.98, 0.01])
    opinion = pool(windows, "majority")
    np.testing.assert_allclose(np.exp(opinion.logits), [0.55, 0.2, 0.25], atol=1e-6)
    np.testing.assert_allclose(opinion.votes, [2 / 3, 1 / 3, 0])
    assert opinion.chunks == 3
    mean = pool(windows, "probabilities")
    assert mean.logits.argmax() == 1
    assert mean.votes[1] == pytest.approx(1 / 3)


def test_of_equal_votes_the_likelier_class_wins_wherever_it_stands():
    windows = of([0.51, 0.48, 0.01], [0.05, 0.9, 0.05])
    for order in ([0, 1, 2], [1, 0, 2], [2, 1, 0]):
        opinion = pool(windows[:, order], "majority")
        assert order[opinion.logits.argmax()] == 1
        assert np.exp(opinion.logits.max()) == pytest.approx(0.9, abs=1e-6)
        assert opinion.votes[opinion.logits.argmax()] == 0.5


@pytest.mark.parametrize("pooled", ["logits", "probabilities", "majority"])
def test_one_window_is_its_own_opinion_and_certainty_stays_finite(pooled):
    (window,) = windows = np.array([[500.0, -500.0, 0.0]], np.float32)
    opinion = pool(windows, pooled)
    np.testing.assert_allclose(log_softmax(opinion.logits), log_softmax(window.astype(np.float64)))
    np.testing.assert_array_equal(opinion.votes, [1, 0, 0])
    assert np.isfinite(opinion.logits.astype(np.float32)).all()


@pytest.mark.parametrize("pooled", ["logits", "probabilities", "majority"])
@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_a_broken_window_is_not_outvoted(pooled, broken):
    windows = np.zeros((5, 3), np.float32)
    windows[2, 1] = broken
    opinion = pool(windows, pooled)
    assert np.isnan(opinion.logits).all()
    assert np.isnan(opinion.votes).all()
