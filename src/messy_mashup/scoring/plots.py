"""Pictures of training, of errors and of log-mels; each is drawn, shown by a notebook or written whole as a PNG."""

import io
from collections.abc import Sequence
from pathlib import Path
from textwrap import fill
from typing import BinaryIO

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from messy_mashup.errors import UserError
from messy_mashup.files import write_whole
from messy_mashup.scoring.metrics import Roc

CURVE_COLUMNS = ("epoch", "lr", "train_loss", "train_accuracy", "val_loss", "val_macro_f1", "val_accuracy")
DPI = 110
TITLE_LETTERS_AN_INCH = 8
BAR_INCHES = 0.2
ROC_CORNER = 0.3
QUIET_SHARE = 0.02  # of the cells that are not at the floor: with all, digital silence would take the whole scale


class Drawing(Figure):
    """A figure that a notebook shows as a cell's last value, though pyplot never made it."""

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        self.write_png(file)
        return file.getvalue()

    def write_png(self, file: Path | BinaryIO) -> None:
        """Software's version is left out of the file: the same figure gives the same bytes."""
        self.savefig(file, format="png", dpi=DPI, metadata={"Software": None})


def write_png(figure: Drawing, path: Path) -> Path:
    """Write a figure as a PNG, whole or not at all, and give its path."""
    with write_whole(path) as temporary:
        figure.write_png(temporary)
    return path


def learning_curves(metrics: pd.DataFrame, path: Path) -> None:
    """Draw a member's metrics.csv: losses beside scores."""
    write_png(draw_learning_curves(metrics), path)


def confusion_picture(matrix: np.ndarray, classes: Sequence[str], path: Path, title: str) -> None:
    """Draw counts (classes, classes), rows true and columns predicted, coloured by share of the row."""
    write_png(draw_confusion(matrix, classes, title), path)


def spectrogram_picture(panels: Sequence[tuple[str, np.ndarray]], path: Path, hop_s: float) -> None:
    """Draw titled log-mels (frames, mels) one above the other, on one time axis and one colour scale."""
    write_png(draw_spectrograms(panels, hop_s), path)


def differences_picture(rows: Sequence[tuple[str, float, float, float]], path: Path, title: str) -> None:
    """Draw differences with their intervals, (name, difference, low, high) each, against no difference."""
    write_png(draw_differences(rows, title), path)


def draw_learning_curves(metrics: pd.DataFrame) -> Drawing:
    """Two panels over epochs, the best epoch marked; the columns are CURVE_COLUMNS, val_… may be empty."""
    curves = curve_numbers(metrics)
    figure = Drawing(figsize=(11, 4.2), layout="constrained")
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


def draw_confusion(matrix: np.ndarray, classes: Sequence[str], title: str) -> Drawing:
    """One square a pair of classes, with its count; empty squares stay blank."""
    _refuse_other_classes(matrix, classes)
    return _draw_squares(_shares(matrix), matrix.astype(str), classes, title)


def draw_confusion_shares(matrix: np.ndarray, classes: Sequence[str], title: str) -> Drawing:
    """The same counts (classes, classes), each told as a percentage of its true class; less than 0.5 % stays blank."""
    _refuse_other_classes(matrix, classes)
    shares = _shares(matrix)
    percent = np.round(100 * shares).astype(int)
    return _draw_squares(shares, percent.astype(str), classes, f"{title} (% of the true class)")


def draw_roc(curves: Roc, classes: Sequence[str], title: str) -> Drawing:
    """Each class against the rest, the whole square beside its upper left corner; the worst class first."""
    if len(curves.auc) != len(classes):
        raise ValueError(f"{len(curves.auc)} ROC curves do not fit {len(classes)} classes")
    figure = Drawing(figsize=(13, 5.4), layout="constrained")
    whole, corner = figure.subplots(1, 2)
    colours = colormaps["tab10" if len(classes) <= 10 else "tab20"].colors
    for number in np.argsort(curves.auc, kind="stable"):
        colour = colours[number % len(colours)]
        label = f"{classes[number]} {curves.auc[number]:.3f}"
        for axes in (whole, corner):
            axes.plot(*curves.points[number], color=colour, linewidth=1.6, label=label)
    whole.plot([0, 1], [0, 1], color="gray", linestyle="--", linewidth=1)
    whole.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), title=title)
    corner.set(xlim=(0, ROC_CORNER), ylim=(1 - ROC_CORNER, 1.003), title="Its upper left corner")
    for axes in (whole, corner):
        axes.set(xlabel="share of the other classes taken for it", ylabel="share of the class found", box_aspect=1)
        axes.grid(alpha=0.3)
    handles, labels = whole.get_legend_handles_labels()
    heading = f"AUC, worst first\n(macro {curves.macro:.3f})"
    figure.legend(handles, labels, loc="outside right center", title=heading)
    return figure


