"""Play mashups in the frame domain: their windows are mixed from the bank, nothing is stretched, nothing is stored.

Seen through short windows, a stem at `rate` is the original stem read at windows whose hop is `rate` times as long.
Levels go in this order: voices x gains, sum, divided by the music's peak, bursts x gains added, divided by the final
peak; then high-pass and low-pass, on the power spectrum. Peaks are those of the whole mashup, not of the part that a
model hears. A burst's gain multiplies its clip ("raw"), its clip at peak 1 ("peak"), its clip where the piece that
is heard has peak 1 ("piece"), or its clip at the RMS that the music has at peak 1 ("snr").
"""

from typing import NamedTuple

import numpy as np
import torch

from messy_mashup.data.bank import GUARD, Bank
from messy_mashup.data.separation import refuse_other
from messy_mashup.features import logmel
from messy_mashup.features.frame_spec import FrameSpec
from messy_mashup.features.logmel import padding_value
from messy_mashup.mashup.arrangement import Arrangements
from messy_mashup.mashup.filters import power_response
from messy_mashup.mashup.levels import Levels
from messy_mashup.mashup.mix import Bursts, Score, Voices, mixed, mixed_and_weighted
from messy_mashup.mashup.pool import ABSENT
from messy_mashup.mashup.residence import Reading, residence
from messy_mashup.recipe import BurstLevel

FRAMES_AT_ONCE = 8192  # more than any clip of 30 s has


class Part(NamedTuple):
    """What a model hears of a batch of mashups."""

    samples: torch.Tensor  # int16 that the score is read from
    score: Score
    first: torch.Tensor  # (batch, frames) where each window begins
    heard: torch.Tensor  # (batch,) frames before the mashup ends
    response: torch.Tensor | None  # (batch, 1, bins) of the filters


