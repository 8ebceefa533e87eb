"""What the steps of an epoch have come to: loss, accuracy, and whether the run still learns."""

import math
from collections import deque

import torch

from messy_mashup.errors import UserError

LOOK_STEPS = 10  # a GPU is asked for its losses this often, because asking makes it wait
RECENT_STEPS = 50
DIVERGED = 3.0  # times the loss of guessing: no run comes back from there


class Diverged(UserError):
    """The loss is not finite, or far above that of guessing; the message says at which step."""


class Tally:
    """The sums of an epoch so far; they stay on their device until they are looked at."""

    def __init__(self, classes: int, step: int = 0, loss: float = 0.0, correct: float = 0.0) -> None:
        self.step, self.loss, self.correct = step, loss, correct
        self.recent: deque[tuple[float, float]] = deque(maxlen=RECENT_STEPS)  # loss and correct of a step
        self._hopeless = DIVERGED * math.log(classes)
        self._waiting: list[tuple[torch.Tensor, torch.Tensor]] = []

    def add(self, loss: torch.Tensor, correct: torch.Tensor) -> bool:
        """Take up a step; whether it is time to look."""
        self._waiting.append((loss, correct))
        return len(self._waiting) == LOOK_STEPS

    def look(self) -> None:
        """Add up what waits. Raises Diverged with the number of the step within its epoch."""
        if not self._waiting:
            return
        losses, corrects = (torch.stack(values).tolist() for values in zip(*self._waiting, strict=True))
        self._waiting = []
        for loss, correct in zip(losses, corrects, strict=True):
            if not math.isfinite(loss):
                raise Diverged(f"the loss is no longer finite at step {self.step + 1}")
            self.recent.append((loss, correct))
            self.step, self.loss, self.correct = self.step + 1, self.loss + loss, self.correct + correct
        if len(self.recent) == RECENT_STEPS and self.recent_loss > self._hopeless:
            raise Diverged(f"the loss of the last {RECENT_STEPS} steps is {self.recent_loss:.3g} at step {self.step}")

    @property
    def recent_loss(self) -> float:
        """The mean loss of the last steps."""
        return sum(loss for loss, _ in self.recent) / max(1, len(self.recent))

    @property
    def recent_correct(self) -> float:
        """How many of a step's mashups were right, on average of the last steps."""
        return sum(correct for _, correct in self.recent) / max(1, len(self.recent))

    @property
    def progress(self) -> dict[str, float]:
        """The sums, to go on from."""
        return {"step": self.step, "loss": self.loss, "correct": self.correct}
