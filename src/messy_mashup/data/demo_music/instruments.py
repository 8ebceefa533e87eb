"""Pitched notes: three groups of harmonics from wave tables, each fading in its own time, plus breath or pick."""

from dataclasses import dataclass

import numpy as np
import scipy.signal

from messy_mashup.data.demo_music.theory import midi_to_hz
from messy_mashup.data.demo_music.timbres import Timbre

RATE_HZ = 22_050  # everything is played at half of the 44.1 kHz that is written, as GTZAN's own recordings were
TABLE = 4096
GROUPS = ((1, 2), (3, 6), (7, 40))
POOL = 1 << 17  # where a note may begin to read its noise; what follows repeats for as long as notes last
POOL_REPEATS = 6


@dataclass(frozen=True)
class Note:
    """One note. `noise` is where in the song's noise it reads breath or pick, so that they are equal at any tempo."""

    onset_beat: float
    length_beats: float
    midi: float
    level: float
    noise: int = 0
    slide: float = 0.0  # semitones from which the pitch glides to its own


def play(notes: list[Note], timbre: Timbre, beat_s: float, samples: int, noise_pool: np.ndarray) -> np.ndarray:
    """All notes of one instrument, (samples,) float32 at RATE_HZ."""
    layer = np.zeros(samples, np.float32)
    tables: dict[int, np.ndarray] = {}
    for note in notes:
        start = round(note.onset_beat * beat_s * RATE_HZ)
        if start >= samples:
            continue
        pitch = round(note.midi)
        if pitch not in tables:
            tables[pitch] = wave_tables(timbre, midi_to_hz(pitch))
        wave = _note(note, timbre, tables[pitch], note.length_beats * beat_s, noise_pool)[: samples - start]
        layer[start : start + len(wave)] += wave
    return _amplified(layer, timbre)


def wave_tables(timbre: Timbre, f0_hz: float) -> np.ndarray:
    """One period of each group of harmonics, (groups, TABLE), nothing above the cutoff's slope or Nyquist."""
    spectrum = np.zeros((len(GROUPS), TABLE // 2 + 1), np.complex64)
    for group, (first, last) in enumerate(GROUPS):
        k = np.arange(first, last + 1)
        hz = k * f0_hz
        amplitude = k**-timbre.slope * np.where(k % 2 == 0, timbre.even, 1.0)
        if timbre.body_hz:
            amplitude = amplitude * (1 + timbre.body_gain * np.exp(-2.0 * np.log2(hz / timbre.body_hz) ** 2))
        amplitude = amplitude / (1 + (hz / timbre.cutoff_hz) ** 4) * (hz < 0.46 * RATE_HZ)
        phase = 2.4 * k**2  # spreads the peaks, as strings and rooms do; a constant keeps tables equal
        spectrum[group, k] = amplitude * np.exp(1j * phase)
    tables = np.fft.irfft(spectrum, TABLE, axis=1)
    return (tables / max(np.sqrt(np.mean(tables.sum(axis=0) ** 2)), 1e-9) * 0.35).astype(np.float32)


def _note(note: Note, timbre: Timbre, tables: np.ndarray, length_s: float, noise_pool: np.ndarray) -> np.ndarray:
    if timbre.sustain < 0.05:
        length_s = min(length_s, 5.0 * timbre.decay_s)
    time_s = np.arange(round((length_s + timbre.release_s) * RATE_HZ), dtype=np.float32) / np.float32(RATE_HZ)
    phase = _phase(note, timbre, time_s)
    wave = _voiced(phase, timbre, tables, time_s)
    if timbre.unison_cents:
        wave = 0.7 * (wave + _voiced(phase * np.float32(2 ** (timbre.unison_cents / 1200)), timbre, tables, time_s))
    if timbre.noise:
        wave += timbre.noise * _breath(note, timbre, time_s, noise_pool)
    fade = np.clip((length_s + timbre.release_s - time_s) / timbre.release_s, 0, 1)
    return wave * fade * fade * np.float32(note.level)


def _phase(note: Note, timbre: Timbre, time_s: np.ndarray) -> np.ndarray:
    """The running phase in periods."""
    f0_hz = np.float32(midi_to_hz(note.midi))
    phase = f0_hz * time_s
    if note.slide:
        glide_s = 0.05
        ratio = 2 ** (note.slide / 12) - 1
        phase = phase + f0_hz * np.float32(ratio * glide_s) * (1 - np.exp(-time_s / np.float32(glide_s)))
    if timbre.vibrato_cents:
        swing = f0_hz * timbre.vibrato_cents / 1200 * np.log(2) / (2 * np.pi * timbre.vibrato_hz)
        late = np.clip(time_s / 0.3, 0, 1)
        phase = phase - np.float32(swing) * late * np.cos(np.float32(2 * np.pi * timbre.vibrato_hz) * time_s)
    if timbre.fm_index:
        strength = timbre.fm_index / (2 * np.pi) * np.exp(-time_s / np.float32(0.5 * timbre.decay_s))
        phase = phase + strength * np.sin(np.float32(2 * np.pi * timbre.fm_ratio) * f0_hz * time_s)
    return phase


def _voiced(phase: np.ndarray, timbre: Timbre, tables: np.ndarray, time_s: np.ndarray) -> np.ndarray:
    index = (phase * TABLE).astype(np.int32) & (TABLE - 1)
    wave = np.zeros(len(time_s), np.float32)
    for group, table in enumerate(tables):
        decay_s = timbre.decay_s / timbre.damping**group
        attack_s = timbre.attack_s * (1 + group * timbre.swell)
        envelope = timbre.sustain + (1 - timbre.sustain) * np.exp(-time_s / np.float32(decay_s))
        wave += table[index] * envelope * np.minimum(time_s / np.float32(attack_s), 1)
    return wave


def _breath(note: Note, timbre: Timbre, time_s: np.ndarray, noise_pool: np.ndarray) -> np.ndarray:
    """Noise that stays with held notes (breath, bow) and is a short tick on struck ones (pick, hammer)."""
    noise = noise_pool[note.noise : note.noise + len(time_s)]
    fade_s = timbre.attack_s + 0.012
    return noise * (0.5 * timbre.sustain + np.exp(-time_s / np.float32(fade_s)))


def _amplified(layer: np.ndarray, timbre: Timbre) -> np.ndarray:
    """Through a soft clipper and a loudspeaker, where the instrument has an amplifier."""
    if not timbre.drive:
        return layer
    clipped = np.tanh(layer * np.float32(timbre.drive)) / np.float32(1 + 0.3 * timbre.drive) * 1.6
    low_hz, high_hz = (25, 4000) if timbre.cutoff_hz < 1500 else (70, 5000)
    sections = scipy.signal.butter(1, (low_hz, high_hz), "bandpass", fs=RATE_HZ, output="sos")
    return scipy.signal.sosfilt(sections, clipped).astype(np.float32)
