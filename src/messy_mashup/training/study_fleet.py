"""One study worked on by several processes, one on each device, that a command starts and waits for."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from messy_mashup import paths
from messy_mashup.errors import Stopped, UserError
from messy_mashup.files import write_faults_told
from messy_mashup.training.child_process import TOLD_TO_END
from messy_mashup.training.stop import Stop
from messy_mashup.training.study_worker import finished_trials

SCRIPT = paths.REPOSITORY / "src" / "tune.py"
POLL_S = 0.2


@dataclass(frozen=True)
class Worker:
    """A process and where it writes what it prints."""

    process: subprocess.Popen
    log: Path


def tune_side_by_side(arguments: Sequence[str], devices: Sequence[str], folder: Path, trials: int, stop: Stop) -> None:
    """Run tune.py with these arguments once on each device, until the study in `folder` has its trials.

    Each writes what it prints to a log in that folder. UserError names the log of one that failed; the others go on.
    Raises Stopped when `stop` has a reason, with every trial saved.
    """
    with ExitStack() as opened:
        workers = [
            _started(arguments, device, len(devices), folder / f"process{number}.log", stop, opened)
            for number, device in enumerate(devices)
        ]
        try:
            _wait(workers, folder, trials, stop)
        finally:
            for worker in workers:
                worker.process.terminate()
            statuses = [worker.process.wait() for worker in workers]
    failed = [
        str(worker.log) for worker, status in zip(workers, statuses, strict=True) if status not in (0, *TOLD_TO_END)
    ]
    if reason := stop.reason():
        raise Stopped(f"{reason}; every trial is saved. Run the same command again to go on")
    if failed:
        raise UserError(f"a process failed, see the end of {' and of '.join(failed)}; then run the same command again")
    if any(statuses):
        raise Stopped("a process was told to end. Run the same command again to go on")


def _started(arguments: Sequence[str], device: str, devices: int, log: Path, stop: Stop, opened: ExitStack) -> Worker:
    with write_faults_told(log):
        log.parent.mkdir(parents=True, exist_ok=True)
        file = opened.enter_context(log.open("ab"))
    quiet = {"TQDM_MININTERVAL": "30", "PYTHONUNBUFFERED": "1"}
    if device == "cpu":
        quiet["OMP_NUM_THREADS"] = str(max(1, len(os.sched_getaffinity(0)) // devices))
    command = [sys.executable, str(SCRIPT), *arguments, "--devices", device]
    environment = os.environ | stop.environment() | quiet
    # In this process's group, so that Ctrl-C in a terminal reaches both.
    streams = {"stdin": subprocess.DEVNULL, "stdout": file, "stderr": subprocess.STDOUT}
    return Worker(subprocess.Popen(command, env=environment, **streams), log)


def _wait(workers: Sequence[Worker], folder: Path, trials: int, stop: Stop) -> None:
    """Until all have ended or there is a reason to stop; a bar shows the trials that are finished."""
    with tqdm(total=trials, initial=finished_trials(folder), desc=folder.name, unit=" trials") as bar:
        while any(worker.process.poll() is None for worker in workers) and stop.reason() is None:
            time.sleep(POLL_S)
            if (finished := finished_trials(folder)) > bar.n:
                bar.update(finished - bar.n)
