"""Pictures of a search: how it went on, which fields mattered, and what each of their values came to."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from messy_mashup.scoring.plots import Drawing

COLUMNS = 3  # of panels
SPREAD = 0.5  # of the dots of a choice, in distances between choices
GOLDEN = 0.618034  # multiples of it are spread evenly


@dataclass(frozen=True)
class Scale:
    """How a field's values lie along an axis."""

    low: float = 0.0
    high: float = 1.0
    log: bool = False
    whole: bool = False
    choices: tuple[str, ...] = ()  # the texts of all there are, at equal distances; else the values are numbers


def draw_history(trials: pd.DataFrame, metric: str) -> Drawing:
    """Each trial's value and the best so far; columns number, state, value and best."""
    figure = Drawing(figsize=(9, 4.8), layout="constrained")
    axes = figure.subplots()
    complete, pruned, failed = _of(trials, "complete"), _of(trials, "pruned"), trials[trials["state"] == "failed"]
    best = trials.dropna(subset=["best"])
    if not best.empty:
        label = f"best so far (in the end {best['best'].iloc[-1]:.4f})"
        axes.step(best["number"], best["best"], where="post", color="tab:orange", linewidth=1.8, label=label)
    axes.plot(complete["number"], complete["value"], "o", color="tab:blue", label=f"complete ({len(complete)})")
    if not pruned.empty:
        label = f"pruned ({len(pruned)}), at the last epoch"
        axes.plot(pruned["number"], pruned["value"], "x", color="gray", label=label)
    if not failed.empty:
        place = {"transform": axes.get_xaxis_transform(), "label": f"failed ({len(failed)})"}
        axes.plot(failed["number"], [0.03] * len(failed), "|", color="tab:red", markersize=12, **place)
    axes.set(title="Trials", xlabel="trial", ylabel=metric)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=4)
    return figure


def draw_importances(importances: pd.DataFrame, trials: int) -> Drawing:
    """A bar a field, the most important on top; columns field and importance, of so many trials."""
    rows = importances.sort_values("importance", kind="stable")
    figure = Drawing(figsize=(8, 1.3 + 0.38 * len(rows)), layout="constrained")
    axes = figure.subplots()
    bars = axes.barh(rows["field"], rows["importance"], color="tab:blue", height=0.7)
    axes.bar_label(bars, fmt="%.2f", padding=3)
    axes.set(
        title=f"fANOVA importance (Hutter et al. 2014), {trials} complete trials",
        xlabel="share of the variance that is explained",
        xlim=(0, 1.12 * max(rows["importance"].max(), 1e-9)),
    )
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    return figure


def draw_slices(trials: pd.DataFrame, scales: Mapping[str, Scale], metric: str, best: int) -> Drawing:
    """A panel a field with the values that trials came to at it, the best trial marked by its number; columns number,
    state, value and the fields.
    """
    rows, columns = -(-len(scales) // COLUMNS), min(COLUMNS, len(scales))
    figure = Drawing(figsize=(0.8 + 3.6 * columns, 0.7 + 2.7 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, sharey=True, squeeze=False)
    complete, pruned = _of(trials, "complete"), _of(trials, "pruned")
    star = trials[trials["number"] == best]
    for axes, (field, scale) in zip(panels.flat, scales.items(), strict=False):
        _set_axis(axes, field, scale)
        crosses = axes.scatter(_places(pruned, field, scale), pruned["value"], marker="x", color="darkgray", s=24)
        places, numbers = _places(complete, field, scale), complete["number"]
        dots = axes.scatter(
            places, complete["value"], c=numbers, cmap="viridis", s=30, edgecolors="white", linewidths=0.5
        )
        (mark,) = axes.plot(_places(star, field, scale), star["value"], "*", color="tab:red", markersize=12)
    for axes in panels.flat[len(scales) :]:
        axes.remove()
    for axes in panels[:, 0]:
        axes.set_ylabel(metric)
    shown = list(panels.flat[: len(scales)])
    figure.colorbar(dots, ax=shown, label="trial", pad=0.01, ticks=MaxNLocator(integer=True))
    names = ["complete", "pruned, at the last epoch", f"the best, trial {best}"]
    figure.legend([dots, crosses, mark], names, loc="outside upper center", ncols=3)
    return figure


def _of(trials: pd.DataFrame, state: str) -> pd.DataFrame:
    return trials[(trials["state"] == state) & trials["value"].notna()]


def _places(trials: pd.DataFrame, field: str, scale: Scale) -> list[float]:
    """Where the trials lie along a field's axis; those of one choice side by side, so that none hides another."""
    if not scale.choices:
        return trials[field].astype(float).tolist()
    rows = zip(trials[field], trials["number"], strict=True)
    return [scale.choices.index(str(value)) + SPREAD * (number * GOLDEN % 1 - 0.5) for value, number in rows]


def _set_axis(axes: Axes, field: str, scale: Scale) -> None:
    axes.set_xlabel(field)
    axes.margins(y=0.08)
    axes.grid(alpha=0.3)
    axes.set_axisbelow(True)
    if scale.choices:
        axes.set_xticks(range(len(scale.choices)), scale.choices)
        axes.set_xlim(-0.5, len(scale.choices) - 0.5)
        return
    if scale.log:
        axes.set_xscale("log")
        # Over few decades every one would be a single tick, and the labels of matplotlib's minor ones overlap.
        subs = (1, 2, 5) if scale.high < 100 * scale.low else (1,)
        axes.xaxis.set_major_locator(LogLocator(subs=subs))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        margin = (scale.high / scale.low) ** 0.03
        axes.set_xlim(scale.low / margin, scale.high * margin)
        return
    margin = 0.03 * (scale.high - scale.low)
    axes.set_xlim(scale.low - margin, scale.high + margin)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=scale.whole))
