"""Held-out predictions of runs that were never trained: as good and as alike as a test asks for."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from messy_mashup.data.folds import ALL
from messy_mashup.scoring import predictions
from messy_mashup.scoring.ensemble import HeldOut, held_out_clips
from messy_mashup.scoring.predictions import Predictions
from messy_mashup.training.run_folder import METRICS, OOF, WEIGHTS, fold_name, save_weights

CLASSES = np.array(["blues", "jazz", "pop", "rock"])
ORIGIN = "plan"


def parts_of(skill: float, seed: int, clips: int = 120, folds: int = 3, loudness: float = 1.0) -> list[Predictions]:
    """A run's folds: noise, shared by all seeds of these clips and its own, with `skill` on the true class.

    `loudness` scales the logits, which makes a run too sure or not sure enough.
    """
    parts = []
    for fold in range(folds):
        label = np.arange(clips // folds) % len(CLASSES)
        hard = np.random.default_rng([fold]).normal(size=(len(label), len(CLASSES)))
        own = np.random.default_rng([fold, 1 + seed]).normal(size=hard.shape)
        logits = (0.7 * hard + 0.7 * own + skill * np.eye(len(CLASSES))[label]) * loudness
        ids = np.array([f"fold{fold}-{number:05d}" for number in range(len(label))])
        fold_of_clips = np.full(len(label), fold)
        parts.append(Predictions(ids, CLASSES, logits.astype(np.float32), fold_of_clips, label, ORIGIN))
    return parts


def held_out(skills: Sequence[float], clips: int = 120, folds: int = 3, first_seed: int = 0) -> HeldOut:
    """Runs of these skills, named run0, run1, ..."""
    each = {f"run{number}": parts_of(skill, first_seed + number, clips, folds) for number, skill in enumerate(skills)}
    return held_out_clips(each)


def write_run(runs: Path, name: str, parts: Sequence[Predictions], seed: int = 0, lr: float = 0.1) -> list[Path]:
    """A run's finished folds below `runs`, with weights that cannot predict; without parts the member of all songs."""
    folders = []
    for fold, part in enumerate(parts) if parts else [(ALL, None)]:
        folder = runs / name / fold_name(fold)
        recipe = {"name": "made_up", "corpus": "messy_mashup", "train": {"epochs": 1, "seed": seed, "lr": lr}}
        card = {"recipe": recipe, "fold": fold, "bank": "bank", "classes": CLASSES.tolist(), "plan": ORIGIN}
        save_weights(folder / WEIGHTS, {"weight": torch.tensor([float(len(name)), seed, fold])}, card)
        (folder / METRICS).write_text("epoch\n1\n")
        if part:
            predictions.save(part, folder / OOF)
        folders.append(folder)
    return folders
