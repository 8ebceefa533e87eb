"""What a leaderboard would say, where the labels are at hand: the demo's own competition."""

from pathlib import Path

import pandas as pd
from sklearn.metrics import f1_score

from messy_mashup.competition.text_table import read_text_table
from messy_mashup.errors import UserError


def scores(submission: Path, hidden: Path) -> dict[str, float]:
    """Macro F1 of a submission on the public and the private part, and on mashups of known and of new songs.

    `hidden` holds solution.csv (id, genre, Usage) and mashups.csv (id, known); training never opens it.
    """
    solution = read_text_table(hidden / "solution.csv").merge(read_text_table(hidden / "mashups.csv")[["id", "known"]])
    table = solution.merge(read_text_table(submission).rename(columns={"genre": "predicted"}), on="id", how="left")
    if table["predicted"].isna().any():
        raise UserError(f"{submission} lacks mashups that {hidden / 'solution.csv'} has: is it of another data set?")
    parts = {
        "public": table["Usage"] == "Public",
        "private": table["Usage"] == "Private",
        "known_songs": table["known"] == "True",
        "new_songs": table["known"] == "False",
    }
    return {name: _macro_f1(table[rows]) for name, rows in parts.items()}


def _macro_f1(table: pd.DataFrame) -> float:
    classes = sorted(table["genre"].unique())
    return float(f1_score(table["genre"], table["predicted"], labels=classes, average="macro", zero_division=0))
