"""A small CNN: three to six convolutions on a log-mel as a picture of one channel.

The first convolution goes in steps of two, and each but the last is followed by 2x2 max pooling: the first block is
where most of the time goes, and it works on a quarter of the places.
"""

import torch
from torch import nn

from messy_mashup.errors import UserError
from messy_mashup.features.frame_spec import FrameSpec, picture_spec
from messy_mashup.models.backbone import Backbone
from messy_mashup.recipe import CNNRecipe


def frame_spec(recipe: CNNRecipe) -> FrameSpec:
    """librosa's log-mel with the recipe's mels, hop and FFT, or that of speech with its mels."""
    return picture_spec(recipe.front_end, recipe.mels, recipe.hop, recipe.fft, recipe.separated)


def build(recipe: CNNRecipe, classes: int) -> "CNN":
    """A CNN from scratch.

    UserError where the picture is too small to be halved once a convolution.
    """
    frames = frame_spec(recipe).frames_in(recipe.heard_s)
    layers, smallest = len(recipe.widths), 2 ** len(recipe.widths)
    if min(frames, recipe.mels) < smallest:
        raise UserError(
            f"backbone cnn: {layers} convolutions halve the picture {layers} times, which needs {smallest} frames and "
            f"bands; heard_s, hop and mels make {frames} frames of {recipe.mels} bands: give it fewer widths or more "
            "of those"
        )
    return CNN(recipe, classes)


class CNN(Backbone):
    """log-mel (batch, frames, mels) to logits (batch, classes)."""

    def __init__(self, recipe: CNNRecipe, classes: int) -> None:
        super().__init__()
        first, *later = recipe.widths
        blocks = [_block(1, first, stride=2)]
        blocks += [_block(before, width, stride=1) for before, width in zip(recipe.widths, later, strict=False)]
        self.blocks = nn.ModuleList(blocks).to(memory_format=torch.channels_last)
        self.pool = nn.MaxPool2d(2)
        self.dropout = nn.Dropout(recipe.dropout)
        self.head = nn.Linear(recipe.widths[-1], classes)

    def forward(self, log_mel: torch.Tensor) -> torch.Tensor:
        """Logits (batch, classes)."""
        return self.head(self.dropout(self.embed(log_mel)))

    def embed(self, log_mel: torch.Tensor) -> torch.Tensor:
        """What the head sees: mean plus maximum over frames and bands, (batch, last width)."""
        picture = log_mel[:, None].to(memory_format=torch.channels_last)
        *before, last = self.blocks
        for block in before:
            picture = self.pool(block(picture)).relu_()  # the pool first: the same result, on a quarter of the places
        picture = last(picture).relu_()
        return picture.mean(dim=(2, 3)) + picture.amax(dim=(2, 3))

    def unheard_frames(self, frames: int) -> int:
        """Those that poolings of an odd number leave out, as far as no convolution below reaches them."""
        sizes = [(frames + 1) // 2]  # after the first convolution, then after every pooling
        for _ in self.blocks[:-1]:
            sizes.append(sizes[-1] // 2)
        heard = sizes.pop()
        for size in reversed(sizes[1:]):
            heard = min(size, 2 * heard + 1)
        return max(0, frames - 2 * min(sizes[0], 2 * heard))

    def stages(self) -> list[list[nn.Parameter]]:
        """A stage a convolution with its normalisation; then the head."""
        return [*(list(block.parameters()) for block in self.blocks), list(self.head.parameters())]


def _block(before: int, width: int, stride: int) -> nn.Sequential:
    convolution = nn.Conv2d(before, width, kernel_size=3, stride=stride, padding=1, bias=False)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(convolution, nn.BatchNorm2d(width))
