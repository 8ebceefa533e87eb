"""Arrangements: what is drawn, and that it is drawn from (seed, purpose, epoch, index) alone."""

import multiprocessing
from dataclasses import fields, replace

import numpy as np
import pytest

from banks import PARTS, RATE_HZ, bank_of, songs
from messy_mashup.errors import UserError
from messy_mashup.mashup.arrangement import ABSENT, Arrangements, Pool, draw
from messy_mashup.mashup.arrangement_table import from_table, read_table, to_table
from messy_mashup.recipe import MashupRecipe

RECIPE = MashupRecipe(length_s=(1.0, 2.0), noisy=0.7, bursts=(1, 3), burst_s=(0.3, 0.9))


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    noises = {f"1-{n}-A-{n}": np.full(RATE_HZ, 0.1, np.float32) for n in range(4)}
    return bank_of(tmp_path_factory.mktemp("bank"), songs(("jazz", "rock"), 6, 2.2) | noises)


@pytest.fixture(scope="module")
def pool(bank):
    return Pool.of(bank.index, RATE_HZ, ("jazz", "rock"), PARTS)


def equal(one: Arrangements, other: Arrangements) -> bool:
    return all(np.array_equal(getattr(one, field.name), getattr(other, field.name)) for field in fields(Arrangements))


def test_any_range_of_a_stream_is_the_same_as_in_one_piece(pool):
    whole = draw(pool, RECIPE, (7, 0, 3), 0, 100)
    for start, count in [(0, 1), (1, 7), (37, 20), (99, 1)]:
        assert equal(draw(pool, RECIPE, (7, 0, 3), start, count), whole[start : start + count])


def test_another_process_draws_the_same(pool):
    with multiprocessing.get_context("spawn").Pool(1) as processes:
        there = processes.apply(draw, (pool, RECIPE, (7, 0, 3), 10, 5))
    assert equal(there, draw(pool, RECIPE, (7, 0, 3), 10, 5))


def test_seed_purpose_and_epoch_each_change_the_stream(pool):
    first = draw(pool, RECIPE, (0, 0, 0), 0, 20)
    for key in [(1, 0, 0), (0, 1, 0), (0, 0, 1)]:
        assert not np.array_equal(draw(pool, RECIPE, key, 0, 20).voice_gain, first.voice_gain)


def test_voices_are_the_four_parts_of_different_songs_of_one_genre(bank, pool):
    mashups = draw(pool, RECIPE, (0, 0, 0), 0, 500)
    index = bank.index
    for row in range(500):
        clips = index.loc[mashups.voice_clip[row]]
        assert tuple(clips["part"]) == PARTS
        assert clips["group"].nunique() == 4
        assert set(clips["label"]) == {pool.classes[mashups.label[row]]}


def test_every_song_of_a_genre_is_drawn_equally_often_in_every_part(bank, pool):
    mashups = draw(pool, RECIPE, (0, 0, 0), 0, 6000)
    for part in range(4):
        counts = np.bincount(mashups.voice_clip[:, part], minlength=len(bank.index))
        drawn = counts[bank.index["part"] == PARTS[part]]
        assert len(drawn) == 12
        assert (abs(drawn - 500) < 5 * np.sqrt(500)).all()


def test_numbers_stay_within_the_recipe_and_the_clips(bank, pool):
    recipe = replace(RECIPE, stretched=0.5)
    mashups = draw(pool, recipe, (0, 0, 0), 0, 2000)
    seconds = bank.index["length"].to_numpy() / RATE_HZ
    read_s = mashups.voice_offset_s + mashups.length_s[:, None] * mashups.voice_rate
    assert (read_s <= seconds[mashups.voice_clip] + 1e-9).all()
    assert (mashups.voice_offset_s >= 0).all()
    changed = mashups.voice_rate != 1
    assert abs(changed.mean() - 0.5) < 0.03
    assert (np.abs(mashups.voice_rate[changed] - 1) <= 0.1).all()
    assert mashups.voice_rate.min() < 0.91
    assert mashups.voice_rate.max() > 1.09
    number = (mashups.burst_clip != ABSENT).sum(axis=1)
    assert abs((number > 0).mean() - 0.7) < 0.04
    assert [abs((number == count).mean() - 0.7 / 3) < 0.04 for count in (1, 2, 3)] == [True] * 3
    sounding = mashups.burst_clip != ABSENT
    assert ((mashups.burst_offset_s + mashups.burst_length_s)[sounding] <= 1 + 1e-9).all()
    assert (mashups.burst_at_s <= mashups.length_s[:, None]).all()
    gain = mashups.burst_gain[sounding]
    assert (gain.min() >= 0.1, gain.max() <= 0.8, abs(gain.mean() - 0.45) < 0.02) == (True, True, True)


def test_too_few_songs_and_no_noise_are_sentences(bank, pool):
    three = bank.index[bank.index["group"].isin(["jazz.00000", "jazz.00001", "jazz.00002"])]
    with pytest.raises(UserError, match="jazz has 3 songs"):
        Pool.of(three, RATE_HZ, ("jazz",), PARTS)
    stems = Pool.of(bank.index[bank.index["kind"] == "stem"], RATE_HZ, ("jazz", "rock"), PARTS)
    with pytest.raises(UserError, match=r"mashup\.noisy=0"):
        draw(stems, RECIPE, (0, 0, 0), 0, 1)
    assert (draw(stems, replace(RECIPE, noisy=0.0), (0, 0, 0), 0, 9).burst_clip == ABSENT).all()


def test_a_table_is_read_back_exactly(bank, pool, tmp_path):
    mashups = draw(pool, replace(RECIPE, stretched=0.5), (0, 1, 0), 0, 50)
    names = bank.index["clip"].to_numpy(str)
    to_table(mashups, names, pool.classes).to_csv(tmp_path / "table.csv", index=False)

    table = read_table(tmp_path / "table.csv")
    assert equal(from_table(table, names, pool.classes), mashups)
    with pytest.raises(KeyError):
        from_table(table.replace({table["voice0_clip"][0]: "none/such"}), names, pool.classes)
