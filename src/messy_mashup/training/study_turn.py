"""Whose turn it is in a study that several processes share."""

import fcntl
import os
from pathlib import Path
from typing import Self

from messy_mashup.claim import LOCKLESS
from messy_mashup.files import write_faults_told


class Turn:
    """A lock that is waited for, and that ends with its process, however that ends; also Optuna's journal takes it.

    Optuna's own locks are files, which outlive a killed process: whoever comes next waits half a minute for them.
    """

    def __init__(self, path: Path) -> None:
        self.path, self._descriptor = path, -1

    def acquire(self) -> bool:
        """Wait for the turn, and have it."""
        with write_faults_told(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(self.path, os.O_CREAT | os.O_RDWR, 0o666)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in LOCKLESS:
                raise
        return True

    def release(self) -> None:
        """Let the next one have it; the file stays, for a process that has just opened it would hold another lock."""
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
