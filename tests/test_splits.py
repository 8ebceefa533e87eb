"""Splits into training, validation and test: by ratios, by artist, or as the corpus gives them."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from banks import bank_of
from messy_mashup.data.folds import ALL, make_folds
from messy_mashup.data.splits import SIDES, split_as_given, split_by_ratios
from messy_mashup.errors import UserError
from messy_mashup.mashup.pool import ABSENT
from messy_mashup.mashup.validation import open_plan
from messy_mashup.recipe import FoldRecipe
from messy_mashup.recipes.whole_songs import WHOLE_SONGS

RATIOS = [(8, 1, 1), (6, 2, 2), (4, 1, 5), (5, 2, 3)]


def index_of(songs: int = 40, artists: int = 0, classes=("blues", "rock")) -> pd.DataFrame:
    """Songs that are not taken apart; every `artists` of them in a row are of one artist, where it is not 0."""
    rows = [
        {
            "clip": f"{label}.{number:05d}",
            "kind": "stem",
            "group": f"{label}.{number:05d}",
            "label": label,
            "part": "mix",
            "artist": f"{label} {number // artists}" if artists else "",
            "split": "",
        }
        for label in classes
        for number in range(songs)
    ]
    return pd.DataFrame(rows)


def parts(splits, index, fold):
    train, validation = splits.split(index, fold)
    return train, validation, splits.tested(index, fold)


@pytest.mark.parametrize("ratios", RATIOS)
def test_the_ratios_are_kept_in_every_class_and_every_song_is_in_one_part(ratios):
    index = index_of()
    splits = split_by_ratios(index, ratios, 3, seed=1)
    assert splits.count == 3
    for fold in range(3):
        each = parts(splits, index, fold)
        assert sorted(np.concatenate([part.index for part in each])) == list(index.index)
        for part, ratio in zip(each, ratios, strict=True):
            assert part["label"].value_counts().to_dict() == dict.fromkeys(("blues", "rock"), 40 * ratio // 10)
    assert len({tuple(splits.split(index, fold)[0]["clip"]) for fold in range(3)}) == 3  # repetitions differ


def test_repetitions_follow_from_the_seed():
    index = index_of()
    pd.testing.assert_frame_equal(
        split_by_ratios(index, (8, 1, 1), 3, 1).table, split_by_ratios(index, (8, 1, 1), 3, 1).table
    )
    first = {tuple(split_by_ratios(index, (8, 1, 1), 4, seed).table[f"split{n}"]) for seed in (0, 1) for n in range(4)}
    assert len(first) == 8


@pytest.mark.parametrize("ratios", [(8, 1, 1), (2, 1, 1)])
def test_an_artist_is_never_in_two_parts(ratios):
    index = index_of(artists=3)
    splits = split_by_ratios(index, ratios, 4, seed=0)
    for fold in range(4):
        artists = [set(part["artist"]) for part in parts(splits, index, fold)]
        assert all(len(names) for names in artists)
        assert not artists[0] & artists[1] | artists[0] & artists[2] | artists[1] & artists[2]
    unfiltered = split_by_ratios(index.assign(artist=""), ratios, 1, seed=0)
    train, _, test = parts(unfiltered, index, 0)
    assert set(train["artist"]) & set(test["artist"])  # what the filter prevents


def test_folds_keep_artists_together_too():
    index = index_of(artists=4)
    folds = make_folds(index, 3, seed=0)
    for fold in range(3):
        train, held_out = folds.split(index, fold)
        assert not set(train["artist"]) & set(held_out["artist"])
        assert len(folds.tested(index, fold)) == 0


def test_all_trains_on_everything():
    index = index_of()
    train, validation, test = parts(split_by_ratios(index, (8, 1, 1), 1, 0), index, ALL)
    assert (len(train), len(validation), len(test)) == (80, 0, 0)


def test_the_corpus_s_own_split_is_taken_as_it_is():
    index = index_of(songs=6)
    index["split"] = ["train", "train", "validation", "test", "", "test"] * 2
    given = split_as_given(index)
    for part, side in zip(parts(given, index, 0), SIDES, strict=True):
        assert part["clip"].tolist() == index.loc[index["split"] == side, "clip"].tolist()


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: split_by_ratios(index_of(songs=9), (8, 1, 1), 1, 0), "9 songs, too few for 10 folds: use ratios of"),
        (lambda: split_by_ratios(index_of(artists=8), (8, 1, 1), 1, 0), "5 artists, too few for 10 folds"),
        (lambda: make_folds(index_of(), 1, 0), "use 2 or more"),
        (lambda: split_as_given(index_of()), "no train part of its own"),
        (lambda: split_as_given(index_of().assign(split="train")), "no validation part of its own"),
        (lambda: split_as_given(one_class_untrained()), r"no rock in it of its own \(train\)"),
    ],
    ids=["songs", "artists", "one fold", "no split", "no validation", "a class untrained"],
)
def test_too_few_of_anything_is_a_sentence(make, told):
    with pytest.raises(UserError, match=told):
        make()


def one_class_untrained() -> pd.DataFrame:
    index = index_of(songs=4)
    index["split"] = ["train", "train", "validation", "test", "validation", "validation", "validation", "test"]
    return index


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    generator = np.random.default_rng(0)
    clips = {
        f"{label}.{n:05d}/mix": generator.normal(0, 0.1, 4000 + 100 * n).astype(np.float32)
        for label in ("blues", "rock")
        for n in range(8)
    }
    return bank_of(tmp_path_factory.mktemp("bank"), clips)


RECIPE = FoldRecipe(cut="ratios", ratios=(2, 1, 1), count=2, validation_per_song=1, validation=WHOLE_SONGS)


def test_a_plan_holds_every_song_of_a_part_once_and_whole(bank, tmp_path):
    plan = open_plan(bank, RECIPE, tmp_path)
    for fold in range(2):
        _, validation, test = parts(plan.folds, bank.index, fold)
        for (ids, mashups), part in ((plan.mashups(fold), validation), (plan.test_mashups(fold), test)):
            assert len(ids) == len(part) == 4
            assert sorted(mashups.voice_clip[:, 0]) == sorted(part.index)
            np.testing.assert_allclose(
                mashups.length_s, bank.index["length"].to_numpy()[mashups.voice_clip[:, 0]] / 16_000
            )
            assert (mashups.voice_rate == 1).all()
            assert (mashups.voice_offset_s == 0).all()
            assert (mashups.burst_clip == ABSENT).all()
            np.testing.assert_array_equal(
                np.array(bank.classes)[mashups.label], bank.index["label"].to_numpy()[mashups.voice_clip[:, 0]]
            )
    again = open_plan(bank, RECIPE, tmp_path)
    assert (again.digest, len(list(tmp_path.iterdir()))) == (plan.digest, 1)
    assert open_plan(bank, replace(RECIPE, seed=1), tmp_path).digest != plan.digest


def test_tables_of_another_split_are_refused(bank, tmp_path):
    open_plan(bank, RECIPE, tmp_path)
    (folder,) = tmp_path.iterdir()
    table = pd.read_csv(folder / "splits.csv")
    table["split0"] = table["split0"].map({"train": "test", "validation": "validation", "test": "train"})
    table.to_csv(folder / "splits.csv", index=False)
    with pytest.raises(UserError, match=r"test\.csv does not fit splits\.csv"):
        open_plan(bank, RECIPE, tmp_path)


def test_a_given_split_is_one(bank, tmp_path):
    with pytest.raises(UserError, match="leave it at 1"):
        open_plan(bank, FoldRecipe(cut="given", count=2), tmp_path)
