"""Tempo and beat phase of a song: one constant tempo, the first beat, the first downbeat, and how far to trust them.

Onsets are librosa's; its beat tracker takes a second a song and knows no tempo finer than its frames, so the rest is
here. The onsets of all stems are compared with every regular train of pulses at once, by the train's Fourier series:
their spectrum is read at a tempo and its multiples, and one small inverse transform gives all phases. Which pulses
begin a bar is told by what a band stresses: the snare on two and four, entries and new chords on one and three.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from messy_mashup.compiled import load_librosa

CONFIDENT = 0.5  # from here on a value is right in nine of ten songs, as far as the demo's music tells
BEATS_PER_BAR = 4
SLOTS = 2 * BEATS_PER_BAR  # half beats of a bar: what is found may be the beats or what lies between them

SHORTEST_S = 1.0
SILENT_RMS = 1e-5
AUDIBLE = 0.05  # of the loudest voice's RMS: below, it is bleed rather than music, and counts for less
FRAME_S, WINDOW_S = 0.01, 0.032
MELS, DRUM_BANDS = 24, (0, 3, 12, 24)  # kick; snare's body and toms; snare's rattle, hats and cymbals
COMPRESSION = 100.0
LATENCY_S = 0.0035  # a click is seen 7 ms early, a stroke of the demo's drums on time: the middle
CHROMA_S = 0.1

TEMPI_BPM = (48.0, 215.0)
USUAL_BPM, USUAL_OCTAVES = 110.0, 0.9  # middle and width of a prior: which of two tempi an octave apart is meant
PULSE_S = 0.02  # width of a pulse: the looseness of players
HARMONICS = 16
PHASES, FINE_PHASES = 64, 1024
PADDING = 16  # of the spectrum, so that it may be read between its lines

# What a bar is like, fitted to songs of the demo, rounded: the stress on beats against half beats, on one and
# three against two and four, and on one against three. Rows: the drums' three bands, bass, the rest, new chords.
ACCENTS = np.array([[1, -1, 1, -1, 1, -1, 1, -1], [1, 0, -1, 0, 1, 0, -1, 0], [1, 0, 0, 0, -1, 0, 0, 0]])
STRESS = np.array([[0, 0.2, 0.3], [0.3, 0.3, -0.2], [-0.1, -1.1, -0.3], [0.2, 0.3, 0], [0.2, 0, 0.6], [0.3, 0.6, 0.6]])
MOST_BARS = 8.0  # more bars of the same pattern are no more evidence

# Where a confidence is CONFIDENT: set on the demo's songs so that nine of ten are right from there on. Their salience
# is 3 in 3 s and 10 in 30 s, that of noise 1, that of noise in random steps 2 to 3.
ENOUGH_SALIENCE = 2.5
HALF_BEAT_DOUBT, BAR_DOUBT = 0.1, 0.15  # the probability that it is another half beat, another beat of the bar
THREE_NOT_FOUR = -0.3


@dataclass(frozen=True)
class Beats:
    """Where a song's beats lie: beat_s is that of the first beat, bar_s of the first downbeat, if bars have four beats.

    confidence: that tempo (but for its octave) and beats are right; bar_confidence: that bar_s is too. Both 0 to 1.
    """

    tempo_bpm: float
    beat_s: float
    bar_s: float
    confidence: float
    bar_confidence: float


NO_BEATS = Beats(0.0, 0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Pulse:
    """A regular train of pulses, from pulse_s on; salience in standard deviations of what no rhythm would give."""

    period_s: float
    pulse_s: float
    salience: float


def song_beats(stems: Mapping[str, np.ndarray], sample_rate_hz: int) -> Beats:
    """Tempo (to .01 BPM) and beats (to 1 ms) of a song from its stems, float32 (samples,) each.

    A part that is missing counts as silent. A silent song, and one below a second, has no beats: all is zero.
    """
    voices = _voices(stems)
    samples = len(voices["rest"])
    loudness = {name: _rms(wave) for name, wave in voices.items()}
    if samples < SHORTEST_S * sample_rate_hz or max(loudness.values()) < SILENT_RMS:
        return NO_BEATS
    weights = {name: min(1.0, rms / (AUDIBLE * max(loudness.values()))) for name, rms in loudness.items()}
    onsets = _onsets(voices, weights, sample_rate_hz)
    if not onsets.any():
        return NO_BEATS
    pulse = _strongest_pulse(onsets.sum(axis=0))
    half_beats_s = np.arange(pulse.pulse_s, samples / sample_rate_hz, pulse.period_s / 2)
    chroma = _chroma(voices["bass"] + voices["rest"], sample_rate_hz)
    strengths = np.vstack([_at(onsets, half_beats_s), _new_chords(chroma, half_beats_s, pulse.period_s)])
    return _beats(pulse, _bar_starts(strengths), _four_not_three(strengths[:-1]))


def _voices(stems: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Drums, bass, and the sum of all others, equally long."""
    samples = max((len(wave) for wave in stems.values()), default=0)
    voices = {name: np.zeros(samples, np.float32) for name in ("drums", "bass", "rest")}
    for part, wave in stems.items():
        voices[part if part in voices else "rest"][: len(wave)] += wave
    return voices


