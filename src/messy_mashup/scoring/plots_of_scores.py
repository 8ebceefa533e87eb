"""Pictures of what a model's scores are made of: how sure and how right, each class, each fold's way there."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from scipy.stats import binomtest

from messy_mashup.scoring.plots import Drawing, curve_numbers

BAR = 0.62  # of a class's row
CURVES = {  # of a run, by panel: column, name, colour
    "Loss": [("train_loss", "training", "tab:blue"), ("val_loss", "validation", "tab:orange")],
    "Score": [
        ("train_accuracy", "training accuracy", "tab:blue"),
        ("val_accuracy", "validation accuracy", "tab:green"),
        ("val_macro_f1", "validation macro F1", "tab:orange"),
    ],
}


def draw_reliability(bins: pd.DataFrame, ece: float, title: str) -> Drawing:
    """Accuracy against confidence with 95 % intervals, above the clips of each bin; `bins` as `reliability` gives."""
    if bins.empty:
        raise ValueError("a reliability diagram needs at least one bin that has clips")
    figure = Drawing(figsize=(7.2, 7.6), layout="constrained")
    curve, counts = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    intervals = [
        binomtest(right, clips).proportion_ci(method="wilson")
        for right, clips in zip(bins["right"].tolist(), bins["clips"].tolist(), strict=True)
    ]
    low, high = np.array([(interval.low, interval.high) for interval in intervals]).T
    curve.plot([0, 1], [0, 1], color="gray", linestyle="--", linewidth=1, label="as often right as it says")
    curve.vlines(bins["confidence"], low, high, color="tab:blue", linewidth=1.2, label="95 % interval (Wilson)")
    curve.plot(bins["confidence"], bins["accuracy"], "o-", color="tab:blue", label=f"this model: ECE {ece:.3f}")
    curve.set(title=title, ylabel="accuracy: share of these clips that are right", xlim=(0, 1), ylim=(-0.02, 1.02))
    curve.legend(loc="upper left")
    counts.bar(bins["low"], bins["clips"], width=bins["high"] - bins["low"], align="edge", color="0.75", edgecolor="w")
    whole = bins["clips"].sum()
    sure, right = (bins["confidence"] * bins["clips"]).sum() / whole, bins["right"].sum() / whole
    counts.axvline(sure, color="tab:orange", label=f"mean confidence {sure:.3f}")
    counts.axvline(right, color="tab:green", linestyle="--", label=f"accuracy {right:.3f}")
    counts.set(xlabel="confidence: probability of the class that was chosen", ylabel="clips")
    counts.legend(loc="upper left", fontsize="small")
    for axes in (curve, counts):
        axes.grid(alpha=0.3)
        axes.set_axisbelow(True)
    return figure


def draw_class_scores(classes: Sequence[str], scores: np.ndarray, intervals: np.ndarray, title: str) -> Drawing:
    """A bar a class, the worst on top: `scores` (classes,) and `intervals` (2, classes), low above high."""
    if scores.shape != (len(classes),) or intervals.shape != (2, len(classes)):
        raise ValueError(f"scores {scores.shape} and intervals {intervals.shape} do not fit {len(classes)} classes")
    order = np.argsort(-scores, kind="stable")
    figure = Drawing(figsize=(9, 1.3 + 0.42 * len(classes)), layout="constrained")
    axes = figure.subplots()
    places = np.arange(len(classes))
    axes.barh(places, scores[order], height=BAR, color="tab:blue", alpha=0.75)
    axes.hlines(places, *intervals[:, order], color="black", linewidth=1.4)
    for place, number in enumerate(order):
        beyond = max(scores[number], intervals[1, number])
        axes.annotate(f"{scores[number]:.2f}", (beyond, place), (5, 0), textcoords="offset points", va="center")
    mean = float(scores.mean())
    axes.axvline(mean, color="gray", linestyle="--", linewidth=1)
    axes.set_yticks(places, [classes[number] for number in order])
    axes.set(title=f"{title} (dashed: their mean, {mean:.3f})", xlabel="F1 (black line: 95 % interval)")
    axes.set(xlim=(0, 1.08), ylim=(-0.6, len(classes) - 0.4))
    axes.set_xticks(np.linspace(0, 1, 6))
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    return figure


def draw_run_curves(members: Mapping[str, pd.DataFrame], title: str) -> Drawing:
    """A run's metrics.csv tables over epochs: a thin line a member, a thick one their mean where all have an epoch."""
    if not members:
        raise ValueError("learning curves of a run need at least one member")
    tables = [curve_numbers(table) for table in members.values()]
    figure = Drawing(figsize=(11, 4.4), layout="constrained")
    for axes, (name, curves) in zip(figure.subplots(1, 2), CURVES.items(), strict=True):
        for column, label, colour in curves:
            _member_lines(axes, [table.set_index("epoch")[column].dropna() for table in tables], label, colour)
        axes.set(title=f"{title}: {name.lower()}", xlabel="epoch")
        axes.set_ylabel("cross-entropy (nats)" if name == "Loss" else "score")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    return figure


def _member_lines(axes: Axes, lines: Sequence[pd.Series], label: str, colour: str) -> None:
    known = [line for line in lines if len(line)]
    for line in known:
        axes.plot(line.index, line, color=colour, linewidth=0.7, alpha=0.45, marker="." if len(line) == 1 else None)
    if known:
        shared = pd.concat(known, axis=1, join="inner").mean(axis=1)
        members = f"mean of {len(known)}" if len(known) > 1 else "one member"
        marker = "o" if len(shared) == 1 else None
        axes.plot(shared.index, shared, color=colour, linewidth=2.2, marker=marker, label=f"{label}, {members}")
