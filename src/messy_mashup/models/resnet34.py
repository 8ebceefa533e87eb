"""ResNet34 (timm) on a log-mel as a picture of one channel."""

import torch
from torch import nn

from messy_mashup.features.frame_spec import FrameSpec, librosa_log_mel
from messy_mashup.models.backbone import Backbone
from messy_mashup.recipe import ResNet34Recipe
from messy_mashup.torchvision_import import import_torchvision


def frame_spec(recipe: ResNet34Recipe) -> FrameSpec:
    """librosa's log-mel with the recipe's mels, hop and FFT."""
    return librosa_log_mel(recipe.mels, recipe.hop, recipe.fft)


def build(recipe: ResNet34Recipe, classes: int) -> "ResNet34":
    """A ResNet34 from scratch; `widths` below (64, 128, 256, 512) make a narrow one for small machines."""
    return ResNet34(recipe, classes)


class ResNet34(Backbone):
    """log-mel (batch, frames, mels) to logits (batch, classes)."""

    def __init__(self, recipe: ResNet34Recipe, classes: int) -> None:
        super().__init__()
        import_torchvision()
        import timm

        self.network = timm.create_model(
            "resnet34",
            pretrained=False,
            in_chans=1,
            num_classes=classes,
            drop_rate=recipe.dropout,
            channels=recipe.widths,
            stem_width=recipe.widths[0],
        ).to(memory_format=torch.channels_last)

    def forward(self, log_mel: torch.Tensor) -> torch.Tensor:
        """Logits (batch, classes)."""
        return self.network(self._picture(log_mel))

    def embed(self, log_mel: torch.Tensor) -> torch.Tensor:
        """What the head sees: (batch, last width)."""
        return self.network.forward_head(self.network.forward_features(self._picture(log_mel)), pre_logits=True)

    def stages(self) -> list[list[nn.Parameter]]:
        """The stem, the four groups of blocks, the head."""
        network = self.network
        stem = [*network.conv1.parameters(), *network.bn1.parameters()]
        blocks = [network.layer1, network.layer2, network.layer3, network.layer4]
        return [stem, *(list(block.parameters()) for block in blocks), list(network.fc.parameters())]

    def _picture(self, log_mel: torch.Tensor) -> torch.Tensor:
        return log_mel[:, None].to(memory_format=torch.channels_last)
