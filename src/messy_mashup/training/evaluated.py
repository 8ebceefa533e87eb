"""What a report is about: a run or a blend, its held-out predictions and how its members came there."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from messy_mashup.data.folds import ALL
from messy_mashup.errors import UserError
from messy_mashup.files import check_name
from messy_mashup.recipe import FoldRecipe
from messy_mashup.scoring import ensemble, predictions
from messy_mashup.scoring.ensemble import BLENDS, load_blend
from messy_mashup.scoring.predictions import NO_LABEL, Predictions
from messy_mashup.training.members import held_out_by_run, tested_by
from messy_mashup.training.run_folder import METRICS, WEIGHTS, fold_name, is_complete, read_card, read_metrics

Kind = Literal["run", "blend"]
Part = Literal["validation", "test"]


@dataclass(frozen=True)
class Evaluated:
    """A run or a blend below `runs`."""

    name: str
    kind: Kind
    runs: Path
    members: tuple[Path, ...]  # folders, those of all songs too
    part: Part  # of the songs that is reported on; folds have the validation part alone
    held_out: Predictions
    repetitions: tuple[tuple[str, Predictions, float], ...]  # of a split: see repetition_table
    notes: tuple[str, ...]  # sentences on what is left out

    @property
    def report_name(self) -> str:
        """The name of its report's folder: with the kind where a run and a blend have the same name."""
        return f"{self.name}_{self.kind}" if len(_kinds(self.runs, self.name)) > 1 else self.name

    def curves(self) -> dict[str, dict[str, pd.DataFrame]]:
        """Each run's tables of metrics.csv, by the name of the member; a member that lost its table has none."""
        tables: dict[str, dict[str, pd.DataFrame]] = {}
        for folder in self.members:
            if (folder / METRICS).exists():
                tables.setdefault(folder.parent.name, {})[folder.name] = read_metrics(folder)
        return tables


def evaluated(runs: Path, named: str | None, part: Part | None = None) -> Evaluated:
    """The run or blend that is named below `runs`, by its name or its path; with none, the blend in use.

    part: of a run of splits; the test part if it is not named. UserError where there is none.
    """
    kind, name = ("blend", load_blend(runs).name) if named is None else _located(runs, named)
    found = _run(runs, name, part) if kind == "run" else _blend(runs, name)
    if part not in (None, found.part):
        raise UserError(f"the {kind} {name} has no {part} part: only a run of splits has one")
    if (found.held_out.label == NO_LABEL).any():
        raise UserError(f"the {kind} {name} has held-out clips without a label: there is nothing to score them by")
    return found


def _located(runs: Path, named: str) -> tuple[Kind, str]:
    """Which of the two a name or path below `runs` is."""
    path = Path(named)
    if path.suffix == ".json" and path.resolve().parent == (runs / BLENDS).resolve():
        kinds, name = {"blend"} & _kinds(runs, path.stem), path.stem
    elif path.name != named and path.resolve().parent == runs.resolve():
        kinds, name = {"run"} & _kinds(runs, path.name), path.name
    elif path.name != named:
        raise UserError(f"{named} is no run or blend directly below {runs}: name the folder of its runs with --runs")
    else:
        kinds, name = _kinds(runs, check_name(named)), named
    if len(kinds) > 1:
        raise UserError(
            f"{name} is a run and a blend: name {runs / name} for the run, {runs / BLENDS / name}.json for the blend"
        )
    if not kinds:
        raise UserError(
            f"{runs} holds no trained run and no blend {named}: see its folders, or run train.py or blend.py"
        )
    return kinds.pop(), name


def _kinds(runs: Path, name: str) -> set[Kind]:
    kinds: set[Kind] = {"run"} if any((runs / name).glob(f"*/{WEIGHTS}")) else set()
    return kinds | ({"blend"} if (runs / BLENDS / f"{name}.json").is_file() else set())


def _run(runs: Path, name: str, part: Part | None) -> Evaluated:
    """A run with the members that are finished: folds that are still trained do not keep the others waiting."""
    found = sorted(path.parent for path in (runs / name).glob(f"*/{WEIGHTS}"))
    folders = sorted(found, key=lambda folder: folder.name == fold_name(ALL))  # folds first, as in members_of
    members = tuple(folder for folder in folders if is_complete(folder))
    by_run = held_out_by_run(list(members))
    if not by_run:
        raise UserError(f"{runs / name} has no finished fold (oof.npz): go on with train.py --folds 0")
    validated, tested = ensemble.out_of_fold(by_run), tested_by(list(members))
    recipe = read_card(members[0] / WEIGHTS)["recipe"]
    told = "test" if tested and part != "validation" else "validation"
    notes = _notes([folder.name for folder in folders if folder not in members], recipe, validated)
    if tested and told == "validation":
        notes.append(
            "These songs may have been looked at when the recipe was chosen: the test part tells how good it is."
        )
    shown = tested if tested and told == "test" else validated
    repetitions = _repetitions(recipe["folds"], validated, tested) if tested else ()
    return Evaluated(name, "run", runs, members, told, shown, repetitions, tuple(notes))


def _notes(unfinished: list[str], recipe: dict[str, Any], validated: Predictions) -> list[str]:
    notes = [f"Not finished, so left out: {', '.join(unfinished)}."] if unfinished else []
    count, scored = recipe["folds"]["count"], set(validated.fold.tolist())
    if len(scored) < count:
        notes.append(
            f"Of the {count} folds, {len(scored)} predicted their clips: {', '.join(map(str, sorted(scored)))}."
        )
    return notes


def _repetitions(
    folds: dict[str, Any], validated: Predictions, tested: Predictions
) -> tuple[tuple[str, Predictions, float], ...]:
    """The parts of a split with their sizes as shares of the training part's; of a given one they do not matter."""
    train, validation, test = folds.get("ratios", FoldRecipe.ratios) if folds["cut"] == "ratios" else (1, 0, 0)
    return ("validation", validated, validation / train), ("test", tested, test / train)


def _blend(runs: Path, name: str) -> Evaluated:
    blend = load_blend(runs, name)
    path = runs / BLENDS / f"{name}.oof.npz"
    if not path.exists():
        raise UserError(f"{path} is missing: run blend.py again for its members")
    members = tuple(runs / member for member in blend.members)
    gone = [folder for folder in members if not (folder / WEIGHTS).exists()]
    notes = [f"{len(gone)} of its {len(members)} members are not there any more, first {gone[0]}."] if gone else []
    if blend.matcher:
        notes.append("With the stems that match.py found, the songs of each fold kept from the search.")
    return Evaluated(name, "blend", runs, members, "validation", predictions.load(path), (), tuple(notes))
