"""DoRA adapters on the linear layers of a frozen transformer, by peft.

Liu et al., DoRA: Weight-Decomposed Low-Rank Adaptation (ICML 2024). A layer's weight W becomes m (W + alpha B A) /
||W + alpha B A||, row by row, where m, A and B learn. Published values of alpha multiply B A whatever the rank, while
peft multiplies by lora_alpha / rank.
"""

import re
from collections.abc import Callable, Mapping

import torch
from torch import nn

from messy_mashup.errors import UserError
from messy_mashup.recipe import DoRARecipe
from messy_mashup.torchvision_import import import_torchvision

NAME = "default"  # peft's, of the only adapter that a network has
# What a layer is called on the hub, below the transformer layer of that number
HUB_LAYERS = {
    "query": "attention.attention.query",
    "key": "attention.attention.key",
    "value": "attention.attention.value",
    "feed_forward_in": "intermediate.dense",
    "feed_forward_out": "output.dense",
}
HUB_LAYER = re.compile(r"encoder\.layer\.(?P<number>\d+)\.(?P<layer>.+)")
WRAPPED = ".base_layer"  # how peft calls the layer that it wraps, within its own
ADAPTER = (".lora_A.", ".lora_B.", ".lora_magnitude_vector.")


def add_dora(network: nn.Module, recipe: DoRARecipe, hub_name: Callable[[str], str]) -> None:
    """Wrap the layers that the recipe means, in place; `hub_name` gives a module's name on the hub.

    A layer gives what it gave before until the adapters have learnt. UserError where the network has no such layer.
    """
    import_torchvision()
    from peft import LoraConfig, inject_adapter_in_model

    wanted = {HUB_LAYERS[layer] for layer in recipe.layers}
    adapted = []
    for name, _ in network.named_modules():
        match = HUB_LAYER.fullmatch(hub_name(name + ".").rstrip("."))
        if match and match["layer"] in wanted and int(match["number"]) >= recipe.first:
            adapted.append(name)
    if not adapted:
        raise UserError(
            f"backbone.dora.first={recipe.first}: the network has no transformer layer of that number or above; they "
            "are counted from 0"
        )
    config = LoraConfig(
        r=recipe.rank, lora_alpha=recipe.alpha * recipe.rank, target_modules=adapted, use_dora=True, bias="none"
    )
    inject_adapter_in_model(config, network, adapter_name=NAME)


def reset(model: nn.Module) -> None:
    """Make all adapters change nothing, where the weights that they adapt have been replaced."""
    for layer in model.modules():
        if hasattr(layer, "lora_magnitude_vector"):
            with torch.no_grad():
                layer.lora_B[NAME].weight.zero_()
                layer.lora_magnitude_vector[NAME].weight.copy_(torch.linalg.norm(layer.base_layer.weight, dim=1))


def merge(network: nn.Module) -> None:
    """Replace every adapted layer by one plain linear layer of the merged weights, in place."""
    adapted = [(name, layer) for name, layer in network.named_modules() if hasattr(layer, "lora_magnitude_vector")]
    for name, layer in adapted:
        layer.merge(safe_merge=True)
        parent, _, child = name.rpartition(".")
        setattr(network.get_submodule(parent), child, layer.get_base_layer())


def without_adapters(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors of the network as it is without them."""
    return {name: tensor for name, tensor in tensors.items() if not any(part in f".{name}." for part in ADAPTER)}
