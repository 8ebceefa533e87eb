"""What training has left so far, as tables and curves: for the notebooks that train and evaluate."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from messy_mashup.errors import UserError
from messy_mashup.scoring.plots import draw_learning_curves
from messy_mashup.training.run_folder import METRICS, STATE, TEST, WEIGHTS, is_complete, read_metrics

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
        metrics = read_metrics(folder) if (folder / METRICS).exists() else pd.DataFrame(columns=SCORES)
        scores = metrics[SCORES].iloc[-1] if len(metrics) else [None] * len(SCORES)
        trained = (folder / WEIGHTS).exists() and is_complete(folder)
        finished = trained and (folder / TEST).exists()
        rows.append([folder.parent.name, folder.name, len(metrics), *scores, finished])
    return pd.DataFrame(rows, columns=["run", "member", "epochs", "macro F1", "accuracy", "finished"])


def learning_curves(runs: Path, names: Sequence[str]) -> dict[str, Figure]:
    """The curves of the members that have done an epoch, by run and member."""
    drawn = {}
    for folder in _folders(runs, names, (METRICS,)):
        drawn[f"{folder.parent.name}/{folder.name}"] = draw_learning_curves(read_metrics(folder))
    return drawn


def _folders(runs: Path, names: Sequence[str], files: Sequence[str]) -> list[Path]:
    """The members' folders of runs, whose names may be patterns, that hold one of the files."""
    return sorted({path.parent for name in names for file in files for path in runs.glob(f"{name}/*/{file}")})
