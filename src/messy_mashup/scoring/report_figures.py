"""The figures of a report: every score with its interval, by fold and by class, as tables and as files."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from messy_mashup.errors import UserError
from messy_mashup.files import write_whole
from messy_mashup.scoring import metrics
from messy_mashup.scoring.averages import average_intervals, averages
from messy_mashup.scoring.metrics import Roc
from messy_mashup.scoring.predictions import Predictions
from messy_mashup.scoring.reliability import calibrated_ece, ece, reliability

SCORES = {
    "macro F1": metrics.macro_f1,
    "accuracy": metrics.accuracy,
    "log loss": metrics.log_loss,
    "Brier score": metrics.brier,
    "ECE": ece,
}
SEED = 0  # of the draws
JSON, CLASSES_CSV, FOLDS_CSV = "metrics.json", "per_class.csv", "folds.csv"


@dataclass(frozen=True)
class Figures:
    """What held-out predictions are worth. Intervals are of 95 %, over 1,000 draws of the clips with replacement."""

    scores: pd.DataFrame  # score, value, low, high
    folds: pd.DataFrame  # fold, clips, macro_f1, accuracy, log_loss
    classes: pd.DataFrame  # class, precision, recall, f1, f1_low, f1_high, auc (NaN without a curve), clips
    confusion: np.ndarray  # (classes, classes) counts
    bins: pd.DataFrame  # of confidence
    calibrated_ece: tuple[float, float]  # what a calibrated model would show: median, 95th percentile
    roc: Roc | None  # of the classes that have clips; None where there are fewer than two
    roc_classes: tuple[str, ...]

    @property
    def absent(self) -> list[str]:
        """The classes that no clip has."""
        return self.classes.loc[self.classes["clips"] == 0, "class"].tolist()


def figures(held_out: Predictions) -> Figures:
    """All figures of predictions whose labels are known. Seconds."""
    if not len(held_out.id):
        raise UserError("there is no held-out clip to report on: train a fold first")
    truth = held_out.label, held_out.logits
    rows = [
        (name, score(*truth), *metrics.bootstrap_interval(score, *truth, seed=SEED)) for name, score in SCORES.items()
    ]
    intervals = average_intervals(*truth, seed=SEED)
    rows += [(name, score, *intervals[name]) for name, score in averages(*truth).items() if name not in SCORES]
    present = np.unique(held_out.label)
    curves = metrics.roc(*truth, among=present) if len(present) > 1 else None
    classes = metrics.per_class(*truth, held_out.classes.tolist())
    low, high = metrics.f1_intervals(*truth, seed=SEED)
    area = pd.Series(np.nan, index=classes.index)
    if curves:
        area[present] = curves.auc
    clips = classes.pop("clips")
    return Figures(
        pd.DataFrame(rows, columns=["score", "value", "low", "high"]),
        metrics.fold_scores(*truth, held_out.fold),
        classes.assign(f1_low=low, f1_high=high, auc=area, clips=clips),
        metrics.confusion(*truth),
        reliability(*truth),
        calibrated_ece(*truth, seed=SEED),
        curves,
        tuple(held_out.classes[present].tolist()),
    )


def write_figures(folder: Path, told: Figures, of: dict[str, Any]) -> None:
    """Write the figures as files: JSON, in which `of` says what they are of, and tables by class and by fold."""
    content = of | {
        "scores": told.scores.to_dict("records"),
        "macro_auc": told.roc and told.roc.macro,
        "ece_of_a_calibrated_model": dict(zip(("median", "high"), told.calibrated_ece, strict=True)),
        "confusion": {"classes": told.classes["class"].tolist(), "counts": told.confusion.tolist()},
        "confidence_bins": told.bins.to_dict("records"),
    }
    with write_whole(folder / JSON) as temporary:
        temporary.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")
    for name, table in ((CLASSES_CSV, told.classes), (FOLDS_CSV, told.folds)):
        with write_whole(folder / name) as temporary:
            table.to_csv(temporary, index=False, lineterminator="\n")
