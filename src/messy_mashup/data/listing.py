"""What corpora read of a folder before any audio: its subfolders, and tables beside the audio."""

import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from messy_mashup.errors import UserError
from messy_mashup.own_files import shortened
from messy_mashup.text_table import read_text_table


def subfolders(folder: Path, remedy: str) -> list[str]:
    """The names of its folders, sorted, hidden ones left out; UserError with the remedy where it is not there."""
    if not folder.is_dir():
        raise UserError(f"{folder} is missing: {remedy}")
    return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith("."))


def files_in(folder: Path) -> list[str]:
    """The names of its files, sorted, hidden ones left out."""
    return sorted(entry.name for entry in os.scandir(folder) if entry.is_file() and not entry.name.startswith("."))


def listed_file(folder: Path, bases: Sequence[Path], text: str) -> Path | None:
    """The file in or below `folder` that a list means, its path relative to one of `bases`, with either slash.

    None where it is missing, or elsewhere: a list reads nothing outside its data.
    """
    plain = Path(os.path.normpath(folder))
    paths = (Path(os.path.normpath(base / text.strip().replace("\\", "/"))) for base in bases)
    inside = (path for path in paths if path.is_relative_to(plain) and os.path.isfile(path))
    return next((folder / path.relative_to(plain) for path in inside), None)


def read_table(path: Path, columns: list[str]) -> pd.DataFrame:
    """A CSV as text, with these columns and any others; UserError where it is missing, damaged or lacks one."""
    if not path.is_file():
        raise UserError(f"{path} is missing: unpack the whole data set")
    table = read_text_table(path)
    absent = [column for column in columns if column not in table.columns]
    if absent:
        raise UserError(f"{path} has no column {', '.join(absent)}, only {shortened(', '.join(table.columns))}")
    return table
