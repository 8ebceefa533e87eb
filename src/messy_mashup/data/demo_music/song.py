"""A song: everything that is drawn, in beats; and its four stems, rendered at any tempo."""

import zlib
from dataclasses import dataclass, replace

import numpy as np

from messy_mashup.data.demo_music import arrange, drums, instruments, mix, voice
from messy_mashup.data.demo_music.arrange import Grid
from messy_mashup.data.demo_music.genres import STEMS, Genre
from messy_mashup.data.demo_music.instruments import POOL, POOL_REPEATS, RATE_HZ, Note
from messy_mashup.data.demo_music.styles import GENRES
from messy_mashup.data.demo_music.theory import parse_progression
from messy_mashup.data.demo_music.timbres import TIMBRES, Timbre, vary

TONICS = (0, 2, 4, 7, 9)  # C D E G A, the keys of guitars; shared by all genres, so that a key tells nothing
LEVELS_DB = {"drums": -20.0, "vocals": -20.0, "bass": -21.0, "other": -20.0}


@dataclass(frozen=True)
class Layer:
    """One pitched instrument: its notes, its sound and where it stands (-1 left, 1 right)."""

    notes: list[Note]
    timbre: Timbre
    pan: float


@dataclass(frozen=True)
class Song:
    """A composed song. Onsets and lengths are in beats, so that it can be played at any tempo."""

    key: tuple[int, int, int]
    tempo_bpm: float
    seconds: float
    kit: str
    hits: list[drums.Hit]
    bass: list[Layer]
    other: list[Layer]
    voices: list[tuple[list[voice.Syllable], voice.Singer]]
    mixes: dict[str, mix.Mix]


def song(genre: str, seed: int, index: int, seconds: float, tempo_scale: float = 1.0) -> dict[str, np.ndarray]:
    """The four stems of a song, each (samples, 2) int16 at 44.1 kHz.

    `tempo_scale` plays the very same notes and sounds that many times as fast, so it lasts seconds / tempo_scale.
    """
    composed = compose(genre, seed, index, seconds)
    return {stem: render(composed, stem, tempo_scale) for stem in STEMS}


def compose(genre_name: str, seed: int, index: int, seconds: float) -> Song:
    """Draw a song. It depends on nothing but these four."""
    genre, key = GENRES[genre_name], (seed, zlib.crc32(genre_name.encode()), index)
    draw = _rng(key, "song")
    tempo_bpm = float(draw.uniform(*genre.tempo_bpm))
    length_s = seconds * float(draw.uniform(0.995, 1.01))
    grid, skipped_beats = _grid(genre, tempo_bpm, length_s, draw)
    tonic, scale = int(draw.choice(TONICS)), str(draw.choice(genre.scales))
    groove = genre.grooves[int(draw.integers(len(genre.grooves)))]

    def heard(notes: list, stem: str) -> list:
        silent = _silent_bars(genre, stem, len(grid.bars), _rng(key, f"rests {stem}"))
        return _recorded([note for note in notes if not silent[grid.bar(note.onset_beat)]], skipped_beats)

    voices = _voices(genre, scale, grid, tonic, _rng(key, "vocals"))
    bass = _bass(genre, grid, tonic, _rng(key, "bass"))
    other = _other(genre, scale, grid, tonic, _rng(key, "other"))
    return Song(
        key=key,
        tempo_bpm=tempo_bpm,
        seconds=length_s,
        kit=str(draw.choice(groove.kits)),
        hits=heard(arrange.drum_hits(groove, grid, _rng(key, "drums")), "drums"),
        bass=[replace(layer, notes=heard(layer.notes, "bass")) for layer in bass],
        other=[replace(layer, notes=heard(layer.notes, "other")) for layer in other],
        voices=[(heard(line, "vocals"), singer) for line, singer in voices],
        mixes=_mixes(genre, _rng(key, "mix")),
    )


def render(composed: Song, stem: str, tempo_scale: float = 1.0) -> np.ndarray:
    """One stem, (samples, 2) int16 at 44.1 kHz, as loud as at the song's own tempo, whatever the tempo played."""
    sounding = mix.record(_dry(composed, stem, tempo_scale), composed.mixes[stem])
    own_tempo = sounding if tempo_scale == 1.0 else mix.record(_dry(composed, stem, 1.0), composed.mixes[stem])
    gain = mix.gain_to_level(own_tempo, composed.mixes[stem].level_db)
    if gain == 0.0:
        return np.zeros((2 * sounding.shape[1], 2), np.int16)
    return mix.to_44100(sounding * np.float32(gain))


def _dry(composed: Song, stem: str, tempo_scale: float) -> np.ndarray:
    """One stem before equaliser and room, (2, samples) float32 at RATE_HZ."""
    samples = round(composed.seconds / tempo_scale * RATE_HZ)
    beat_s = 60 / (composed.tempo_bpm * tempo_scale)
    pool = np.tile(_rng(composed.key, f"noise {stem}").standard_normal(POOL, np.float32), POOL_REPEATS)
    if stem == "drums":
        draw, names = _rng(composed.key, "kit"), sorted({hit.sound for hit in composed.hits})
        kit = {name: drums.tune(drums.KITS[composed.kit][name], draw, pool[:POOL]) for name in names}
        return np.tile(drums.strike(composed.hits, kit, beat_s, samples), (2, 1))
    if stem == "vocals":
        lines = [voice.sing(line, singer, beat_s, samples, pool) for line, singer in composed.voices]
        return np.tile(np.sum(lines, axis=0), (2, 1))
    stereo = np.zeros((2, samples), np.float32)
    for layer in composed.bass if stem == "bass" else composed.other:
        mono = instruments.play(layer.notes, layer.timbre, beat_s, samples, pool)
        angle = (layer.pan + 1) * np.pi / 4
        stereo += np.array([[np.cos(angle)], [np.sin(angle)]], np.float32) * mono
    return stereo


