"""One step of the optimizer: accumulation, clipping, weights of classes, averaged weights, float16."""

from dataclasses import replace

import pytest
import torch
from torch.nn.functional import cross_entropy, one_hot

from messy_mashup import models
from messy_mashup.recipe import ASTRecipe, CNNRecipe, ResNet34Recipe, TrainRecipe
from messy_mashup.training.feed import Batch
from messy_mashup.training.learner import Learner
from messy_mashup.training.parallel import Ranks
from messy_mashup.training.tally import Diverged

CPU = torch.device("cpu")
AST = ASTRecipe(heard_s=0.5, width=24, layers=2, heads=2, stride=(16, 16))  # layers without batch statistics
CNN = CNNRecipe(heard_s=0.5, mels=32, hop=320, fft=512, widths=(8, 8, 8), dropout=0.5)
RESNET = ResNet34Recipe(heard_s=0.5, mels=32, hop=320, fft=512, widths=(8, 8, 16, 16))
PLAIN = TrainRecipe(lr=1e-2, warmup=0.0)


def batch_of(recipe, size: int = 8, seed: int = 0) -> Batch:
    """Noise that a backbone may hear, of four classes."""
    spec = models.frame_spec(recipe)
    generator = torch.Generator().manual_seed(seed)
    log_mel = torch.randn(size, spec.frames_in(recipe.heard_s), spec.mels, generator=generator)
    return Batch(log_mel, one_hot(torch.arange(size) % 4, 4).float())


def learner_of(recipe, train: TrainRecipe, steps: int = 100) -> Learner:
    """A learner whose weights are the same each time."""
    torch.manual_seed(0)
    return Learner(models.build(recipe, 4), train, steps, CPU, Ranks())


def weights_after(recipe, train: TrainRecipe, steps: int = 3) -> torch.Tensor:
    """All weights in a row, after some steps."""
    learner = learner_of(recipe, train)
    for number in range(steps):
        learner.step(number, batch_of(recipe, seed=number))
    return torch.cat([parameter.detach().flatten() for parameter in learner.model.parameters()])


def test_accumulated_portions_are_the_whole_batch():
    whole = weights_after(AST, PLAIN)
    portions = weights_after(AST, replace(PLAIN, accumulate=4))
    torch.testing.assert_close(portions, whole, rtol=0, atol=2e-4)
    assert (whole - weights_after(AST, PLAIN, steps=0)).abs().max() > 0.02


def test_the_loss_is_cross_entropy_with_class_weights_and_smoothing():
    weights = (1.0, 2.0, 3.0, 4.0)
    learner = learner_of(AST, replace(PLAIN, class_weights=weights, label_smoothing=0.1))
    batch = batch_of(AST)
    logits = learner.model.train()(batch.log_mel)
    with_mean_one = torch.tensor(weights) / 2.5
    wanted = cross_entropy(logits, batch.target, weight=with_mean_one, label_smoothing=0.1).detach()
    loss, correct = learner.step(0, batch)
    assert float(loss) == pytest.approx(float(wanted), rel=1e-5)
    assert int(correct) == int((logits.argmax(1) == batch.target.argmax(1)).sum())


def test_a_clipped_gradient_has_that_norm():
    seen = []
    for clip in (0.0, 1e-3):
        learner = learner_of(CNN, replace(PLAIN, clip_norm=clip))
        learner.step(0, batch_of(CNN))
        seen.append(torch.stack([parameter.grad.norm() for parameter in learner.model.parameters()]).norm())
    assert seen[0] > 0.1
    assert float(seen[1]) == pytest.approx(1e-3, rel=1e-3)


def test_averaged_weights_lag_behind_and_their_batch_statistics_with_them():
    learner = learner_of(RESNET, replace(PLAIN, ema=0.9))
    begin = {name: value.clone() for name, value in learner.model.state_dict().items()}
    expected = begin
    for number in range(4):
        learner.step(number, batch_of(RESNET, seed=number))
        share, now = min(0.9, 1 - (1 + number) ** (-2 / 3)), learner.model.state_dict()
        expected = {name: value.float().lerp(now[name].float(), 1 - share) for name, value in expected.items()}
    averaged = learner.best_known.state_dict()
    for name in ("network.fc.weight", "network.bn1.running_mean"):
        torch.testing.assert_close(averaged[name], expected[name])
        assert not torch.equal(averaged[name], learner.model.state_dict()[name])


def test_dropout_is_a_function_of_the_step_alone():
    first, again, other = (learner_of(CNN, PLAIN) for _ in range(3))
    torch.rand(7)
    losses = [float(learner.step(number, batch_of(CNN))[0]) for learner, number in ((first, 5), (again, 5), (other, 6))]
    assert losses[0] == losses[1] != losses[2]


@pytest.mark.parametrize("recipe", [AST, CNN, RESNET], ids=lambda recipe: recipe.name)
@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_half_precision_stays_near_float32(recipe, precision):
    wanted = float(learner_of(recipe, PLAIN).step(0, batch_of(recipe))[0])
    learner = learner_of(recipe, replace(PLAIN, precision=precision))
    loss = float(learner.step(0, batch_of(recipe))[0])
    assert loss == pytest.approx(wanted, rel=0.05)
    assert all(parameter.dtype == torch.float32 for parameter in learner.model.parameters())
    assert learner.scaler.is_enabled() == (precision == "float16")


def test_float16_skips_a_step_that_overflows_and_lowers_the_scale():
    learner = learner_of(CNN, replace(PLAIN, precision="float16"))
    learner.scaler.load_state_dict(learner.scaler.state_dict() | {"scale": 2.0**40})
    before = learner.model.head.weight.clone()
    learner.step(0, batch_of(CNN))
    assert torch.equal(learner.model.head.weight, before)
    assert learner.scaler.get_scale() < 2.0**40
    learner.scaler.update(new_scale=2.0**-20)
    with pytest.raises(Diverged, match="overflow float16"):
        learner.step(1, batch_of(CNN))


def test_a_restored_learner_goes_on_to_the_same_bits():
    train = replace(PLAIN, precision="float16", ema=0.9, restarts=1, clip_norm=1.0, layer_lr=0.7)
    one, other = learner_of(RESNET, train), learner_of(RESNET, train)
    for number in range(3):
        one.step(number, batch_of(RESNET, seed=number))
    other.restore(one.state({}, [], {}))
    for number in range(3, 6):
        for learner in (one, other):
            learner.step(number, batch_of(RESNET, seed=number))
    for mine, yours in ((one.model, other.model), (one.best_known, other.best_known)):
        assert all(map(torch.equal, mine.state_dict().values(), yours.state_dict().values()))
    assert one.scaler.state_dict() == other.scaler.state_dict()


@pytest.mark.slow
def test_a_compiled_step_is_the_plain_one():
    plain, compiled = weights_after(AST, PLAIN), weights_after(AST, replace(PLAIN, compiled=True))
    torch.testing.assert_close(compiled, plain, rtol=0, atol=2e-4)
