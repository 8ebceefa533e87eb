"""Corpora: one file a corpus, and the listing of this folder is the registry.

A corpus file says in its docstring where the data come from, under what licence and with what quirks, and offers:

- `looks_like(root) -> bool`: whether a folder is this corpus, by its contents, never by its path;
- `scan(root) -> Corpus`: its clips, without decoding any, and all that is broken, at once;
- `test_clips(root) -> DataFrame`, where it has clips to be labelled: columns id (text) and path (relative to root);
- an example tree in tests/example_trees.py, on which the tests run it.
"""

import importlib
import pkgutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pandas as pd

from messy_mashup.errors import UserError

LISTED_AT_MOST = 20


class Clip(NamedTuple):
    """A row of a corpus."""

    clip: str  # unique name
    path: str  # relative to root, with slashes
    kind: str  # "stem" or "noise"
    group: str  # what falls, and stays on one side of a fold, as one: a song, a recording
    label: str  # the class
    part: str  # the stem's name, "mix" for a song that is not taken apart, or "noise"
    artist: str = ""  # whose songs stay on one side, too; empty: not known
    split: str = ""  # "train", "validation" or "test", where the corpus has such parts of its own


COLUMNS = Clip._fields


@dataclass(frozen=True)
class Broken:
    """A file or folder that cannot be used; the sentence names it and says why."""

    path: str
    sentence: str


class BrokenFilesError(UserError):
    """All broken files of a corpus; `broken` is the full list, the message names the first twenty."""

    def __init__(self, broken: Sequence[Broken], remedy: str) -> None:
        self.broken = tuple(broken)
        super().__init__(f"{named_at_once(item.sentence for item in self.broken)}\n{remedy}")


@dataclass(frozen=True)
class Corpus:
    """A folder as a table, one row a clip, with the fields of Clip as text columns.

    A song falls with any of its stems. `classes` are the labels of the music, sorted.
    """

    name: str
    root: Path
    clips: pd.DataFrame
    classes: tuple[str, ...]
    broken: tuple[Broken, ...] = ()


def names() -> list[str]:
    """The corpora there are."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load(name: str) -> ModuleType:
    """The file of the corpus called `name`."""
    if name not in names():
        raise UserError(f"there is no corpus {name!r}: there are {', '.join(names())}")
    return importlib.import_module(f"{__name__}.{name}")


def corpus_of(name: str, root: Path, found: Sequence[Clip | Broken], classes: Sequence[str]) -> Corpus:
    """The corpus of what a scan found."""
    rows = [item for item in found if not isinstance(item, Broken)]
    broken = tuple(item for item in found if isinstance(item, Broken))
    return Corpus(name, root, pd.DataFrame(rows, columns=list(COLUMNS), dtype=str), tuple(classes), broken)


def test_clips(name: str, root: Path) -> pd.DataFrame:
    """The clips of a corpus that are to be labelled, columns id and path; none where it has no such clips."""
    corpus = load(name)
    return corpus.test_clips(root) if hasattr(corpus, "test_clips") else pd.DataFrame(columns=["id", "path"], dtype=str)


def is_corpus(root: Path) -> bool:
    """Whether any corpus recognises this folder."""
    return any(load(name).looks_like(root) for name in names())


def is_competition(root: Path) -> bool:
    """Whether a corpus that has clips to be labelled recognises this folder."""
    return any(load(name).looks_like(root) for name in names() if hasattr(load(name), "test_clips"))


def recognise(root: Path) -> str:
    """The name of the one corpus whose contents this folder has."""
    found = [name for name in names() if load(name).looks_like(root)]
    if len(found) != 1:
        matches = "more than one corpus: " + ", ".join(found) if found else "no corpus of " + ", ".join(names())
        raise UserError(f"{root} looks like {matches}; give the folder that holds the data itself")
    return found[0]


def named_at_once(sentences: Sequence[str]) -> str:
    """One sentence a line, the first twenty and how many more there are."""
    lines = list(sentences)
    more = [f"... and {len(lines) - LISTED_AT_MOST} more"] if len(lines) > LISTED_AT_MOST else []
    return "\n  ".join(["", *lines[:LISTED_AT_MOST], *more]).removeprefix("\n  ")
