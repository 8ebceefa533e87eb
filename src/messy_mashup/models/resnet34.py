"""ResNet34 (timm) on a log-mel as a picture of one channel."""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from messy_mashup.errors import UserError
from messy_mashup.features.frame_spec import FrameSpec, picture_spec
from messy_mashup.models.backbone import Backbone
from messy_mashup.models.hub import from_hub, listed
from messy_mashup.paths import find_weights
from messy_mashup.recipe import ResNet34Recipe
from messy_mashup.torchvision_import import import_torchvision

TENSORS = "model.safetensors"
PICKLED = (".bin", ".pth", ".pt")
HEAD = ("fc.weight", "fc.bias")


def frame_spec(recipe: ResNet34Recipe) -> FrameSpec:
    """librosa's log-mel with the recipe's mels, hop and FFT, or that of speech with its mels."""
    return picture_spec(recipe.front_end, recipe.mels, recipe.hop, recipe.fft, recipe.separated)


def build(recipe: ResNet34Recipe, classes: int) -> "ResNet34":
    """A ResNet34 from scratch; `widths` below (64, 128, 256, 512) make a narrow one for small machines."""
    return ResNet34(recipe, classes)


def load_pretrained(model: "ResNet34", recipe: ResNet34Recipe) -> None:
    """Put timm's weights, as named by `recipe.weights`, into a model of `build`.

    The stem's filters are summed to one channel: a grey picture through them is that picture thrice through the three.
    ImageNet's pictures are normalised to about zero and one a channel, and so is our log-mel; no more is needed. A head
    of another number of classes, or none, leaves the model's own. Whatever else does not fit is a UserError.
    """
    path = _weights_file(recipe.weights)
    tensors = _read(path)
    own = model.network.state_dict()
    _adapt(tensors, own)
    _check(path, tensors, own)
    model.network.load_state_dict(own | tensors)


def timm_network(recipe: ResNet34Recipe, classes: int) -> nn.Module:
    """timm's ResNet34 from pictures (batch, 1, frames, mels) to logits (batch, classes), with random weights."""
    import_torchvision()
    import timm

    return timm.create_model(
        "resnet34",
        pretrained=False,
        in_chans=1,
        num_classes=classes,
        drop_rate=recipe.dropout,
        channels=recipe.widths,
        stem_width=recipe.widths[0],
    )


class ResNet34(Backbone):
    """log-mel (batch, frames, mels) to logits (batch, classes)."""

    def __init__(self, recipe: ResNet34Recipe, classes: int) -> None:
        super().__init__()
        self.network = timm_network(recipe, classes).to(memory_format=torch.channels_last)

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


def _adapt(tensors: dict[str, torch.Tensor], own: dict[str, torch.Tensor]) -> None:
    """One channel in the stem; the head and the counters of batches, which decide nothing here, where they are not."""
    stem = tensors.get("conv1.weight")
    if stem is not None and stem.ndim == 4:
        tensors["conv1.weight"] = stem.float().sum(dim=1, keepdim=True)
    head = {name: tensors[name].shape if name in tensors else (0, *own[name].shape[1:]) for name in HEAD}
    if all(head[name][0] != own[name].shape[0] and head[name][1:] == own[name].shape[1:] for name in HEAD):
        tensors.update((name, own[name]) for name in HEAD)
    for name in own:
        if name.endswith("num_batches_tracked"):
            tensors.setdefault(name, own[name])


def _check(path: Path, tensors: dict[str, torch.Tensor], own: dict[str, torch.Tensor]) -> None:
    shapes = [
        f"{name} ({tuple(tensors[name].shape)} and not {tuple(own[name].shape)})"
        for name in own
        if name in tensors and tensors[name].shape != own[name].shape
    ]
    missing, unknown = sorted(own.keys() - tensors.keys()), sorted(tensors.keys() - own.keys())
    faults = (("lacks", missing), ("has what a ResNet34 has not:", unknown), ("has other shapes:", shapes))
    said = [f"{fault} {listed(names)}" for fault, names in faults if names]
    if said:
        raise UserError(
            f"{path} does not fit this ResNet34: it {'; it '.join(said)}; name weights of timm's resnet34, and leave "
            "the recipe's widths at (64, 128, 256, 512)"
        )


def _read(path: Path) -> dict[str, torch.Tensor]:
    try:
        return load_file(path)
    except SafetensorError as error:
        with path.open("rb") as file:
            pickled = file.read(2).startswith((b"PK", b"\x80"))
        if pickled or path.suffix in PICKLED:
            raise UserError(
                f"{path} is a pickle, and nothing here unpickles downloads: where you trust it, convert it once by "
                '`safetensors.torch.save_file(torch.load("<that file>", weights_only=True), "model.safetensors")`'
            ) from error
        raise UserError(f"{path} is no whole safetensors file ({error}): get it again") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error}): get it again") from error


def _weights_file(name: str) -> Path:
    path = find_weights(name, lambda folder: any(_files(folder, (".safetensors", *PICKLED)))) or from_hub(
        name, [TENSORS]
    )
    if not path.is_dir():
        return path
    whole = path / TENSORS
    found = [whole] if whole.is_file() else _files(path, (".safetensors",)) or _files(path, PICKLED)
    if len(found) != 1:
        raise UserError(
            f"{path} holds {len(found)} files of weights and no {TENSORS}: name the safetensors file itself"
        )
    return found[0]


def _files(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix in suffixes and path.is_file())
