"""Where the rooms meet: an `.npz` of logits, which tells nothing of the model that made them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from messy_mashup.errors import UserError
from messy_mashup.files import write_whole
from messy_mashup.own_files import read_arrays, shortened

NO_LABEL = -1
NO_FOLD = -1
REMEDY = "remove it and score again"
KINDS = {"id": "U", "classes": "U", "logits": "f", "fold": "i", "label": "i", "origin": "U"}  # of a file


@dataclass(frozen=True)
class Predictions:
    """Logits of clips in order."""

    id: np.ndarray  # (clips,) text
    classes: np.ndarray  # (classes,) text
    logits: np.ndarray  # (clips, classes) float32
    fold: np.ndarray  # (clips,) the fold a clip was held out in; -1 where it belongs to none
    label: np.ndarray  # (clips,) class number; NO_LABEL where it is not known
    origin: str  # digest of what was scored; predictions of equal origin can be averaged

    def __post_init__(self) -> None:
        clips, classes = len(self.id), len(self.classes)
        if self.logits.shape != (clips, classes) or self.fold.shape != (clips,) or self.label.shape != (clips,):
            raise ValueError(f"{clips} ids and {classes} classes do not fit logits of shape {self.logits.shape}")
        if not np.isfinite(self.logits).all():
            broken = self.id[~np.isfinite(self.logits).all(axis=1)]
            raise UserError(f"the model gave no finite logits for {len(broken)} clips, first {broken[0]}")
        if len(set(self.id.tolist())) != clips:
            raise ValueError("an id occurs twice")
        if len(set(self.classes.tolist())) != classes:
            raise ValueError("a class occurs twice")
        if ((self.label < NO_LABEL) | (self.label >= classes) | (self.fold < NO_FOLD)).any():
            raise ValueError("a label is none of the classes, or a fold is none")


def save(predictions: Predictions, path: Path) -> None:
    """Write the predictions, whole or not at all; equal predictions give equal bytes."""
    with write_whole(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **vars(predictions))


def load(path: Path) -> Predictions:
    """Read predictions; nothing is unpickled."""
    if not path.exists():
        raise UserError(f"{path} is missing: train that member first")
    fields = read_arrays(path, KINDS, "predictions", REMEDY)
    try:
        return Predictions(**fields | {"origin": str(fields["origin"])})
    except (ValueError, TypeError, UserError) as error:
        raise UserError(f"{path} does not hold predictions ({shortened(str(error))}): {REMEDY}") from error
