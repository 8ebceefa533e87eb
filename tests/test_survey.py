"""What a data set is said to hold is what was written into it."""

import numpy as np
import pytest

from example_trees import noise_wave, write_messy_mashup, write_wave
from messy_mashup.data.bank_slot import active_share
from messy_mashup.data.demo_music.noises import CLASSES
from messy_mashup.data.survey import ESC50_CLASSES, look, noise_name, quiet_stretches, silence

RATE_HZ = 1000


@pytest.fixture
def root(tmp_path):
    write_messy_mashup(tmp_path)
    return tmp_path


def test_headers_tell_lengths_rates_and_channels(root):
    survey = look(root)
    assert survey.broken == ()
    by_part = survey.summary()
    assert by_part.index.tolist() == [
        ("stem", "bass"), ("stem", "drums"), ("stem", "other"), ("stem", "vocals"), ("noise", "noise"),
        ("test", "mashup"),
    ]  # fmt: skip
    assert by_part["files"].tolist() == [4, 4, 4, 4, 3, 2]
    assert by_part["groups"].tolist() == [4, 4, 4, 4, 2, 2]
    assert by_part["median_s"].tolist() == pytest.approx([0.4] * 4 + [0.2, 0.4])
    assert by_part["minutes"].tolist() == pytest.approx([1.6 / 60] * 4 + [0.6 / 60, 0.8 / 60])
    assert by_part["sample_rates_hz"].tolist() == ["44100"] * 5 + ["22050"]
    assert by_part["channels"].tolist() == ["2"] * 4 + ["1", "1"]
    assert survey.test["id"].tolist() == ["0001", "0002"]


def test_several_rates_are_all_told(root):
    write_wave(root / "genres_stems/rock/rock.00000/bass.wav", noise_wave(0, 0.4, 22_050, 1), 22_050)
    told = look(root).summary().loc[("stem", "bass")]
    assert (told["sample_rates_hz"], told["channels"]) == ("22050, 44100", "1, 2")


def test_songs_noises_and_lengths(root):
    survey = look(root)
    songs = survey.songs()
    assert songs.index.tolist() == ["blues", "rock"]
    assert songs["songs"].tolist() == [2, 2]
    assert songs["stems"].tolist() == [8, 8]
    assert songs["minutes"].tolist() == pytest.approx([0.8 / 60] * 2)
    noises = survey.noises()
    assert noises[["name", "clips", "recordings"]].to_numpy().tolist() == [["dog", 2, 1], ["rain", 1, 1]]
    assert noises["first_clip"].iat[0] == "ESC-50-master/audio/1-100032-A-0.wav"
    sizes = {name: len(lengths_s) for name, lengths_s in survey.lengths_s()}
    assert sizes == {"stems": 16, "noise clips": 3, "test mashups": 2}


def test_what_cannot_be_read_is_set_aside_and_named(root):
    bad = {"genres_stems/rock/rock.00000/bass.wav": b"", "mashups/song0002.wav": b"no audio at all"}
    for path, content in bad.items():
        (root / path).write_bytes(content)
    survey = look(root)
    assert [item.path for item in survey.broken] == list(bad)
    assert all(str(root / item.path) in item.sentence for item in survey.broken)
    assert len(survey.clips) == 18
    assert survey.test["id"].tolist() == ["0001"]


def test_classes_of_noise_have_esc_50_s_names():
    assert len(set(ESC50_CLASSES)) == 50
    assert all(noise_name(str(target)) == name for name, (target, _) in CLASSES.items())
    assert [noise_name("49"), noise_name("50"), noise_name("hum")] == ["hand_saw", "50", "hum"]


def test_silence_of_a_wave_by_hand():
    # 50 ms blocks of 50 samples: 3 loud, 4 silent, 1 loud, 2 silent, and 25 samples more of silence.
    wave = np.repeat([0.5, 0.0, 0.5, 0.0], [150, 200, 50, 125]).astype(np.float32)
    share, longest_s = quiet_stretches(wave, RATE_HZ)
    assert share == pytest.approx(7 / 11)
    assert longest_s == pytest.approx(0.2)
    assert quiet_stretches(wave * 0, RATE_HZ) == pytest.approx((1, 0.525))
    assert quiet_stretches(wave + 1, RATE_HZ) == (0, 0)


@pytest.mark.parametrize("level", [0.9e-3, 1.1e-3])
def test_silence_is_what_the_bank_calls_so(level):
    wave = np.random.default_rng(0).choice([-level, level, 0, 0.3], 16_100).astype(np.float32)
    wave[2000:9000] = level
    share, longest_s = quiet_stretches(wave, 16_000)
    assert share == 1 - active_share(wave.astype(np.float64) ** 2, 16_000)
    assert (longest_s > 0.3) == (level < 1e-3)


def test_a_sample_of_stems_is_decoded_and_always_the_same(root):
    quiet = np.concatenate([noise_wave(0, 0.1), np.zeros((13_230, 2), np.float32)])
    for song in ("blues.00000", "blues.00001", "rock.00000", "rock.00001"):
        write_wave(root / f"genres_stems/{song[:-6]}/{song}/vocals.wav", quiet)
    table = silence(look(root), count=2, seed=3)
    assert table["part"].tolist() == ["bass", "bass", "drums", "drums", "other", "other", "vocals", "vocals"]
    vocals = table[table["part"] == "vocals"]
    assert vocals["silent_share"].tolist() == [0.75, 0.75]
    assert vocals["longest_silence_s"].tolist() == pytest.approx([0.3, 0.3])
    assert (table.loc[table["part"] != "vocals", "silent_share"] == 0).all()
    assert table.equals(silence(look(root), count=2, seed=3))
    assert len(silence(look(root), count=100, seed=3)) == 16
    clips = {tuple(silence(look(root), count=2, seed=seed)["clip"]) for seed in range(4)}
    assert len(clips) > 1
