"""Voices are looked for in mashups that are mixed here as the host mixes them, so that the truth is known."""

from functools import partial

import numpy as np
import pytest
import torch

from banks import PARTS, RATE_HZ, bank_of
from messy_mashup.errors import UserError
from messy_mashup.search import steady_voices, voice_catalogue
from messy_mashup.search.found_voices import FoundVoice, find_voices
from messy_mashup.search.pattern_likeness import search_rates
from messy_mashup.search.power_gains import power, power_gains
from messy_mashup.search.voice_catalogue import VoiceCatalogue, levels_db
from mixed_voices import Mixed, stem
from mixed_voices import mixed as mixed_at

SONGS = 16
SILENT = "rock.00015/vocals"
mixed = partial(mixed_at, vocoder_hz=RATE_HZ)
STEMS = {f"rock.{song:05d}/{part}": stem(part, song) for song in range(SONGS) for part in PARTS}
STEMS[SILENT] = np.zeros_like(STEMS[SILENT])


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory):
    return VoiceCatalogue(bank_of(tmp_path_factory.mktemp("bank"), STEMS))


def found_of(voices: list[FoundVoice], catalogue: VoiceCatalogue) -> dict[str, FoundVoice]:
    return {catalogue.bank.index["clip"][voice.clip]: voice for voice in voices}


def level_db(voice: FoundVoice, reference: FoundVoice) -> float:
    return 20 * np.log10(voice.gain / reference.gain)


AT_BEGIN = (-0.05, 0.05)
STEADY = [Mixed(0, "drums"), Mixed(1, "vocals", gain=0.5), Mixed(2, "bass", gain=0.8), Mixed(3, "other", gain=0.4)]
STRETCHED = [Mixed(4, "drums", 0.92, 2.0), Mixed(5, "vocals", gain=0.7), Mixed(6, "other", 1.08, 0.8)]
MOVED = [Mixed(7, "vocals", offset_s=0.7), Mixed(8, "other", gain=0.6, offset_s=-0.5)]
STRANGE = [Mixed(100 + number, part) for number, part in enumerate(PARTS)]


@pytest.fixture(scope="module")
def found(catalogue):
    mashups = [mixed(STEADY), mixed(MOVED), mixed(STRANGE), np.zeros(3 * RATE_HZ, np.float32)]
    return [found_of(voices, catalogue) for voices in find_voices(mashups, catalogue)]


def test_unstretched_voices_are_found_with_their_gains(found):
    assert set(found[0]) == {f"rock.{voice.song:05d}/{voice.part}" for voice in STEADY}
    loudest = found[0]["rock.00000/drums"]
    for voice in STEADY:
        heard = found[0][f"rock.{voice.song:05d}/{voice.part}"]
        assert heard.steady
        assert heard.rate == 1
        assert heard.offset_s == pytest.approx(0, abs=0.1 / RATE_HZ)
        assert level_db(heard, loudest) == pytest.approx(20 * np.log10(voice.gain), abs=0.1)
        assert heard.gain_error < 0.03 * heard.gain


def test_stretched_voices_are_found_with_their_rates(catalogue):
    found = found_of(find_voices([mixed(STRETCHED)], catalogue, AT_BEGIN)[0], catalogue)
    assert set(found) == {f"rock.{voice.song:05d}/{voice.part}" for voice in STRETCHED}
    reference = found["rock.00005/vocals"]
    assert reference.steady
    for voice in STRETCHED[::2]:
        heard = found[f"rock.{voice.song:05d}/{voice.part}"]
        assert not heard.steady
        assert heard.rate == pytest.approx(voice.rate, abs=0.012)
        assert heard.offset_s == pytest.approx(0, abs=0.05)
        assert level_db(heard, reference) == pytest.approx(20 * np.log10(voice.gain / 0.7) - 1.7, abs=2.5)
        assert heard.gain_error > 0


def test_where_in_its_stem_a_voice_begins(found):
    assert set(found[1]) == {"rock.00007/vocals", "rock.00008/other"}
    for voice in MOVED:
        heard = found[1][f"rock.{voice.song:05d}/{voice.part}"]
        assert heard.offset_s == pytest.approx(voice.offset_s, abs=0.2 / RATE_HZ)


def test_songs_that_are_not_in_the_bank_are_not_found(found):
    assert found[2] == {}


def test_nothing_is_found_in_digital_silence(found):
    assert found[3] == {}


def test_a_voice_outside_the_offsets_that_were_named_is_not_found(catalogue):
    mashup = mixed([Mixed(9, "other", 1.1, offset_s=0.6)])
    near, elsewhere = (find_voices([mashup], catalogue, span)[0] for span in ((0.5, 0.7), (-0.1, 0.1)))
    assert found_of(near, catalogue)["rock.00009/other"].offset_s == pytest.approx(0.6, abs=0.05)
    assert "rock.00009/other" not in found_of(elsewhere, catalogue)


