"""CSV files as text, cell by cell: an id `0001` stays `0001`, an empty cell stays empty, and no row may be ragged."""

import csv
import io
from pathlib import Path

import pandas as pd

from messy_mashup.errors import UserError
from messy_mashup.files import write_whole
from messy_mashup.own_files import MIB, first_twin, read_bytes, shortened, shown

MOST_BYTES = 64 * MIB


def read_text_table(path: Path) -> pd.DataFrame:
    """Every cell as text; a file that is missing, empty, not UTF-8 or ragged, or has a column twice, is a UserError."""
    return parse_text_table(read_bytes(path, "name a CSV that is there", MOST_BYTES), path)


def parse_text_table(content: bytes, path: Path) -> pd.DataFrame:
    """The table in the bytes of the CSV at `path`."""
    rows = csv_rows(content, path)
    if not rows:
        raise UserError(f"{path} is empty: it needs a line of column names")
    _, header = rows[0]
    if (twin := first_twin(header)) is not None:
        raise UserError(f"{path} has the column {shown(twin)} twice: name or remove one of them")
    for line, row in rows[1:]:
        if len(row) != len(header):
            raise UserError(f"{path}, line {line}: {len(row)} cells where the header has {len(header)}; mend that line")
    # pandas' own reader would take the first column of rows that are one cell too long for an index
    return pd.DataFrame([row for _, row in rows[1:]], columns=header, dtype=object)


def write_text_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table of text whole: UTF-8, LF, no index, quotes only where a cell needs them."""
    with write_whole(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n", encoding="utf-8")


def csv_rows(content: bytes, path: Path) -> list[tuple[int, list[str]]]:
    """The rows that are not blank, each with the number of the line it ends on."""
    try:
        text = content.decode("utf-8-sig")
        if "\0" in text:
            raise csv.Error("it holds a NUL")
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        return [(reader.line_num, row) for row in reader if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} is not a CSV in UTF-8 ({shortened(str(error))}): write it again") from error
