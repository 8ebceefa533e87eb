"""Windows of samples become log-mel frames: one batched front-end, float32 on any device."""

from functools import lru_cache

import torch

from messy_mashup.features.frame_spec import FrameSpec

FRAMES_AT_ONCE = 2048  # so that a wave of an hour takes little more memory than its samples


def log_mel(windows: torch.Tensor, spec: FrameSpec) -> torch.Tensor:
    """The normalised log-mel of windows (..., frames, window) in [-1, 1]: (..., frames, mels) float32.

    Every step before the power is linear in a frame, so it holds for sums of voices as for a wave.
    """
    with torch.autocast(windows.device.type, enabled=False):
        shape, filters = _constants(spec, windows.device)
        if spec.remove_dc:
            windows = windows - windows.mean(-1, keepdim=True)
        if spec.pre_emphasis:
            windows = _pre_emphasised(windows, spec.pre_emphasis)
        spectrum = torch.fft.rfft(windows * shape, n=spec.fft)
        power = spectrum.real.square() + spectrum.imag.square()
        bands = (power @ filters).clamp_(min=spec.floor)
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


def _pre_emphasised(windows: torch.Tensor, coefficient: float) -> torch.Tensor:
    # Kaldi repeats a window's first sample as the one before it.
    previous = torch.cat([windows[..., :1], windows[..., :-1]], dim=-1)
    return torch.sub(windows, previous, alpha=coefficient)


@lru_cache(maxsize=16)
def _constants(spec: FrameSpec, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    from messy_mashup.torchvision_import import import_torchvision

    import_torchvision()
    from transformers.audio_utils import mel_filter_bank

    shape = torch.hann_window(spec.window, periodic=spec.window_shape == "hann_periodic", dtype=torch.float64)
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
    return shape.float().to(device), torch.from_numpy(filters).float().to(device)
