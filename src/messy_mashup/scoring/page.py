"""A self-contained HTML page: text, tables, pictures and sound, in one file that can be sent to anybody."""

import base64
import html
import io
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from messy_mashup.files import write_whole

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; }
img { max-width: 100%; height: auto; }
figure { margin: 1rem 0; }
.panorama img { min-width: 36rem; }
figcaption { color: #444; max-width: 50rem; }
h2 { margin-top: 2.5rem; }
.clip { margin: 0 0 1.2rem; }
.clip audio { display: block; width: 100%; max-width: 30rem; margin: .2rem 0; }
.clip small { color: #444; overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .8rem; border-bottom: 1px solid #ddd; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
@media (max-width: 40rem) {
  body { margin: 1rem auto; }
  th, td { padding: .2rem .4rem; }
  th { white-space: normal; vertical-align: bottom; }
}
"""

PANORAMA = 1.8  # width by height, from which a picture shrunk to a narrow window could not be read
FRAMES_AT_ONCE = 16_000  # libsndfile has crashed on long Vorbis writes


def heading(text: str) -> str:
    """A heading of a part of the page."""
    return f"<h2>{html.escape(text)}</h2>"


def paragraph(text: str) -> str:
    """A paragraph of plain text."""
    return f"<p>{html.escape(text)}</p>"


def subheading(text: str, anchor: str) -> str:
    """A heading within a part, which a link to #anchor leads to."""
    return f'<h3 id="{html.escape(anchor)}">{html.escape(text)}</h3>'


def table(rows: pd.DataFrame) -> str:
    """A table without its index; text is escaped."""
    return f'<div class="wide">{rows.to_html(index=False, border=0, justify="right")}</div>'


def linked_table(rows: pd.DataFrame, links: Mapping[str, str]) -> str:
    """A table whose first column's texts lead to where `links` says; one that it does not name leads nowhere."""
    written = rows.astype(str).map(html.escape).rename(columns=html.escape)
    anchors = {html.escape(text): html.escape(target) for text, target in links.items()}
    first = written.columns[0]
    led = [f'<a href="{anchors[text]}">{text}</a>' if text in anchors else text for text in written[first]]
    with pd.option_context("display.max_colwidth", None):
        body = written.assign(**{first: led}).to_html(index=False, border=0, justify="right", escape=False)
    return f'<div class="wide">{body}</div>'


def picture(png: Path, alt: str) -> str:
    """The picture itself, not a link to it."""
    encoded = base64.b64encode(png.read_bytes()).decode()
    return f'<p><img src="data:image/png;base64,{encoded}" alt="{html.escape(alt)}"></p>'


def figure(png: Path, alt: str, caption: str) -> str:
    """A picture with a sentence below it on how to read it; a broad one is moved sideways in a narrow window."""
    with png.open("rb") as file:
        width, height = struct.unpack(">16x2I", file.read(24))
    kind = ' class="panorama"' if width > PANORAMA * height else ""
    below = f"<figcaption>{html.escape(caption)}</figcaption>"
    return f'<figure{kind}><div class="wide">{picture(png, alt)}</div>{below}</figure>'


def ogg(wave: np.ndarray, sample_rate_hz: int) -> bytes:
    """A wave (samples,) as Ogg Vorbis, made softer where it would be above 1."""
    import soundfile

    loud = np.asarray(wave, np.float32) / max(1.0, float(np.abs(wave).max(initial=0.0)))
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", sample_rate_hz, 1, format="OGG", subtype="VORBIS") as sound:
        for begin in range(0, len(loud), FRAMES_AT_ONCE):
            sound.write(loud[begin : begin + FRAMES_AT_ONCE])
    return file.getvalue()


def clip(sound: bytes, title: str, detail: str) -> str:
    """A player for sound in Ogg Vorbis, its title above it and small print below."""
    source = f"data:audio/ogg;base64,{base64.b64encode(sound).decode()}"
    player = f'<audio controls preload="metadata" aria-label="{html.escape(title)}" src="{source}"></audio>'
    return f'<div class="clip"><b>{html.escape(title)}</b>{player}<small>{html.escape(detail)}</small></div>'


def write_page(path: Path, title: str, parts: Iterable[str]) -> None:
    """Write the page."""
    head = (
        f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{html.escape(title)}</title>'
    )
    body = "\n".join([f"<h1>{html.escape(title)}</h1>", *parts])
    lines = [
        "<!doctype html>",
        '<html lang="en">',
        f"<head>{head}<style>{STYLE}</style></head>",
        f"<body>{body}</body>",
    ]
    with write_whole(path) as temporary:
        temporary.write_text("\n".join([*lines, "</html>", ""]))
