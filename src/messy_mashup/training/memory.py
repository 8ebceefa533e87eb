"""When a step of training does not fit into memory: which portion of its batch would, found by trying."""

import gc
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import torch

from messy_mashup.errors import UserError, no_memory
from messy_mashup.training.feed import Batch
from messy_mashup.training.learner import Learner


class OutOfMemory(UserError):
    """A step did not fit into memory; the message says how much of its batch does."""


def step_or_advice(learner: Learner, number: int, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """`learner.step`. Raises OutOfMemory, with the learner spoilt, where that takes more memory than there is."""
    try:
        return learner.step(number, batch)
    except (MemoryError, RuntimeError) as error:
        if not no_memory(error):
            raise
        told = (str(error).strip() or type(error).__name__).splitlines()[0]
    # Here the error is gone, and with its traceback all that the step had made so far.
    raise OutOfMemory(f"{_advice(learner, number, batch)} ({told})")


def _advice(learner: Learner, number: int, batch: Batch) -> str:
    size, portions = len(batch.log_mel), learner.recipe.accumulate
    failed = f"a step on {-(-size // portions)} mashups at once does not fit into the memory of {learner.device}"
    if learner.ranks.count > 1:  # who tries alone waits for the others for ever
        return f"{failed}: try --set train.accumulate={2 * portions}"
    fits = next((more for more in _more(portions, size) if _fits(learner, number, batch, more)), None)
    if fits is None:
        return f"{failed}, nor do fewer: train on a device with more memory, or set a smaller backbone"
    return (
        f"{failed}, {-(-size // fits)} at once do: --set train.accumulate={fits} takes a batch of {size} in so many "
        f"portions, --set train.batch_size={-(-size // fits)} smaller batches"
    )


def _more(portions: int, size: int) -> Iterator[int]:
    """Ever more portions, up to one mashup each."""
    while portions < size:
        portions = min(2 * portions, size)
        yield portions


def _fits(learner: Learner, number: int, batch: Batch, portions: int) -> bool:
    learner.optimizer.zero_grad()
    gc.collect()
    if learner.device.type == "cuda":
        torch.cuda.empty_cache()
    learner.recipe = replace(learner.recipe, accumulate=portions)
    # Batch norm refuses, with a ValueError, to learn from a portion of one.
    with suppress(MemoryError, RuntimeError, ValueError):
        learner.step(number, batch)
        return True
    return False
