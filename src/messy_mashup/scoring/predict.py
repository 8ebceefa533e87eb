"""Whole clips become logits: those of their windows, pooled as the recipe's scoring says."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import numpy as np
import torch
from torch import nn

from messy_mashup.data.separation import heard_wave
from messy_mashup.errors import UserError
from messy_mashup.features.frame_spec import FrameSpec
from messy_mashup.features.logmel import padding_value, wave_log_mel
from messy_mashup.recipe import ScoringRecipe
from messy_mashup.scoring.pooling import Opinion, chunk_windows, mean_logits, pool

Place = tuple[int, int]  # of a window: the number of its clip, and of its chunk there


@dataclass(frozen=True)
class Listener:
    """A model that is ready to hear: with its front-end, the frames it hears at once, and its classes."""

    model: nn.Module
    spec: FrameSpec
    frames: int
    classes: tuple[str, ...]
    device: torch.device
    dtype: torch.dtype = torch.float32  # of the forward pass; the log-mels are float32
    scoring: ScoringRecipe = field(default_factory=ScoringRecipe)
    unheard: int = 0  # frames at a window's end that the model makes nothing of
    windows_at_once: int = 64  # that go through the model

    def logits(self, log_mels: Iterable[torch.Tensor]) -> np.ndarray:
        """Logits (clips, classes) float32 of whole clips' log-mels (frames, mels) of any lengths."""
        rows = [opinion.logits for opinion in self.opinions(log_mels)]
        return np.array(rows, np.float32).reshape(-1, len(self.classes))

    def opinions(self, log_mels: Iterable[torch.Tensor]) -> Iterator[Opinion]:
        """What is made of each clip, in order; nothing is kept of a clip that is done."""
        self.model.eval()
        for _, heard in groupby(self._window_logits(log_mels), key=lambda item: item[0][0]):
            chunks = [[logits for _, logits in chunk] for _, chunk in groupby(heard, key=itemgetter(0))]
            opinions = [mean_logits(np.stack(chunk)) if len(chunk) > 1 else chunk[0] for chunk in chunks]
            yield pool(np.stack(opinions), self.scoring.pooled)

    def _window_logits(self, log_mels: Iterable[torch.Tensor]) -> Iterator[tuple[Place, np.ndarray]]:
        waiting: list[tuple[Place, torch.Tensor]] = []
        for clip, log_mel in enumerate(log_mels):
            heard = windows_of(log_mel, self.frames, self.spec, self.scoring, self.unheard)
            waiting += [((clip, chunk), window) for chunk, window in heard]
            while len(waiting) >= self.windows_at_once:
                yield from self._forward(waiting[: self.windows_at_once])
                waiting = waiting[self.windows_at_once :]
        if waiting:
            yield from self._forward(waiting)

    @torch.inference_mode()
    def _forward(self, windows: list[tuple[Place, torch.Tensor]]) -> Iterator[tuple[Place, np.ndarray]]:
        places, log_mels = zip(*windows, strict=True)
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
            logits = self.model(torch.stack(log_mels).to(self.device))
        return zip(places, logits.float().cpu().numpy(), strict=True)


def windows_of(
    log_mel: torch.Tensor, frames: int, spec: FrameSpec, scoring: ScoringRecipe, unheard: int = 0
) -> list[tuple[int, torch.Tensor]]:
    """The windows (frames, mels) of a clip's log-mel, each with the number of its chunk; a clip shorter than one is
    filled with the padding value.

    unheard: so many frames at a window's end are heard by no model, so the clip's own end is laid before them.
    """
    missing = max(unheard, frames - len(log_mel))
    padded = torch.nn.functional.pad(log_mel, (0, 0, 0, missing), value=padding_value(spec))
    chunks = chunk_windows(len(log_mel) + unheard, frames, spec.frames_in(scoring.chunk_s), scoring)
    return [(chunk, padded[start : start + frames]) for chunk, starts in enumerate(chunks) for start in starts]


def file_log_mel(path: Path, spec: FrameSpec) -> torch.Tensor:
    """The log-mel (frames, mels) of an audio file, or its vocals, at peak 1, as every mashup in training is."""
    wave = peak_one(heard_wave(path, spec.sample_rate_hz, spec.separated), str(path))
    if spec.frame_count(len(wave)) == 0:
        raise UserError(f"{path} is shorter than one window of {spec.window} samples: give a longer clip")
    return wave_log_mel(torch.from_numpy(wave), spec)


def peak_one(wave: np.ndarray, name: str) -> np.ndarray:
    """A wave (samples,) at peak 1; UserError names it where it is silent."""
    peak = np.abs(wave).max()
    if peak == 0:
        raise UserError(f"{name} is digital silence: there is nothing to classify")
    return wave / peak
