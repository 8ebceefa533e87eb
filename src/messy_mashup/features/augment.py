"""Augmentation of log-mel batches on their device; the input is never changed. Draws come from torch's generator."""

import torch
from torch.nn.functional import interpolate

from messy_mashup.features.frame_spec import FrameSpec
from messy_mashup.recipe import AugmentRecipe

EQUALISER_POINTS = 6


def augmented(
    log_mel: torch.Tensor, target: torch.Tensor, recipe: AugmentRecipe, spec: FrameSpec
) -> tuple[torch.Tensor, torch.Tensor]:
    """The steps that the recipe asks for, on log-mel (batch, frames, mels) and target (batch, classes)."""
    if recipe.mixup:
        log_mel, target = mixup(log_mel, target, recipe.mixup)
    if recipe.equaliser_db:
        log_mel = random_equaliser(log_mel, EQUALISER_POINTS, spec.decibels(recipe.equaliser_db))
    if recipe.masks:
        frames, mels = round(recipe.masked_frames * log_mel.shape[1]), round(recipe.masked_mels * log_mel.shape[2])
        log_mel = spec_augment(log_mel, recipe.masks, frames, mels)
    return log_mel, target


def spec_augment(log_mel: torch.Tensor, masks: int, frames: int, mels: int) -> torch.Tensor:
    """SpecAugment (Park et al. 2019): `masks` masks of up to `frames` frames and of up to `mels` bands each, at the
    clip's mean, on (batch, frames, mels).
    """
    masked = torch.zeros_like(log_mel, dtype=torch.bool)
    for _ in range(masks):
        masked |= _spans(log_mel, log_mel.shape[1], frames)[:, :, None]
        masked |= _spans(log_mel, log_mel.shape[2], mels)[:, None, :]
    return torch.where(masked, log_mel.mean(dim=(1, 2), keepdim=True), log_mel)


def random_equaliser(log_mel: torch.Tensor, points: int, deviation: float) -> torch.Tensor:
    """Add a smooth random curve over the bands of each clip: normal at `points` bands, linear between them
    (FilterAugment, Nam et al. 2022); `deviation` is in the log-mel's own units.
    """
    curve = deviation * torch.randn(len(log_mel), 1, points, device=log_mel.device)
    return log_mel + interpolate(curve, size=log_mel.shape[2], mode="linear", align_corners=True)


def mixup(log_mel: torch.Tensor, target: torch.Tensor, alpha: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Mix every clip, and its target (batch, classes), with another of the batch (Zhang et al. 2018)."""
    concentration = torch.full((len(log_mel),), alpha, device=log_mel.device)
    share = torch.distributions.Beta(concentration, concentration).sample()
    partner = torch.randperm(len(log_mel), device=log_mel.device)
    weight = share[:, None, None]
    mixed = weight * log_mel + (1 - weight) * log_mel[partner]
    return mixed, share[:, None] * target + (1 - share[:, None]) * target[partner]


def _spans(log_mel: torch.Tensor, size: int, longest: int) -> torch.Tensor:
    """For each clip (batch, size) where one span of up to `longest` lies."""
    uniform = torch.rand(2, len(log_mel), 1, device=log_mel.device)
    length = (uniform[0] * (min(longest, size) + 1)).floor()
    begin = (uniform[1] * (size - length + 1)).floor()
    place = torch.arange(size, device=log_mel.device)
    return (place >= begin) & (place < begin + length)
