"""What a leaderboard would say, where the labels are at hand: the demo's own competition.

A folder `hidden` holds solution.csv (id, genre, Usage) and, where it is known which songs each mashup is of,
mashups.csv (id, known). Training never opens it.
"""

from pathlib import Path
from typing import NamedTuple

import pandas as pd
from sklearn.metrics import f1_score

from messy_mashup.competition import ledger as ledger_file
from messy_mashup.competition.ledger import cell
from messy_mashup.competition.submission import COLUMNS
from messy_mashup.errors import UserError
from messy_mashup.files import file_digest
from messy_mashup.own_files import shortened, shown
from messy_mashup.text_table import read_text_table

SOLUTION, MASHUPS = "solution.csv", "mashups.csv"
USAGES = {"Public": "public", "Private": "private"}
SONGS = {"True": "known_songs", "False": "new_songs"}
FROM_LEDGER = {"oof": "oof_macro_f1", "spread": "oof_spread", "public": "public", "private": "private"}


class Board(NamedTuple):
    """Every entry of a ledger with its scores, and why some have none."""

    table: pd.DataFrame  # file, oof, spread, public, private, and known_songs, new_songs where these are known
    unscored: list[str]  # a sentence each

    @property
    def text(self) -> str:
        """The table as it is printed, in the ledger's order."""
        if self.table.empty:
            return "the ledger lists nothing yet"
        shown = self.table.dropna(axis="columns", how="all")
        width = shown["file"].str.len().max()
        left = {"file": lambda file: file.ljust(width)}
        return shown.to_string(index=False, na_rep="", justify="left", float_format="{:.4f}".format, formatters=left)


def scores(submission: Path, hidden: Path) -> dict[str, float]:
    """Macro F1 of a submission on the public and the private part, and on mashups of known and of new songs where
    `hidden` tells them apart.
    """
    return _scores(submission, _solution(hidden))


def score_ledger(ledger: Path, hidden: Path) -> Board:
    """Score every entry of a ledger whose CSV is beside it, and write the scores that the ledger lacks.

    What Kaggle has been sent keeps Kaggle's scores; a CSV of another data set is named and gets none. A second call
    changes nothing.
    """
    solution = _solution(hidden)
    found: dict[int, dict[str, float]] = {}
    unscored = []
    with ledger_file.edited(ledger) as table:
        for place, row in table.iterrows():
            try:
                found[place] = _entry_scores(ledger.parent / row["file"], row, solution)
            except UserError as error:
                unscored.append(str(error))
                continue
            for name in USAGES.values():
                table.at[place, name] = row[name] or cell(name, found[place][name])
    return Board(_board(table, found), unscored)


def _entry_scores(path: Path, row: pd.Series, solution: pd.DataFrame) -> dict[str, float]:
    if row["ref"] or row["status"]:
        raise UserError(f"{path.name} was sent to Kaggle ({row['status'] or row['ref']}): its scores are Kaggle's")
    if not path.is_file():
        raise UserError(f"{path} is not there: put the CSV back to have it scored")
    if row["sha256"] and file_digest(path).hex() != row["sha256"]:
        raise UserError(f"{path} is not the file that the ledger lists, its SHA-256 is another: put the old one back")
    return _scores(path, solution)


def _board(table: pd.DataFrame, found: dict[int, dict[str, float]]) -> pd.DataFrame:
    """The ledger's cells as numbers, with the scores that it has no column for."""
    columns = {"file": table["file"]} | {name: pd.to_numeric(table[cells]) for name, cells in FROM_LEDGER.items()}
    for name in SONGS.values():
        columns[name] = pd.Series({place: found.get(place, {}).get(name) for place in table.index}, dtype=float)
    return pd.DataFrame(columns)


def _scores(submission: Path, solution: pd.DataFrame) -> dict[str, float]:
    predicted = read_text_table(submission)
    if list(predicted.columns) != COLUMNS:
        raise UserError(
            f"{submission} has columns {shortened(str(list(predicted.columns)))}, not {COLUMNS}: it is no submission"
        )
    if predicted["id"].duplicated().any():
        again = predicted.loc[predicted["id"].duplicated(), "id"].iloc[0]
        raise UserError(f"{submission} lists id {shown(again)} twice: predict the test set again")
    strange = set(predicted["id"]) ^ set(solution["id"])
    if strange:
        raise UserError(
            f"{submission} is of another data set or not whole: {len(strange)} ids, such as {shown(min(strange))}, are "
            f"in only one of it and {SOLUTION}; predict that data set's mashups"
        )
    table = solution.merge(predicted.rename(columns={"genre": "predicted"}), on="id")
    parts = {name: table["Usage"] == usage for usage, name in USAGES.items()}
    if "known" in table:
        parts |= {name: table["known"] == known for known, name in SONGS.items()}
    return {name: _macro_f1(table[rows]) for name, rows in parts.items() if rows.any()}


def _solution(hidden: Path) -> pd.DataFrame:
    """Columns id, genre, Usage, and known where mashups.csv is there."""
    path = hidden / SOLUTION
    if not path.is_file():
        raise UserError(f"{path} is not there: name the folder `hidden` that demo.py writes into its data set")
    solution = _table(path, ["id", "genre", "Usage"])
    if set(solution["Usage"]) != set(USAGES):
        told = shortened(", ".join(sorted(set(solution["Usage"]))))
        raise UserError(f"{path}: Usage must be Public or Private, each at least once; it is {told}")
    mashups = hidden / MASHUPS
    if not mashups.is_file():
        return solution
    known = _table(mashups, ["id", "known"])
    if set(known["id"]) != set(solution["id"]) or not set(known["known"]) <= set(SONGS):
        raise UserError(f"{mashups} does not tell known (True or False) of every id of {SOLUTION}: write it again")
    return solution.merge(known, on="id")


def _table(path: Path, columns: list[str]) -> pd.DataFrame:
    table = read_text_table(path)
    missing = [name for name in columns if name not in table.columns]
    if missing or table.empty or table["id"].duplicated().any():
        lack = f"no column {missing[0]}" if missing else "no row, or one id twice"
        raise UserError(f"{path} has {lack}: it needs {', '.join(columns)} of every mashup, as demo.py writes it")
    return table[columns]


def _macro_f1(table: pd.DataFrame) -> float:
    classes = sorted(table["genre"].unique())
    return float(f1_score(table["genre"], table["predicted"], labels=classes, average="macro", zero_division=0))
