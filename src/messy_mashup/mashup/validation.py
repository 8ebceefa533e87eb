"""Folds or splits, and the mashups that validate and test them: written once for a corpus, shared by all recipes that
are to be blended.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from messy_mashup.data.bank import Bank
from messy_mashup.data.folds import Folds, open_folds
from messy_mashup.data.splits import Splits, open_given, open_splits
from messy_mashup.errors import UserError
from messy_mashup.files import write_whole
from messy_mashup.mashup.arrangement import Arrangements, draw
from messy_mashup.mashup.arrangement_table import check_table, from_table, read_table, to_table
from messy_mashup.mashup.pool import ABSENT, Pool
from messy_mashup.purposes import TESTING, VALIDATION
from messy_mashup.recipe import FoldRecipe, MashupRecipe
from messy_mashup.recipe_text import written

FOLDS, SPLITS, VALIDATED, TESTED = "folds.csv", "splits.csv", "validation.csv", "test.csv"


@dataclass(frozen=True)
class Plan:
    """How a corpus is cut, and the mashups of each fold, or repetition of a split, that validate and test it: made of
    held-out songs and noise only.
    """

    digest: str  # of the bank's contents and of the tables as written: members with the same one can be blended
    classes: tuple[str, ...]
    folds: Folds | Splits
    validation: pd.DataFrame  # id, fold, and the columns of arrangement_table
    test: pd.DataFrame  # the same; no row where there is no test part, as with folds
    clip_names: np.ndarray

    def mashups(self, fold: int) -> tuple[np.ndarray, Arrangements]:
        """The ids and arrangements of a fold's validation mashups."""
        return self._of(self.validation, fold)

    def test_mashups(self, fold: int) -> tuple[np.ndarray, Arrangements]:
        """The ids and arrangements of the mashups that test a fold."""
        return self._of(self.test, fold)

    def has_test(self, fold: int) -> bool:
        """Whether there are any."""
        return bool((self.test["fold"] == fold).any())

    def arrangement(self, id_: str) -> Arrangements:
        """The validation or test mashup of that id; UserError where there is none."""
        tables = (self.validation, self.test)
        row = next((found for table in tables if len(found := table[table["id"] == id_])), None)
        if row is None:
            raise UserError(
                f"there is no validation or test mashup {id_}: take one of the ids in oof.npz or tested.npz"
            )
        return from_table(row, self.clip_names, self.classes)

    def pool(self, bank: Bank, fold: int, parts: tuple[str, ...]) -> Pool:
        """What the mashups that train this fold's member may be made of."""
        return Pool.of(self.folds.split(bank.index, fold)[0], bank.sample_rate_hz, self.classes, parts)

    def _of(self, table: pd.DataFrame, fold: int) -> tuple[np.ndarray, Arrangements]:
        of_fold = table[table["fold"] == fold]
        return of_fold["id"].to_numpy(str), from_table(of_fold, self.clip_names, self.classes)


def open_plan(bank: Bank, recipe: FoldRecipe, folder: Path) -> Plan:
    """The plan of a bank and fold recipe, from its folder below `folder`, where it is written the first time."""
    asked = hashlib.sha256(bank.digest.encode() + written(recipe)).hexdigest()[:16]
    place = folder / f"{bank.corpus}-{recipe.count}{'folds' if recipe.cut == 'folds' else recipe.cut}-{asked}"
    folds = _open_cut(place, bank, recipe)
    validation = _open_table(place / VALIDATED, bank, folds, recipe, VALIDATION)
    tested = any((folds.tested(bank.index, fold)["kind"] == "stem").any() for fold in range(folds.count))
    test = _open_table(place / TESTED, bank, folds, recipe, TESTING) if tested else validation[:0]
    files = [place / name for name in (FOLDS, SPLITS, VALIDATED, TESTED)]
    content = b"".join(path.read_bytes() for path in files if path.exists())
    digest = hashlib.sha256(bank.digest.encode() + content).hexdigest()[:16]
    plan = Plan(digest, bank.classes, folds, validation, test, bank.index["clip"].to_numpy(str))
    _refuse_leaks(plan, bank, place)
    return plan


def _open_cut(place: Path, bank: Bank, recipe: FoldRecipe) -> Folds | Splits:
    match recipe.cut:
        case "folds":
            return open_folds(place / FOLDS, bank.index, recipe.count, recipe.seed)
        case "ratios":
            return open_splits(place / SPLITS, bank.index, recipe.ratios, recipe.count, recipe.seed)
        case "given":
            if recipe.count != 1:
                raise UserError(f"folds.count={recipe.count}: a data set's own split is one; leave it at 1")
            return open_given(place / SPLITS, bank.index)


def _open_table(path: Path, bank: Bank, folds: Folds | Splits, recipe: FoldRecipe, purpose: int) -> pd.DataFrame:
    """The mashups of all folds for a purpose, from their CSV, which is written where it is not there."""
    if not path.exists():
        parts = [_fold_table(bank, folds, recipe, fold, purpose) for fold in range(folds.count)]
        with write_whole(path) as temporary:
            pd.concat(parts).to_csv(temporary, index=False, lineterminator="\n")
    table = read_table(path)
    check_table(table, bank.index["clip"].to_numpy(str), bank.classes, path)
    if not {"id", "fold"} <= set(table.columns):
        raise UserError(f"{path} lacks id or fold: remove it, and the runs that used it")
    return table


def _fold_table(bank: Bank, folds: Folds | Splits, recipe: FoldRecipe, fold: int, purpose: int) -> pd.DataFrame:
    mashup: MashupRecipe = recipe.validation
    rows = _held_out(folds, bank.index, fold, purpose)
    pool = Pool.of(rows, bank.sample_rate_hz, bank.classes, mashup.parts)
    count = recipe.validation_per_song * int(pool.song_count.sum())
    mashups = draw(pool, mashup, (recipe.seed, purpose, fold), 0, count)
    table = to_table(mashups, bank.index["clip"].to_numpy(str), bank.classes)
    name = "fold" if purpose == VALIDATION else "test"
    ids = [f"{name}{fold}-{number:05d}" for number in range(count)]
    return pd.concat([pd.DataFrame({"id": ids, "fold": fold}), table], axis=1)


def _held_out(folds: Folds | Splits, index: pd.DataFrame, fold: int, purpose: int) -> pd.DataFrame:
    return folds.split(index, fold)[1] if purpose == VALIDATION else folds.tested(index, fold)


def _refuse_leaks(plan: Plan, bank: Bank, place: Path) -> None:
    """Mashups that were drawn for other folds would be made of songs that are trained on."""
    cut = FOLDS if isinstance(plan.folds, Folds) else SPLITS
    for purpose, mashups_of, name in ((VALIDATION, plan.mashups, VALIDATED), (TESTING, plan.test_mashups, TESTED)):
        for fold in range(plan.folds.count):
            mashups = mashups_of(fold)[1]
            used = np.union1d(mashups.voice_clip, mashups.burst_clip)
            if not np.isin(used[used != ABSENT], _held_out(plan.folds, bank.index, fold, purpose).index).all():
                raise UserError(
                    f"{place / name} does not fit {cut} beside it: remove that folder, and the runs that used it"
                )
