"""Members become a blend: the members of a run are averaged, the runs combined by the blend's rule.

What made the logits is never asked. A blend is a JSON file that names its members' folders; `blend.json` beside the
runs points to the one in use.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import TypeAdapter, ValidationError
from scipy.special import logsumexp

from messy_mashup.errors import UserError
from messy_mashup.files import check_name, path_below, write_whole
from messy_mashup.own_files import read_object
from messy_mashup.paths import BLEND_POINTER
from messy_mashup.recipe_text import first_fault
from messy_mashup.scoring import metrics
from messy_mashup.scoring.blending import EQUAL, Mean, Rule, tempered
from messy_mashup.scoring.match_folder import Matcher
from messy_mashup.scoring.metrics import FoldSpread
from messy_mashup.scoring.predictions import Predictions

BLENDS = "blends"


@dataclass(frozen=True)
class Blend:
    """The members that are blended, how, and how their blend did on held-out songs."""

    name: str
    members: tuple[str, ...]  # folders below `runs`
    weights: tuple[str, ...]  # SHA-256 of each member's weights
    data: str  # the data set's folder when they were trained
    oof_macro_f1: float  # mean over the folds
    oof_spread: float | None  # standard deviation over the folds; None for one fold
    counted_for: tuple[str, ...]  # for each member the run whose share it has part in
    runs: tuple[str, ...]  # those that the rule combines, in its order
    method: str
    rule: Rule
    matcher: Matcher | None = None  # what match.py found, where that was asked for


def equal_blend(run: str, members: Sequence[str], weights: Sequence[str]) -> Blend:
    """The members of one run, equally weighted, whatever they score."""
    rule = Rule((1.0,), Mean((1.0,)))
    counted = (run,) * len(members)
    return Blend(run, tuple(members), tuple(weights), "", math.nan, None, counted, (run,), EQUAL, rule)


@dataclass(frozen=True)
class HeldOut:
    """What the runs of a blend predicted for the same held-out clips."""

    runs: tuple[str, ...]
    logits: np.ndarray  # (runs, clips, classes)
    clips: Predictions  # their ids, labels and folds, with the logits of the runs' mean probability

    def blended(self, logits: np.ndarray) -> Predictions:
        """The clips with a blend's logits (clips, classes)."""
        return replace(self.clips, logits=logits)


def average(parts: Sequence[Predictions]) -> Predictions:
    """The mean probability of every clip over the members that predicted it, as logits (log probabilities).

    Members must have the same classes. Clips come in the order in which they are first met.
    """
    first = parts[0]
    for part in parts:
        if part.classes.tolist() != first.classes.tolist():
            raise UserError(f"members of different classes: {first.classes.tolist()} and {part.classes.tolist()}")
    columns = list(range(len(first.classes)))
    table = pd.concat(
        pd.DataFrame(metrics.softmax(part.logits)).assign(id=part.id, fold=part.fold, label=part.label)
        for part in parts
    )
    mean = table.groupby("id", sort=False).agg({**dict.fromkeys(columns, "mean"), "fold": "first", "label": "first"})
    logits = np.log(mean[columns].to_numpy().clip(min=np.finfo(np.float32).tiny)).astype(np.float32)
    ids, fold, label = mean.index.to_numpy(str), mean["fold"].to_numpy(), mean["label"].to_numpy()
    return Predictions(ids, first.classes, logits, fold, label, first.origin)


def out_of_fold(by_run: dict[str, list[Predictions]]) -> Predictions:
    """The blend's held-out predictions: every run's folds, averaged over the runs.

    All runs must have predicted the same validation mashups, or the score of their blend would mean nothing.
    """
    runs = {name: parts for name, parts in by_run.items() if parts}
    if not runs:
        raise UserError("no member has held-out predictions (oof.npz): train a fold of the recipe first")
    origins = {part.origin for parts in runs.values() for part in parts}
    if len(origins) > 1:
        raise UserError("the runs were validated on different mashups (other data, folds or folds.validation)")
    covered = {name: {int(fold) for part in parts for fold in part.fold} for name, parts in runs.items()}
    if len(set(map(frozenset, covered.values()))) > 1:
        told = "; ".join(f"{name}: {sorted(folds)}" for name, folds in covered.items())
        raise UserError(f"the runs cover different folds ({told}): train the missing ones, or leave a run out")
    return average([part for parts in runs.values() for part in parts])


