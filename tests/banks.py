"""Banks of waves that the tests make themselves, without a corpus on disk."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd

from messy_mashup.data.bank import GUARD, SAMPLES, Bank

RATE_HZ = 16_000
PARTS = ("drums", "vocals", "bass", "other")
TEMPO_COLUMNS = ("tempo_bpm", "beat_s", "bar_s", "tempo_confidence", "bar_confidence")


def bank_of(folder: Path, clips: dict[str, np.ndarray]) -> Bank:
    """A bank of waves at 16 kHz by clip name: "rock.00001/drums" is a stem, "rock.00001/drums@0.9" its stretched
    variant, "1-2-A-3" a noise clip, "synthetic-pink-00" a synthetic one. No tempo is known.
    """
    silence = np.zeros(GUARD, np.int16)
    samples, rows, offset = [silence], [], GUARD
    for name, wave in clips.items():
        peak = float(np.abs(wave).max())
        scale = (peak or 1.0) / 32767
        samples += [np.round(wave / scale).astype(np.int16), silence]
        rms = float(np.sqrt(np.mean(np.square(wave, dtype=np.float64))))
        measures = {"length": len(wave), "offset": offset, "scale": scale, "peak": peak, "rms": rms}
        rows.append({"clip": name, **_described(name), **measures, **dict.fromkeys(TEMPO_COLUMNS, 0.0)})
        offset += len(wave) + GUARD
    array = np.concatenate(samples).astype("<i2")
    folder.mkdir(parents=True, exist_ok=True)
    array.tofile(folder / SAMPLES)
    digest = hashlib.sha256(array.tobytes()).hexdigest()
    return Bank(folder, RATE_HZ, pd.DataFrame(rows), array, "messy_mashup", "", digest, "", (), frozenset())


def _described(name: str) -> dict[str, object]:
    """What the index says of a clip of that name."""
    song, _, part = name.partition("/")
    part, _, rate = part.partition("@")
    if name.startswith("synthetic-"):
        fields = ("synthetic", name, name.split("-")[1], "noise")
    elif part:
        fields = ("stretched" if rate else "stem", song, song.split(".")[0], part)
    else:
        fields = ("noise", song.split("-")[1], song.split("-")[-1], "noise")
    described = dict(zip(("kind", "group", "label", "part"), fields, strict=True))
    return {**described, "artist": "", "split": "", "rate": float(rate or 1)}


def songs(genres: tuple[str, ...], count: int, seconds: float, seed: int = 0) -> dict[str, np.ndarray]:
    """Stems of noise, each at a level of its own."""
    generator = np.random.default_rng(seed)
    names = [f"{genre}.{number:05d}/{part}" for genre in genres for number in range(count) for part in PARTS]
    size = round(seconds * RATE_HZ)
    return {name: generator.normal(0, generator.uniform(0.02, 0.2), size).astype(np.float32) for name in names}
