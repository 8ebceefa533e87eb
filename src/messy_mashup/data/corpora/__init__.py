"""Corpora: one file a corpus, and the listing of this folder is the registry.

A corpus file says in its docstring where the data come from, under what licence and with what quirks, and offers:

- `looks_like(root) -> bool`: whether a folder is this corpus, by its contents, never by its path;
- `scan(root) -> Corpus`: its clips, without decoding any, and all that is broken, at once;
- an example tree in tests/example_trees.py, on which the tests run it.
"""

import importlib
import pkgutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pandas as pd

from messy_mashup.errors import UserError

COLUMNS = ("clip", "path", "kind", "group", "label", "part")
LISTED_AT_MOST = 20


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
    """A folder as a table, one row a clip, with the text columns of COLUMNS.

    clip: unique name; path: relative to root, with slashes; kind: "stem" or "noise"; group: what must stay on one side
    of a fold (a song, a recording); label: the class; part: the stem's name or "noise". A song falls with any of its
    stems. `classes` are the labels of the music, sorted.
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


def is_corpus(root: Path) -> bool:
    """Whether any corpus recognises this folder."""
    return any(load(name).looks_like(root) for name in names())


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
