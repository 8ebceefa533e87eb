"""Mashups that tests mix from synthetic stems as a host mixes them, so that the truth is known."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import librosa
import numpy as np
import soxr

from banks import PARTS, RATE_HZ
from example_trees import noise_wave, write_text, write_wave
from messy_mashup.data.bank import Bank
from messy_mashup.data.bank_build import build

HOST_HZ = 22_050
NOISES = ("1-1-A-0", "1-2-A-0", "2-3-A-10", "2-4-A-10")
REGISTER_HZ = {"drums": (150, 6000), "vocals": (250, 3000), "bass": (60, 400), "other": (200, 4000)}
Stems = Callable[[str, int], np.ndarray]


@dataclass(frozen=True)
class Mixed:
    """What a voice of a mashup is made of: mashup(t) holds gain x stem(offset_s + rate x t)."""

    song: int
    part: str
    rate: float = 1.0
    gain: float = 1.0
    offset_s: float = 0.0


@cache
def stem(part: str, song: int, seconds: float = 5.0, slide: float = 0.0) -> np.ndarray:
    """Notes of three partials at random times; a drum's are noise.

    slide: the most that a note's pitch changes in a second, as a share. Music's does; waves of a pitch that never
    changes are alike wherever they are laid on each other.
    """
    seed = [song, PARTS.index(part)]
    generator, slides = np.random.default_rng(seed), np.random.default_rng([*seed, 1])
    wave = np.zeros(round(seconds * RATE_HZ))
    for begin in np.sort(generator.integers(0, len(wave) - 1000, round(4 * seconds))):
        size = min(len(wave) - begin, round(generator.uniform(0.1, 0.5) * RATE_HZ))
        time_s = np.arange(size) / RATE_HZ
        played_s = time_s + slide * slides.uniform(-1, 1) * time_s**2 / 2
        hertz = np.exp(generator.uniform(*np.log(REGISTER_HZ[part])))
        note = sum(np.sin(2 * np.pi * k * hertz * played_s + generator.uniform(0, 6)) / k for k in (1, 2, 3))
        if part == "drums":
            note = generator.normal(0, 1, size) * np.exp(-generator.uniform(5, 30) * time_s)
        wave[begin : begin + size] += note * np.exp(-4 * time_s) * generator.uniform(0.3, 1)
    return (0.3 * wave / np.abs(wave).max()).astype(np.float32)


def stretched(wave: np.ndarray, rate: float, vocoder_hz: int = HOST_HZ) -> np.ndarray:
    """A wave as librosa's vocoder stretches it at a sample rate, which tells how long its windows are in seconds."""
    if rate == 1:
        return wave
    heard = librosa.effects.time_stretch(soxr.resample(wave, RATE_HZ, vocoder_hz), rate=rate)
    return soxr.resample(heard, vocoder_hz, RATE_HZ)


def mixed(voices: Sequence[Mixed], seconds: float = 4.0, stems: Stems = stem, vocoder_hz: int = HOST_HZ) -> np.ndarray:
    """Voices of the stems of a part and a song as the host mixes them, with a second of noise, at peak 1."""
    mashup = np.zeros(round(seconds * RATE_HZ), np.float32)
    for voice in voices:
        wave = stems(voice.part, voice.song)[round(max(0, voice.offset_s) * RATE_HZ) :]
        late = round(max(0, -voice.offset_s) / voice.rate * RATE_HZ)
        heard = stretched(wave, voice.rate, vocoder_hz)[: len(mashup) - late]
        mashup[late : late + len(heard)] += voice.gain * heard
    noise = np.random.default_rng(0).normal(0, 0.03, RATE_HZ)[: len(mashup) - RATE_HZ]
    mashup[RATE_HZ : RATE_HZ + len(noise)] += noise.astype(np.float32)
    return mashup / np.abs(mashup).max()


def write_sung_corpus(root: Path, genres: Sequence[str], songs: int, stems: Stems) -> Bank:
    """The bank of a corpus of so many songs of each genre, numbered from 0 throughout, and four noise clips."""
    for number, genre in enumerate(np.repeat(list(genres), songs).tolist()):
        for part in PARTS:
            folder = root / f"data/genres_stems/{genre}/{genre}.{number:05d}"
            write_wave(folder / f"{part}.wav", stems(part, number), RATE_HZ)
    for seed, name in enumerate(NOISES):
        write_wave(root / f"data/ESC-50-master/audio/{name}.wav", noise_wave(seed, 1.0, RATE_HZ, 1), RATE_HZ)
    rows = [f"{name}.wav,{name[0]},{name.rsplit('-')[-1]},A" for name in NOISES]
    write_text(root / "data/ESC-50-master/meta/esc50.csv", ["filename,fold,target,take", *rows])
    return build("messy_mashup", root / "data", root / "bank", workers=1)
