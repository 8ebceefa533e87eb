"""Who looks on while a member trains: TensorBoard where it is installed, Weights & Biases where it is asked for."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from messy_mashup.errors import UserError
from messy_mashup.training.run_folder import TENSORBOARD


class Watch(Protocol):
    """Takes up numbers as they come."""

    def write(self, numbers: Mapping[str, float], step: int) -> None:
        """Numbers by name, as they stand after that many steps of all."""

    def close(self) -> None:
        """Nothing more comes."""


@contextmanager
def watching(
    folder: Path, card: dict[str, Any], wandb_project: str | None, steps_done: int = 0
) -> Iterator[list[Watch]]:
    """The watches of one member that goes on after so many steps: event files in its folder, and a run of a project of
    Weights & Biases.
    """
    watches: list[Watch] = [TensorBoard(folder / TENSORBOARD, steps_done)] if find_spec("tensorboard") else []
    try:
        if wandb_project:
            watches.append(WeightsAndBiases(wandb_project, folder, card))
        yield watches
    finally:
        for watch in watches:
            watch.close()


class TensorBoard:
    """Event files that `tensorboard --logdir runs` shows."""

    def __init__(self, folder: Path, steps_done: int) -> None:
        # Where this module is there, TensorBoard does without TensorFlow, whose import takes long on Kaggle.
        sys.modules.setdefault("tensorboard.compat.notf", ModuleType("tensorboard.compat.notf"))
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(str(folder), purge_step=steps_done + 1)

    def write(self, numbers: Mapping[str, float], step: int) -> None:
        """A point of each curve."""
        for name, value in numbers.items():
            self.writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Write out what waits."""
        self.writer.close()


class WeightsAndBiases:
    """A run of a project of Weights & Biases; one of the same folder goes on where it was."""

    def __init__(self, project: str, folder: Path, card: dict[str, Any]) -> None:
        if not find_spec("wandb"):
            raise UserError("--wandb: the package wandb is not installed: pip install wandb, or leave --wandb out")
        import wandb

        name = f"{folder.parent.name}-{folder.name}"
        self.run = wandb.init(project=project, id=name, name=name, resume="allow", config=card, dir=str(folder))

    def write(self, numbers: Mapping[str, float], step: int) -> None:
        """A row of the run's history."""
        self.run.log(dict(numbers), step=step)

    def close(self) -> None:
        """End the run."""
        self.run.finish()
