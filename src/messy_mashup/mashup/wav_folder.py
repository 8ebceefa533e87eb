"""A folder of mashups as 16-bit WAV files, like the test's, with the table of what each is made of.

A folder is of one draft: broken off, it is gone on with; another draft is refused. The settings are written first, then
the table, then one file after another, each whole.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile
from pydantic import TypeAdapter
from tqdm import tqdm

from messy_mashup.data.bank import Bank
from messy_mashup.errors import UserError
from messy_mashup.files import write_whole
from messy_mashup.mashup.arrangement import Arrangements, draw
from messy_mashup.mashup.arrangement_table import to_table
from messy_mashup.mashup.pool import Pool
from messy_mashup.mashup.render import render
from messy_mashup.mashup.stretch import Stretch
from messy_mashup.own_files import read_object
from messy_mashup.purposes import TRAINING
from messy_mashup.recipe import MashupRecipe

SETTINGS, TABLE = "settings.json", "arrangements.csv"
FULL_SCALE = 32767


@dataclass(frozen=True)
class Draft:
    """Mashups as they are to be written: those that the member of all songs of this seed hears first."""

    bank: Bank
    recipe: MashupRecipe
    seed: int
    count: int
    sample_rate_hz: int
    stretch: Stretch

    def arrangements(self) -> Arrangements:
        """What the mashups are made of."""
        index = self.bank.index
        pool = Pool.of(index, self.bank.sample_rate_hz, self.bank.classes, self.recipe.parts)
        return draw(pool, self.recipe, (self.seed, TRAINING, 0), 0, self.count)

    def table(self, mashups: Arrangements) -> pd.DataFrame:
        """A row a mashup: id, filename, and the columns of arrangement_table."""
        ids = [f"mashup{number:05d}" for number in range(self.count)]
        names = pd.DataFrame({"id": ids, "filename": [f"{id_}.wav" for id_ in ids]})
        columns = to_table(mashups, self.bank.index["clip"].to_numpy(str), self.bank.classes)
        return pd.concat([names, columns], axis=1)

    def settings(self) -> dict[str, Any]:
        """All that the files depend on, by name."""
        recipe = TypeAdapter(MashupRecipe).dump_python(self.recipe, mode="json")
        return {
            "bank": self.bank.digest,
            "seed": self.seed,
            "count": self.count,
            "sample_rate_hz": self.sample_rate_hz,
            "stretch": self.stretch,
        } | {f"mashup.{name}": value for name, value in recipe.items()}


def write_mashups(draft: Draft, folder: Path) -> int:
    """Write what is not there yet, with a progress bar; how many files that were.

    UserError where the folder holds other files, or mashups of another draft.
    """
    mashups = draft.arrangements()
    table = draft.table(mashups)
    _claim_folder(folder, draft.settings())
    _write_table(folder / TABLE, table)
    paths = [folder / name for name in table["filename"]]
    left = [row for row, path in enumerate(paths) if not path.exists()]
    for row in tqdm(left, initial=len(paths) - len(left), total=len(paths), unit=" mashups", desc=folder.name):
        wave = render(draft.bank, mashups, row, draft.recipe.burst_level, draft.sample_rate_hz, draft.stretch)
        with write_whole(paths[row]) as temporary:
            soundfile.write(temporary, pcm16(wave), draft.sample_rate_hz, subtype="PCM_16", format="WAV")
    return len(left)


def pcm16(wave: np.ndarray) -> np.ndarray:
    """A wave as int16: peak 1 is 32767; a wave that goes beyond, as a filtered one may, is divided by its peak."""
    return np.round(wave * (FULL_SCALE / max(1.0, float(np.abs(wave).max(initial=0.0))))).astype(np.int16)


def _claim_folder(folder: Path, settings: dict[str, Any]) -> None:
    """Write the settings into a new or empty folder; in one that has some they must be the same."""
    path = folder / SETTINGS
    if path.is_file():
        _refuse_other_settings(path, settings)
        return
    if folder.exists() and (not folder.is_dir() or any(not item.name.startswith(".") for item in folder.iterdir())):
        raise UserError(f"{folder} is not empty and holds no {SETTINGS} of mashups: name a new folder with --out")
    with write_whole(path) as temporary:
        temporary.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def _refuse_other_settings(path: Path, settings: dict[str, Any]) -> None:
    there = read_object(path, "name another folder with --out")
    now = json.loads(json.dumps(settings))
    differ = [f"{name} {there.get(name)} there, {now.get(name)} now" for name in now | there
              if there.get(name) != now.get(name)]  # fmt: skip
    if differ:
        raise UserError(f"{path.parent} holds mashups of other settings ({'; '.join(differ)}): name another with --out")


def _write_table(path: Path, table: pd.DataFrame) -> None:
    content = table.to_csv(index=False, lineterminator="\n").encode()
    if path.is_file():
        if path.read_bytes() != content:
            raise UserError(f"{path} is not what its settings draw in this version: name another folder with --out")
        return
    with write_whole(path) as temporary:
        temporary.write_bytes(content)
