"""Workers for many independent jobs: a pool of processes, which ends with its parent, or this very process."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from multiprocessing.connection import wait as wait_for_end
from typing import TypeVar

from tqdm import tqdm

from messy_mashup.errors import UserError

BATCH = 8  # sending a clip of 3 s to a worker and back costs about half as much as decoding it
BATCHES_EACH = 3  # enough that no worker waits for its parent; few, so that memory stays flat

Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Workers:
    """For several rounds of work; what is sent to a process at a time are `batch` tasks."""

    pool: ProcessPoolExecutor | None  # None: the work is done here
    count: int
    batch: int
    fewer: str  # how the user says that there shall be fewer of them

    def results(
        self, work: Callable[[Task], Result], tasks: Iterable[Task]
    ) -> Iterator[tuple[Task, Result | UserError]]:
        """Do `work` on all tasks; yields each with its result or UserError, as it ends."""
        try:
            if self.pool is None:
                yield from ((task, _done_or_error(work, task)) for task in tasks)
            else:
                yield from self._completed(self.pool, work, iter(tasks))
        except BrokenProcessPool as error:
            raise UserError(f"a worker was killed, perhaps for memory: run again to go on, {self.fewer}") from error
        except OSError as error:
            raise UserError(f"what it makes cannot be written ({error}): make room and run again to go on") from error

    def sure_results(self, work: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[tuple[Task, Result]]:
        """As `results`, but the first UserError is raised."""
        for task, result in self.results(work, tasks):
            if isinstance(result, UserError):
                raise result
            yield task, result

    def do(self, job: Callable[..., None], arguments: Collection[tuple], title: str) -> None:
        """Call `job(*each)` for each of the arguments, with a progress bar; the first UserError is raised."""
        done = self.sure_results(partial(_called, job), arguments)
        for _ in tqdm(done, title, len(arguments), disable=not arguments):
            pass

    def _completed(
        self, pool: ProcessPoolExecutor, work: Callable[[Task], Result], tasks: Iterator[Task]
    ) -> Iterator[tuple[Task, Result | UserError]]:
        under_way: set[Future[list[tuple[Task, Result | UserError]]]] = set()
        while True:
            with _interrupts_held():
                while len(under_way) < BATCHES_EACH * self.count and (batch := list(islice(tasks, self.batch))):
                    under_way.add(pool.submit(_done_batch, work, batch))
            if not under_way:
                return
            done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
            for future in done:
                yield from future.result()


@contextmanager
def working(count: int | None, batch: int = BATCH, fewer: str = "with --workers 1") -> Iterator[Workers]:
    """So many workers, or one for each core; each starts with the first work there is for it. One is this process."""
    count = count or os.cpu_count() or 1
    if count == 1:
        yield Workers(None, count, batch, fewer)
        return
    context = multiprocessing.get_context("spawn")  # a fork would copy the locks of whatever threads the caller has
    with ProcessPoolExecutor(count, mp_context=context, initializer=end_with_parent) as pool:
        try:
            yield Workers(pool, count, batch, fewer)
        finally:
            pool.shutdown(cancel_futures=True)  # after an error or Ctrl-C, what waits would be done for nothing


def _called(job: Callable[..., None], arguments: tuple) -> None:
    job(*arguments)


def _done_batch(work: Callable[[Task], Result], tasks: list[Task]) -> list[tuple[Task, Result | UserError]]:
    return [(task, _done_or_error(work, task)) for task in tasks]


def _done_or_error(work: Callable[[Task], Result], task: Task) -> Result | UserError:
    try:
        return work(task)
    except UserError as error:
        return error


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Keep Ctrl-C from workers started in here for good, and from their parent, whose it is, for the moment."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_with_parent() -> None:
    """End this worker when its parent is killed: holding both ends of its queue, it would wait for work for ever."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        wait_for_end([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
