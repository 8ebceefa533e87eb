"""Pictures of blends: score against number of runs."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from messy_mashup.scoring.blend_study import OfNumber
from messy_mashup.scoring.plots import Drawing, write_png


def numbers_picture(numbers: Sequence[OfNumber], path: Path, title: str) -> None:
    """Draw the score against the number of runs to a PNG."""
    write_png(draw_numbers(numbers, title), path)


def draw_numbers(numbers: Sequence[OfNumber], title: str) -> Drawing:
    """The mean over sets of so many runs within their range, and the sets that were chosen greedily, where some were;
    the accuracy in the same way, where it is known.
    """
    if not numbers:
        raise ValueError("score against number of runs needs at least one number")
    figure = Drawing(figsize=(8.5, 4.8), layout="constrained")
    axes = figure.subplots()
    runs, last = [each.runs for each in numbers], numbers[-1]
    low, high = [each.low for each in numbers], [each.high for each in numbers]
    axes.fill_between(runs, low, high, color="tab:blue", alpha=0.15, linewidth=0, label="worst to best of these sets")
    axes.plot(
        runs,
        [each.mean for each in numbers],
        "o-",
        color="tab:blue",
        label=f"macro F1, mean over sets of runs (all: {last.mean:.3f})",
    )
    greedy = [each.greedy for each in numbers]
    if None not in greedy:
        axes.plot(
            runs, greedy, "s--", color="tab:orange", markersize=5, label="added one by one, chosen on other folds"
        )
    accuracy = _draw_accuracy(axes, numbers)
    axes.set(
        title=title,
        xlabel="runs in the blend, at equal weights",
        ylabel="macro F1, held out" if accuracy is None else "macro F1 and accuracy, held out",
        xlim=(0.5, last.runs + 0.5),
    )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    return figure


def _draw_accuracy(axes: Axes, numbers: Sequence[OfNumber]) -> float | None:
    """Mean and range of the accuracy; gives that of all runs, or None where it is not known."""
    known = [(each.runs, *each.accuracy) for each in numbers if each.accuracy is not None]
    if not known:
        return None
    runs, mean, low, high = zip(*known, strict=True)
    axes.fill_between(runs, low, high, color="tab:green", alpha=0.12, linewidth=0)
    axes.plot(
        runs, mean, "^-", color="tab:green", markersize=5, label=f"accuracy, in the same way (all: {mean[-1]:.3f})"
    )
    return mean[-1]
