"""Slots filled by a pool of processes that ends with its parent, however that ends."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from multiprocessing.connection import wait as wait_for_end

from messy_mashup.data.bank_slot import Measures, Slot, fill
from messy_mashup.errors import UserError

BATCH = 8  # sending a slot to a worker and back costs about half as much as filling it with a clip of 3 s
BATCHES_EACH = 3  # enough that no worker waits for its parent; few, so that memory stays flat

Filled = tuple[Slot, Measures | UserError]


def filled(slots: Iterable[Slot], workers: int) -> Iterator[Filled]:
    """Fill the slots in parallel; yields each with its measures, or with why its source cannot be used, as it ends."""
    context = multiprocessing.get_context("spawn")  # a fork would copy the locks of whatever threads the caller has
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_end_with_parent) as pool:
        try:
            yield from _completed(pool, iter(slots), BATCHES_EACH * workers)
        except BrokenProcessPool as error:
            raise UserError("a worker was killed, perhaps for memory: run again to go on, with --workers 1") from error
        except OSError as error:
            raise UserError(f"the bank cannot be written ({error}): make room and run again to go on") from error


def _completed(pool: ProcessPoolExecutor, slots: Iterator[Slot], at_once: int) -> Iterator[Filled]:
    under_way: set[Future[list[Filled]]] = set()
    while True:
        with _interrupts_held():
            while len(under_way) < at_once and (batch := list(islice(slots, BATCH))):
                under_way.add(pool.submit(_fill_batch, batch))
        if not under_way:
            return
        done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
        for future in done:
            yield from future.result()


def _fill_batch(slots: list[Slot]) -> list[Filled]:
    return [(slot, _fill_or_error(slot)) for slot in slots]


def _fill_or_error(slot: Slot) -> Measures | UserError:
    try:
        return fill(slot)
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


def _end_with_parent() -> None:
    """End this worker when its parent is killed: holding both ends of its queue, it would wait for work for ever."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        wait_for_end([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
