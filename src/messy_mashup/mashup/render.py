"""One mashup as a waveform, for listening and for tests that hold the frame domain against it.

Levels go in the frame domain's order: voices x gains, sum, divided by the music's peak, bursts x gains added, divided
by the final peak. Voices are stretched by librosa's phase vocoder.
"""

from typing import Literal

import numpy as np

from messy_mashup.data.bank import Bank
from messy_mashup.data.survey import noise_name
from messy_mashup.mashup.arrangement import ABSENT, Arrangements
from messy_mashup.recipe import MashupRecipe


def render(
    bank: Bank, mashups: Arrangements, row: int, burst_level: Literal["raw", "peak"] = MashupRecipe.burst_level
) -> np.ndarray:
    """The mashup in a row of arrangements, at the bank's sample rate and at peak 1 (or silent): float32 (samples,).

    IndexError where there is no such row, or where a clip is not in the bank.
    """
    _check_row(bank, mashups, row)
    samples = int(mashups.length_s[row] * bank.sample_rate_hz)
    music = np.zeros(samples)
    for voice, gain in enumerate(mashups.voice_gain[row]):
        music += gain * _voice(bank, mashups, row, voice, samples)
    music /= _peak(music)
    for burst in np.flatnonzero(mashups.burst_clip[row] != ABSENT):
        _add_burst(music, bank, mashups, (row, burst), burst_level)
    return (music / _peak(music)).astype(np.float32)


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
    bursts = mashups.burst_clip[row]
    clips = np.concatenate([mashups.voice_clip[row], bursts[bursts != ABSENT]])
    unknown = clips[(clips < 0) | (clips >= len(bank.index))]
    if unknown.size:
        raise IndexError(f"mashup {row} wants clip {unknown[0]}: the bank holds clips 0 to {len(bank.index) - 1}")


def _voice(bank: Bank, mashups: Arrangements, row: int, voice: int, samples: int) -> np.ndarray:
    """The voice from its offset on and at its tempo, silent where its clip has ended: (samples,)."""
    rate = mashups.voice_rate[row, voice]
    begin = round(mashups.voice_offset_s[row, voice] * bank.sample_rate_hz)
    wave = bank.wave(mashups.voice_clip[row, voice])[begin : begin + int(np.ceil(samples * rate))]
    heard = _stretched(wave, rate)[:samples]
    return np.pad(heard, (0, samples - len(heard)))


def _stretched(wave: np.ndarray, rate: float) -> np.ndarray:
    if rate == 1 or len(wave) == 0:
        return wave
    import librosa

    return librosa.effects.time_stretch(wave, rate=rate)


def _add_burst(music: np.ndarray, bank: Bank, mashups: Arrangements, place: tuple[int, int], burst_level: str) -> None:
    """Add the burst at `place` (row, burst) to the music; what lies past the mashup's end is cut."""
    at, offset, length = (
        int(seconds[place] * bank.sample_rate_hz)
        for seconds in (mashups.burst_at_s, mashups.burst_offset_s, mashups.burst_length_s)
    )
    clip = mashups.burst_clip[place]
    level = bank.index["peak"].iat[clip] if burst_level == "peak" else 1.0
    if level > 0:
        noise = bank.wave(clip)[offset : offset + length][: max(0, len(music) - at)]
        music[at : at + len(noise)] += mashups.burst_gain[place] / level * noise


def _peak(wave: np.ndarray) -> float:
    """What to divide by for a peak of 1; silence stays as it is."""
    return float(np.abs(wave).max(initial=0.0)) or 1.0
