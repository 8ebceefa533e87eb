"""The picture of match.py: how often stems are found, by level, lag, part and rate."""

from pathlib import Path

import pandas as pd
from match_rates import FIXED_SNR_DB, RANDOM, STEADY, TOLD, VOCODED
from matplotlib.axes import Axes

from messy_mashup.scoring.plots import Drawing, write_png

COLOURS = {VOCODED: "tab:orange", STEADY: "tab:blue"}
TITLES = {RANDOM: "Voices begin anywhere", TOLD: "They begin with their stems, and the search is told"}


def draw(told: dict[str, pd.DataFrame], path: Path) -> None:
    """Found stems by level, as PNG; the tables are match.py's."""
    figure = Drawing(figsize=(13, 8.4), layout="constrained")
    panels = figure.subplots(2, 2).ravel()
    for axes, (lag, title) in zip(panels, TITLES.items(), strict=False):
        _levels(axes, told["rates"], lag)
        axes.set(title=title, xlabel="level of the voice against the other three (dB)")
    _plain(panels[0], told["plain"])
    _fixed(panels[2], told)
    _parts(panels[3], told["parts"])
    for axes in panels:
        axes.set(ylim=(-0.03, 1.03), ylabel="share of the stems found")
        axes.grid(alpha=0.3)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, fontsize=9)
    write_png(figure, path)


def _levels(axes: Axes, rates: pd.DataFrame, lag: str) -> None:
    """A line a bank and a way of playing; the bars are 95 % intervals."""
    for place, (stems, of_bank) in enumerate(rates[rates["lag"] == lag].groupby("stems")):
        for played, group in of_bank.groupby("played", sort=False):
            style = {"color": COLOURS[played], "marker": "os"[place % 2], "linestyle": ("-", "--")[place % 2]}
            probes = group["probes"].iat[0]
            _line(axes, group["snr_db"] + 0.25 * place, group, f"{played}, {stems} stems ({probes} probes each)", style)


def _plain(axes: Axes, plain: pd.DataFrame) -> None:
    for played, group in plain.groupby("played", sort=False):
        style = {"color": COLOURS[played], "marker": "x", "linestyle": ":"}
        _line(axes, group["snr_db"] - 0.25, group, f"{played}, plain correlation of waves", style)


def _fixed(axes: Axes, told: dict[str, pd.DataFrame]) -> None:
    """At one level, in the smallest bank; rate 1 is the steady voice at the same level, found in another way."""
    fixed, rates = told["fixed_rates"], told["rates"]
    for stems, group in fixed.groupby("stems"):
        _line(axes, group["rate"], group, f"vocoded, {stems} stems", {"color": COLOURS[VOCODED], "marker": "o"})
        same = rates[(rates["stems"] == stems) & (rates["lag"] == RANDOM) & (rates["snr_db"] == FIXED_SNR_DB)]
        steady = same[same["played"] == STEADY].assign(rate=1.0)
        _line(axes, steady["rate"], steady, f"steady, {stems} stems", {"color": COLOURS[STEADY], "marker": "o"})
    axes.set(title=f"By rate, at {FIXED_SNR_DB:g} dB, anywhere, {fixed['stems'].min()} stems", xlabel="rate")


def _parts(axes: Axes, parts: pd.DataFrame) -> None:
    """At one level, in the smallest bank."""
    names = list(dict.fromkeys(parts["part"]))
    groups = list(parts[parts["stems"] == parts["stems"].min()].groupby("played", sort=False))
    for place, (played, group) in enumerate(groups):
        at = [names.index(part) + 0.15 * (2 * place - 1) for part in group["part"]]
        _line(axes, at, group, played, {"color": COLOURS[played], "marker": "o", "linestyle": ""})
    axes.set_xticks(range(len(names)), names)
    axes.set(title=f"By part, at {FIXED_SNR_DB:g} dB, anywhere, {parts['stems'].min()} stems")


def _line(axes: Axes, at: pd.Series | list[float], group: pd.DataFrame, label: str, style: dict[str, str]) -> None:
    error = [group["found"] - group["low"], group["high"] - group["found"]]
    axes.errorbar(at, group["found"], yerr=error, label=label, capsize=3, **style)
