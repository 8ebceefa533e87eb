"""A blend as one ONNX file: a wave of any length goes in, its classes' probabilities come out.

All that infer.py does to a file after decoding is in it: peak 1, log-mel, overlapping windows up to the end, the
members, and their combination. export.py holds it against PyTorch on real clips before it is kept.
"""

import copy
import json
import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import pad
from tqdm import tqdm

from messy_mashup.data.audio import read_mono
from messy_mashup.errors import UserError
from messy_mashup.features.logmel import padding_value
from messy_mashup.features.wave_front_end import WaveFrontEnd
from messy_mashup.files import write_whole
from messy_mashup.models.adapters import merge
from messy_mashup.scoring.blending import TINY, Geometric, Mean
from messy_mashup.scoring.ensemble import Blend, combine_members
from messy_mashup.scoring.predict import Listener
from messy_mashup.scoring.stacking import SURE, Stack
from messy_mashup.scoring.verdicts import classify

OPSET = 18
LONGEST_S = 6 * 3600
EXAMPLE_S = 3.0  # of the wave that the export traces; any length goes in
CLASSES, RATE = "classes", "sample_rate_hz"  # in the file's metadata
AGREES = 1e-3  # in probability; more is a fault
PROTOBUF_BYTES = 1_900_000_000  # a file of ONNX ends at 2 GiB


@dataclass(frozen=True)
class Agreement:
    """How far ONNX Runtime's probabilities are from PyTorch's."""

    clips: int
    largest: float  # difference of a probability
    same_class: int  # clips whose likeliest class is the same


def write_onnx(path: Path, listeners: Sequence[Listener], blend: Blend) -> None:
    """Write the members, combined by the blend's rule: input `wave` (samples,) float32, mono at the sample rate in the
    metadata; output `probabilities` (classes,). Digital silence gives NaN.

    UserError for what a file of ONNX cannot do: vocals, random windows, majority votes, ranks among clips.
    """
    _check(listeners, blend)
    model = WaveBlend(listeners, blend).eval().requires_grad_(False)
    if sum(tensor.nbytes for tensor in model.state_dict().values()) > PROTOBUF_BYTES:
        raise UserError(f"{len(listeners)} members are more than the 2 GB that one file of ONNX holds: name fewer")
    example = torch.linspace(-1, 1, round(EXAMPLE_S * listeners[0].spec.sample_rate_hz))
    longest = torch.export.Dim("samples", min=2, max=LONGEST_S * listeners[0].spec.sample_rate_hz)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's own use of what it deprecates
        program = torch.onnx.export(
            model,
            (example,),
            input_names=["wave"],
            output_names=["probabilities"],
            dynamic_shapes={"wave": {0: longest}},
            dynamo=True,
            opset_version=OPSET,
            verbose=False,
        )
    metadata = {CLASSES: json.dumps(list(listeners[0].classes)), RATE: str(listeners[0].spec.sample_rate_hz)}
    program.model.metadata_props.update(metadata)
    with write_whole(path) as temporary:
        program.save(temporary)


def session_of(path: Path) -> Any:
    """An ONNX Runtime session of a file; UserError where the package is missing or the file is no ONNX."""
    try:
        import onnxruntime
    except ImportError as error:
        raise UserError("onnxruntime is not installed: pip install onnxruntime") from error
    try:
        return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    except Exception as error:  # its own kinds, which share no base
        raise UserError(f"{path} cannot be loaded by ONNX Runtime ({error}): export it again") from error


def probabilities_of(session: Any, file: Path, sample_rate_hz: int) -> np.ndarray:
    """What the ONNX file makes of an audio file: (classes,)."""
    return session.run(None, {"wave": read_mono(file, sample_rate_hz)})[0]


def agreement(path: Path, listeners: Sequence[Listener], blend: Blend, files: Sequence[Path]) -> Agreement:
    """ONNX Runtime held against PyTorch on audio files; UserError for a file that cannot be heard."""
    session, largest, same = session_of(path), 0.0, 0
    heard = classify(listeners, files, _combined(blend))
    for file, verdict in tqdm(heard, "held against PyTorch", total=len(files), unit=" clips", leave=False):
        if isinstance(verdict, UserError):
            raise verdict
        told = probabilities_of(session, file, listeners[0].spec.sample_rate_hz)
        difference = np.abs(told - verdict.probabilities).max()
        largest = max(largest, float(difference) if np.isfinite(difference) else math.inf)
        same += int(told.argmax() == verdict.probabilities.argmax())
    return Agreement(len(files), largest, same)


