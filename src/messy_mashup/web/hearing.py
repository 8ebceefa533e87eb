"""What a blend makes of a wave, and of every part of it, one after the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from messy_mashup.errors import UserError
from messy_mashup.features.logmel import wave_log_mel
from messy_mashup.scoring.ensemble import Blend, combine_members
from messy_mashup.scoring.metrics import softmax
from messy_mashup.scoring.predict import Listener, peak_one
from messy_mashup.training.device import best_device
from messy_mashup.training.members import check_weights
from messy_mashup.training.trained import load_member

MOST_PARTS = 60  # whose genres are told one by one
PARTS_A_WINDOW = 4  # a part begins a quarter of a window after the one before


@dataclass(frozen=True)
class Impression:
    """probabilities (classes,) of the whole; over_time (parts, classes) of the parts whose middles are at middle_s."""

    classes: tuple[str, ...]
    probabilities: np.ndarray
    middle_s: np.ndarray
    over_time: np.ndarray
    log_mel: np.ndarray  # (frames, mels) as the first member hears it
    length_s: float

    def by_class(self) -> dict[str, float]:
        """The probabilities by the classes' names."""
        return dict(zip(self.classes, self.probabilities.tolist(), strict=True))


class Ears:
    """A blend's members, loaded."""

    def __init__(self, listeners: Sequence[Listener], blend: Blend) -> None:
        self.listeners, self.blend = list(listeners), blend
        if any(listener.spec.separated for listener in listeners):
            raise UserError(f"{blend.name} hears vocals that are separated first: the page takes blends of whole mixes")
        self.rate_hz, self.classes = listeners[0].spec.sample_rate_hz, listeners[0].classes
        self.window_s = max(one.frames * one.spec.hop / one.spec.sample_rate_hz for one in listeners)

    @classmethod
    def of(cls, runs: Path, blend: Blend) -> "Ears":
        """The members below `runs`."""
        folders = [runs / member for member in blend.members]
        check_weights(folders, blend.weights)
        return cls([load_member(folder, best_device()) for folder in folders], blend)

    def wave(self, wave: np.ndarray, name: str) -> Impression:
        """What is made of a wave (samples,), as infer.py makes it of a file."""
        whole = torch.from_numpy(peak_one(wave, name))
        parts, middle_s = self._parts(whole)
        return Impression(
            self.classes,
            self._told([whole], name)[0],
            middle_s,
            self._told(parts, name) if len(parts) > 1 else self._told([whole], name),
            wave_log_mel(whole, self.listeners[0].spec).numpy(),
            len(wave) / self.rate_hz,
        )

    def _parts(self, wave: torch.Tensor) -> tuple[list[torch.Tensor], np.ndarray]:
        """Parts as long as the longest window, and the seconds of their middles."""
        size = round(self.window_s * self.rate_hz)
        last = len(wave) - size
        if last <= 0:
            return [wave], np.array([len(wave) / 2 / self.rate_hz])
        count = min(MOST_PARTS, 1 + -(-last // (size // PARTS_A_WINDOW)))
        starts = np.linspace(0, last, count).round().astype(int)
        return [wave[start : start + size] for start in starts], (starts + size / 2) / self.rate_hz

    def _told(self, waves: Sequence[torch.Tensor], name: str) -> np.ndarray:
        """Probabilities (waves, classes)."""
        log_mels = {one.spec: [wave_log_mel(wave, one.spec) for wave in waves] for one in self.listeners}
        logits = np.stack([one.logits(log_mels[one.spec]) for one in self.listeners])
        if not np.isfinite(logits).all():
            raise UserError(f"{name}: the model gave no finite logits; train its members again")
        return softmax(combine_members(logits, self.blend))
