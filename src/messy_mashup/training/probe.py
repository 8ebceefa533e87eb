"""Probes: a small head learns from a frozen network's embeddings what the network knows; fold by fold, as any run.

A member is the head alone, with the digest of the weights below it, so that trained.load_member, blends, reports and
infer.py take it as they take every frozen network. Unlike in fit.py its mashups are drawn once and embedded once: every
epoch hears them again, each by one of its windows.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch.nn.functional import one_hot
from tqdm import tqdm

from messy_mashup.data.bank import Bank
from messy_mashup.data.folds import ALL
from messy_mashup.errors import UserError
from messy_mashup.files import write_whole
from messy_mashup.mashup.arrangement import Arrangements, draw
from messy_mashup.mashup.frames import MashupPlayer
from messy_mashup.mashup.pool import Pool
from messy_mashup.mashup.turns import turns_in_epoch
from messy_mashup.mashup.validation import Plan
from messy_mashup.purposes import TRAINING
from messy_mashup.recipe import BurstLevel, MAESTRecipe, Recipe
from messy_mashup.recipe_text import to_json
from messy_mashup.scoring import plots, predictions
from messy_mashup.scoring.predictions import NO_LABEL, Predictions
from messy_mashup.training import run_folder
from messy_mashup.training.embedded_clips import file_clips, mashup_clips
from messy_mashup.training.embeddings import Embedded, Embeddings
from messy_mashup.training.fit import VALIDATION_METRICS, Row, with_class_weights
from messy_mashup.training.precision import prediction_dtype
from messy_mashup.training.probe_head import ProbeHead, Schooled, opinions
from messy_mashup.training.stop import Stop
from messy_mashup.training.trained import TestClips


def backbone_of(recipe: Recipe) -> MAESTRecipe:
    """The recipe's backbone; UserError where it is none that is probed."""
    if not isinstance(recipe.backbone, MAESTRecipe):
        raise UserError(f"the recipe {recipe.name} is of a {recipe.backbone.name}: what is probed is a maest")
    return recipe.backbone


def embeddings_of(recipe: Recipe, root: Path, device: torch.device) -> Embeddings:
    """What the recipe's members learn from and are scored on, in a folder below `root`."""
    return Embeddings(backbone_of(recipe), recipe.scoring, root, device, prediction_dtype(recipe.train, device))


def fit_probe(
    recipe: Recipe, bank: Bank, plan: Plan, fold: int, folder: Path, embeddings: Embeddings, stop: Stop | None = None
) -> None:
    """Train a fold's probe into `folder`; ALL trains on every song. A finished one is left as it is.

    Raises Stopped, with all clips kept that were embedded, when `stop` has a reason.
    """
    card = {
        "recipe": json.loads(to_json(recipe)),
        "classes": list(plan.classes),
        "plan": plan.digest,
        "bank": bank.digest,
        "fold": fold,
        "base": embeddings.about["weights"],
    }
    if (folder / run_folder.WEIGHTS).exists():
        run_folder.refuse_another(folder, run_folder.read_card(folder / run_folder.WEIGHTS), card)
        if run_folder.is_complete(folder):
            return
    heard = _Heard(recipe, bank, plan, fold, embeddings, stop or Stop())
    label, clips = heard.trained()
    parts = heard.parts()
    head, rows = _schooled(recipe, plan, heard.pool, label, clips, parts.get(run_folder.OOF))
    write_member(folder, recipe, rows)
    plots.learning_curves(pd.DataFrame(rows), folder / run_folder.CURVES)
    for name, (ids, labels, embedded) in parts.items():
        told = opinions(head, embedded, recipe.scoring)
        folds = np.full(len(ids), fold)
        predictions.save(Predictions(ids, np.array(plan.classes), told, folds, labels, plan.digest), folder / name)
    run_folder.save_weights(folder / run_folder.WEIGHTS, head.learnt(), card)  # last: without it there is no member


