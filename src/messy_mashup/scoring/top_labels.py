"""Labels that are told each by itself, such as styles: the likeliest of a file, and a table of all.

As MAEST's authors do: the sigmoid of each window's logits, in the mean over the windows of a file.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from messy_mashup.errors import UserError
from messy_mashup.scoring.hearing import opinions_of_files
from messy_mashup.scoring.journal import Journal
from messy_mashup.scoring.predict import Listener


class Sigmoids(nn.Module):
    """A model's logits (batch, labels) as the probability of each label by itself."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, log_mel: torch.Tensor) -> torch.Tensor:
        """(batch, labels), in float32 whatever the model computes in."""
        return self.model(log_mel).float().sigmoid()


def by_labels(listener: Listener) -> Listener:
    """The listener with probabilities in place of logits, in the mean over a file's windows."""
    return replace(listener, model=Sigmoids(listener.model), scoring=replace(listener.scoring, pooled="logits"))


def label_files(
    listeners: Sequence[Listener], files: Sequence[Path], journal: Journal | None = None
) -> Iterator[tuple[Path, np.ndarray | UserError]]:
    """The probability of every label (labels,) of each file, in the mean over listeners of the same labels, or the
    sentence that says what is wrong with it.
    """
    for file, opinions in opinions_of_files([by_labels(listener) for listener in listeners], files, journal):
        if isinstance(opinions, UserError):
            yield file, opinions
        else:
            yield file, np.mean([opinion.logits for opinion in opinions], axis=0)


def top_rows(file: Path, probabilities: np.ndarray, labels: Sequence[str], count: int) -> list[dict[str, object]]:
    """file, label and probability of the `count` likeliest labels, the likeliest first, equal ones in their order."""
    order = np.argsort(-probabilities, kind="stable")[:count]
    return [{"file": str(file), "label": labels[place], "probability": float(probabilities[place])} for place in order]


def told(rows: Sequence[dict[str, object]]) -> str:
    """A file's likeliest labels in words."""
    return "\n".join([str(rows[0]["file"]), *(f"  {row['probability']:6.1%}  {row['label']}" for row in rows)])


def whole_table(files: Sequence[Path], probabilities: Sequence[np.ndarray], labels: Sequence[str]) -> pd.DataFrame:
    """A row a file: file, and the probability of every label."""
    table = pd.DataFrame(np.array(probabilities).reshape(-1, len(labels)), columns=list(labels))
    table.insert(0, "file", [str(file) for file in files], allow_duplicates=True)
    return table
