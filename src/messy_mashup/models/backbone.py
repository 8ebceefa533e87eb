"""What every backbone is to the other rooms."""

from abc import ABC, abstractmethod

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
