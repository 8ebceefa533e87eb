"""Backbones, one file each; the folder's listing is the registry.

A backbone's file offers `frame_spec(recipe)`, what it hears, and `build(recipe, classes)`, a module whose forward
takes log-mel (batch, frames, mels) and gives logits (batch, classes).
"""

from importlib import import_module

from torch import nn

from messy_mashup.features.frame_spec import FrameSpec
from messy_mashup.recipe import ResNet34Recipe


def frame_spec(recipe: ResNet34Recipe) -> FrameSpec:
    """The front-end that the backbone of this recipe hears through."""
    return import_module(f"messy_mashup.models.{recipe.name}").frame_spec(recipe)


def build(recipe: ResNet34Recipe, classes: int) -> nn.Module:
    """The backbone of this recipe with a head of `classes` logits."""
    return import_module(f"messy_mashup.models.{recipe.name}").build(recipe, classes)
