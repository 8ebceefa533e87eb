"""What a fleet has done, is doing and has left, as plain text that reads well in a log."""

import csv
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from messy_mashup.training.run_folder import METRICS

DONE, RUNNING, WAITING, STOPPED, FAILED = "done", "running", "waiting", "stopped", "failed"
PROGRESS_EVERY_S = 30
SCORE = "val_macro_f1"


@dataclass(frozen=True)
class Job:
    """One member to train."""

    name: str  # run/fold, such as messy_mashup_cnn_seed3/fold2
    arguments: tuple[str, ...]  # of train.py, for this member alone and without --devices
    folder: Path
    recipe: str  # as JSON

    @property
    def epochs(self) -> int:
        """All that it is trained for."""
        return json.loads(self.recipe)["train"]["epochs"]


class Table:
    """The state of every job, told when it changes; between, the epochs of those that run, now and then."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.jobs = list(jobs)
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
        return f"{self._count(DONE)} of {len(self.jobs)} members are done"

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
        counts = [(state, self._count(state)) for state in (RUNNING, WAITING, STOPPED, FAILED)]
        return ", ".join([self.count_done(), *(f"{count} {state}" for state, count in counts if count)])

    def _count(self, state: str) -> int:
        return sum(other == state for other in self._state.values())

    def _rows(self) -> list[int]:
        return [len(_scores(job)) for job in self.jobs if self._state[job] == RUNNING]

    def _line(self, job: Job) -> str:
        state, note = self._state[job], self._note[job]
        width = max(len(other.name) for other in self.jobs)
        scores = _scores(job)
        epochs = f"{len(scores)} of {job.epochs} epochs"
        if state == RUNNING:
            state, epochs = f"running on {note}", f"epoch {min(len(scores) + 1, job.epochs)} of {job.epochs}"
        known = [score for score in scores if score is not None]
        score = f"macro-F1 {known[-1]:.3f}, best {max(known):.3f}" if known else ""
        said = [f"{job.name:<{width}}", f"{state:<17}", f"{epochs:<15}", note if state == FAILED else score]
        return "  " + "  ".join(said).rstrip()


def _scores(job: Job) -> list[float | None]:
    """The validation score of each epoch that is done; None where nothing is held out."""
    path = job.folder / METRICS
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [float(row[SCORE]) if row.get(SCORE) else None for row in csv.DictReader(file)]
