"""One clip: made from its source, quantised to int16, measured, and written into its place in the bank."""

import hashlib
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from messy_mashup.data.bank_source import Source
from messy_mashup.errors import UserError

SAMPLE_BYTES = 2
FULL_SCALE = 32767
SILENT_PEAK = 1e-9  # -180 dB; a scale for anything softer would leave float32
ACTIVE_RMS = 1e-3  # -60 dB full scale
BLOCK_S = 0.05


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
    """Write the clip into its slot, from an earlier copy whose hash still holds, else from its source."""
    with slot.samples.open("r+b") as file:
        codes = _earlier_codes(slot)
        if codes is not None:
            measures = slot.earlier.measures
        else:
            wave = _source_wave(slot)
            codes, scale = quantised(wave)
            measures = measured(wave, codes, scale, slot.sample_rate_hz)
        # write(), not a memory map: a full disk is then an error in Python, and no pages count as memory.
        file.seek(slot.offset * SAMPLE_BYTES)
        file.write(codes.tobytes())
    return measures


def quantised(wave: np.ndarray) -> tuple[np.ndarray, np.float32]:
    """The wave as little-endian int16 and the scale that gives it back, to half a step and never clipped."""
    peak = float(np.abs(wave).max(initial=0.0))
    scale = np.float32(peak / FULL_SCALE if peak >= SILENT_PEAK else 1 / FULL_SCALE)
    # The scale is rounded to float32, so the peak may come out a hair above full scale before it is rounded.
    codes = np.rint(wave.astype(np.float64) / scale).clip(-FULL_SCALE, FULL_SCALE)
    return codes.astype("<i2"), scale


def measured(wave: np.ndarray, codes: np.ndarray, scale: np.float32, sample_rate_hz: int) -> Measures:
    """Peak and RMS of the wave, its active share, and the hash of its codes."""
    power = np.square(wave, dtype=np.float64)
    return Measures(
        scale=float(scale),
        peak=float(np.abs(wave).max()),
        rms=float(np.sqrt(power.mean())),
        active=active_share(power, sample_rate_hz),
        sha256=hashlib.sha256(codes.tobytes()).hexdigest(),
    )


def active_share(power: np.ndarray, sample_rate_hz: int) -> float:
    """The share of 50 ms blocks whose RMS is above -60 dB full scale; a shorter last block counts as one."""
    return float(active_blocks(power, sample_rate_hz)[0].mean())


def active_blocks(power: np.ndarray, sample_rate_hz: int) -> tuple[np.ndarray, np.ndarray]:
    """Which blocks those are, and how many samples each block has: both (blocks,)."""
    starts = np.arange(0, len(power), round(BLOCK_S * sample_rate_hz))
    samples = np.diff(np.append(starts, len(power)))
    return np.add.reduceat(power, starts) / samples > ACTIVE_RMS**2, samples


def _earlier_codes(slot: Slot) -> np.ndarray | None:
    """The clip's codes from an earlier copy, or None where there is none or its bytes are not what they were."""
    if slot.earlier is None or not slot.earlier.samples.is_file():
        return None
    codes = np.fromfile(slot.earlier.samples, "<i2", slot.length, offset=slot.earlier.offset * SAMPLE_BYTES)
    return codes if hashlib.sha256(codes.tobytes()).hexdigest() == slot.earlier.measures.sha256 else None


def _source_wave(slot: Slot) -> np.ndarray:
    wave = slot.source.wave(slot.sample_rate_hz)
    if len(wave) != slot.length:
        raise UserError(f"{slot.clip}: {len(wave)} samples were made of it, not {slot.length}: run the command again")
    return wave
