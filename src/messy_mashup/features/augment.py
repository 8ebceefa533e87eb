"""Augmentation of log-mel batches on their device; the input is never changed.

Draws are small and come from numpy on the host, so that they are the same on every device.
"""

import numpy as np
import torch
from torch.nn.functional import interpolate

from messy_mashup.features.frame_spec import FrameSpec
from messy_mashup.recipe import AugmentRecipe

EQUALISER_POINTS = 6


def augmented(
    log_mel: torch.Tensor, target: torch.Tensor, recipe: AugmentRecipe, spec: FrameSpec, generator: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """The steps that the recipe asks for, on log-mel (batch, frames, mels) and target (batch, classes)."""
    if recipe.mixup:
        log_mel, target = mixup(log_mel, target, recipe.mixup, generator)
    if recipe.equaliser_db:
        log_mel = random_equaliser(log_mel, EQUALISER_POINTS, spec.decibels(recipe.equaliser_db), generator)
    if recipe.masks:
        frames, mels = round(recipe.masked_frames * log_mel.shape[1]), round(recipe.masked_mels * log_mel.shape[2])
        log_mel = spec_augment(log_mel, recipe.masks, frames, mels, generator)
    return log_mel, target


def spec_augment(
    log_mel: torch.Tensor, masks: int, frames: int, mels: int, generator: np.random.Generator
) -> torch.Tensor:
    """SpecAugment (Park et al. 2019): `masks` masks of up to `frames` frames and of up to `mels` bands each, at the
    clip's mean, on (batch, frames, mels).
    """
    masked = torch.zeros_like(log_mel, dtype=torch.bool)
    for _ in range(masks):
        masked |= _spans(log_mel, log_mel.shape[1], frames, generator)[:, :, None]
        masked |= _spans(log_mel, log_mel.shape[2], mels, generator)[:, None, :]
    return torch.where(masked, log_mel.mean(dim=(1, 2), keepdim=True), log_mel)


def random_equaliser(
    log_mel: torch.Tensor, points: int, deviation: float, generator: np.random.Generator
) -> torch.Tensor:
    """Add a smooth random curve over the bands of each clip: normal at `points` bands, linear between them
    (FilterAugment, Nam et al. 2022); `deviation` is in the log-mel's own units.
    """
    curve = _put(deviation * generator.standard_normal((len(log_mel), 1, points)), log_mel)
    return log_mel + interpolate(curve, size=log_mel.shape[2], mode="linear", align_corners=True)


def mixup(
    log_mel: torch.Tensor, target: torch.Tensor, alpha: float, generator: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mix every clip, and its target (batch, classes), with another of the batch (Zhang et al. 2018)."""
    share = _put(generator.beta(alpha, alpha, len(log_mel)), log_mel)
    partner = torch.from_numpy(generator.permutation(len(log_mel))).to(log_mel.device)
    weight = share[:, None, None]
    mixed = weight * log_mel + (1 - weight) * log_mel[partner]
    return mixed, share[:, None] * target + (1 - share[:, None]) * target[partner]


def _spans(log_mel: torch.Tensor, size: int, longest: int, generator: np.random.Generator) -> torch.Tensor:
    """For each clip (batch, size) where one span of up to `longest` lies."""
    length = generator.integers(0, min(longest, size) + 1, (len(log_mel), 1))
    begin = generator.integers(0, size - length + 1)
    place = np.arange(size)
    return torch.from_numpy((place >= begin) & (place < begin + length)).to(log_mel.device)


def _put(values: np.ndarray, like: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(values.astype(np.float32)).to(like.device)
