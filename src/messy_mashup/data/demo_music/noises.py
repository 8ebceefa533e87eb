"""Stand-ins for ESC-50: twelve kinds of everyday noise, each clip drawn anew, 5 s at 44.1 kHz."""

import zlib
from collections.abc import Callable

import numpy as np
import scipy.signal

RATE_HZ = 44_100
SECONDS = 5.0
SAMPLES = int(RATE_HZ * SECONDS)
TIME_S = np.arange(SAMPLES) / RATE_HZ
# ESC-50's own numbers and names of the classes made here; True where ESC-10 holds the class.
CLASSES = {
    "dog": (0, True),
    "rain": (10, True),
    "sea_waves": (11, True),
    "crackling_fire": (12, True),
    "chirping_birds": (14, False),
    "sneezing": (21, True),
    "clapping": (22, False),
    "footsteps": (25, False),
    "clock_tick": (38, True),
    "siren": (42, False),
    "car_horn": (43, False),
    "engine": (44, False),
}


def noise_clip(kind: str, seed: int, index: int) -> np.ndarray:
    """One clip of a kind, (samples,) int16, as loud and as padded with digital silence as its draw says."""
    rng = np.random.default_rng([seed, zlib.crc32(kind.encode()), index])
    wave = _MAKERS[kind](rng)
    wave = wave / np.abs(wave).max() * 10 ** (-float(rng.uniform(0, 14)) / 20)
    if rng.random() < 0.3:
        sounding = int(rng.uniform(0.4, 0.9) * SAMPLES)
        fade = np.clip((sounding - np.arange(SAMPLES)) / 2000, 0, 1)
        wave = wave * fade  # shorter recordings are padded with zeros in ESC-50
    return np.round(wave * 32767).astype(np.int16)


def _band(wave: np.ndarray, low_hz: float, high_hz: float, order: int = 2) -> np.ndarray:
    return scipy.signal.sosfilt(
        scipy.signal.butter(order, (low_hz, high_hz), "bandpass", fs=RATE_HZ, output="sos"), wave
    )


def _white(rng: np.random.Generator) -> np.ndarray:
    return rng.standard_normal(SAMPLES)


def _slow(rng: np.random.Generator, knots: int) -> np.ndarray:
    """A smooth random curve between 0 and 1."""
    return np.interp(TIME_S, np.linspace(0, SECONDS, knots), rng.random(knots))


def _events(
    rng: np.random.Generator, starts_s: np.ndarray, shape: Callable[[np.random.Generator], np.ndarray]
) -> np.ndarray:
    """The same kind of event, drawn anew, at several times."""
    wave = np.zeros(SAMPLES)
    for start_s in starts_s:
        event, start = shape(rng), int(start_s * RATE_HZ)
        part = wave[start : start + len(event)]
        part += event[: len(part)]
    return wave


def _regular(rng: np.random.Generator, period_s: float, spread: float) -> np.ndarray:
    times_s = np.arange(rng.uniform(0, period_s), SECONDS, period_s)
    return np.clip(times_s + rng.normal(0, spread * period_s, len(times_s)), 0, SECONDS)


def _burst(rng: np.random.Generator, length_s: float, low_hz: float, high_hz: float, rise_s: float) -> np.ndarray:
    """A burst of band noise that rises and dies away."""
    time_s = np.arange(int(5 * length_s * RATE_HZ)) / RATE_HZ
    noise = _band(rng.standard_normal(len(time_s)), low_hz, high_hz)
    return noise * np.minimum(time_s / rise_s, 1) * np.exp(-time_s / length_s) * rng.uniform(0.5, 1)


def _dog(rng: np.random.Generator) -> np.ndarray:
    pitch_hz, formant_hz = rng.uniform(250, 600), rng.uniform(800, 1800)

    def bark(rng: np.random.Generator) -> np.ndarray:
        time_s = np.arange(int(0.22 * RATE_HZ)) / RATE_HZ
        hz = pitch_hz * (1 + 0.5 * np.sin(np.pi * time_s / 0.22)) * rng.uniform(0.9, 1.1)
        voiced = scipy.signal.sawtooth(2 * np.pi * np.cumsum(hz) / RATE_HZ) + 0.6 * rng.standard_normal(len(time_s))
        return _band(voiced, formant_hz / 2, formant_hz * 1.8) * np.sin(np.pi * time_s / 0.22) ** 0.7

    return _events(rng, np.sort(rng.uniform(0, 4.5, rng.integers(1, 8))), bark)


def _rain(rng: np.random.Generator) -> np.ndarray:
    hiss = _band(_white(rng), rng.uniform(300, 1500), rng.uniform(6000, 14000), 1) * (0.7 + 0.3 * _slow(rng, 12))
    starts_s = rng.uniform(0, SECONDS, rng.integers(50, 400))
    return hiss + 2 * _events(rng, starts_s, lambda rng: _burst(rng, 0.004, rng.uniform(1000, 4000), 12000, 0.0005))


def _sea_waves(rng: np.random.Generator) -> np.ndarray:
    swell = np.sin(np.pi * (TIME_S / rng.uniform(3, 7) + rng.random())) ** 2
    return (
        _band(_white(rng), 80, rng.uniform(600, 1500), 1) * (0.2 + swell) + _band(_white(rng), 1500, 9000, 1) * swell**2
    )


