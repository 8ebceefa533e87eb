"""A student beside its teacher: how good both are on the same held-out mashups, and how fast they label a file."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pandas as pd
import torch

from messy_mashup.data.bank import Bank
from messy_mashup.errors import UserError
from messy_mashup.mashup.arrangement import Arrangements
from messy_mashup.mashup.frames import MashupPlayer
from messy_mashup.recipe import BurstLevel
from messy_mashup.scoring import ensemble, metrics, predictions
from messy_mashup.scoring.ensemble import BLENDS, Blend
from messy_mashup.scoring.predict import Listener
from messy_mashup.scoring.predictions import Predictions
from messy_mashup.training.members import held_out_by_run
from messy_mashup.training.run_folder import WEIGHTS, load_weights
from messy_mashup.training.trained import load_member

TIMED_CLIPS, ROUNDS = 24, 3


@dataclass(frozen=True)
class Side:
    """The teacher or the student."""

    name: str
    members: tuple[Path, ...]  # all that label a file
    held_out: Predictions


def sides(blend: Blend, runs: Path, students: Sequence[Path]) -> tuple[Side, Side]:
    """Teacher and student with their held-out predictions of the folds that the student has; UserError for none."""
    taught = ensemble.out_of_fold(held_out_by_run(list(students)))
    path = runs / BLENDS / f"{blend.name}.oof.npz"
    teacher = predictions.load(path)
    place = pd.Index(teacher.id).get_indexer(taught.id)
    if (place < 0).any():
        raise UserError(f"{path} lacks mashups that the student was validated on: run blend.py again")
    same = Predictions(
        teacher.id[place],
        teacher.classes,
        teacher.logits[place],
        teacher.fold[place],
        teacher.label[place],
        teacher.origin,
    )
    members = tuple(runs / member for member in blend.members)
    return Side(blend.name, members, same), Side(students[0].parent.name, tuple(students), taught)


def side_by_side(teacher: Side, student: Side, bank: Bank, mashups: Arrangements, level: BurstLevel) -> pd.DataFrame:
    """A row each for the teacher and the student: side, members, weights (numbers), macro_f1, accuracy, log_loss,
    clips_per_s.

    Speed is that of labelling clips whose log-mels are there, by all members of a side, in the median of ROUNDS; the
    two take turns, so that a change of the machine's speed meets both.
    """
    loaded = {side.name: _loaded(side, bank, mashups[:TIMED_CLIPS], level) for side in (teacher, student)}
    taken = {name: [] for name in loaded}
    for _ in range(ROUNDS):
        for name, heard in loaded.items():
            taken[name].append(_seconds(heard))
    clips = min(TIMED_CLIPS, len(mashups))
    return pd.DataFrame([_row(side, clips / median(taken[side.name])) for side in (teacher, student)])


Heard = list[tuple[Listener, list[torch.Tensor]]]


def _loaded(side: Side, bank: Bank, mashups: Arrangements, level: BurstLevel) -> Heard:
    """Each member with the clips as it hears them."""
    listeners = [load_member(member, torch.device("cpu")) for member in side.members]
    clips = {}
    for spec in {listener.spec for listener in listeners}:
        player = MashupPlayer(bank, spec)
        clips[spec] = [player.whole_log_mel(mashups[row : row + 1], level) for row in range(len(mashups))]
    return [(listener, clips[listener.spec]) for listener in listeners]


def _seconds(heard: Heard) -> float:
    begun_s = time.perf_counter()
    for listener, clips in heard:
        listener.logits(clips)
    return time.perf_counter() - begun_s


def _row(side: Side, clips_per_s: float) -> dict[str, object]:
    truth = side.held_out.label, side.held_out.logits
    numbers = sum(tensor.numel() for member in side.members for tensor in load_weights(member / WEIGHTS)[0].values())
    return {
        "side": side.name,
        "members": len(side.members),
        "weights": numbers,
        "macro_f1": metrics.macro_f1(*truth),
        "accuracy": metrics.accuracy(*truth),
        "log_loss": metrics.log_loss(*truth),
        "clips_per_s": clips_per_s,
    }
