"""One mashup as a waveform at any sample rate, for listening and for tests that hold the frame domain against it.

Levels go in the frame domain's order: voices x gains, sum, divided by the music's peak, bursts x gains added, divided
by the final peak, then high-pass and low-pass. Voices are truly stretched.
"""

import numpy as np

from messy_mashup.data.bank import SAMPLE_RATE_HZ, Bank
from messy_mashup.data.survey import noise_name
from messy_mashup.data.vocoder import HOST_HZ
from messy_mashup.mashup.arrangement import Arrangements
from messy_mashup.mashup.clip_waves import ClipWaves
from messy_mashup.mashup.filters import ORDER
from messy_mashup.mashup.pool import ABSENT
from messy_mashup.mashup.stretch import DEFAULT_STRETCH, Stretch, time_stretch
from messy_mashup.recipe import BurstLevel, MashupRecipe

# A stretch fades where its input begins and ends; what a voice is cut from goes on for so long at either side.
CONTEXT_S = 0.15


def render(
    bank: Bank,
    mashups: Arrangements,
    row: int,
    burst_level: BurstLevel = MashupRecipe.burst_level,
    sample_rate_hz: int = SAMPLE_RATE_HZ,
    stretch: Stretch = DEFAULT_STRETCH,
) -> np.ndarray:
    """The mashup in a row of arrangements, before its filters at peak 1 (or silent): float32 (samples,).

    At another sample rate than the bank's the original files are read. IndexError where there is no such row, or where
    a clip is not in the bank; UserError where a file is not as the bank knows it.
    """
    _check_row(bank, mashups, row)
    waves = ClipWaves(bank, sample_rate_hz)
    mix = _music(waves, mashups, row, stretch)
    music_rms = _rms(mix)
    for burst in np.flatnonzero(mashups.burst_clip[row] != ABSENT):
        _add_burst(mix, waves, mashups, (row, burst), burst_level, music_rms)
    mix /= _peak(mix)
    for kind, cutoff_hz in (("highpass", mashups.high_pass_hz[row]), ("lowpass", mashups.low_pass_hz[row])):
        if cutoff_hz > 0:
            mix = _filtered(mix, kind, cutoff_hz, sample_rate_hz)
    return mix.astype(np.float32)


def as_of_a_host(bank: Bank, mashups: Arrangements, row: int, burst_level: BurstLevel) -> np.ndarray:
    """The mashup as a host's test file is heard: made at the host's sample rate with its vocoder, then (samples,)
    float32 at the bank's rate.
    """
    import soxr

    wave = render(bank, mashups, row, burst_level, HOST_HZ, "librosa")
    return soxr.resample(wave, HOST_HZ, bank.sample_rate_hz, quality="HQ")


def burst_spans(bank: Bank, mashups: Arrangements, row: int) -> list[tuple[str, float, float]]:
    """When the noise of a mashup is heard: (name, begin_s, end_s) of each burst, in order of time."""
    _check_row(bank, mashups, row)
    bursts = np.flatnonzero(mashups.burst_clip[row] != ABSENT)
    begins_s, lengths_s = mashups.burst_at_s[row, bursts], mashups.burst_length_s[row, bursts]
    ends_s = np.minimum(begins_s + lengths_s, mashups.length_s[row])
    clips = bank.index.iloc[mashups.burst_clip[row, bursts]]
    names = [f"{noise_name(label)} ({clip})" for label, clip in zip(clips["label"], clips["clip"], strict=True)]
    spans = zip(names, begins_s.tolist(), ends_s.tolist(), strict=True)
    return sorted(spans, key=lambda span: span[1])


def _check_row(bank: Bank, mashups: Arrangements, row: int) -> None:
    if not 0 <= row < len(mashups):
        raise IndexError(f"there is no mashup {row}: the arrangements are numbered 0 to {len(mashups) - 1}")
    clips = np.concatenate([mashups.voice_clip[row], mashups.burst_clip[row]])
    unknown = clips[(clips != ABSENT) & ((clips < 0) | (clips >= len(bank.index)))]
    if unknown.size:
        raise IndexError(f"mashup {row} wants clip {unknown[0]}: the bank holds clips 0 to {len(bank.index) - 1}")


