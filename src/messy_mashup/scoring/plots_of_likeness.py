"""Pictures of how like the test's mashups simulated ones are: descriptors side by side, and what an adversary tells."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from sklearn.metrics import roc_curve

from messy_mashup.calibration.adversary import Adversary
from messy_mashup.scoring.plots import Drawing, write_png

BINS = 24
COLUMNS = 4
RARE = 0.005  # of all clips on either side are drawn into the outermost bars: one odd clip shall not take the axis
TELLING = 12  # features, the most telling one of each family: neighbouring bands tell the same
TEST, SIMULATED = "0.72", ("tab:orange", "tab:blue", "tab:green")


def descriptors_picture(test: pd.DataFrame, simulated: Mapping[str, pd.DataFrame], path: Path, title: str) -> None:
    """Draw the histograms of `draw_descriptors` to a PNG."""
    write_png(draw_descriptors(test, simulated, title), path)


def adversaries_picture(named: Mapping[str, Adversary], path: Path, title: str) -> None:
    """Draw the curves of `draw_adversaries` to a PNG."""
    write_png(draw_adversaries(named, title), path)


def draw_descriptors(test: pd.DataFrame, simulated: Mapping[str, pd.DataFrame], title: str) -> Drawing:
    """A small histogram a descriptor: the test's clips filled, named simulated ones as lines, medians below the axis.

    Tables have a row a clip and the columns of the test's, as describe_all makes them.
    """
    tables = {"test": test, **simulated}
    if not 0 < len(simulated) <= len(SIMULATED) or any(table.empty for table in tables.values()):
        raise ValueError(
            f"a picture of likeness needs one to {len(SIMULATED)} named tables beside the test's, all filled"
        )
    missing = [column for column in test for table in simulated.values() if column not in table]
    if missing:
        raise ValueError(f"the simulated clips lack the descriptor {missing[0]}: describe both in the same way")
    rows = -(-len(test.columns) // COLUMNS)
    figure = Drawing(figsize=(3.2 * COLUMNS, 0.9 + 2.05 * rows), layout="constrained")
    grid = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axes, descriptor in zip(grid, test.columns, strict=False):
        _histogram(axes, descriptor, {name: table[descriptor].to_numpy(float) for name, table in tables.items()})
    for axes in grid[len(test.columns) :]:
        axes.set_axis_off()
    handles, labels = grid[0].get_legend_handles_labels()
    named = [f"{label} ({len(tables[label])} clips)" for label in labels]
    figure.legend(handles, named, loc="outside upper center", ncols=len(tables), title=f"{title} (marks: medians)")
    return figure


def draw_adversaries(named: Mapping[str, Adversary], title: str) -> Drawing:
    """ROC curves of named adversaries, beside what gives the first one's simulated clips away, in each of them."""
    if not 0 < len(named) <= len(SIMULATED):
        raise ValueError(f"a picture of adversaries needs one to {len(SIMULATED)} of them")
    figure = Drawing(figsize=(13, 5.4), layout="constrained")
    curve, bars = figure.subplots(1, 2, width_ratios=[4, 5])
    for colour, (name, told) in zip(SIMULATED, named.items(), strict=False):
        wrong, right, _ = roc_curve(told.is_test, told.score)
        low, high = told.interval
        curve.plot(wrong, right, color=colour, label=f"{name}: AUC {told.auc:.3f} ({low:.3f} to {high:.3f})")
    curve.plot([0, 1], [0, 1], color="gray", linestyle="--", linewidth=1, label="cannot be told apart: .500")
    curve.set(title=title, xlabel="share of the simulated taken for the test's", ylabel="share of the test's found")
    curve.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), box_aspect=1)
    curve.grid(alpha=0.3)
    curve.legend(loc="lower right", fontsize="small")
    _telling_bars(bars, named)
    return figure


def _histogram(axes: Axes, descriptor: str, values: Mapping[str, np.ndarray]) -> None:
    edges = _edges(list(values.values()))
    for place, (name, clips) in enumerate(values.items()):
        weights = np.full(len(clips), 100 / len(clips))
        heard = np.clip(clips, edges[0], edges[-1])
        style = {"color": TEST} if place == 0 else {"histtype": "step", "color": SIMULATED[place - 1], "linewidth": 1.5}
        axes.hist(heard, bins=edges, weights=weights, label=name, **style)
        colour = "0.4" if place == 0 else SIMULATED[place - 1]
        median = np.clip(np.median(clips), edges[0], edges[-1])
        axes.plot(median, -0.05, "^", color=colour, clip_on=False, transform=axes.get_xaxis_transform(), markersize=7)
    told = " | ".join(f"{np.median(clips):.4g}" for clips in values.values())
    axes.set_title(f"{descriptor}: {told}", loc="left", fontsize="small")
    axes.tick_params(labelsize="small", pad=5)
    axes.set_ylabel("% of clips", fontsize="small")


def _edges(sides: Sequence[np.ndarray]) -> np.ndarray:
    """Edges of the bars, from the least to the most that is not rare on any side."""
    low = min(np.quantile(clips, RARE) for clips in sides)
    high = max(np.quantile(clips, 1 - RARE) for clips in sides)
    if high <= low:
        low, high = low - 0.5, low + 0.5
    return np.linspace(low, high, BINS + 1)


def _telling_bars(axes: Axes, named: Mapping[str, Adversary]) -> None:
    """The AUC of single features, those that tell most in the first adversary, in each of them."""
    tables = [told.telling.set_index("feature") for told in named.values()]
    family = tables[0].index.str.partition(", ").get_level_values(0)
    features = tables[0].index[~family.duplicated()][:TELLING][::-1]
    height = 0.8 / len(tables)
    for place, (colour, table) in enumerate(zip(SIMULATED, tables, strict=False)):
        across = np.arange(len(features)) + 0.4 - height * (place + 0.5)
        axes.barh(across, table["auc"].reindex(features) - 0.5, height=height, left=0.5, color=colour)
    axes.axvline(0.5, color="black", linewidth=1)
    axes.set_yticks(np.arange(len(features)), features, fontsize="small")
    axes.set(title=f'What gives "{next(iter(named))}" away', xlim=(0, 1))
    axes.set_xlabel("how often the test's clip has more of it (.5: as often as not)")
    axes.grid(axis="x", alpha=0.3)