def test_steady_voices_are_the_same_in_a_narrow_search_and_a_wide_one(catalogue):
    mashups = [torch.from_numpy(mixed(voices, seconds)) for voices, seconds in ((STEADY, 4.0), (STEADY[:2], 2.5))]
    wide, narrow = (steady_voices.find_steady(mashups, catalogue, span) for span in ((-np.inf, np.inf), AT_BEGIN))
    assert [len(voices) for voices in wide] == [4, 2]
    for one, other in zip(wide, narrow, strict=True):
        assert {voice.stem: voice.lag for voice in one} == {voice.stem: voice.lag for voice in other}


def test_a_steady_voice_outside_the_offsets_that_were_named_is_not_found(catalogue):
    (near,), (elsewhere,) = (
        steady_voices.find_steady([torch.from_numpy(mixed([Mixed(9, "other", offset_s=0.6)]))], catalogue, span)
        for span in ((0.5, 0.7), AT_BEGIN)
    )
    assert [voice.lag for voice in near] == pytest.approx([0.6 * RATE_HZ], abs=0.2)
    assert elsewhere == []


def test_whitened_stems_that_are_too_many_to_keep_are_made_anew(catalogue, monkeypatch):
    monkeypatch.setattr(voice_catalogue, "WHITENED_BYTES", 0)
    other = VoiceCatalogue(catalogue.bank)
    kept, anew = list(catalogue.whitened(24)), list(other.whitened(24))
    assert [len(portion) for portion in anew] == [24, 24, 16]
    assert not other._whitened
    torch.testing.assert_close(torch.cat(anew), torch.cat(kept), atol=1e-3, rtol=1e-3)
    energies = torch.cat(anew).square().sum(1)
    assert energies[list(catalogue.bank.index["clip"]).index(SILENT)] == 0
    assert energies[energies > 0].std() < 0.2 * energies.max()


def test_the_level_of_a_loud_frame_is_the_usual_quantile():
    levels = torch.randn(37, 5, generator=torch.Generator().manual_seed(0))
    for rows in (1, 2, 20, 21, 37):
        expected = torch.quantile(levels[:rows], 0.95, dim=0)
        torch.testing.assert_close(voice_catalogue._quantile(levels[:rows], 0.95), expected)


def test_a_voice_stretched_a_little_is_not_called_steady(catalogue):
    (voices,) = find_voices([mixed([Mixed(10, "other", 1.02), Mixed(11, "bass")])], catalogue, AT_BEGIN)
    heard = found_of(voices, catalogue)["rock.00010/other"]
    assert not heard.steady
    # Transients lag by up to one of the vocoder's hops of 32 ms, in 4 s
    assert 1.02 - 0.032 / 4 - 0.002 <= heard.rate <= 1.02 + 0.002


def test_gains_from_power_hold_where_something_else_sounds_too():
    voices = [torch.from_numpy(stem(part, 20)) for part in ("drums", "other")]
    powers = torch.stack([power(levels_db(wave)) for wave in voices])
    noise = torch.zeros(len(voices[0]))
    noise[RATE_HZ : 2 * RATE_HZ] = torch.from_numpy(np.random.default_rng(1).normal(0, 0.02, RATE_HZ)).float()
    gain, error = power_gains(levels_db(voices[0] + 0.5 * voices[1] + noise), powers)
    assert 20 * torch.log10(gain[1] / gain[0]) == pytest.approx(20 * np.log10(0.5), abs=1.0)
    assert (error > 0).all()
    assert (error < 0.3 * gain).all()


def test_gains_from_power_are_exact_where_power_adds_up():
    voices = torch.rand(3, 200, 80, generator=torch.Generator().manual_seed(0)) ** 8
    voices[2] = 0  # a silent voice has no gain
    levels = 10 * torch.log10(4.0 * voices[0] + 0.25 * voices[1])
    gain, error = power_gains(levels, voices)
    assert gain.tolist() == pytest.approx([2.0, 0.5, 0.0], abs=0.01)
    assert (error < 0.01).all()


def test_longer_mashups_are_searched_at_finer_rates():
    coarse, fine = search_rates(2.0), search_rates(8.0)
    for rates, length_s in ((coarse, 2.0), (fine, 8.0)):
        assert rates[0] == pytest.approx(0.78)
        assert rates[-1] == pytest.approx(1.25)
        assert np.diff(np.log(rates)).max() * length_s <= 0.0801
    assert len(fine) > 3 * len(coarse)


def test_what_cannot_be_searched_is_refused(catalogue):
    with pytest.raises(UserError, match="mashup 1 is shorter than 1 s"):
        find_voices([np.zeros(RATE_HZ), np.zeros(RATE_HZ - 1)], catalogue)
    assert find_voices([], catalogue) == []
