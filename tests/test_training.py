"""What a training step is made of, and that a member learns."""

import numpy as np
import pytest
import torch

from banks import RATE_HZ, bank_of
from messy_mashup import models
from messy_mashup.data.folds import ALL
from messy_mashup.errors import UserError
from messy_mashup.features.augment import mixup, random_equaliser, spec_augment
from messy_mashup.mashup.validation import open_plan
from messy_mashup.recipe import FoldRecipe, MashupRecipe, Recipe, ResNet34Recipe, TrainRecipe
from messy_mashup.scoring.metrics import macro_f1
from messy_mashup.training.fit import Member
from messy_mashup.training.run_folder import load_weights, save_weights
from messy_mashup.training.schedule import learning_rate, parameter_groups

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


def test_a_member_learns_what_tells_genres_apart(bank, tmp_path):
    member = Member(RECIPE, bank, open_plan(bank, RECIPE.folds, tmp_path), 0, torch.device("cpu"))
    rows = [member.epoch(epoch) for epoch in range(3)]
    held_out = member.held_out()
    assert macro_f1(held_out.label, held_out.logits) > 0.9
    assert rows[-1]["train_loss"] < rows[0]["train_loss"]
    assert rows[-1]["lr"] < 0.05 * RECIPE.train.lr


def test_a_member_of_all_songs_validates_nothing(bank, tmp_path):
    plan = open_plan(bank, RECIPE.folds, tmp_path)
    member = Member(RECIPE, bank, plan, ALL, torch.device("cpu"))
    assert member.pool.song_count.tolist() == [8, 8]
    assert member.epoch(0)["val_macro_f1"] is None


def test_a_loss_that_is_not_finite_stops_with_the_step(bank, tmp_path):
    member = Member(RECIPE, bank, open_plan(bank, RECIPE.folds, tmp_path), 0, torch.device("cpu"))
    with torch.no_grad():
        next(member.listener.model.parameters()).fill_(torch.nan)
    with pytest.raises(UserError, match="epoch 1, step 0"):
        member.epoch(0)


def test_the_learning_rate_warms_up_and_goes_to_zero():
    train = TrainRecipe(lr=1.0, warmup=0.1)
    rates = [learning_rate(train, step, 1000) for step in range(1000)]
    assert rates[0] == pytest.approx(1 / 101)
    assert max(rates) == pytest.approx(1.0, abs=1e-3)
    assert np.argmax(rates) == 100
    assert (np.diff(rates[100:]) < 0).all()
    assert rates[-1] < 1e-5


def test_biases_and_normalisation_do_not_decay():
    model = models.build(SMALL, 10)
    decaying, others = parameter_groups(model, 0.05)
    assert (decaying["weight_decay"], others["weight_decay"]) == (0.05, 0.0)
    assert all(parameter.ndim > 1 for parameter in decaying["params"])
    assert len(decaying["params"]) + len(others["params"]) == len(list(model.parameters()))


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
    torch.manual_seed(0)
    log_mel = torch.randn(64, 100, 40)
    before = log_mel.clone()
    masked = spec_augment(log_mel, masks=1, frames=20, mels=10)
    assert torch.equal(log_mel, before)
    changed = masked != log_mel
    frames, mels = changed.all(dim=2).sum(1), changed.all(dim=1).sum(1)
    assert (frames.max(), mels.max()) == (20, 10)
    assert frames.float().mean() == pytest.approx(10, abs=2.5)
    mean = log_mel.mean(dim=(1, 2))
    assert torch.allclose(masked[changed], mean[:, None, None].expand_as(masked)[changed])


def test_the_equaliser_adds_one_smooth_curve_a_clip():
    torch.manual_seed(0)
    curve = random_equaliser(torch.zeros(500, 7, 64), points=6, deviation=0.1)
    assert (curve == curve[:, :1]).all()
    assert curve.std() == pytest.approx(0.1 * np.sqrt(2 / 3), rel=0.15)  # between points the mean of two draws
    assert curve.diff(dim=2).abs().max() < 0.1


def test_mixup_mixes_targets_as_it_mixes_clips():
    torch.manual_seed(0)
    label = torch.arange(8)
    target = torch.nn.functional.one_hot(label, 8).float()
    log_mel = target[:, None, :].repeat(1, 5, 1)
    mixed, mixed_target = mixup(log_mel, target, 0.4)
    torch.testing.assert_close(mixed[:, 0], mixed_target)
    torch.testing.assert_close(mixed_target.sum(1), torch.ones(8))
    assert (mixed_target.max(dim=1).values < 0.999).any()
