"""What is found in mashups, be they the test's or simulated: which bursts and voices of the bank lie in them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from messy_mashup.data.bank import Bank
from messy_mashup.data.workers import working
from messy_mashup.search.found_bursts import FoundBurst, NoiseCatalogue, burst_gains, find_bursts, without_bursts
from messy_mashup.search.found_voices import FoundVoice, find_voices
from messy_mashup.search.steady_voices import find_steady
from messy_mashup.search.voice_catalogue import ANY_OFFSET_S, VoiceCatalogue

LEVELS = ("raw", "peak", "piece", "snr")  # what a host's gain may multiply: a column each
AT_ONCE = 24  # mashups whose voices are looked for together
FIRST, FEWEST = 24, 8  # mashups, and steady voices in them, that tell where voices begin
MANY = 0.9  # of the steady voices that begin where their stems do, so that stretched ones are looked for there only
AT_BEGIN_S = (-0.02, 0.02)


@dataclass(frozen=True)
class Evidence:
    """Rows of `bursts` and `voices` carry the number of their mashup.

    bursts: mashup, the fields of FoundBurst but `gain`, and the gain by each of LEVELS as a host would have drawn it.
    voices: mashup and the fields of FoundVoice.
    """

    lengths_s: np.ndarray  # (mashups,)
    bursts: pd.DataFrame
    voices: pd.DataFrame

    def __len__(self) -> int:
        return len(self.lengths_s)

    def of(self, mashups: np.ndarray) -> "Evidence":
        """That of some mashups, numbered anew; one that is named twice counts twice."""
        return Evidence(self.lengths_s[mashups], _rows_of(self.bursts, mashups), _rows_of(self.voices, mashups))


def gather(waves: Sequence[np.ndarray], bank: Bank, device: torch.device, title: str) -> Evidence:
    """Look for the bank's noise clips and stems in mashups, waves (samples,) at its rate. Seconds a mashup."""
    music, bursts = list(waves), []
    tasks = [_Task(number, bank.root, wave) for number, wave in enumerate(waves)]
    with working(None, batch=1, fewer="with nothing else running") as pool:
        done = pool.sure_results(_bursts, tasks)
        for task, result in tqdm(done, total=len(tasks), desc=f"noise in {title}", unit=" mashups"):
            music[task.number], rows = result
            bursts += [{"mashup": task.number, **row} for row in rows]
    bursts.sort(key=lambda row: row["mashup"])
    return Evidence(
        np.array([len(wave) for wave in waves]) / bank.sample_rate_hz,
        pd.DataFrame(bursts, columns=["mashup", *_names(FoundBurst, but="gain"), *LEVELS]),
        _voices(music, VoiceCatalogue(bank, device), title),
    )


class _Task(NamedTuple):
    """A mashup by its number, and the folder of the bank whose noise is looked for in it."""

    number: int
    bank: Path
    wave: np.ndarray


@cache
def _catalogue(bank: Path) -> NoiseCatalogue:
    """The noise clips of the bank in a folder, for a process that uses one core."""
    torch.set_num_threads(1)
    return NoiseCatalogue(Bank.open(bank))


def _bursts(task: _Task) -> tuple[np.ndarray, list[dict[str, float]]]:
    """A mashup without its bursts, and a row for each of these."""
    catalogue, wave = _catalogue(task.bank), task.wave
    found = find_bursts(wave, catalogue)
    if not found:
        return wave, []
    gains = {level: burst_gains(wave, found, catalogue, level) for level in LEVELS}
    rows = [asdict(burst) | {level: gains[level][place] for level in LEVELS} for place, burst in enumerate(found)]
    for row in rows:
        del row["gain"]
    return without_bursts(wave, found, catalogue), rows


def _voices(waves: Sequence[np.ndarray], catalogue: VoiceCatalogue, title: str) -> pd.DataFrame:
    """The voices of mashups; where the steady ones begin with their stems, the others are looked for there."""
    offset_s = _offsets(waves[:FIRST], catalogue)
    rows = []
    with tqdm(total=len(waves), desc=f"voices in {title}", unit=" mashups") as bar:
        for begin in range(0, len(waves), AT_ONCE):
            portion = list(waves[begin : begin + AT_ONCE])
            for number, found in enumerate(find_voices(portion, catalogue, offset_s), begin):
                rows += [{"mashup": number, **asdict(voice)} for voice in found]
            bar.update(len(portion))
    return pd.DataFrame(rows, columns=["mashup", *_names(FoundVoice)])


def _offsets(waves: Sequence[np.ndarray], catalogue: VoiceCatalogue) -> tuple[float, float]:
    """Where in its stem a voice may begin, by the steady voices of some mashups."""
    heard = [torch.from_numpy(wave).to(catalogue.device) for wave in waves]
    lags = [voice.lag for voices in find_steady(heard, catalogue) for voice in voices]
    at_begin = np.abs(lags) <= AT_BEGIN_S[1] * catalogue.bank.sample_rate_hz
    return AT_BEGIN_S if len(lags) >= FEWEST and np.mean(at_begin) >= MANY else ANY_OFFSET_S


def _names(kind: type, but: str = "") -> list[str]:
    return [field.name for field in fields(kind) if field.name != but]


def _rows_of(table: pd.DataFrame, mashups: np.ndarray) -> pd.DataFrame:
    wanted = pd.DataFrame({"mashup": mashups, "number": np.arange(len(mashups))})
    return wanted.merge(table, on="mashup").drop(columns="mashup").rename(columns={"number": "mashup"})
