"""A submission: one genre for every test clip, checked against the sample before a byte is written."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from messy_mashup.errors import UserError
from messy_mashup.files import check_name
from messy_mashup.own_files import shortened
from messy_mashup.text_table import read_text_table, write_text_table

COLUMNS = ["id", "genre"]
SAMPLE_FILE = "sample_submission.csv"
PROBLEMS_SHOWN = 10


def read_sample(root: Path) -> pd.DataFrame:
    """The sample submission of the data set at `root`."""
    return read_sample_file(root / SAMPLE_FILE)


def read_sample_file(path: Path) -> pd.DataFrame:
    """The competition's sample submission: id and genre (dummies) as text, in the order that is asked for."""
    sample = read_text_table(path)
    if list(sample.columns) != COLUMNS:
        told = shortened(str(list(sample.columns)))
        raise UserError(f"{path} has columns {told}, not {COLUMNS}: fetch or unpack it again")
    if sample.empty or (sample["id"] == "").any() or sample["id"].duplicated().any():
        raise UserError(f"{path} has no ids, an empty id or one id twice: fetch or unpack it again")
    return sample


def read_submission(path: Path) -> pd.DataFrame:
    """A submission's cells as text, right or wrong: `problems` judges them."""
    return read_text_table(path)


def submission_name(utc: datetime, blend: str) -> str:
    """`20261120T205512Z_<blend>.csv`; the time must know its zone."""
    if utc.tzinfo is None:
        raise ValueError("the time of a submission needs a time zone")
    check_name(blend)
    return f"{utc.astimezone(UTC):%Y%m%dT%H%M%SZ}_{blend}.csv"


def write_submission(
    path: Path, ids: Sequence[str], genres: Sequence[str], sample: pd.DataFrame, classes: Sequence[str]
) -> Path:
    """Check the predictions, then write them whole; nothing is written when the check fails."""
    if len(ids) != len(genres):
        raise UserError(f"{path.name}: {len(ids)} ids but {len(genres)} genres; predict every clip once")
    submission = pd.DataFrame({"id": _plain(ids), "genre": _plain(genres)}, dtype=object)
    check(submission, sample, classes, path.name)
    write_text_table(path, submission)
    return path


def check(submission: pd.DataFrame, sample: pd.DataFrame, classes: Sequence[str], name: str) -> None:
    """Raise a UserError with the first ten problems and their count; `name` says whose they are."""
    found = problems(submission, sample, classes)
    if found:
        listed = "".join(f"\n  {problem}" for problem in found[:PROBLEMS_SHOWN])
        more = f"\n  … and {len(found) - PROBLEMS_SHOWN} more" if len(found) > PROBLEMS_SHOWN else ""
        raise UserError(
            f"{name}: Kaggle would refuse or misread it ({len(found)} problems); predict the test set again:"
            f"{listed}{more}"
        )


def problems(submission: pd.DataFrame, sample: pd.DataFrame, classes: Sequence[str]) -> list[str]:
    """Every reason why Kaggle would refuse or misread a submission, a sentence each; rows count from 1."""
    columns = list(submission.columns)
    if sorted(map(str, columns)) != sorted(COLUMNS):
        return [f"the columns are {columns}, they must be {COLUMNS}"]
    found = [] if columns == COLUMNS else [f"the columns come as {columns}, they must come as {COLUMNS}"]
    if len(submission) != len(sample):
        found.append(f"there are {len(submission)} rows, there must be {len(sample)}")
    ids, wanted = submission["id"].tolist(), sample["id"].tolist()
    return found + _id_problems(ids, wanted) + _order_problems(ids, wanted) + _genre_problems(submission, classes)


def _plain(cells: Sequence[object]) -> list[object]:
    """numpy's text as Python's, which prints plainly in a problem; whatever is no text is left for `problems`."""
    return [str(cell) if isinstance(cell, str) else cell for cell in cells]


def _id_problems(ids: list[object], wanted: list[str]) -> list[str]:
    """Ids that are repeated, written otherwise than in the sample, unknown or missing."""
    first_row: dict[object, int] = {}
    by_number = {_number(known): known for known in wanted}
    known_ids, met, found = set(wanted), set(), []
    for row, clip in enumerate(ids, start=1):
        meant = clip if clip in known_ids else by_number.get(_number(clip))
        met.add(meant)
        if clip in first_row:
            found.append(f"row {row}: id {clip!r} is a repeat of row {first_row[clip]}")
        elif meant is None:
            found.append(f"row {row}: id {clip!r} is not in the sample")
        elif meant != clip:
            found.append(f"row {row}: id {clip!r} must be the text {meant!r}")
        first_row.setdefault(clip, row)
    missing = [(row, clip) for row, clip in enumerate(wanted, start=1) if clip not in met]
    return found + [f"id {clip!r} is missing: it is row {row} of the sample" for row, clip in missing]


def _number(clip: object) -> str:
    """What is left of an id once spaces, leading zeros and a float's `.0` are lost, as tables often lose them."""
    text = re.sub(r"\.0+$", "", str(clip).strip())
    return text.lstrip("0") or "0"


def _order_problems(ids: list[object], wanted: list[str]) -> list[str]:
    """The first known id out of order, however many others are missing, unknown or repeated."""
    asked_for = set(wanted)
    given = list(dict.fromkeys(clip for clip in ids if clip in asked_for))
    present = set(given)
    asked = [clip for clip in wanted if clip in present]
    for clip, due in zip(given, asked, strict=True):
        if clip != due:
            return [f"row {ids.index(clip) + 1}: id {clip!r} comes where the sample has {due!r}: the order differs"]
    return []


def _genre_problems(submission: pd.DataFrame, classes: Sequence[str]) -> list[str]:
    """Genres that are empty or that the competition does not know."""
    known, found = set(classes), []
    for row, (clip, genre) in enumerate(zip(submission["id"], submission["genre"], strict=True), start=1):
        if not isinstance(genre, str) or not genre.strip():
            found.append(f"row {row} (id {clip!r}): the genre is empty or no text ({genre!r})")
        elif genre not in known:
            found.append(f"row {row} (id {clip!r}): genre {genre!r} is none of {', '.join(classes)}")
    return found
