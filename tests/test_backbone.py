"""Every backbone says how much of a window's end it does not hear, so that scoring never drops a clip's tail."""

import pytest
import torch

from messy_mashup import models
from messy_mashup.features.frame_spec import FrameSpec
from messy_mashup.recipe import ASTRecipe, CNNRecipe, ResNet34Recipe, ScoringRecipe
from messy_mashup.scoring.predict import Listener

SMALL = {
    "ast": ASTRecipe(width=32, layers=1, heads=2, heard_s=0.8),
    "ast of other strides": ASTRecipe(width=32, layers=1, heads=2, heard_s=0.83, stride=(10, 7)),
    "resnet34": ResNet34Recipe(mels=32, widths=(8, 16, 32, 32), heard_s=0.8),
    "cnn": CNNRecipe(mels=32, widths=(8, 8, 16, 16), heard_s=0.8),
    "cnn of an odd number": CNNRecipe(mels=32, widths=(4, 4, 8), heard_s=0.79),
    "cnn of six layers": CNNRecipe(mels=64, widths=(8, 8, 8, 16, 16, 16), heard_s=1.23),
}


def built(name: str) -> tuple[models.Backbone, FrameSpec, int]:
    """A backbone that has normalised a few batches, else its deep units are all at zero; its spec and frames."""
    torch.manual_seed(0)
    recipe = SMALL[name]
    model, spec = models.build(recipe, 3), models.frame_spec(recipe)
    frames = spec.frames_in(recipe.heard_s)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.ones_(module.weight)  # timm begins with branches that are off
    for _ in range(20):
        model.train()(torch.randn(16, frames, spec.mels))
    return model.eval(), spec, frames


def heard_frames(model: torch.nn.Module, frames: int, mels: int) -> int:
    """Up to where the frames of a window change a logit, by gradients over several random windows."""
    log_mel = torch.randn(16, frames, mels, requires_grad=True)
    model(log_mel).square().sum().backward()
    return int(torch.nonzero(log_mel.grad.abs().sum((0, 2))).max()) + 1


@pytest.mark.parametrize("name", SMALL)
def test_a_backbone_tells_how_many_frames_it_does_not_hear(name):
    model, spec, frames = built(name)
    assert frames - heard_frames(model, frames, spec.mels) == model.unheard_frames(frames)


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("longer", [-3, 0, 1, 30])
def test_the_last_frame_of_a_clip_is_heard(name, longer):
    model, spec, frames = built(name)
    unheard, cpu = model.unheard_frames(frames), torch.device("cpu")
    listener = Listener(model, spec, frames, ("a", "b", "c"), cpu, scoring=ScoringRecipe(), unheard=unheard)
    clip = torch.randn(frames + longer, spec.mels)
    changed = clip.clone()
    changed[-1] += 30 * torch.randn(spec.mels)
    before, after = listener.logits([clip, changed])
    assert (before != after).any()
