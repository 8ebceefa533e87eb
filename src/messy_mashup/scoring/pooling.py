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
    votes: float  # share of the windows that chose the class of the highest logit


def window_starts(length: int, frames: int, scoring: ScoringRecipe) -> np.ndarray:
    """The first frame of every window of `frames` frames in a clip of `length`; a clip that is not longer has one.

    Overlapping windows cover all frames, and the last ends where the clip ends. Random ones begin at the same shares
    of every clip, so that no clip's result depends on the others.
    """
    last_start = length - frames
    if last_start <= 0:
        return np.zeros(1, int)
    if scoring.windows == "random":
        stream = np.random.Philox(key=np.random.SeedSequence(scoring.seed).generate_state(2, np.uint64))
        shares = np.random.Generator(stream).random(scoring.chunks)
        return (shares * (last_start + 1)).astype(int)
    step = max(1, frames - math.ceil(frames * scoring.overlap))
    return np.linspace(0, last_start, 1 + math.ceil(last_start / step)).round().astype(int)


def pool(windows: np.ndarray, pooled: Literal["logits", "probabilities", "majority"]) -> Opinion:
    """One opinion from the logits (windows, classes) of a clip's windows.

    "logits" is their mean; "probabilities" the logarithm of the mean probabilities; "majority" that of the mean over
    the windows that chose the class which most windows chose, so that its highest probability is that class's. Of
    classes with equal votes the one that is likelier in the mean over all windows wins.
    """
    windows = windows.astype(np.float64)
    if not np.isfinite(windows).all():
        # A vote would hide a window that has none
        return Opinion(np.full(windows.shape[1], np.nan), math.nan)
    if pooled == "logits":
        # Row after row: numpy's own sum may add in another order
        return _voted(sum(windows, np.zeros(windows.shape[1])) / len(windows), windows)
    likely = _log_mean(windows)
    if pooled == "probabilities":
        return _voted(likely, windows)
    chosen = windows.argmax(axis=1)
    votes = np.bincount(chosen, minlength=len(likely))
    winner = np.where(votes == votes.max(), likely, -np.inf).argmax()
    return _voted(_log_mean(windows[chosen == winner]), windows)


def _voted(logits: np.ndarray, windows: np.ndarray) -> Opinion:
    return Opinion(logits, float((windows.argmax(axis=1) == logits.argmax()).mean()))


def _log_mean(windows: np.ndarray) -> np.ndarray:
    """The logarithm of the mean probabilities, finite however small they are."""
    return logsumexp(log_softmax(windows, axis=1), axis=0) - math.log(len(windows))
