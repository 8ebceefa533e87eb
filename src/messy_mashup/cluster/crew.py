"""A crew whose processes run where Ray has room for them."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError, TaskCancelledError

from messy_mashup.cluster import tasks
from messy_mashup.training.fleet_run import News
from messy_mashup.training.fleet_table import BUSY, DONE, FAILED, LOST, RUNNING, STOPPED, Job

POLL_S = 0.5
STATES = {
    tasks.BEGUN: RUNNING,
    tasks.ENDED: DONE,
    tasks.TOLD: LOST,  # not by this command, which cancels: somebody ended that process alone
    tasks.KILLED: LOST,
    tasks.HELD: BUSY,
    tasks.UNFIT: FAILED,
}


@dataclass(frozen=True)
class Share:
    """What a job has to itself of a node."""

    cpus: int = 1
    gpus: float = 0.0

    @property
    def device(self) -> str:
        """The word for --devices."""
        return "cuda" if self.gpus else "cpu"


class RayCrew:
    """Queues every job with Ray at once; a task is not repeated by Ray, so that what was lost is seen and told."""

    def __init__(self, script: Path, share: Share) -> None:
        self.script, self.share, self.software = script, share, tasks.Software.here()
        options: dict[str, Any] = {"num_cpus": share.cpus, "num_gpus": share.gpus, "max_retries": 0}
        self._run: Callable = ray.remote(num_returns="streaming", **options)(tasks.run).remote
        self._jobs: dict[ray.ObjectRefGenerator, Job] = {}

    def take(self, job: Job) -> str:
        """Queue it; where it runs will be news."""
        words = (*job.arguments, "--devices", self.share.device)
        errand = tasks.Errand(
            str(self.script), words, str(job.folder.absolute()), os.getcwd(), self.share.cpus, self.software
        )
        self._jobs[self._run(errand)] = job
        return ""

    def news(self) -> list[News]:
        """What the next task tells, if any does in a moment."""
        ready, _ = ray.wait(list(self._jobs), num_returns=1, timeout=POLL_S)
        return [news for stream in ready if (news := self._told(stream))]

    def tell_to_end(self) -> None:
        """Cancel every task; one that runs has its child save first."""
        for stream in self._jobs:
            ray.cancel(stream)

    def _told(self, stream: ray.ObjectRefGenerator) -> News | None:
        job = self._jobs[stream]
        try:
            word, note = ray.get(next(stream))
        except (TaskCancelledError, StopIteration):
            state, note = STOPPED, ""
        except RayTaskError as error:
            state, note = FAILED, str(error.cause)
        except RayError as error:
            state, note = LOST, f"{type(error).__name__}: {str(error).splitlines()[0]}"
        else:
            state = STATES[word]
            note = note or (str(job.folder) if state == LOST else "")
        if state != RUNNING:
            del self._jobs[stream]
        return News(job, state, note)
