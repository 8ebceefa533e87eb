"""No song and no noise recording is on both sides of a fold."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from banks import RATE_HZ, bank_of, songs
from messy_mashup.data.folds import ALL, Folds, make_folds, open_folds
from messy_mashup.errors import UserError
from messy_mashup.mashup.arrangement import draw
from messy_mashup.mashup.pool import ABSENT
from messy_mashup.mashup.validation import open_plan
from messy_mashup.purposes import TRAINING
from messy_mashup.recipe import FoldRecipe, MashupRecipe

MASHUP = MashupRecipe(length_s=(0.3, 0.5), burst_s=(0.1, 0.2))
RECIPE = FoldRecipe(count=3, seed=4, validation_per_song=2, validation=MASHUP)
PARTS = MASHUP.parts


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    takes = [f"1-{recording}-{take}-{recording % 4}" for recording in range(12) for take in "AB"]
    noises = {name: np.full(4000, 0.1, np.float32) for name in takes}
    return bank_of(tmp_path_factory.mktemp("bank"), songs(("jazz", "pop", "rock"), 14, 0.6) | noises)


@pytest.fixture
def plan(bank, tmp_path):
    return open_plan(bank, RECIPE, tmp_path)


def heard(index: pd.DataFrame, mashups) -> tuple[set[str], set[str]]:
    """The songs and the noise recordings that mashups are made of."""
    bursts = mashups.burst_clip[mashups.burst_clip != ABSENT]
    return set(index.loc[np.unique(mashups.voice_clip), "group"]), set(index.loc[np.unique(bursts), "group"])


def leaks(bank, plan, fold: int) -> set[str]:
    """Songs and recordings that a fold both trains on and is validated by, seen in the mashups themselves."""
    training = draw(plan.pool(bank, fold, PARTS), MASHUP, (0, TRAINING, 0), 0, 3000)
    train_songs, train_noises = heard(bank.index, training)
    songs_held_out, noises_held_out = heard(bank.index, plan.mashups(fold)[1])
    assert songs_held_out
    assert noises_held_out
    return train_songs & songs_held_out | train_noises & noises_held_out


@pytest.mark.parametrize("fold", range(3))
def test_no_song_and_no_noise_recording_leaks(bank, plan, fold):
    assert leaks(bank, plan, fold) == set()


@pytest.mark.parametrize("kind", ["stem", "noise"])
def test_a_planted_leak_is_found(bank, plan, kind):
    """One held-out clip moved to another group: the mashups tell."""
    held_out = plan.folds.split(bank.index, 0)[1]
    group = held_out.loc[held_out["kind"] == kind, "group"].iloc[0]
    table = plan.folds.table.copy()
    table.loc[(table["kind"] == kind) & (table["group"] == group), "fold"] = 1
    assert leaks(bank, replace(plan, folds=Folds(table)), 0) == {group}


def test_takes_of_a_recording_and_stems_of_a_song_stay_together(bank, plan):
    for fold in range(3):
        train, held_out = plan.folds.split(bank.index, fold)
        assert not set(train["group"]) & set(held_out["group"])
        assert len(train) + len(held_out) == len(bank.index)
    assert len(plan.folds.split(bank.index, ALL)[1]) == 0


def test_genres_are_spread_evenly(bank, plan):
    table = plan.folds.table
    counts = table[table["kind"] == "stem"].groupby(["label", "fold"]).size()
    assert counts.min() >= 4
    assert counts.max() <= 5


def test_the_seed_decides_and_nothing_else(bank):
    first = make_folds(bank.index, 3, 4).table
    pd.testing.assert_frame_equal(first, make_folds(bank.index, 3, 4).table)
    assert not first["fold"].equals(make_folds(bank.index, 3, 5).table["fold"])


def test_the_plan_is_written_once_and_read_afterwards(bank, plan, tmp_path):
    (folder,) = tmp_path.iterdir()
    written = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert written.keys() == {"folds.csv", "validation.csv"}
    again = open_plan(bank, RECIPE, tmp_path)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == written
    for fold in range(3):
        (ids, mashups), (same_ids, same) = plan.mashups(fold), again.mashups(fold)
        assert ids.tolist() == same_ids.tolist()
        np.testing.assert_array_equal(mashups.voice_offset_s, same.voice_offset_s)
        assert len(ids) == 2 * 14
    other = open_plan(bank, replace(RECIPE, seed=5), tmp_path)
    assert other.digest != plan.digest


def test_too_few_songs_or_recordings_are_sentences(bank, tmp_path):
    with pytest.raises(UserError, match="too few for 15 folds"):
        make_folds(bank.index, 15, 0)
    few = bank.index[(bank.index["kind"] == "stem") | (bank.index["group"] == "3")]
    with pytest.raises(UserError, match="1 noise recordings are too few"):
        make_folds(few, 3, 0)
    path = tmp_path / "folds.csv"
    open_folds(path, bank.index, 3, 0)
    with pytest.raises(UserError, match="other songs"):
        open_folds(path, bank.index[bank.index["group"] != "jazz.00000"], 3, 0)


def test_the_pool_knows_each_clips_length(bank, plan):
    pool = plan.pool(bank, 0, PARTS)
    clips = pool.songs[pool.songs >= 0]
    np.testing.assert_allclose(pool.length_s[clips], bank.index.loc[clips, "length"] / RATE_HZ)


def test_tables_that_do_not_belong_together_are_refused(bank, plan, tmp_path):
    (folder,) = tmp_path.iterdir()
    table = pd.read_csv(folder / "folds.csv")
    table["fold"] = (table["fold"] + 1) % 3
    table.to_csv(folder / "folds.csv", index=False)
    with pytest.raises(UserError, match=r"does not fit folds\.csv"):
        open_plan(bank, RECIPE, tmp_path)


def test_noises_of_classes_with_a_clip_each_are_cut_too(bank):
    stems = bank.index[bank.index["kind"] == "stem"]
    alone = bank.index[bank.index["kind"] == "noise"].drop_duplicates("label")
    table = make_folds(pd.concat([stems, alone]), 3, seed=0).table
    assert sorted(table.loc[table["kind"] == "noise", "fold"].unique()) == [0, 1, 2]


def test_variants_go_with_their_stems_and_synthetic_noise_is_on_both_sides(bank, tmp_path):
    before = make_folds(bank.index, 3, 4).table
    stems = bank.index[bank.index["kind"] == "stem"]
    variants = stems.assign(clip=stems["clip"] + "@0.9", kind="stretched", rate=0.9)
    names = ["synthetic-pink-00", "synthetic-hum-01"]
    synthetic = bank.index.iloc[:2].assign(clip=names, group=names, kind="synthetic", label=["pink", "hum"])
    index = pd.concat([bank.index, synthetic, variants], ignore_index=True)
    folds = open_folds(tmp_path / "folds.csv", index, 3, 4)
    pd.testing.assert_frame_equal(folds.table, before)
    for fold in range(3):
        train, held_out = folds.split(index, fold)
        for side in (train, held_out):
            songs, played = (set(side.loc[side["kind"] == kind, "group"]) for kind in ("stem", "stretched"))
            assert songs == played
            assert set(side.loc[side["kind"] == "synthetic", "clip"]) == set(names)
        assert len(train) + len(held_out) == len(index) + len(names)
    train, held_out = folds.split(index, ALL)
    assert (len(train), len(held_out)) == (len(index), 0)
