"""The batches of an epoch: drawn, played and augmented one ahead of the step that learns from them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
from torch.nn.functional import one_hot

from messy_mashup.features import augment
from messy_mashup.features.pictures import Pictures
from messy_mashup.mashup.arrangement import TRAINING, Pool, draw
from messy_mashup.mashup.frames import MashupPlayer
from messy_mashup.recipe import Recipe
from messy_mashup.training.parallel import Ranks

AUGMENTATION, PICTURES = 2, 3  # what is drawn for, beside arrangement.TRAINING and VALIDATION


class Batch(NamedTuple):
    """What one step of the optimizer learns from, or this process's part of it."""

    log_mel: torch.Tensor  # (batch, frames, mels)
    target: torch.Tensor  # (batch, classes), shares that sum to 1


class Feed:
    """Batches as functions of (seed, epoch, step): no batch depends on those before it."""

    def __init__(self, recipe: Recipe, player: MashupPlayer, pool: Pool, frames: int, ranks: Ranks) -> None:
        self.recipe, self.player, self.pool, self.frames, self.ranks = recipe, player, pool, frames, ranks
        self.size = ranks.part_of(recipe.train.batch_size)
        self.pictures = Pictures(recipe.augment, player.spec, frames) if recipe.augment.pictures else None

    def batches(self, epoch: int, steps: range) -> Iterator[Batch]:
        """The batches of these steps; each is made by a thread while the one before it is learnt from."""
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="feed") as thread:
            ahead = None
            for step in steps:
                ready = ahead or thread.submit(self.batch, epoch, step)
                ahead = thread.submit(self.batch, epoch, step + 1) if step + 1 in steps else None
                yield ready.result()

    @torch.no_grad()
    def batch(self, epoch: int, step: int) -> Batch:
        """The batch of one step."""
        train, mashup = self.recipe.train, self.recipe.mashup
        first = step * train.batch_size + self.ranks.rank * self.size
        mashups = draw(self.pool, mashup, (train.seed, TRAINING, epoch), first, self.size)
        log_mel = self.player.log_mel(mashups, self.frames, mashup.burst_level)
        if self.pictures:
            seeds = np.random.SeedSequence((train.seed, PICTURES, epoch, first)).generate_state(self.size)
            log_mel = self.pictures(log_mel.cpu(), seeds.tolist()).to(self.player.device)
        label = torch.from_numpy(mashups.label).to(self.player.device)
        target = one_hot(label, len(self.pool.classes)).float()
        generator = np.random.default_rng((train.seed, AUGMENTATION, epoch, first))
        return Batch(*augment.augmented(log_mel, target, self.recipe.augment, self.player.spec, generator))
