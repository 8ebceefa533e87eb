"""Members trained side by side, one on each device, each by a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from messy_mashup import paths
from messy_mashup.errors import STOPPED_STATUS, Stopped, UserError
from messy_mashup.files import write_faults_told
from messy_mashup.training.fleet_table import Job, Table
from messy_mashup.training.run_folder import LOG, TEST, is_complete, recipe_trained, refuse_another
from messy_mashup.training.stop import Stop

SCRIPT = paths.REPOSITORY / "src" / "train.py"
POLL_S = 0.1
TAIL_BYTES = 8192  # of a log, in which the error of a failed job is looked for
TOLD_TO_END = (STOPPED_STATUS, -signal.SIGTERM, -signal.SIGINT, 130)  # statuses of a process that was told to


def devices_named(text: str | None) -> list[str]:
    """The devices of `--devices`: such as "cuda:0,cuda:1" or "cpu,cpu"; by default every visible GPU, else the CPU.

    A device that is named twice trains two members at a time. A kernel without a GPU trains on its CPU only if that is
    named: its hours are counted, and an accelerator is easily forgotten.
    """
    count = torch.cuda.device_count()
    if text is None:
        if paths.in_kernel() and not count:
            raise UserError("this kernel has no GPU: switch on the accelerator GPU T4 x2, or name --devices cpu")
        return [f"cuda:{number}" for number in range(count)] or ["cpu"]
    known = {"cpu": "cpu", "cuda": "cuda:0"} | {f"cuda:{number}": f"cuda:{number}" for number in range(count)}
    words = [word.strip() for word in text.split(",")]
    for word in words:
        if word not in known or (word != "cpu" and not count):
            visible = ", ".join(f"cuda:{number}" for number in range(count)) or "no GPU is visible"
            raise UserError(f"--devices {text}: {word!r} is none of this machine's devices: cpu, {visible}")
    return [known[word] for word in words]


def train_fleet(jobs: Sequence[Job], devices: Sequence[str], stop: Stop) -> None:
    """Train the members that are not finished, one on each device at a time; a free device takes the next at once.

    Each writes what it prints to train.log in its folder. A member that fails does not keep the others from going on;
    at the end UserError tells why each did. Raises Stopped when `stop` has a reason, with every member saved.
    """
    if not devices:
        raise ValueError("a fleet needs a device")
    fleet = _Fleet(list(devices), stop, Table(jobs))
    try:
        fleet.run()
    finally:
        fleet.end_running()


@dataclass
class _Running:
    job: Job
    process: subprocess.Popen
    log: Path
    log_begins: int  # bytes that earlier commands left in it


@dataclass
class _Fleet:
    devices: list[str]
    stop: Stop
    table: Table
    running: dict[int, _Running] = field(default_factory=dict)  # by the number of the device
    waiting: deque[Job] = field(default_factory=deque)

    def run(self) -> None:
        """Until nothing runs and nothing waits, or there is a reason to stop."""
        for job in self.table.jobs:
            if _is_finished(job):
                self.table.done(job)
            else:
                self.waiting.append(job)
        self.table.print_whole()
        while (self.waiting or self.running) and self.stop.reason() is None:
            self._start_on_free_devices()
            self.table.print_progress()
            time.sleep(POLL_S)
            self._take_ended()
        reason = self.stop.reason() if self.waiting or self.running else None
        if self.running:
            print(f"{reason}: waiting until {len(self.running)} running are saved", flush=True)
        self.end_running()
        self.table.print_whole()
        self._raise_what_is_left(reason)

    def end_running(self) -> None:
        """Tell what still runs to save and end, and wait until it has."""
        for running in self.running.values():
            running.process.terminate()
        while self.running:
            time.sleep(POLL_S)
            self._take_ended()

    def _start_on_free_devices(self) -> None:
        for number, device in enumerate(self.devices):
            if number not in self.running and self.waiting:
                job = self.waiting.popleft()
                self.running[number] = self._started(job, device)
                self.table.running(job, device)

    def _started(self, job: Job, device: str) -> _Running:
        log = job.folder / LOG
        with write_faults_told(log):
            job.folder.mkdir(parents=True, exist_ok=True)
            file = log.open("ab")
        command = [sys.executable, str(SCRIPT), *job.arguments, "--devices", device.partition(":")[0]]
        environment = os.environ | self.stop.environment() | _device_environment(device, self.devices.count("cpu"))
        with file:
            begins = file.tell()
            # In this process's group, so that Ctrl-C in a terminal reaches both.
            process = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT
            )
        return _Running(job, process, log, begins)

    def _take_ended(self) -> None:
        for number, running in list(self.running.items()):
            status = running.process.poll()
            if status is None:
                continue
            del self.running[number]
            if status == 0:
                self.table.done(running.job)
            elif status in TOLD_TO_END:
                self.table.stopped(running.job)
            else:
                self.table.failed(running.job, f"{_why(status, running)} ({running.log})")

    def _raise_what_is_left(self, reason: str | None) -> None:
        failures = [f"{name} failed: {why}" for name, why in self.table.failures().items()]
        if left := self.table.left():
            names = ", ".join(job.name for job in left)
            told = f"{reason or 'members were told to end'}; {self.table.count_done()}; left: {names}"
            raise Stopped("\n".join([f"{told}; run the same command again to go on", *failures]))
        if failures:
            raise UserError("\n".join([self.table.count_done(), *failures]))


def _is_finished(job: Job) -> bool:
    """Whether a member needs no training; UserError where what is there is of another recipe."""
    try:
        recipe = recipe_trained(job.folder)
        finished = recipe is not None and is_complete(job.folder) and (job.folder / TEST).exists()
    except UserError:
        return False  # damaged: its own process says so, and the others are trained
    if recipe is not None:
        refuse_another(job.folder, {"recipe": recipe}, {"recipe": json.loads(job.recipe)})
    return finished


def _device_environment(device: str, cpu_slots: int) -> dict[str, str]:
    """The variables that give a process its share of the machine, and quiet progress bars for a log."""
    quiet = {"TQDM_MININTERVAL": "30", "PYTHONUNBUFFERED": "1"}
    kind, _, number = device.partition(":")
    if kind == "cpu":
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return quiet | {"OMP_NUM_THREADS": str(max(1, cores // cpu_slots))}
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return quiet | {"CUDA_VISIBLE_DEVICES": visible.split(",")[int(number)].strip() if visible else number}


def _why(status: int, running: _Running) -> str:
    """Why a process failed: its error, or the last line of its log."""
    with running.log.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(running.log_begins, size - TAIL_BYTES))
        lines = [line.strip() for line in file.read().decode(errors="replace").splitlines() if line.strip()]
    errors = [number for number, line in enumerate(lines) if line.startswith("error: ")]
    said = " ".join(lines[errors[-1] :] if errors else lines[-1:]).removeprefix("error: ") or "it said nothing"
    if status < 0:
        return f"killed by {signal.Signals(-status).name}; its last line: {said}"
    return said
