"""Arrangements: what is drawn, and that it is drawn from (seed, purpose, epoch, index) alone."""

import multiprocessing
from dataclasses import fields, replace

import numpy as np
import pytest

from banks import PARTS, RATE_HZ, bank_of, songs
from messy_mashup.errors import UserError
from messy_mashup.mashup.arrangement import Arrangements, draw
from messy_mashup.mashup.arrangement_table import from_table, read_table, to_table
from messy_mashup.mashup.pool import ABSENT, Pool
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


EXTRAS = {
    "whole": 0.5, "repeated": True, "burst_fade_s": (0.0, 0.2), "synthetic": 0.5, "bed": 0.5, "echo": 0.5,
    "high_pass": 0.5, "low_pass": 0.5,
}  # fmt: skip


@pytest.fixture(scope="module")
def noisy_pool(tmp_path_factory):
    rng = np.random.default_rng(0)
    names = [f"1-{n}-A-{n}" for n in range(4)] + [f"synthetic-{kind}-00" for kind in ("pink", "hum")]
    noises = {name: rng.normal(0, 0.1, RATE_HZ // 2).astype(np.float32) for name in names}
    bank = bank_of(tmp_path_factory.mktemp("noisy"), songs(("jazz", "rock"), 6, 2.2) | noises)
    return Pool.of(bank.index, RATE_HZ, ("jazz", "rock"), PARTS)


def test_what_a_recipe_adds_leaves_the_rest_of_its_mashups_as_they_were(noisy_pool):
    recipe = replace(RECIPE, burst_s=(0.1, 0.4))
    plain = draw(noisy_pool, recipe, (0, 0, 0), 0, 200)
    extended = draw(noisy_pool, replace(recipe, **(EXTRAS | {"whole": 0.0})), (0, 0, 0), 0, 200)
    for name in ("label", "length_s", "heard_at"):
        assert np.array_equal(getattr(extended, name), getattr(plain, name))
    for name in ("clip", "offset_s", "rate", "gain"):
        assert np.array_equal(getattr(extended, f"voice_{name}")[:, :4], getattr(plain, f"voice_{name}"))
    for name in ("at_s", "length_s", "gain"):
        assert np.array_equal(getattr(extended, f"burst_{name}")[:, :3], getattr(plain, f"burst_{name}"))


def test_extras_come_as_often_as_the_recipe_says(noisy_pool):
    mashups = draw(noisy_pool, replace(RECIPE, noisy=1.0, bursts=(3, 3), **EXTRAS), (0, 0, 0), 0, 2000)
    whole_s = (noisy_pool.length_s[mashups.voice_clip[:, :4]] / mashups.voice_rate[:, :4]).min(axis=1)
    bed = mashups.burst_clip[:, 3]
    shares = {
        "whole": mashups.length_s == whole_s,
        "synthetic": np.isin(mashups.burst_clip[:, :3], noisy_pool.synthetic),
        "bed": bed != ABSENT,
        "echo": mashups.voice_clip[:, 4] != ABSENT,
        "high_pass": mashups.high_pass_hz > 0,
        "low_pass": mashups.low_pass_hz > 0,
    }
    for name, happens in shares.items():
        assert np.mean(happens) == pytest.approx(0.5, abs=0.04), name
    assert np.isin(bed[bed != ABSENT], [*noisy_pool.noises, *noisy_pool.synthetic]).all()
    assert (mashups.burst_at_s[:, 3] == 0).all()
    assert np.array_equal(mashups.burst_length_s[:, 3], mashups.length_s)
    assert mashups.burst_fade_s[:, :3].max() > 0.19


def test_an_echo_is_its_voice_later_and_softer(noisy_pool):
    recipe = replace(RECIPE, echo=1.0, echo_s=(0.2, 0.3), echo_gain=(0.3, 0.5))
    mashups = draw(noisy_pool, recipe, (0, 0, 0), 0, 100)
    voice, echo = slice(0, 4), slice(4, 8)
    assert np.array_equal(mashups.voice_clip[:, echo], mashups.voice_clip[:, voice])
    late_s = (mashups.voice_offset_s[:, voice] - mashups.voice_offset_s[:, echo]) / mashups.voice_rate[:, voice]
    softer = mashups.voice_gain[:, echo] / mashups.voice_gain[:, voice]
    for values, (low, high) in ((late_s, (0.2, 0.3)), (softer, (0.3, 0.5))):
        assert low <= values.min() <= values.max() <= high
        assert np.ptp(values, axis=1).max() < 1e-9  # all voices of a mashup echo alike


def test_snr_becomes_a_gain_and_a_burst_may_outlast_its_clip(noisy_pool):
    recipe = replace(RECIPE, burst_level="snr", burst_snr_db=(6.0, 12.0), burst_s=(0.2, 3.0))
    cut = draw(noisy_pool, recipe, (0, 0, 0), 0, 200)
    decibels = -20 * np.log10(cut.burst_gain)
    assert 6 <= decibels.min() < 6.5
    assert 11.5 < decibels.max() <= 12
    assert cut.burst_length_s.max() == pytest.approx(0.5)
    repeated = draw(noisy_pool, replace(recipe, repeated=True), (0, 0, 0), 0, 200)
    assert repeated.burst_length_s.max() > 2.5
    assert (repeated.burst_offset_s <= 0.5).all()


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"synthetic": 0.5}, "wants synthetic noise clips and the bank holds none: run build.py again"),
        ({"vocoded": 0.5}, "wants pre-stretched clips and the bank holds none: build it with --stretched"),
    ],
)
def test_clips_that_the_bank_lacks_are_told(pool, settings, told):
    with pytest.raises(UserError, match=told):
        draw(pool, replace(RECIPE, **settings), (0, 0, 0), 0, 1)
