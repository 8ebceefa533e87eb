"""A CSV that says which labels each clip has, such as moods or instruments: any number of them each.

Its first column is `file` (audio, below the CSV's folder) or `clip` (of a bank). The labels are in a column `labels`,
separated by | or ; or commas, or each has a column of its own that holds 0 or 1. A column artist, group or song says
what belongs together; clips of a bank have that from the bank.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupKFold

from messy_mashup.data.bank import Bank
from messy_mashup.data.corpora import named_at_once
from messy_mashup.data.folds import families
from messy_mashup.data.listing import read_table
from messy_mashup.errors import UserError
from messy_mashup.features.frame_spec import FrameSpec
from messy_mashup.files import path_below
from messy_mashup.own_files import first_twin, shortened, shown
from messy_mashup.training.embedded_clips import bank_clips, file_clips
from messy_mashup.training.embeddings import Clip

FILE, CLIP, LABELS = "file", "clip", "labels"
TOGETHER = ("artist", "group", "song")  # the first of them that the table has
SEPARATORS = re.compile(r"[|;,]")


@dataclass(frozen=True)
class LabelTable:
    """Clips and what is true of each."""

    path: Path
    id: np.ndarray  # (clips,) text
    group: np.ndarray  # (clips,) text: what is never on both sides
    labels: tuple[str, ...]
    target: np.ndarray  # (clips, labels) bool
    clips: Callable[[FrameSpec], list[Clip]]  # how the clips are heard

    def folds(self, count: int, seed: int) -> np.ndarray:
        """The fold (clips,) in which each clip is held out, with all of its group."""
        groups = len(set(self.group.tolist()))
        if count < 2 or groups < count:
            raise UserError(
                f"{self.path} has clips of {groups} artists or songs: they cannot be cut into {count} folds; set "
                f"folds.count from 2 to {max(2, groups)}, or name more clips"
            )
        fold = np.empty(len(self.id), np.int64)
        splits = GroupKFold(count, shuffle=True, random_state=seed).split(self.id, groups=self.group)
        for number, (_, held_out) in enumerate(splits):
            fold[held_out] = number
        return fold


def read_labels(path: Path, bank: Bank | None = None, audio: Path | None = None) -> LabelTable:
    """The table at `path`; `audio` is the folder of its files where that is not its own. UserError names what is wrong.

    bank: of its clips, where it names clips.
    """
    table = read_table(path, [])
    kind = next((name for name in (FILE, CLIP) if name in table.columns), None)
    if kind is None:
        raise UserError(
            f"{path} has no column file or clip, only {shortened(', '.join(table.columns))}: it names no audio"
        )
    if table.empty:
        raise UserError(f"{path} has no row: name clips and their labels")
    if (twin := first_twin(table[kind])) is not None:
        raise UserError(f"{path} has {shortened(twin)} twice: one row a clip")
    labels, target = _targets(path, table.drop(columns=[kind, *(name for name in TOGETHER if name in table.columns)]))
    ids = table[kind].to_numpy(str)
    if kind == FILE:
        files = _files(path, audio or path.parent, ids)
        return LabelTable(path, ids, _groups(table, ids), labels, target, lambda spec: file_clips(files, spec))
    if bank is None:
        raise UserError(f"{path} names clips of a bank: say of which data with --data, or of which bank with --bank")
    numbers = _numbers(path, bank, ids)
    own = families(bank.index.iloc[numbers]).to_numpy(str)
    return LabelTable(path, ids, _groups(table, own), labels, target, lambda spec: bank_clips(bank, numbers, spec))


def _targets(path: Path, table: pd.DataFrame) -> tuple[tuple[str, ...], np.ndarray]:
    if LABELS in table.columns:
        named = [{word.strip() for word in SEPARATORS.split(cell)} - {""} for cell in table[LABELS]]
        labels = tuple(sorted(set().union(*named)))
        target = np.array([[label in words for label in labels] for words in named], bool)
    else:
        labels = tuple(table.columns)
        cells = table.apply(lambda column: column.str.strip())
        for name in labels:
            if len(wrong := cells.loc[~cells[name].isin(["0", "1"]), name]):
                row, cell = wrong.index[0] + 2, wrong.iloc[0]
                raise UserError(
                    f"{path}, line {row}: {shortened(name)} is {shown(cell)}: write 0 or 1, or remove that column"
                )
        target = (cells == "1").to_numpy(bool)
    if not labels:
        raise UserError(f"{path} names no label: give it a column labels, or one of 0 and 1 for each label")
    return labels, target


def _groups(table: pd.DataFrame, own: np.ndarray) -> np.ndarray:
    """What each clip belongs to: what the table says, else `own`."""
    column = next((name for name in TOGETHER if name in table.columns), None)
    if column is None:
        return own
    said = table[column].str.strip().to_numpy(str)
    return np.where(said != "", np.char.add(f"{column} ", said), own)


def _files(path: Path, folder: Path, names: Sequence[str]) -> list[Path]:
    files = [path_below(folder, name, path) for name in names]
    if missing := [f"there is no file {file}" for file in files if not file.is_file()]:
        raise UserError(
            f"{named_at_once(missing)}\n{path} names them: name their folder with --audio, or leave these rows out"
        )
    return files


def _numbers(path: Path, bank: Bank, names: np.ndarray) -> np.ndarray:
    numbers = pd.Index(bank.index["clip"]).get_indexer(names)
    if (numbers < 0).any():
        unknown = names[numbers < 0]
        raise UserError(f"{path}: {len(unknown)} clips are not in the bank {bank.root}, first {shortened(unknown[0])}")
    return numbers
