"""How a way of training is measured: in processes of its own, by rounds of steps, against the device's matrix rate."""

import math
import os
import resource
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, wait
from dataclasses import dataclass
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from messy_mashup.recipe import Recipe

MIB = 1 << 20
LOOK_EVERY_S = 0.25  # at the memory
WARM_UP_ROUNDS = 2  # what a DataLoader makes ahead is two batches a worker: they are used up before the timing begins
MATRICES = 12  # of which the fastest counts
Figures = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """What one way of training is given. A round is a step for each worker of a DataLoader: their batches come in
    bunches, so only whole rounds take equally long.
    """

    recipe: Recipe
    data: Path
    bank: Path
    device: str
    round: int
    rounds: int  # that are timed

    @property
    def steps(self) -> int:
        """All steps, with those that warm up."""
        return self.round * (WARM_UP_ROUNDS + self.rounds)


class Laps:
    """The time of a step: the median of the rounds after the warm-up. A GPU is waited for only after a round."""

    def __init__(self, job: Job) -> None:
        self.job, self.steps, self.marks = job, 0, []

    def lap(self) -> None:
        """A step has ended."""
        self.steps += 1
        if self.steps % self.job.round == 0:
            synchronise(self.job.device)
            self.marks.append(time.perf_counter())

    @property
    def step_s(self) -> float:
        """Seconds a step."""
        if self.steps != self.job.steps:
            raise RuntimeError(f"{self.steps} steps were taken and {self.job.steps} should have been")
        marks = self.marks[WARM_UP_ROUNDS - 1 :]
        return statistics.median(later - mark for mark, later in pairwise(marks)) / self.job.round


def synchronise(device: str) -> None:
    """Wait until the device has done all that it was given."""
    if device == "cuda":
        torch.cuda.synchronize()


def measured(
    job: Job, laps: Laps, shapes: set[tuple[int, ...]], losses: list[float], model: torch.nn.Module
) -> Figures:
    """The figures of a way that has trained; raises where what it trained on or its losses cannot be right."""
    (shape,) = shapes  # every batch had the same
    if not losses or not all(map(math.isfinite, losses)):
        raise RuntimeError(f"{job.recipe.name}: losses are not finite: {losses}")
    return {
        "clips_per_s": job.recipe.train.batch_size / laps.step_s,
        "step_ms": 1000 * laps.step_s,
        "shape": shape,
        "parameters": sum(weight.numel() for weight in model.parameters() if weight.requires_grad),
        "loss": statistics.fmean(losses),
        "main_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "gpu_mib": torch.cuda.max_memory_allocated() / MIB if job.device == "cuda" else 0.0,
    }


def apart(way: Callable[..., Figures], *arguments: Any) -> Figures:
    """The figures of a way, run in a process of its own, with the peak memory of that process and its children.

    Memory is the proportional share (PSS): what forked workers share with each other is counted once.
    """
    peak_mib = 0.0
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        running = process.submit(way, *arguments)
        while not wait([running], timeout=LOOK_EVERY_S).done:
            peak_mib = max(peak_mib, _children_mib())
        return running.result() | {"peak_mib": peak_mib}


def _children_mib() -> float:
    import psutil

    shares = 0
    for child in psutil.Process(os.getpid()).children(recursive=True):
        try:
            shares += child.memory_full_info().pss
        except psutil.NoSuchProcess:
            continue  # it ended since it was listed
    return shares / MIB


def matrix_rate(device: str, dtype: torch.dtype) -> float:
    """FLOP/s of the device's own product of large square matrices: the best of some."""
    size = 8192 if device == "cuda" else 2048
    left, right = torch.randn(2, size, size, device=device, dtype=dtype)
    spent = []
    for _ in range(MATRICES):
        synchronise(device)
        begun = time.perf_counter()
        left @ right
        synchronise(device)
        spent.append(time.perf_counter() - begun)
    return 2 * size**3 / min(spent)


def flops_per_clip(recipe: Recipe, classes: int) -> float:
    """FLOPs of the forward and the backward pass of one clip in training, patchout included, optimizer left out."""
    from messy_mashup import models

    spec = models.frame_spec(recipe.backbone)
    model = models.build(recipe.backbone, classes).train()
    log_mel = torch.randn(1, spec.frames_in(recipe.backbone.heard_s), spec.mels)
    return counted_flops(lambda: model(log_mel).sum().backward())


def counted_flops(work: Callable[[], Any]) -> float:
    """FLOPs of what `work` computes."""
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    # As plain products: fused attention is counted in some versions of torch only, and repeats work going backward.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        work()
    return float(counter.get_total_flops())
