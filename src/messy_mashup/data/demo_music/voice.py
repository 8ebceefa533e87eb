"""A sung line: a glottal source with glide and vibrato through the formants of vowels, with consonants and breaths."""

from dataclasses import dataclass

import numpy as np
import scipy.signal

from messy_mashup.data.demo_music.arrange import Grid, MelodyWalk
from messy_mashup.data.demo_music.genres import Singing
from messy_mashup.data.demo_music.instruments import POOL, RATE_HZ, TABLE
from messy_mashup.data.demo_music.theory import SCALES, midi_to_hz, settle

# Formants of a, e, i, o, u of an adult man (Peterson and Barney 1952, rounded) and usual bandwidths, in Hz.
VOWELS_HZ = ((730, 1090, 2440), (530, 1840, 2480), (270, 2290, 3010), (570, 840, 2410), (300, 870, 2240))
BANDWIDTHS_HZ = (80, 90, 120, 180, 220)
CONSONANTS = (None, "s", "t", "h", "n")


@dataclass(frozen=True)
class Syllable:
    """One sung syllable; `noise` is where in the song's noise its breath is read."""

    onset_beat: float
    length_beats: float
    midi: float
    level: float
    vowel: int
    consonant: str | None
    noise: int
    slide: float


@dataclass(frozen=True)
class Singer:
    """Who sings, how: the size of the throat and this singer's version of the genre's manner."""

    manner: Singing
    throat: float  # factor on all formants: about 1 for men, 1.17 for women
    source_slope: float
    vibrato_hz: float


def draw_singer(manner: Singing, rng: np.random.Generator) -> tuple[Singer, int]:
    """A singer and the middle of the range (MIDI)."""
    woman = rng.random() < 0.5
    throat = (1.16 if woman else 1.0) * float(np.exp(rng.normal(0, 0.03)))
    register = (64 if woman else 55) + manner.high + int(rng.integers(-2, 3))
    return Singer(manner, throat, float(rng.uniform(0.85, 1.25)), float(rng.uniform(4.8, 6.4))), round(register)


def sung_line(
    singer: Singer, register: int, scale: str, grid: Grid, tonic: int, rng: np.random.Generator
) -> list[Syllable]:
    """A song's vocal line: motifs that come back, phrases that end in a rest."""
    manner = singer.manner
    motifs = [settle(str(rhythm), rng) for rhythm in rng.choice(manner.rhythms, 3)]
    walk = MelodyWalk(SCALES[scale], tonic, register, manner.leap)
    line = []
    for bar in range(len(grid.bars)):
        silent, motif = rng.random() < manner.rest, motifs[int(rng.integers(len(motifs)))]
        for onset, room_beats, step in grid.strokes(bar, motif, rng):
            pitch = walk.step(grid.chord(bar, step.beat), step.beat % 1 == 0, rng)
            pitch = pitch + manner.spoken * float(rng.normal(0, 2.0))
            chance = rng.random(3)
            vowel, consonant = int(rng.integers(5)), CONSONANTS[int(rng.integers(len(CONSONANTS)))]
            slide = -float(rng.uniform(1, 3)) if chance[0] < manner.bend else 0.0
            length = min(room_beats, 3.0) * manner.gate
            level, noise = (0.7 + 0.3 * chance[1]) * (0.8 + 0.2 * step.level), int(rng.integers(POOL))
            if not silent:
                late = 0.04 * chance[2]
                line.append(Syllable(onset + late, length - late, pitch, level, vowel, consonant, noise, slide))
    return line


