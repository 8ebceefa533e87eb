"""What a search of mashups for stems takes, for match.py: seconds and multiply-adds by stage, measured on a sample of
30 s and extrapolated to a whole competition.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from math import ceil, log2
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
import torch
from match_probes import long_mashups
from torch.utils._python_dispatch import TorchDispatchMode

from messy_mashup.data.bank import Bank
from messy_mashup.search import matches, stretched_voices
from messy_mashup.search.evidence import AT_BEGIN_S
from messy_mashup.search.matches import find_matches
from messy_mashup.search.pattern_likeness import CHANCE
from messy_mashup.search.stretched_voices import ROUNDS
from messy_mashup.search.voice_catalogue import ANY_OFFSET_S, VoiceCatalogue

STEMS_AT_ONCE = 32
MASHUPS, STEMS_OF_ALL, AT_ONCE = 3020, 4000, 24  # of the competition; as many are searched together
ONCE = "chance"  # what the stems are alike to by chance: measured once a length of mashups
STAGES = {
    "steady": ((matches, "find_steady"), (matches, "without")),
    "patterns": ((stretched_voices, "best_likeness"),),
    "verification": ((stretched_voices, "refined"), (stretched_voices, "check_wave"), (matches, "check_wave")),
    ONCE: ((stretched_voices, "usual_likeness"),),
}
REST = "rest"
LAGS = {"random": ANY_OFFSET_S, "0, told": AT_BEGIN_S}
LATEST = {"random": 1.0, "0, told": 0.0}  # begin of a voice, as a share of where it could


def multiply_adds(operation: str, inputs: Sequence[Any], result: Any) -> float:
    """Of one operation of torch, from the shapes it was called with.

    A real FFT of n points counts 2.5 n log2 n, a matrix product m n k, a product or quotient of elements one each; four
    times as many where the numbers are complex. Sums, comparisons and copies count nothing.
    """
    if operation == "aten::_fft_r2c":
        return 2.5 * inputs[0].numel() * log2(max(inputs[0].shape[inputs[1][-1]], 2))
    if operation == "aten::_fft_c2r":
        return 2.5 * result.numel() * log2(max(inputs[3], 2))
    if operation in ("aten::mm", "aten::bmm", "aten::mv"):
        return (4 if result.is_complex() else 1) * result.numel() * inputs[0].shape[-1]
    if operation.startswith(("aten::mul", "aten::div")):
        return (4 if result.is_complex() else 1) * result.numel()
    return 0.0


class Counted(TorchDispatchMode):
    """Counts the multiply-adds of all that torch does inside."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0.0

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        """Torch calls it for each operation."""
        result = func(*args, **(kwargs or {}))
        self.total += multiply_adds(func.name(), args, result)
        return result


class Account:
    """Seconds and multiply-adds by stage, (2,); what a stage calls of another is the other's, save the chance's.

    calls: of the stages' functions, with how many mashups each was called for, and what it took.
    """

    def __init__(self, clock: Callable[[], float], counted: Counted) -> None:
        self.clock, self.counted = clock, counted
        self.spent = {stage: np.zeros(2) for stage in (*STAGES, REST)}
        self.calls: list[tuple[str, int, np.ndarray]] = []
        self.stages = [REST]
        self.since = self._now()

    def _now(self) -> np.ndarray:
        return np.array([self.clock(), self.counted.total])

    def book(self) -> None:
        """What has been spent since the last time goes to the stage that is running."""
        now = self._now()
        self.spent[self.stages[-1]] += now - self.since
        self.since = now

    @contextmanager
    def running(self, stage: str) -> Iterator[None]:
        """Whatever is spent inside is the stage's."""
        self.book()
        self.stages.append(ONCE if ONCE in self.stages else stage)
        try:
            yield
        finally:
            self.book()
            self.stages.pop()

    def booked(self, function: Callable, stage: str) -> Callable:
        """The function, whose calls are the stage's."""

        def call(*args: Any, **kwargs: Any) -> Any:
            with self.running(stage):
                before = self._now()
                result = function(*args, **kwargs)
                mashups = CHANCE if stage == ONCE else len(args[0]) if isinstance(args[0], list) else 1
                self.calls.append((stage, mashups, self._now() - before))
            return result

        return call


@dataclass(frozen=True)
class Sample:
    """What one search of so many mashups for so many stems took: see Account."""

    stems: int
    mashups: int
    spent: dict[str, np.ndarray]
    calls: list[tuple[str, int, np.ndarray]]

    def calls_of(self, stage: str) -> list[tuple[int, np.ndarray]]:
        """How many mashups each was for, and what it took."""
        return [(mashups, spent) for name, mashups, spent in self.calls if name == stage]


def sample_of(catalogue: VoiceCatalogue, waves: Sequence[np.ndarray], offset_s: tuple[float, float]) -> Sample:
    """Search, and see where the time goes: on a CPU that of the process, on a GPU that of the clock.

    Whitening the stems is the catalogue's work, and done before. Counting takes no time to speak of; what is done
    outside torch, librosa's vocoder, is not counted.
    """
    for _ in catalogue.whitened(STEMS_AT_ONCE):
        pass
    clock = _gpu_clock if catalogue.device.type == "cuda" else time.process_time
    with ExitStack() as patches:
        account = Account(clock, patches.enter_context(Counted()))
        for stage, places in STAGES.items():
            for module, name in places:
                patches.enter_context(patch.object(module, name, account.booked(getattr(module, name), stage)))
        find_matches(waves, catalogue, offset_s)
        account.book()
    return Sample(len(catalogue), len(waves), account.spent, account.calls)


