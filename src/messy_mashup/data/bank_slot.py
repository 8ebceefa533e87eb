"""One clip: made from its source, quantised to int16, measured, and written into its place in the bank."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import BinaryIO

import numpy as np

from messy_mashup.data.bank_source import Source
from messy_mashup.errors import UserError

SAMPLE_BYTES = 2
FULL_SCALE = 32767
SILENT_PEAK = 1e-9  # -180 dB; a scale for anything softer would leave float32
ACTIVE_RMS = 1e-3  # -60 dB full scale
BLOCK_S = 0.05
PORTION_BLOCKS = 1024  # 51 s; measures of shorter clips are sums over the whole, to the last bit
SPOOLED_BYTES = 16 << 20
COPIED_BYTES = 1 << 20


@dataclass(frozen=True)
class Measures:
    """What is known of a clip once it is decoded; wave = int16 * scale, sha256 is that of the int16 bytes."""

    scale: float
    peak: float
    rms: float
    active: float
    sha256: str


MEASURES = tuple(field.name for field in fields(Measures))


@dataclass(frozen=True)
class Earlier:
    """Where an earlier bank, or the earlier part of this one, may hold the clip already."""

    samples: Path
    offset: int
    measures: Measures


@dataclass(frozen=True)
class Slot:
    """A clip's source and its place: `length` samples from `offset` in the file `samples`."""

    clip: str
    source: Source
    samples: Path
    offset: int
    length: int
    sample_rate_hz: int
    earlier: Earlier | None = None


def fill(slot: Slot) -> Measures:
    """Write the clip into its slot, from an earlier copy whose hash still holds, else from its source.

    The wave is decoded once and gone through twice, since its scale is known only at its end. Between the two it lies
    in memory or, where it is long, in a file without a name beside the bank's, so that memory does not grow with it.
    """
    # write(), not a memory map: a full disk is then an error in Python, and no pages count as memory.
    with slot.samples.open("r+b") as place:
        place.seek(slot.offset * SAMPLE_BYTES)
        if _earlier_holds(slot):
            for codes in _earlier_codes(slot):
                place.write(codes)
            return slot.earlier.measures
        with SpooledTemporaryFile(SPOOLED_BYTES, dir=slot.samples.parent) as spool:
            peak = _spooled(slot, spool)
            spool.seek(0)
            return _quantised_into(place, spool, peak, slot)


def quantised(wave: np.ndarray, scale: np.float32) -> np.ndarray:
    """The wave as little-endian int16 that times the scale gives it back, to half a step and never clipped."""
    # The scale is rounded to float32, so the peak may come out a hair above full scale before it is rounded.
    codes = np.rint(wave.astype(np.float64) / scale).clip(-FULL_SCALE, FULL_SCALE)
    return codes.astype("<i2")


def block_samples(sample_rate_hz: int) -> int:
    """Samples of a block of 50 ms."""
    return round(BLOCK_S * sample_rate_hz)


def active_share(power: np.ndarray, sample_rate_hz: int) -> float:
    """The share of 50 ms blocks whose RMS is above -60 dB full scale; a shorter last block counts as one."""
    return float(active_blocks(power, sample_rate_hz)[0].mean())


def active_blocks(power: np.ndarray, sample_rate_hz: int) -> tuple[np.ndarray, np.ndarray]:
    """Which blocks those are, and how many samples each block has: both (blocks,)."""
    starts = np.arange(0, len(power), block_samples(sample_rate_hz))
    samples = np.diff(np.append(starts, len(power)))
    return np.add.reduceat(power, starts) / samples > ACTIVE_RMS**2, samples


def _spooled(slot: Slot, spool: BinaryIO) -> float:
    """Write the clip's wave into `spool` as float32; gives its peak."""
    samples, peak = 0, 0.0
    for block in slot.source.blocks(slot.sample_rate_hz):
        samples += len(block)
        peak = max(peak, float(np.abs(block).max(initial=0.0)))
        spool.write(block.astype(np.float32, copy=False).tobytes())
    if samples != slot.length:
        raise UserError(f"{slot.clip}: {samples} samples were made of it, not {slot.length}: run the command again")
    return peak


def _quantised_into(place: BinaryIO, spool: BinaryIO, peak: float, slot: Slot) -> Measures:
    """Write the wave that `spool` holds to `place` as int16, portion by portion, and measure it on the way."""
    scale = np.float32(peak / FULL_SCALE if peak >= SILENT_PEAK else 1 / FULL_SCALE)
    sha256, energy, active, blocks = hashlib.sha256(), 0.0, 0, 0
    portion_samples = PORTION_BLOCKS * block_samples(slot.sample_rate_hz)
    while portion := spool.read(portion_samples * np.dtype(np.float32).itemsize):
        wave = np.frombuffer(portion, np.float32)
        codes = quantised(wave, scale).tobytes()
        place.write(codes)
        sha256.update(codes)
        power = np.square(wave, dtype=np.float64)
        energy += float(power.sum())
        loud, _ = active_blocks(power, slot.sample_rate_hz)
        active, blocks = active + int(loud.sum()), blocks + len(loud)
    return Measures(float(scale), peak, float(np.sqrt(energy / slot.length)), active / blocks, sha256.hexdigest())


def _earlier_holds(slot: Slot) -> bool:
    """Whether there is an earlier copy whose bytes are what they were."""
    if slot.earlier is None or not slot.earlier.samples.is_file():
        return False
    sha256 = hashlib.sha256()
    for codes in _earlier_codes(slot):
        sha256.update(codes)
    return sha256.hexdigest() == slot.earlier.measures.sha256


def _earlier_codes(slot: Slot) -> Iterator[bytes]:
    """The bytes of the earlier copy, portion by portion; fewer than the clip has where the file is too short."""
    left = slot.length * SAMPLE_BYTES
    with slot.earlier.samples.open("rb") as file:
        file.seek(slot.earlier.offset * SAMPLE_BYTES)
        while codes := file.read(min(left, COPIED_BYTES)):
            left -= len(codes)
            yield codes
