"""What every backbone is to the other rooms."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import nn


class Backbone(nn.Module, ABC):
    """log-mel (batch, frames, mels) to logits (batch, classes)."""

    @abstractmethod
    def forward(self, log_mel: torch.Tensor) -> torch.Tensor:
        """Logits (batch, classes)."""

    @abstractmethod
    def embed(self, log_mel: torch.Tensor) -> torch.Tensor:
        """What the head sees: (batch, width)."""

    def unheard_frames(self, frames: int) -> int:
        """How many frames at the end of so many no logit depends on: scoring begins a last window so much later."""
        return 0

    @abstractmethod
    def stages(self) -> list[list[nn.Parameter]]:
        """All parameters, stage by stage from the input up; the last stage is the head."""

    def learnt(self) -> dict[str, torch.Tensor]:
        """The tensors that a member consists of: all but the weights that are frozen."""
        tensors = self.state_dict(keep_vars=True)
        return {
            name: tensor.detach()
            for name, tensor in tensors.items()
            if not isinstance(tensor, nn.Parameter) or tensor.requires_grad
        }

    def check_learnt(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """RuntimeError where a member's tensors are not just those of `learnt`, in name and shape."""
        own = self.learnt()
        missing, unknown = sorted(own.keys() - tensors.keys()), sorted(tensors.keys() - own.keys())
        if missing or unknown:
            raise RuntimeError(f"it lacks {missing[:3]}, and has {unknown[:3]} which the network has not")
        for name, tensor in own.items():
            if tensor.shape != tensors[name].shape:
                raise RuntimeError(f"{name} is {tuple(tensors[name].shape)}, the network's {tuple(tensor.shape)}")

    def load_learnt(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Put a member's tensors in; RuntimeError as `check_learnt`."""
        self.check_learnt(tensors)
        self.load_state_dict(self.state_dict() | dict(tensors))
