"""Many independent jobs on all cores, with a progress bar and a short queue, so that memory stays flat."""

import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from itertools import islice

from tqdm import tqdm

from messy_mashup.data.bank_workers import end_with_parent


class Crew:
    """Workers for several rounds of jobs; one worker means this very process."""

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or os.cpu_count() or 1
        self.pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> "Crew":
        if self.workers > 1:
            # Spawned, not forked: a forked child would inherit the caller's threads (torch, BLAS) half-locked.
            context = multiprocessing.get_context("spawn")
            self.pool = ProcessPoolExecutor(self.workers, mp_context=context, initializer=end_with_parent)
        return self

    def __exit__(self, *_: object) -> None:
        if self.pool:
            self.pool.shutdown(cancel_futures=True)

    def do(self, job: Callable[..., None], arguments: list[tuple], title: str) -> None:
        """Call `job(*each)` for each of the arguments, and wait for all."""
        calls = _serial(job, arguments) if self.pool is None else _pooled(self.pool, job, arguments, 2 * self.workers)
        for _ in tqdm(calls, title, len(arguments), disable=not arguments):
            pass


def _serial(job: Callable[..., None], arguments: list[tuple]) -> Iterator[None]:
    for each in arguments:
        yield job(*each)


def _pooled(pool: ProcessPoolExecutor, job: Callable[..., None], arguments: list[tuple], queued: int) -> Iterator[None]:
    waiting = iter(arguments)
    under_way = {pool.submit(job, *each) for each in islice(waiting, queued)}
    while under_way:
        done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
        under_way |= {pool.submit(job, *each) for each in islice(waiting, len(done))}
        for future in done:
            yield future.result()
