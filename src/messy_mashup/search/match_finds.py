"""Matches of many mashups, found portion by portion and kept, so that an interrupted search goes on.

A mashup is heard from its file, or rendered as a host would: stretched by librosa's vocoder at the test's sample rate.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from tqdm import tqdm

from messy_mashup.data.audio import read_mono
from messy_mashup.data.bank import Bank
from messy_mashup.data.workers import working
from messy_mashup.errors import UserError
from messy_mashup.files import write_whole
from messy_mashup.mashup.arrangement import Arrangements
from messy_mashup.mashup.render import as_of_a_host
from messy_mashup.own_files import LARGE_BYTES, read_bytes, shortened
from messy_mashup.recipe import BurstLevel
from messy_mashup.search.matches import find_matches
from messy_mashup.search.voice_catalogue import ANY_OFFSET_S, LEAST_S, VoiceCatalogue
from messy_mashup.text_table import parse_text_table

MATCH_VERSION = 2  # raise it when the same mashups give other matches
AT_ONCE = 24  # mashups that are searched together
CARD = "card.json"
COLUMNS = ["id", "clip", "song", "part", "label", "rate", "offset_s", "correlation", "significance", "steady", "found"]
TYPES = {"rate": float, "offset_s": float, "correlation": float, "significance": float}


@dataclass(frozen=True)
class Heard:
    """A mashup to be searched: a file, or a row of an arrangement; `barred` are the songs that are not looked for."""

    id: str
    file: Path | None = None
    arrangement: Arrangements | None = None  # of one mashup
    burst_level: BurstLevel = "peak"
    barred: frozenset[str] = frozenset()

    def wave(self, bank: Bank) -> np.ndarray:
        """As the search hears it: float32 (samples,) at the bank's rate."""
        if self.file:
            return read_mono(self.file, bank.sample_rate_hz)
        return as_of_a_host(bank, self.arrangement, 0, self.burst_level)


@dataclass(frozen=True)
class Way:
    """How mashups are searched: on a device, or on the CPU by so many processes, each with the stems in its memory;
    and from where on in a stem its voice may begin, in seconds.
    """

    device: str = "cpu"
    workers: int = 1
    offset_s: tuple[float, float] = ANY_OFFSET_S


def find_all(
    mashups: Sequence[Heard], bank: Bank, folder: Path, card: dict[str, Any], way: Way, title: str
) -> pd.DataFrame:
    """A row a stem that was found or looked at closely, with COLUMNS; mashups shorter than LEAST_S have none.

    Portions that lie in `folder` from an earlier call with an equal card are read, not searched again.
    """
    _prepare(folder, card | {"bank": bank.digest, "offset_s": list(map(str, way.offset_s))})
    starts = range(0, len(mashups), AT_ONCE)
    portions = [
        _Portion(start, mashups[start : start + AT_ONCE], bank.root, Path(bank.source), way) for start in starts
    ]
    left = [portion for portion in portions if not portion.path(folder).is_file()]
    done = len(mashups) - sum(len(portion.mashups) for portion in left)
    with tqdm(total=len(mashups), initial=done, desc=f"stems in {title}", unit=" mashups") as bar:
        for portion, found in _searched(left, way):
            with write_whole(portion.path(folder)) as temporary:
                found.to_csv(temporary, index=False, lineterminator="\n")
            bar.update(len(portion.mashups))
    tables = [read_portion(portion.path(folder)) for portion in portions]
    return pd.concat(tables, ignore_index=True) if tables else _typed(pd.DataFrame(columns=COLUMNS))


def read_portion(path: Path) -> pd.DataFrame:
    """What was found in one portion; UserError where its file is not as it was written."""
    remedy = "remove that file, its mashups are searched again"
    table = parse_text_table(read_bytes(path, remedy, LARGE_BYTES), path).astype(str)
    if table.columns.tolist() != COLUMNS or not table[["steady", "found"]].isin(["True", "False"]).all(axis=None):
        raise UserError(f"{path} does not hold finds: {remedy}")
    try:
        return _typed(table)
    except (ValueError, OverflowError) as error:
        raise UserError(f"{path} does not hold finds ({shortened(str(error))}): {remedy}") from error


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    flags = {name: table[name] == "True" for name in ("steady", "found")}
    return table.astype(TYPES).assign(**flags)


class _Portion(NamedTuple):
    """Mashups that are searched together, the first of them by its number; bank and data set are folders."""

    first: int
    mashups: Sequence[Heard]
    bank: Path
    data: Path
    way: Way

    def path(self, folder: Path) -> Path:
        return folder / f"{self.first:06d}.csv"


def _prepare(folder: Path, card: dict[str, Any]) -> None:
    text = json.dumps(card | {"matching": MATCH_VERSION}, indent=1, sort_keys=True)
    path = folder / CARD
    if path.is_file() and path.read_text() == text:
        return
    for old in folder.glob("*.csv"):
        old.unlink()
    with write_whole(path) as temporary:
        temporary.write_text(text)


def _searched(portions: list[_Portion], way: Way) -> Iterator[tuple[_Portion, pd.DataFrame]]:
    with working(max(1, min(way.workers, len(portions))), batch=1, fewer="with --workers 1") as pool:
        yield from pool.sure_results(_matches, portions)


def _matches(portion: _Portion) -> pd.DataFrame:
    catalogue = _catalogue(portion.bank, portion.data, portion.way.device)
    waves = [mashup.wave(catalogue.bank) for mashup in portion.mashups]
    least = LEAST_S * catalogue.bank.sample_rate_hz
    searched = [(mashup, wave) for mashup, wave in zip(portion.mashups, waves, strict=True) if len(wave) >= least]
    barred = [sorted(mashup.barred) for mashup, _ in searched]
    found = find_matches([wave for _, wave in searched], catalogue, portion.way.offset_s, barred)
    rows = []
    for (mashup, _), matches in zip(searched, found, strict=True):
        for match in matches:
            clip = catalogue.bank.index.iloc[match.clip]
            names = {"clip": clip["clip"], "song": clip["group"], "part": clip["part"], "label": clip["label"]}
            rows.append({"id": mashup.id, **asdict(match), **names})
    return pd.DataFrame(rows, columns=COLUMNS)


@cache
def _catalogue(bank: Path, data: Path, device: str) -> VoiceCatalogue:
    return VoiceCatalogue(replace(Bank.open(bank), source=str(data)), device)
