"""What a clip of a bank is made from: a file, a file played at another rate, or a generator of noise."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from messy_mashup.data import synthetic_noise
from messy_mashup.data.audio import mono_blocks
from messy_mashup.data.bank import SAMPLE_RATE_HZ, SEPARATED
from messy_mashup.data.separation import heard_wave
from messy_mashup.data.vocoder import vocoded
from messy_mashup.errors import UserError

SLOWEST, FASTEST = 0.5, 2.0


class Source(Protocol):
    """What a clip is made from; `path` is that of its file below the data set's folder, empty where there is none."""

    path: str

    def blocks(self, sample_rate_hz: int) -> Iterator[np.ndarray]:
        """The clip in blocks of any length: float32 (samples,); UserError, at the end at the latest, where it fails."""


@dataclass(frozen=True)
class FileSource:
    """A file (`path` below `root`) or its vocals, at its own tempo or stretched by librosa's phase vocoder."""

    root: Path
    path: str
    size: int
    mtime_ns: int
    rate: float
    separated: str = ""

    def blocks(self, sample_rate_hz: int) -> Iterator[np.ndarray]:
        """The file resampled, then stretched; UserError where it is broken or has changed since it was planned.

        At its own tempo it is never in memory as a whole; the vocoder, and what takes vocals out, need it so.
        """
        file = self.root / self.path
        if self.rate == 1 and not self.separated:
            yield from mono_blocks(file, sample_rate_hz)
            self._refuse_change(file)
        else:
            wave = heard_wave(file, sample_rate_hz, self.separated)
            self._refuse_change(file)
            yield wave if self.rate == 1 else vocoded(wave, self.rate, sample_rate_hz)

    def _refuse_change(self, file: Path) -> None:
        now = file.stat()
        if (now.st_size, now.st_mtime_ns) != (self.size, self.mtime_ns):
            raise UserError(f"{file}: changed while the bank was being built: run the command again")


@dataclass(frozen=True)
class SyntheticSource:
    """A clip of synthetic_noise."""

    name: str
    path: str = ""

    def blocks(self, sample_rate_hz: int) -> Iterator[np.ndarray]:
        """The clip of that name, as one block."""
        yield synthetic_noise.wave(self.name, sample_rate_hz)


def source_of(row: Mapping[str, Any], root: Path, separated: str = "") -> Source:
    """The source of a plan's row, whose files lie below `root`; `separated` names what takes vocals out of music."""
    if not row["path"]:
        return SyntheticSource(row["clip"])
    how = separated if row.get(SEPARATED) else ""
    return FileSource(root, **{key: row[key] for key in ("path", "size", "mtime_ns", "rate")}, separated=how)


def synthetic_clips() -> pd.DataFrame:
    """Rows of a plan, without offsets, for all synthetic noise; the generator's version stands for a date."""
    clips = pd.DataFrame({"clip": synthetic_noise.CLIPS, "path": "", "kind": "synthetic"})
    return clips.assign(
        group=clips["clip"],
        label=clips["clip"].map(synthetic_noise.kind_of),
        part="noise",
        length=synthetic_noise.SECONDS * SAMPLE_RATE_HZ,
        source_hz=synthetic_noise.SOURCE_HZ,
        size=0,
        mtime_ns=synthetic_noise.VERSION,
        rate=1.0,
    )


def stretched_clips(clips: pd.DataFrame, rates: Sequence[float]) -> list[pd.DataFrame]:
    """Rows of a plan, without offsets, for the variants of all stems among `clips`: a table a rate."""
    stems = clips[clips["kind"] == "stem"]
    return [
        stems.assign(
            clip=stems["clip"] + f"@{rate:g}",
            kind="stretched",
            # rounded as librosa rounds it, half to even
            length=[round(length / rate) for length in stems["length"]],
            rate=float(rate),
        )
        for rate in rates
    ]


def check_rates(rates: Sequence[float]) -> tuple[float, ...]:
    """The rates of stretched variants, ascending; UserError where they are out of range, 1, or not distinct."""
    unfit = [rate for rate in rates if not SLOWEST <= rate <= FASTEST or rate == 1]
    if unfit:
        told = ", ".join(f"{rate:g}" for rate in unfit)
        raise UserError(
            f"stems cannot be stretched at {told}: give rates from {SLOWEST:g} to {FASTEST:g}, other than 1, which is "
            "the stem itself"
        )
    if len({f"{rate:g}" for rate in rates}) < len(rates):
        told = ", ".join(f"{rate:g}" for rate in rates)
        raise UserError(f"stems cannot be stretched twice at one rate ({told}): give each rate once")
    return tuple(sorted(map(float, rates)))
