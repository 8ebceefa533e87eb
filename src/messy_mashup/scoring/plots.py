"""Pictures of training, of errors and of log-mels; each is drawn as a Figure, then written whole as a PNG."""

from collections.abc import Sequence
from pathlib import Path
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from messy_mashup.errors import UserError
from messy_mashup.files import write_whole

CURVE_COLUMNS = ("epoch", "lr", "train_loss", "train_accuracy", "val_loss", "val_macro_f1", "val_accuracy")
DPI = 110
TITLE_LETTERS_AN_INCH = 8
BAR_INCHES = 0.2
QUIET_SHARE = 0.02  # of the cells that are not at the floor: with all, digital silence would take the whole scale


def learning_curves(metrics: pd.DataFrame, path: Path) -> None:
    """Draw a member's metrics.csv: losses beside scores."""
    _write(draw_learning_curves(metrics), path)


def confusion_picture(matrix: np.ndarray, classes: Sequence[str], path: Path, title: str) -> None:
    """Draw counts (classes, classes), rows true and columns predicted, coloured by share of the row."""
    _write(draw_confusion(matrix, classes, title), path)


def spectrogram_picture(panels: Sequence[tuple[str, np.ndarray]], path: Path, hop_s: float) -> None:
    """Draw titled log-mels (frames, mels) one above the other, on one time axis and one colour scale."""
    _write(draw_spectrograms(panels, hop_s), path)


def differences_picture(rows: Sequence[tuple[str, float, float, float]], path: Path, title: str) -> None:
    """Draw differences with their intervals, (name, difference, low, high) each, against no difference."""
    _write(draw_differences(rows, title), path)


def draw_learning_curves(metrics: pd.DataFrame) -> Figure:
    """Two panels over epochs, the best epoch marked; the columns are CURVE_COLUMNS, val_… may be empty."""
    curves = _numbers(metrics)
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    losses, right = figure.subplots(1, 2)
    _curve(losses, curves, "train_loss", "training")
    _curve(losses, curves, "val_loss", "validation")
    losses.set(title="Loss", ylabel="cross-entropy (nats)")
    _curve(right, curves, "train_accuracy", "training accuracy")
    validated = curves["val_macro_f1"].notna().any()
    right.set(title="Score" if validated else "Score (no validation)", ylabel="score")
    if validated:
        _curve(right, curves, "val_macro_f1", "macro F1")
        _curve(right, curves, "val_accuracy", "accuracy")
        _mark_best(losses, right, curves)
    for axes in (losses, right):
        axes.set(xlabel="epoch", xlim=(curves["epoch"].min() - 0.5, curves["epoch"].max() + 0.5))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(alpha=0.3)
        axes.legend()
    return figure


