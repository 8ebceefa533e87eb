"""Windows of samples become log-mel frames: one batched front-end, float32 on any device."""

import math
import warnings
from functools import lru_cache
from typing import NamedTuple

import torch

from messy_mashup.compiled import compiled
from messy_mashup.features.frame_spec import FrameSpec

FRAMES_AT_ONCE = 2048  # so that a wave of an hour takes little more memory than its samples


class FrameWeights(NamedTuple):
    """What a frame's steps before the FFT come to: y[k] = x[k] now[k] + x[k-1] before[k-1] + mean(x) mean[k]."""

    now: torch.Tensor  # (window,)
    before: torch.Tensor  # (window - 1,)
    mean: torch.Tensor  # (window,)


def log_mel(windows: torch.Tensor, spec: FrameSpec) -> torch.Tensor:
    """The normalised log-mel of windows (..., frames, window) in [-1, 1]: (..., frames, mels) float32.

    Every step before the power is linear in a frame, so it holds for sums of voices as for a wave.
    """
    return levels(weighted(windows, spec), spec)


def weighted(windows: torch.Tensor, spec: FrameSpec) -> torch.Tensor:
    """Windows after DC removal, pre-emphasis and window shape: (..., frames, FFT size), zero past the window."""
    weights = frame_weights(spec, windows.device)
    padded = windows.new_zeros(*windows.shape[:-1], spec.fft)
    inside = padded[..., : spec.window]
    torch.mul(windows, weights.now, out=inside)
    if spec.pre_emphasis:
        inside[..., 1:].addcmul_(windows[..., :-1], weights.before)
    if spec.remove_dc:
        inside.addcmul_(windows.mean(-1, keepdim=True), weights.mean)
    return padded


def levels(
    weighted: torch.Tensor, spec: FrameSpec, response: torch.Tensor | None = None, out: torch.Tensor | None = None
) -> torch.Tensor:
    """The normalised log-mel (..., frames, mels) of weighted windows, whose power is multiplied by `response` (..., 1,
    bins) where a filter has one; `out` takes it where it is given.
    """
    with torch.autocast(weighted.device.type, enabled=False):
        power = _power(torch.fft.rfft(weighted))
        if response is not None:
            power.mul_(response)
        bands = torch.matmul(power, mel_filters(spec, weighted.device), out=out).clamp_(min=spec.floor)
        return _logarithm(bands, spec).sub_(spec.mean).div_(spec.divisor)


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


def _logarithm(bands: torch.Tensor, spec: FrameSpec) -> torch.Tensor:
    """Of the bands' power, in place."""
    match spec.log:
        case "natural":
            return bands.log_()
        case "decibel":
            return bands.log10_().mul_(10)
        case "compressed":
            return bands.mul_(10_000).log1p_().div_(math.log(10))


@lru_cache(maxsize=16)
def frame_weights(spec: FrameSpec, device: torch.device) -> FrameWeights:
    """The weights of a front-end.

    With x the window, m its mean, c the pre-emphasis, h the shape: Kaldi's y[k] = ((x[k] - m) - c (x[k-1] - m)) h[k],
    where x[-1] is x[0]; the terms of x[k], x[k-1] and m are added up as they stand.
    """
    shape = _window_shape(spec)
    now = shape.clone()
    now[0] *= 1 - spec.pre_emphasis
    mean = -(1 - spec.pre_emphasis) * shape if spec.remove_dc else torch.zeros_like(shape)
    return FrameWeights(*(weight.float().to(device) for weight in (now, -spec.pre_emphasis * shape[1:], mean)))


def _window_shape(spec: FrameSpec) -> torch.Tensor:
    """(window,) float64"""
    window = spec.window - spec.lead
    if spec.window_shape == "hamming_symmetric":
        shape = torch.hamming_window(window, periodic=False, dtype=torch.float64)
    else:
        shape = torch.hann_window(window, periodic=spec.window_shape == "hann_periodic", dtype=torch.float64)
    return torch.nn.functional.pad(shape, (spec.lead, 0))


def _power(spectrum: torch.Tensor) -> torch.Tensor:
    if spectrum.device.type != "cpu":
        return spectrum.real.square().addcmul_(spectrum.imag, spectrum.imag)
    power = torch.empty(spectrum.shape)
    _fill_power(power.view(-1).numpy(), torch.view_as_real(spectrum).view(-1).numpy())
    return power


@compiled
def _fill_power(power, parts):
    """Three times as fast as torch, which reads real and imaginary parts as two arrays with gaps."""
    for k in range(len(power)):
        power[k] = parts[2 * k] * parts[2 * k] + parts[2 * k + 1] * parts[2 * k + 1]


@lru_cache(maxsize=16)
def mel_filters(spec: FrameSpec, device: torch.device) -> torch.Tensor:
    """(bins, mels)"""
    return _drawn_filters(spec).float().to(device)


def _drawn_filters(spec: FrameSpec) -> torch.Tensor:
    if spec.mel_scale == "htk_bins":
        return _filters_on_bins(spec)
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


def _filters_on_bins(spec: FrameSpec) -> torch.Tensor:
    """Triangles whose corners are whole bins (bins, mels): HTK's mel, as python_speech_features rounds it down."""
    low, high = (2595 * math.log10(1 + hz / 700) for hz in (spec.low_hz, spec.high_hz))
    mel = torch.linspace(low, high, spec.mels + 2, dtype=torch.float64)
    corner = (700 * (10 ** (mel / 2595) - 1) * (spec.fft + 1) / spec.sample_rate_hz).floor()
    left, middle, right = corner[:-2], corner[1:-1], corner[2:]
    bins = torch.arange(spec.fft // 2 + 1, dtype=torch.float64)[:, None]
    rising, falling = (bins - left) / (middle - left), (right - bins) / (right - middle)
    # By halves, since two corners may be one bin, and a bin divided by no width is no number.
    filters = torch.where(bins < middle, rising, falling)
    filters = torch.where((bins >= left) & (bins < right), filters, 0.0)
    return filters / spec.fft if spec.mel_norm == "fft" else filters
