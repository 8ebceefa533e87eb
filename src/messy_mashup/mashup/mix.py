"""The windows of mashups, mixed from the samples of a bank: a compiled loop on a CPU, batched gathers elsewhere.

Both do the same. On a CPU the loop is several times as fast (benchmarks/mashups.py), because a window is summed while
it is in the cache. numba, which compiles it, comes with librosa.
"""

from typing import NamedTuple

import numba
import numpy as np
import torch

from messy_mashup.compiled import compiled
from messy_mashup.features.logmel import FrameWeights

# A stretched voice gets ahead of the mashup, or falls behind, in steps of so many samples (4 ms). If it moved a little
# with every frame, the phases of two voices would run against each other, and bands in which both sound would flicker:
# seen through 64 ms, 21 % more change from frame to frame than truly stretched voices have, in steps 6 %.
STEP = 64


class Voices(NamedTuple):
    """Voices of a batch of mashups (batch, voices) in samples; a gain of 0 is an absent voice."""

    begin: torch.Tensor  # int64: where the clip lies
    length: torch.Tensor  # int64: of the clip
    offset: torch.Tensor  # float64: in the clip, at the mashup's begin
    rate: torch.Tensor  # float64
    gain: torch.Tensor  # float32


class Bursts(NamedTuple):
    """Bursts of a batch of mashups (batch, bursts) in samples; a gain of 0 is an absent burst."""

    begin: torch.Tensor  # int64: where the clip lies
    clip_length: torch.Tensor  # int64: after which it begins again; 1 or more
    offset: torch.Tensor  # int64: in the clip, at the burst's begin
    at: torch.Tensor  # int64: in the mashup
    length: torch.Tensor  # int64
    fade: torch.Tensor  # int64: 0 is a hard edge
    gain: torch.Tensor  # float32


class Score(NamedTuple):
    """A batch of mashups, ready to be mixed."""

    length: torch.Tensor  # (batch,) int64
    voices: Voices
    bursts: Bursts

    def rows(self, rows: slice) -> "Score":
        """Some of the mashups."""
        voices, bursts = (type(part)(*(column[rows] for column in part)) for part in (self.voices, self.bursts))
        return Score(self.length[rows], voices, bursts)


def mixed(samples: torch.Tensor, score: Score, first: torch.Tensor, size: int) -> torch.Tensor:
    """Windows (batch, frames, size) float32 that begin at samples `first` (batch, frames) int64 of their mashups.

    A voice's window is the part of its clip whose middle is, to half a STEP, where the voice is at the window's middle.
    `samples` is a bank's int16 array, with `size` zeros or more before and after every clip.
    """
    if samples.device.type != "cpu":
        return _gathered(samples, score, first, size)
    out = torch.empty(*first.shape, size)
    _mix(out.numpy(), *_arrays(samples, score, first), None)
    return out


def mixed_and_weighted(
    samples: torch.Tensor, score: Score, first: torch.Tensor, weights: FrameWeights, out: torch.Tensor
) -> None:
    """On a CPU: the windows as `logmel.weighted` makes them, in the first samples of the rows of `out` (batch, frames,
    FFT size), whose others stay as they are.
    """
    _mix(out.numpy(), *_arrays(samples, score, first), tuple(weight.numpy() for weight in weights))


def promised(envelope: torch.Tensor, block: int, score: Score, first: torch.Tensor) -> torch.Tensor:
    """What windows of `block` samples (batch, windows), which begin at samples `first`, cannot be louder than.

    `envelope` holds for each block of the bank the peak of every such window that begins in it; the score's clips begin
    where they do in the bank.
    """
    if envelope.device.type != "cpu":
        return _looked_up(envelope, block, score, first)
    out = torch.empty(first.shape)
    envelope, first, _, voices, bursts = _arrays(envelope, score, first)
    _promise(out.numpy(), envelope, block, first, voices, bursts)
    return out


def _arrays(samples: torch.Tensor, score: Score, first: torch.Tensor) -> tuple:
    voices, bursts = Voices(*(x.numpy() for x in score.voices)), Bursts(*(x.numpy() for x in score.bursts))
    return samples.numpy(), first.numpy(), score.length.numpy(), voices, bursts


