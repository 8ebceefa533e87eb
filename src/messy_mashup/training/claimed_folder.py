"""A member's folder belongs to one process: by a lock, and by a lease where storage is shared and locks are not.

A lock may reach no further than its machine, and a server may free the locks of a machine that it no longer sees. So
who trains also renews a lease. One of another machine that was not renewed for LEASE_S is taken over; who cannot renew
its own for LOST_S, or finds another's in its place, ends at once and writes nothing more. Ages are told by the clock of
the storage alone; machines are told apart by their host names. What this leaves open: a process that is frozen for
longer than LEASE_S, just between its last look and a file's replacement, may put that one file in place when it thaws.
"""

import json
import os
import socket
import sys
import tempfile
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from messy_mashup import claim
from messy_mashup.errors import STOPPED_STATUS, UserError
from messy_mashup.files import write_whole
from messy_mashup.own_files import read_object, shortened

CLAIM, LEASE = ".claim", ".lease"  # the lock says which process trains here; the lease that its machine lives
FIRST_BEAT_S, BEAT_S = 1.0, 10.0  # two that take a folder in the same moment see it at the first beat
LOST_S, LEASE_S = 40.0, 60.0


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Hold a member's folder; Held names the process that holds it already."""
    doing = f"{folder} is being trained"
    with claim.claimed(folder / CLAIM, doing), _leased(folder / LEASE, doing):
        yield


def is_claimed(folder: Path) -> bool:
    """Whether a process holds a member's folder."""
    return holder(folder) is not None


def holder(folder: Path) -> str | None:
    """The sentence that says which process holds a member's folder; None where none does."""
    try:
        with claimed(folder):
            return None
    except claim.Held as error:
        return str(error)


@contextmanager
def _leased(lease: Path, doing: str) -> Iterator[None]:
    _refuse_living(lease, doing)
    own = json.dumps({"machine": socket.gethostname(), "holder": claim.holder(), "token": uuid.uuid4().hex})
    with write_whole(lease) as temporary:
        temporary.write_text(own)
    keeper = _Keeper(lease, own)
    try:
        yield
    finally:
        keeper.end()


def _refuse_living(lease: Path, doing: str) -> None:
    """Of a holder on this machine the lock has told already that it lives no more."""
    try:
        there = read_object(lease, "wait a minute, then remove it")
        renewed_s = lease.stat().st_mtime
        machine, lessee = str(there["machine"]), shortened(str(there["holder"]))
    except (FileNotFoundError, UserError, KeyError):  # none, or not one that a process here has written
        return
    with tempfile.TemporaryFile(dir=lease.parent) as probe:
        age_s = os.fstat(probe.fileno()).st_mtime - renewed_s
    if machine != socket.gethostname() and age_s < LEASE_S:
        raise claim.Held(
            f"{doing} by {lessee}, which gave a sign of life {max(0.0, age_s):.0f} s ago: wait for it or stop "
            f"it; if its machine is lost, the folder is free {LEASE_S:.0f} s after the last"
        )


class _Keeper:
    """Renews a lease until it ends, in a thread; another sees to it that storage which hangs is noticed."""

    def __init__(self, lease: Path, own: str) -> None:
        self.lease, self.own = lease, own
        self._missed_s, self._ended = 0, threading.Event()
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._renew, self._watch)]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Give the lease up, if it is still this process's."""
        self._ended.set()
        for thread in self._threads:
            thread.join()
        if self._is_own():
            self.lease.unlink()

    def _renew(self) -> None:
        wait_s = FIRST_BEAT_S
        while not self._ended.wait(wait_s):
            wait_s = BEAT_S
            with suppress(OSError):
                if not self._is_own():
                    self._leave("another process has taken it over")
                os.utime(self.lease)
                self._missed_s = 0

    def _watch(self) -> None:
        """Seconds are counted one by one, so that those for which the whole process was frozen do not count."""
        while not self._ended.wait(1):
            self._missed_s += 1
            if self._missed_s > LOST_S:
                self._leave(f"its lease could not be renewed for {LOST_S:.0f} s")

    def _is_own(self) -> bool:
        try:
            return self.lease.read_text() == self.own
        except FileNotFoundError:
            return False

    def _leave(self, why: str) -> None:
        """End this process here and now: whatever it would still write is no longer its to write."""
        print(f"stopped: {self.lease.parent} is no longer this process's: {why}", file=sys.stderr, flush=True)
        os._exit(STOPPED_STATUS)