def _rms(wave: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(wave, dtype=np.float64)))) if len(wave) else 0.0


def _onsets(voices: Mapping[str, np.ndarray], weights: Mapping[str, float], sample_rate_hz: int) -> np.ndarray:
    """Onset strengths (5, frames): three bands of the drums, bass, the rest; each of mean 0 and its voice's weight."""
    bands = {"drums": DRUM_BANDS, "bass": (0, MELS), "rest": (0, MELS)}
    strengths = []
    for name, edges in bands.items():
        found = _onset_strength(voices[name], sample_rate_hz, edges)
        found -= found.mean(axis=1, keepdims=True)
        spread = found.std(axis=1, keepdims=True)
        strengths.append(weights[name] * np.divide(found, spread, out=np.zeros_like(found), where=spread > 0))
    return np.concatenate(strengths)


def _onset_strength(wave: np.ndarray, sample_rate_hz: int, edges: tuple[int, ...]) -> np.ndarray:
    """librosa's onset strength of bands between those mels: (bands, frames)."""
    librosa = load_librosa()
    hop, window = round(FRAME_S * sample_rate_hz), round(WINDOW_S * sample_rate_hz)
    mel = librosa.feature.melspectrogram(
        y=wave, sr=sample_rate_hz, n_fft=window, hop_length=hop, n_mels=MELS, power=1.0, fmin=30.0
    )
    # A logarithm with a floor: decibels would see a stroke as soon as the window's faint edge touches it.
    loud = np.log1p(COMPRESSION * mel / max(float(mel.max()), SILENT_RMS))
    # Without librosa's shift by half a window, which is whole frames only.
    return librosa.onset.onset_strength_multi(
        S=loud, sr=sample_rate_hz, hop_length=hop, n_fft=window, center=False, channels=list(edges)
    ).astype(np.float64)


