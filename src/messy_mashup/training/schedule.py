"""Learning rate and parameter groups: functions of the step and the model, so a resume needs no state of theirs."""

import math

from torch import nn

from messy_mashup.recipe import TrainRecipe


def learning_rate(recipe: TrainRecipe, step: int, steps: int) -> float:
    """Linear warm-up over `recipe.warmup` of all steps, then a cosine to zero."""
    warmup = recipe.warmup * steps
    if step < warmup:
        return recipe.lr * (step + 1) / (warmup + 1)
    progress = (step - warmup) / max(1, steps - warmup)
    return recipe.lr * 0.5 * (1 + math.cos(math.pi * progress))


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict]:
    """Weights decay; biases and normalisation do not."""
    weights = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in model.parameters() if parameter.ndim <= 1]
    return [{"params": weights, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
