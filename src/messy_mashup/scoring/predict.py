"""Whole clips become logits: overlapping windows that cover every frame, the mean of their logits."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from messy_mashup.data.audio import read_mono
from messy_mashup.errors import UserError
from messy_mashup.features.frame_spec import FrameSpec
from messy_mashup.features.logmel import padding_value, wave_log_mel
from messy_mashup.scoring.metrics import softmax

WINDOWS_AT_ONCE = 64


@dataclass(frozen=True)
class Listener:
    """A model that is ready to hear: with its front-end, the frames it hears at once, and its classes."""

    model: nn.Module
    spec: FrameSpec
    frames: int
    classes: tuple[str, ...]
    device: torch.device
    dtype: torch.dtype = torch.float32  # of the forward pass; the log-mels are float32

    def logits(self, log_mels: Iterable[torch.Tensor]) -> np.ndarray:
        """Logits (clips, classes) float32 of whole clips' log-mels (frames, mels) of any lengths."""
        self.model.eval()
        sums, counts = [], []
        for clip, logits in self._window_logits(log_mels):
            if clip == len(sums):
                sums.append(np.zeros(len(self.classes), np.float64))
                counts.append(0)
            sums[clip] += logits
            counts[clip] += 1
        means = [total / count for total, count in zip(sums, counts, strict=True)]
        return np.array(means, np.float32).reshape(-1, len(self.classes))

    def _window_logits(self, log_mels: Iterable[torch.Tensor]) -> Iterator[tuple[int, np.ndarray]]:
        waiting: list[tuple[int, torch.Tensor]] = []
        for clip, log_mel in enumerate(log_mels):
            waiting += [(clip, window) for window in overlapping_windows(log_mel, self.frames, self.spec)]
            while len(waiting) >= WINDOWS_AT_ONCE:
                yield from self._forward(waiting[:WINDOWS_AT_ONCE])
                waiting = waiting[WINDOWS_AT_ONCE:]
        if waiting:
            yield from self._forward(waiting)

    @torch.inference_mode()
    def _forward(self, windows: list[tuple[int, torch.Tensor]]) -> Iterator[tuple[int, np.ndarray]]:
        clips, log_mels = zip(*windows, strict=True)
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
            logits = self.model(torch.stack(log_mels).to(self.device))
        return zip(clips, logits.float().cpu().numpy(), strict=True)


def overlapping_windows(log_mel: torch.Tensor, frames: int, spec: FrameSpec) -> list[torch.Tensor]:
    """Windows (frames, mels) of a clip's log-mel that overlap by half or more; the last ends where the clip ends.

    A clip shorter than a window is one window, filled with the padding value.
    """
    last_start = len(log_mel) - frames
    if last_start <= 0:
        return [torch.nn.functional.pad(log_mel, (0, 0, 0, -last_start), value=padding_value(spec))]
    count = 1 + math.ceil(last_start / max(1, frames // 2))
    starts = np.linspace(0, last_start, count).round().astype(int)
    return [log_mel[start : start + frames] for start in starts]


def file_log_mel(path: Path, spec: FrameSpec) -> torch.Tensor:
    """The log-mel (frames, mels) of an audio file at peak 1, as every mashup in training is."""
    wave = read_mono(path, spec.sample_rate_hz)
    peak = np.abs(wave).max()
    if peak == 0:
        raise UserError(f"{path} is digital silence: there is nothing to classify")
    if spec.frame_count(len(wave)) == 0:
        raise UserError(f"{path} is shorter than one window of {spec.window} samples: give a longer clip")
    return wave_log_mel(torch.from_numpy(wave / peak), spec)


def classify(listeners: Sequence[Listener], files: Iterable[Path]) -> Iterator[tuple[Path, np.ndarray | UserError]]:
    """Every file's probabilities (classes,), the mean over the listeners, or the sentence that says what is wrong
    with it. A file is decoded once for each front-end.
    """
    for file in files:
        try:
            log_mels = {spec: file_log_mel(file, spec) for spec in {listener.spec for listener in listeners}}
        except UserError as error:
            yield file, error
            continue
        logits = [listener.logits([log_mels[listener.spec]])[0] for listener in listeners]
        yield file, softmax(np.array(logits)).mean(axis=0)