def write_member(folder: Path, recipe: Recipe, rows: Sequence[Row]) -> None:
    """What a member's folder holds beside its weights and predictions."""
    run_folder.clear_leftovers(folder)
    with write_whole(folder / run_folder.RECIPE) as temporary:
        temporary.write_text(to_json(recipe))
    with write_whole(folder / run_folder.METRICS) as temporary:
        pd.DataFrame(rows).to_csv(temporary, index=False, lineterminator="\n")


def score_test(folder: Path, test: TestClips, embeddings: Embeddings, stop: Stop | None = None) -> None:
    """Write a probe's logits of the test mashups, as trained.score_test does, from their embeddings."""
    origin = f"{test.digest} by {run_folder.weights_digest(folder)}"
    path = folder / run_folder.TEST
    if path.exists() and predictions.load(path).origin == origin:
        return
    tensors, card = run_folder.load_weights(folder / run_folder.WEIGHTS)
    head = ProbeHead(embeddings.recipe, len(card["classes"]))
    head.load_learnt(tensors)
    embedded = embeddings.of(file_clips(test.files, embeddings.spec), "test mashups", stop)
    logits = opinions(head, embedded, embeddings.scoring)
    fold, label = np.full(len(test.id), -1), np.full(len(test.id), NO_LABEL)
    predictions.save(Predictions(test.id, np.array(card["classes"]), logits, fold, label, origin), path)


class _Heard:
    """The mashups of a fold as the network hears them."""

    def __init__(self, recipe: Recipe, bank: Bank, plan: Plan, fold: int, embeddings: Embeddings, stop: Stop) -> None:
        self.recipe, self.bank, self.plan, self.fold, self.stop = recipe, bank, plan, fold, stop
        self.embeddings = embeddings
        self.player = MashupPlayer(bank, embeddings.spec, embeddings.device)
        self.pool: Pool = plan.pool(bank, fold, recipe.mashup.parts)

    def trained(self) -> tuple[np.ndarray, list[Embedded]]:
        """Labels and embeddings of the mashups to learn from."""
        train, mashup = self.recipe.train, self.recipe.mashup
        count = train.mashups_per_epoch or turns_in_epoch(self.pool, mashup)
        drawn = draw(self.pool, mashup, (train.seed, TRAINING, 0), 0, count)
        return drawn.label, self._of(drawn, mashup.burst_level, "training")

    def parts(self) -> dict[str, tuple[np.ndarray, np.ndarray, list[Embedded]]]:
        """Ids, labels and embeddings of the mashups to predict, by the file that takes them."""
        level, parts = self.recipe.folds.validation.burst_level, {}
        if self.fold != ALL:
            parts[run_folder.OOF] = self.plan.mashups(self.fold)
        if self.plan.has_test(self.fold):
            parts[run_folder.TESTED] = self.plan.test_mashups(self.fold)
        return {
            name: (ids, mashups.label, self._of(mashups, level, "held out")) for name, (ids, mashups) in parts.items()
        }

    def _of(self, mashups: Arrangements, burst_level: BurstLevel, title: str) -> list[Embedded]:
        clips = mashup_clips(mashups, self.bank, self.player, burst_level)
        return self.embeddings.of(clips, f"{run_folder.fold_name(self.fold)} {title}", self.stop)


def _schooled(
    recipe: Recipe, plan: Plan, pool: Pool, label: np.ndarray, clips: list[Embedded], held_out: tuple | None
) -> tuple[ProbeHead, list[Row]]:
    """The trained head and the rows of metrics.csv."""
    target = one_hot(torch.from_numpy(label).long(), len(plan.classes)).float()
    schooled = Schooled(replace(recipe, train=with_class_weights(recipe.train, pool)), clips, target)
    rows: list[Row] = []
    for epoch in tqdm(range(recipe.train.epochs), desc=f"{recipe.name} head", unit=" epochs"):
        row: Row = {"epoch": epoch + 1} | schooled.epoch(epoch)
        told = None
        if held_out:
            told = held_out[1], opinions(schooled.head, held_out[2], recipe.scoring)
        rows.append(row | {name: metric(*told) if told else None for name, metric in VALIDATION_METRICS.items()})
    return schooled.head, rows
