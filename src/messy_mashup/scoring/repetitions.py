"""What repeated splits say of a recipe: its score in the mean over the repetitions, and how sure that is."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import t

from messy_mashup.scoring.metrics import fold_scores
from messy_mashup.scoring.predictions import Predictions

SCORES = {"accuracy": "accuracy", "macro F1": "macro_f1", "log loss": "log_loss"}


def corrected_interval(scores: Sequence[float], held_out_share: float, level: float = 0.95) -> tuple[float, float]:
    """The interval of a mean over random splits whose held-out part is `held_out_share` of the training part's size.

    Splits of one corpus share most of their training songs, so that the plain interval is too narrow; the variance is
    widened by that share (Nadeau and Bengio, Inference for the generalization error, Machine Learning 52, 2003).
    """
    count = len(scores)
    if count < 2:
        raise ValueError(f"an interval over repetitions needs two of them or more, not {count}")
    deviation = np.sqrt((1 / count + held_out_share) * np.var(scores, ddof=1))
    reach = float(t.ppf((1 + level) / 2, count - 1) * deviation)
    return float(np.mean(scores)) - reach, float(np.mean(scores)) + reach


def repetition_table(parts: Sequence[tuple[str, Predictions, float]]) -> pd.DataFrame:
    """A row a part and score: part, score, repetitions, mean, sd, low, high (NaN for a single repetition).

    Each part has its name, its predictions, and its size as a share of the training part's.
    """
    rows = []
    for name, predicted, share in parts:
        by_fold = fold_scores(predicted.label, predicted.logits, predicted.fold)
        for told, column in SCORES.items():
            scores = by_fold[column].to_numpy()
            several = len(scores) > 1
            low, high = corrected_interval(scores, share) if several else (np.nan, np.nan)
            if column != "log_loss":
                low, high = np.clip((low, high), 0, 1)  # a share, whatever the normal distribution says
            sd = float(np.std(scores, ddof=1)) if several else np.nan
            rows.append((name, told, len(scores), float(scores.mean()), sd, low, high))
    return pd.DataFrame(rows, columns=["part", "score", "repetitions", "mean", "sd", "low", "high"])


def records(table: pd.DataFrame) -> list[dict[str, object]]:
    """The rows as JSON can hold them."""
    return table.astype(object).where(table.notna(), None).to_dict("records")
