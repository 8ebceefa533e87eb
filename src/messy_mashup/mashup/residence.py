"""Where the bank's samples are while mashups are played.

They are mapped from disk for a CPU, in the memory of a GPU, or, where they are too many for that, in the host's memory,
from where the clips of each batch are packed into pinned memory and copied over.
"""

from typing import NamedTuple, Protocol

import numpy as np
import torch

from messy_mashup.compiled import compiled
from messy_mashup.data.bank import GUARD, SAMPLES, Bank
from messy_mashup.mashup.arrangement import Arrangements
from messy_mashup.mashup.pool import ABSENT

DEVICE_SHARE = 0.6  # of a GPU's free memory that the bank may take: the rest is for the model


class Reading(NamedTuple):
    """What a batch is read from: int16 samples on the device, and where in them each clip of the bank begins."""

    samples: torch.Tensor
    begin: torch.Tensor  # (clips of the bank,) int64; meaningless for clips that the batch does not use


class Residence(Protocol):
    """A bank's samples as a player has them."""

    on_disk: torch.Tensor

    def reading(self, mashups: Arrangements) -> Reading:
        """What these mashups are read from."""


def residence(bank: Bank, device: torch.device) -> Residence:
    """The best that the device allows."""
    on_disk = torch.from_file(str(bank.root / SAMPLES), size=len(bank.samples), dtype=torch.int16)
    begin = torch.tensor(bank.index["offset"].to_numpy(np.int64))
    if device.type == "cuda" and on_disk.nbytes > DEVICE_SHARE * torch.cuda.mem_get_info(device)[0]:
        return Copied(on_disk, begin, torch.tensor(bank.index["length"].to_numpy(np.int64)), device)
    return Resident(on_disk, begin, device)


class Resident:
    """All of the bank on the device."""

    def __init__(self, on_disk: torch.Tensor, begin: torch.Tensor, device: torch.device) -> None:
        self.on_disk = on_disk
        self.whole = Reading(on_disk.to(device), begin.to(device))

    def reading(self, mashups: Arrangements) -> Reading:
        """The bank, whatever is played."""
        return self.whole


class Copied:
    """The bank in the host's memory; the clips of a batch are packed there and copied to the device at once."""

    def __init__(self, on_disk: torch.Tensor, begin: torch.Tensor, length: torch.Tensor, device: torch.device) -> None:
        self.on_disk, self.device, self.begin, self.length = on_disk, device, begin.numpy(), length.numpy()

    def reading(self, mashups: Arrangements) -> Reading:
        """The clips of these mashups, with a guard before the first and after each."""
        clips = np.unique(np.concatenate([mashups.voice_clip.ravel(), mashups.burst_clip.ravel()]))
        clips = clips[clips != ABSENT]
        ends = GUARD + np.cumsum(self.length[clips] + GUARD)
        packed = torch.zeros(int(ends[-1]), dtype=torch.int16, pin_memory=self.device.type == "cuda")
        begins = ends - GUARD - self.length[clips]
        _pack(packed.numpy(), self.on_disk.numpy(), begins, self.begin[clips], self.length[clips])
        begin = np.full(len(self.begin), GUARD)
        begin[clips] = begins
        return Reading(*(x.to(self.device, non_blocking=True) for x in (packed, torch.from_numpy(begin))))


@compiled
def _pack(packed, samples, to, begin, length):
    for clip in range(len(begin)):
        packed[to[clip] : to[clip] + length[clip]] = samples[begin[clip] : begin[clip] + length[clip]]
