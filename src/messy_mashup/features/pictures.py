"""Augmentation of log-mels as pictures, by albumentations, on the CPU.

Every clip is changed from its own seed alone, so it does not matter which thread does it, or in which order. For that
reason no noise is added: albumentations 2.0 draws Gaussian noise from OpenCV's generator, which has no seed of ours.
"""

import os
import random
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from messy_mashup.features.frame_spec import FrameSpec
from messy_mashup.recipe import AugmentRecipe

REACH_DB = 200.0  # about the clip's mean: albumentations cuts what is outside [0, 1], and no log-mel reaches so far
STRETCH = (0.9, 1.1)  # of time
SHIFT = 0.03  # of the bands, up or down
CONTRAST = 0.2
HOLES = (1, 6)
HOLE_BANDS, HOLE_FRAMES = (0.02, 0.1), (0.01, 0.05)  # height and width of a hole, as shares


class Pictures:
    """Stretches, shifts, contrasts, holes and masks for log-mels of one size.

    - *Stretch of time, shift of bands* (Affine): another tempo, another key; a genre has many of both. Edges are
      reflected, so that no level appears that the clip does not have.
    - *Contrast about the mean* (ColorJitter): another dynamic range, as by compression or distance.
    - *Holes* (CoarseDropout): single strokes and notes that something else covers.
    - *Masks of time and of bands* (SpecAugment): no single moment or register may decide alone.

    Holes and masks are at the clip's mean, and come last. Each of the five is drawn with probability `recipe.pictures`.
    """

    def __init__(self, recipe: AugmentRecipe, spec: FrameSpec, frames: int) -> None:
        self.shape = (frames, spec.mels)
        self.reach = spec.decibels(REACH_DB)
        self.change = _changes(recipe, *self.shape)
        self.one_at_a_time = threading.Lock()  # albumentations keeps its generators in the transforms

    def __call__(self, log_mel: torch.Tensor, seeds: Sequence[int]) -> torch.Tensor:
        """A changed copy of log-mels (batch, frames, mels), float32 on the CPU; a clip's draws follow from its seed."""
        if log_mel.shape != (len(seeds), *self.shape):
            expected = (len(seeds), *self.shape)
            raise ValueError(f"log-mels of shape {tuple(log_mel.shape)} where {expected} were expected")
        changed = torch.empty(log_mel.shape)
        for clip, seed, place in zip(log_mel.numpy(), seeds, changed.numpy(), strict=True):
            place[:] = self._changed(clip, int(seed))
        return changed

    def _changed(self, clip: np.ndarray, seed: int) -> np.ndarray:
        mean = clip.mean(dtype=np.float64).astype(np.float32)
        picture = np.ascontiguousarray(((clip - mean) / (2 * self.reach) + 0.5).T)  # bands down, frames across
        with self.one_at_a_time:
            # One pair of generators for all: from a seed of its own each transform would draw the same numbers
            self.change.set_random_state(np.random.default_rng(seed), random.Random(seed))
            picture = self.change(image=picture)["image"]
        return (picture.T - 0.5) * (2 * self.reach) + mean


def _changes(recipe: AugmentRecipe, frames: int, mels: int) -> Any:
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # else its import asks the network for a newer one
    import albumentations
    import cv2

    cv2.setNumThreads(0)  # pictures are small, and the cores are the training's
    share, middle = recipe.pictures, 0.5
    time_mask, band_mask = round(recipe.masked_frames * frames), round(recipe.masked_mels * mels)
    changes = [
        albumentations.Affine(
            scale={"x": STRETCH, "y": (1.0, 1.0)},
            translate_percent={"x": (0.0, 0.0), "y": (-SHIFT, SHIFT)},
            border_mode=cv2.BORDER_REFLECT_101,
            p=share,
        ),
        albumentations.ColorJitter(brightness=0, contrast=CONTRAST, saturation=0, hue=0, p=share),
        albumentations.CoarseDropout(HOLES, HOLE_BANDS, HOLE_FRAMES, fill=middle, p=share),
    ]
    if time_mask:
        changes.append(albumentations.XYMasking(num_masks_x=1, mask_x_length=(0, time_mask), fill=middle, p=share))
    if band_mask:
        changes.append(albumentations.XYMasking(num_masks_y=1, mask_y_length=(0, band_mask), fill=middle, p=share))
    return albumentations.Compose(changes)
