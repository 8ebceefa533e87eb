"""The Audio Spectrogram Transformer (transformers' ASTModel) with its authors' weights, if they are named.

Gong, Chung, Glass: AST (Interspeech 2021); structured patchout: Koutini et al., PaSST (Interspeech 2022).
A member's tensors bear the names that they have on the hub, whatever transformers names its modules.
"""

import math
from collections import OrderedDict
from typing import Any, ClassVar

import torch
from torch import nn
from torch.nn.functional import interpolate

from messy_mashup.errors import UserError
from messy_mashup.features.frame_spec import AST_FBANK, FrameSpec
from messy_mashup.models import adapters
from messy_mashup.models.ast_checkpoint import (
    AST_EXTRACTOR,
    POSITIONS,
    Extractor,
    Grid,
    checkpoint_digest,
    find_checkpoint,
    hub_name,
    read_checkpoint,
)
from messy_mashup.models.backbone import Backbone
from messy_mashup.models.heads import head_layers
from messy_mashup.recipe import ASTRecipe, MAESTRecipe
from messy_mashup.torchvision_import import import_torchvision

PATCH = 16  # bands and frames of a patch
SPECIAL_TOKENS = 2  # CLS and DIST, before the patches
INITIAL_STD = 0.02  # the authors', of every weight


def frame_spec(recipe: ASTRecipe) -> FrameSpec:
    """Kaldi's fbank as AST's authors normalise it."""
    return AST_FBANK


def build(recipe: ASTRecipe, classes: int) -> "AST":
    """An AST with random weights, drawn from torch's global generator."""
    return AST(recipe, classes)


def load_pretrained(model: "AST", recipe: ASTRecipe | MAESTRecipe) -> None:
    """Put in the checkpoint that the recipe names: all or, with a UserError, nothing.

    The head comes with it if it is the model's own and has its number of classes, and stays random otherwise. Adapters
    begin where they change nothing.
    """
    own = adapters.without_adapters(model.state_dict())
    folder = find_checkpoint(recipe.weights)
    network = model.audio_spectrogram_transformer.config.to_dict()
    shapes = {name: tensor.shape for name, tensor in own.items()}
    checkpoint = read_checkpoint(folder, network, shapes, model.extractor)
    source = Grid.over(model.spec.mels, checkpoint.frames, checkpoint.stride, PATCH)
    # The grid that the recipe's stride has over what the checkpoint heard
    restrided = Grid.over(model.spec.mels, checkpoint.frames, recipe.stride, PATCH)
    table = checkpoint.tensors[POSITIONS]
    fitted = {POSITIONS: fit_positions(table, source, restrided, model.grid.columns)}
    model.load_state_dict(model.state_dict() | checkpoint.tensors | fitted)
    adapters.reset(model)


def base_digest(recipe: ASTRecipe | MAESTRecipe) -> str:
    """SHA-256 of the checkpoint that the recipe names."""
    return checkpoint_digest(find_checkpoint(recipe.weights))


def fit_positions(table: torch.Tensor, source: Grid, restrided: Grid, columns: int) -> torch.Tensor:
    """A position table (1, 2 + patches, width) on the grid of `source`, fitted to `restrided.rows` by `columns`.

    Another stride interpolates over the same extent. Then shorter windows get the centre of the table, as with AST's
    authors, and longer ones the table interpolated in time.
    """
    special, patches = table[:, :SPECIAL_TOKENS], table[:, SPECIAL_TOKENS:]
    picture = patches.transpose(1, 2).unflatten(2, (source.rows, source.columns))
    if restrided != source:
        picture = interpolate(picture, (restrided.rows, restrided.columns), mode="bilinear")
    if columns > restrided.columns:
        picture = interpolate(picture, (restrided.rows, columns), mode="bilinear")
    start = picture.shape[3] // 2 - columns // 2
    picture = picture[..., start : start + columns]
    return torch.cat([special, picture.flatten(2).transpose(1, 2)], dim=1)


