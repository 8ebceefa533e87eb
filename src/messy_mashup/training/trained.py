"""A trained member, loaded to predict."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from pydantic import TypeAdapter, ValidationError
from tqdm import tqdm

from messy_mashup import models
from messy_mashup.data.folds import ALL
from messy_mashup.errors import UserError
from messy_mashup.recipe import Recipe
from messy_mashup.scoring import predictions
from messy_mashup.scoring.predict import Listener, file_log_mel
from messy_mashup.scoring.predictions import NO_LABEL, Predictions
from messy_mashup.training.run_folder import METRICS, OOF, TEST, WEIGHTS, fold_name, load_weights


@dataclass(frozen=True)
class Trained:
    """A member ready to predict, and what its weights' card says it was trained as and on."""

    recipe: Recipe
    fold: int
    data: str  # the data set's folder when it was trained
    plan: str  # digest of the folds and validation mashups
    listener: Listener


def members_of(run: Path) -> list[Path]:
    """The folders of a run's trained members: its folds, then the member of all songs."""
    folders = sorted(path.parent for path in run.glob(f"*/{WEIGHTS}"))
    finished = [folder for folder in folders if is_finished(folder)]
    if not finished:
        raise UserError(f"{run} holds no finished member: train one with train.py")
    unfinished = [folder.name for folder in folders if folder not in finished]
    if unfinished:
        raise UserError(f"{run}: {', '.join(unfinished)} is not finished: run train.py again, or remove that folder")
    return sorted(finished, key=lambda folder: (folder.name == fold_name(ALL), folder.name))


def newest_run(runs: Path) -> Path:
    """The run whose weights were written last."""
    weights = sorted(runs.glob(f"*/*/{WEIGHTS}"), key=lambda path: path.stat().st_mtime_ns)
    if not weights:
        raise UserError(f"{runs} holds no trained member: train one with train.py")
    return weights[-1].parents[1]


def is_finished(folder: Path) -> bool:
    """Whether a member's last epoch is done and its held-out fold predicted; its state need not be there."""
    card = member_card(folder)
    metrics = folder / METRICS
    done = metrics.exists() and len(pd.read_csv(metrics)) == card["recipe"]["train"]["epochs"]
    return done and (card["fold"] == ALL or (folder / OOF).exists())


def member_card(folder: Path) -> dict[str, Any]:
    """What a member's weights say it was made of."""
    return load_weights(folder / WEIGHTS)[1]


def load_member(folder: Path, device: torch.device) -> Trained:
    """The member whose weights are in `folder`; what does not fit its recipe is named."""
    path = folder / WEIGHTS
    tensors, card = load_weights(path)
    try:
        recipe = TypeAdapter(Recipe).validate_python(card["recipe"])
        model = models.build(recipe.backbone, len(card["classes"]))
        model.load_state_dict(tensors)
    except (KeyError, ValidationError, RuntimeError) as error:
        raise UserError(f"{path} does not fit its recipe: {error}") from error
    spec = models.frame_spec(recipe.backbone)
    frames = spec.frames_in(recipe.backbone.heard_s)
    listener = Listener(model.to(device), spec, frames, tuple(card["classes"]), device)
    return Trained(recipe, card["fold"], card["data"], card["plan"], listener)


@dataclass(frozen=True)
class TestClips:
    """The test mashups of a data set: their ids and files, and a digest of both and of all audio."""

    id: np.ndarray  # (clips,) text
    files: list[Path]
    digest: str

    @classmethod
    def of(cls, data: Path, clips: pd.DataFrame) -> "TestClips":
        """From columns id and path; every file is read once for the digest."""
        files = [data / name for name in clips["path"]]
        digest = hashlib.sha256(json.dumps([clips["id"].tolist(), clips["path"].tolist()]).encode())
        for file in files:
            digest.update(_file_digest(file))
        return cls(clips["id"].to_numpy(str), files, digest.hexdigest())


def score_test(folder: Path, test: TestClips, device: torch.device) -> Predictions:
    """A member's logits of the test mashups, from its test.npz where that is of these clips and weights, else scored
    whole now and written there.
    """
    path, weights = folder / TEST, folder / WEIGHTS
    if not weights.exists():
        raise UserError(f"{weights} is missing: train that member first, or blend without it")
    origin = f"{test.digest} by {_file_digest(weights).hex()}"
    if path.exists():
        scored = predictions.load(path)
        if scored.origin == origin:
            return scored
    listener = load_member(folder, device).listener
    files = tqdm(test.files, desc=f"test mashups by {folder.name}", unit=" clips")
    logits = listener.logits(file_log_mel(file, listener.spec) for file in files)
    fold, label = np.full(len(test.id), -1), np.full(len(test.id), NO_LABEL)
    scored = Predictions(test.id, np.array(listener.classes), logits, fold, label, origin)
    predictions.save(scored, path)
    return scored


def _file_digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
