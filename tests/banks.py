"""Banks of waves that the tests make themselves, without a corpus on disk."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd

from messy_mashup.data.bank import GUARD, SAMPLES, Bank

RATE_HZ = 16_000
PARTS = ("drums", "vocals", "bass", "other")


def bank_of(folder: Path, clips: dict[str, np.ndarray]) -> Bank:
    """A bank of waves at 16 kHz by clip name: "rock.00001/drums" is a stem, "1-2-A-3" a noise clip."""
    silence = np.zeros(GUARD, np.int16)
    samples, rows, offset = [silence], [], GUARD
    for name, wave in clips.items():
        peak = float(np.abs(wave).max())
        scale = (peak or 1.0) / 32767
        samples += [np.round(wave / scale).astype(np.int16), silence]
        song, _, part = name.partition("/")
        label = song.split(".")[0] if part else song.split("-")[-1]
        group = song if part else song.split("-")[1]
        rows.append([name, "stem" if part else "noise", group, label, part or "noise", len(wave), offset, scale, peak])
        offset += len(wave) + GUARD
    columns = ["clip", "kind", "group", "label", "part", "length", "offset", "scale", "peak"]
    index = pd.DataFrame(rows, columns=columns)
    array = np.concatenate(samples).astype("<i2")
    folder.mkdir(parents=True, exist_ok=True)
    array.tofile(folder / SAMPLES)
    digest = hashlib.sha256(array.tobytes()).hexdigest()
    return Bank(folder, RATE_HZ, index, array, "messy_mashup", "", digest, "", (), frozenset())


def songs(genres: tuple[str, ...], count: int, seconds: float, seed: int = 0) -> dict[str, np.ndarray]:
    """Stems of noise, each at a level of its own."""
    generator = np.random.default_rng(seed)
    names = [f"{genre}.{number:05d}/{part}" for genre in genres for number in range(count) for part in PARTS]
    size = round(seconds * RATE_HZ)
    return {name: generator.normal(0, generator.uniform(0.02, 0.2), size).astype(np.float32) for name in names}
