"""Tempo policies: the tempo that comes out is measured on the rendered voices, and where their bars lie."""

from dataclasses import replace

import numpy as np
import pytest

from banks import PARTS, RATE_HZ, bank_of
from messy_mashup.data.beats import song_beats
from messy_mashup.mashup import tempo
from messy_mashup.mashup.arrangement import draw
from messy_mashup.mashup.pool import Pool
from messy_mashup.mashup.render import render
from messy_mashup.recipe import MashupRecipe

SURE, UNSURE = 0.9, 0.1
# Tempo and first bar of five songs: near each other, an octave apart, far apart, and one that nobody can be sure of.
SONGS = {
    "rock.00000": (100.0, 0.35, SURE),
    "rock.00001": (108.0, 0.10, SURE),
    "rock.00002": (52.0, 1.30, SURE),
    "rock.00003": (135.0, 0.60, SURE),
    "rock.00004": (97.0, 0.20, UNSURE),
}
NOISELESS = MashupRecipe(length_s=(10.0, 10.0), noisy=0.0, sync_limit=0.15)


def ticks(bpm: float, bar_s: float, seconds: float = 20.0) -> np.ndarray:
    """A tick a beat, the first of every bar three times as loud."""
    wave = np.zeros(round(seconds * RATE_HZ), np.float32)
    tick = np.hanning(80) * np.sin(np.arange(80))
    for number, beat_s in enumerate(np.arange(bar_s % (240 / bpm) - 240 / bpm, seconds - 0.1, 60 / bpm)):
        if beat_s >= 0:
            at = round(beat_s * RATE_HZ) - 40
            wave[max(at, 0) : at + 80] += (0.9 if number % 4 == 0 else 0.3) * tick[-(at + 80 - max(at, 0)) :]
    return wave


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    waves = {f"{song}/{part}": ticks(bpm, bar_s) for song, (bpm, bar_s, _) in SONGS.items() for part in PARTS}
    bank = bank_of(tmp_path_factory.mktemp("bank"), waves)
    for song, (bpm, bar_s, confidence) in SONGS.items():
        columns = ["tempo_bpm", "beat_s", "bar_s", "tempo_confidence", "bar_confidence"]
        bank.index.loc[bank.index["group"] == song, columns] = (bpm, bar_s % (60 / bpm), bar_s, confidence, confidence)
    return bank


@pytest.fixture(scope="module")
def pool(bank):
    return Pool.of(bank.index, RATE_HZ, ("rock",), PARTS)


def songs_of(bank, mashups, row):
    return bank.index["group"].iloc[mashups.voice_clip[row]].tolist()


def voice_alone(mashups, row, voice):
    gain = np.zeros_like(mashups.voice_gain)
    gain[row, voice] = 1.0
    return replace(mashups, voice_gain=gain)


def test_rates_bring_voices_to_the_anchor_s_tempo_and_octaves_are_folded():
    bpm = np.array([[100.0, 108.0, 52.0, 135.0, 97.0], [97.0, 100.0, 205.0, 49.0, 100.0]])
    confidence = np.array([[SURE, SURE, SURE, SURE, UNSURE], [UNSURE, SURE, SURE, SURE, SURE]])
    rates = tempo.synced_rates(bpm, confidence, limit=0.15)
    assert rates == pytest.approx(
        np.array([[1, 100 / 108, 50 / 52, 1, 1], [1, 1, 200 / 205, 50 / 49, 1]])  # 135 is too far from 100
    )
    assert (tempo.synced_rates(bpm, np.zeros_like(bpm), limit=0.15) == 1).all()


def test_no_policy_stretches_more_than_it_may(pool):
    for policy, limits in {"none": (1, 1), "random": (0.8, 1.1), "sync": (1 / 1.15, 1.15)}.items():
        mashups = draw(pool, replace(NOISELESS, tempo=policy, rate=(0.8, 1.1)), (0, 0, 0), 0, 200)
        assert mashups.voice_rate.min() >= limits[0]
        assert mashups.voice_rate.max() <= limits[1]
        assert policy == "none" or mashups.voice_rate.std() > 0.02


def test_the_tempo_of_every_synced_voice_is_measured_to_be_the_anchor_s(bank, pool):
    mashups = draw(pool, replace(NOISELESS, tempo="sync"), (0, 0, 0), 0, 3)
    for row in range(3):
        songs = songs_of(bank, mashups, row)
        anchor = next(song for song in songs if SONGS[song][2] == SURE)
        for voice, song in enumerate(songs):
            heard = song_beats({"drums": render(bank, voice_alone(mashups, row, voice), row)}, RATE_HZ)
            expected = SONGS[anchor][0] if mashups.voice_rate[row, voice] != 1 else SONGS[song][0]
            octaves = np.log2(heard.tempo_bpm / expected)
            assert octaves - round(octaves) == pytest.approx(0, abs=0.006)


def bars_s(mashups, row, voice, song):
    """When bars of a voice begin in a mashup."""
    bpm, bar_s, _ = SONGS[song]
    begins_s = bar_s + 240 / bpm * np.arange(-4, 20)
    heard_s = (begins_s - mashups.voice_offset_s[row, voice]) / mashups.voice_rate[row, voice]
    return heard_s[(heard_s >= 0) & (heard_s < mashups.length_s[row])]