def _gpu_clock() -> float:
    torch.cuda.synchronize()
    return time.perf_counter()


def extrapolated(few: Sample, many: Sample) -> dict[str, np.ndarray]:
    """Seconds and multiply-adds of a whole competition by stage, (2,) each, from samples of few and of many stems.

    Chance is for one length of mashups, of a second. Verification and the rest take as long for a mashup as in the
    sample, though among more stems more stand out, of which at most 20 a mashup are verified.
    """
    per_mashup = [one.spent["steady"] / one.mashups for one in (few, many)]
    per_stem = np.maximum(0, (per_mashup[1] - per_mashup[0]) / (many.stems - few.stems))
    alone = np.maximum(0, per_mashup[1] - per_stem * many.stems)
    whole = {stage: many.spent[stage] / many.mashups * MASHUPS for stage in ("verification", REST)}
    whole["steady"] = MASHUPS * (per_stem * STEMS_OF_ALL + alone)
    whole["patterns"], whole[ONCE] = _patterns(few, many)
    return {stage: whole[stage] for stage in many.spent}


def _patterns(few: Sample, many: Sample) -> tuple[np.ndarray, np.ndarray]:
    """One round for some mashups takes a stems + b stems mashups; there are ROUNDS for a portion of mashups, of which
    a mashup takes part in as many as in the sample. Chance is one for CHANCE mashups.
    """
    from scipy.optimize import nnls

    calls = [(one.stems, *call) for one in (few, many) for stage in ("patterns", ONCE) for call in one.calls_of(stage)]
    shape = np.array([[stems, stems * mashups] for stems, mashups, _ in calls], float)
    took = np.array([spent for *_, spent in calls])
    portion, mashup = np.array([nnls(shape, column)[0] for column in took.T]).T * STEMS_OF_ALL
    rounds = sum(mashups for mashups, _ in many.calls_of("patterns")) / many.mashups
    return ceil(MASHUPS / AT_ONCE) * ROUNDS * portion + MASHUPS * rounds * mashup, portion + CHANCE * mashup


def catalogue_bytes_a_second(catalogue: VoiceCatalogue) -> float:
    """What a catalogue keeps in memory of one second of stem, after a search."""
    fields = [values if isinstance(values, list) else [values] for values in vars(catalogue).values()]
    kept = [value for values in fields for value in values if isinstance(value, torch.Tensor)]
    size = sum(value.numel() * value.element_size() for value in kept)
    return size / (catalogue.length.sum() / catalogue.bank.sample_rate_hz)


def some_songs(bank: Bank, songs: int) -> Bank:
    """The bank with the stems of the first songs of each genre alone."""
    stems = bank.index[bank.index["kind"] == "stem"]
    few = stems["group"].str.rpartition(".")[2].astype(int) < songs
    return replace(bank, index=stems[few].reset_index(drop=True))


def cost_table(bank: Bank, root: Path, songs: int, mashups: int) -> dict[str, pd.DataFrame]:
    """By device, lag and stage: what a search of so many mashups for the stems of so many songs a genre took, and what
    a whole competition's would take; each device that is here is measured.
    """
    rows, kept = [], {}
    for device in ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]:
        for lag, offset_s in LAGS.items():
            waves, samples = long_mashups(root, mashups, LATEST[lag]), []
            for some in (songs // 2, songs):
                catalogue = VoiceCatalogue(some_songs(bank, some), device)
                samples.append(sample_of(catalogue, waves, offset_s))
                kept[device] = catalogue_bytes_a_second(catalogue)
            rows += [{"device": device, "lag": lag} | row for row in _rows(*samples)]
    if "cuda" not in kept:
        rows.append({"device": "cuda", "lag": "not measured: no GPU"})
    memory = [{"device": device, "bytes_a_second_of_stem": size} for device, size in kept.items()]
    return {"cost": pd.DataFrame(rows), "memory": pd.DataFrame(memory)}


def _rows(few: Sample, many: Sample) -> Iterator[dict[str, Any]]:
    """A row a stage, and their sum: of both samples, and extrapolated."""
    whole = extrapolated(few, many)
    stages = {stage: (few.spent[stage], many.spent[stage], whole[stage]) for stage in whole}
    stages["all"] = tuple(sum(column) for column in zip(*stages.values(), strict=True))
    for stage, (less, more, all_of_it) in stages.items():
        yield {
            "stage": stage,
            "mashups": many.mashups,
            f"seconds_{few.stems}_stems": less[0],
            f"seconds_{many.stems}_stems": more[0],
            f"multiply_adds_1e9_{many.stems}_stems": more[1] / 1e9,
            "whole_hours": all_of_it[0] / 3600,
            "whole_multiply_adds_1e15": all_of_it[1] / 1e15,
        }
