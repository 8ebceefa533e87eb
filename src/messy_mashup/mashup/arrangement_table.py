"""Arrangements as a table that a person can read and a program reads back exactly: a row a mashup, clips by name."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd

from messy_mashup.errors import UserError
from messy_mashup.mashup.arrangement import Arrangements
from messy_mashup.mashup.pool import ABSENT
from messy_mashup.own_files import LARGE_BYTES, first_twin, read_bytes, shortened, shown
from messy_mashup.text_table import parse_text_table

NO_CLIP = ""  # in place of the name of an absent burst
REMEDY = "remove it, and the runs that used it"


def to_table(mashups: Arrangements, clip_names: np.ndarray, classes: tuple[str, ...]) -> pd.DataFrame:
    """Columns label, length_s, heard_at, voice0_clip, voice0_offset_s, … burst0_clip, …"""
    columns = {}
    for field in fields(Arrangements):
        values = getattr(mashups, field.name)
        if field.name == "label":
            columns["label"] = np.array(classes)[values]
        elif values.ndim == 1:
            columns[field.name] = values
        else:
            names = np.where(values == ABSENT, NO_CLIP, clip_names[values]) if field.name.endswith("_clip") else values
            columns |= {_column(field.name, place): names[:, place] for place in range(names.shape[1])}
    return pd.DataFrame(columns)


def read_table(path: Path) -> pd.DataFrame:
    """A table of arrangements from its CSV, every number as it was; an `id` stays text, a `fold` is a number.

    UserError where a number is none, or an id is there twice.
    """
    # As text first: pandas' own reading of numbers was off by a last digit before version 3.
    table = parse_text_table(read_bytes(path, REMEDY, LARGE_BYTES), path)
    types = {name: float for name in table.columns if name.endswith(("_s", "_hz", "_at", "_rate", "_gain"))}
    try:
        table = table.astype(types | ({"fold": int} if "fold" in table else {}))
    except (ValueError, OverflowError) as error:
        raise UserError(f"{path} is damaged ({shortened(str(error))}): {REMEDY}") from error
    if not np.isfinite(table[list(types)].to_numpy(float)).all():
        raise UserError(f"{path} is damaged (a number is not finite): {REMEDY}")
    if "id" in table and (twin := first_twin(table["id"])) is not None:
        raise UserError(f"{path} has the id {shown(twin)} twice: {REMEDY}")
    return table


def check_table(table: pd.DataFrame, clip_names: np.ndarray, classes: tuple[str, ...], path: Path) -> None:
    """UserError where the table that was read from `path` is of other columns, clips or classes than a bank's."""
    clips = table[[name for name in table.columns if name.endswith("_clip")]]
    most = {role: sum(name.startswith(role) for name in clips) for role in ("voice", "burst")}
    wanted = {"id", "fold"} & set(table.columns)
    for field in fields(Arrangements):
        count = most.get(field.name.split("_", 1)[0])
        wanted |= {field.name} if count is None else {_column(field.name, place) for place in range(count)}
    if set(table.columns) != wanted or not table["label"].isin(classes).all():
        raise UserError(f"{path} does not hold mashups of this bank (its columns or labels are others): {REMEDY}")
    if not clips.isin([*clip_names, NO_CLIP]).all(axis=None):
        raise UserError(f"{path} names a clip that the bank does not hold: {REMEDY}")


def from_table(table: pd.DataFrame, clip_names: np.ndarray, classes: tuple[str, ...]) -> Arrangements:
    """The arrangements of a table; KeyError names a clip that the bank does not hold."""
    number = {name: row for row, name in enumerate(clip_names)} | {NO_CLIP: ABSENT}
    values = {}
    for field in fields(Arrangements):
        if field.name in table.columns:
            column = table[field.name]
            values[field.name] = column.map(classes.index).to_numpy() if field.name == "label" else column.to_numpy()
            continue
        places = [name for name in table.columns if _column(field.name, _place(name)) == name]
        column = table[places]
        if field.name.endswith("_clip"):
            column = column.map(number.__getitem__)
        values[field.name] = column.to_numpy()
    return Arrangements(**values)


def _column(field: str, place: int) -> str:
    role, rest = field.split("_", 1)
    return f"{role}{place}_{rest}"


def _place(column: str) -> int:
    digits = "".join(letter for letter in column.split("_", 1)[0] if letter.isdigit())
    return int(digits) if digits else ABSENT