def sing(line: list[Syllable], singer: Singer, beat_s: float, samples: int, noise_pool: np.ndarray) -> np.ndarray:
    """The whole line, (samples,) float32 at RATE_HZ."""
    starts = np.array([round(s.onset_beat * beat_s * RATE_HZ) for s in line], int)
    line = [syllable for syllable, start in zip(line, starts, strict=True) if start < samples]
    starts = starts[starts < samples]
    if not line:
        return np.zeros(samples, np.float32)
    owner = np.maximum(np.searchsorted(starts, np.arange(samples), side="right") - 1, 0)
    since = np.arange(samples) - starts[owner]
    since_s = (since / RATE_HZ).astype(np.float32)
    loudness = _loudness(line, starts, beat_s, samples)
    source = _source(line, owner, since_s, singer, beat_s)
    places = (since + np.array([syllable.noise for syllable in line])[owner]) % POOL
    source = (source + _roughness(source, places, singer, noise_pool)) * loudness
    source += singer.manner.breath * _read_noise(line, starts, samples, noise_pool) * loudness
    wave = _through_vowels(source, np.array([s.vowel for s in line]), owner, singer)
    if singer.manner.rough:
        wave = np.tanh(wave * (1 + 4 * singer.manner.rough)) / (1 + singer.manner.rough)
    return (wave + _consonants(line, starts, samples, noise_pool)).astype(np.float32)


def _loudness(line: list[Syllable], starts: np.ndarray, beat_s: float, samples: int) -> np.ndarray:
    loudness = np.zeros(samples, np.float32)
    for syllable, start in zip(line, starts, strict=True):
        length_s = max(syllable.length_beats * beat_s, 0.08)
        time_s = np.arange(round(length_s * RATE_HZ), dtype=np.float32) / RATE_HZ
        swell = np.minimum(time_s / 0.03, 1) * np.clip((length_s - time_s) / 0.06, 0, 1)
        part = loudness[start : start + len(swell)]
        np.maximum(part, (syllable.level * swell)[: len(part)], out=part)
    return loudness


def _pitch_hz(
    line: list[Syllable], owner: np.ndarray, since_s: np.ndarray, singer: Singer, beat_s: float
) -> np.ndarray:
    manner = singer.manner
    midi = np.array([s.midi for s in line], np.float32)[owner]
    keep = np.exp(-1 / (manner.glide_s * RATE_HZ))
    midi = scipy.signal.lfilter([1 - keep], [1, -keep], midi - midi[0]) + midi[0]
    slide = np.array([s.slide for s in line], np.float32)[owner]
    midi += slide * np.exp(-np.maximum(since_s, 0) / 0.07)
    if manner.spoken:
        lengths_s = np.array([s.length_beats * beat_s for s in line], np.float32)[owner]
        midi -= 5.0 * manner.spoken * np.clip(since_s / lengths_s, 0, 1)
    late = np.clip((since_s - 0.15) / 0.35, 0, 1) * manner.vibrato_cents / 100
    return midi_to_hz(midi + late * np.sin(2 * np.pi * singer.vibrato_hz * since_s))