def held_out_clips(by_run: dict[str, list[Predictions]]) -> HeldOut:
    """The runs' held-out predictions side by side; refused is what `out_of_fold` refuses."""
    clips = out_of_fold(by_run)
    runs = {name: parts for name, parts in by_run.items() if parts}
    logits = []
    for name, parts in runs.items():
        place = pd.Index(np.concatenate([part.id for part in parts])).get_indexer(clips.id)
        if (place < 0).any():
            raise UserError(f"{name} lacks held-out mashups that other runs predicted: train its folds again")
        logits.append(np.concatenate([part.logits for part in parts])[place])
    return HeldOut(tuple(runs), np.stack(logits), clips)


def combine_members(logits: np.ndarray, blend: Blend) -> np.ndarray:
    """Log-probabilities (clips, classes) float32 from the logits (members, clips, classes) of the blend's members.

    Temperatures were fitted on single members, so they come before the mean over a run's members.
    """
    if len(logits) != len(blend.members):
        raise ValueError(f"logits of {len(logits)} members for a blend of {len(blend.members)}")
    number = [blend.runs.index(run) for run in blend.counted_for]
    members = tempered(logits, [blend.rule.temperatures[run] for run in number])
    of_run = [members[np.equal(number, run)] for run in range(len(blend.runs))]
    means = np.stack([logsumexp(each, axis=0) - np.log(len(each)) for each in of_run])
    return blend.rule.combiner.combine(means).astype(np.float32)


def combine(parts: Sequence[Predictions], blend: Blend) -> Predictions:
    """The blend's predictions of clips from those of its members, in the members' order; all of the same clips."""
    first = parts[0]
    for part in parts:
        if part.id.tolist() != first.id.tolist() or part.classes.tolist() != first.classes.tolist():
            raise UserError(
                "the members predicted other clips or classes: score the test mashups with all of them again"
            )
    return replace(first, logits=combine_members(np.stack([part.logits for part in parts]), blend))


def fold_spread(held_out: Predictions) -> FoldSpread:
    """Macro F1 over the folds of a blend's held-out predictions."""
    return metrics.fold_spread(held_out.label, held_out.logits, held_out.fold)


def save_blend(blend: Blend, runs: Path) -> Path:
    """Write the blend and point to it as the one in use; its name becomes part of file names."""
    check_name(blend.name)
    path = runs / BLENDS / f"{blend.name}.json"
    _write_json(path, asdict(blend))
    _write_json(runs / BLEND_POINTER, {"blend": blend.name})
    return path


def load_blend(runs: Path, name: str | None = None) -> Blend:
    """The blend of that name below `runs`, or the one in use."""
    pointer = runs / BLEND_POINTER
    path = path_below(runs / BLENDS, f"{name or _name_in_use(pointer)}.json", pointer)
    try:
        blend = TypeAdapter(Blend).validate_python(_read_json(path))
    except ValidationError as error:
        raise UserError(f"{path} is not a blend of this version ({first_fault(error)}): run blend.py again") from error
    for folder in (*blend.members, *blend.runs, *([blend.matcher.folder] if blend.matcher else [])):
        path_below(runs, folder, path)
    if fault := _fault(blend):
        raise UserError(f"{path} is no blend ({fault}): run blend.py again")
    return blend


def _name_in_use(pointer: Path) -> str:
    name = _read_json(pointer).get("blend")
    if not isinstance(name, str) or not name:
        raise UserError(f"{pointer} is damaged: it names no blend: run blend.py again")
    return name


def _fault(blend: Blend) -> str | None:
    """What in a blend's file does not fit together."""
    if not len(blend.members) == len(blend.weights) == len(blend.counted_for):
        return "members, weights and counted_for are not of one length"
    if set(blend.counted_for) != set(blend.runs) or len(set(blend.runs)) < len(blend.runs):
        return "the runs are not those of its members"
    temperatures = blend.rule.temperatures
    if len(temperatures) != len(blend.runs) or not all(0 < one < math.inf for one in temperatures):
        return "its rule is not of as many runs, or a temperature is none"
    return blend.rule.combiner.fault(len(blend.runs))


def _write_json(path: Path, content: dict[str, Any]) -> None:
    with write_whole(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n")


def _read_json(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise UserError(f"{path} is missing: run blend.py first")
    return read_object(path, "run blend.py again", finite=False)  # the score of members of all songs is not known