def test_bars_begin_together_where_downbeats_are_aligned(bank, pool):
    mashups = draw(pool, replace(NOISELESS, tempo="downbeats"), (0, 0, 0), 0, 60)
    compared = 0
    for row in range(60):
        songs = songs_of(bank, mashups, row)
        anchor = next(voice for voice, song in enumerate(songs) if SONGS[song][2] == SURE)
        own = bars_s(mashups, row, anchor, songs[anchor])
        for voice, song in enumerate(songs):
            if mashups.voice_rate[row, voice] != 1:
                theirs = bars_s(mashups, row, voice, song)
                slower, faster = sorted((own, theirs), key=len)
                assert np.abs(slower[:, None] - faster).min(axis=1).max() < 1e-6
                compared += 1
    assert compared > 60
    inside_s = (
        pool.length_s[mashups.voice_clip] - mashups.voice_offset_s - mashups.length_s[:, None] * mashups.voice_rate
    )
    assert inside_s.min() > -1e-9
    assert mashups.voice_offset_s.min() >= 0


def test_aligned_bars_are_heard_together(bank, pool):
    """In the waveform: where two voices' bars meet, their loudest ticks are less than 10 ms apart."""
    mashups = draw(pool, replace(NOISELESS, tempo="downbeats"), (1, 0, 0), 0, 4)
    row = 0
    songs = songs_of(bank, mashups, row)
    anchor = next(voice for voice, song in enumerate(songs) if SONGS[song][2] == SURE)
    followers = [voice for voice in range(4) if mashups.voice_rate[row, voice] != 1]
    assert followers
    for voice in followers:
        together_s = [
            at
            for at in bars_s(mashups, row, voice, songs[voice])
            if np.abs(bars_s(mashups, row, anchor, songs[anchor]) - at).min() < 1e-6 and 0.3 < at < 9.5
        ]
        for heard in (anchor, voice):
            wave = np.abs(render(bank, voice_alone(mashups, row, heard), row))
            for at in together_s:
                begin = round((at - 0.15) * RATE_HZ)
                loudest_s = (begin + wave[begin : begin + round(0.3 * RATE_HZ)].argmax()) / RATE_HZ
                assert loudest_s == pytest.approx(at, abs=0.01)


def test_variants_are_played_at_the_rate_that_is_left(tmp_path):
    rng = np.random.default_rng(0)
    stems = {f"rock.{n:05d}/{part}": rng.normal(0, 0.1, 16_000).astype(np.float32) for n in range(5) for part in PARTS}
    variants = {f"{name}@{rate}": wave[: int(16_000 / rate)] for rate in (0.9, 1.1) for name, wave in stems.items()}
    bank = bank_of(tmp_path, stems | variants)
    pool = Pool.of(bank.index, RATE_HZ, ("rock",), PARTS)
    recipe = MashupRecipe(length_s=(0.5, 0.5), noisy=0.0, stretched=0.6, vocoded=0.5)
    plain = draw(pool, replace(recipe, vocoded=0.0), (0, 0, 0), 0, 300)
    mashups = draw(pool, recipe, (0, 0, 0), 0, 300)
    index = bank.index
    used = index["rate"].to_numpy()[mashups.voice_clip]
    assert (index["group"].to_numpy()[mashups.voice_clip] == index["group"].to_numpy()[plain.voice_clip]).all()
    assert mashups.voice_rate * used == pytest.approx(plain.voice_rate)
    assert (used[plain.voice_rate == 1] == 1).all()
    assert (used[plain.voice_rate < 0.99] <= 1).all()
    assert np.mean(used[plain.voice_rate != 1] != 1) == pytest.approx(0.5, abs=0.06)


def test_aligning_never_leaves_too_little_of_a_mashup(tmp_path):
    """Clips of two bars: to move by a bar would leave next to nothing."""
    rng = np.random.default_rng(0)
    stems = {f"rock.{n:05d}/{part}": rng.normal(0, 0.1, 32_000).astype(np.float32) for n in range(6) for part in PARTS}
    bank = bank_of(tmp_path, stems)
    for number, song in enumerate(sorted(bank.index["group"].unique())):
        columns = ["tempo_bpm", "beat_s", "bar_s", "tempo_confidence", "bar_confidence"]
        bank.index.loc[bank.index["group"] == song, columns] = (120 + 3 * number, 0.0, 0.3 * number, SURE, SURE)
    pool = Pool.of(bank.index, RATE_HZ, ("rock",), PARTS)
    whole = draw(pool, replace(NOISELESS, tempo="sync", whole=1.0), (0, 0, 0), 0, 2000)
    mashups = draw(pool, replace(NOISELESS, tempo="downbeats", whole=1.0), (0, 0, 0), 0, 2000)
    assert (mashups.length_s >= 0.5 * whole.length_s - 1e-9).all()
    assert (mashups.length_s < whole.length_s).any()
