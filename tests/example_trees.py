"""Small corpora in the layout of the real ones, written by the tests."""

from pathlib import Path

import numpy as np
import soundfile

PARTS = ("bass", "drums", "other", "vocals")
NOISES = ("1-100032-A-0", "1-100032-B-0", "2-5555-A-10")


def noise_wave(seed: int, seconds: float, sample_rate_hz: int = 44_100, channels: int = 2) -> np.ndarray:
    """Low-passed noise at a level of its own, (samples, channels), never beyond full scale."""
    generator = np.random.default_rng(seed)
    steps = generator.standard_normal((round(seconds * sample_rate_hz), channels))
    wave = np.cumsum(steps, axis=0) % 2 - 1
    return (wave * generator.uniform(0.05, 0.9)).astype(np.float32)


def write_messy_mashup(root: Path, genres: tuple[str, ...] = ("blues", "rock"), songs: int = 2, seconds: float = 0.4):
    """A whole messy_mashup corpus: songs as stems, three noise clips of two sources, two mashups and their tables."""
    seed = 0
    for genre in genres:
        for number in range(songs):
            for part in PARTS:
                seed += 1
                write_wave(root / f"genres_stems/{genre}/{genre}.{number:05d}/{part}.wav", noise_wave(seed, seconds))
    for name in NOISES:
        seed += 1
        write_wave(root / f"ESC-50-master/audio/{name}.wav", noise_wave(seed, seconds / 2, channels=1))
    rows = [f"{name}.wav,{name[0]},{name.rsplit('-')[-1]},{name.rsplit('-')[-2]}" for name in NOISES]
    write_text(root / "ESC-50-master/meta/esc50.csv", ["filename,fold,target,take", *rows])
    for number in (1, 2):
        write_wave(root / f"mashups/song{number:04d}.wav", noise_wave(900 + number, seconds, 22_050, 1), 22_050)
    write_text(root / "test.csv", ["id,filename", "0001,mashups/song0001.wav", "0002,mashups/song0002.wav"])
    write_text(root / "sample_submission.csv", ["id,genre", f"0001,{genres[0]}", f"0002,{genres[0]}"])


def write_wave(path: Path, wave: np.ndarray, sample_rate_hz: int = 44_100) -> None:
    """A 16-bit file, its folder included."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, wave, sample_rate_hz, subtype="PCM_16")


def write_text(path: Path, lines: list[str]) -> None:
    """A text file, its folder included."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
