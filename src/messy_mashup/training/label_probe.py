"""A probe of labels of which a clip may have any number: scored fold by fold, then trained on every clip.

The run's folder holds scores.csv, scores.json and held_out.npz, and one member, of all clips, that labels files.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from messy_mashup.data.folds import ALL
from messy_mashup.errors import UserError
from messy_mashup.files import write_whole
from messy_mashup.own_files import read_object
from messy_mashup.recipe import Recipe
from messy_mashup.recipe_text import to_json
from messy_mashup.scoring.label_scores import label_scores, summary, told_labels
from messy_mashup.training import run_folder
from messy_mashup.training.embeddings import Embedded, Embeddings
from messy_mashup.training.fit import Row
from messy_mashup.training.label_table import LabelTable
from messy_mashup.training.probe import write_member
from messy_mashup.training.probe_head import LabelLearner, Schooled, probabilities
from messy_mashup.training.run_folder import fold_name
from messy_mashup.training.stop import Stop

SCORES, SUMMARY, HELD_OUT = "scores.csv", "scores.json", "held_out.npz"
MULTI_LABEL = "multi_label"  # in the card of a member whose logits are of labels by themselves


def fit_labels(
    recipe: Recipe, table: LabelTable, run: Path, embeddings: Embeddings, stop: Stop | None = None
) -> dict[str, Any]:
    """Score and train a probe of the table's labels into `run`; the summary of its scores.

    UserError where another was trained there, where no label can be told, or where the folds are too many.
    """
    member, card = run / fold_name(ALL), label_card(recipe, table.labels, embeddings.about["weights"])
    card["plan"] = _digest(table)
    if (member / run_folder.WEIGHTS).exists():
        run_folder.refuse_another(member, run_folder.read_card(member / run_folder.WEIGHTS), card)
        if (run / SUMMARY).exists():
            return read_object(run / SUMMARY, f"remove {run} and train it again", finite=False)
    if recipe.train.class_weights or recipe.train.label_smoothing:
        raise UserError("train.class_weights and train.label_smoothing are for one class a clip: leave them out here")
    fold = table.folds(recipe.folds.count, recipe.folds.seed)
    told_labels(table.target, fold)  # refused now, not when all is trained
    clips = embeddings.of(table.clips(embeddings.spec), "labelled clips", stop)
    told = _scored(recipe, table, clips, fold, run)
    schooled, rows = _schooled(recipe, clips, table.target, "all clips")
    write_member(member, recipe, rows)
    run_folder.save_weights(member / run_folder.WEIGHTS, schooled.head.learnt(), card)
    return told


def label_card(recipe: Recipe, labels: tuple[str, ...], base: str | None) -> dict[str, Any]:
    """The card of a member of all clips whose labels are told by themselves; blends, which have classes, refuse it."""
    fields = {"recipe": json.loads(to_json(recipe)), "classes": list(labels), "plan": "", "bank": "", "fold": ALL}
    return fields | {"base": base, MULTI_LABEL: True}


def is_multi_label(folder: Path) -> bool:
    """Whether the member in `folder` tells labels by themselves."""
    return bool(run_folder.read_card(folder / run_folder.WEIGHTS).get(MULTI_LABEL))


def _digest(table: LabelTable) -> str:
    told = [table.id.tolist(), table.group.tolist(), list(table.labels), table.target.tolist()]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]


def _scored(
    recipe: Recipe, table: LabelTable, clips: Sequence[Embedded], fold: np.ndarray, run: Path
) -> dict[str, Any]:
    """Every clip told by a head that never heard its group; what is written of it."""
    probability = np.empty(table.target.shape)
    for number in range(recipe.folds.count):
        training, held_out = (
            [clip for clip, one in zip(clips, fold == number, strict=True) if one == side] for side in (False, True)
        )
        schooled, _ = _schooled(recipe, training, table.target[fold != number], f"fold {number}")
        probability[fold == number] = probabilities(schooled.head, held_out)
    scores = label_scores(table.target, probability, fold, table.labels)
    told = {"labels": str(table.path), "clips": len(fold), "folds": recipe.folds.count} | summary(scores)
    columns = {"id": table.id, "labels": np.array(table.labels), "fold": fold, "target": table.target}
    with write_whole(run / HELD_OUT) as temporary, temporary.open("wb") as file:
        np.savez(file, probability=probability, **columns)
    with write_whole(run / SCORES) as temporary:
        scores.to_csv(temporary, index=False, lineterminator="\n")
    with write_whole(run / SUMMARY) as temporary:
        temporary.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")
    return told


def _schooled(recipe: Recipe, clips: Sequence[Embedded], target: np.ndarray, title: str) -> tuple[Schooled, list[Row]]:
    """A head that has learnt from these clips, and the rows of metrics.csv."""
    schooled = Schooled(recipe, clips, torch.from_numpy(target).float(), LabelLearner)
    epochs = tqdm(range(recipe.train.epochs), desc=f"{recipe.name} head, {title}", unit=" epochs")
    return schooled, [{"epoch": epoch + 1} | schooled.epoch(epoch) for epoch in epochs]