def _crackling_fire(rng: np.random.Generator) -> np.ndarray:
    starts_s = rng.uniform(0, SECONDS, rng.integers(40, 250))
    cracks = _events(rng, starts_s, lambda rng: rng.exponential(1.0) * _burst(rng, 0.003, 1500, 14000, 0.0003))
    return cracks + rng.uniform(0.02, 0.2) * _band(_white(rng), 60, 500, 1)


def _chirping_birds(rng: np.random.Generator) -> np.ndarray:
    centre_hz, length_s = rng.uniform(2500, 6000), rng.uniform(0.05, 0.2)

    def chirp(rng: np.random.Generator) -> np.ndarray:
        time_s = np.arange(int(length_s * RATE_HZ)) / RATE_HZ
        hz = centre_hz * (1 + 0.25 * np.sin(2 * np.pi * rng.uniform(1, 3) * time_s / length_s + rng.uniform(0, 6)))
        return np.sin(2 * np.pi * np.cumsum(hz) / RATE_HZ) * np.hanning(len(time_s)) * rng.uniform(0.4, 1)

    starts_s = rng.uniform(0, SECONDS, rng.integers(6, 30))
    return _events(rng, starts_s, chirp) + 0.02 * _band(_white(rng), 300, 8000, 1)


def _sneezing(rng: np.random.Generator) -> np.ndarray:
    starts_s = np.sort(rng.uniform(0.2, 4, rng.integers(1, 4)))
    inhale = _events(rng, starts_s - 0.2, lambda rng: 0.2 * _burst(rng, 0.08, 500, 3000, 0.15))
    return inhale + _events(rng, starts_s + 0.2, lambda rng: _burst(rng, 0.09, rng.uniform(600, 1500), 9000, 0.01))


def _clapping(rng: np.random.Generator) -> np.ndarray:
    hands = int(rng.integers(1, 12))
    starts_s = np.concatenate([_regular(rng, rng.uniform(0.2, 0.4), 0.05) for _ in range(hands)])
    return _events(rng, starts_s, lambda rng: _burst(rng, 0.012, rng.uniform(700, 1500), 6000, 0.001))


def _footsteps(rng: np.random.Generator) -> np.ndarray:
    low_hz = rng.uniform(60, 300)
    steps_s = _regular(rng, rng.uniform(0.4, 0.7), 0.04)
    heel = _events(rng, steps_s, lambda rng: _burst(rng, 0.03, low_hz, 6 * low_hz, 0.002))
    return heel + 0.3 * _events(rng, steps_s + 0.06, lambda rng: _burst(rng, 0.02, 1500, 8000, 0.01))


def _clock_tick(rng: np.random.Generator) -> np.ndarray:
    ring_hz = rng.uniform(1800, 5000)
    ticks = _events(
        rng,
        _regular(rng, rng.choice((0.2, 0.5, 1.0)), 0.0),
        lambda rng: _burst(rng, 0.004, ring_hz, 2.5 * ring_hz, 0.0003),
    )
    return ticks + 0.01 * _white(rng)


def _siren(rng: np.random.Generator) -> np.ndarray:
    period_s, low_hz = rng.uniform(0.4, 4), rng.uniform(450, 800)
    position = scipy.signal.sawtooth(2 * np.pi * (TIME_S / period_s + rng.random()), 0.5)
    position = np.sign(position) if rng.random() < 0.4 else position
    hz = low_hz * 2 ** (0.4 * (1 + position))
    tone = scipy.signal.sawtooth(2 * np.pi * np.cumsum(hz) / RATE_HZ, rng.uniform(0.2, 0.8))
    return _band(tone, 300, 5000, 1) * (0.5 + 0.5 * _slow(rng, 6)) + 0.03 * _white(rng)


def _car_horn(rng: np.random.Generator) -> np.ndarray:
    low_hz = rng.uniform(300, 450)
    tone = sum(scipy.signal.sawtooth(2 * np.pi * low_hz * ratio * TIME_S) for ratio in (1.0, rng.uniform(1.2, 1.3)))
    pressed = np.zeros(SAMPLES)
    for start_s in rng.uniform(0, 4, rng.integers(1, 4)):
        pressed[int(start_s * RATE_HZ) : int((start_s + rng.uniform(0.2, 1.5)) * RATE_HZ)] = 1.0
    pressed = scipy.signal.lfilter([0.002], [1, -0.998], pressed)
    return _band(tone, 250, 6000, 1) * pressed + 0.02 * _band(_white(rng), 50, 2000, 1)


def _engine(rng: np.random.Generator) -> np.ndarray:
    firing_hz = rng.uniform(22, 90) * (1 + rng.uniform(0, 0.8) * _slow(rng, 5))
    pulses = scipy.signal.sawtooth(2 * np.pi * np.cumsum(firing_hz) / RATE_HZ) * (1 + 0.5 * _white(rng))
    return _band(pulses, 40, rng.uniform(600, 2500), 1) + 0.1 * _band(_white(rng), 200, 4000, 1)


_MAKERS: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "dog": _dog,
    "rain": _rain,
    "sea_waves": _sea_waves,
    "crackling_fire": _crackling_fire,
    "chirping_birds": _chirping_birds,
    "sneezing": _sneezing,
    "clapping": _clapping,
    "footsteps": _footsteps,
    "clock_tick": _clock_tick,
    "siren": _siren,
    "car_horn": _car_horn,
    "engine": _engine,
}
