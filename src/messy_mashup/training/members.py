"""The trained members of a run: which there are, whether they are finished, and whether they can be averaged."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from messy_mashup import paths
from messy_mashup.data.folds import ALL
from messy_mashup.errors import UserError
from messy_mashup.files import check_name
from messy_mashup.scoring import predictions
from messy_mashup.scoring.ensemble import Blend, average, equal_blend, load_blend
from messy_mashup.scoring.predictions import Predictions
from messy_mashup.training.run_folder import OOF, TESTED, WEIGHTS, fold_name, is_complete, read_card, weights_digest


def members_of(run: Path) -> list[Path]:
    """The folders of a run's trained members: its folds, then the member of all songs."""
    folders = sorted(path.parent for path in run.glob(f"*/{WEIGHTS}"))
    finished = [folder for folder in folders if is_complete(folder)]
    if not finished:
        raise UserError(f"{run} holds no finished member: train one with train.py")
    unfinished = [folder.name for folder in folders if folder not in finished]
    if unfinished:
        raise UserError(
            f"{run}: {', '.join(unfinished)} is not finished: go on with train.py (on Kaggle push the step's next "
            "part), or name other runs"
        )
    return sorted(finished, key=lambda folder: (folder.name == fold_name(ALL), folder.name))


def runs_named(runs: Path, names: Sequence[str]) -> list[Path]:
    """The folders below `runs` of these names, each of which may be a pattern, such as messy_mashup_cnn_seed*."""
    found = []
    for name in names:
        check_name(name.replace("*", "").replace("?", ""))
        matching = sorted(path for path in runs.glob(name) if any(path.glob(f"*/{WEIGHTS}")))
        if not matching:
            raise UserError(f"{runs} holds no trained run {name}: see its folders, or train one with train.py")
        found += [path for path in matching if path not in found]
    return found


def run_blend(runs: Path, name: str) -> Blend:
    """The members of the one run of that name, or pattern, equally weighted."""
    (run, *more) = runs_named(runs, [name])
    if more:
        raise UserError(f"{name} means {1 + len(more)} runs: name one, or blend them with blend.py")
    folders = members_of(run)
    members = [folder.relative_to(runs).as_posix() for folder in folders]
    return equal_blend(run.name, members, [weights_digest(folder) for folder in folders])


def chosen_blend(runs: Path | None, run: str | None, blend: str | None) -> tuple[Path, Blend]:
    """The folder of all runs, and the blend of that name in it, or of that one run's members; the defaults: the folder
    that holds a blend, and the blend in use.
    """
    runs = runs or (paths.runs() if run else paths.find_runs_with_blend())
    return runs, run_blend(runs, run) if run else load_blend(runs, blend)


def newest_run(runs: Path) -> Path:
    """The run whose weights were written last."""
    weights = sorted(runs.glob(f"*/*/{WEIGHTS}"), key=lambda path: path.stat().st_mtime_ns)
    if not weights:
        raise UserError(f"{runs} holds no trained member: train one with train.py")
    return weights[-1].parents[1]


def blendable(folders: list[Path]) -> list[dict[str, Any]]:
    """The members' cards; members of other data, classes or validation mashups cannot be averaged.

    A run that has only members of all songs inherits its score, so its recipe must be that of a run with folds, but
    for the seed.
    """
    cards = [read_card(folder / WEIGHTS) for folder in folders]
    for key in ("bank", "classes", "plan"):
        other = next((folder for folder, card in zip(folders, cards, strict=True) if card[key] != cards[0][key]), None)
        if other:
            raise UserError(f"{folders[0]} and {other} were trained with another {key}: they cannot be blended")
    scored = [_seedless(card) for card in cards if card["fold"] != ALL]
    for folder, card in zip(folders, cards, strict=True):
        if _seedless(card) not in scored:
            raise UserError(f"{folder}: no fold of its recipe is among the members, so that its score is not known")
    return cards


def counted_for(folders: list[Path], cards: list[dict[str, Any]]) -> list[str]:
    """For every member the run in whose share of a blend it has part: its own where that has held-out predictions.

    A run of all songs alone joins one of the same recipe but for the seed; of several the one of fewest members so far.
    """
    seedless = {folder.parent.name: _seedless(card) for folder, card in zip(folders, cards, strict=True)}
    scored = list(dict.fromkeys(folder.parent.name for folder in folders if (folder / OOF).exists()))
    counts = {run: sum(folder.parent.name == run for folder in folders) for run in scored}
    joined = []
    for folder in folders:
        run = folder.parent.name
        if run not in counts:
            run = min((other for other in scored if seedless[other] == seedless[run]), key=counts.__getitem__)
            counts[run] += 1
        joined.append(run)
    return joined


def held_out_by_run(folders: list[Path]) -> dict[str, list[Predictions]]:
    """The held-out predictions of members, by the name of their run."""
    by_run: dict[str, list[Predictions]] = {}
    for folder in folders:
        if (folder / OOF).exists():
            by_run.setdefault(folder.parent.name, []).append(predictions.load(folder / OOF))
    return by_run


def tested_by(folders: list[Path]) -> Predictions | None:
    """What members predicted of the test parts of their splits, one after the other; None where there is none."""
    parts = [predictions.load(folder / TESTED) for folder in folders if (folder / TESTED).exists()]
    return average(parts) if parts else None


def check_weights(folders: list[Path], digests: Sequence[str]) -> None:
    """UserError where a member is not the one that was blended: its score would be another's."""
    for folder, digest in zip(folders, digests, strict=True):
        if weights_digest(folder) != digest:
            raise UserError(f"{folder} has changed since it was blended: run blend.py again")


def _seedless(card: dict[str, Any]) -> dict[str, Any]:
    return card["recipe"] | {"train": card["recipe"]["train"] | {"seed": None}}
