"""Pictures of what a data set and its mashups are like: lengths, silence, a waveform."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from messy_mashup.scoring.plots import Drawing

BINS = 60
TOO_LOW = 0.04  # for a bar to be seen, as a share of the highest: such files are marked one by one
WAVE_COLUMNS = 1500  # about one a pixel: a wave of 30 s has more samples than a screen
LONGEST_AT_LEAST_S = 1.0  # of the axis: a tenth of a second shall not look like a long silence
STRIP = 0.16  # height of a named stretch's strip above a wave of peak 1
SPREAD = 0.18  # of the dots of one part, so that equal values do not hide each other


def draw_lengths(panels: Sequence[tuple[str, np.ndarray]]) -> Drawing:
    """A histogram of each named array, (name, lengths_s), on one time axis; red marks are files too few for a bar."""
    if not panels or any(len(lengths_s) == 0 for _, lengths_s in panels):
        raise ValueError("a picture of lengths needs at least one array of lengths, none of them empty")
    every = np.concatenate([lengths_s for _, lengths_s in panels])
    edges = np.linspace(0, every.max() * 1.02, BINS + 1)
    figure = Drawing(figsize=(10, 0.7 + 1.6 * len(panels)), layout="constrained")
    rows = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (name, lengths_s) in zip(rows, panels, strict=True):
        counts = axes.hist(lengths_s, bins=edges, color="tab:blue")[0]
        bar = counts[np.digitize(lengths_s, edges) - 1]
        rare = lengths_s[bar < TOO_LOW * counts.max()]
        axes.plot(rare, np.full(len(rare), 0.06), "|", color="tab:red", transform=axes.get_xaxis_transform())
        low, middle, high = np.quantile(lengths_s, [0, 0.5, 1])
        told = f"{name}: {len(lengths_s)}, {low:.1f} to {high:.1f} s, median {middle:.1f} s"
        axes.set_title(told, loc="left", fontsize="medium")
        axes.set_ylabel("files")
        axes.grid(axis="x", alpha=0.3)
        axes.set_axisbelow(True)
    rows[-1].set(xlabel="length (s)", xlim=(edges[0], edges[-1]))
    return figure


def draw_silence(table: pd.DataFrame) -> Drawing:
    """A dot a stem: its silent share beside its longest silence, by part, with each part's median."""
    if table.empty:
        raise ValueError("a picture of silence needs at least one stem")
    figure = Drawing(figsize=(10, 3.8), layout="constrained")
    shares, longest = figure.subplots(1, 2)
    parts = sorted(table["part"].unique())
    for axes, column, unit in ((shares, "silent_share", 100), (longest, "longest_silence_s", 1)):
        for place, part in enumerate(parts):
            values = table.loc[table["part"] == part, column].to_numpy() * unit
            across = place + np.linspace(-SPREAD, SPREAD, len(values))
            axes.plot(across, values, "o", markersize=4, alpha=0.6, color=f"C{place}")
            axes.plot([place - 0.3, place + 0.3], [np.median(values)] * 2, color="black", linewidth=2)
        axes.set_xticks(range(len(parts)), parts)
        axes.grid(axis="y", alpha=0.3)
    shares.set(title="Silent share of a stem (bar: median)", ylabel="silent blocks (%)", ylim=(-2, 102))
    longest.set(title="Longest silence in a stem (bar: median)", ylabel="longest silence (s)")
    top_s = max(LONGEST_AT_LEAST_S, table["longest_silence_s"].max())
    longest.set_ylim(-0.02 * top_s, 1.02 * top_s)
    return figure


def draw_band_levels(named: Mapping[str, Sequence[np.ndarray]]) -> Drawing:
    """The level of each mel band over all frames of some log-mels (frames, mels): the mean, and the middle 80 %."""
    if not named or any(len(log_mels) == 0 for log_mels in named.values()):
        raise ValueError("a picture of band levels needs at least one log-mel under each name")
    figure = Drawing(figsize=(10, 3.6), layout="constrained")
    axes = figure.subplots()
    for number, (name, log_mels) in enumerate(named.items()):
        levels = np.concatenate(log_mels)
        bands = np.arange(levels.shape[1])
        low, high = np.quantile(levels, [0.1, 0.9], axis=0)
        axes.fill_between(bands, low, high, color=f"C{number}", alpha=0.2, linewidth=0)
        axes.plot(bands, levels.mean(axis=0), color=f"C{number}", label=f"{name} ({len(log_mels)} clips)")
    axes.set(title="Level of each band (shaded: 80 % of all frames)", xlabel="mel band", ylabel="log-mel")
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def draw_wave(
    wave: np.ndarray, sample_rate_hz: int, title: str, spans: Sequence[tuple[str, float, float]] = ()
) -> Drawing:
    """A waveform (samples,), with named stretches of time, (name, begin_s, end_s) each, as strips above it."""
    if wave.ndim != 1 or wave.size == 0:
        raise ValueError(f"a waveform to be drawn is (samples,) and not empty, this one is {wave.shape}")
    starts = np.unique(np.linspace(0, len(wave), min(WAVE_COLUMNS, len(wave)), endpoint=False).astype(int))
    low, high = np.minimum.reduceat(wave, starts), np.maximum.reduceat(wave, starts)
    figure = Drawing(figsize=(10, 2.6), layout="constrained")
    axes = figure.subplots()
    reach = max(1.0, float(np.abs(wave).max())) * 1.02
    axes.vlines(starts / sample_rate_hz, low, high, color="tab:blue", linewidth=0.7)
    for number, (name, begin_s, end_s) in enumerate(spans):
        strip = (reach * (1 + STRIP * (number + 0.2)), reach * STRIP * 0.7)
        axes.broken_barh([(begin_s, end_s - begin_s)], strip, color=f"C{1 + number}", label=name)
    top = reach * (1 + STRIP * (len(spans) + 0.2))
    axes.set(
        title=title, xlabel="time (s)", ylabel="amplitude", xlim=(0, len(wave) / sample_rate_hz), ylim=(-reach, top)
    )
    axes.set_yticks([-1, 0, 1])
    if spans:
        figure.legend(loc="outside right upper", fontsize="small", reverse=True)
    return figure
