"""Instruments as numbers: the spectrum and the envelope of a note, and how much songs differ in them."""

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Timbre:
    """A pitched instrument. Harmonic k has amplitude k**-slope; three groups of harmonics fade at their own speed."""

    slope: float = 1.2
    even: float = 1.0  # weight of even harmonics: small for a clarinet, 1 for a saw
    body_hz: float = 0.0  # a resonance of the body or the bell; 0 for none
    body_gain: float = 3.0
    attack_s: float = 0.004
    decay_s: float = 0.6  # of the lowest harmonics; higher groups fade `damping` times as fast each
    damping: float = 1.6
    sustain: float = 0.0  # the share of the level that stays while the note is held
    release_s: float = 0.06
    swell: float = 0.0  # how much later the high harmonics come in (brass), in attacks
    unison_cents: float = 0.0  # a second, detuned voice
    vibrato_cents: float = 0.0
    vibrato_hz: float = 5.0
    noise: float = 0.0  # breath, bow or pick, against the tone
    fm_ratio: float = 0.0
    fm_index: float = 0.0
    drive: float = 0.0  # of the whole layer into a soft clipper, as an amplifier has it
    cutoff_hz: float = 9000.0


TIMBRES = {
    "upright bass": Timbre(slope=1.9, body_hz=110, decay_s=0.45, damping=3.0, noise=0.10, cutoff_hz=1500),
    "finger bass": Timbre(slope=1.5, body_hz=180, decay_s=0.9, damping=2.2, sustain=0.15, cutoff_hz=2500),
    "pick bass": Timbre(slope=1.0, body_hz=800, decay_s=1.0, damping=1.8, sustain=0.2, noise=0.06, drive=1.5),
    "synth bass": Timbre(slope=1.0, decay_s=0.3, damping=2.6, sustain=0.45, cutoff_hz=3000, unison_cents=6),
    "sub bass": Timbre(slope=3.0, decay_s=1.6, sustain=0.3, release_s=0.12, drive=1.0, cutoff_hz=700),
    "cello section": Timbre(
        slope=1.1, body_hz=400, attack_s=0.09, sustain=0.95, release_s=0.2, unison_cents=9, vibrato_cents=14, noise=0.05
    ),
    "violins": Timbre(
        slope=1.0,
        body_hz=2400,
        attack_s=0.11,
        sustain=1.0,
        release_s=0.25,
        swell=0.5,
        unison_cents=13,
        vibrato_cents=18,
        vibrato_hz=5.6,
        noise=0.05,
    ),
    "fiddle": Timbre(slope=0.8, body_hz=2600, attack_s=0.035, sustain=0.95, vibrato_cents=16, vibrato_hz=6, noise=0.08),
    "flute": Timbre(slope=2.4, attack_s=0.05, sustain=0.95, vibrato_cents=12, noise=0.12, release_s=0.1),
    "clarinet": Timbre(slope=1.3, even=0.15, attack_s=0.03, sustain=0.95, noise=0.03, release_s=0.08),
    "saxophone": Timbre(
        slope=1.0, body_hz=1100, attack_s=0.03, sustain=0.9, swell=1.0, vibrato_cents=18, noise=0.1, release_s=0.08
    ),
    "trumpets": Timbre(
        slope=0.7, body_hz=1500, attack_s=0.025, sustain=0.85, swell=1.8, unison_cents=6, release_s=0.07, noise=0.03
    ),
    "harmonica": Timbre(slope=0.7, body_hz=1900, attack_s=0.03, sustain=0.95, vibrato_cents=22, noise=0.06, drive=1.5),
    "piano": Timbre(slope=1.4, decay_s=1.3, damping=1.9, release_s=0.12, unison_cents=2, noise=0.03),
    "electric piano": Timbre(slope=3.0, decay_s=1.4, fm_ratio=1.0, fm_index=1.4, release_s=0.1, sustain=0.1),
    "bells": Timbre(slope=4.0, decay_s=1.2, fm_ratio=3.5, fm_index=1.6, release_s=0.5),
    "harpsichord": Timbre(slope=0.6, decay_s=0.7, damping=1.3, noise=0.06, release_s=0.05),
    "nylon guitar": Timbre(slope=1.6, body_hz=220, decay_s=0.7, damping=2.4, noise=0.05),
    "steel guitar": Timbre(slope=1.0, body_hz=2500, decay_s=0.9, damping=1.9, noise=0.1, unison_cents=3),
    "banjo": Timbre(slope=0.7, body_hz=1400, decay_s=0.22, damping=1.5, noise=0.12),
    "clean guitar": Timbre(slope=1.1, body_hz=1200, decay_s=0.8, damping=1.9, sustain=0.05, noise=0.05),
    "pedal steel": Timbre(slope=1.3, body_hz=1700, attack_s=0.05, decay_s=2.5, sustain=0.5, vibrato_cents=14),
    "crunch guitar": Timbre(slope=1.1, body_hz=1600, decay_s=1.6, sustain=0.3, drive=4.0, cutoff_hz=5000, noise=0.05),
    "distorted guitar": Timbre(
        slope=0.9, body_hz=1900, decay_s=2.5, sustain=0.6, drive=12.0, cutoff_hz=5500, noise=0.06, unison_cents=7
    ),
    "organ": Timbre(slope=1.5, even=0.7, attack_s=0.008, sustain=1.0, release_s=0.03, vibrato_cents=9, vibrato_hz=6.6),
    "synth pad": Timbre(slope=1.2, attack_s=0.2, sustain=1.0, release_s=0.3, unison_cents=14, cutoff_hz=4500),
    "synth pluck": Timbre(slope=0.9, decay_s=0.18, damping=2.0, sustain=0.05, unison_cents=9),
    "synth lead": Timbre(slope=0.8, even=0.4, attack_s=0.008, sustain=0.8, unison_cents=7, vibrato_cents=10),
}


def vary(timbre: Timbre, rng: np.random.Generator) -> Timbre:
    """This song's own instrument: another maker, room, microphone and player."""

    def factor(spread: float) -> float:
        return float(np.exp(rng.normal(0.0, spread)))

    return replace(
        timbre,
        slope=timbre.slope + float(rng.normal(0.0, 0.08)),
        even=float(np.clip(timbre.even * factor(0.096), 0.05, 1.0)),
        body_hz=timbre.body_hz * factor(0.12),
        body_gain=timbre.body_gain * factor(0.16),
        attack_s=timbre.attack_s * factor(0.12),
        decay_s=timbre.decay_s * factor(0.12),
        damping=timbre.damping * factor(0.047),
        unison_cents=timbre.unison_cents * factor(0.12),
        vibrato_cents=timbre.vibrato_cents * factor(0.12),
        vibrato_hz=timbre.vibrato_hz * factor(0.039),
        noise=timbre.noise * factor(0.16),
        fm_index=timbre.fm_index * factor(0.12),
        drive=timbre.drive * factor(0.14),
        cutoff_hz=timbre.cutoff_hz * factor(0.096),
    )
