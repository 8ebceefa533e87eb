"""One study worked on by several processes, one on each device, that a command starts and waits for."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from messy_mashup import paths
from messy_mashup.errors import Stopped, UserError
from messy_mashup.training.child_process import TOLD_TO_END, Child
from messy_mashup.training.stop import Stop
from messy_mashup.training.study_worker import finished_trials

SCRIPT = paths.REPOSITORY / "src" / "tune.py"
POLL_S = 0.2


def tune_side_by_side(arguments: Sequence[str], devices: Sequence[str], folder: Path, trials: int, stop: Stop) -> None:
    """Run tune.py with these arguments once on each device, until the study in `folder` has its trials.

    Each writes what it prints to a log in that folder. UserError names the log of one that failed; the others go on.
    Raises Stopped when `stop` has a reason, with every trial saved.
    """
    workers: list[Child] = []
    try:
        for number, device in enumerate(devices):
            environment = stop.environment() | _device_environment(device, len(devices))
            words = [*arguments, "--devices", device]
            workers.append(Child.started(SCRIPT, words, folder / f"process{number}.log", environment))
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


def _device_environment(device: str, devices: int) -> dict[str, str]:
    """The variables that give a process its share of the cores."""
    if device != "cpu":
        return {}
    return {"OMP_NUM_THREADS": str(max(1, len(os.sched_getaffinity(0)) // devices))}


def _wait(workers: Sequence[Child], folder: Path, trials: int, stop: Stop) -> None:
    """Until all have ended or there is a reason to stop; a bar shows the trials that are finished."""
    with tqdm(total=trials, initial=finished_trials(folder), desc=folder.name, unit=" trials") as bar:
        while any(worker.process.poll() is None for worker in workers) and stop.reason() is None:
            time.sleep(POLL_S)
            if (finished := finished_trials(folder)) > bar.n:
                bar.update(finished - bar.n)