def _chroma(wave: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """Pitch classes, compressed: (12, frames) of CHROMA_S."""
    hop = round(CHROMA_S * sample_rate_hz)
    chroma_stft = load_librosa().feature.chroma_stft
    chroma = chroma_stft(y=wave, sr=sample_rate_hz, n_fft=4096, hop_length=hop, tuning=0.0, norm=None)
    return np.log1p(COMPRESSION * chroma / max(float(chroma.max()), SILENT_RMS))


def _strongest_pulse(onsets: np.ndarray) -> Pulse:
    """The train of pulses that the onsets (frames,) agree with most; of two an octave apart, the more usual tempo."""
    seconds = len(onsets) * FRAME_S
    spectrum = np.fft.rfft(onsets / max(float(onsets.std()), SILENT_RMS), _padded(len(onsets)))
    step = 2 * PULSE_S / seconds  # the last pulse moves by two widths at most
    tempi = TEMPI_BPM[0] * np.exp(np.arange(0, np.log(TEMPI_BPM[1] / TEMPI_BPM[0]), step))
    salience = _agreement(spectrum, tempi, len(onsets), PHASES).max(axis=1) * np.sqrt(seconds * tempi / 60)
    octaves = np.log2(tempi / USUAL_BPM) / USUAL_OCTAVES
    coarse = int(np.argmax(salience * np.exp(-0.5 * octaves**2)))
    fine = tempi[coarse] * np.exp(np.linspace(-step, step, 41))
    agreement = _agreement(spectrum, fine, len(onsets), FINE_PHASES)
    tempo, phase = np.unravel_index(np.argmax(agreement), agreement.shape)
    period_s = 60 / float(fine[tempo])
    return Pulse(period_s, float(phase) / FINE_PHASES * period_s, float(salience[coarse]))


def _padded(frames: int) -> int:
    return 1 << int(np.ceil(np.log2(frames * PADDING)))


def _agreement(spectrum: np.ndarray, tempi_bpm: np.ndarray, frames: int, phases: int) -> np.ndarray:
    """The mean of the onsets at the pulses of every tempo and phase: (tempi, phases).

    A train of Gaussian pulses is a Fourier series, so its products with the onsets at all phases are one too, whose
    coefficients are the onsets' spectrum at the multiples of the tempo.
    """
    hz = tempi_bpm[:, None] / 60 * np.arange(1, HARMONICS + 1)
    line = hz * FRAME_S * 2 * (len(spectrum) - 1)
    below = np.minimum(line.astype(np.int64), len(spectrum) - 2)
    share = line - below
    read = spectrum[below] * (1 - share) + spectrum[below + 1] * share
    series = np.zeros((len(tempi_bpm), phases // 2 + 1), complex)
    series[:, 1 : HARMONICS + 1] = read * np.exp(-0.5 * (2 * np.pi * hz * PULSE_S) ** 2)
    return np.fft.irfft(series, phases, axis=1) * phases / frames


def _at(onsets: np.ndarray, times_s: np.ndarray) -> np.ndarray:
    """Onset strengths (rows, times), a pulse wide, in standard deviations."""
    from scipy.ndimage import gaussian_filter1d

    smooth = gaussian_filter1d(onsets, PULSE_S / FRAME_S, axis=1)
    frames = np.arange(onsets.shape[1]) * FRAME_S
    return np.array([np.interp(times_s, frames, row) for row in smooth])


def _new_chords(chroma: np.ndarray, times_s: np.ndarray, beat_s: float) -> np.ndarray:
    """How much the pitches of the beat after each time differ from those of the beat before: (times,), of mean 0."""
    heard = np.pad(np.cumsum(chroma, axis=1), ((0, 0), (1, 0)))
    edges_s = (np.arange(heard.shape[1]) - 0.5) * CHROMA_S
    until = [np.array([np.interp(times_s + shift, edges_s, row) for row in heard]) for shift in (-beat_s, 0.0, beat_s)]
    before, after = until[1] - until[0], until[2] - until[1]
    norms = np.linalg.norm(before, axis=0) * np.linalg.norm(after, axis=0)
    inside = (norms > SILENT_RMS) & (times_s >= beat_s / 2) & (times_s + beat_s / 2 <= edges_s[-1])
    if not inside.any():
        return np.zeros(len(times_s))
    change = 1 - (before * after).sum(axis=0) / np.maximum(norms, SILENT_RMS)
    mean, spread = change[inside].mean(), change[inside].std()
    return np.where(inside, (change - mean) / (spread + 1e-3), 0.0)


def _bar_starts(strengths: np.ndarray) -> np.ndarray:
    """The probability of each of the bar's half beats to be its first, from strengths at half beats: (SLOTS,)."""
    slot = np.arange(strengths.shape[1]) % SLOTS
    times_heard = np.maximum(np.bincount(slot, minlength=SLOTS), 1)
    pattern = np.array([np.bincount(slot, row, SLOTS) for row in strengths]) / times_heard
    expected = STRESS @ ACCENTS
    evidence = np.array([(np.roll(pattern, -start, axis=1) * expected).sum() for start in range(SLOTS)])
    evidence *= np.clip(strengths.shape[1] / SLOTS, 0.0, MOST_BARS) ** 0.25
    weight = np.exp(evidence - evidence.max())
    return weight / weight.sum()


def _four_not_three(strengths: np.ndarray) -> float:
    """How much more the beats repeat after four than after three, -2 to 2; 0 where too few are heard to tell."""
    stress = strengths.copy()
    for half in (0, 1):
        stress[:, half::2] -= stress[:, half::2].mean(axis=1, keepdims=True)
    alike = []
    for lag in (6, 8):
        early, late = stress[:, :-lag], stress[:, lag:]
        energy = float(np.sqrt((early**2).sum() * (late**2).sum()))
        alike.append(float((early * late).sum()) / energy if early.shape[1] >= 4 and energy > 0 else 0.0)
    return alike[1] - alike[0]


def _beats(pulse: Pulse, bar_starts: np.ndarray, four_not_three: float) -> Beats:
    """Everything put together; the times in whole milliseconds, so that machines agree."""
    start = int(np.argmax(bar_starts))
    half_doubt, bar_doubt = 1 - float(bar_starts[start % 2 :: 2].sum()), 1 - float(bar_starts[start])
    salient = 1 / (1 + (ENOUGH_SALIENCE / max(pulse.salience, 0.1)) ** 6)
    confidence = min(salient, 1 / (1 + half_doubt / HALF_BEAT_DOUBT))
    meter = 1 / (1 + np.exp((THREE_NOT_FOUR - four_not_three) / 0.1))
    tempo_bpm = round(60 / pulse.period_s, 2)
    period_s = 60 / tempo_bpm
    bar_s = (pulse.pulse_s + LATENCY_S + start * pulse.period_s / 2) % (BEATS_PER_BAR * period_s)
    return Beats(
        tempo_bpm=tempo_bpm,
        beat_s=_whole_ms(bar_s % period_s),
        bar_s=_whole_ms(bar_s),
        confidence=round(confidence, 3),
        bar_confidence=round(min(confidence, 1 / (1 + bar_doubt / BAR_DOUBT), float(meter)), 3),
    )


def _whole_ms(seconds: float) -> float:
    # Down, not to the nearest: a time below a period stays below it.
    return int(seconds * 1000) / 1000