def _rng(key: tuple[int, int, int], purpose: str) -> np.random.Generator:
    """A generator that belongs to one song and one purpose alone."""
    return np.random.default_rng([*key, zlib.crc32(purpose.encode())])


def _recorded(notes: list, skipped_beats: float) -> list:
    """Notes by onset from where the recording begins; long notes that sound already are cut there."""
    kept = []
    for note in notes:
        onset = note.onset_beat - skipped_beats
        if onset >= 0:
            kept.append(replace(note, onset_beat=onset))
        elif isinstance(note, Note) and note.length_beats + onset > 0.5:
            kept.append(replace(note, onset_beat=0.0, length_beats=note.length_beats + onset))
    return sorted(kept, key=lambda note: note.onset_beat)


def _grid(genre: Genre, tempo_bpm: float, length_s: float, draw: np.random.Generator) -> tuple[Grid, float]:
    """The song's bars, and how far into the first one the recording begins, in beats."""
    beats = 3 if draw.random() < genre.waltz else 4
    progression = parse_progression(str(draw.choice(genre.progressions)))
    first = int(draw.integers(len(progression)))
    bars = int(np.ceil(length_s * tempo_bpm / 60 / beats)) + 1
    chords = tuple(progression[(first + bar) % len(progression)] for bar in range(bars))
    swing = float(draw.uniform(*genre.swing))
    return Grid(chords, beats, swing), float(draw.uniform(0, beats))


def _silent_bars(genre: Genre, stem: str, bars: int, draw: np.random.Generator) -> np.ndarray:
    """Which bars a stem rests in: whole sections of two or four bars, or the whole song."""
    section = int(draw.choice((2, 4)))
    rests = draw.random(bars // section + 1) < genre.rests.get(stem, 0.03)
    absent = draw.random() < genre.absent.get(stem, 0.0)
    return np.repeat(rests | absent, section)[:bars]


def _bass(genre: Genre, grid: Grid, tonic: int, draw: np.random.Generator) -> list[Layer]:
    line = genre.bass[int(draw.integers(len(genre.bass)))]
    timbre = vary(TIMBRES[str(draw.choice(line.timbres))], draw)
    return [Layer(arrange.bass_notes(line, grid, tonic, draw), timbre, 0.0)]


def _other(genre: Genre, scale: str, grid: Grid, tonic: int, draw: np.random.Generator) -> list[Layer]:
    """The chords and tunes that this song has: at least one chord instrument."""
    chances = draw.random(len(genre.comps))
    layers = []
    for number, comp in enumerate(genre.comps):
        timbre = vary(TIMBRES[str(draw.choice(comp.timbres))], draw)
        notes = arrange.comp_notes(comp, grid, tonic, draw)
        if chances[number] < comp.chance or number == np.argmin(chances):
            layers.append(Layer(notes, timbre, float(draw.uniform(-0.7, 0.7))))
    for tune in genre.tunes:
        timbre = vary(TIMBRES[str(draw.choice(tune.timbres))], draw)
        notes = arrange.tune_notes(tune, scale, grid, tonic, draw)
        if draw.random() < tune.chance:
            layers.append(Layer(notes, timbre, float(draw.uniform(-0.4, 0.4))))
    return layers


def _voices(
    genre: Genre, scale: str, grid: Grid, tonic: int, draw: np.random.Generator
) -> list[tuple[list[voice.Syllable], voice.Singer]]:
    """The singer's line and, in some songs, a second voice a third or a fourth above."""
    manner = genre.singing[int(draw.integers(len(genre.singing)))]
    singer, register = voice.draw_singer(manner, draw)
    line = voice.sung_line(singer, register, scale, grid, tonic, draw)
    if draw.random() >= manner.harmony:
        return [(line, singer)]
    above = int(draw.choice((3, 4, 5)))
    second = [replace(s, midi=s.midi + above, level=0.5 * s.level, noise=(s.noise + 50021) % POOL) for s in line]
    return [(line, singer), (second, replace(singer, throat=singer.throat * 1.06))]


def _mixes(genre: Genre, draw: np.random.Generator) -> dict[str, mix.Mix]:
    room_s, wet = float(draw.uniform(*genre.room_s)), float(draw.uniform(0.15, 0.4))
    tilt_db = float(draw.normal(0, 0.4))
    bumps = tuple(mix.draw_bump(draw, 1.0) for _ in range(2))
    mixes = {}
    for stem in STEMS:
        level_db = LEVELS_DB[stem] + float(draw.normal(0, 1.5))
        mixes[stem] = mix.draw_mix(room_s, tilt_db, bumps, wet * (0.2 if stem == "bass" else 1.0), level_db, draw)
    return mixes
