"""A blend as a teacher: its probabilities of fresh mashups, from which one student learns what many members know.

Hinton, Vinyals, Dean: Distilling the knowledge in a neural network (2015). The student of a fold is taught by the
members that never heard the fold's songs, so that its held-out score means what everyone's does.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from messy_mashup.data.bank import Bank
from messy_mashup.data.folds import ALL
from messy_mashup.errors import UserError
from messy_mashup.features.frame_spec import FrameSpec
from messy_mashup.mashup.arrangement import Arrangements
from messy_mashup.mashup.frames import MashupPlayer
from messy_mashup.recipe import BurstLevel, Recipe, TeacherRecipe
from messy_mashup.scoring.blending import RankMean
from messy_mashup.scoring.ensemble import Blend, combine_members
from messy_mashup.scoring.predict import Listener
from messy_mashup.training.run_folder import fold_name
from messy_mashup.training.trained import load_member


class Teacher:
    """The members of a blend that may teach a fold, with what each hears mashups through."""

    def __init__(
        self, blend: Blend, listeners: Sequence[Listener], bank: Bank, recipe: TeacherRecipe, burst_level: BurstLevel
    ) -> None:
        self.blend, self.listeners, self.recipe, self.burst_level = blend, listeners, recipe, burst_level
        self.players: dict[FrameSpec, MashupPlayer] = {
            listener.spec: MashupPlayer(bank, listener.spec, listener.device) for listener in listeners
        }
        for listener in listeners:
            listener.model.eval()

    @torch.inference_mode()
    def probabilities(self, mashups: Arrangements) -> torch.Tensor:
        """The blend's (batch, classes), softened by the recipe's temperature; each member hears its own window at the
        place where the student listens.
        """
        logits = np.stack([self._logits(listener, mashups) for listener in self.listeners])
        softened = combine_members(logits, self.blend) / self.recipe.temperature
        return torch.from_numpy(softened).softmax(dim=1)

    def _logits(self, listener: Listener, mashups: Arrangements) -> np.ndarray:
        log_mel = self.players[listener.spec].log_mel(mashups, listener.frames, self.burst_level)
        with torch.autocast(listener.device.type, listener.dtype, enabled=listener.dtype != torch.float32):
            return listener.model(log_mel).float().cpu().numpy()


def teaching_members(blend: Blend, fold: int) -> Blend:
    """The part of a blend that may teach a fold: its runs' members of that fold, or of all songs where the student is
    trained on all; then, where the blend has none of these, all its members.

    UserError where a run that the blend combines has no such member.
    """
    if isinstance(blend.rule.combiner, RankMean):
        raise UserError(f"{blend.name} ranks clips against each other, which needs many: blend by another method")
    chosen = [place for place, member in enumerate(blend.members) if Path(member).name == fold_name(fold)]
    if fold == ALL and not chosen:
        chosen = list(range(len(blend.members)))
    counted_for = tuple(blend.counted_for[place] for place in chosen)
    if missing := [run for run in blend.runs if run not in counted_for]:
        raise UserError(f"{', '.join(missing)} of {blend.name} has no member {fold_name(fold)}: train it first")
    members, weights = (tuple(part[place] for place in chosen) for part in (blend.members, blend.weights))
    return replace(blend, members=members, weights=weights, counted_for=counted_for)


def teacher_digest(blend: Blend) -> str:
    """What a student has learnt from: the weights of all members, and how they are combined."""
    return hashlib.sha256(repr((blend.weights, blend.counted_for, blend.rule)).encode()).hexdigest()[:16]


def teacher_of(blend: Blend, runs: Path, fold: int, bank: Bank, recipe: Recipe, device: torch.device) -> Teacher:
    """The blend as the teacher of a fold's student, whose recipe that is."""
    chosen = teaching_members(blend, fold)
    listeners = [load_member(runs / member, device) for member in chosen.members]
    return Teacher(chosen, listeners, bank, recipe.teacher, recipe.mashup.burst_level)
