"""What was found in mashups, kept as tables, so that calibrating goes on where it was interrupted."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from messy_mashup.files import write_whole
from messy_mashup.search.evidence import Evidence
from messy_mashup.text_table import read_numbers

SEARCH_VERSION = 2  # raise it when the same mashups give other finds
CARD, LENGTHS, BURSTS, VOICES = "card.json", "lengths.csv", "bursts.csv", "voices.csv"


def kept(folder: Path, card: dict[str, Any], gather: Callable[[], Evidence]) -> Evidence:
    """The evidence in `folder` where its card is this one, else what `gather` finds, which is then kept there."""
    text = json.dumps(card | {"search": SEARCH_VERSION}, indent=1, sort_keys=True)
    path = folder / CARD
    if not path.is_file() or path.read_text() != text:
        path.unlink(missing_ok=True)
        evidence = gather()
        tables = {
            LENGTHS: pd.DataFrame({"length_s": evidence.lengths_s}),
            BURSTS: evidence.bursts,
            VOICES: evidence.voices,
        }
        for name, table in tables.items():
            with write_whole(folder / name) as temporary:
                table.to_csv(temporary, index=False, lineterminator="\n")
        with write_whole(path) as temporary:
            temporary.write_text(text)
    remedy = f"remove {folder}, its mashups are searched again"
    lengths = read_numbers(folder / LENGTHS, {"length_s": float}, remedy)
    bursts, voices = read_numbers(folder / BURSTS, {}, remedy), read_numbers(folder / VOICES, {"steady": bool}, remedy)
    return Evidence(lengths["length_s"].to_numpy(float), bursts, voices.astype({"steady": bool}))
