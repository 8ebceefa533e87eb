"""Folds and the mashups that validate them: written once for a corpus, shared by all recipes that are to be blended."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import TypeAdapter

from messy_mashup.data.bank import Bank
from messy_mashup.data.folds import Folds, open_folds
from messy_mashup.errors import UserError
from messy_mashup.files import write_whole
from messy_mashup.mashup.arrangement import Arrangements, draw
from messy_mashup.mashup.arrangement_table import from_table, read_table, to_table
from messy_mashup.mashup.pool import ABSENT, Pool
from messy_mashup.purposes import VALIDATION
from messy_mashup.recipe import FoldRecipe, MashupRecipe


@dataclass(frozen=True)
class Plan:
    """How a corpus is cut: its folds, and each fold's validation mashups, made of held-out songs and noise only."""

    digest: str  # of the bank's contents and of both tables as written: members with the same one can be blended
    classes: tuple[str, ...]
    folds: Folds
    validation: pd.DataFrame  # id, fold, and the columns of arrangement_table
    clip_names: np.ndarray

    def mashups(self, fold: int) -> tuple[np.ndarray, Arrangements]:
        """The ids and arrangements of a fold's validation mashups."""
        table = self.validation[self.validation["fold"] == fold]
        return table["id"].to_numpy(str), from_table(table, self.clip_names, self.classes)

    def pool(self, bank: Bank, fold: int, parts: tuple[str, ...]) -> Pool:
        """What the mashups that train this fold's member may be made of."""
        return Pool.of(self.folds.split(bank.index, fold)[0], bank.sample_rate_hz, self.classes, parts)


def open_plan(bank: Bank, recipe: FoldRecipe, folder: Path) -> Plan:
    """The plan of a bank and fold recipe, from its folder below `folder`, where it is written the first time."""
    content = bank.digest.encode() + TypeAdapter(FoldRecipe).dump_json(recipe)
    asked = hashlib.sha256(content).hexdigest()[:16]
    classes = bank.classes
    place = folder / f"{bank.corpus}-{recipe.count}folds-{asked}"
    folds = open_folds(place / "folds.csv", bank.index, recipe.count, recipe.seed)
    names = bank.index["clip"].to_numpy(str)
    path = place / "validation.csv"
    if not path.exists():
        parts = [_fold_table(bank, folds, recipe, classes, fold) for fold in range(folds.count)]
        with write_whole(path) as temporary:
            pd.concat(parts).to_csv(temporary, index=False, lineterminator="\n")
    table = read_table(path)
    written = bank.digest.encode() + (place / "folds.csv").read_bytes() + path.read_bytes()
    plan = Plan(hashlib.sha256(written).hexdigest()[:16], classes, folds, table, names)
    _refuse_leaks(plan, bank, path)
    return plan


def _fold_table(bank: Bank, folds: Folds, recipe: FoldRecipe, classes: tuple[str, ...], fold: int) -> pd.DataFrame:
    mashup: MashupRecipe = recipe.validation
    pool = Pool.of(folds.split(bank.index, fold)[1], bank.sample_rate_hz, classes, mashup.parts)
    count = recipe.validation_per_song * int(pool.song_count.sum())
    mashups = draw(pool, mashup, (recipe.seed, VALIDATION, fold), 0, count)
    table = to_table(mashups, bank.index["clip"].to_numpy(str), classes)
    ids = [f"fold{fold}-{number:05d}" for number in range(count)]
    return pd.concat([pd.DataFrame({"id": ids, "fold": fold}), table], axis=1)


def _refuse_leaks(plan: Plan, bank: Bank, path: Path) -> None:
    """Validation mashups that were drawn for other folds would be made of songs that are trained on."""
    for fold in range(plan.folds.count):
        mashups = plan.mashups(fold)[1]
        used = np.union1d(mashups.voice_clip, mashups.burst_clip)
        if not np.isin(used[used != ABSENT], plan.folds.split(bank.index, fold)[1].index).all():
            raise UserError(f"{path} does not fit folds.csv beside it: remove that folder, and the runs that used it")
