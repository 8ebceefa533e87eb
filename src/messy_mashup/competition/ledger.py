"""The ledger: one row for every submission, with what made it and what it scored."""

import fcntl
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

import pandas as pd

from messy_mashup.errors import UserError
from messy_mashup.files import LEADS_OUT
from messy_mashup.own_files import shortened, shown
from messy_mashup.text_table import read_text_table, write_text_table


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
    ref: str = ""  # Kaggle's number of the submission
    status: str = ""  # one of STATUSES
    submitted: str = ""  # UTC of the submission
    public: float | None = None
    private: float | None = None
    note: str = ""


UNCONFIRMED = "unconfirmed"
# never sent; sent, but Kaggle's list did not show it (yet); waiting for its score; scored; refused by the scoring
STATUSES = ("", UNCONFIRMED, "pending", "complete", "error")
NUMBERS = ("oof_macro_f1", "oof_spread", "public", "private")
COLUMNS = [field.name for field in fields(LedgerRow)]


def read(ledger: Path) -> pd.DataFrame:
    """The ledger's cells as text; a ledger that does not exist yet has no rows."""
    if not ledger.exists():
        return pd.DataFrame(columns=COLUMNS, dtype=object)
    table = read_text_table(ledger)
    if list(table.columns) != COLUMNS:
        told = shortened(str(list(table.columns)))
        raise UserError(f"{ledger} has columns {told}, not {COLUMNS}: mend its first line")
    for name in NUMBERS:
        if len(wrong := table.loc[~table[name].map(_is_score), name]):
            raise UserError(f"{ledger}: {name} is {shown(wrong.iloc[0])}: mend that cell, or leave it empty")
    if len(wrong := table.loc[table["file"].str.contains(LEADS_OUT), "file"]):
        raise UserError(f"{ledger}: {shown(wrong.iloc[0])} leads out of its folder: mend that cell")
    return table


@contextmanager
def edited(ledger: Path) -> Iterator[pd.DataFrame]:
    """The ledger's cells, to be changed in place; they are written when the block ends well, other writers wait."""
    with _locked(ledger):
        table = read(ledger)
        before = table.copy()
        yield table
        if not table.equals(before):
            write_text_table(ledger, table[(table != "").any(axis=1)])


def add(table: pd.DataFrame, row: LedgerRow) -> int:
    """Put a row at the end of the cells that `edited` gives; the answer is its place."""
    place = len(table)
    table.loc[place] = [cell(name, getattr(row, name)) for name in COLUMNS]
    return place


def take_away(table: pd.DataFrame, place: int) -> None:
    """Empty a row of the cells that `edited` gives: an empty row is not written."""
    table.loc[place] = ""


def append(ledger: Path, row: LedgerRow) -> None:
    """Add a row. The same file with the same content again changes nothing; with other content it is refused.

    A row without sha256 is of a submission that was made elsewhere: its content is not known, so it is no other.
    """
    with edited(ledger) as table:
        known = table.loc[(table["file"] == row.file) & (table["sha256"] != ""), "sha256"].tolist()
        if any(sha256 != row.sha256 for sha256 in known):
            raise UserError(f"{ledger} already lists {row.file} with other content: write the CSV under a new name")
        if not known:
            add(table, row)


def merge(ledger: Path, other: Path) -> int:
    """Add the rows of another ledger whose files this one does not list; gives their number.

    UserError where both list a file of one name with other content.
    """
    rows = read(other)
    with edited(ledger) as table:
        digests = table.groupby("file")["sha256"].agg(set).to_dict()
        for row in rows.itertuples(index=False):
            if row.sha256 and not {row.sha256, ""} & digests.get(row.file, {""}):
                raise UserError(f"{other} and {ledger} list {row.file} with other content: rename one of them")
        new = rows[~rows["file"].isin(digests)]
        for row in new.itertuples(index=False):
            table.loc[len(table)] = list(row)
    return len(new)


def set_scores(ledger: Path, file: str, public: float | None = None, private: float | None = None) -> None:
    """Fill in the scores of a file that the ledger lists; None leaves a score as it is."""
    scores = {"public": cell("public", public), "private": cell("private", private)}
    with edited(ledger) as table:
        rows = table["file"] == file
        if not rows.any():
            raise UserError(f"{ledger} does not list {file}: give the name of a submission that it lists")
        for column, score in scores.items():
            if score:
                table.loc[rows, column] = score


def entries_of(ledger: Path, members: Sequence[str], oof_macro_f1: float) -> list[LedgerRow]:
    """The scored entries of just these members with just this out-of-fold score; those of an earlier training of the
    same names have another.
    """
    found = []
    for row in read(ledger).to_dict("records"):
        same = row["members"].split() == list(members) and row["oof_macro_f1"] == cell("oof_macro_f1", oof_macro_f1)
        if same and (row["public"] or row["private"]):
            numbers = {name: float(row[name]) if row[name] else None for name in NUMBERS}
            found.append(LedgerRow(**row | numbers))
    return found


def _is_score(text: str) -> bool:
    """Whether a cell is empty or a number from 0 to 1."""
    try:
        return not text or 0 <= float(text) <= 1
    except ValueError:
        return False


def cell(name: str, value: str | float | None) -> str:
    """A value as the ledger writes it in column `name`; UserError where a score is none."""
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
