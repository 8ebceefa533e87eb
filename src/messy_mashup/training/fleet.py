"""Members trained side by side, one on each device, each by a process of its own."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from messy_mashup import paths
from messy_mashup.errors import UserError
from messy_mashup.training.child_process import LOG, TOLD_TO_END, Child
from messy_mashup.training.fleet_run import News, run_fleet
from messy_mashup.training.fleet_table import DONE, FAILED, STOPPED, Job, Table
from messy_mashup.training.stop import Stop

SCRIPT = paths.REPOSITORY / "src" / "train.py"
POLL_S = 0.1


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
    run_fleet(Table(jobs), _Devices(list(devices), stop), stop)


@dataclass
class _Devices:
    """A crew of processes on this machine."""

    devices: list[str]
    stop: Stop
    running: dict[int, tuple[Job, Child]] = field(default_factory=dict)  # by the number of the device

    def take(self, job: Job) -> str | None:
        """The device on which it begins, None where all are taken."""
        free = next((number for number in range(len(self.devices)) if number not in self.running), None)
        if free is None:
            return None
        device = self.devices[free]
        words = [*job.arguments, "--devices", device.partition(":")[0]]
        environment = self.stop.environment() | _device_environment(device, self.devices.count("cpu"))
        self.running[free] = (job, Child.started(SCRIPT, words, job.folder / LOG, environment))
        return device

    def news(self) -> list[News]:
        """Which processes have ended, and how."""
        time.sleep(POLL_S)
        news = []
        for number, (job, child) in list(self.running.items()):
            status = child.process.poll()
            if status is not None:
                del self.running[number]
                failed = status not in (0, *TOLD_TO_END)
                state = FAILED if failed else STOPPED if status else DONE
                news.append(News(job, state, child.why_failed() if failed else ""))
        return news

    def tell_to_end(self) -> None:
        """They save what they have."""
        for _, child in self.running.values():
            child.process.terminate()


def _device_environment(device: str, cpu_slots: int) -> dict[str, str]:
    """The variables that give a process its share of the machine."""
    kind, _, number = device.partition(":")
    if kind == "cpu":
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return {"OMP_NUM_THREADS": str(max(1, cores // cpu_slots))}
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return {"CUDA_VISIBLE_DEVICES": visible.split(",")[int(number)].strip() if visible else number}
