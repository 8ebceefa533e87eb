"""Folds by song and by noise recording: nothing that is trained on is ever validated on.

Where artists are known, all songs of one are in one fold. Cuts by ratios, and the corpus's own, are in splits.py.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from messy_mashup.errors import UserError
from messy_mashup.files import write_whole
from messy_mashup.own_files import first_twin
from messy_mashup.text_table import read_text_table

ALL = -1  # the fold of a member that is trained on everything and validated on nothing


@dataclass(frozen=True)
class Folds:
    """Which fold each group of clips (a song, or the recording that noise clips were cut from) is held out in."""

    table: pd.DataFrame  # kind, group, label, fold

    @property
    def count(self) -> int:
        """The number of folds."""
        return int(self.table["fold"].max()) + 1

    def split(self, index: pd.DataFrame, fold: int) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The rows of a bank's index to train on, and those to validate on; ALL validates on none.

        Stretched variants go with their stems. Synthetic noise is on both sides: no recording can be learnt by heart.
        """
        kind = index["kind"].replace("stretched", "stem")
        shared = (kind == "synthetic").to_numpy()
        key = pd.MultiIndex.from_arrays([kind[~shared], index["group"][~shared]])
        held_out = np.zeros(len(index), bool)
        held_out[~shared] = self.table.set_index(["kind", "group"])["fold"].loc[key].to_numpy() == fold
        return index[~held_out], index[held_out | (shared & (fold != ALL))]

    def tested(self, index: pd.DataFrame, fold: int) -> pd.DataFrame:
        """No row: what folds hold out validates."""
        return index[:0]


def make_folds(index: pd.DataFrame, count: int, seed: int) -> Folds:
    """Cut a bank's songs and noise recordings into folds, stratified by label, the same for the same arguments."""
    if count < 2:
        raise UserError(f"folds.count={count}: what one fold holds out leaves nothing to train on; use 2 or more")
    return Folds(dealt(index, count, seed, "use fewer with --set folds.count=2"))


def dealt(index: pd.DataFrame, count: int, seed: int, remedy: str) -> pd.DataFrame:
    """Songs and noise recordings dealt out to `count` folds: columns kind, group, label, fold.

    UserError, with the remedy, where a class has fewer songs, or artists, than that.
    """
    stems = index[index["kind"] == "stem"].drop_duplicates("group")
    for column, told in ((stems["group"], "songs"), (families(stems), "artists")):
        fewest = column.groupby(stems["label"]).nunique()
        if fewest.min() < count:
            raise UserError(f"{fewest.idxmin()} has {fewest.min()} {told}, too few for {count} folds: {remedy}")
    splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    songs = _folds_of(splitter, stems)
    noises = index[index["kind"] == "noise"]
    if len(noises) == 0:
        return songs
    if noises["group"].nunique() < count:
        raise UserError(f"{noises['group'].nunique()} noise recordings are too few for {count} folds: {remedy}")
    return pd.concat([songs, _folds_of(splitter, noises)], ignore_index=True)


def open_folds(path: Path, index: pd.DataFrame, count: int, seed: int) -> Folds:
    """The folds of the CSV at `path`; where it is not there yet, make them and write it."""
    table = written_once(path, index, lambda: make_folds(index, count, seed).table)
    numbers = table.get("fold", pd.Series(dtype=object))
    if not len(numbers) or set(numbers) != {str(fold) for fold in range(count)}:
        raise UserError(f"{path} does not cut into folds 0 to {count - 1}: remove it, and the runs that used it")
    return Folds(table.assign(fold=numbers.astype(np.int64)))


def written_once(path: Path, index: pd.DataFrame, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """The table of the CSV at `path`, a row a song or recording of the index; made and written where it is not
    there. All cells are text.

    It is read and not made again, so that another version of a library cannot move a song.
    """
    if not path.exists():
        with write_whole(path) as temporary:
            make().to_csv(temporary, index=False, lineterminator="\n")
    table = read_text_table(path).astype(str)
    recorded = index[index["kind"].isin(["stem", "noise"])]
    groups = set(map(tuple, recorded[["kind", "group"]].to_numpy()))
    if not {"kind", "group", "label"} <= set(table.columns):
        raise UserError(f"{path} lacks kind, group or label: remove it, and the runs that used it")
    there = list(map(tuple, table[["kind", "group"]].to_numpy()))
    if set(there) != groups or first_twin(there) is not None:
        raise UserError(f"{path} holds other songs than the bank: remove it, and the runs that used it")
    return table


def _folds_of(splitter: StratifiedGroupKFold, clips: pd.DataFrame) -> pd.DataFrame:
    fold = np.empty(len(clips), np.int64)
    # where every class has fewer clips than there are folds, as a handful of noises may, there is nothing to stratify
    most = clips["label"].value_counts().max()
    strata = clips["label"] if most >= splitter.n_splits else np.zeros(len(clips))
    for number, (_, held_out) in enumerate(splitter.split(clips, strata, families(clips))):
        fold[held_out] = number
    table = clips[["kind", "group", "label"]].assign(fold=fold).drop_duplicates(["kind", "group"])
    return table.sort_values(["kind", "group"], ignore_index=True)


def families(clips: pd.DataFrame) -> pd.Series:
    """What stays together of each clip: all of its artist, else its group."""
    return clips["artist"].where(clips["artist"] != "", "group " + clips["group"])
