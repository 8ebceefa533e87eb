"""Tempo, beats and downbeats, held against clicks whose times are known and against the demo's songs."""

import numpy as np
import pytest
import soxr

from messy_mashup.data.beats import BEATS_PER_BAR, CONFIDENT, NO_BEATS, Beats, song_beats
from messy_mashup.data.demo_music import song as demo_song
from messy_mashup.data.demo_music.styles import GENRES

RATE_HZ = 16_000
SECONDS = 8.0


def clicks(tempo_bpm: float, first_s: float, seconds: float) -> np.ndarray:
    """Short decaying tones, one a beat, each beginning on its sample."""
    wave = np.zeros(round(seconds * RATE_HZ), np.float32)
    time_s = np.arange(400) / RATE_HZ
    click = np.sin(2 * np.pi * 1500 * time_s) * np.exp(-time_s * 300)
    for beat_s in np.arange(first_s, seconds - 0.1, 60 / tempo_bpm):
        wave[round(beat_s * RATE_HZ) :][: len(click)] += click.astype(np.float32)
    return wave


def apart_s(time_s: float, truth_s: float, cycle_s: float) -> float:
    """How far two times are apart, but for whole cycles."""
    return abs((time_s - truth_s + cycle_s / 2) % cycle_s - cycle_s / 2)


def well_formed(beats: Beats) -> bool:
    """The first beat within a beat, the first downbeat within a bar and on a beat, confidences that are shares."""
    period_s = 60 / beats.tempo_bpm
    return (
        0 <= beats.beat_s < period_s
        and 0 <= beats.bar_s < BEATS_PER_BAR * period_s
        and apart_s(beats.bar_s, beats.beat_s, period_s) <= 0.002
        and 0 <= beats.bar_confidence <= beats.confidence <= 1
    )


@pytest.mark.parametrize("seconds", [4.0, 8.0, 30.0])
@pytest.mark.parametrize(("tempo_bpm", "first_s"), [(74.3, 0.1), (97.3, 0.211), (128.0, 0.05), (171.9, 0.3)])
def test_clicks(tempo_bpm: float, first_s: float, seconds: float) -> None:
    beats = song_beats({"drums": clicks(tempo_bpm, first_s, seconds)}, RATE_HZ)
    assert well_formed(beats)
    assert beats.tempo_bpm == pytest.approx(tempo_bpm, rel=0.002)
    assert apart_s(beats.beat_s, first_s, 60 / tempo_bpm) < 0.01
    assert beats.confidence >= CONFIDENT
    assert beats.bar_confidence < CONFIDENT  # all clicks are alike


def test_same_clicks_in_any_stem_give_the_same_beats() -> None:
    wave = clicks(110, 0.2, SECONDS)
    found = [song_beats({part: wave, "vocals": np.zeros_like(wave)}, RATE_HZ) for part in ("drums", "bass", "other")]
    assert [one.tempo_bpm for one in found] == pytest.approx([110.0] * 3, rel=0.002)
    assert all(apart_s(one.beat_s, 0.2, 60 / 110) < 0.01 for one in found)


def test_bleed_does_not_drown_the_band() -> None:
    """A stem 60 dB below the others, in another tempo, changes nothing that matters."""
    band = clicks(110, 0.2, SECONDS)
    beats = song_beats({"drums": 1e-3 * clicks(137, 0.1, SECONDS), "other": band}, RATE_HZ)
    assert beats.tempo_bpm == pytest.approx(110, rel=0.002)


def demo_stems(genre: str, index: int) -> dict[str, np.ndarray]:
    stems = demo_song.song(genre, 11, index, SECONDS)
    return {
        part: soxr.resample(wave.mean(axis=1).astype(np.float32) / 32768, 44_100, RATE_HZ)
        for part, wave in stems.items()
    }


def demo_truth(genre: str, index: int) -> tuple[float, float, float]:
    """The demo's own tempo, its first beat and its first downbeat: `compose` draws its grid again here."""
    composed = demo_song.compose(genre, 11, index, SECONDS)
    draw = demo_song._rng(composed.key, "song")
    draw.uniform(*GENRES[genre].tempo_bpm), draw.uniform(0.995, 1.01)
    grid, skipped_beats = demo_song._grid(GENRES[genre], composed.tempo_bpm, composed.seconds, draw)
    period_s = 60 / composed.tempo_bpm
    return composed.tempo_bpm, -skipped_beats % 1 * period_s, -skipped_beats % grid.beats * period_s


@pytest.mark.parametrize("genre", ["disco", "rock", "pop", "hiphop", "reggae", "jazz"])
def test_songs_of_the_demo(genre: str) -> None:
    for index in range(2):
        beats = song_beats(demo_stems(genre, index), RATE_HZ)
        tempo_bpm, beat_s, bar_s = demo_truth(genre, index)
        print(genre, index, beats, tempo_bpm, beat_s, bar_s)
        octave = 2.0 ** round(np.log2(beats.tempo_bpm / tempo_bpm))
        assert well_formed(beats)
        assert beats.confidence >= CONFIDENT
        assert beats.tempo_bpm / octave == pytest.approx(tempo_bpm, rel=0.003)
        assert apart_s(beats.beat_s, beat_s, 60 / max(tempo_bpm, beats.tempo_bpm)) < 0.025
        if beats.bar_confidence >= CONFIDENT:
            assert apart_s(beats.bar_s, bar_s, 240 / max(tempo_bpm, beats.tempo_bpm)) < 0.025


def test_most_downbeats_of_the_demo_are_told() -> None:
    told = [song_beats(demo_stems(genre, 2), RATE_HZ).bar_confidence >= CONFIDENT for genre in ("disco", "rock", "pop")]
    assert sum(told) >= 2


@pytest.mark.parametrize("seconds", [3.0, 8.0, 30.0])
def test_noise_has_no_tempo(seconds: float) -> None:
    wave = np.random.default_rng(0).normal(0, 0.1, round(seconds * RATE_HZ)).astype(np.float32)
    beats = song_beats({"drums": wave, "other": wave[::-1]}, RATE_HZ)
    assert well_formed(beats)
    assert beats.confidence < 0.1


@pytest.mark.parametrize("stems", [{}, {"drums": np.zeros(3 * RATE_HZ, np.float32)}, {"bass": clicks(120, 0.1, 0.9)}])
def test_silence_and_moments_have_no_beats(stems: dict[str, np.ndarray]) -> None:
    assert song_beats(stems, RATE_HZ) == NO_BEATS == Beats(0.0, 0.0, 0.0, 0.0, 0.0)


def test_a_steady_tone_and_a_second_of_sound_are_no_error() -> None:
    tone = np.sin(2 * np.pi * 220 * np.arange(3 * RATE_HZ) / RATE_HZ).astype(np.float32)
    for wave in (tone, tone[:RATE_HZ], np.full(3 * RATE_HZ, 0.1, np.float32)):
        assert song_beats({"vocals": wave, "drums": wave[:100]}, RATE_HZ).confidence < CONFIDENT
