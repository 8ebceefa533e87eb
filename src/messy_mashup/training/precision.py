"""In which numbers a forward pass runs: float32, bfloat16, or float16 with a scaled loss."""

import torch

from messy_mashup.recipe import TrainRecipe

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def forward_dtype(recipe: TrainRecipe, device: torch.device) -> torch.dtype:
    """The recipe's precision; `auto` is bfloat16 on a GPU that has it, float16 on an older one (a T4), float32 on a
    CPU.
    """
    if recipe.precision != "auto":
        return DTYPES[recipe.precision]
    if device.type != "cuda":
        return torch.float32
    # Emulated bfloat16 is slower than float32: ask for the hardware's own.
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16


def prediction_dtype(recipe: TrainRecipe, device: torch.device) -> torch.dtype:
    """In what a trained model predicts: on a GPU as it was trained, on a CPU float32."""
    return forward_dtype(recipe, device) if device.type == "cuda" else torch.float32
