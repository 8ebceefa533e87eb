"""A drum kit: every sound is a tonal body made once a song and noise that is read anew for every stroke."""

from dataclasses import dataclass

import numpy as np
import scipy.signal

from messy_mashup.data.demo_music.instruments import POOL, RATE_HZ


@dataclass(frozen=True)
class Hit:
    """One stroke; `noise` is where in the song's noise it is read, so that it sounds the same at any tempo."""

    onset_beat: float
    sound: str
    level: float
    noise: int


@dataclass(frozen=True)
class Sound:
    """How one drum is built: a swept sine and metallic partials, and a band of noise."""

    f0_hz: float = 0.0
    sweep: float = 0.0  # how many times higher the pitch starts
    sweep_s: float = 0.03
    body_s: float = 0.1
    partials: tuple[float, ...] = (1.0,)
    body: float = 1.0
    noise: float = 0.0
    noise_s: float = 0.1
    band_hz: tuple[float, float] = (2000.0, 9000.0)
    attack_s: float = 0.001
    bursts: int = 1  # a clap is several bursts of noise, 11 ms apart


CYMBAL = (1.0, 1.12, 1.23, 1.34, 1.47, 1.53, 1.69, 1.83, 2.04, 2.17, 2.39, 2.63)
_ACOUSTIC = {
    "kick": Sound(58, 2.2, 0.025, 0.16, noise=0.15, noise_s=0.012, band_hz=(800, 5000)),
    "snare": Sound(190, 0.4, 0.02, 0.09, (1.0, 1.62), 0.5, 0.55, 0.13, (1200, 8500)),
    "rim": Sound(830, 0, 0.01, 0.025, (1.0, 2.1), 0.7, 0.3, 0.012, (1500, 8000)),
    "hat": Sound(4100, 0, 0.01, 0.03, CYMBAL, 0.12, 0.4, 0.035, (6000, 10500)),
    "open": Sound(3900, 0, 0.01, 0.18, CYMBAL, 0.12, 0.4, 0.22, (5500, 10500)),
    "ride": Sound(3300, 0, 0.01, 0.35, CYMBAL, 0.1, 0.25, 0.25, (4500, 10500)),
    "crash": Sound(2700, 0, 0.01, 0.6, CYMBAL, 0.12, 0.6, 0.8, (3000, 10500)),
    "tom": Sound(105, 0.8, 0.05, 0.25, (1.0, 1.5), 0.9, 0.12, 0.05, (500, 4000)),
    "low tom": Sound(78, 0.8, 0.05, 0.3, (1.0, 1.5), 0.9, 0.12, 0.05, (400, 3500)),
    "clap": Sound(0, body=0, noise=0.8, noise_s=0.07, band_hz=(900, 5000), bursts=4),
    "shaker": Sound(0, body=0, noise=0.35, noise_s=0.05, band_hz=(4500, 10000), attack_s=0.02),
    "tambourine": Sound(5200, 0, 0.01, 0.09, CYMBAL, 0.25, 0.3, 0.08, (5000, 10500)),
    "conga": Sound(230, 0.25, 0.02, 0.14, (1.0, 1.9), 0.9, 0.15, 0.02, (600, 4000)),
    "cowbell": Sound(560, 0, 0.01, 0.09, (1.0, 1.48), 0.6),
    "timpani": Sound(82, 0.06, 0.05, 0.7, (1.0, 1.5, 1.98), 1.0, 0.15, 0.06, (100, 900)),
}
_BRUSHES = {
    "snare": Sound(185, 0.2, 0.02, 0.05, body=0.15, noise=0.5, noise_s=0.12, band_hz=(1500, 9000), attack_s=0.03),
    "kick": Sound(62, 1.2, 0.02, 0.12, noise=0.03, noise_s=0.01),
}
_MACHINE = {
    "kick": Sound(50, 4.0, 0.02, 0.3, noise=0.1, noise_s=0.006),
    "snare": Sound(180, 0.8, 0.015, 0.06, (1.0, 1.84), 0.6, 0.6, 0.16, (1500, 10000)),
    "hat": Sound(6000, 0, 0.01, 0.025, CYMBAL, 0.1, 0.45, 0.025, (7000, 10800)),
    "open": Sound(6000, 0, 0.01, 0.16, CYMBAL, 0.1, 0.45, 0.2, (6500, 10800)),
}
_METAL = {
    "kick": Sound(66, 3.0, 0.012, 0.09, noise=0.5, noise_s=0.01, band_hz=(2500, 8000)),
    "snare": Sound(215, 0.5, 0.015, 0.1, (1.0, 1.5), 0.6, 0.6, 0.11, (1500, 9000)),
}
KITS = {
    "acoustic": _ACOUSTIC,
    "brushes": _ACOUSTIC | _BRUSHES,
    "machine": _ACOUSTIC | _MACHINE,
    "metal": _ACOUSTIC | _METAL,
}


