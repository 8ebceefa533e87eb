"""Cepstra of log-mels, for the comparison with log-mels in benchmarks/snippet_features.py."""

import math

import torch

from messy_mashup.features.frame_spec import FrameSpec

LIFTER = 22


def mfcc(log_mel: torch.Tensor, spec: FrameSpec, count: int = 13) -> torch.Tensor:
    """The first `count` coefficients (..., count) of the orthonormal DCT-II of log-mels (..., mels) of `spec`, lifted
    by 1 + 11 sin(pi n / 22): python_speech_features' `mfcc` without the frame's energy in place of the first.
    """
    bands = log_mel * spec.divisor + spec.mean
    number = torch.arange(count, dtype=torch.float64)
    place = torch.arange(spec.mels, dtype=torch.float64) + 0.5
    basis = torch.cos(math.pi / spec.mels * place[:, None] * number) * math.sqrt(2 / spec.mels)
    basis[:, 0] /= math.sqrt(2)
    lifted = basis * (1 + LIFTER / 2 * torch.sin(math.pi * number / LIFTER))
    return bands @ lifted.to(bands)
