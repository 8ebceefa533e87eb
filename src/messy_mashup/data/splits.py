"""Splits into training, validation and test: by ratios, repeated, or as the corpus gives them.

The validation part is what epochs are watched by and recipes are chosen on; the test part is predicted once, by the
last weights. Songs of one artist, where artists are known, are in one part of a split by ratios.
"""

from dataclasses import dataclass
from math import gcd
from pathlib import Path

import numpy as np
import pandas as pd

from messy_mashup.data.folds import ALL, dealt, written_once
from messy_mashup.errors import UserError

SIDES = ("train", "validation", "test")
NO_SIDE = ""  # of a song that a corpus's own split leaves out
SEEDS_APART = 1000  # so that repetitions of one seed are not those of the next


@dataclass(frozen=True)
class Splits:
    """The parts of every repetition; the same interface as Folds, a repetition in place of a fold."""

    table: pd.DataFrame  # kind, group, label, and a column of SIDES for each repetition: split0, split1, ...

    @property
    def count(self) -> int:
        """The number of repetitions."""
        return sum(column.startswith("split") for column in self.table.columns)

    def split(self, index: pd.DataFrame, fold: int) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The rows of a bank's index that repetition `fold` trains on, and those that validate it; ALL trains on all.

        Stretched variants go with their stems; synthetic noise is in every part.
        """
        if fold == ALL:
            return index, index[:0]
        return self._part(index, fold, "train"), self._part(index, fold, "validation")

    def tested(self, index: pd.DataFrame, fold: int) -> pd.DataFrame:
        """The rows that repetition `fold` is tested on."""
        return index[:0] if fold == ALL else self._part(index, fold, "test")

    def _part(self, index: pd.DataFrame, fold: int, side: str) -> pd.DataFrame:
        kind = index["kind"].replace("stretched", "stem")
        shared = (kind == "synthetic").to_numpy()
        key = pd.MultiIndex.from_arrays([kind[~shared], index["group"][~shared]])
        inside = np.ones(len(index), bool)
        inside[~shared] = self.table.set_index(["kind", "group"])[f"split{fold}"].loc[key].to_numpy() == side
        return index[inside]


def split_by_ratios(index: pd.DataFrame, ratios: tuple[int, int, int], repetitions: int, seed: int) -> Splits:
    """Random splits by these ratios, stratified by class, the same for the same arguments; the test part may be 0."""
    shares = [ratio // gcd(*ratios) for ratio in ratios]
    side_of = np.repeat(SIDES, shares)
    remedy = "use ratios of smaller numbers, such as --set folds.ratios=(2,1,1), or add songs"
    columns = {}
    for repetition in range(repetitions):
        table = dealt(index, sum(shares), SEEDS_APART * seed + repetition, remedy)
        columns[f"split{repetition}"] = side_of[table.pop("fold").to_numpy()]
    return Splits(table.assign(**columns))


def split_as_given(index: pd.DataFrame) -> Splits:
    """The split that the corpus brings: its songs' column `split`. Noise is in the training part alone."""
    recorded = index[index["kind"].isin(["stem", "noise"])].drop_duplicates(["kind", "group"])
    side = recorded["split"].where(recorded["kind"] == "stem", "train")
    stems = recorded[recorded["kind"] == "stem"]
    for wanted in ("train", "validation"):
        missing = sorted(set(stems["label"]) - set(stems.loc[stems["split"] == wanted, "label"]))
        if missing:
            told = f"no {wanted} part" if len(missing) == stems["label"].nunique() else f"no {', '.join(missing)} in it"
            raise UserError(
                f"the data set has {told} of its own ({wanted}): add it (see the corpus's file in "
                "src/messy_mashup/data/corpora), or cut by --set folds.cut=ratios"
            )
    table = recorded[["kind", "group", "label"]].assign(split0=side)
    return Splits(table.sort_values(["kind", "group"], ignore_index=True))


def open_splits(path: Path, index: pd.DataFrame, ratios: tuple[int, int, int], repetitions: int, seed: int) -> Splits:
    """The splits by ratios of the CSV at `path`, made and written where it is not there."""
    table = written_once(path, index, lambda: split_by_ratios(index, ratios, repetitions, seed).table)
    return _checked(path, repetitions, table)


def open_given(path: Path, index: pd.DataFrame) -> Splits:
    """The corpus's own split in the CSV at `path`, taken from the index where it is not there."""
    return _checked(path, 1, written_once(path, index, lambda: split_as_given(index).table))


def _checked(path: Path, repetitions: int, table: pd.DataFrame) -> Splits:
    columns = [f"split{repetition}" for repetition in range(repetitions)]
    as_written = table.columns.tolist() == ["kind", "group", "label", *columns]
    if not as_written or not table[columns].isin([*SIDES, NO_SIDE]).all(axis=None):
        raise UserError(f"{path} does not hold {repetitions} splits: remove it, and the runs that used it")
    return Splits(table)
