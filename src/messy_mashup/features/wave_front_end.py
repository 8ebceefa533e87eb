"""A front-end as a network: a wave goes in, in operations that every runtime has (ONNX Runtime, a browser, a phone).

Every step of a frame up to its spectrum is linear, so shape, DC removal, pre-emphasis and Fourier transform are one
convolution.
"""

import math

import torch
from torch import nn
from torch.nn.functional import conv1d, pad

from messy_mashup.features.frame_spec import FrameSpec
from messy_mashup.features.logmel import mel_filters, weighted


class WaveFrontEnd(nn.Module):
    """wave (samples,) in [-1, 1] to log-mel (frames, mels), as `logmel.wave_log_mel` gives it."""

    def __init__(self, spec: FrameSpec) -> None:
        super().__init__()
        self.spec = spec
        impulses = torch.eye(spec.window)
        spectra = torch.fft.rfft(weighted(impulses, spec).double())  # (window, bins)
        kernel = torch.cat([spectra.real, spectra.imag], dim=1).T[:, None].float()
        self.register_buffer("kernel", kernel.contiguous())  # (2 * bins, 1, window)
        self.register_buffer("filters", mel_filters(spec, torch.device("cpu")))  # (bins, mels)

    def forward(self, wave: torch.Tensor) -> torch.Tensor:
        """(frames, mels)"""
        spec = self.spec
        frames = torch.sym_max(spec.fewest, 1 + (wave.shape[0] + spec.overhang) // spec.hop)
        filled = pad(wave[None, None], (-spec.first_sample(0), spec.window + spec.hop))
        real, imaginary = conv1d(filled, self.kernel, stride=spec.hop)[0].T[:frames].chunk(2, dim=1)
        bands = torch.matmul(real.square() + imaginary.square(), self.filters).clamp(min=spec.floor)
        return (self._logarithm(bands) - spec.mean) / spec.divisor

    def _logarithm(self, bands: torch.Tensor) -> torch.Tensor:
        match self.spec.log:
            case "natural":
                return bands.log()
            case "decibel":
                return 10 / math.log(10) * bands.log()
            case "compressed":
                return torch.log1p(10_000 * bands) / math.log(10)
