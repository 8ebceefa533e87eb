"""Pitches, scales, chord progressions and rhythms, written the way a musician writes them."""

import re
from dataclasses import dataclass

import numpy as np

SCALES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "harmonic minor": (0, 2, 3, 5, 7, 8, 11),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "major pentatonic": (0, 2, 4, 7, 9),
    "minor pentatonic": (0, 3, 5, 7, 10),
    "blues": (0, 3, 5, 6, 7, 10),
    "bebop": (0, 2, 4, 5, 7, 9, 10, 11),
}
_DEGREES = {"i": 0, "ii": 2, "iii": 4, "iv": 5, "v": 7, "vi": 9, "vii": 11}
_QUALITIES = {
    "": (0, 4, 7),
    "m": (0, 3, 7),
    "5": (0, 7, 12),
    "6": (0, 4, 7, 9),
    "7": (0, 4, 7, 10),
    "9": (0, 4, 10, 14),
    "maj7": (0, 4, 7, 11),
    "sus4": (0, 5, 7),
    "m7": (0, 3, 7, 10),
    "m9": (0, 3, 10, 14),
    "dim": (0, 3, 6),
}
_NUMERAL = re.compile(r"([b#]?)([ivIV]+)(.*)")


@dataclass(frozen=True)
class Chord:
    """A chord by its root (semitones above the tonic) and its tones (semitones above the root)."""

    root: int
    tones: tuple[int, ...]


@dataclass(frozen=True)
class Step:
    """One struck step of a rhythm: where in the bar it falls, how long the grid's step is, how loud, and its mark."""

    beat: float
    length_beats: float
    level: float
    mark: str


def midi_to_hz(midi: float | np.ndarray) -> float | np.ndarray:
    """Frequency of a MIDI pitch, 69 being 440 Hz."""
    return 440.0 * 2.0 ** ((midi - 69.0) / 12.0)


def parse_chord(text: str) -> Chord:
    """A roman numeral such as `I`, `iim7`, `bVII` or `V7`; a lower-case numeral alone is a minor chord."""
    match = _NUMERAL.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is no roman numeral")
    accidental, numeral, quality = match.groups()
    if numeral.islower() and quality != "5" and not quality.startswith(("m", "dim")):
        quality = "m" + quality
    shift = {"b": -1, "#": 1, "": 0}[accidental]
    return Chord((_DEGREES[numeral.lower()] + shift) % 12, _QUALITIES[quality])


def parse_progression(text: str) -> tuple[tuple[Chord, ...], ...]:
    """Bars parted by spaces, the chords inside a bar by commas: `iim7 V7 Imaj7,VI7`."""
    return tuple(tuple(parse_chord(chord) for chord in bar.split(",")) for bar in text.split())


_LEVELS = {"X": 1.0, "x": 0.75, "o": 0.7, "-": 0.4, "~": 0.3}


def settle(pattern: str, rng: np.random.Generator) -> str:
    """A song's variant of a pattern: each `o` becomes a stroke or a rest once, for the whole song."""
    return "".join(("x" if rng.random() < 0.5 else ".") if mark == "o" else mark for mark in pattern)


def steps(pattern: str, beats: int, swing: float, rng: np.random.Generator) -> list[Step]:
    """The strokes of one bar.

    A pattern spans four beats and is cut for shorter bars. `X` accent, `x` stroke, `-` soft, `~` soft in half of the
    bars, anything else a rest. `swing` is where the beat's second half begins (0.5 straight, 0.667 a triplet).
    """
    per_beat = len(pattern) // 4
    strokes = []
    for number, mark in enumerate(pattern[: per_beat * beats]):
        heard = rng.random() < 0.5
        if mark in _LEVELS and (mark != "~" or heard):
            beat = number // per_beat + swung(number % per_beat / per_beat, per_beat, swing)
            strokes.append(Step(beat, 1 / per_beat, _LEVELS[mark], mark))
    return strokes


def swung(part: float, per_beat: int, swing: float) -> float:
    """Where a part of a beat falls with swing; grids of three are triplets already."""
    if per_beat % 2:
        return part
    return part * 2 * swing if part < 0.5 else swing + (part - 0.5) * 2 * (1 - swing)
