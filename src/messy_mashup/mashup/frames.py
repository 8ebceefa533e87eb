"""Play mashups in the frame domain: one batched gather a voice, no stretch, nothing stored.

Seen through short windows, a stem at `rate` is the original stem read at windows whose hop is `rate` times as long.
Levels go in this order: voices x gains, sum, divided by the music's peak, bursts x gains added, divided by the final
peak. Peaks are those of the whole mashup, not of the part that a model hears.
"""

import copy

import numpy as np
import torch

from messy_mashup.data.bank import GUARD, SAMPLES, Bank
from messy_mashup.features.frame_spec import FrameSpec
from messy_mashup.features.logmel import log_mel, padding_value
from messy_mashup.mashup.arrangement import Arrangements

# A mashup's peak is looked for where the envelopes of its clips promise most: in this many windows of so many samples.
PEAK_WINDOWS, PEAK_WINDOW = 128, 256


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
        self.envelope = _envelope(self.samples)
        self.clip_begin = self._column(bank.index["offset"].to_numpy(), torch.int64)
        self.clip_length = self._column(bank.index["length"].to_numpy(), torch.int64)
        self.clip_scale = self._column(bank.index["scale"].to_numpy(), torch.float32)
        self.clip_peak = self._column(bank.index["peak"].to_numpy(), torch.float32)

    def log_mel(self, mashups: Arrangements, frames: int, burst_level: str) -> torch.Tensor:
        """What a model hears: (batch, frames, mels); frames past a mashup's end have the padding value."""
        score = _Score(self, mashups, burst_level)
        count = self._column([self.spec.frame_count(n) for n in score.length.tolist()], torch.int64)
        heard_at = self._column(mashups.heard_at, torch.float64)
        first_frame = (heard_at * (count - frames + 1).clamp(min=0)).long()
        frame = first_frame[:, None] + torch.arange(frames, device=self.device)
        # A CPU is twice as fast one mashup at a time, because a batch falls out of its cache.
        size = 1 if self.device.type == "cpu" else len(mashups)
        portions = [slice(start, start + size) for start in range(0, len(mashups), size)]
        levels = torch.cat([self._levels(score[rows], frame[rows]) for rows in portions])
        return levels.masked_fill_((frame >= count[:, None])[:, :, None], padding_value(self.spec))

    def whole_log_mel(self, mashup: Arrangements, burst_level: str) -> torch.Tensor:
        """One whole mashup: (frames, mels)."""
        frames = self.spec.frame_count(int(mashup.length_s[0] * self.spec.sample_rate_hz))
        return self.log_mel(mashup, frames, burst_level)[0]

    def _levels(self, score: "_Score", frame: torch.Tensor) -> torch.Tensor:
        return log_mel(score.windows(self.spec.first_sample(frame), self.spec.window), self.spec)

    def _column(self, values: np.ndarray | list[int], dtype: torch.dtype) -> torch.Tensor:
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

    def __getitem__(self, rows: slice) -> "_Score":
        part = copy.copy(self)
        for name, value in vars(self).items():
            if isinstance(value, torch.Tensor):
                setattr(part, name, value[rows])
        return part

    def windows(self, first: torch.Tensor, size: int) -> torch.Tensor:
        """The mashup's windows (batch, frames, size) that begin at samples `first` (batch, frames)."""
        mix = self._music(first, size)
        self._add_bursts(mix, first)
        _silence_outside(mix.view(-1, size), first.flatten(), self.length.repeat_interleave(first.shape[1]))
        return mix

    def _divide_by_peaks(self) -> None:
        """Put the peaks into the gains: that of the music, then that of the music at peak 1 with its bursts."""
        every = torch.arange(0, max(1, int(self.length.max())), PEAK_WINDOW, device=self.length.device)
        first = torch.minimum(every, (self.length[:, None] - PEAK_WINDOW).clamp(min=0))
        promise = self._music_envelope(first)
        self.music_peak = _peak(self._music(_loudest(first, promise), PEAK_WINDOW))
        self.voice_gain = self.voice_gain / self.music_peak[:, None]
        loudest = _loudest(first, promise / self.music_peak[:, 0] + self._burst_envelope(first))
        mix = self._music(loudest, PEAK_WINDOW)
        self._add_bursts(mix, loudest)
        self.peak = _peak(mix)
        self.voice_gain = self.voice_gain / self.peak[:, None]
        self.burst_gain = self.burst_gain / self.peak[:, 0]

    def _music_envelope(self, first: torch.Tensor) -> torch.Tensor:
        """What the music in windows of PEAK_WINDOW samples cannot be louder than: (batch, windows)."""
        envelope = self.player.envelope[self._voice_starts(first, PEAK_WINDOW) // PEAK_WINDOW]
        return (envelope * self.voice_gain[..., 0]).sum(dim=1)

    def _burst_envelope(self, first: torch.Tensor) -> torch.Tensor:
        since = first[:, None] - self.burst_at[:, :, None]
        sounding = (since > -PEAK_WINDOW) & (since < self.burst_length[:, :, None])
        start = torch.where(sounding, self.burst_begin[:, :, None] + since, 0)
        envelope = self.player.envelope[start // PEAK_WINDOW] * sounding
        return (envelope * self.burst_gain[:, :, None]).sum(dim=1)

    def _voice_starts(self, first: torch.Tensor, size: int) -> torch.Tensor:
        """Where in the bank each voice is read for windows that begin at samples `first`: (batch, voices, windows)."""
        middle = (first + size / 2)[:, None]
        start = (self.voice_offset + middle * self.voice_rate - size / 2).round_().long()
        # Outside its clip a window falls into the bank's guard, which is silent.
        return self.voice_begin + torch.minimum(start.clamp_(min=-size), self.voice_length)

    def _music(self, first: torch.Tensor, size: int) -> torch.Tensor:
        mix = torch.zeros(*first.shape, size, device=first.device)
        starts = self._voice_starts(first, size).unbind(1)
        for start, gain in zip(starts, self.voice_gain.unbind(1), strict=True):
            mix.addcmul_(self._read(start.flatten(), size).view(mix.shape), gain)
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


def _envelope(samples: torch.Tensor) -> torch.Tensor:
    """For each block of PEAK_WINDOW samples of a bank, the peak of every window that begins in it: (blocks,) int16."""
    blocks = samples[: len(samples) // PEAK_WINDOW * PEAK_WINDOW].view(-1, PEAK_WINDOW)
    peaks = torch.cat([portion.abs().amax(dim=1) for portion in blocks.split(1 << 18)])
    return torch.maximum(peaks, torch.cat([peaks[1:], peaks[-1:]]))


def _loudest(first: torch.Tensor, promise: torch.Tensor) -> torch.Tensor:
    """The windows (batch, PEAK_WINDOWS or all) that promise most."""
    return first.gather(1, promise.topk(min(PEAK_WINDOWS, first.shape[1]), dim=1).indices)


def _peak(windows: torch.Tensor) -> torch.Tensor:
    peak = windows.abs().amax(dim=(1, 2), keepdim=True)
    return torch.where(peak > 0, peak, 1.0)


def _silence_outside(windows: torch.Tensor, first: torch.Tensor, length: torch.Tensor) -> None:
    """Zero the samples of windows (rows, size), which begin at `first`, that lie outside [0, length) (rows,)."""
    size = windows.shape[1]
    (cut,) = ((first < 0) | (first + size > length)).nonzero(as_tuple=True)
    sample = first[cut, None] + torch.arange(size, device=first.device)
    windows[cut] *= (sample >= 0) & (sample < length[cut, None])
