"""One command at a time in a folder: a lock that says who holds it and ends with its process, however that ends."""

import errno
import fcntl
import os
import shlex
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from messy_mashup.errors import UserError
from messy_mashup.files import write_faults_told

LOCKLESS = {errno.ENOTSUP, errno.ENOLCK, errno.ENOSYS}  # of a file system that knows no locks


class Held(UserError):
    """Another process holds what was to be claimed; the message says which."""


@contextmanager
def claimed(lock: Path, doing: str) -> Iterator[None]:
    """Hold the file `lock`; while another process does, Held: "{doing} by process 4711 ...: wait for it".

    `doing` is the beginning of that sentence, such as "runs/x/fold0 is being trained". The file stays, empty:
    if it were removed, a process that had just opened it would hold a lock that nobody else sees.
    """
    with write_faults_told(lock):
        lock.parent.mkdir(parents=True, exist_ok=True)
        file = lock.open("ab+", buffering=0)
    with file:
        lock_file(file.fileno(), doing, lambda: lock.read_text(errors="replace").strip())
        file.truncate(0)
        with write_faults_told(lock):
            file.write(holder().encode())
        try:
            yield
        finally:
            file.truncate(0)


def lock_file(descriptor: int, doing: str, named: Callable[[], str] = str) -> None:
    """Lock an open file until it is closed; while another process has it, Held as in `claimed`."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise Held(f"{doing} by {named() or 'another process'}: wait for it or stop it") from error
    except OSError as error:
        if error.errno not in LOCKLESS:
            raise


def holder() -> str:
    """Who this is, for whoever comes second."""
    command = shlex.join([Path(sys.executable).name, *sys.argv])
    return f"process {os.getpid()} on {socket.gethostname()} since {datetime.now(UTC):%Y-%m-%d %H:%M} UTC ({command})"
