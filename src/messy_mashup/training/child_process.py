"""A script of this project as a process of its own, which writes what it prints to a log; torch is not needed here."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from messy_mashup.errors import STOPPED_STATUS
from messy_mashup.files import write_faults_told

LOG = "train.log"  # what a process prints, in the folder that it works in
TAIL_BYTES = 8192  # of a log, in which the error of a failed process is looked for
TOLD_TO_END = (STOPPED_STATUS, -signal.SIGTERM, -signal.SIGINT, 130)  # statuses of a process that was told to
QUIET = {"TQDM_MININTERVAL": "30", "PYTHONUNBUFFERED": "1"}  # progress bars for a log


@dataclass(frozen=True)
class Child:
    """A process and where it writes what it prints."""

    process: subprocess.Popen
    log: Path
    log_begins: int  # bytes that earlier commands left in it

    @classmethod
    def started(cls, script: Path, words: Sequence[str], log: Path, environment: Mapping[str, str]) -> "Child":
        """Start a script that goes on with the file `log`, with these variables beside this process's own.

        In this process's group, so that Ctrl-C in a terminal reaches both.
        """
        with write_faults_told(log):
            log.parent.mkdir(parents=True, exist_ok=True)
            file = log.open("ab")
        with file:
            begins = file.tell()
            process = subprocess.Popen(
                [sys.executable, str(script), *words],
                env=os.environ | QUIET | environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        return cls(process, log, begins)

    def why_failed(self) -> str:
        """Why it failed, as it has: its error or the last line of its log, and where that is."""
        with self.log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(self.log_begins, size - TAIL_BYTES))
            lines = [line.strip() for line in file.read().decode(errors="replace").splitlines() if line.strip()]
        errors = [number for number, line in enumerate(lines) if line.startswith("error: ")]
        said = " ".join(lines[errors[-1] :] if errors else lines[-1:]).removeprefix("error: ") or "it said nothing"
        if (status := self.process.returncode) < 0:
            said = f"killed by {signal.Signals(-status).name}; its last line: {said}"
        return f"{said} ({self.log})"