class MashupPlayer:
    """Plays arrangements of one bank on one device."""

    def __init__(self, bank: Bank, spec: FrameSpec, device: torch.device | str = "cpu") -> None:
        if spec.window > GUARD:
            raise ValueError(f"windows of {spec.window} samples are longer than the bank's guard of {GUARD}")
        if spec.sample_rate_hz != bank.sample_rate_hz:
            raise ValueError(f"the bank is at {bank.sample_rate_hz} Hz, the front-end at {spec.sample_rate_hz} Hz")
        refuse_other(bank.separated, spec.separated, bank.root)
        self.spec, self.device = spec, torch.device(device)
        self.residence = residence(bank, self.device)
        self.levels = Levels(self.residence.on_disk, bank.index, self.device)

    def log_mel(self, mashups: Arrangements, frames: int, burst_level: BurstLevel) -> torch.Tensor:
        """What a model hears: (batch, frames, mels); frames past a mashup's end have the padding value."""
        reading = self.residence.reading(mashups)
        score = self._score(mashups, reading, burst_level)
        count = self._frame_count(score.length)
        heard_at = self._column(mashups.heard_at, torch.float64)
        first_frame = (heard_at * (count - frames + 1).clamp(min=0)).long()
        first = (first_frame[:, None] + torch.arange(frames, device=self.device)) * self.spec.hop
        heard = (count - first_frame).clamp(max=frames)
        levels = self._levels_on_cpu if self.device.type == "cpu" else self._levels
        return levels(Part(reading.samples, score, first + self.spec.first_sample(0), heard, self._response(mashups)))

    def whole_log_mel(self, mashup: Arrangements, burst_level: BurstLevel) -> torch.Tensor:
        """One whole mashup: (frames, mels)."""
        frames = self.spec.frame_count(int(mashup.length_s[0] * self.spec.sample_rate_hz))
        return self.log_mel(mashup, frames, burst_level)[0]

    def _score(self, mashups: Arrangements, reading: Reading, burst_level: BurstLevel) -> Score:
        """The mashups in samples, with gains that make their peaks 1."""
        clips = self._column(mashups.voice_clip, torch.int64), self._column(mashups.burst_clip, torch.int64)
        voices, bursts = self._voices(mashups, reading, clips[0]), self._bursts(mashups, reading, clips[1])
        score = Score(self._samples(mashups.length_s), voices, bursts)
        return self.levels.at_peak_one(score, reading.samples, clips, burst_level)

    def _voices(self, mashups: Arrangements, reading: Reading, clip: torch.Tensor) -> Voices:
        return Voices(
            begin=reading.begin[clip],
            length=torch.where(clip == ABSENT, 0, self.levels.length[clip]),
            offset=self._samples(mashups.voice_offset_s, torch.float64),
            rate=self._column(mashups.voice_rate, torch.float64),
            gain=self._gain(mashups.voice_gain, clip),
        )

    def _bursts(self, mashups: Arrangements, reading: Reading, clip: torch.Tensor) -> Bursts:
        return Bursts(
            begin=reading.begin[clip],
            clip_length=self.levels.length[clip],
            offset=self._samples(mashups.burst_offset_s),
            at=self._samples(mashups.burst_at_s),
            length=self._samples(mashups.burst_length_s),
            fade=self._samples(mashups.burst_fade_s),
            gain=self._gain(mashups.burst_gain, clip),
        )

    def _gain(self, gain: np.ndarray, clip: torch.Tensor) -> torch.Tensor:
        """Of the codes of clips."""
        return torch.where(clip == ABSENT, 0.0, self._column(gain, torch.float32) * self.levels.scale[clip])

    def _levels(self, part: Part) -> torch.Tensor:
        windows = mixed(part.samples, part.score, part.first, self.spec.window)
        past = torch.arange(part.first.shape[1], device=self.device) >= part.heard[:, None]
        levels = logmel.levels(logmel.weighted(windows, self.spec), self.spec, part.response)
        return levels.masked_fill_(past[:, :, None], padding_value(self.spec))

    def _levels_on_cpu(self, part: Part) -> torch.Tensor:
        """As `_levels`, one mashup at a time, because a batch would fall out of the cache, and of a long one so many
        frames at a time that memory does not grow with it.
        """
        weights = logmel.frame_weights(self.spec, self.device)
        windows = torch.zeros(1, min(part.first.shape[1], FRAMES_AT_ONCE), self.spec.fft)
        levels = torch.empty(*part.first.shape, self.spec.mels)
        for row, frames in enumerate(part.heard.tolist()):
            one = slice(row, row + 1)
            score, response = part.score.rows(one), None if part.response is None else part.response[one]
            for begin in range(0, frames, FRAMES_AT_ONCE):
                end = min(frames, begin + FRAMES_AT_ONCE)
                portion = windows[:, : end - begin]
                mixed_and_weighted(part.samples, score, part.first[one, begin:end], weights, portion)
                logmel.levels(portion, self.spec, response, out=levels[one, begin:end])
            levels[one, frames:] = padding_value(self.spec)
        return levels

    def _response(self, mashups: Arrangements) -> torch.Tensor | None:
        """The power that the filters leave (batch, 1, bins), or None where no mashup has any."""
        if not (mashups.high_pass_hz.any() or mashups.low_pass_hz.any()):
            return None
        bins = self.spec.fft // 2 + 1
        response = power_response(mashups.high_pass_hz, mashups.low_pass_hz, bins, self.spec.sample_rate_hz)
        return self._column(response[:, None], torch.float32)

    def _frame_count(self, length: torch.Tensor) -> torch.Tensor:
        return ((length + self.spec.overhang) // self.spec.hop + 1).clamp(min=self.spec.fewest)

    def _samples(self, seconds: np.ndarray, dtype: torch.dtype = torch.int64) -> torch.Tensor:
        return self._column(seconds * self.spec.sample_rate_hz, dtype)

    def _column(self, values: np.ndarray, dtype: torch.dtype) -> torch.Tensor:
        return torch.tensor(values, dtype=dtype).to(self.device, non_blocking=True)
