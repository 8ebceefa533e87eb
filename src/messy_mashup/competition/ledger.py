"""The ledger: one row for every submission, with what made it and what it scored."""

import fcntl
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

import pandas as pd

from messy_mashup.competition.text_table import read_text_table, write_text_table
from messy_mashup.errors import UserError


@dataclass(frozen=True)
class LedgerRow:
    """A submission; what is not known stays empty, it is never guessed."""

    utc: str
    file: str
    sha256: str
    commit: str = ""
    clean: str = ""  # yes, no, or unknown
    recipes: str = ""
    members: str = ""
    oof_macro_f1: float | None = None
    oof_spread: float | None = None  # standard deviation over folds
    public: float | None = None
    private: float | None = None
    note: str = ""


COLUMNS = [field.name for field in fields(LedgerRow)]


def read(ledger: Path) -> pd.DataFrame:
    """The ledger's cells as text; a ledger that does not exist yet has no rows."""
    if not ledger.exists():
        return pd.DataFrame(columns=COLUMNS, dtype=object)
    table = read_text_table(ledger)
    if list(table.columns) != COLUMNS:
        raise UserError(f"{ledger} has columns {list(table.columns)}, not {COLUMNS}: mend its first line")
    return table


def append(ledger: Path, row: LedgerRow) -> None:
    """Add a row. The same file with the same content again changes nothing; with other content it is refused."""
    cells = {name: _cell(name, getattr(row, name)) for name in COLUMNS}
    with _locked(ledger):
        table = read(ledger)
        known = table.loc[table["file"] == row.file, "sha256"].tolist()
        if any(sha256 != row.sha256 for sha256 in known):
            raise UserError(f"{ledger} already lists {row.file} with other content: write the CSV under a new name")
        if not known:
            write_text_table(ledger, pd.concat([table, pd.DataFrame([cells], dtype=object)], ignore_index=True))


def set_scores(ledger: Path, file: str, public: float | None = None, private: float | None = None) -> None:
    """Fill in the scores of a file that the ledger lists; None leaves a score as it is."""
    scores = {"public": _cell("public", public), "private": _cell("private", private)}
    with _locked(ledger):
        table = read(ledger)
        rows = table["file"] == file
        if not rows.any():
            raise UserError(f"{ledger} does not list {file}: give the name of a submission that it lists")
        for column, cell in scores.items():
            if cell:
                table.loc[rows, column] = cell
        write_text_table(ledger, table)


def _cell(name: str, value: str | float | None) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        # Python's csv module leaves a lone carriage return without quotes, and its own reader then ends the row there
        return value.replace("\r\n", "\n").replace("\r", "\n")
    if not math.isfinite(value) or not 0 <= value <= 1:
        raise UserError(f"{name} is {value}: the ledger takes scores from 0 to 1, and nothing where one is unknown")
    return f"{value:.5f}"


@contextmanager
def _locked(ledger: Path) -> Iterator[None]:
    """Keep every other writer out. The lock is on the folder, because the file itself is replaced at every write."""
    ledger.parent.mkdir(parents=True, exist_ok=True)
    folder = os.open(ledger.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)