class WaveBlend(nn.Module):
    """wave (samples,) to probabilities (classes,): the members' windows, combined by the blend's rule."""

    def __init__(self, listeners: Sequence[Listener], blend: Blend) -> None:
        super().__init__()
        specs = list(dict.fromkeys(listener.spec for listener in listeners))
        self.front_ends = nn.ModuleList(map(WaveFrontEnd, specs))
        self.front_end_of = [specs.index(listener.spec) for listener in listeners]
        self.members = nn.ModuleList(map(_Member, listeners))
        self.run_of = [blend.runs.index(run) for run in blend.counted_for]
        self.rule = blend.rule

    def forward(self, wave: torch.Tensor) -> torch.Tensor:
        """(classes,)"""
        wave = wave / wave.abs().max()
        log_mels = [front_end(wave) for front_end in self.front_ends]
        by_run: list[list[torch.Tensor]] = [[] for _ in self.rule.temperatures]
        for member, front_end, run in zip(self.members, self.front_end_of, self.run_of, strict=True):
            by_run[run].append((member(log_mels[front_end]) / self.rule.temperatures[run]).softmax(0))
        return self._combined(torch.stack([torch.stack(each).mean(0) for each in by_run]))

    def _combined(self, probabilities: torch.Tensor) -> torch.Tensor:
        """As the combiners of blending.py: (runs, classes) to (classes,)."""
        match self.rule.combiner:
            case Mean(shares=shares):
                return (torch.tensor(shares)[:, None] * probabilities).sum(0)
            case Geometric():
                return probabilities.clamp(min=float(TINY)).log().mean(0).softmax(0)
            case Stack(coefficients=coefficients, intercepts=intercepts):
                features = probabilities.clamp(min=float(TINY)).log().clamp(min=float(SURE)).flatten()
                return (torch.tensor(coefficients) @ features + torch.tensor(intercepts)).softmax(0)


class _Member(nn.Module):
    """log-mel (frames, mels) of a whole clip to logits (classes,), as `Listener.opinions` pools them."""

    def __init__(self, listener: Listener) -> None:
        super().__init__()
        self.model = copy.deepcopy(listener.model)  # the listener stays as it is, so that it can be compared with
        merge(self.model)
        self.frames, self.unheard = listener.frames, listener.unheard
        self.padding, self.pooled = padding_value(listener.spec), listener.scoring.pooled
        self.step = max(1, listener.frames - math.ceil(listener.frames * listener.scoring.overlap))

    def forward(self, log_mel: torch.Tensor) -> torch.Tensor:
        logits = self.model(self._windows(log_mel))
        return logits.mean(0) if self.pooled == "logits" else logits.softmax(1).mean(0).log()

    def _windows(self, log_mel: torch.Tensor) -> torch.Tensor:
        """(windows, frames, mels), where `pooling.chunk_windows` places them."""
        length = log_mel.shape[0]
        missing = torch.sym_max(self.unheard, self.frames - length)
        padded = pad(log_mel, (0, 0, 0, missing), value=self.padding)
        last_start = torch.sym_max(0, length + self.unheard - self.frames)
        gaps = (last_start + self.step - 1) // self.step
        last_start_, gaps_ = (torch.scalar_tensor(size, dtype=torch.float64) for size in (last_start, gaps))
        starts = torch.arange(gaps + 1, dtype=torch.float64) * (last_start_ / gaps_.clamp(min=1))
        return padded[starts.round().long()[:, None] + torch.arange(self.frames)]


def _combined(blend: Blend) -> Callable[[np.ndarray], np.ndarray]:
    return lambda logits: combine_members(logits, blend)


def _check(listeners: Iterable[Listener], blend: Blend) -> None:
    if not isinstance(blend.rule.combiner, Mean | Geometric | Stack):
        raise UserError(
            f"{blend.name} ranks clips against each other, which one wave cannot be: run blend.py with another --method"
        )
    for listener in listeners:
        if listener.spec.separated:
            raise UserError(
                f"these members hear vocals ({listener.spec.separated}), and no file of ONNX separates them"
            )
        if listener.scoring.windows != "overlapping" or listener.scoring.pooled == "majority":
            raise UserError(
                "these members are scored by random windows or majority votes: name --set scoring.windows=overlapping "
                "--set scoring.pooled=probabilities, which a file of ONNX can do"
            )
