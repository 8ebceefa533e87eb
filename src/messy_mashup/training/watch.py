"""Who looks on while a member trains: TensorBoard where it is installed, Weights & Biases where it is asked for."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
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
def watching(folder: Path, card: dict[str, Any], wandb_project: str | None) -> Iterator[list[Watch]]:
    """The watches of one member: event files in its folder, and a run of a project of Weights & Biases."""
    watches: list[Watch] = [TensorBoard(folder / TENSORBOARD)] if find_spec("tensorboard") else []
    try:
        if wandb_project:
            watches.append(WeightsAndBiases(wandb_project, folder, card))
        yield watches
    finally:
        for watch in watches:
            watch.close()


class TensorBoard:
    """Event files that `tensorboard --logdir runs` shows."""

    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(str(folder))

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
