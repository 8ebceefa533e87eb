"""The batches of an epoch: drawn, played and augmented one ahead of the step that learns from them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
from torch.nn.functional import one_hot

from messy_mashup.features import augment
from messy_mashup.features.pictures import Pictures
from messy_mashup.mashup.arrangement import Arrangements, draw
from messy_mashup.mashup.frames import MashupPlayer
from messy_mashup.mashup.pool import Pool
from messy_mashup.purposes import AUGMENTATION, PICTURES, TRAINING
from messy_mashup.recipe import Recipe
from messy_mashup.training.parallel import Ranks
from messy_mashup.training.teacher import Teacher


class Batch(NamedTuple):
    """What one step of the optimizer learns from, or this process's part of it."""

    log_mel: torch.Tensor  # (batch, frames, mels)
    target: torch.Tensor  # (batch, classes), shares that sum to 1


class Feed:
    """Batches as functions of (seed, epoch, step): no batch depends on those before it."""

    def __init__(
        self,
        recipe: Recipe,
        player: MashupPlayer,
        pool: Pool,
        frames: int,
        ranks: Ranks,
        teacher: Teacher | None = None,
    ) -> None:
        self.recipe, self.player, self.pool, self.frames, self.ranks = recipe, player, pool, frames, ranks
        self.teacher = teacher
        self.size = ranks.part_of(recipe.train.batch_size)
        # On a GPU the feed has a stream of its own, so that its waits are not for the step that is being learnt.
        self.stream = torch.cuda.Stream(player.device) if player.device.type == "cuda" else None
        if self.stream:
            self.stream.wait_stream(torch.cuda.current_stream(player.device))
        self.pictures = Pictures(recipe.augment, player.spec, frames) if recipe.augment.pictures else None

    def batches(self, epoch: int, steps: range) -> Iterator[Batch]:
        """The batches of these steps; each is made by a thread while the one before it is learnt from."""
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="feed") as thread:
            ahead = None
            for step in steps:
                ready = ahead or thread.submit(self._made, epoch, step)
                ahead = thread.submit(self._made, epoch, step + 1) if step + 1 in steps else None
                yield self._handed_over(*ready.result())

    def batch(self, epoch: int, step: int) -> Batch:
        """The batch of one step."""
        return self._handed_over(*self._made(epoch, step))

    def _made(self, epoch: int, step: int) -> tuple[Batch, torch.cuda.Event | None]:
        """A batch, and on a GPU the moment at which it is whole."""
        if self.stream is None:
            return self._drawn(epoch, step), None
        with torch.cuda.stream(self.stream):
            return self._drawn(epoch, step), self.stream.record_event()

    def _handed_over(self, batch: Batch, whole: torch.cuda.Event | None) -> Batch:
        if whole is not None:
            learning = torch.cuda.current_stream(self.player.device)
            learning.wait_event(whole)
            for part in batch:
                part.record_stream(learning)
        return batch

    @torch.no_grad()
    def _drawn(self, epoch: int, step: int) -> Batch:
        train, mashup = self.recipe.train, self.recipe.mashup
        first = step * train.batch_size + self.ranks.rank * self.size
        mashups = draw(self.pool, mashup, (train.seed, TRAINING, epoch), first, self.size)
        log_mel = self.player.log_mel(mashups, self.frames, mashup.burst_level)
        if self.pictures:
            seeds = np.random.SeedSequence((train.seed, PICTURES, epoch, first)).generate_state(self.size)
            log_mel = self.pictures(log_mel.cpu(), seeds.tolist()).to(self.player.device)
        target = self._target(mashups)
        generator = np.random.default_rng((train.seed, AUGMENTATION, epoch, first))
        return Batch(*augment.augmented(log_mel, target, self.recipe.augment, self.player.spec, generator))

    def _target(self, mashups: Arrangements) -> torch.Tensor:
        """The true labels (batch, classes) as shares, or as far as the recipe says what the teacher makes of them."""
        label = torch.from_numpy(mashups.label).to(self.player.device)
        true = one_hot(label, len(self.pool.classes)).float()
        if self.teacher is None:
            return true
        return true.lerp(self.teacher.probabilities(mashups).to(true), self.recipe.teacher.share)
