"""What training has left so far, as tables, curves and sound: for the notebooks that train and evaluate."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from pydantic import TypeAdapter

from messy_mashup.data.bank import Bank
from messy_mashup.errors import UserError
from messy_mashup.mashup.arrangement_table import from_table
from messy_mashup.mashup.render import render
from messy_mashup.mashup.validation import Plan, open_plan
from messy_mashup.recipe import Recipe
from messy_mashup.scoring.plots import draw_learning_curves
from messy_mashup.training.run_folder import METRICS, STATE, TEST, WEIGHTS, is_complete, read_card

SCORES = ["val_macro_f1", "val_accuracy"]


def members(runs: Path, names: Sequence[str]) -> pd.DataFrame:
    """A row a member of these runs: run, member, epochs done, the last epoch's scores, and whether it is finished.

    Finished members have predicted the test mashups; one that stopped in its first epoch has no scores yet.
    """
    folders = _folders(runs, names, (METRICS, STATE))
    if not folders:
        raise UserError(f"{runs} holds no member of {', '.join(names)}: train one with notebook 03 or 04")
    rows = []
    for folder in folders:
        metrics = pd.read_csv(folder / METRICS) if (folder / METRICS).exists() else pd.DataFrame(columns=SCORES)
        scores = metrics[SCORES].iloc[-1] if len(metrics) else [None] * len(SCORES)
        trained = (folder / WEIGHTS).exists() and is_complete(folder)
        finished = trained and (folder / TEST).exists()
        rows.append([folder.parent.name, folder.name, len(metrics), *scores, finished])
    return pd.DataFrame(rows, columns=["run", "member", "epochs", "macro F1", "accuracy", "finished"])


def learning_curves(runs: Path, names: Sequence[str]) -> dict[str, Figure]:
    """The curves of the members that have done an epoch, by run and member."""
    drawn = {}
    for folder in _folders(runs, names, (METRICS,)):
        drawn[f"{folder.parent.name}/{folder.name}"] = draw_learning_curves(pd.read_csv(folder / METRICS))
    return drawn


def _folders(runs: Path, names: Sequence[str], files: Sequence[str]) -> list[Path]:
    """The members' folders of runs, whose names may be patterns, that hold one of the files."""
    return sorted({path.parent for name in names for file in files for path in runs.glob(f"{name}/*/{file}")})


@dataclass(frozen=True)
class Validation:
    """The mashups that members were validated on, to listen to."""

    bank: Bank
    plan: Plan
    burst_level: Literal["raw", "peak"]

    @classmethod
    def of(cls, member: Path, bank: Bank, runs: Path) -> "Validation":
        """Those of a trained member; UserError where they cannot be made again from this bank."""
        card = read_card(member / WEIGHTS)
        recipe = TypeAdapter(Recipe).validate_python(card["recipe"])
        plan = open_plan(bank, recipe.folds, runs / "folds")
        if plan.digest != card["plan"]:
            raise UserError(f"{member} was validated on other mashups than {bank.root} makes: attach the bank it used")
        return cls(bank, plan, recipe.folds.validation.burst_level)

    def wave(self, id_: str) -> np.ndarray:
        """A mashup as one hears it: float32 (samples,) at the bank's sample rate."""
        row = self.plan.validation[self.plan.validation["id"] == id_]
        if row.empty:
            raise UserError(f"there is no validation mashup {id_}: take one of the ids in oof.npz")
        return render(self.bank, from_table(row, self.plan.clip_names, self.plan.classes), 0, self.burst_level)
