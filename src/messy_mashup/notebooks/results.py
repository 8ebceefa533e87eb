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
from messy_mashup.training.run_folder import METRICS, WEIGHTS, is_complete, read_card


def members(runs: Path, names: Sequence[str]) -> pd.DataFrame:
    """A row a member of these runs: run, member, epochs done, the last epoch's scores, and whether it is finished."""
    rows = []
    for path in sorted(path for name in names for path in runs.glob(f"{name}/*/{METRICS}")):
        folder = path.parent
        metrics = pd.read_csv(path)
        last = metrics.iloc[-1]
        finished = (folder / WEIGHTS).exists() and is_complete(folder)
        rows.append(
            [folder.parent.name, folder.name, len(metrics), last["val_macro_f1"], last["val_accuracy"], finished]
        )
    if not rows:
        raise UserError(f"{runs} holds no member of {', '.join(names)}: train one with notebook 03 or 04")
    return pd.DataFrame(rows, columns=["run", "member", "epochs", "macro F1", "accuracy", "finished"])


def learning_curves(runs: Path, name: str) -> dict[str, Figure]:
    """The curves of a run's members, by the member's name."""
    found = sorted(runs.glob(f"{name}/*/{METRICS}"))
    return {path.parent.name: draw_learning_curves(pd.read_csv(path)) for path in found}


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