def draw_confusion(matrix: np.ndarray, classes: Sequence[str], title: str) -> Figure:
    """One square a pair of classes, with its count; empty squares stay blank."""
    if matrix.shape != (len(classes), len(classes)):
        raise ValueError(f"a confusion matrix of shape {matrix.shape} does not fit {len(classes)} classes")
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    side_inches = 2.5 + 0.55 * len(classes)
    figure = Figure(figsize=(side_inches + 0.8, side_inches), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, vmin=0, vmax=1, cmap="Blues")
    for row, column in np.argwhere(matrix > 0):
        colour = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, f"{matrix[row, column]}", ha="center", va="center", color=colour)
    positions = range(len(classes))
    axes.set_xticks(positions, classes, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(positions, classes)
    axes.set(title=fill(title, round(TITLE_LETTERS_AN_INCH * side_inches)), xlabel="predicted", ylabel="true")
    figure.colorbar(image, ax=axes, label="share of the true class", shrink=0.8)
    return figure


def draw_differences(rows: Sequence[tuple[str, float, float, float]], title: str) -> Figure:
    """A line a row, the first on top: the difference as a dot, its interval as a bar."""
    if not rows:
        raise ValueError("a picture of differences needs at least one")
    figure = Figure(figsize=(9, 1.4 + 0.45 * len(rows)), layout="constrained")
    axes = figure.subplots()
    for place, (_, difference, low, high) in enumerate(reversed(rows)):
        beyond_doubt = low > 0 or high < 0
        colour = "tab:blue" if beyond_doubt else "gray"
        axes.errorbar(
            difference, place, xerr=[[difference - low], [high - difference]], fmt="o", color=colour, capsize=4
        )
        axes.annotate(f"{difference:+.3f}", (difference, place), (0, 7), textcoords="offset points", ha="center")
    axes.axvline(0, color="black", linewidth=1)
    axes.set_yticks(range(len(rows)), [name for name, *_ in reversed(rows)])
    axes.set(title=title, xlabel="difference of macro F1, with 95 % interval", ylim=(-0.6, len(rows) - 0.3))
    axes.grid(axis="x", alpha=0.3)
    return figure


def draw_spectrograms(panels: Sequence[tuple[str, np.ndarray]], hop_s: float) -> Figure:
    """A panel a log-mel (frames, mels), low bands below; `hop_s` is the time from frame to frame."""
    if not panels or any(log_mel.ndim != 2 or log_mel.size == 0 for _, log_mel in panels):
        raise ValueError("a spectrogram picture needs at least one log-mel, each (frames, mels) and not empty")
    levels = np.concatenate([log_mel.ravel() for _, log_mel in panels])
    if not np.isfinite(levels).all():
        raise ValueError("a log-mel to be drawn holds values that are not finite")
    above_floor = levels[levels > levels.min()]
    low, high = np.quantile(above_floor if above_floor.size else levels, QUIET_SHARE), levels.max()
    height_inches = 1.1 + 1.9 * len(panels)
    figure = Figure(figsize=(10, height_inches), layout="constrained")
    rows = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (title, log_mel) in zip(rows, panels, strict=True):
        frames, mels = log_mel.shape
        extent = (0, frames * hop_s, 0, mels)
        image = axes.imshow(log_mel.T, origin="lower", aspect="auto", extent=extent, vmin=low, vmax=high, cmap="magma")
        axes.set_title(title, loc="left", fontsize="medium")
        axes.set_ylabel("mel band")
    rows[-1].set(xlabel="time (s)", xlim=(0, max(len(log_mel) for _, log_mel in panels) * hop_s))
    figure.colorbar(image, ax=list(rows), label="log-mel", pad=0.01, aspect=height_inches / BAR_INCHES)
    return figure


def _numbers(metrics: pd.DataFrame) -> pd.DataFrame:
    """The columns of CURVE_COLUMNS as numbers, empty cells as NaN."""
    missing = [column for column in CURVE_COLUMNS if column not in metrics]
    if missing or metrics.empty:
        lack = f"no column {', '.join(missing)}" if missing else "no epoch"
        raise UserError(f"the metrics have {lack}: learning curves need {', '.join(CURVE_COLUMNS)}")
    return metrics[list(CURVE_COLUMNS)].apply(pd.to_numeric)


def _curve(axes: Axes, curves: pd.DataFrame, column: str, label: str) -> None:
    known = curves.dropna(subset=[column])
    if not known.empty:
        axes.plot(known["epoch"], known[column], marker=".", label=label)


def _mark_best(losses: Axes, scores: Axes, curves: pd.DataFrame) -> None:
    best = curves.loc[curves["val_macro_f1"].idxmax()]
    for axes in (losses, scores):
        axes.axvline(best["epoch"], color="gray", linestyle="--", linewidth=1)
    label = f"best: {best['val_macro_f1']:.3f}, epoch {best['epoch']:g}"
    scores.plot(best["epoch"], best["val_macro_f1"], "*", color="black", markersize=11, label=label)


def _write(figure: Figure, path: Path) -> None:
    """Software's version is left out of the file: the same figure gives the same bytes."""
    with write_whole(path) as temporary:
        figure.savefig(temporary, format="png", dpi=DPI, metadata={"Software": None})
