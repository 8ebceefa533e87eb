"""The small CNN: what it computes, what it refuses, and that it learns."""

import pytest
import torch

from messy_mashup import models
from messy_mashup.errors import UserError
from messy_mashup.recipe import CNNRecipe

SMALL = CNNRecipe(heard_s=0.4, mels=32, widths=(4, 6, 8))


def test_a_cnn_of_every_depth_gives_logits_and_embeddings():
    log_mel = torch.randn(2, 101, 64)
    for widths in ((4, 6, 8), (4, 6, 8, 10), (4, 4, 6, 6, 8), (4, 4, 4, 4, 6, 6)):
        model = models.build(CNNRecipe(heard_s=1.0, mels=64, widths=widths), 5).eval()
        embedded = model.embed(log_mel)
        assert embedded.shape == (2, widths[-1])
        torch.testing.assert_close(model(log_mel), model.head(embedded))
        assert (embedded >= 0).all()
        assert (embedded > 0).any()


def test_the_embedding_is_convolutions_norms_and_pools_in_that_order():
    """Against the plain order, each ReLU before its pool; the model pools first, which costs less."""
    torch.manual_seed(0)
    model = models.build(SMALL, 5).train()
    log_mel = torch.randn(3, 41, 32)
    picture = log_mel[:, None]
    for number, (convolution, norm) in enumerate(model.blocks):
        size = 2 if number == 0 else 1
        picture = torch.nn.functional.conv2d(picture, convolution.weight, stride=size, padding=1)
        mean, variance = picture.mean((0, 2, 3), keepdim=True), picture.var((0, 2, 3), correction=0, keepdim=True)
        picture = torch.relu((picture - mean) / (variance + norm.eps).sqrt())
        if number < len(model.blocks) - 1:
            picture = torch.nn.functional.max_pool2d(picture, 2)
    expected = picture.mean((2, 3)) + picture.amax((2, 3))
    torch.testing.assert_close(model.embed(log_mel), expected, rtol=1e-4, atol=1e-5)


def test_stages_are_all_parameters_once_and_the_head_last():
    model = models.build(SMALL, 5)
    stages = model.stages()
    assert len(stages) == 4
    assert [id(parameter) for stage in stages for parameter in stage] == [id(p) for p in model.parameters()]
    assert {id(parameter) for parameter in stages[-1]} == {id(model.head.weight), id(model.head.bias)}


@pytest.mark.parametrize("autocast", [False, True])
def test_a_cnn_learns_which_band_is_loud(autocast):
    torch.manual_seed(0)
    model = models.build(CNNRecipe(heard_s=0.4, mels=32, widths=(4, 6, 8), dropout=0.0), 2).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-2)
    target = torch.arange(16) % 2
    log_mel = torch.randn(16, 41, 32)
    log_mel[target == 0, :, 4:8] += 2
    log_mel[target == 1, :, 16:28] += 2
    losses = []
    for _ in range(15):
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            loss = torch.nn.functional.cross_entropy(model(log_mel), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0]


@pytest.mark.parametrize(
    "recipe", [CNNRecipe(mels=40, widths=(4,) * 6), CNNRecipe(heard_s=0.1, mels=64, widths=(4,) * 4)]
)
def test_a_picture_too_small_for_the_depth_is_refused(recipe):
    with pytest.raises(UserError, match=r"halve the picture \d times.*fewer widths"):
        models.build(recipe, 5)


def test_the_smallest_picture_that_is_allowed_has_one_place_left():
    recipe = CNNRecipe(heard_s=0.15, mels=16, widths=(4, 4, 4, 4))
    frames = models.frame_spec(recipe).frames_in(recipe.heard_s)
    assert frames == 16
    assert models.build(recipe, 3)(torch.randn(2, frames, 16)).isfinite().all()
