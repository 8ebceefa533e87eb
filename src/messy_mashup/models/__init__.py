"""Backbones, one file each; the folder's listing is the registry.

A backbone's file offers `frame_spec(recipe)`, what it hears; `build(recipe, classes)`, a `Backbone` with random
weights; and, where its recipe has `weights`, `load_pretrained(model, recipe)`, which puts those in. Where these may be
frozen, so that a member is no whole without them, `base_digest(recipe)` tells which they are.
"""

from importlib import import_module
from types import ModuleType

import torch

from messy_mashup import recipe as recipes
from messy_mashup.features.frame_spec import FrameSpec
from messy_mashup.models.backbone import Backbone


def frame_spec(recipe: recipes.Backbone) -> FrameSpec:
    """The front-end that the backbone of this recipe hears through."""
    return _file(recipe).frame_spec(recipe)


def build(recipe: recipes.Backbone, classes: int) -> Backbone:
    """The backbone of this recipe with a head of `classes` logits and random weights."""
    return _file(recipe).build(recipe, classes)


def outline(recipe: recipes.Backbone, classes: int) -> Backbone:
    """That of `build` without numbers: what its tensors are called and how large they are, which takes no memory."""
    with torch.device("meta"):
        return build(recipe, classes)


def load_pretrained(model: Backbone, recipe: recipes.Backbone) -> None:
    """Put the weights that the recipe names into a model of `build`; none are named: leave it as it is."""
    if getattr(recipe, "weights", ""):
        _file(recipe).load_pretrained(model, recipe)


def base_digest(recipe: recipes.Backbone) -> str | None:
    """SHA-256 of the pretrained weights that a member of this recipe needs beside its own; None where it needs none."""
    return _file(recipe).base_digest(recipe) if getattr(recipe, "frozen", False) else None


def _file(recipe: recipes.Backbone) -> ModuleType:
    return import_module(f"messy_mashup.models.{recipe.name}")
