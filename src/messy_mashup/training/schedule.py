"""Learning rate and parameter groups: functions of the step and the model, so a resume needs no state of theirs."""

import math
from typing import Any

from messy_mashup.models.backbone import Backbone
from messy_mashup.recipe import TrainRecipe

SHARE = "lr_share"  # a group's learning rate, as a multiple of the recipe's


def learning_rate(recipe: TrainRecipe, step: int, steps: int) -> float:
    """Linear warm-up over `recipe.warmup` of all steps, then a cosine to zero, begun anew `recipe.restarts` times
    (SGDR, Loshchilov and Hutter 2017, with cycles of equal length).
    """
    warmup = recipe.warmup * steps
    if step < warmup:
        return recipe.lr * (step + 1) / (warmup + 1)
    progress = (step - warmup) / max(1, steps - warmup) * (recipe.restarts + 1) % 1
    return recipe.lr * 0.5 * (1 + math.cos(math.pi * progress))


def parameter_groups(model: Backbone, recipe: TrainRecipe) -> list[dict[str, Any]]:
    """Groups for the optimizer, two a stage: weights decay; biases and normalisation do not; what is frozen has none.

    The head learns at `head_lr` times the learning rate, the stage below it at the learning rate itself, and every
    further one at `layer_lr` times that of the stage above (Clark et al. 2020, ELECTRA).
    """
    *body, head = model.stages()
    groups = []
    for depth, stage in enumerate(reversed(body)):
        groups += _groups(stage, recipe.layer_lr**depth, recipe.weight_decay)
    return [*reversed(groups), *_groups(head, recipe.head_lr, recipe.weight_decay)]


def _groups(stage: list, share: float, weight_decay: float) -> list[dict[str, Any]]:
    learning = [parameter for parameter in stage if parameter.requires_grad]
    weights = [parameter for parameter in learning if parameter.ndim > 1]
    others = [parameter for parameter in learning if parameter.ndim <= 1]
    decays = ((weights, weight_decay), (others, 0.0))
    return [{"params": kind, "weight_decay": decay, SHARE: share} for kind, decay in decays if kind]