class AST(Backbone):
    """log-mel (batch, frames, mels) to logits (batch, classes); frames are those of the recipe's `heard_s`."""

    spec: ClassVar[FrameSpec] = AST_FBANK
    norm_eps: ClassVar[float] = 1e-12  # of every layer norm
    extractor: ClassVar[Extractor] = AST_EXTRACTOR  # what a checkpoint's own front-end must be

    def __init__(self, recipe: ASTRecipe | MAESTRecipe, classes: int) -> None:
        super().__init__()
        frames = self.spec.frames_in(recipe.heard_s)
        self.grid = Grid.over(self.spec.mels, frames, recipe.stride, PATCH)
        self.patchout = recipe.patchout
        self.stride_frames = recipe.stride[1]
        _check(recipe, frames, self.grid, self.spec)
        self.audio_spectrogram_transformer = _network(recipe, frames, self.spec.mels, self.norm_eps)
        self.classifier = initialised(self.head(recipe, classes))
        if recipe.frozen:
            self.audio_spectrogram_transformer.requires_grad_(False)
        if recipe.dora.rank:
            adapters.add_dora(self.audio_spectrogram_transformer, recipe.dora, hub_name)
        self.register_state_dict_post_hook(_to_hub_names)
        self.register_load_state_dict_pre_hook(_from_hub_names)

    def forward(self, log_mel: torch.Tensor) -> torch.Tensor:
        """Logits (batch, classes)."""
        return self.classifier(self.embed(log_mel))

    def embed(self, log_mel: torch.Tensor) -> torch.Tensor:
        """What the head sees, the mean of CLS and DIST: (batch, width)."""
        tokens = self.tokens(log_mel, len(self._layers()))
        return self.audio_spectrogram_transformer.layernorm(tokens[:, :SPECIAL_TOKENS]).mean(1)

    def tokens(self, log_mel: torch.Tensor, layers: int) -> torch.Tensor:
        """CLS, DIST and patches (batch, 2 + patches, width) after so many layers, before any last norm."""
        tokens = self.audio_spectrogram_transformer.embeddings(log_mel)
        if self.training and any(self.patchout):
            tokens = tokens.index_select(1, self._kept(tokens.device))
        for layer in list(self._layers())[:layers]:
            tokens = layer(tokens)
        return tokens

    def head(self, recipe: ASTRecipe | MAESTRecipe, classes: int) -> nn.Sequential:
        """What makes logits of an embedding; without a hidden layer it is transformers' own."""
        if recipe.head.hidden:
            return nn.Sequential(head_layers(recipe.width, recipe.head, classes))
        norm, dropout = nn.LayerNorm(recipe.width, eps=self.norm_eps), nn.Dropout(recipe.head.dropout)
        return nn.Sequential(OrderedDict(layernorm=norm, dropout=dropout, dense=nn.Linear(recipe.width, classes)))

    def unheard_frames(self, frames: int) -> int:
        """Those after the last patch."""
        return (frames - PATCH) % self.stride_frames

    def stages(self) -> list[list[nn.Parameter]]:
        """The embeddings, the layers one by one, the last norm with the head."""
        network = self.audio_spectrogram_transformer
        bodies = [network.embeddings, *self._layers()]
        top = [*network.layernorm.parameters(), *self.classifier.parameters()]
        return [*(list(body.parameters()) for body in bodies), top]

    def _layers(self) -> nn.ModuleList:
        network = self.audio_spectrogram_transformer
        return network.layers if hasattr(network, "layers") else network.encoder.layer  # since 5.x; before

    def _kept(self, device: torch.device) -> torch.Tensor:
        """The tokens of a training step, one draw for the batch: CLS, DIST, and whole rows and columns of patches."""
        rows = torch.randperm(self.grid.rows, device=device)[self.patchout[0] :].sort().values
        columns = torch.randperm(self.grid.columns, device=device)[self.patchout[1] :].sort().values
        patches = (rows[:, None] * self.grid.columns + columns).flatten() + SPECIAL_TOKENS
        return torch.cat([torch.arange(SPECIAL_TOKENS, device=device), patches])


def initialised(head: nn.Sequential) -> nn.Sequential:
    """The head with random weights as the authors draw them."""
    for layer in head:
        if isinstance(layer, nn.Linear):
            nn.init.trunc_normal_(layer.weight, std=INITIAL_STD)
            nn.init.zeros_(layer.bias)
    return head


def _check(recipe: ASTRecipe | MAESTRecipe, frames: int, grid: Grid, spec: FrameSpec) -> None:
    if frames < PATCH:
        least = (PATCH - 1) * spec.hop + (0 if spec.centred else spec.window)
        least_s = math.ceil(100 * least / spec.sample_rate_hz) / 100
        told = f"{recipe.name.upper()} hears {PATCH} at least, {least_s} s"
        raise UserError(f"backbone.heard_s={recipe.heard_s} is {frames} frames: {told}")
    if recipe.width % recipe.heads:
        raise UserError(f"backbone.width={recipe.width} is not a multiple of backbone.heads={recipe.heads}")
    if recipe.patchout[0] >= grid.rows or recipe.patchout[1] >= grid.columns:
        raise UserError(
            f"backbone.patchout={recipe.patchout} leaves nothing of {grid.rows} rows and {grid.columns} columns of "
            "patches: leave out fewer"
        )
    if recipe.frozen and not recipe.weights:
        raise UserError("backbone.frozen=True needs backbone.weights: a frozen network of random weights tells nothing")
    if recipe.dora.rank and not recipe.frozen:
        raise UserError(
            f"backbone.dora.rank={recipe.dora.rank} needs backbone.frozen=True: without it all weights learn"
        )


def _network(recipe: ASTRecipe | MAESTRecipe, frames: int, mels: int, norm_eps: float) -> nn.Module:
    import_torchvision()
    from transformers import ASTConfig, ASTModel

    config = ASTConfig(
        hidden_size=recipe.width,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        intermediate_size=4 * recipe.width,
        hidden_dropout_prob=recipe.dropout,
        attention_probs_dropout_prob=recipe.dropout,
        patch_size=PATCH,
        frequency_stride=recipe.stride[0],
        time_stride=recipe.stride[1],
        max_length=frames,
        num_mel_bins=mels,
        layer_norm_eps=norm_eps,
        attn_implementation="sdpa",
    )
    network = ASTModel(config)
    # transformers leaves these at zero, which weights from the hub replace and training from scratch does not
    for name in ("cls_token", "distillation_token", "position_embeddings"):
        nn.init.trunc_normal_(getattr(network.embeddings, name), std=INITIAL_STD)
    return network


def _to_hub_names(model: AST, tensors: dict[str, torch.Tensor], prefix: str, metadata: dict[str, Any]) -> None:
    for name in [name for name in tensors if name.startswith(prefix)]:
        tensors[prefix + hub_name(name.removeprefix(prefix))] = tensors.pop(name)


def _from_hub_names(model: AST, tensors: dict[str, torch.Tensor], prefix: str, *rest: Any) -> None:
    for name in [prefix + name for name, _ in model.named_parameters()]:
        on_hub = prefix + hub_name(name.removeprefix(prefix))
        if on_hub in tensors:
            tensors[name] = tensors.pop(on_hub)
