"""The host's side: test mashups mixed as waveforms with librosa's stretch, apart from the training engine."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from messy_mashup.compiled import load_librosa
from messy_mashup.data.demo_music.genres import STEMS
from messy_mashup.data.demo_music.song import compose, render

RATE_HZ = 44_100
MASHUP_HZ = 22_050
NEW_SONGS = 1_000_000  # songs of the test alone are numbered from here, so that they are nobody's training songs


@dataclass(frozen=True)
class Numbers:
    """What the host draws from, which nobody else is told; ranges are uniform. Calibration is tested on others."""

    stretched: float = 0.5  # share of the voices
    rate: tuple[float, float] = (0.9, 1.1)
    gain: tuple[float, float] = (0.4, 1.0)
    whole: float = 0.9  # share of the mashups that are as long as their shortest voice
    share: tuple[float, float] = (0.2, 1.0)  # how much of it the others keep
    noisy: float = 0.8  # share of the mashups
    bursts: tuple[int, int] = (1, 3)  # in a noisy one
    burst_gain: tuple[float, float] = (0.1, 0.8)  # of the music's peak, for a noise clip at peak 1


NUMBERS = Numbers()


@dataclass(frozen=True)
class Part:
    """One voice of a test mashup."""

    song: int
    rate: float
    gain: float


@dataclass(frozen=True)
class Burst:
    """A noise burst: which clip, where it starts as a share of the mashup, and how loud its peak is."""

    file: str
    position: float
    gain: float


@dataclass(frozen=True)
class MashupPlan:
    """All that a test mashup is made of. `share` is how much of the shortest voice it keeps."""

    id: str
    genre: str
    known: bool  # whether its songs are among the training songs
    parts: tuple[Part, ...]  # in the order of STEMS
    share: float
    bursts: tuple[Burst, ...]


def draw_plan(
    number: int,
    genre: str,
    known: bool,
    songs: range,
    noise_files: list[str],
    rng: np.random.Generator,
    numbers: Numbers = NUMBERS,
) -> MashupPlan:
    """Draw what a mashup is made of: four songs, and the rest as the host's numbers say."""
    chosen = rng.choice(len(songs), len(STEMS), replace=False)
    rates = np.where(rng.random(len(STEMS)) < numbers.stretched, rng.uniform(*numbers.rate, len(STEMS)), 1.0)
    gains = rng.uniform(*numbers.gain, len(STEMS))
    parts = tuple(
        Part(songs[int(song)], float(rate), float(gain)) for song, rate, gain in zip(chosen, rates, gains, strict=True)
    )
    share = 1.0 if rng.random() < numbers.whole else float(rng.uniform(*numbers.share))
    fewest, most = numbers.bursts
    bursts = int(rng.integers(fewest, most + 1)) if rng.random() < numbers.noisy else 0
    noises = tuple(
        Burst(str(rng.choice(noise_files)), float(rng.random()), float(rng.uniform(*numbers.burst_gain)))
        for _ in range(bursts)
    )
    return MashupPlan(f"{number:04d}", genre, known, parts, share, noises)


def mix_mashup(plan: MashupPlan, root: Path, seed: int, seconds: float) -> np.ndarray:
    """The mashup, (samples,) float32 at MASHUP_HZ, its peak 1."""
    # At the rate of the written clip from the start: librosa's stretch is half the work there.
    voices = [
        part.gain * _stretched(_load_stem(root, plan, part, stem, seed, seconds), part.rate)
        for part, stem in zip(plan.parts, STEMS, strict=True)
    ]
    samples = int(min(len(voice) for voice in voices) * plan.share)
    music = _to_peak_one(np.sum([voice[:samples] for voice in voices], axis=0))
    for burst in plan.bursts:
        noise, _ = soundfile.read(root / "ESC-50-master" / "audio" / burst.file, dtype="float32")
        start = int(burst.position * samples)
        heard = _resampled(_to_peak_one(noise))[: samples - start]
        music[start : start + len(heard)] += burst.gain * heard
    return _to_peak_one(music)


def _load_stem(root: Path, plan: MashupPlan, part: Part, stem: str, seed: int, seconds: float) -> np.ndarray:
    """One stem as mono at MASHUP_HZ: from disk, or freshly rendered for songs that only the test knows."""
    if part.song >= NEW_SONGS:
        stereo = render(compose(plan.genre, seed, part.song, seconds), stem) / np.float32(32768)
    else:
        song = f"{plan.genre}.{part.song:05d}"
        stereo, _ = soundfile.read(root / "genres_stems" / plan.genre / song / f"{stem}.wav", dtype="float32")
    return _resampled(stereo.mean(axis=1))


def _resampled(wave: np.ndarray) -> np.ndarray:
    import soxr

    return soxr.resample(wave, RATE_HZ, MASHUP_HZ, "HQ")


def _stretched(wave: np.ndarray, rate: float) -> np.ndarray:
    if rate == 1.0:
        return wave
    return load_librosa().effects.time_stretch(wave, rate=rate)


def _to_peak_one(wave: np.ndarray) -> np.ndarray:
    """Divided by its peak; digital silence stays as it is."""
    peak = float(np.abs(wave).max(initial=0.0))
    return wave / peak if peak else wave