@compiled
def _mix(out, samples, first, length, voices, bursts, weights):
    """Fill rows of `out` with windows as they are, where there are no weights, or weighted."""
    size = out.shape[2] if weights is None else len(weights[0])
    window = np.empty(size, np.float32)
    for mashup in range(out.shape[0]):
        for frame in range(out.shape[1]):
            begin = first[mashup, frame]
            for k in range(size):
                window[k] = 0
            for voice in range(voices.gain.shape[1]):
                gain = voices.gain[mashup, voice]
                if gain != 0:
                    start = _start(voices, mashup, voice, begin, size)
                    part = samples[start : start + size]
                    for k in range(size):
                        window[k] += gain * np.float32(part[k])
            for burst in range(bursts.gain.shape[1]):
                since = begin - bursts.at[mashup, burst]
                if bursts.gain[mashup, burst] != 0 and -size < since < bursts.length[mashup, burst]:
                    _add_burst(window, samples, mashup, burst, since, bursts)
            if begin < 0 or begin + size > length[mashup]:
                window[: min(max(-begin, 0), size)] = 0
                window[min(max(length[mashup] - begin, 0), size) :] = 0
            row = out[mashup, frame]
            if weights is None:
                for k in range(size):
                    row[k] = window[k]
            else:
                now, before, of_mean = weights
                mean = np.float32(0)
                for k in range(size):
                    mean += window[k]
                mean /= np.float32(size)
                row[0] = window[0] * now[0] + mean * of_mean[0]
                for k in range(1, size):
                    row[k] = window[k] * now[k] + window[k - 1] * before[k - 1] + mean * of_mean[k]


@numba.njit(nogil=True, inline="always")
def _start(voices, mashup, voice, first, size):
    """Where in the bank a voice is read for the window that begins at sample `first` of the mashup."""
    ahead = np.int64(np.rint((first + size / 2) * (voices.rate[mashup, voice] - 1) / STEP)) * STEP
    start = first + np.int64(np.rint(voices.offset[mashup, voice])) + ahead
    return voices.begin[mashup, voice] + min(max(start, -size), voices.length[mashup, voice])


@compiled
def _add_burst(window, samples, mashup, burst, since, bursts):
    """Add what of a burst is heard in a window that begins `since` samples after it."""
    gain, fade, length = bursts.gain[mashup, burst], bursts.fade[mashup, burst], bursts.length[mashup, burst]
    clip_length = bursts.clip_length[mashup, burst]
    at, end = max(0, -since), min(len(window), length - since)
    while at < end:
        place = (bursts.offset[mashup, burst] + since + at) % clip_length
        count = min(end - at, clip_length - place)
        begin = bursts.begin[mashup, burst] + place
        part, heard = samples[begin : begin + count], window[at : at + count]
        if fade > 0 and (since + at < fade or since + at + count > length - fade):
            for k in range(count):
                sample = np.float32(since + at + k) + np.float32(0.5)
                ramp = min(np.float32(1), min(sample, np.float32(length) - sample) / np.float32(fade))
                heard[k] += gain * ramp * np.float32(part[k])
        else:
            for k in range(count):
                heard[k] += gain * np.float32(part[k])
        at += count


