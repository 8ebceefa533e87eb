"""From a genre to the notes of one song's instruments, in beats: nothing here knows the tempo."""

import numpy as np

from messy_mashup.data.demo_music.drums import Hit
from messy_mashup.data.demo_music.genres import BassLine, Comp, Groove, Tune
from messy_mashup.data.demo_music.instruments import POOL, Note
from messy_mashup.data.demo_music.theory import SCALES, Chord, Step, settle, steps

Bars = tuple[tuple[Chord, ...], ...]


class Grid:
    """The song's bars: how many beats each has, how it swings, and which chord sounds at which beat."""

    def __init__(self, bars: Bars, beats: int, swing: float) -> None:
        self.bars, self.beats, self.swing = bars, beats, swing

    def chord(self, bar: int, beat: float) -> Chord:
        """The chord at a beat of a bar; the bar after the last is the first."""
        chords = self.bars[bar % len(self.bars)]
        return chords[min(int(beat / self.beats * len(chords)), len(chords) - 1)]

    def bar(self, onset_beat: float) -> int:
        """The bar that an onset belongs to; players may be a little early."""
        return int(min(max(onset_beat / self.beats, 0), len(self.bars) - 1))

    def strokes(self, bar: int, rhythm: str, rng: np.random.Generator) -> list[tuple[float, float, Step]]:
        """(beat in the song, beats until the next stroke or the bar's end, step) of one bar of a rhythm."""
        struck = steps(rhythm, self.beats, self.swing, rng)
        ends = [*[step.beat for step in struck][1:], float(self.beats)]
        return [(bar * self.beats + s.beat, end - s.beat, s) for s, end in zip(struck, ends, strict=False)]


def _jitter(rng: np.random.Generator) -> float:
    """How far a player is off the grid, in beats."""
    return float(np.clip(rng.normal(0.0, 0.008), -0.02, 0.02))


def drum_hits(groove: Groove, grid: Grid, rng: np.random.Generator) -> list[Hit]:
    """All strokes of a song's drums, with a fill at the end of some fourth bars."""
    patterns = {sound: settle(pattern, rng) for sound, pattern in groove.strokes.items()}
    hits = []
    for bar in range(len(grid.bars)):
        fill_from = grid.beats - int(rng.integers(1, 3)) if bar % 4 == 3 and rng.random() < groove.fills else grid.beats
        for sound, pattern in patterns.items():
            for onset, _, step in grid.strokes(bar, pattern, rng):
                level = step.level * float(np.exp(rng.normal(0, 0.1)))
                noise = int(rng.integers(POOL))
                if step.beat < fill_from:
                    hits.append(Hit(onset + _jitter(rng), sound, level, noise))
        hits += _fill(bar, fill_from, grid, "timpani" in patterns, rng)
    return hits


