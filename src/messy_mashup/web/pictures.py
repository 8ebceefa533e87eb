"""The page's pictures: what the model hears, and what it makes of it over time.

They are part of the page's own text, so that none lies in a folder.
"""

import base64
import html
import io

import numpy as np

from messy_mashup.scoring.plots import Drawing
from messy_mashup.web.hearing import Impression

WIDE, HIGH = (5.2, 2.6), (5.2, 3.2)  # inches: as small as a phone needs, so that text can be read there
DPI = 200
SHOWN = 4  # genres over time that have a line of their own


def spectrogram(impression: Impression) -> str:
    """The log-mel of the whole clip."""
    figure = Drawing(figsize=WIDE, layout="constrained")
    axes = figure.subplots()
    levels = impression.log_mel.T
    low, high = np.quantile(levels, [0.05, 0.999])
    extent = (0, impression.length_s, 0, len(levels))
    axes.imshow(levels, origin="lower", aspect="auto", cmap="magma", vmin=low, vmax=high, extent=extent)
    axes.set(xlabel="time (s)", ylabel="mel band, low to high")
    return _shown(figure, "Spectrogram, as the model hears it", "Log-mel of the clip over time")


def genre_over_time(impression: Impression) -> str:
    """The likeliest genres of each part, as lines; the others together in grey."""
    figure = Drawing(figsize=WIDE, layout="constrained")
    axes = figure.subplots()
    order = np.argsort(-impression.over_time.max(axis=0), kind="stable")
    shown, rest = order[:SHOWN], order[SHOWN:]
    style = {"marker": "o", "markersize": 3} if len(impression.middle_s) < 40 else {}
    lines = [
        (impression.classes[number], impression.over_time[:, number], f"C{place}") for place, number in enumerate(shown)
    ]
    if len(rest):
        lines.append(("all others", impression.over_time[:, rest].sum(axis=1), "0.6"))
    for name, values, color in lines:
        axes.plot(impression.middle_s, values, color=color, label=name, **style)
    axes.set(xlabel="time (s)", ylabel="probability", ylim=(-0.02, 1.02), xlim=(0, impression.length_s))
    axes.grid(alpha=0.3)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize="small", frameon=False)
    return _shown(figure, "Genre over time", "Probability of the likeliest genres over time")


def change(before: dict[str, float] | None, now: dict[str, float]) -> str:
    """Probabilities of the last mashup, in grey, and of this one."""
    figure = Drawing(figsize=HIGH, layout="constrained")
    axes = figure.subplots()
    names = sorted(now, key=now.__getitem__)
    places = np.arange(len(names))
    axes.barh(places + 0.2, [now[name] for name in names], 0.38, color="tab:orange", label="this mashup")
    if before:
        axes.barh(places - 0.2, [before[name] for name in names], 0.38, color="0.7", label="the one before")
    axes.set_yticks(places, names)
    axes.set(xlabel="probability", xlim=(0, 1))
    axes.grid(axis="x", alpha=0.3)
    axes.legend(loc="lower right", fontsize="small")
    return _shown(
        figure,
        "What the model makes of it, and of the one before",
        "Probability of each genre for this mashup and for the one before",
    )


def _shown(figure: Drawing, title: str, alt: str) -> str:
    """The figure as HTML."""
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=DPI)
    source = f"data:image/png;base64,{base64.b64encode(png.getvalue()).decode()}"
    style = "display: block; width: 100%; max-width: 48rem; height: auto; margin: auto"
    image = f'<img src="{source}" alt="{html.escape(alt)}" style="{style}">'
    return f"<figure class='drawn'><figcaption>{html.escape(title)}</figcaption>{image}</figure>"