@dataclass(frozen=True)
class DrumVoice:
    """A drum ready to be struck: its body, its noise's envelope and its own band of noise."""

    body: np.ndarray
    noise_envelope: np.ndarray
    noise: np.ndarray


def tune(sound: Sound, rng: np.random.Generator, white: np.ndarray) -> DrumVoice:
    """This song's own drum of the kind."""
    pitch, ring, band, mix = np.exp(rng.normal(0, (0.05, 0.12, 0.05, 0.12)))
    phases = rng.uniform(0, 1, len(sound.partials))
    low_hz, high_hz = sound.band_hz[0] * band, min(sound.band_hz[1] * band, 0.49 * RATE_HZ)
    sections = scipy.signal.butter(2, (low_hz, high_hz), "bandpass", fs=RATE_HZ, output="sos")
    noise = scipy.signal.sosfilt(sections, white)
    noise = (noise / np.std(noise)).astype(np.float32)
    # A crash that rings long would outlast its noise: it is cut where it is 50 dB down.
    envelope = _noise_envelope(sound, ring, mix)[: len(noise) - 1]
    return DrumVoice(_body(sound, pitch, ring, phases), envelope, noise)


def strike(hits: list[Hit], voices: dict[str, DrumVoice], beat_s: float, samples: int) -> np.ndarray:
    """All strokes, (samples,) float32 at RATE_HZ."""
    track = np.zeros(samples, np.float32)
    for hit in hits:
        voice = voices[hit.sound]
        start = round(hit.onset_beat * beat_s * RATE_HZ)
        noise_at = hit.noise % (POOL - len(voice.noise_envelope))
        noise = voice.noise[noise_at : noise_at + len(voice.noise_envelope)] * voice.noise_envelope
        for wave in (voice.body, noise):
            heard = wave[: max(samples - start, 0)]
            track[start : start + len(heard)] += np.float32(hit.level) * heard
    return track


def _body(sound: Sound, pitch: float, ring: float, phases: np.ndarray) -> np.ndarray:
    if not sound.f0_hz or not sound.body:
        return np.zeros(0, np.float32)
    time_s = np.arange(round(6 * sound.body_s * ring * RATE_HZ)) / RATE_HZ
    swept_s = time_s + sound.sweep * sound.sweep_s * (1 - np.exp(-time_s / sound.sweep_s))
    wave = np.zeros(len(time_s))
    for number, (partial, phase) in enumerate(zip(sound.partials, phases, strict=True)):
        hz = sound.f0_hz * pitch * partial
        if hz < 0.48 * RATE_HZ:
            fade = np.exp(-time_s * (1 + 0.5 * number) / (sound.body_s * ring)) / (1 + 0.3 * number)
            wave += np.sin(2 * np.pi * (hz * swept_s + phase * (number > 0))) * fade
    return (sound.body * wave * np.minimum(time_s / 0.001, 1)).astype(np.float32)


def _noise_envelope(sound: Sound, ring: float, mix: float) -> np.ndarray:
    time_s = np.arange(round((6 * sound.noise_s * ring + 0.05) * RATE_HZ)) / RATE_HZ
    envelope = np.zeros(len(time_s))
    for burst in range(sound.bursts):
        since_s = time_s - 0.011 * burst
        rise = np.clip(since_s / sound.attack_s, 0, 1)
        fade_s = sound.noise_s * ring if burst == sound.bursts - 1 else 0.006
        envelope += rise * np.exp(-np.maximum(since_s, 0) / fade_s)
    return (0.6 * mix * sound.noise * envelope).astype(np.float32)
