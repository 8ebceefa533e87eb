"""A trained member, loaded to predict."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from pydantic import TypeAdapter, ValidationError
from tqdm import tqdm

from messy_mashup import models
from messy_mashup.data.audio import audio_fault
from messy_mashup.data.corpora import named_at_once
from messy_mashup.errors import Stopped, UserError
from messy_mashup.files import file_digest
from messy_mashup.own_files import shortened
from messy_mashup.recipe import Backbone, Recipe
from messy_mashup.scoring import predictions
from messy_mashup.scoring.hearing import opinions_of_files
from messy_mashup.scoring.journal import Journal
from messy_mashup.scoring.predict import Listener
from messy_mashup.scoring.predictions import NO_LABEL, Predictions
from messy_mashup.training.precision import prediction_dtype
from messy_mashup.training.run_folder import TEST, WEIGHTS, load_weights, weights_digest
from messy_mashup.training.stop import Stop

SCORED_SO_FAR = ".test.journal"


def load_member(folder: Path, device: torch.device) -> Listener:
    """The member whose weights are in `folder`, ready to predict; what does not fit its recipe is named."""
    path = folder / WEIGHTS
    tensors, card = load_weights(path)
    try:
        recipe = TypeAdapter(Recipe).validate_python(card["recipe"])
        backbone = recipe.backbone
        # first without numbers: a card may claim a network that no memory holds
        models.outline(backbone, len(card["classes"])).check_learnt(tensors)
        model = models.build(backbone, len(card["classes"]))
        check_base(path, card, backbone)
        if "base" in card:
            models.load_pretrained(model, backbone)
        model.load_learnt(tensors)
    except (KeyError, ValidationError, RuntimeError) as error:
        raise UserError(f"{path} does not fit its recipe: {shortened(str(error), 500)}") from error
    return listener_of(model, recipe, card["classes"], device)


def listener_of(model: models.Backbone, recipe: Recipe, classes: Sequence[str], device: torch.device) -> Listener:
    """The recipe's model, ready to predict on the device."""
    spec = models.frame_spec(recipe.backbone)
    frames, dtype = spec.frames_in(recipe.backbone.heard_s), prediction_dtype(recipe.train, device)
    unheard = model.unheard_frames(frames)
    return Listener(model.to(device), spec, frames, tuple(classes), device, dtype, recipe.scoring, unheard)


def check_base(path: Path, card: dict[str, Any], backbone: Backbone) -> None:
    """UserError where the pretrained weights that are here are not those that a member with frozen ones was made on."""
    if card.get("base") != models.base_digest(backbone):
        raise UserError(
            f"{path} was trained on other weights {backbone.weights} than those that are here, and is nothing without "
            "them: put the ones it was trained on below input/, or train it again"
        )


@dataclass(frozen=True)
class TestClips:
    """The test mashups of a data set: their ids and files, and a digest of both and of all audio."""

    id: np.ndarray  # (clips,) text
    files: list[Path]
    digest: str

    @classmethod
    def of(cls, data: Path, clips: pd.DataFrame) -> "TestClips":
        """From columns id and path; every file is read once, and those that are no audio are named all at once."""
        files = [data / name for name in clips["path"]]
        if broken := [sentence for file in files if (sentence := audio_fault(file))]:
            raise UserError(f"{named_at_once(broken)}\nget these files again: an entry needs every test mashup")
        digest = hashlib.sha256(json.dumps([clips["id"].tolist(), clips["path"].tolist()]).encode())
        for file in tqdm(files, desc="test mashups read", unit=" clips", leave=False):
            digest.update(file_digest(file))
        return cls(clips["id"].to_numpy(str), files, digest.hexdigest())


def score_test(folder: Path, test: TestClips, device: torch.device, stop: Stop | None = None) -> Predictions:
    """A member's logits of the test mashups, from its test.npz where that is of these clips and weights, else scored
    whole now and written there. Raises Stopped when `stop` has a reason before all are scored; what was is kept.
    """
    path = folder / TEST
    origin = f"{test.digest} by {weights_digest(folder)}"
    if path.exists():
        scored = predictions.load(path)
        if scored.origin == origin:
            (folder / SCORED_SO_FAR).unlink(missing_ok=True)  # of a command that was killed between the two
            return scored
    listener = load_member(folder, device)
    with Journal.of(folder / SCORED_SO_FAR, [origin], f"the test mashups are being scored in {folder}") as journal:
        logits = _scored(listener, tqdm(test.files, f"test mashups by {folder.name}", unit=" clips"), journal, stop)
        fold, label = np.full(len(test.id), -1), np.full(len(test.id), NO_LABEL)
        scored = Predictions(test.id, np.array(listener.classes), logits, fold, label, origin)
        predictions.save(scored, path)
    return scored


def _scored(listener: Listener, files: Iterable[Path], journal: Journal, stop: Stop | None) -> np.ndarray:
    """Logits (clips, classes) float32 of files."""
    rows = []
    for _, opinions in opinions_of_files([listener], files, journal, str):  # the origin tells their bytes
        if isinstance(opinions, UserError):
            raise opinions
        rows.append(opinions[0].logits)
        if stop and (reason := stop.reason()):
            raise Stopped(f"{reason} before all test mashups were scored; the member itself is trained")
    return np.array(rows, np.float32).reshape(-1, len(listener.classes))
