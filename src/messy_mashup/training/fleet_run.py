"""Jobs handed to a crew until none is left: the same for processes of this machine and for the tasks of a cluster."""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from messy_mashup.errors import Stopped, UserError
from messy_mashup.training.fleet_table import BUSY, DONE, FAILED, LOST, RUNNING, STOPPED, Job, Table
from messy_mashup.training.stop import Stop

LOSSES = 3  # of a job's process, one after the other and without any progress, after which the job is to blame


@dataclass(frozen=True)
class News:
    """What became of a job."""

    job: Job
    state: str  # RUNNING, DONE, STOPPED, FAILED, LOST or BUSY
    note: str = ""  # where it runs, or why


class Crew(Protocol):
    """Who does the jobs."""

    def take(self, job: Job) -> str | None:
        """Begin a job, or queue it: where it runs, "" where that will be news, None where there is no room now."""
        ...

    def news(self) -> Sequence[News]:
        """What became of the jobs taken, after waiting a moment for it."""
        ...

    def tell_to_end(self) -> None:
        """Tell all that was taken to save and end; what becomes of it is news."""
        ...


def run_fleet(table: Table, crew: Crew, stop: Stop) -> None:
    """Have the jobs done that are not finished.

    A job that fails does not keep the others from going on; at the end UserError tells why each did. One that lost its
    process, or whose folder is another's, waits and is taken again. Raises Stopped when `stop` has a reason, with every
    job saved.
    """
    fleet = _Fleet(table, crew, stop)
    try:
        fleet.run()
    finally:
        fleet.end_taken()


@dataclass
class _Fleet:
    table: Table
    crew: Crew
    stop: Stop
    waiting: deque[Job] = field(default_factory=deque)
    taken: set[Job] = field(default_factory=set)
    losses: Counter = field(default_factory=Counter)  # by job and how far it was

    def run(self) -> None:
        """Until nothing runs and nothing waits, or there is a reason to stop."""
        for job in self.table.jobs:
            if job.is_finished():
                self.table.done(job)
            else:
                self.waiting.append(job)
        self.table.print_whole()
        while (self.waiting or self.taken) and self.stop.reason() is None:
            self._hand_out()
            self.table.print_progress()
            self._hear()
        reason = self.stop.reason() if self.waiting or self.taken else None
        if running := self.table.count(RUNNING):
            print(f"{reason}: waiting until {running} running are saved", flush=True)
        self.end_taken()
        self.table.print_whole()
        self._raise_what_is_left(reason)

    def end_taken(self) -> None:
        """Tell what still runs to save and end, and wait until it has."""
        if self.taken:
            self.crew.tell_to_end()
        while self.taken:
            self._hear()

    def _hand_out(self) -> None:
        while self.waiting and (place := self.crew.take(self.waiting[0])) is not None:
            job = self.waiting.popleft()
            self.taken.add(job)
            if place:
                self.table.running(job, place)

    def _hear(self) -> None:
        for news in self.crew.news():
            if news.state != RUNNING:
                self.taken.remove(news.job)
            follow = {
                RUNNING: self.table.running,
                DONE: lambda job, _: self.table.done(job),
                STOPPED: lambda job, _: self.table.stopped(job),
                FAILED: self.table.failed,
                BUSY: self._wait_again,
                LOST: self._wait_or_fail,
            }
            follow[news.state](news.job, news.note)

    def _wait_or_fail(self, job: Job, why: str) -> None:
        place = (job, job.how_far())
        self.losses[place] += 1
        if self.losses[place] < LOSSES:
            self._wait_again(job, why)
        else:
            self.table.failed(job, f"{why}; the same {LOSSES} times without any progress between")

    def _wait_again(self, job: Job, why: str) -> None:
        self.table.waits_again(job, why)
        self.waiting.append(job)

    def _raise_what_is_left(self, reason: str | None) -> None:
        failures = [f"{name} failed: {why}" for name, why in self.table.failures().items()]
        if left := self.table.left():
            names = ", ".join(job.name for job in left)
            told = f"{reason or f'{self.table.kind} were told to end'}; {self.table.count_done()}; left: {names}"
            raise Stopped("\n".join([f"{told}; run the same command again to go on", *failures]))
        if failures:
            raise UserError("\n".join([self.table.count_done(), *failures]))
