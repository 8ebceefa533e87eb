"""Which device trains and predicts, and whether it gives the same bits again."""

import os

import torch

from messy_mashup.training.parallel import Ranks


def best_device() -> torch.device:
    """A GPU where there is one, else the processor."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def prepared_device(name: str, deterministic: bool) -> torch.device:
    """The device of that name, under torchrun this process's GPU; a deterministic one repeats its bits, more slowly."""
    if deterministic:
        os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # cuBLAS needs a workspace of fixed size for it
        torch.use_deterministic_algorithms(True)
    ranks = Ranks.here()
    return torch.device("cuda", ranks.local) if ranks.count > 1 and name.startswith("cuda") else torch.device(name)