def _music(waves: ClipWaves, mashups: Arrangements, row: int, stretch: Stretch) -> np.ndarray:
    """All voices with their gains, at peak 1: (samples,)."""
    music = np.zeros(int(mashups.length_s[row] * waves.sample_rate_hz))
    for voice in np.flatnonzero(mashups.voice_clip[row] != ABSENT):
        wave = waves.wave(mashups.voice_clip[row, voice])
        begin = round(mashups.voice_offset_s[row, voice] * waves.sample_rate_hz)
        rate, context = mashups.voice_rate[row, voice], round(CONTEXT_S * waves.sample_rate_hz)
        # A negative offset is silence until the clip begins.
        silent = min(len(music), round(max(0, -begin) / rate))
        first, last = max(0, begin), max(0, begin) + int(np.ceil((len(music) - silent) * rate))
        before = min(context, first)
        heard = time_stretch(wave[first - before : last + context], rate, waves.sample_rate_hz, stretch)
        heard = heard[round(before / rate) :][: len(music) - silent]
        music[silent : silent + len(heard)] += mashups.voice_gain[row, voice] * heard
    return music / _peak(music)


def _add_burst(
    mix: np.ndarray,
    waves: ClipWaves,
    mashups: Arrangements,
    place: tuple[int, int],
    burst_level: BurstLevel,
    music_rms: float,
) -> None:
    """Add the burst at `place` (row, burst) to the music; what lies outside the mashup is cut."""
    at, offset, length = (
        int(seconds[place] * waves.sample_rate_hz)
        for seconds in (mashups.burst_at_s, mashups.burst_offset_s, mashups.burst_length_s)
    )
    clip = waves.wave(mashups.burst_clip[place])
    gain = mashups.burst_gain[place] * _level(waves.bank, mashups, place, burst_level, music_rms)
    sample = np.arange(max(0, -at), min(length, len(mix) - at))  # of the burst, where the mashup is
    faded = _fade(sample, length, int(mashups.burst_fade_s[place] * waves.sample_rate_hz))
    # A clip that has ended begins again.
    mix[at + sample] += gain * faded * clip[(offset + sample) % len(clip)]


def _level(
    bank: Bank, mashups: Arrangements, place: tuple[int, int], burst_level: BurstLevel, music_rms: float
) -> float:
    """What a gain of 1 multiplies a noise clip by.

    Peaks and RMS are those of the bank's samples, so that a burst is as loud at every sample rate: of many noise clips
    the greater part lies above what the bank can hold.
    """
    measured = bank.index.iloc[mashups.burst_clip[place]]
    match burst_level:
        case "raw":
            return 1.0
        case "peak":
            return 1 / (measured["peak"] or 1.0)
        case "piece":
            clip, rate_hz = bank.wave(mashups.burst_clip[place]), bank.sample_rate_hz
            begin, samples = (
                int(column[place] * rate_hz) for column in (mashups.burst_offset_s, mashups.burst_length_s)
            )
            return 1 / _peak(np.take(clip, np.arange(begin, begin + samples), mode="wrap"))
        case "snr":
            return music_rms / (measured["rms"] or 1.0)


def _fade(sample: np.ndarray, length: int, fade: int) -> np.ndarray:
    """The amplitude of a burst of `length` samples, which rises and falls within `fade` samples of its ends."""
    if fade == 0:
        return np.ones(len(sample))
    return np.minimum(1, np.minimum(sample + 0.5, length - sample - 0.5) / fade)


def _filtered(wave: np.ndarray, kind: str, cutoff_hz: float, sample_rate_hz: int) -> np.ndarray:
    """Through a Butterworth filter; a low-pass above all that this sample rate can hold takes nothing."""
    from scipy import signal

    if kind == "lowpass" and cutoff_hz >= sample_rate_hz / 2:
        return wave
    return signal.sosfilt(signal.butter(ORDER, cutoff_hz, kind, fs=sample_rate_hz, output="sos"), wave)


def _peak(wave: np.ndarray) -> float:
    """What to divide by for a peak of 1; silence stays as it is."""
    return float(np.abs(wave).max(initial=0.0)) or 1.0


def _rms(wave: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(wave, dtype=np.float64)))) if len(wave) else 0.0