def draw_predictions(predicted: Sequence[str], confidence: np.ndarray, classes: Sequence[str]) -> Drawing:
    """Clips by the class that was chosen, beside the probability (clips,) of that class."""
    if len(predicted) == 0 or len(predicted) != len(confidence):
        raise ValueError(f"{len(predicted)} classes and {len(confidence)} probabilities are no predictions to draw")
    figure = Drawing(figsize=(11, 3.4), layout="constrained")
    counted, sure = figure.subplots(1, 2, width_ratios=[3, 2])
    counted.bar(classes, [list(predicted).count(name) for name in classes])
    counted.axhline(len(predicted) / len(classes), color="black", linestyle="--", linewidth=1, label="if balanced")
    counted.set(title="What was chosen", ylabel="clips")
    counted.tick_params(axis="x", rotation=30)
    counted.legend()
    sure.hist(confidence, bins=20, range=(0, 1))
    sure.set(title="How sure", xlabel="probability of the class that was chosen", ylabel="clips", xlim=(0, 1))
    return figure


def draw_differences(rows: Sequence[tuple[str, float, float, float]], title: str) -> Drawing:
    """A line a row, the first on top: the difference as a dot, its interval as a bar."""
    if not rows:
        raise ValueError("a picture of differences needs at least one")
    figure = Drawing(figsize=(9, 1.4 + 0.45 * len(rows)), layout="constrained")
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


def draw_spectrograms(panels: Sequence[tuple[str, np.ndarray]], hop_s: float) -> Drawing:
    """A panel a log-mel (frames, mels), low bands below; `hop_s` is the time from frame to frame."""
    if not panels or any(log_mel.ndim != 2 or log_mel.size == 0 for _, log_mel in panels):
        raise ValueError("a spectrogram picture needs at least one log-mel, each (frames, mels) and not empty")
    levels = np.concatenate([log_mel.ravel() for _, log_mel in panels])
    if not np.isfinite(levels).all():
        raise ValueError("a log-mel to be drawn holds values that are not finite")
    above_floor = levels[levels > levels.min()]
    low, high = np.quantile(above_floor if above_floor.size else levels, QUIET_SHARE), levels.max()
    height_inches = 1.1 + 1.9 * len(panels)
    figure = Drawing(figsize=(10, height_inches), layout="constrained")
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


def curve_numbers(metrics: pd.DataFrame) -> pd.DataFrame:
    """The columns of CURVE_COLUMNS as numbers, empty cells as NaN."""
    missing = [column for column in CURVE_COLUMNS if column not in metrics]
    if missing or metrics.empty:
        lack = f"no column {', '.join(missing)}" if missing else "no epoch"
        raise UserError(f"the metrics have {lack}: learning curves need {', '.join(CURVE_COLUMNS)}")
    return metrics[list(CURVE_COLUMNS)].apply(pd.to_numeric)


def _refuse_other_classes(matrix: np.ndarray, classes: Sequence[str]) -> None:
    if matrix.shape != (len(classes), len(classes)):
        raise ValueError(f"a confusion matrix of shape {matrix.shape} does not fit {len(classes)} classes")


def _shares(matrix: np.ndarray) -> np.ndarray:
    """Each row as shares of the true class; a class without clips has none."""
    return matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)


def _draw_squares(shares: np.ndarray, told: np.ndarray, classes: Sequence[str], title: str) -> Drawing:
    """Squares coloured by share, with what is told of each; "0" is left out."""
    side_inches = 2.5 + 0.55 * len(classes)
    figure = Drawing(figsize=(side_inches + 0.8, side_inches), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, vmin=0, vmax=1, cmap="Blues")
    for row, column in np.argwhere(told != "0"):
        colour = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, told[row, column], ha="center", va="center", color=colour)
    positions = range(len(classes))
    axes.set_xticks(positions, classes, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(positions, classes)
    axes.set(title=fill(title, round(TITLE_LETTERS_AN_INCH * side_inches)), xlabel="predicted", ylabel="true")
    figure.colorbar(image, ax=axes, label="share of the true class", shrink=0.8)
    return figure


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
