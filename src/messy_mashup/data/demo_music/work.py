"""Many independent jobs on all cores, with a progress bar and a short queue, so memory does not grow with their number."""

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from itertools import islice

from tqdm import tqdm


def in_parallel(job: Callable[..., None], arguments: list[tuple], workers: int | None, title: str) -> None:
    """Call `job(*arguments)` for all of them; one worker means this very process."""
    workers = min(workers or os.cpu_count() or 1, len(arguments))
    if not arguments:
        return
    with tqdm(total=len(arguments), desc=title) as bar:
        for _ in _serial(job, arguments) if workers == 1 else _pooled(job, arguments, workers):
            bar.update()


def _serial(job: Callable[..., None], arguments: list[tuple]) -> Iterator[None]:
    for each in arguments:
        yield job(*each)


def _pooled(job: Callable[..., None], arguments: list[tuple], workers: int) -> Iterator[None]:
    # Spawned, not forked: the caller may have threads (torch, BLAS) that a forked child would inherit half-locked.
    context = multiprocessing.get_context("spawn")
    waiting = iter(arguments)
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_end_with_parent) as pool:
        under_way = {pool.submit(job, *each) for each in islice(waiting, 2 * workers)}
        try:
            while under_way:
                done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                under_way |= {pool.submit(job, *each) for each in islice(waiting, len(done))}
                for future in done:
                    yield future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for work for ever."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