@compiled
def _promise(out, envelope, block, first, voices, bursts):
    for mashup in range(out.shape[0]):
        for window in range(out.shape[1]):
            begin = first[mashup, window]
            promise = np.float32(0)
            for voice in range(voices.gain.shape[1]):
                place = _start(voices, mashup, voice, begin, block) // block
                promise += voices.gain[mashup, voice] * np.float32(envelope[place])
            for burst in range(bursts.gain.shape[1]):
                since = begin - bursts.at[mashup, burst]
                if -block < since < bursts.length[mashup, burst]:
                    place = (bursts.offset[mashup, burst] + max(since, 0)) % bursts.clip_length[mashup, burst]
                    peak = envelope[(bursts.begin[mashup, burst] + place) // block]
                    if place + block > bursts.clip_length[mashup, burst]:  # the clip may begin again in this window
                        peak = max(peak, envelope[bursts.begin[mashup, burst] // block])
                    promise += bursts.gain[mashup, burst] * np.float32(peak)
            out[mashup, window] = promise


def _gathered(samples: torch.Tensor, score: Score, first: torch.Tensor, size: int) -> torch.Tensor:
    """What `_mix` does, in few large steps for a GPU."""
    mix = torch.zeros(*first.shape, size, device=first.device)
    for voice in range(score.voices.gain.shape[1]):
        column = Voices(*(x[:, voice, None] for x in score.voices))
        mix.addcmul_(_read(samples, _starts(column, first, size), size), column.gain[..., None])
    for burst in range(score.bursts.gain.shape[1]):
        _gather_burst(mix, samples, Bursts(*(x[:, burst, None] for x in score.bursts)), first)
    return mix.mul_(_inside(first, score.length[:, None], size))


def _looked_up(envelope: torch.Tensor, block: int, score: Score, first: torch.Tensor) -> torch.Tensor:
    """What `_promise` does, in few large steps for a GPU."""
    promise = torch.zeros(first.shape, device=first.device)
    for voice in range(score.voices.gain.shape[1]):
        column = Voices(*(x[:, voice, None] for x in score.voices))
        promise += envelope[_starts(column, first, block) // block] * column.gain
    for burst in range(score.bursts.gain.shape[1]):
        column = Bursts(*(x[:, burst, None] for x in score.bursts))
        since = first - column.at
        place = torch.remainder(column.offset + since.clamp(min=0), column.clip_length)
        peak = envelope[(column.begin + place) // block]
        again = torch.where(place + block > column.clip_length, envelope[column.begin // block], 0)
        sounding = (since > -block) & (since < column.length)
        promise += torch.maximum(peak, again) * sounding * column.gain
    return promise


def _starts(voice: Voices, first: torch.Tensor, size: int) -> torch.Tensor:
    """As `_start`, of one voice (batch, 1) of every mashup for windows (batch, frames)."""
    ahead = ((first + size / 2) * (voice.rate - 1) / STEP).round_().long() * STEP
    start = first + voice.offset.round().long() + ahead
    return voice.begin + torch.minimum(start.clamp_(min=-size), voice.length)


def _gather_burst(mix: torch.Tensor, samples: torch.Tensor, burst: Bursts, first: torch.Tensor) -> None:
    size = mix.shape[-1]
    since = first - burst.at
    heard = (since > -size) & (since < burst.length) & (burst.gain != 0)
    mashup, frame = heard.nonzero(as_tuple=True)
    since, of_row = since[mashup, frame], Bursts(*(x[mashup, 0] for x in burst))
    place = torch.remainder(of_row.offset + since, of_row.clip_length)
    rows = torch.zeros(len(since), size, device=mix.device)
    for again in range(1 + _most_repeats(of_row.clip_length, size)):
        # Before and after its clip a window reads the bank's zeros, so the clip's end and its new begin add up.
        start = torch.maximum(place - again * of_row.clip_length, torch.full_like(place, -size))
        rows += _read(samples, of_row.begin + start, size)
    sample = since[:, None] + torch.arange(size, device=mix.device) + 0.5
    ramp = torch.minimum(sample, of_row.length[:, None] - sample) / of_row.fade[:, None].clamp(min=1)
    ramp = torch.where(of_row.fade[:, None] > 0, ramp.clamp(0, 1), 1.0)
    rows.mul_(ramp * _inside(since, of_row.length, size)).mul_(of_row.gain[:, None])
    mix.view(-1, size).index_add_(0, mashup * first.shape[1] + frame, rows)


def _most_repeats(clip_length: torch.Tensor, size: int) -> int:
    """How often a window of `size` samples may meet a clip's end."""
    return -(-size // int(clip_length.min())) if len(clip_length) else 0


def _read(samples: torch.Tensor, start: torch.Tensor, size: int) -> torch.Tensor:
    every_window = samples.as_strided((len(samples) - size + 1, size), (1, 1))
    return every_window.index_select(0, start.flatten()).float().view(*start.shape, size)


def _inside(first: torch.Tensor, length: torch.Tensor, size: int) -> torch.Tensor:
    """Which samples (..., size) of windows that begin at `first` lie within [0, length)."""
    sample = first[..., None] + torch.arange(size, device=first.device)
    return (sample >= 0) & (sample < length[..., None])
