"""What has come out of a study so far: tables, the best parameters and pictures, each written whole."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from messy_mashup.files import write_whole
from messy_mashup.scoring import plots_of_studies
from messy_mashup.scoring.plots import write_png
from messy_mashup.scoring.plots_of_studies import Scale
from messy_mashup.training import study
from messy_mashup.training.search_space import Choice, Dimension, Space, Whole, settings, values
from messy_mashup.training.study import Study, is_ended, last_value

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

TABLE, BEST, IMPORTANCES = "trials.csv", "best.json", "importances.csv"
HISTORY_PICTURE, IMPORTANCES_PICTURE, SLICES_PICTURE = "history.png", "importances.png", "slices.png"
STATES = {study.COMPLETE: "complete", study.PRUNED: "pruned", study.FAIL: "failed", study.RUNNING: "running"}


@dataclass(frozen=True)
class Results:
    """The trials of a study as a table, and which fields mattered."""

    space: Space
    metric: str
    direction: str  # "maximize" or "minimize"
    table: pd.DataFrame  # number, state, value, epochs, the fields, seconds, folder, note
    importances: dict[str, float] | str  # by field, or why they cannot be told

    @classmethod
    def of(cls, of: Study, metric: str) -> "Results":
        """As the study is now."""
        return cls(of.space, metric, of.rules.direction, _table(of.trials(), of.space), of.importances())

    @property
    def ranked(self) -> pd.DataFrame:
        """The complete trials, the best first, of equal ones the earliest."""
        complete = self.table[self.table["state"] == "complete"]
        return complete.sort_values("value", ascending=self.direction == "minimize", kind="stable")

    @property
    def best_folder(self) -> str | None:
        """The folder of the best trial, as in the table; None before one is complete."""
        return None if self.ranked.empty else self.ranked.iloc[0]["folder"]

    @property
    def best_told(self) -> str:
        """The best trial in a few words."""
        if self.ranked.empty:
            return "none is complete yet"
        best = self.ranked.iloc[0]
        return f"best {best['value']:.4f}, trial {best['number']}"

    def best_settings(self) -> list[str]:
        """What the best trial was drawn to be, as settings of --set; empty before one is complete."""
        return [] if self.ranked.empty else settings(self._drawn(self.ranked.iloc[0]))

    def top(self, count: int) -> str:
        """The best trials as a table to print."""
        columns = ["number", "value", "epochs", *self.space]
        return self.ranked.head(count)[columns].to_string(index=False, float_format=lambda value: f"{value:.4g}")

    def write(self, folder: Path) -> None:
        """Write all that can be told so far into the study's folder."""
        if self.table.empty:
            return
        _write_csv(self.table, folder / TABLE)
        if self.ranked.empty:
            return
        best = self.ranked.iloc[0]
        with write_whole(folder / BEST) as temporary:
            temporary.write_text(json.dumps(values(self.space, self._drawn(best)), indent=2) + "\n")
        write_png(plots_of_studies.draw_history(self._with_best(), self.metric), folder / HISTORY_PICTURE)
        scales = {field: _scale(dimension) for field, dimension in self.space.items()}
        write_png(
            plots_of_studies.draw_slices(self.table, scales, self.metric, best["number"]), folder / SLICES_PICTURE
        )
        if isinstance(self.importances, dict):
            rows = pd.DataFrame({"field": self.importances.keys(), "importance": self.importances.values()})
            _write_csv(rows, folder / IMPORTANCES)
            write_png(plots_of_studies.draw_importances(rows, len(self.ranked)), folder / IMPORTANCES_PICTURE)

    def _drawn(self, row: pd.Series) -> dict[str, Any]:
        return {field: row[field] for field in self.space}

    def _with_best(self) -> pd.DataFrame:
        """The table with a column of the best value so far, trial by trial."""
        complete = self.table["value"].where(self.table["state"] == "complete")
        best = complete.cummax() if self.direction == "maximize" else complete.cummin()
        return self.table.assign(best=best.ffill())


def _table(trials: "list[FrozenTrial]", space: Space) -> pd.DataFrame:
    """A row a trial; those that wait to be resumed have none yet."""
    resumed = {trial.user_attrs.get(study.RESUMES): trial.number for trial in trials}
    rows = [_row(trial, space, resumed.get(trial.number)) for trial in trials if trial.state.name in STATES]
    columns = ["number", "state", "value", "epochs", *space, "seconds", "folder", "note"]
    # What was drawn stays as it was: pandas would make real numbers of whole ones where one is missing.
    table = pd.DataFrame(rows, columns=columns, dtype=object)
    return table.astype({"number": int, "value": float, "epochs": int, "seconds": float})


def _row(trial: "FrozenTrial", space: Space, resumed_by: int | None) -> dict[str, Any]:
    attributes = trial.user_attrs
    state, note = STATES[trial.state.name], attributes.get(study.WHY, "")
    if trial.state.name == study.FAIL and not is_ended(trial):
        state, note = "interrupted", "" if resumed_by is None else f"went on as trial {resumed_by}"
    elif study.REPEATS in attributes:
        note = f"the same parameters as trial {attributes[study.REPEATS]}"
    elif study.RESUMES in attributes and not note:
        note = f"goes on from trial {attributes[study.RESUMES]}"
    return {
        "number": trial.number,
        "state": state,
        "value": last_value(trial) if state in ("complete", "pruned") else None,
        "epochs": max(trial.intermediate_values, default=0),
        **{field: trial.params.get(field) for field in space},
        "seconds": attributes.get(study.SECONDS, 0.0),
        "folder": attributes.get(study.FOLDER),
        "note": note,
    }


def _scale(dimension: Dimension) -> Scale:
    if isinstance(dimension, Choice):
        return Scale(choices=tuple(map(str, dimension.values)))
    return Scale(dimension.low, dimension.high, dimension.log, isinstance(dimension, Whole))


def _write_csv(rows: pd.DataFrame, path: Path) -> None:
    with write_whole(path) as temporary:
        rows.to_csv(temporary, index=False, lineterminator="\n")
