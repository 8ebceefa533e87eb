"""The stems of mashups whose truth is known: what is found is right, what was barred or is strange is not found."""

import warnings
from dataclasses import asdict
from functools import partial

import numpy as np
import pytest

from banks import PARTS, RATE_HZ, bank_of
from messy_mashup.errors import UserError
from messy_mashup.search.matches import Match, find_matches
from messy_mashup.search.voice_catalogue import LEAST_S, VoiceCatalogue
from mixed_voices import Mixed, mixed, stem

SONGS, SECONDS = 8, 6.0
sung = partial(stem, seconds=7.5, slide=1.0)
STEADY = [
    Mixed(0, "drums", offset_s=0.713),
    Mixed(1, "vocals", gain=0.6, offset_s=1.401),
    Mixed(2, "bass", gain=0.8, offset_s=-0.317),
    Mixed(3, "other", gain=0.5, offset_s=0.052),
]
VOCODED = [
    Mixed(4, "drums", 0.92, 0.9, 1.13),
    Mixed(5, "vocals", 1.07, 0.7, 0.29),
    Mixed(6, "bass", 0.95, 0.8, 0.47),
    Mixed(7, "other", 1.11, 0.5, 0.81),
]
HALF_KNOWN = [
    Mixed(2, "vocals", 0.9, 0.8, 1.02),
    Mixed(4, "bass", offset_s=0.33),
    Mixed(50, "drums"),
    Mixed(51, "other", 1.06),
]
ANOTHER_OF_ITS_SONG = Mixed(4, "other", gain=0.7, offset_s=0.4)
ANOTHER_OF_ITS_PART = Mixed(6, "drums", gain=0.7, offset_s=0.4)


def name(voice: Mixed) -> str:
    return f"rock.{voice.song:05d}/{voice.part}"


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory):
    stems = {f"rock.{song:05d}/{part}": sung(part, song) for song in range(SONGS) for part in PARTS}
    return VoiceCatalogue(bank_of(tmp_path_factory.mktemp("bank"), stems))


@pytest.fixture(scope="module")
def mashups():
    return [mixed(voices, SECONDS, sung) for voices in (STEADY, VOCODED, HALF_KNOWN)]


@pytest.fixture(scope="module")
def together(mashups, catalogue):
    return find_matches(mashups, catalogue)


def found_of(matches: list[Match], catalogue: VoiceCatalogue) -> dict[str, Match]:
    return {catalogue.bank.index["clip"][match.clip]: match for match in matches if match.found}


def test_steady_voices_are_found_sample_by_sample(together, catalogue):
    found = found_of(together[0], catalogue)
    assert set(found) == {name(voice) for voice in STEADY}
    for voice in STEADY:
        match = found[name(voice)]
        assert match.steady
        assert match.rate == 1
        assert match.offset_s == pytest.approx(voice.offset_s, abs=0.5 / RATE_HZ)
        assert match.significance > 20
        assert match.correlation > 0.5


def test_vocoded_voices_are_found_with_rate_and_place(together, catalogue):
    found = found_of(together[1], catalogue)
    assert set(found) == {name(voice) for voice in VOCODED}
    for voice in VOCODED:
        match = found[name(voice)]
        assert not match.steady
        assert match.rate == pytest.approx(voice.rate, rel=0.005)
        # A vocoder's window is 93 ms, in which it moves each band by an amount of its own
        assert match.offset_s == pytest.approx(voice.offset_s, abs=0.03)
        middle_s = match.offset_s + match.rate * SECONDS / 2
        assert middle_s == pytest.approx(voice.offset_s + voice.rate * SECONDS / 2, abs=0.02)
        assert match.significance > 8


def test_what_is_not_in_the_bank_is_left_out_beside_what_is(together, catalogue):
    assert set(found_of(together[2], catalogue)) == {name(voice) for voice in HALF_KNOWN[:2]}


def test_found_ones_come_before_those_that_were_refused(together):
    for matches in together:
        flags = [match.found for match in matches]
        assert flags == sorted(flags, reverse=True)
        assert len({match.clip for match in matches}) == len(matches)


def test_a_mashup_alone_gives_the_same_as_with_others_of_its_length(mashups, together, catalogue):
    (alone,) = find_matches(mashups[1:2], catalogue)
    assert alone == together[1]


def test_a_mashup_alone_gives_the_same_as_beside_a_longer_one(mashups, catalogue):
    short, offset_s = mixed(VOCODED[1:2], 2.8, sung), (0.2, 0.4)
    (alone,) = find_matches([short], catalogue, offset_s)
    beside, _ = find_matches([short, mashups[0]], catalogue, offset_s)
    rates = [{clip: match.rate for clip, match in found_of(each, catalogue).items()} for each in (alone, beside)]
    assert rates[0] == rates[1]


def test_barred_songs_are_never_found_and_nothing_is_in_their_place(mashups, together, catalogue):
    barred = [[f"rock.{voice.song:05d}" for voice in voices] for voices in (STEADY, VOCODED)]
    for matches, songs in zip(find_matches(mashups[:2], catalogue, barred=barred), barred, strict=True):
        looked_at = catalogue.bank.index.loc[[match.clip for match in matches], "group"]
        assert not set(looked_at) & set(songs)
        assert found_of(matches, catalogue) == {}


def test_a_song_is_barred_from_its_own_mashup_only(mashups, catalogue):
    barred = [["rock.00000", "rock.00002"], ["rock.00001", "rock.00003"]]
    first, second = find_matches([mashups[0], mashups[0]], catalogue, barred=barred)
    assert set(found_of(first, catalogue)) == {name(STEADY[1]), name(STEADY[3])}
    assert set(found_of(second, catalogue)) == {name(STEADY[0]), name(STEADY[2])}


def test_of_a_part_and_of_a_song_one_stem_is_found(catalogue):
    voices = [Mixed(4, "drums", offset_s=0.9), ANOTHER_OF_ITS_SONG], [Mixed(4, "drums"), ANOTHER_OF_ITS_PART]
    for matches in find_matches([mixed(pair, SECONDS, sung) for pair in voices], catalogue):
        assert len(found_of(matches, catalogue)) == 1


def test_a_dozen_mashups_of_unknown_songs_raise_no_false_alarm(catalogue):
    generator = np.random.default_rng(0)
    strange = [
        mixed([Mixed(100 + 4 * number + place, part, rate) for place, (part, rate) in enumerate(rates)], SECONDS, sung)
        for number in range(12)
        for rates in [zip(PARTS, generator.choice([1.0, 0.93, 1.06], 4), strict=True)]
    ]
    matches = [match for found in find_matches(strange, catalogue) for match in found]
    assert [asdict(match) for match in matches if match.found] == []
    assert max((match.significance for match in matches), default=0.0) < 6


def test_in_digital_silence_there_is_nothing(catalogue):
    half_silent = mixed(STEADY[:1], SECONDS, sung)
    half_silent[len(half_silent) // 2 :] = 0
    waves = [np.zeros(round(LEAST_S * RATE_HZ), np.float32), half_silent]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        silent, half = find_matches(waves, catalogue)
    assert silent == []
    assert all(np.isfinite(list(asdict(match).values())).all() for match in half)
    assert set(found_of(half, catalogue)) <= {name(STEADY[0])}


def test_what_cannot_be_searched_is_refused(catalogue):
    with pytest.raises(UserError, match="mashup 1 is shorter than 1 s"):
        find_matches([np.zeros(RATE_HZ), np.zeros(RATE_HZ - 1)], catalogue)
    assert find_matches([], catalogue) == []
