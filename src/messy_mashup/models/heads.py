"""Heads: what makes logits of what a backbone has heard."""

from collections import OrderedDict

from torch import nn

from messy_mashup.recipe import HeadRecipe


def head_layers(width: int, recipe: HeadRecipe, classes: int) -> "OrderedDict[str, nn.Module]":
    """Dropout, a hidden layer, GELU, dropout, and a linear layer `dense` to the classes, by their names."""
    return OrderedDict(
        dropout=nn.Dropout(recipe.dropout),
        hidden=nn.Linear(width, recipe.hidden),
        gelu=nn.GELU(),
        hidden_dropout=nn.Dropout(recipe.dropout),
        dense=nn.Linear(recipe.hidden, classes),
    )
