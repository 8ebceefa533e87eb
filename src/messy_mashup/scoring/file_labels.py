"""Many files labelled: each told as it comes, broken ones at the end, and a table of all or none."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pandas as pd
from tqdm import tqdm

from messy_mashup.errors import UserError
from messy_mashup.files import write_whole
from messy_mashup.scoring.hearing import origin_of
from messy_mashup.scoring.journal import Journal
from messy_mashup.scoring.predict import Listener

Result = TypeVar("Result")


def labelled(
    results: Iterable[tuple[Path, Result | UserError]],
    count: int,
    sentence: Callable[[Path, Result], str],
    out: Path | None,
) -> list[tuple[Path, Result]]:
    """The results of `count` files, each printed as it comes, with a bar that tells files a second and the time left.

    Files that could not be labelled are told at the end, and then UserError, for a table would lack them.
    """
    told, broken = [], []
    for file, result in tqdm(results, total=count, unit=" files", disable=count == 1):
        if isinstance(result, UserError):
            broken.append(str(result))
        else:
            told.append((file, result))
            tqdm.write(sentence(file, result))
    for complaint in broken:
        print(f"error: {complaint}", file=sys.stderr)
    if broken:
        unwritten = f"; {out} was not written, since it would lack them" if out else ""
        raise UserError(f"{len(broken)} of {count} files could not be labelled{unwritten}")
    return told


@contextmanager
def journal_for(out: Path | None, listeners: Sequence[Listener]) -> Iterator[Journal | None]:
    """The journal of these listeners that lies beside a table while it is made, so that the same command goes on; None
    without a table.
    """
    if out is None:
        yield None
        return
    if out.is_dir():
        raise UserError(f"--out {out} is a folder: name a file")
    origin = [origin_of(listener) for listener in listeners]
    path = out.with_name(f".{out.name}.journal")
    with Journal.of(path, origin, f"{out} is being written") as journal:
        if len(journal):
            print(f"{out}: goes on, {len(journal)} files were heard before")
        yield journal


def write_table(table: pd.DataFrame, out: Path) -> None:
    """Write a table of files as CSV, whole or not at all."""
    with write_whole(out) as temporary:
        table.to_csv(temporary, index=False, float_format="%.5f", lineterminator="\n")
    print(f"{len(table)} files: {out}")
