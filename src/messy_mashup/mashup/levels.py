"""How loud the clips of a bank are, block by block, and from that the gains with which mashups have their peaks at 1.

A peak is looked for where the clips' envelopes promise most, so a part of a long mashup's samples is mixed for it.
"""

from functools import cached_property

import pandas as pd
import torch

from messy_mashup.mashup.mix import Bursts, Score, mixed, promised
from messy_mashup.recipe import BurstLevel

BLOCK = 256  # samples
MOST_WINDOWS = 128  # of a mashup, of BLOCK samples, that are mixed to find a peak


class Levels:
    """Envelope and energy of a bank's samples (int16, as they are on disk), on a device."""

    def __init__(self, samples: torch.Tensor, index: pd.DataFrame, device: torch.device) -> None:
        self.samples, self.block_peak = samples, _block_peaks(samples).to(device)
        # The peak of every window of BLOCK samples that begins in a block
        self.envelope = torch.maximum(self.block_peak, torch.cat([self.block_peak[1:], self.block_peak[-1:]]))
        self.begin, self.length = (torch.tensor(index[name].to_numpy()).to(device) for name in ("offset", "length"))
        self.scale, self.peak = (torch.tensor(index[name].to_numpy()).float().to(device) for name in ("scale", "peak"))

    def at_peak_one(
        self, score: Score, samples: torch.Tensor, clips: tuple[torch.Tensor, torch.Tensor], burst_level: BurstLevel
    ) -> Score:
        """The score, as it is read from `samples`, with gains that put the music's peak at 1, add the bursts as the
        level says, and put the final peak at 1. `clips` are the clip numbers of voices and bursts.
        """
        every = torch.arange(0, max(1, int(score.length.max())), BLOCK, device=score.length.device)
        first = torch.minimum(every, (score.length[:, None] - BLOCK).clamp(min=0))
        silent = score._replace(bursts=score.bursts._replace(gain=torch.zeros_like(score.bursts.gain)))
        score = _with_gains(score, 1 / self._peak(silent, samples, clips, first), 1.0)
        score = _with_gains(score, 1.0, self._burst_factor(score, clips, burst_level))
        peak = self._peak(score, samples, clips, first)
        return _with_gains(score, 1 / peak, 1 / peak)

    def _peak(
        self, score: Score, samples: torch.Tensor, clips: tuple[torch.Tensor, torch.Tensor], first: torch.Tensor
    ) -> torch.Tensor:
        """The peaks (batch, 1) of the windows that promise most; 1 for silence."""
        voice_clip, burst_clip = clips
        on_disk = score._replace(
            voices=score.voices._replace(begin=self.begin[voice_clip]),
            bursts=score.bursts._replace(begin=self.begin[burst_clip]),
        )
        promise = promised(self.envelope, BLOCK, on_disk, first)
        loudest = first.gather(1, promise.topk(min(MOST_WINDOWS, first.shape[1]), dim=1).indices)
        peak = mixed(samples, score, loudest, BLOCK).flatten(1).abs_().amax(dim=1, keepdim=True)
        return torch.where(peak > 0, peak, 1.0)

    def _burst_factor(
        self, score: Score, clips: tuple[torch.Tensor, torch.Tensor], burst_level: BurstLevel
    ) -> torch.Tensor | float:
        """What each burst's gain (batch, bursts), which multiplies its codes, is multiplied by; 0 for a silent clip."""
        clip = clips[1]
        music = 1.0
        match burst_level:
            case "raw":
                return music
            case "peak":
                level = self.peak[clip]
            case "piece":
                level = self._piece_peak(score.bursts, clip) * self.scale[clip]
            case "snr":
                level = self._rms(self.begin[clip], self.length[clip]) * self.scale[clip]
                music = self._music_rms(score, clips[0])[:, None]
        return torch.where(level > 0, music / level, 0.0).float()

    def _piece_peak(self, bursts: Bursts, clip: torch.Tensor) -> torch.Tensor:
        """The highest code (batch, bursts) of the blocks in which each burst is heard."""
        since = torch.arange(0, max(1, int(bursts.length.max())), BLOCK, device=clip.device)
        since = torch.minimum(since, (bursts.length[..., None] - 1).clamp(min=0))
        place = torch.remainder(bursts.offset[..., None] + since, bursts.clip_length[..., None])
        return self.block_peak[(self.begin[clip][..., None] + place) // BLOCK].amax(dim=2).float()

    @cached_property
    def energy(self) -> torch.Tensor:
        """The sum of the squared codes before each block: (blocks + 1,) float64."""
        return _energy(self.samples).to(self.begin.device)

    def _music_rms(self, score: Score, clip: torch.Tensor) -> torch.Tensor:
        """The RMS of the music (batch,) as if its voices, which are of different songs, had nothing in common."""
        voices = score.voices
        begin = voices.offset.clamp(min=0)
        end = torch.minimum(voices.offset + score.length[:, None] * voices.rate, voices.length)
        heard = (end - begin).clamp(min=0)
        rms = self._rms(self.begin[clip] + begin, heard) * voices.gain
        share = heard / voices.rate / score.length[:, None]
        return (rms.square() * share).sum(dim=1).sqrt()

    def _rms(self, begin: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
        """Of `length` codes from `begin` on; at both ends a block counts by its share."""
        energy = self._energy_before(begin + length) - self._energy_before(begin)
        return (energy / length.clamp(min=1)).clamp(min=0).sqrt()

    def _energy_before(self, sample: torch.Tensor) -> torch.Tensor:
        block = sample.double() / BLOCK
        whole = block.long().clamp(max=len(self.energy) - 2)
        return torch.lerp(self.energy[whole], self.energy[whole + 1], block - whole)


def _with_gains(score: Score, of_voices: torch.Tensor | float, of_bursts: torch.Tensor | float) -> Score:
    """The score with its gains multiplied."""
    return score._replace(
        voices=score.voices._replace(gain=score.voices.gain * of_voices),
        bursts=score.bursts._replace(gain=score.bursts.gain * of_bursts),
    )


def _block_peaks(samples: torch.Tensor) -> torch.Tensor:
    return torch.cat([portion.abs().amax(dim=1) for portion in _blocks(samples)])


def _energy(samples: torch.Tensor) -> torch.Tensor:
    energy = torch.cat([portion.double().square().sum(dim=1) for portion in _blocks(samples)])
    return torch.cat([energy.new_zeros(1), energy.cumsum(0)])


def _blocks(samples: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """The samples in whole blocks, a portion at a time; what is left over at the end is silence."""
    return samples[: len(samples) // BLOCK * BLOCK].view(-1, BLOCK).split(1 << 16)
