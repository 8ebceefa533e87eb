"""Pictures of found stems: where in their songs they lie, and how far the true ones stand out of chance."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from messy_mashup.scoring.match_likelihood import LEAST_SIGNIFICANCE, Sureness
from messy_mashup.scoring.plots import Drawing

LANE_COLOURS = {True: "tab:blue", False: "tab:orange"}
MOST_SHOWN = 200.0  # of significance


def draw_significance(groups: dict[str, np.ndarray], sureness: Sureness, agrees: float) -> Drawing:
    """How many stems of each group have which significance, (stems,) each, above the probability that goes with it."""
    edges = np.geomspace(LEAST_SIGNIFICANCE, MOST_SHOWN, 45)
    figure = Drawing(figsize=(10, 6), layout="constrained")
    counted, sure = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    for name, significance in groups.items():
        shown = np.clip(significance, LEAST_SIGNIFICANCE, MOST_SHOWN)
        label = f"{name} ({len(significance)})"
        counted.hist(shown, bins=edges, histtype="stepfilled", alpha=0.5, label=label)
    counted.set(ylabel="stems", title="Stems that were looked at closely, by how far their waves are above chance")
    counted.legend(loc="upper center")
    sure.plot(edges, sureness.probability(edges), color="black")
    sure.set(xscale="log", ylim=(-0.03, 1.03), ylabel="probability\nthat it is there")
    sure.set_xlabel("significance: deviations above the same stem at other times (all below .1 are drawn there)")
    for axes in (counted, sure):
        axes.axvline(agrees, color="gray", linestyle="--", linewidth=1)
        axes.grid(alpha=0.3)
    return figure


def draw_found_counts(groups: dict[str, np.ndarray]) -> Drawing:
    """In which share of each group's mashups so many stems were found: counts (mashups,) each."""
    most = max((int(counts.max(initial=0)) for counts in groups.values()), default=0)
    numbers = np.arange(most + 1)
    figure = Drawing(figsize=(8, 3.6), layout="constrained")
    axes = figure.subplots()
    width = 0.8 / len(groups)
    for place, (name, counts) in enumerate(groups.items()):
        share = [np.mean(counts == number) for number in numbers]
        bars = axes.bar(
            numbers + (place - (len(groups) - 1) / 2) * width, share, width, label=f"{name} ({len(counts)})"
        )
        axes.bar_label(bars, [f"{value:.0%}" if value else "" for value in share], fontsize=8)
    axes.set(xlabel="stems found in a mashup", ylabel="share of the mashups", xticks=numbers, ylim=(0, 1.1))
    axes.legend()
    return figure


def draw_stems(log_mel: np.ndarray, matches: pd.DataFrame, length_s: float, title: str) -> Drawing:
    """A mashup's log-mel (frames, mels), and below it a lane for each found stem: when in its song it is heard.

    matches: columns song, part, rate, offset_s, significance, probability, steady.
    """
    lanes = max(1, len(matches))
    figure = Drawing(figsize=(10, 2.6 + 0.5 * lanes), layout="constrained")
    heard, found = figure.subplots(2, 1, sharex=True, height_ratios=[2.2, 0.5 * lanes])
    heard.imshow(log_mel.T, origin="lower", aspect="auto", extent=(0, length_s, 0, log_mel.shape[1]), cmap="magma")
    heard.set(title=title, ylabel="mel band")
    found.set(xlabel="time in the mashup (s)", xlim=(0, length_s), ylim=(-0.6, lanes - 0.4), yticks=[])
    if matches.empty:
        found.text(length_s / 2, 0, "no stem of the data set was found", ha="center", va="center", color="gray")
    for lane, match in enumerate(matches.iloc[::-1].itertuples()):
        found.barh(lane, length_s, height=0.8, color=LANE_COLOURS[match.steady], alpha=0.25 + 0.5 * match.probability)
        end_s = match.offset_s + match.rate * length_s
        speed = "as it is" if match.steady else f"rate {match.rate:.3f}"
        told = (
            f"{match.part} of {match.song}, {_shown(match.offset_s)} to {end_s:.2f} s, {speed}, "
            f"{match.significance:.0f} deviations, {match.probability:.1%}"
        )
        found.text(0.01 * length_s, lane, told, va="center", fontsize=9)
    return figure


def lanes_told(matches: pd.DataFrame) -> Sequence[str]:
    """The found stems of a mashup, a line each."""
    return [
        f"  {match.part:<7} {match.song}  from {_shown(match.offset_s)} s, rate {match.rate:.3f}, "
        f"{match.significance:.1f} deviations above chance, {match.probability:.1%}"
        for match in matches.itertuples()
    ]


def _shown(seconds: float) -> str:
    return f"{round(seconds, 2) + 0.0:.2f}"  # not -0.00
