"""What makes a genre here: tempo, meter, swing, harmony, and how each of the four stems is played.

Rhythms are strings over four beats (see `theory.steps`): `X` accent, `x` stroke, `-` soft, `~` soft in half of the
bars, `o` there in half of the songs, anything else a rest.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

STEMS = ("drums", "vocals", "bass", "other")


@dataclass(frozen=True)
class Groove:
    """A drum pattern: the rhythm of each drum."""

    strokes: Mapping[str, str]
    kits: tuple[str, ...] = ("acoustic",)
    fills: float = 0.4  # chance that every fourth bar ends in a fill


@dataclass(frozen=True)
class BassLine:
    """A rhythm and the chord tones it runs through: 1 3 5 6 7 8, `^` a step below the next root, `g` glides in."""

    rhythm: str
    tones: str
    timbres: tuple[str, ...]
    gate: float = 0.9  # the share of the time to the next note that a note sounds


@dataclass(frozen=True)
class Comp:
    """Chords in a rhythm.

    Voicings: block, drone, strum (string after string), arpeggio, power (root, fifth, octave), shuffle (fifth, sixth).
    """

    rhythm: str
    timbres: tuple[str, ...]
    voicing: str = "block"
    gate: float = 0.9
    register: int = 60
    level: float = 0.5
    chance: float = 1.0  # that a song of the genre has this part


@dataclass(frozen=True)
class Tune:
    """A melody on an instrument, in phrases that end in a rest."""

    rhythms: tuple[str, ...]
    timbres: tuple[str, ...]
    register: int = 72
    gate: float = 0.9
    level: float = 0.6
    bend: float = 0.0  # chance that a note is slid into
    rest: float = 0.3  # chance that a bar is left to others
    chance: float = 0.6


@dataclass(frozen=True)
class Singing:
    """A voice: its rhythms and how the throat is used."""

    rhythms: tuple[str, ...]
    gate: float = 0.85
    vibrato_cents: float = 25.0
    glide_s: float = 0.04
    breath: float = 0.12
    rough: float = 0.0  # growl: noise and subharmonics
    spoken: float = 0.0  # 0 keeps to the scale; 1 falls through each syllable as speech does
    leap: float = 2.0  # typical step of the melody, in scale degrees
    bend: float = 0.2
    rest: float = 0.35
    ring: float = 0.0  # the singer's formant of opera
    high: float = 0.0  # shift of the range in semitones
    harmony: float = 0.15  # chance of a second voice a third above


@dataclass(frozen=True)
class Genre:
    """Everything that songs of a genre draw from."""

    name: str
    tempo_bpm: tuple[float, float]
    swing: tuple[float, float]
    scales: tuple[str, ...]  # of the tunes
    progressions: tuple[str, ...]
    grooves: tuple[Groove, ...]
    bass: tuple[BassLine, ...]
    comps: tuple[Comp, ...]
    tunes: tuple[Tune, ...]
    singing: tuple[Singing, ...]
    waltz: float = 0.0  # chance of three beats a bar
    rests: Mapping[str, float] = field(default_factory=dict)  # chance that a stem is silent for a section
    absent: Mapping[str, float] = field(default_factory=dict)  # chance that a stem is silent for the whole song
    room_s: tuple[float, float] = (0.2, 0.9)
