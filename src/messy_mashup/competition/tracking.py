"""The ledger brought up to Kaggle's list: which row is which submission, and what it scored."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from messy_mashup.competition import ledger as ledger_file
from messy_mashup.competition.ledger import LedgerRow, cell
from messy_mashup.competition.submission_list import OWN_NAME, Listed, listed

if TYPE_CHECKING:
    from kaggle.api.kaggle_api_extended import KaggleApi

# What a second submission of the same file shares with the first.
MADE = ("utc", "file", "sha256", "commit", "clean", "recipes", "members", "oof_macro_f1", "oof_spread", "note")
COLUMNS_SHOWN = {"time": 20, "file": 0, "oof": 7, "public": 7, "private": 7, "status": 0, "note": 0}
NOTE_LETTERS = 50
MADE_ELSEWHERE = "made elsewhere"  # as by the button on a kernel's page


def pull(api: "KaggleApi", slug: str, ledger: Path) -> list[Listed]:
    """Fill the ledger from Kaggle's list; the answer is the list, oldest first."""
    submissions = listed(api, slug)
    with ledger_file.edited(ledger) as table:
        fill(table, submissions)
    return submissions


def fill(table: pd.DataFrame, submissions: Sequence[Listed]) -> None:
    """Give each submission its row: by ref, then by its description's marks, then by its file name, else a new one.

    A row that has a ref belongs to that submission alone.
    """
    alone = {name for name, count in Counter(one.file for one in submissions if not one.sha256).items() if count == 1}
    waiting = list(submissions)
    for find in (_by_ref, _by_marks, _by_name(alone)):
        left = []
        for one in waiting:
            place = find(table, one)
            if place is None:
                left.append(one)
            else:
                _write(table, place, one)
        waiting = left
    for one in waiting:
        _write(table, _new_row(table, one), one)


def written(ledger: Path) -> str:
    """The ledger as a printed table, the newest last."""
    rows = _shown(ledger_file.read(ledger))
    if rows.empty:
        return f"{ledger} lists nothing yet"
    widths = {name: max(least, len(name), rows[name].str.len().max()) for name, least in COLUMNS_SHOWN.items()}
    lines = [dict(zip(rows.columns, rows.columns, strict=True)), *rows.to_dict("records")]
    return "\n".join("  ".join(line[name].ljust(width) for name, width in widths.items()).rstrip() for line in lines)


def _shown(table: pd.DataFrame) -> pd.DataFrame:
    notes = table["note"].map(lambda note: " ".join(note.split()))
    cut = notes.map(lambda note: note if len(note) <= NOTE_LETTERS else f"{note[: NOTE_LETTERS - 1]}…")
    shown = {
        "time": table["submitted"].where(table["submitted"] != "", table["utc"]),
        "file": table["file"],
        "oof": table["oof_macro_f1"],
        "public": table["public"],
        "private": table["private"],
        "status": table["status"].where(table["status"] != "", "not sent"),
        "note": cut,
    }
    return pd.DataFrame(shown, dtype=object).sort_values("time", kind="stable")


def _by_ref(table: pd.DataFrame, one: Listed) -> int | None:
    return _first(table["ref"] == one.ref)


def _by_marks(table: pd.DataFrame, one: Listed) -> int | None:
    """By digest; a kernel's output of which no copy is here by the kernel's version."""
    free = table["ref"] == ""
    same = table["sha256"] == one.sha256 if one.sha256 else table["file"] == one.ledger_file
    if not (one.sha256 or one.kernel):
        return None
    sent = _first(free & same & (table["status"] == ledger_file.UNCONFIRMED))
    return _first(free & same) if sent is None else sent


def _by_name(alone: set[str]) -> Callable[[pd.DataFrame, Listed], int | None]:
    """By a name that says which file it was: one of this project's, or one that only this submission has."""

    def find(table: pd.DataFrame, one: Listed) -> int | None:
        if one.sha256 or one.kernel:
            return None
        same = (table["ref"] == "") & (table["file"] == one.file)
        if OWN_NAME.match(one.file):
            return _first(same)
        # A file called submission.csv that was made later is another one.
        return _first(same & (table["utc"] <= one.submitted)) if one.file in alone and same.sum() == 1 else None

    return find


def _first(rows: pd.Series) -> int | None:
    return int(rows.idxmax()) if rows.any() else None


def _new_row(table: pd.DataFrame, one: Listed) -> int:
    """A row of its own: what made the file is copied from its first submission, or is not known."""
    same = table["sha256"] == one.sha256 if one.sha256 else table["file"] == one.ledger_file
    tells = bool(one.sha256 or one.kernel or OWN_NAME.match(one.file))
    first = _first(same) if tells else None
    if first is None:
        row = LedgerRow(utc=one.submitted, file=one.ledger_file, sha256=one.sha256, note=one.message or MADE_ELSEWHERE)
        return ledger_file.add(table, row)
    place = len(table)
    table.loc[place] = [table.at[first, name] if name in MADE else "" for name in ledger_file.COLUMNS]
    return place


def _write(table: pd.DataFrame, place: int, one: Listed) -> None:
    table.loc[place, ["ref", "status", "submitted"]] = [one.ref, one.status, one.submitted]
    for name, score in (("public", one.public), ("private", one.private)):
        if score is not None:
            table.at[place, name] = cell(name, score)
