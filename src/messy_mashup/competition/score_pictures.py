"""Pictures of the ledger: cross-validation against the leaderboard, and the scores over time."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from messy_mashup.files import write_whole

CV_PICTURE, HISTORY_PICTURE = "cv_against_leaderboard.png", "history.png"
DPI = 110
LABEL_INCHES = 0.21  # from one label to the next
FRAME_INCHES = 1.5  # title, axis and legend take less
LABEL_LETTERS = 40
MARGIN = 0.02  # of score, around the points
LEAST_MARGIN = pd.Timedelta(hours=6)  # of time, or a lone submission would stand in an axis of years
ENOUGH = 2
LINE = {"arrowstyle": "-", "color": "gray", "linewidth": 0.6, "relpos": (0, 0.5), "shrinkA": 1, "shrinkB": 3}
SERIES = {"public": ("o", "tab:blue"), "private": ("s", "tab:orange")}


def draw_all(table: pd.DataFrame, folder: Path) -> list[str]:
    """Draw what a ledger's cells allow; a sentence for each picture, drawn or not."""
    scores = scored(table)
    return [
        _draw(draw_cv, scores.dropna(subset=["oof"]), folder / CV_PICTURE, "an out-of-fold and a leaderboard score"),
        _draw(draw_history, scores, folder / HISTORY_PICTURE, "a leaderboard score"),
    ]


def scored(table: pd.DataFrame) -> pd.DataFrame:
    """The rows with a leaderboard score, oldest first: time, label, oof, spread, public, private."""
    columns = {"oof": "oof_macro_f1", "spread": "oof_spread", "public": "public", "private": "private"}
    rows = pd.DataFrame({name: pd.to_numeric(table[column]) for name, column in columns.items()})
    times = table["submitted"].where(table["submitted"] != "", table["utc"])
    rows.insert(0, "time", pd.to_datetime(times, utc=True, format="ISO8601"))
    rows.insert(1, "label", [_label(file) for file in table["file"]])
    return rows.dropna(subset=["public", "private"], how="all").sort_values("time", kind="stable", ignore_index=True)


def draw_cv(rows: pd.DataFrame) -> Figure:
    """Out-of-fold score with its spread over folds against public and private score; `rows` as `scored` gives them."""
    figure = Figure(figsize=(11, max(6.0, FRAME_INCHES + LABEL_INCHES * len(rows))), layout="constrained")
    axes = figure.subplots()
    values = rows[["public", "private"]].to_numpy(float)
    oof, spread = rows["oof"].to_numpy(float), rows["spread"].fillna(0).to_numpy(float)
    ends = np.concatenate([oof - spread, oof + spread, values[np.isfinite(values)]])
    low, high = max(ends.min() - MARGIN, 0), min(ends.max() + MARGIN, 1)
    axes.plot([low, high], [low, high], color="gray", linestyle="--", linewidth=1, label="as in cross-validation")
    for name, (marker, colour) in SERIES.items():
        known = rows.dropna(subset=[name])
        if not known.empty:
            axes.errorbar(
                known["oof"],
                known[name],
                xerr=known["spread"],
                fmt=marker,
                color=colour,
                capsize=3,
                elinewidth=0.8,
                alpha=0.8,
                label=f"{name} score",
            )
    axes.set(xlabel="out-of-fold macro F1 (bar: standard deviation over folds)", ylabel="leaderboard macro F1")
    axes.set(title="Cross-validation against the leaderboard", xlim=(low, high), ylim=(low, high))
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower left", ncols=3)
    heights = rows["public"].fillna(rows["private"])
    _label_beside(axes, list(zip(rows["oof"], heights, rows["label"], strict=True)), low, high)
    return figure


def draw_history(rows: pd.DataFrame) -> Figure:
    """Scores over time, and the best public score so far; `rows` as `scored` gives them."""
    figure = Figure(figsize=(11, 5.2), layout="constrained")
    axes = figure.subplots()
    axes.plot(rows["time"], rows["oof"], "x", color="gray", label="out-of-fold (where known)")
    for name, (marker, colour) in SERIES.items():
        known = rows.dropna(subset=[name])
        if not known.empty:
            axes.plot(known["time"], known[name], marker, color=colour, alpha=0.8, label=name)
    best = rows.dropna(subset=["public"])
    if not best.empty:
        axes.step(
            best["time"], best["public"].cummax(), where="post", color="tab:blue", linewidth=1, label="best public"
        )
        top = best.loc[best["public"].idxmax()]
        axes.set_title(f"Scores over time; best public {top['public']:.5f}: {top['label']}")
    else:
        axes.set_title("Scores over time")
    locator = AutoDateLocator()
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.set(xlabel="submitted (UTC)", ylabel="macro F1")
    first, last = rows["time"].min(), rows["time"].max()
    margin = max((last - first) * 0.05, LEAST_MARGIN)
    axes.set_xlim(first - margin, last + margin)
    axes.margins(y=0.12)
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower left", ncols=4)
    return figure


def spread_out(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Places near the wanted ones (ascending), at least `gap` apart and between low and high where they fit."""
    places: list[float] = []
    for place in wanted:
        places.append(max(place, places[-1] + gap if places else low))
    ceiling = high
    for index in reversed(range(len(places))):
        places[index] = min(places[index], ceiling)
        ceiling = places[index] - gap
    return places


def _label_beside(axes: Axes, points: list[tuple[float, float, str]], low: float, high: float) -> None:
    """A column of labels right of the picture, each with a thin line to its point: so none overlaps another."""
    ordered = sorted(points, key=lambda point: point[1])
    inches = axes.figure.get_size_inches()[1] - FRAME_INCHES
    gap = (high - low) * LABEL_INCHES / inches
    places = spread_out([height for _, height, _ in ordered], gap, low, high)
    edge = 1.03
    for (across, height, label), place in zip(ordered, places, strict=True):
        axes.annotate(
            label,
            (across, height),
            (edge, (place - low) / (high - low)),
            textcoords="axes fraction",
            va="center",
            fontsize=8,
            arrowprops=LINE,
        )


def _label(file: str) -> str:
    name = file.removesuffix(".csv")
    half = LABEL_LETTERS // 2
    return name if len(name) <= LABEL_LETTERS else f"{name[:half]}…{name[-half:]}"


def _draw(draw: Callable[[pd.DataFrame], Figure], rows: pd.DataFrame, path: Path, needed: str) -> str:
    if rows.empty:
        return f"{path.name} was not drawn: no submission has {needed} yet"
    with write_whole(path) as temporary:
        draw(rows).savefig(temporary, format="png", dpi=DPI, metadata={"Software": None})
    return f"{path}{f' (only {len(rows)} submission has {needed}: it says little yet)' if len(rows) < ENOUGH else ''}"
