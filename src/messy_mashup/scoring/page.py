"""A self-contained HTML page: headings, paragraphs, tables and pictures, in one file that can be sent to anybody."""

import base64
import html
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from messy_mashup.files import write_whole

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; }
img { max-width: 100%; height: auto; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .8rem; border-bottom: 1px solid #ddd; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
"""


def heading(text: str) -> str:
    """A heading of a part of the page."""
    return f"<h2>{html.escape(text)}</h2>"


def paragraph(text: str) -> str:
    """A paragraph of plain text."""
    return f"<p>{html.escape(text)}</p>"


def table(rows: pd.DataFrame) -> str:
    """A table without its index; text is escaped."""
    return f'<div class="wide">{rows.to_html(index=False, border=0, justify="right")}</div>'


def picture(png: Path, alt: str) -> str:
    """The picture itself, not a link to it."""
    encoded = base64.b64encode(png.read_bytes()).decode()
    return f'<p><img src="data:image/png;base64,{encoded}" alt="{html.escape(alt)}"></p>'


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
