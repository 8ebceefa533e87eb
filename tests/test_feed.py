"""Batches are functions of (seed, epoch, step): whatever came before, and however many processes share them."""

from dataclasses import replace

import pytest
import torch

from banks import bank_of, songs
from messy_mashup import models
from messy_mashup.errors import UserError
from messy_mashup.mashup.frames import MashupPlayer
from messy_mashup.mashup.pool import Pool
from messy_mashup.recipe import AugmentRecipe, CNNRecipe, MashupRecipe, Recipe, TrainRecipe
from messy_mashup.training.feed import Batch, Feed
from messy_mashup.training.parallel import Ranks

ALONE = Ranks()
RECIPE = Recipe(
    name="small",
    mashup=MashupRecipe(length_s=(0.6, 0.8), noisy=0.0),
    backbone=CNNRecipe(heard_s=0.5, mels=32, hop=320, fft=512, widths=(8, 8, 8)),
    augment=AugmentRecipe(masks=1, equaliser_db=3.0, mixup=0.4, pictures=0.5),
    train=TrainRecipe(batch_size=8),
)


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    return bank_of(tmp_path_factory.mktemp("bank"), songs(("blues", "rock"), 5, 1.0))


def feed(bank, recipe: Recipe = RECIPE, ranks: Ranks = ALONE) -> Feed:
    """The feed of a recipe from all songs."""
    spec = models.frame_spec(recipe.backbone)
    pool = Pool.of(bank.index, bank.sample_rate_hz, ("blues", "rock"), recipe.mashup.parts)
    return Feed(recipe, MashupPlayer(bank, spec), pool, spec.frames_in(recipe.backbone.heard_s), ranks)


def same(one: Batch, other: Batch) -> bool:
    return torch.equal(one.log_mel, other.log_mel) and torch.equal(one.target, other.target)


def test_an_epoch_that_is_gone_on_with_has_the_batches_of_one_that_was_not(bank):
    whole = list(feed(bank).batches(3, range(6)))
    rest = list(feed(bank).batches(3, range(4, 6)))
    assert all(map(same, whole[4:], rest))
    assert not same(whole[0], whole[1])
    assert not same(whole[0], feed(bank).batch(4, 0))
    other_seed = replace(RECIPE, train=replace(RECIPE.train, seed=1))
    assert not same(whole[0], feed(bank, other_seed).batch(3, 0))


def test_batches_are_of_their_shape_with_targets_that_sum_to_one(bank):
    batch = feed(bank).batch(0, 0)
    assert batch.log_mel.shape == (8, 26, 32)
    assert batch.log_mel.dtype == torch.float32
    torch.testing.assert_close(batch.target.sum(1), torch.ones(8))
    assert not batch.log_mel.requires_grad


def test_processes_share_a_batch_and_leave_nothing_out(bank):
    plain = replace(RECIPE, augment=AugmentRecipe(pictures=0.5))
    whole = feed(bank, plain).batch(0, 5)
    parts = [feed(bank, plain, Ranks(rank, 4)).batch(0, 5) for rank in range(4)]
    assert torch.equal(torch.cat([part.target for part in parts]), whole.target)
    unchanged = replace(RECIPE, augment=AugmentRecipe())
    whole = feed(bank, unchanged).batch(0, 5)
    parts = [feed(bank, unchanged, Ranks(rank, 4)).batch(0, 5) for rank in range(4)]
    torch.testing.assert_close(torch.cat([part.log_mel for part in parts]), whole.log_mel)
    with pytest.raises(UserError, match="batch of 8 does not divide among 3"):
        feed(bank, ranks=Ranks(0, 3))


def test_what_goes_wrong_in_the_feeding_thread_is_raised_where_it_is_used(bank, monkeypatch):
    broken = feed(bank)
    monkeypatch.setattr(broken.player, "log_mel", lambda *_: (_ for _ in ()).throw(UserError("the bank is gone")))
    with pytest.raises(UserError, match="the bank is gone"):
        next(broken.batches(0, range(2)))