def _source(line: list[Syllable], owner: np.ndarray, since_s: np.ndarray, singer: Singer, beat_s: float) -> np.ndarray:
    """A pulse train at the line's pitch, from one table for each octave so that nothing folds back."""
    hz = _pitch_hz(line, owner, since_s, singer, beat_s)
    octave = np.clip(np.log2(hz / 55).astype(np.int32), 0, 4)
    tables = np.zeros((5, TABLE // 2 + 1))
    for number in range(5):
        k = np.arange(1, int(0.45 * RATE_HZ / (110 * 2**number)))
        tables[number, k] = k**-singer.source_slope
    tables = np.fft.irfft(tables, TABLE, axis=1)
    tables = (tables / np.sqrt(np.mean(tables**2, axis=1, keepdims=True))).astype(np.float32)
    phase = np.cumsum(hz / RATE_HZ)
    return tables[octave, (phase * TABLE).astype(np.int64) & (TABLE - 1)]


def _roughness(source: np.ndarray, places: np.ndarray, singer: Singer, noise_pool: np.ndarray) -> np.ndarray:
    """Growl: the source flutters with low noise, read at each syllable's own places."""
    if not singer.manner.rough:
        return np.zeros_like(source)
    flutter = scipy.signal.sosfilt(scipy.signal.butter(1, 90, fs=RATE_HZ, output="sos"), noise_pool[:POOL])
    flutter = (flutter / flutter.std()).astype(np.float32)
    return singer.manner.rough * (source * flutter[places] + 0.4 * noise_pool[places])


def _read_noise(line: list[Syllable], starts: np.ndarray, samples: int, noise_pool: np.ndarray) -> np.ndarray:
    """Each syllable's own noise until the next one begins."""
    noise = np.zeros(samples, np.float32)
    for syllable, start, end in zip(line, starts, [*starts[1:], samples], strict=True):
        fresh = noise_pool[syllable.noise : syllable.noise + max(end - start, 0)]
        noise[start : start + len(fresh)] = fresh
    return noise


def _through_vowels(source: np.ndarray, vowels: np.ndarray, owner: np.ndarray, singer: Singer) -> np.ndarray:
    wave = np.zeros(len(source), np.float32)
    keep = np.exp(-1 / (0.02 * RATE_HZ))
    for vowel in np.unique(vowels):
        mouth = (vowels == vowel).astype(np.float32)[owner]
        mouth = scipy.signal.lfilter([1 - keep], [1, -keep], mouth).astype(np.float32)
        poles, gain = vowel_filter(int(vowel), singer.throat, singer.manner.ring)
        wave += mouth * scipy.signal.lfilter([gain], poles, source).astype(np.float32)
    return wave


def vowel_filter(vowel: int, throat: float, ring: float) -> tuple[np.ndarray, float]:
    """The all-pole filter of a vowel and the gain that gives it a mean power response of about one below 4 kHz."""
    formants_hz = np.array([*VOWELS_HZ[vowel], 3500 - 600 * ring, 4500 - 1200 * ring]) * throat
    poles = np.ones(1)
    for hz, width_hz in zip(formants_hz, BANDWIDTHS_HZ, strict=True):
        radius = np.exp(-np.pi * width_hz / RATE_HZ)
        poles = np.convolve(poles, [1, -2 * radius * np.cos(2 * np.pi * hz / RATE_HZ), radius**2])
    response = scipy.signal.freqz([1.0], poles, worN=np.arange(100, 4000, 25), fs=RATE_HZ)[1]
    return poles, float(0.3 / np.sqrt(np.mean(np.abs(response) ** 2)))


def _consonants(line: list[Syllable], starts: np.ndarray, samples: int, noise_pool: np.ndarray) -> np.ndarray:
    """Short noises before the vowels: a long high s, a short t, a soft h; phrases begin with a breath."""
    kinds = {"s": ((4500, 10000), 0.09, 0.10), "t": ((2000, 8000), 0.02, 0.18), "h": ((700, 4000), 0.07, 0.05)}
    wave = np.zeros(samples, np.float32)
    bands = {}
    for name, (band_hz, _, _) in kinds.items():
        sections = scipy.signal.butter(2, band_hz, "bandpass", fs=RATE_HZ, output="sos")
        noise = np.tile(scipy.signal.sosfilt(sections, noise_pool[:POOL]), 2)
        bands[name] = (noise / noise.std()).astype(np.float32)
    previous = -RATE_HZ
    for syllable, start in zip(line, starts, strict=True):
        opening = start - previous > 0.9 * RATE_HZ
        sounds = [(syllable.consonant, 1.0, 0.0)] if syllable.consonant in kinds else []
        for name, level, early_s in sounds + ([("h", 1.2, 0.25)] if opening else []):
            _, length_s, loud = kinds[name]
            length_s += 0.15 * (early_s > 0)
            shape = np.sin(np.linspace(0, np.pi, round(length_s * RATE_HZ))) ** 2 * loud * level * syllable.level
            begin = start - round((early_s + 0.7 * length_s) * RATE_HZ)
            if begin >= 0:
                part = wave[begin : begin + len(shape)]
                part += (shape * bands[name][syllable.noise : syllable.noise + len(shape)])[: len(part)]
        previous = start
    return wave
