"""What a fleet has done, is doing and has left, as plain text that reads well in a log."""

import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from messy_mashup.errors import UserError
from messy_mashup.training.run_folder import METRICS, TEST, is_complete, read_metrics, recipe_trained, refuse_another

DONE, RUNNING, WAITING, STOPPED, FAILED = "done", "running", "waiting", "stopped", "failed"
LOST, BUSY = "lost", "busy"  # its process is gone, or its folder is another's: it waits again
PROGRESS_EVERY_S = 30
SCORE = "val_macro_f1"


class Job(Protocol):
    """Something a fleet has to do, by a script of its own process; equal jobs are one."""

    name: str
    arguments: tuple[str, ...]  # of the script, without --devices
    folder: Path  # of its log, and of no other job

    def is_finished(self) -> bool:
        """Whether nothing is left to do."""
        ...

    def how_far(self) -> int:
        """Steps that are done, such as epochs."""
        ...

    def told(self, running: bool) -> tuple[str, str]:
        """How far it is, and how well it does, in a few words each."""
        ...


@dataclass(frozen=True)
class Member:
    """One member to train."""

    name: str  # run/fold, such as messy_mashup_cnn_seed3/fold2
    arguments: tuple[str, ...]  # of train.py, for this member alone and without --devices
    folder: Path
    recipe: str  # as JSON

    def is_finished(self) -> bool:
        """Whether it needs no training; UserError where what is there is of another recipe."""
        try:
            recipe = recipe_trained(self.folder)
            finished = recipe is not None and is_complete(self.folder) and (self.folder / TEST).exists()
        except UserError:
            return False  # damaged: its own process says so, and the others are trained
        if recipe is not None:
            refuse_another(self.folder, {"recipe": recipe}, {"recipe": json.loads(self.recipe)})
        return finished

    def how_far(self) -> int:
        """Epochs that are done."""
        return len(_scores(self.folder))

    def told(self, running: bool) -> tuple[str, str]:
        """Its epochs, and the validation score of the last and the best of them."""
        scores, epochs = _scores(self.folder), json.loads(self.recipe)["train"]["epochs"]
        known = [score for score in scores if score is not None]
        score = f"macro-F1 {known[-1]:.3f}, best {max(known):.3f}" if known else ""
        if running:
            return f"epoch {min(len(scores) + 1, epochs)} of {epochs}", score
        return f"{len(scores)} of {epochs} epochs", score


class Table:
    """The state of every job, told when it changes; between, the epochs of those that run, now and then."""

    def __init__(self, jobs: Sequence[Job], kind: str = "members") -> None:
        self.jobs, self.kind = list(jobs), kind
        if len({job.folder for job in jobs}) < len(jobs):
            raise ValueError("two jobs have one folder")
        self._state = dict.fromkeys(self.jobs, WAITING)
        self._note = dict.fromkeys(self.jobs, "")  # a device, or why it failed
        self._begun_s = self._printed_s = time.monotonic()
        self._printed, self._printed_rows = "", []

    def done(self, job: Job) -> None:
        """A job has come to its end."""
        self._state[job], self._note[job] = DONE, ""

    def running(self, job: Job, device: str) -> None:
        """A job has begun."""
        self._state[job], self._note[job] = RUNNING, device

    def stopped(self, job: Job) -> None:
        """A job has saved what it has and can go on."""
        self._state[job], self._note[job] = STOPPED, ""

    def waits_again(self, job: Job, why: str) -> None:
        """A job is to be taken once more."""
        if (self._state[job], self._note[job]) != (WAITING, why):
            print(f"{job.name} waits again: {why}", flush=True)
        self._state[job], self._note[job] = WAITING, why

    def failed(self, job: Job, why: str) -> None:
        """A job has ended with an error."""
        self._state[job], self._note[job] = FAILED, why
        print(f"{job.name} failed: {why}", flush=True)

    def left(self) -> list[Job]:
        """The jobs that are neither done nor failed."""
        return [job for job in self.jobs if self._state[job] not in (DONE, FAILED)]

    def failures(self) -> dict[str, str]:
        """Why jobs failed, by their names."""
        return {job.name: self._note[job] for job in self.jobs if self._state[job] == FAILED}

    def count_done(self) -> str:
        """How many of how many are done."""
        return f"{self.count(DONE)} of {len(self.jobs)} {self.kind} are done"

    def print_whole(self) -> None:
        """A line for every job."""
        self._print(self.jobs)

    def print_progress(self) -> None:
        """The running jobs: at once where a job began or ended, else now and then where an epoch did."""
        waited_s = time.monotonic() - self._printed_s
        if self._summary() != self._printed or (waited_s >= PROGRESS_EVERY_S and self._rows() != self._printed_rows):
            self._print([job for job in self.jobs if self._state[job] == RUNNING])

    def _print(self, jobs: Sequence[Job]) -> None:
        now = time.monotonic()
        lines = [f"[{timedelta(seconds=int(now - self._begun_s))}] {self._summary()}", *map(self._line, jobs)]
        print("\n".join(lines), flush=True)
        self._printed, self._printed_rows, self._printed_s = self._summary(), self._rows(), now

    def _summary(self) -> str:
        counts = [(state, self.count(state)) for state in (RUNNING, WAITING, STOPPED, FAILED)]
        return ", ".join([self.count_done(), *(f"{count} {state}" for state, count in counts if count)])

    def count(self, state: str) -> int:
        """How many are in that state."""
        return sum(other == state for other in self._state.values())

    def _rows(self) -> list[int]:
        return [job.how_far() for job in self.jobs if self._state[job] == RUNNING]

    def _line(self, job: Job) -> str:
        state, note = self._state[job], self._note[job]
        width = max(len(other.name) for other in self.jobs)
        far, score = job.told(state == RUNNING)
        if state == RUNNING:
            state = f"running on {note}"
        said = [f"{job.name:<{width}}", f"{state:<17}", f"{far:<15}", note if state in (FAILED, WAITING) else score]
        return "  " + "  ".join(said).rstrip()


def _scores(folder: Path) -> list[float | None]:
    """The validation score of each epoch that is done; None where nothing is held out."""
    if not (folder / METRICS).exists():
        return []
    table = read_metrics(folder)
    scores = table[SCORE] if SCORE in table else [math.nan] * len(table)
    return [None if math.isnan(score) else float(score) for score in scores]
