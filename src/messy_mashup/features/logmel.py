"""Windows of samples become log-mel frames: one batched front-end, float32 on any device."""

import warnings
from functools import lru_cache
from typing import NamedTuple

import torch

from messy_mashup.features.frame_spec import FrameSpec

FRAMES_AT_ONCE = 2048  # so that a wave of an hour takes little more memory than its samples


def log_mel(windows: torch.Tensor, spec: FrameSpec) -> torch.Tensor:
    """The normalised log-mel of windows (..., frames, window) in [-1, 1]: (..., frames, mels) float32.

    Every step before the power is linear in a frame, so it holds for sums of voices as for a wave.
    """
    with torch.autocast(windows.device.type, enabled=False):
        spectrum = torch.fft.rfft(_weighted(windows, spec))
        power = spectrum.real.square().addcmul_(spectrum.imag, spectrum.imag)
        bands = (power @ _constants(spec, windows.device).filters).clamp_(min=spec.floor)
        levels = bands.log_() if spec.log == "natural" else bands.log10_().mul_(10)
        return levels.sub_(spec.mean).div_(spec.divisor)


def padding_value(spec: FrameSpec) -> float:
    """What the model sees where a clip has ended."""
    return (spec.pad - spec.mean) / spec.divisor


def wave_log_mel(wave: torch.Tensor, spec: FrameSpec) -> torch.Tensor:
    """The log-mel (frames, mels) of a whole wave (samples,), with the frames that the spec gives it."""
    samples, frames = len(wave), spec.frame_count(len(wave))
    before = -spec.first_sample(0)
    after = max(0, spec.first_sample(frames - 1) + spec.window - samples)
    windows = torch.nn.functional.pad(wave, (before, after)).unfold(0, spec.window, spec.hop)[:frames]
    return torch.cat([log_mel(portion, spec) for portion in windows.split(FRAMES_AT_ONCE)])


def _weighted(windows: torch.Tensor, spec: FrameSpec) -> torch.Tensor:
    """DC removal, pre-emphasis and window shape in one pass each: (..., frames, fft), zero past the window.

    With x the window, m its mean, c the pre-emphasis, h the shape: Kaldi's y[k] = ((x[k] - m) - c (x[k-1] - m)) h[k],
    where x[-1] is x[0]; the terms of x[k], x[k-1] and m are added up as they stand.
    """
    weights = _constants(spec, windows.device)
    padded = windows.new_zeros(*windows.shape[:-1], spec.fft)
    weighted = padded[..., : spec.window]
    torch.mul(windows, weights.now, out=weighted)
    if spec.pre_emphasis:
        weighted[..., 1:].addcmul_(windows[..., :-1], weights.before)
    if spec.remove_dc:
        weighted.addcmul_(windows.mean(-1, keepdim=True), weights.mean)
    return padded


class _Constants(NamedTuple):
    now: torch.Tensor  # (window,) the weight of x[k]
    before: torch.Tensor  # (window - 1,) of x[k - 1]
    mean: torch.Tensor  # (window,) of the mean
    filters: torch.Tensor  # (bins, mels)


@lru_cache(maxsize=16)
def _constants(spec: FrameSpec, device: torch.device) -> _Constants:
    shape = torch.hann_window(spec.window, periodic=spec.window_shape == "hann_periodic", dtype=torch.float64)
    now = shape.clone()
    now[0] *= 1 - spec.pre_emphasis
    weights = (now, -spec.pre_emphasis * shape[1:], -(1 - spec.pre_emphasis) * shape, _mel_filters(spec))
    return _Constants(*(weight.float().to(device) for weight in weights))


def _mel_filters(spec: FrameSpec) -> torch.Tensor:
    from messy_mashup.torchvision_import import import_torchvision

    import_torchvision()
    from transformers.audio_utils import mel_filter_bank

    with warnings.catch_warnings():
        # AST's lowest bands are narrower than a bin of its FFT: its authors' front-end has the same empty filters
        warnings.filterwarnings("ignore", "At least one mel filter has all zero values")
        filters = mel_filter_bank(
            num_frequency_bins=spec.fft // 2 + 1,
            num_mel_filters=spec.mels,
            min_frequency=spec.low_hz,
            max_frequency=spec.high_hz,
            sampling_rate=spec.sample_rate_hz,
            norm=spec.mel_norm,
            mel_scale=spec.mel_scale,
            triangularize_in_mel_space=spec.mel_scale == "kaldi",
        )
    return torch.from_numpy(filters)
