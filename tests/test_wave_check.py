"""A stem's wave stands far above chance where it is in a mashup; elsewhere, in others and in silence it does not."""

import warnings
from dataclasses import astuple, replace
from functools import partial

import numpy as np
import pytest
import torch

from banks import PARTS, RATE_HZ, bank_of
from messy_mashup.search import wave_check
from messy_mashup.search.voice_catalogue import VoiceCatalogue
from messy_mashup.search.wave_check import AGREES, WaveCheck, check_wave
from mixed_voices import Mixed, mixed, stem

SECONDS, SONGS = 4.0, 3
sung = partial(stem, seconds=6.5, slide=1.0)
SILENT = "rock.00002/other"
DRUMS, VOCALS, OTHER = [
    Mixed(0, "drums", offset_s=0.8),
    Mixed(1, "vocals", 0.95, 0.8, 0.5),
    Mixed(1, "other", 1.07, 0.8, 0.3),
]
VOICES = pytest.mark.parametrize("voice", [DRUMS, VOCALS, OTHER], ids=lambda voice: voice.part)


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory):
    stems = {f"rock.{song:05d}/{part}": sung(part, song) for song in range(SONGS) for part in PARTS}
    stems[SILENT] = np.zeros_like(stems[SILENT])
    return VoiceCatalogue(bank_of(tmp_path_factory.mktemp("bank"), stems))


@pytest.fixture(scope="module")
def mashup():
    return mixed([DRUMS, VOCALS, OTHER], SECONDS, sung)


def checked(wave: np.ndarray, voice: Mixed, catalogue: VoiceCatalogue) -> WaveCheck:
    """The stem of the voice, looked for at its rate and offset; a warning is an error."""
    (number,) = np.flatnonzero((catalogue.song == f"rock.{voice.song:05d}") & (catalogue.part == voice.part))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check = check_wave(torch.from_numpy(wave), int(number), voice.rate, voice.offset_s, catalogue)
    assert np.isfinite(astuple(check)).all()
    return check


@VOICES
def test_a_voice_stands_far_above_chance_at_its_place(mashup, catalogue, voice):
    check = checked(mashup, voice, catalogue)
    assert check.agrees
    assert check.significance > 1.5 * AGREES
    assert 0.17 < check.correlation <= 1
    assert 4 < check.spread <= 8


@VOICES
def test_it_is_found_from_nearby(mashup, catalogue, voice):
    there = checked(mashup, voice, catalogue)
    for off_s in (-0.012, 0.012):
        check = checked(mashup, replace(voice, offset_s=voice.offset_s + off_s), catalogue)
        assert check.agrees
        assert check.offset_s == pytest.approx(there.offset_s, abs=0.025)
        # An unstretched wave's place is exact to the step of the search
        assert voice.rate != 1 or check.offset_s == pytest.approx(voice.offset_s, abs=0.001)


@VOICES
def test_elsewhere_and_at_another_rate_it_does_not_agree(mashup, catalogue, voice):
    wrong = [replace(voice, offset_s=voice.offset_s + off_s) for off_s in (-2.3, -0.4, 0.25, 1.0)]
    checks = [checked(mashup, other, catalogue) for other in (*wrong, replace(voice, rate=1.2))]
    assert not any(check.agrees for check in checks)
    assert max(check.significance for check in checks) < 0.5 * checked(mashup, voice, catalogue).significance


def test_wrong_stems_do_not_agree(mashup, catalogue):
    voices = [Mixed(2, part, rate) for part in PARTS for rate in (1.0, 1.04)]
    checks = [checked(mashup, voice, catalogue) for voice in voices]
    assert not any(check.agrees for check in checks)
    assert max(check.significance for check in checks) < AGREES


@pytest.mark.parametrize("rate", [1.0, 0.93, 1.06])
def test_a_long_mashup_is_heard_in_its_middle_at_the_right_place(catalogue, monkeypatch, rate):
    monkeypatch.setattr(wave_check, "CHECKED_S", 3.0)
    voices = [Mixed(0, "drums", rate, offset_s=0.4), Mixed(1, "vocals", gain=0.5)]
    long = mixed(voices, 4.6, sung)
    check = checked(long, voices[0], catalogue)
    assert check.agrees
    assert check.offset_s == pytest.approx(0.4, abs=0.002 if rate == 1 else 0.025)
    middle = slice(round(0.8 * RATE_HZ), round(3.8 * RATE_HZ))
    noisy_ends = np.random.default_rng(0).normal(0, 0.1, len(long)).astype(np.float32)
    noisy_ends[middle] = long[middle]
    assert checked(noisy_ends, voices[0], catalogue) == check


def test_a_voice_that_is_heard_in_one_moment_only_does_not_agree(catalogue):
    moment = slice(round(1.9 * RATE_HZ), round(2.3 * RATE_HZ))
    mashup = 0.05 * np.random.default_rng(0).normal(0, 1, round(SECONDS * RATE_HZ)).astype(np.float32)
    mashup[moment] = mixed([DRUMS], SECONDS, sung)[moment]
    stem_of_a_moment = np.zeros_like(sung("drums", 0))
    begin = round(DRUMS.offset_s * RATE_HZ)
    stem_of_a_moment[begin + moment.start : begin + moment.stop] = mashup[moment]
    only = VoiceCatalogue(bank_of(catalogue.bank.root.with_name("moment"), {"rock.00000/drums": stem_of_a_moment}))
    check = checked(mashup, DRUMS, only)
    assert check.significance > AGREES
    assert check.spread < 2.5
    assert not check.agrees


def test_silence_agrees_with_nothing(mashup, catalogue):
    silent_stem = [Mixed(2, "other", rate, offset_s=0.3) for rate in (1.0, 1.1)]
    checks = [checked(mashup, voice, catalogue) for voice in silent_stem]
    silence = np.zeros(round(SECONDS * RATE_HZ), np.float32)
    checks += [checked(silence, voice, catalogue) for voice in (DRUMS, VOCALS, silent_stem[0])]
    assert [(check.correlation, check.significance, check.agrees) for check in checks] == [(0, 0, False)] * 5


def test_a_mashup_of_a_second_can_be_checked(mashup, catalogue):
    assert checked(mashup[:RATE_HZ], DRUMS, catalogue).agrees
    assert not checked(mashup[:RATE_HZ], replace(DRUMS, offset_s=3.0), catalogue).agrees


@pytest.mark.parametrize(
    ("rate", "offset_s"),
    [
        (1.0, 6.4),
        (1.0, 9.0),
        (1.0, -3.9),
        (1.0, -9.0),
        (1.05, 6.4),
        (1.05, -3.9),
        (1.05, 9.0),
        (1.05, -9.0),
    ],
)
def test_past_the_ends_of_its_stem_nothing_agrees(mashup, catalogue, rate, offset_s):
    assert not checked(mashup, Mixed(0, "drums", rate, offset_s=offset_s), catalogue).agrees
