"""How well labels that are true or not are told, each by itself: ROC-AUC and average precision, fold by fold.

The macro figures are means over the labels: that of average precision is mAP. A label that is true of no clip of a
fold, or of all, has no such figure there: it is left out of that fold, and named.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score, roc_auc_score

from messy_mashup.errors import UserError

SCORES = {"roc_auc": roc_auc_score, "average_precision": average_precision_score}


def scorable(target: np.ndarray) -> np.ndarray:
    """Which labels (labels,) of `target` (clips, labels) are true of some clips and of some not."""
    return target.any(axis=0) & ~target.all(axis=0)


def told_labels(target: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Which labels (folds, labels) can be scored in each fold, since clips of both kinds are on both sides of the cut.

    `target` is (clips, labels), `fold` (clips,) with numbers from 0. UserError where a fold has no such label.
    """
    told = np.stack([scorable(target[fold == number]) & scorable(target[fold != number]) for number in np.unique(fold)])
    if not told.any(axis=1).all():
        raise UserError(
            f"fold {int(np.flatnonzero(~told.any(axis=1))[0])} has no label that is true of some clips and not of "
            "others on both sides of the cut: use fewer folds with --set folds.count=2, or label more clips"
        )
    return told


def label_scores(target: np.ndarray, probability: np.ndarray, fold: np.ndarray, labels: Sequence[str]) -> pd.DataFrame:
    """A row a fold and label: fold, label, clips, positives, roc_auc, average_precision; the scores are NaN where the
    label has none. `target` and `probability` are (clips, labels), `fold` (clips,) with numbers from 0.
    """
    rows = []
    for number, told in enumerate(told_labels(target, fold)):
        held_out = fold == number
        for place, label in enumerate(labels):
            truth, guess = target[held_out, place], probability[held_out, place]
            scores = {name: float(score(truth, guess)) if told[place] else np.nan for name, score in SCORES.items()}
            rows.append({"fold": number, "label": label, "clips": len(truth), "positives": int(truth.sum())} | scores)
    return pd.DataFrame(rows)


def summary(scores: pd.DataFrame) -> dict[str, Any]:
    """Each score's macro mean by fold, its mean over the folds and their sample standard deviation (None for one), by
    label the mean over its folds, and which labels were left out where.
    """
    told: dict[str, Any] = {}
    for name in SCORES:
        folds = scores.groupby("fold")[name].mean()
        by_label = scores.groupby("label", sort=False)[name].mean()
        told[f"macro_{name}"] = {
            "mean": float(folds.mean()),
            "std": float(folds.std(ddof=1)) if len(folds) > 1 else None,
            "folds": [float(value) for value in folds],
            "labels": {label: None if np.isnan(value) else float(value) for label, value in by_label.items()},
        }
    absent = scores[scores["roc_auc"].isna()]
    told["left_out"] = [{"fold": int(row.fold), "label": row.label} for row in absent.itertuples()]
    return told


def sentences(told: dict[str, Any]) -> list[str]:
    """What a summary says, in words."""
    lines = []
    for name, title in (("macro_roc_auc", "macro ROC-AUC"), ("macro_average_precision", "mAP")):
        spread = f" (standard deviation over folds {told[name]['std']:.4f})" if told[name]["std"] is not None else ""
        lines.append(f"{title} {told[name]['mean']:.4f}{spread}")
    folds_of: dict[str, list[str]] = {}
    for row in told["left_out"]:
        folds_of.setdefault(row["label"], []).append(str(row["fold"]))
    for label, folds in folds_of.items():
        lines.append(
            f"{label} is left out of fold {', '.join(folds)}: it is true of all clips or of none there, or of those it "
            "was to be learnt from"
        )
    return lines
