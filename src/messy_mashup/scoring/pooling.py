"""Which windows of a clip are heard, and how their logits become one prediction.

Windows are placed over frames, so they cover every sample of which the front-end makes a frame. librosa's frames take
in every sample of a clip (where a hop is no longer than half a window); Kaldi's begin with the clip and leave out what
comes after the last whole one, less than a hop: at most 159 samples for AST, a hundredth of a second. A
network that does not reach the end of its window, as AST's patches do not, says so by `unheard_frames`.
"""

import math
from typing import Literal, NamedTuple

import numpy as np
from scipy.special import log_softmax, logsumexp

from messy_mashup.recipe import ScoringRecipe


class Opinion(NamedTuple):
    """What a model makes of a clip."""

    logits: np.ndarray  # (classes,) float64
    votes: np.ndarray  # (classes,) share of the chunks that chose each class
    chunks: int  # that were asked


def chunk_windows(length: int, frames: int, chunk_frames: int, scoring: ScoringRecipe) -> list[np.ndarray]:
    """The first frames of the windows of `frames` frames in a clip of `length`, an array for every chunk that has an
    opinion of its own.

    Overlapping windows cover all frames, and the last ends where the clip ends; each is a chunk. Random chunks begin at
    the same shares of every clip, so that no clip's result depends on the others. They are as long as a window, or have
    `chunk_frames` frames, where that is more, and are then covered by overlapping windows.
    """
    if scoring.windows == "overlapping":
        return [np.array([start]) for start in _overlapping(length, frames, scoring.overlap)]
    chunk = min(length, max(frames, chunk_frames))
    within = _overlapping(chunk, frames, scoring.overlap)
    return [start + within for start in _random(length, chunk, scoring)]


def _overlapping(length: int, frames: int, overlap: float) -> np.ndarray:
    last_start = length - frames
    if last_start <= 0:
        return np.zeros(1, int)
    step = max(1, frames - math.ceil(frames * overlap))
    return np.linspace(0, last_start, 1 + math.ceil(last_start / step)).round().astype(int)


def _random(length: int, frames: int, scoring: ScoringRecipe) -> np.ndarray:
    last_start = length - frames
    if last_start <= 0:
        return np.zeros(1, int)
    stream = np.random.Philox(key=np.random.SeedSequence(scoring.seed).generate_state(2, np.uint64))
    shares = np.random.Generator(stream).random(scoring.chunks)
    return (shares * (last_start + 1)).astype(int)


def pool(windows: np.ndarray, pooled: Literal["logits", "probabilities", "majority"]) -> Opinion:
    """One opinion from the logits (windows, classes) of a clip's windows, or of its chunks.

    "logits" is their mean; "probabilities" the logarithm of the mean probabilities; "majority" that of the mean over
    the windows that chose the class which most windows chose, so that its highest probability is that class's. Of
    classes with equal votes the one that is likelier in the mean over all windows wins.
    """
    windows = windows.astype(np.float64)
    if not np.isfinite(windows).all():
        # A vote would hide a window that has none
        return Opinion(*np.full((2, windows.shape[1]), np.nan), len(windows))
    if pooled == "logits":
        return _voted(mean_logits(windows), windows)
    likely = _log_mean(windows)
    if pooled == "probabilities":
        return _voted(likely, windows)
    chosen = windows.argmax(axis=1)
    votes = np.bincount(chosen, minlength=len(likely))
    winner = np.where(votes == votes.max(), likely, -np.inf).argmax()
    return _voted(_log_mean(windows[chosen == winner]), windows)


def mean_logits(windows: np.ndarray) -> np.ndarray:
    """The mean (classes,) float64 of logits (windows, classes)."""
    # Row after row: numpy's own sum may add in another order
    return sum(windows.astype(np.float64), np.zeros(windows.shape[1])) / len(windows)


def _voted(logits: np.ndarray, windows: np.ndarray) -> Opinion:
    votes = np.bincount(windows.argmax(axis=1), minlength=windows.shape[1])
    return Opinion(logits, votes / len(windows), len(windows))


def _log_mean(windows: np.ndarray) -> np.ndarray:
    """The logarithm of the mean probabilities, finite however small they are."""
    return logsumexp(log_softmax(windows, axis=1), axis=0) - math.log(len(windows))
