"""What a training step is made of, and that a member learns."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from banks import RATE_HZ, bank_of
from messy_mashup import models
from messy_mashup.data.folds import ALL
from messy_mashup.errors import UserError
from messy_mashup.features.augment import mixup, random_equaliser, spec_augment
from messy_mashup.mashup.validation import open_plan
from messy_mashup.recipe import ASTRecipe, FoldRecipe, MashupRecipe, Recipe, ResNet34Recipe, ScoringRecipe, TrainRecipe
from messy_mashup.recipe_text import to_json
from messy_mashup.scoring import predictions
from messy_mashup.scoring.metrics import macro_f1
from messy_mashup.training import run_folder
from messy_mashup.training.feed import Batch
from messy_mashup.training.fit import Member
from messy_mashup.training.learner import Learner
from messy_mashup.training.parallel import Ranks
from messy_mashup.training.run_folder import load_weights, save_weights
from messy_mashup.training.schedule import SHARE, learning_rate, parameter_groups
from messy_mashup.training.stop import Stop
from messy_mashup.training.trained import load_member

CPU = torch.device("cpu")

MASHUP = MashupRecipe(length_s=(0.6, 0.8), noisy=0.0)
SMALL = ResNet34Recipe(heard_s=0.5, mels=32, hop=320, fft=512, widths=(8, 8, 16, 16), dropout=0.0)
RECIPE = Recipe(
    name="small",
    mashup=MASHUP,
    backbone=SMALL,
    train=TrainRecipe(epochs=3, mashups_per_epoch=256, batch_size=16, lr=3e-3),
    folds=FoldRecipe(count=2, validation=MASHUP),
)


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    """Two genres that differ in colour: low-passed and plain noise."""
    generator = np.random.default_rng(0)
    clips = {}
    for genre, smooth in (("dark", 8), ("light", 1)):
        for song in range(8):
            for part in MASHUP.parts:
                noise = np.convolve(generator.normal(0, 0.1, RATE_HZ), np.ones(smooth) / smooth, "same")
                clips[f"{genre}.{song:05d}/{part}"] = noise.astype(np.float32)
    return bank_of(tmp_path_factory.mktemp("bank"), clips)


def member_of(bank, folder, recipe=RECIPE, fold=0) -> Member:
    """A member that has begun."""
    member = Member(recipe, bank, open_plan(bank, recipe.folds, folder), fold, torch.device("cpu"), folder / "member")
    member.begin(None)
    return member


def trained(recipe: Recipe, **settings) -> Recipe:
    """The recipe with other settings of training."""
    return replace(recipe, train=replace(recipe.train, **settings))


def test_held_out_mashups_and_a_loaded_member_are_scored_as_the_recipe_says(bank, tmp_path):
    recipe = replace(RECIPE, scoring=ScoringRecipe(windows="random", chunks=5, pooled="majority"))
    plain, asked = member_of(bank, tmp_path), member_of(bank, tmp_path, recipe)
    told = asked.predicted(*asked.plan.mashups(0)).logits
    np.testing.assert_allclose(np.exp(told).sum(axis=1), 1, rtol=1e-5)
    assert not np.allclose(told, plain.predicted(*plain.plan.mashups(0)).logits)
    for card, scoring in ((asked.card, recipe.scoring), (plain.card, ScoringRecipe())):
        save_weights(tmp_path / "saved" / run_folder.WEIGHTS, plain.model.state_dict(), card)
        assert load_member(tmp_path / "saved", CPU).scoring == scoring


def test_a_network_larger_than_its_weights_is_refused_before_it_is_built(bank, tmp_path, monkeypatch):
    member, build = member_of(bank, tmp_path), models.build
    huge = replace(RECIPE, backbone=ASTRecipe(width=16_384, layers=256, heads=64))  # 3 TB

    def build_outline(*network):
        assert torch.get_default_device().type == "meta"
        return build(*network)

    monkeypatch.setattr(models, "build", build_outline)
    wide = replace(RECIPE, backbone=replace(SMALL, widths=(8, 8, 16, 32)))
    for recipe, told in ((huge, "which the network has not"), (wide, r"\(16, .*, the network's \(32, ")):
        card = member.card | {"recipe": json.loads(to_json(recipe))}
        save_weights(tmp_path / "claimed" / run_folder.WEIGHTS, member.model.state_dict(), card)
        with pytest.raises(UserError, match=rf"weights.safetensors does not fit its recipe: .*{told}"):
            load_member(tmp_path / "claimed", CPU)


def test_a_member_learns_what_tells_genres_apart(bank, tmp_path):
    member = member_of(bank, tmp_path)
    for epoch in range(3):
        member.epoch(epoch, Stop(), [])
    held_out = predictions.load(member.folder / run_folder.OOF)
    assert macro_f1(held_out.label, held_out.logits) > 0.9
    assert member.rows[-1]["train_loss"] < member.rows[0]["train_loss"]
    assert member.rows[-1]["train_accuracy"] > 0.9
    assert member.rows[-1]["lr"] < 0.05 * RECIPE.train.lr


def test_a_member_of_all_songs_validates_nothing(bank, tmp_path):
    member = member_of(bank, tmp_path, fold=ALL)
    assert member.feed.pool.song_count.tolist() == [8, 8]
    member.epoch(0, Stop(), [])
    assert member.rows[0]["val_macro_f1"] is None
    assert not (member.folder / run_folder.OOF).exists()


def test_a_loss_that_is_not_finite_stops_with_the_step_and_the_last_good_weights(bank, tmp_path):
    member = member_of(bank, tmp_path)
    member.epoch(0, Stop(), [])
    good = (member.folder / run_folder.WEIGHTS).read_bytes()
    step = member.learner.step

    def broken_at_step_five(number, batch):
        loss, correct = step(number, batch)
        return (loss * torch.nan if number == 16 + 5 else loss), correct

    member.learner.step = broken_at_step_five
    with pytest.raises(UserError, match=r"epoch 2: .* step 6; .* epoch 1, .*weights\.safetensors"):
        member.epoch(1, Stop(), [])
    assert (member.folder / run_folder.WEIGHTS).read_bytes() == good


def test_a_run_that_explodes_is_stopped_before_its_numbers_do(bank, tmp_path):
    member = member_of(bank, tmp_path, trained(RECIPE, lr=1e4, mashups_per_epoch=2048, warmup=0.0))
    with pytest.raises(UserError, match="no epoch was finished: try a lower"):
        member.epoch(0, Stop(), [])


def test_the_learning_rate_warms_up_and_goes_to_zero():
    train = TrainRecipe(lr=1.0, warmup=0.1)
    rates = [learning_rate(train, step, 1000) for step in range(1000)]
    assert rates[0] == pytest.approx(1 / 101)
    assert max(rates) == pytest.approx(1.0, abs=1e-3)
    assert np.argmax(rates) == 100
    assert (np.diff(rates[100:]) < 0).all()
    assert rates[-1] < 1e-5


def test_warm_restarts_begin_the_cosine_anew_at_equal_distances():
    train = TrainRecipe(lr=1.0, warmup=0.1, restarts=2)
    rates = np.array([learning_rate(train, step, 1000) for step in range(1000)])
    assert np.flatnonzero(np.diff(rates) > 0.9).tolist() == [399, 699]
    assert rates[[100, 400, 700]] == pytest.approx(1.0)
    assert rates[[399, 699, 999]] == pytest.approx(0.0, abs=1e-4)


def test_layers_learn_at_falling_rates_and_the_head_at_one_of_its_own():
    model = models.build(SMALL, 10)
    groups = parameter_groups(model, TrainRecipe(layer_lr=0.5, head_lr=10.0))
    share = {id(parameter): group[SHARE] for group in groups for parameter in group["params"]}
    shares = [{share[id(parameter)] for parameter in stage} for stage in model.stages()]
    assert shares == [{0.0625}, {0.125}, {0.25}, {0.5}, {1.0}, {10.0}]
    learner = Learner(model, TrainRecipe(lr=0.1, warmup=0, layer_lr=0.5, head_lr=10.0), 4, CPU, Ranks())
    learner.step(2, Batch(torch.randn(4, 26, 32), torch.eye(10)[:4]))
    assert {round(group["lr"], 9) for group in learner.optimizer.param_groups} == {
        round(0.05 * one, 9) for stage in shares for one in stage
    }


def test_biases_and_normalisation_do_not_decay():
    model = models.build(SMALL, 10)
    groups = parameter_groups(model, TrainRecipe(weight_decay=0.05))
    decay = {id(parameter): group["weight_decay"] for group in groups for parameter in group["params"]}
    assert len(decay) == sum(len(group["params"]) for group in groups) == len(list(model.parameters()))
    assert all(decay[id(parameter)] == (0.05 if parameter.ndim > 1 else 0.0) for parameter in model.parameters())


def test_resnet34_is_timms_with_one_channel():
    model = models.build(ResNet34Recipe(), 10)
    assert sum(parameter.numel() for parameter in model.parameters()) == pytest.approx(21.28e6, rel=1e-3)
    assert model.network.conv1.weight.shape == (64, 1, 7, 7)
    model.eval()
    heard = torch.randn(2, 200, 128)
    with torch.inference_mode():
        assert model(heard).shape == (2, 10)
        assert model.embed(heard).shape == (2, 512)
        torch.testing.assert_close(model.network.fc(model.embed(heard)), model(heard))


def test_weights_carry_their_card_and_damage_is_named(tmp_path):
    path = tmp_path / "weights.safetensors"
    save_weights(path, {"a": torch.arange(6.0).view(2, 3).T}, {"classes": ["x"], "fold": 1})
    tensors, card = load_weights(path)
    assert torch.equal(tensors["a"], torch.arange(6.0).view(2, 3).T)
    assert card == {"classes": ["x"], "fold": 1}
    whole = path.read_bytes()
    for damaged in (whole[:-8], b"", b"not safetensors at all"):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=r"weights\.safetensors"):
            load_weights(path)


def test_spec_augment_masks_spans_and_leaves_the_input():
    log_mel = torch.randn(64, 100, 40, generator=torch.Generator().manual_seed(0))
    before = log_mel.clone()
    masked = spec_augment(log_mel, 1, 20, 10, np.random.default_rng(0))
    assert torch.equal(log_mel, before)
    changed = masked != log_mel
    frames, mels = changed.all(dim=2).sum(1), changed.all(dim=1).sum(1)
    assert (frames.max(), mels.max()) == (20, 10)
    assert frames.float().mean() == pytest.approx(10, abs=2.5)
    mean = log_mel.mean(dim=(1, 2))
    assert torch.allclose(masked[changed], mean[:, None, None].expand_as(masked)[changed])


def test_the_equaliser_adds_one_smooth_curve_a_clip():
    curve = random_equaliser(torch.zeros(500, 7, 64), 6, 0.1, np.random.default_rng(0))
    assert (curve == curve[:, :1]).all()
    assert curve.std() == pytest.approx(0.1 * np.sqrt(2 / 3), rel=0.15)  # between points the mean of two draws
    assert curve.diff(dim=2).abs().max() < 0.1


def test_mixup_mixes_targets_as_it_mixes_clips():
    label = torch.arange(8)
    target = torch.nn.functional.one_hot(label, 8).float()
    log_mel = target[:, None, :].repeat(1, 5, 1)
    mixed, mixed_target = mixup(log_mel, target, 0.4, np.random.default_rng(0))
    torch.testing.assert_close(mixed[:, 0], mixed_target)
    torch.testing.assert_close(mixed_target.sum(1), torch.ones(8))
    assert (mixed_target.max(dim=1).values < 0.999).any()