def _fill(bar: int, fill_from: int, grid: Grid, orchestral: bool, rng: np.random.Generator) -> list[Hit]:
    drums = ("timpani",) if orchestral else ("snare", "tom", "low tom")
    hits = []
    for sixteenth in range(4 * (grid.beats - fill_from)):
        sound = drums[min(sixteenth * len(drums) // (4 * (grid.beats - fill_from)), len(drums) - 1)]
        onset = bar * grid.beats + fill_from + sixteenth / 4
        hits.append(Hit(onset + _jitter(rng), sound, 0.5 + 0.3 * rng.random(), int(rng.integers(POOL))))
    return hits


def bass_notes(line: BassLine, grid: Grid, tonic: int, rng: np.random.Generator) -> list[Note]:
    """A song's bass line."""
    rhythm, tones, turn = settle(line.rhythm, rng), line.tones.split(), 0
    notes = []
    for bar in range(len(grid.bars)):
        turn = 0 if rng.random() < 0.7 else turn
        for onset, room_beats, step in grid.strokes(bar, rhythm, rng):
            chord = grid.chord(bar, step.beat)
            after = grid.chord(bar + (step.beat + room_beats >= grid.beats), (step.beat + room_beats) % grid.beats)
            tone = tones[turn % len(tones)]
            midi = _bass_pitch(tonic, chord, after, tone)
            slide = -5.0 if tone.startswith("g") and rng.random() < 0.5 else 0.0
            level = 0.9 * step.level + 0.1 * rng.random()
            length = room_beats * line.gate
            notes.append(Note(onset + _jitter(rng), length, midi, level, int(rng.integers(POOL)), slide))
            turn += 1
    return notes


def _bass_pitch(tonic: int, chord: Chord, after: Chord, tone: str) -> int:
    root = 28 + (tonic + chord.root - 28) % 12
    third = chord.tones[1] if chord.tones[1] < 6 else 7
    if tone == "^":
        goal = 28 + (tonic + after.root - 28) % 12
        return goal - 1 if goal > 29 else goal + 1
    return root + {"1": 0, "g1": 0, "3": third, "5": 7, "6": 9, "7": 10, "8": 12}[tone]


def comp_notes(comp: Comp, grid: Grid, tonic: int, rng: np.random.Generator) -> list[Note]:
    """A song's chords on one instrument."""
    rhythm, notes, turn = settle(comp.rhythm, rng), [], 0
    inversion = int(rng.integers(0, 3))
    for bar in range(len(grid.bars)):
        for onset, room_beats, step in grid.strokes(bar, rhythm, rng):
            chord = grid.chord(bar, step.beat)
            pitches = _voiced(comp, chord, tonic, inversion, turn)
            gate = min(comp.gate, 0.35) if step.mark == "-" else comp.gate
            late = 0.03 if comp.voicing == "strum" else 0.004
            at = onset + _jitter(rng)
            for string, pitch in enumerate(pitches[:: -1 if turn % 2 and comp.voicing == "strum" else 1]):
                level = comp.level * step.level / len(pitches) ** 0.5 * float(np.exp(rng.normal(0, 0.08)))
                notes.append(Note(at + late * string, room_beats * gate, pitch, level, int(rng.integers(POOL))))
            turn += 1
    return notes


def _voiced(comp: Comp, chord: Chord, tonic: int, inversion: int, turn: int) -> list[int]:
    """The pitches of one stroke."""
    if comp.voicing in ("power", "shuffle"):
        low = comp.register + (tonic + chord.root - comp.register) % 12
        top = (7, 7, 9, 9)[turn % 4] if comp.voicing == "shuffle" else 7
        return [low, low + top] + ([low + 12] if comp.voicing == "power" else [])
    pitches = sorted(comp.register + (tonic + chord.root + tone - comp.register) % 12 for tone in chord.tones)
    pitches = pitches[inversion % len(pitches) :] + [p + 12 for p in pitches[: inversion % len(pitches)]]
    if comp.voicing == "arpeggio":
        path = (*range(len(pitches)), *range(len(pitches) - 2, 0, -1))
        return [pitches[path[turn % len(path)]]]
    return pitches + ([pitches[0] + 12, pitches[1] + 12] if comp.voicing == "strum" else [])


def tune_notes(tune: Tune, scale: str, grid: Grid, tonic: int, rng: np.random.Generator) -> list[Note]:
    """An instrument's melody: two or three motifs that come back, and bars of rest."""
    motifs = [settle(str(rhythm), rng) for rhythm in rng.choice(tune.rhythms, 3)]
    walk = MelodyWalk(SCALES[scale], tonic, tune.register, 2.0)
    notes = []
    for bar in range(len(grid.bars)):
        silent, motif = rng.random() < tune.rest, motifs[int(rng.integers(len(motifs)))]
        for onset, room_beats, step in grid.strokes(bar, motif, rng):
            pitch = walk.step(grid.chord(bar, step.beat), step.beat % 1 == 0, rng)
            slide = -2.0 if rng.random() < tune.bend else 0.0
            noise, level = int(rng.integers(POOL)), tune.level * (0.8 + 0.2 * step.level)
            if not silent:
                length = min(room_beats, 4.0) * tune.gate
                notes.append(Note(onset + _jitter(rng), length, pitch, level, noise, slide))
    return notes


class MelodyWalk:
    """A melody as a walk over a scale, drawn to the middle of its register and, on the beat, to the chord."""

    def __init__(self, scale: tuple[int, ...], tonic: int, register: int, leap: float) -> None:
        self.register, self.leap = register, leap
        self.pitches = [p for p in range(register - 12, register + 13) if (p - tonic) % 12 in scale]
        self.tonic = tonic
        self.at = len(self.pitches) // 2

    def step(self, chord: Chord, on_beat: bool, rng: np.random.Generator) -> int:
        """The next pitch (MIDI)."""
        pull = 0.15 * (len(self.pitches) / 2 - self.at)
        self.at = int(np.clip(self.at + round(rng.normal(pull, self.leap)), 0, len(self.pitches) - 1))
        if not on_beat:
            return self.pitches[self.at]
        tones = {(self.tonic + chord.root + tone) % 12 for tone in chord.tones}
        near = [n for n, pitch in enumerate(self.pitches) if pitch % 12 in tones] or [self.at]
        self.at = min(near, key=lambda n: abs(n - self.at))
        return self.pitches[self.at]
