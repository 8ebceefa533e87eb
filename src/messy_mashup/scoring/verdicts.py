"""What a blend makes of files: verdicts, and a table of them, a row a file, with the share of its chunks that agree,
and the truth where the folders of the files tell it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from messy_mashup.errors import UserError
from messy_mashup.scoring.hearing import opinions_of_files
from messy_mashup.scoring.journal import Journal
from messy_mashup.scoring.metrics import softmax
from messy_mashup.scoring.predict import Listener

TRUE = "true"
# Logits (members, clips, classes) to log-probabilities (clips, classes)
Combine = Callable[[np.ndarray], np.ndarray]


class Verdict(NamedTuple):
    """What a blend makes of a file."""

    probabilities: np.ndarray  # (classes,)
    votes: float  # share of the chunks, over all members, that chose the likeliest class
    chunks: int  # that were asked, of each member


def classify(
    listeners: Sequence[Listener], files: Iterable[Path], combine: Combine, journal: Journal | None = None
) -> Iterator[tuple[Path, Verdict | UserError]]:
    """Every file's verdict, combined from the listeners' logits, or the sentence that says what is wrong with it."""
    for file, opinions in opinions_of_files(listeners, files, journal):
        if isinstance(opinions, UserError):
            yield file, opinions
            continue
        logits = np.stack([opinion.logits for opinion in opinions]).astype(np.float32)
        probabilities = softmax(combine(logits[:, None]))[0]
        votes = np.mean([opinion.votes[probabilities.argmax()] for opinion in opinions])
        yield file, Verdict(probabilities, float(votes), opinions[0].chunks)


def verdict_row(file: Path, verdict: Verdict, classes: Sequence[str]) -> dict[str, object]:
    """file, label (the likeliest class), confidence (its probability), votes, chunks, and every class's probability."""
    best = int(verdict.probabilities.argmax())
    told = {"file": str(file), "label": classes[best], "confidence": float(verdict.probabilities[best])}
    return (
        told
        | {"votes": verdict.votes, "chunks": verdict.chunks}
        | dict(zip(classes, verdict.probabilities, strict=True))
    )


def sentence(row: dict[str, object]) -> str:
    """A row in words."""
    votes = f", {row['votes']:.0%} of {row['chunks']} chunks" if row["chunks"] > 1 else ""
    return f"{row['file']}: {row['label']} ({row['confidence']:.1%}{votes})"


def labels_of(files: Sequence[Path], classes: Sequence[str]) -> list[str]:
    """The class of each file, which is the name of its folder; UserError names the folders that are no class."""
    labels = [file.resolve().parent.name for file in files]
    unknown = sorted(set(labels) - set(classes))
    if unknown:
        raise UserError(
            f"--labelled: the folders {', '.join(unknown[:5])} are no classes of this model: name them after "
            f"{', '.join(classes)}, or leave --labelled out"
        )
    return labels


def told_scores(table: pd.DataFrame) -> str:
    """How many files of each class, and of all, were called right, from columns `true` and `label`."""
    right = (table[TRUE] == table["label"]).groupby(table[TRUE]).agg(["sum", "size"])
    lines = [
        f"{name:>16}  {row['sum']:>4} of {row['size']:<4} {row['sum'] / row['size']:.1%}"
        for name, row in right.iterrows()
    ]
    total, files = int(right["sum"].sum()), len(table)
    return "\n".join([*lines, f"{'all':>16}  {total:>4} of {files:<4} {total / files:.1%}"])
