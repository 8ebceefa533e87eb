"""Play mashups in the frame domain: one batched gather a voice, no stretch, nothing stored.

Seen through short windows, a stem at `rate` is the original stem read at windows whose hop is `rate` times as long.
Levels go in this order: voices x gains, sum, divided by the music's peak, bursts x gains added, divided by the final
peak. Peaks are those of the whole mashup, not of the part that a model hears.
"""

from collections.abc import Iterator

import numpy as np
import torch

from messy_mashup.data.bank import GUARD, SAMPLES, Bank
from messy_mashup.features.frame_spec import FrameSpec
from messy_mashup.features.logmel import log_mel, padding_value
from messy_mashup.mashup.arrangement import Arrangements

# Peaks are looked for in this many windows, evenly spread: all samples of a mashup of up to 4 s, 14 % of 30 s.
PEAK_WINDOWS, PEAK_WINDOW = 1024, 64
CPU_FRAMES = 1024  # played at once on a processor: what its cache holds


class MashupPlayer:
    """Plays arrangements of one bank on one device."""

    def __init__(self, bank: Bank, spec: FrameSpec, device: torch.device | str = "cpu") -> None:
        if spec.window > GUARD:
            raise ValueError(f"windows of {spec.window} samples are longer than the bank's guard of {GUARD}")
        if spec.sample_rate_hz != bank.sample_rate_hz:
            raise ValueError(f"the bank is at {bank.sample_rate_hz} Hz, the front-end at {spec.sample_rate_hz} Hz")
        self.spec, self.device = spec, torch.device(device)
        samples = torch.from_file(str(bank.root / SAMPLES), size=len(bank.samples), dtype=torch.int16)
        self.samples = samples.to(self.device)
        self.clip_begin = self._column(bank.index["offset"].to_numpy(), torch.int64)
        self.clip_length = self._column(bank.index["length"].to_numpy(), torch.int64)
        self.clip_scale = self._column(bank.index["scale"].to_numpy(), torch.float32)
        self.clip_peak = self._column(bank.index["peak"].to_numpy(), torch.float32)

    def log_mel(self, mashups: Arrangements, frames: int, burst_level: str) -> torch.Tensor:
        """What a model hears: (batch, frames, mels); frames past a mashup's end have the padding value."""
        parts = [self._log_mel(part, frames, burst_level) for part in self._portions(mashups)]
        return torch.cat(parts)

    def whole_log_mel(self, mashup: Arrangements, burst_level: str) -> torch.Tensor:
        """One whole mashup: (frames, mels)."""
        frames = self.spec.frame_count(int(mashup.length_s[0] * self.spec.sample_rate_hz))
        return self._log_mel(mashup, frames, burst_level)[0]

    def _log_mel(self, mashups: Arrangements, frames: int, burst_level: str) -> torch.Tensor:
        score = _Score(self, mashups, burst_level)
        count = torch.tensor([self.spec.frame_count(n) for n in score.length.tolist()], device=self.device)
        heard_at = self._column(mashups.heard_at, torch.float64)
        first_frame = (heard_at * (count - frames + 1).clamp(min=0)).long()
        frame = first_frame[:, None] + torch.arange(frames, device=self.device)
        levels = torch.cat([self._levels(score, portion) for portion in self._frame_portions(frame)], dim=1)
        return levels.masked_fill_((frame >= count[:, None])[:, :, None], padding_value(self.spec))

    def _levels(self, score: "_Score", frame: torch.Tensor) -> torch.Tensor:
        return log_mel(score.windows(self.spec.first_sample(frame), self.spec.window), self.spec)

    def _frame_portions(self, frame: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return frame.split(CPU_FRAMES, dim=1) if self.device.type == "cpu" else (frame,)

    def _portions(self, mashups: Arrangements) -> Iterator[Arrangements]:
        # A CPU is twice as fast one mashup at a time, because a batch falls out of its cache.
        size = 1 if self.device.type == "cpu" else len(mashups)
        for start in range(0, len(mashups), size):
            yield mashups[start : start + size]

    def _column(self, values: np.ndarray, dtype: torch.dtype) -> torch.Tensor:
        return torch.tensor(values, dtype=dtype, device=self.device)


class _Score:
    """A batch of arrangements in samples, with the mashups' peaks."""

    def __init__(self, player: MashupPlayer, mashups: Arrangements, burst_level: str) -> None:
        rate_hz, column = player.spec.sample_rate_hz, player._column
        self.player = player
        self.length = column(mashups.length_s * rate_hz, torch.int64)

        voice = column(mashups.voice_clip, torch.int64)[:, :, None]  # (batch, voices, 1), as all of a voice
        self.voice_begin, self.voice_length = player.clip_begin[voice], player.clip_length[voice]
        self.voice_offset = column(mashups.voice_offset_s * rate_hz, torch.float64)[:, :, None]
        self.voice_rate = column(mashups.voice_rate, torch.float64)[:, :, None]
        gain = column(mashups.voice_gain, torch.float32)[:, :, None] * player.clip_scale[voice]
        self.voice_gain = gain[:, :, :, None]

        clip = column(mashups.burst_clip, torch.int64)
        self.burst_at = column(mashups.burst_at_s * rate_hz, torch.int64)
        self.burst_length = column(mashups.burst_length_s * rate_hz, torch.int64)
        self.burst_begin = player.clip_begin[clip] + column(mashups.burst_offset_s * rate_hz, torch.int64)
        level = player.clip_peak[clip] if burst_level == "peak" else torch.ones_like(player.clip_peak[clip])
        gain = column(mashups.burst_gain, torch.float32) * player.clip_scale[clip]
        self.burst_gain = torch.where((clip >= 0) & (level > 0), gain / level, 0.0)
        self._divide_by_peaks()

    def windows(self, first: torch.Tensor, size: int) -> torch.Tensor:
        """The mashup's windows (batch, frames, size) that begin at samples `first` (batch, frames)."""
        mix = self._music(first, size)
        self._add_bursts(mix, first)
        _silence_outside(mix.view(-1, size), first.flatten(), self.length.repeat_interleave(first.shape[1]))
        return mix

    def _divide_by_peaks(self) -> None:
        """Put the peaks into the gains: that of the music, then that of the music at peak 1 with its bursts."""
        spread = torch.linspace(0, 1, PEAK_WINDOWS, dtype=torch.float64, device=self.length.device)
        first = ((self.length[:, None] - PEAK_WINDOW).clamp(min=0) * spread).round().long()
        mix = self._music(first, PEAK_WINDOW)
        music_peak = _peak(mix)
        mix.div_(music_peak)
        self._add_bursts(mix, first)
        self.peak = _peak(mix)
        self.music_peak = music_peak
        self.voice_gain = self.voice_gain / (music_peak * self.peak)[:, None]
        self.burst_gain = self.burst_gain / self.peak[:, 0]

    def _music(self, first: torch.Tensor, size: int) -> torch.Tensor:
        middle = (first + size / 2)[:, None]
        start = (self.voice_offset + middle * self.voice_rate - size / 2).round_().long()
        # Outside its clip a window falls into the bank's guard, which is silent.
        start = self.voice_begin + torch.minimum(start.clamp_(min=-size), self.voice_length)
        mix = torch.zeros(*first.shape, size, device=first.device)
        for begins, gain in zip(start.unbind(1), self.voice_gain.unbind(1), strict=True):
            mix.addcmul_(self._read(begins.flatten(), size).view(mix.shape), gain)
        return mix

    def _add_bursts(self, mix: torch.Tensor, first: torch.Tensor) -> None:
        size = mix.shape[-1]
        for burst in range(self.burst_begin.shape[1]):
            length = self.burst_length[:, burst]
            since = first - self.burst_at[:, burst, None]
            mashup, frame = ((since > -size) & (since < length[:, None]) & (length[:, None] > 0)).nonzero(as_tuple=True)
            since = since[mashup, frame]
            rows = self._read(self.burst_begin[mashup, burst] + since, size)
            _silence_outside(rows, since, length[mashup])
            rows.mul_(self.burst_gain[mashup, burst, None])
            mix.view(-1, size).index_add_(0, mashup * first.shape[1] + frame, rows)

    def _read(self, start: torch.Tensor, size: int) -> torch.Tensor:
        samples = self.player.samples
        every_window = samples.as_strided((len(samples) - size + 1, size), (1, 1))
        return every_window.index_select(0, start).float()


def _peak(windows: torch.Tensor) -> torch.Tensor:
    peak = windows.abs().amax(dim=(1, 2), keepdim=True)
    return torch.where(peak > 0, peak, 1.0)


def _silence_outside(windows: torch.Tensor, first: torch.Tensor, length: torch.Tensor) -> None:
    """Zero the samples of windows (rows, size), which begin at `first`, that lie outside [0, length) (rows,)."""
    size = windows.shape[1]
    (cut,) = ((first < 0) | (first + size > length)).nonzero(as_tuple=True)
    sample = first[cut, None] + torch.arange(size, device=first.device)
    windows[cut] *= (sample >= 0) & (sample < length[cut, None])
