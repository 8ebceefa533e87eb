"""Mashups whose voices are known, for match.py: mixed as waveforms, apart from the training engine."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import soundfile

from messy_mashup.data.demo_music.genres import STEMS
from messy_mashup.data.demo_music.styles import GENRES

HOST_HZ, HEARD_HZ = 22_050, 16_000  # of the test's files, and of what is searched
LENGTH_S = 6.0
PACES = (0.9, 1.1)  # of voices that are stretched
GAINS = (0.4, 1.0)  # of voices, as the demo's host draws them
SILENT = 1e-3  # RMS, below which nothing can be found in a cut
STEMS_HELD = 400  # in memory, at HOST_HZ
TRIES = 100
LONG_S = 28.7
LONG_RATES = (1.0, 1.0, 0.93, 1.03)  # of a long mashup's voices: stems of 30 s last for them


@dataclass(frozen=True)
class Voice:
    """A cut of a stem. place: where it begins, as a share of where it could."""

    root: Path  # of the competition
    genre: str
    song: int
    part: str
    place: float
    rate: float = 1.0
    gain: float = 1.0

    @property
    def name(self) -> str:
        """The stem, as the bank calls its clip."""
        return f"{self.genre}.{self.song:05d}/{self.part}"

    def begin_s(self, length_s: float) -> float:
        """Where in its stem a cut for a mashup so long begins."""
        return self._begin(length_s) / HOST_HZ

    def wave(self, length_s: float) -> np.ndarray:
        """As the mashup holds it, (samples,) at HOST_HZ."""
        begin = self._begin(length_s)
        heard = _stem(self.root, self.genre, self.song, self.part)[begin : begin + _needed(length_s, self.rate)]
        return self.gain * _stretched(heard, self.rate)[: round(length_s * HOST_HZ)]

    def _begin(self, length_s: float) -> int:
        spare = len(_stem(self.root, self.genre, self.song, self.part)) - _needed(length_s, self.rate)
        if spare < 0:
            raise ValueError(f"{self.name} is too short for {length_s:g} s at rate {self.rate:g}")
        return round(self.place * spare)


@dataclass(frozen=True)
class Probe:
    """What a probe is made of: one voice that is in the bank, if any, and others that are not."""

    target: Voice | None
    pace: float  # of the target, where it is stretched by a rate that is drawn
    others: tuple[Voice, ...]


def draw_probe(number: int, known: Path, songs: int, unknown: Path) -> Probe:
    """Each part in turn, and each genre; targets are of the first songs of a genre, so that banks can be compared."""
    generator = np.random.default_rng([number, 1])
    part, genre = STEMS[number % len(STEMS)], list(GENRES)[(3 * number + number // len(STEMS)) % len(GENRES)]
    target = _heard(lambda: Voice(known, genre, int(generator.integers(songs)), part, generator.random()))
    pace = float(generator.uniform(*PACES))
    return Probe(target, pace, _unknown_voices(generator, genre, unknown, [name for name in STEMS if name != part]))


def draw_unknown(number: int, unknown: Path) -> Probe:
    """Four voices, none of which is in the bank."""
    generator = np.random.default_rng([number, 2])
    genre = list(GENRES)[number % len(GENRES)]
    return Probe(None, 1.0, _unknown_voices(generator, genre, unknown, list(STEMS)))


def _unknown_voices(generator: np.random.Generator, genre: str, root: Path, parts: list[str]) -> tuple[Voice, ...]:
    """Of as many songs, half of them stretched."""
    count = len(list((root / "genres_stems" / genre).iterdir()))
    songs = generator.permutation(count)[: len(parts)].tolist()
    rates = np.where(generator.random(len(parts)) < 0.5, generator.uniform(*PACES, len(parts)), 1.0).tolist()
    gains = generator.uniform(*GAINS, len(parts)).tolist()
    return tuple(
        Voice(root, genre, song, part, float(generator.random()), rate, gain)
        for song, part, rate, gain in zip(songs, parts, rates, gains, strict=True)
    )


def _heard(draw: Callable[[], Voice]) -> Voice:
    """A voice whose cut and whose stem's beginning are not silent."""
    for _ in range(TRIES):
        voice = draw()
        begins = (voice.place, 0.0)
        cuts = [Voice(voice.root, voice.genre, voice.song, voice.part, place).wave(LENGTH_S) for place in begins]
        if min(_rms(cut) for cut in cuts) >= SILENT:
            return voice
    raise ValueError(f"{TRIES} cuts in turn are silent: of {voice.name} last")


def long_mashups(root: Path, count: int, latest: float) -> list[np.ndarray]:
    """Mashups of the first songs of four genres, two of the voices stretched: (samples,) each, as they are heard.

    latest: where voices begin at the latest, as a share of where they could.
    """
    generator = np.random.default_rng(3)
    waves = []
    for _ in range(count):
        genres = generator.permutation(list(GENRES))[: len(STEMS)].tolist()
        rates = generator.permutation(LONG_RATES).tolist()
        places = (latest * generator.random(len(STEMS))).tolist()
        rows = zip(genres, STEMS, places, rates, strict=True)
        voices = tuple(Voice(root, genre, 0, part, place, rate) for genre, part, place, rate in rows)
        waves.append(as_heard(mixed(voices, LONG_S)))
    return waves


def mixed(voices: tuple[Voice, ...], length_s: float = LENGTH_S) -> np.ndarray:
    """The sum of voices, (samples,) at HOST_HZ."""
    return np.sum([voice.wave(length_s) for voice in voices], axis=0)


def at_snr(target: np.ndarray, others: np.ndarray, snr_db: float) -> np.ndarray:
    """A mixture of waves in which one is so loud against the other, by RMS."""
    return target * (_rms(others) / _rms(target) * 10 ** (snr_db / 20)) + others


def as_heard(wave: np.ndarray) -> np.ndarray:
    """Through a file of 16 bits at HOST_HZ: (samples,) float32 at HEARD_HZ."""
    import soxr

    written = np.round(wave / np.abs(wave).max() * 32767).astype(np.int16)
    return soxr.resample(written / np.float32(32768), HOST_HZ, HEARD_HZ, quality="HQ")


def _rms(wave: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(wave, dtype=np.float64))))


def _needed(length_s: float, rate: float) -> int:
    """Samples of a stem for a mashup so long."""
    return int(np.ceil(length_s * rate * HOST_HZ))


def _stretched(wave: np.ndarray, rate: float) -> np.ndarray:
    if rate == 1:
        return wave
    import librosa

    return librosa.effects.time_stretch(wave, rate=rate)


@lru_cache(maxsize=STEMS_HELD)
def _stem(root: Path, genre: str, song: int, part: str) -> np.ndarray:
    """Mono, (samples,) float32 at HOST_HZ."""
    import soxr

    path = root / "genres_stems" / genre / f"{genre}.{song:05d}" / f"{part}.wav"
    stereo, rate_hz = soundfile.read(path, dtype="float32")
    return soxr.resample(stereo.mean(axis=1), rate_hz, HOST_HZ, quality="HQ")
