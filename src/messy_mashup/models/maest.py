"""MAEST: the AST network on Essentia's mel bands, with its authors' weights; its layers as embeddings.

Alonso-Jiménez, Serra, Bogdanov: Efficient Supervised Training of Audio Transformers for Music Representation Learning
(ISMIR 2023). Its weights on the hub are plain ASTForAudioClassification beside a feature extractor in remote code: what
that computes is features.frame_spec.MAEST_MEL, so no remote code is run. With `recipe.layer` the head sees what the
authors embed music by: CLS, DIST and the mean of the patches after that transformer layer, one after the other.
"""

from collections import OrderedDict
from typing import Any

import torch
from torch import nn

from messy_mashup.errors import UserError
from messy_mashup.features.frame_spec import MAEST_MEL, FrameSpec
from messy_mashup.models.ast import AST, SPECIAL_TOKENS, base_digest, initialised, load_pretrained
from messy_mashup.models.ast_checkpoint import CONFIG, Extractor, find_checkpoint, read_config
from messy_mashup.models.heads import head_layers
from messy_mashup.recipe import MAESTRecipe

__all__ = ["base_digest", "build", "embedder", "frame_spec", "load_pretrained", "probe_head", "recipe_of", "styles_of"]

PARTS = 3  # of an embedding: CLS, DIST, mean of the patches
NORM_EPS = 1e-6
EXTRACTOR_FIELDS = {
    "do_normalize": True,
    "mean": MAEST_MEL.mean,
    "std": MAEST_MEL.divisor / 2,
    "num_mel_bins": MAEST_MEL.mels,
    "sampling_rate": MAEST_MEL.sample_rate_hz,
    "n_fft": MAEST_MEL.fft,
    "hop_length": MAEST_MEL.hop,
    "log_compression": "logC",
}


def frame_spec(recipe: MAESTRecipe) -> FrameSpec:
    """Essentia's bands as MAEST's authors normalise them."""
    return MAEST_MEL


def build(recipe: MAESTRecipe, classes: int) -> "MAEST":
    """A MAEST with random weights, drawn from torch's global generator."""
    return MAEST(recipe, classes)


def recipe_of(weights: str, **changes: Any) -> MAESTRecipe:
    """The recipe whose network is that of the checkpoint `weights`, frozen; `changes` are of further fields."""
    fields = read_config(find_checkpoint(weights))
    return MAESTRecipe(
        weights=weights,
        heard_s=(fields["max_length"] - 1) * MAEST_MEL.hop / MAEST_MEL.sample_rate_hz,
        width=fields["hidden_size"],
        layers=fields["num_hidden_layers"],
        heads=fields["num_attention_heads"],
        stride=(fields["frequency_stride"], fields["time_stride"]),
        frozen=True,
        **changes,
    )


def styles_of(weights: str) -> tuple[str, ...]:
    """The names of a checkpoint's logits, in their order, from its config.json."""
    folder = find_checkpoint(weights)
    names = read_config(folder).get("id2label")
    if not isinstance(names, dict) or not names or set(names) != {str(number) for number in range(len(names))}:
        raise UserError(
            f"{folder / CONFIG} does not name its styles (id2label from 0 on): get the checkpoint again, or make it "
            "with convert_maest.py --labels"
        )
    return tuple(str(names[str(number)]) for number in range(len(names)))


def embedder(recipe: MAESTRecipe) -> "MAEST":
    """A network of the recipe's weights whose `embed` is that of the recipe's layer; its head is not to be used."""
    model = build(recipe, 1)
    load_pretrained(model, recipe)
    return model.eval()


def probe_head(recipe: MAESTRecipe, classes: int) -> nn.Sequential:
    """A layer's embedding (batch, 3 * width), standardised, to logits (batch, classes), with random weights."""
    width = PARTS * recipe.width
    layers = OrderedDict(standardised=Standardised(width))
    if recipe.head.hidden:
        layers |= head_layers(width, recipe.head, classes)
    else:
        layers |= OrderedDict(dropout=nn.Dropout(recipe.head.dropout), dense=nn.Linear(width, classes))
    return initialised(nn.Sequential(layers))


class MAEST(AST):
    """log-mel (batch, frames, mels) to logits (batch, classes); frames are those of the recipe's `heard_s`."""

    spec = MAEST_MEL
    norm_eps = NORM_EPS
    extractor = Extractor(EXTRACTOR_FIELDS, "name weights of MAEST, such as mtg-upf/discogs-maest-30s-pw-129e")

    def __init__(self, recipe: MAESTRecipe, classes: int) -> None:
        if recipe.layer > recipe.layers:
            raise UserError(
                f"backbone.layer={recipe.layer}: the network has {recipe.layers} layers, counted from 1; name one of "
                "them, or 0 for what its own head sees"
            )
        if recipe.layer and not recipe.frozen:
            raise UserError(
                f"backbone.layer={recipe.layer} needs backbone.frozen=True: a probe tells what a network knows as it is"
            )
        super().__init__(recipe, classes)
        self.layer = recipe.layer

    def embed(self, log_mel: torch.Tensor) -> torch.Tensor:
        """What the head sees: (batch, 3 * width) of the recipe's layer, or (batch, width) as of an AST."""
        if not self.layer:
            return super().embed(log_mel)
        tokens = self.tokens(log_mel, self.layer)
        patches = tokens[:, SPECIAL_TOKENS:].mean(1, keepdim=True)
        return torch.cat([tokens[:, :SPECIAL_TOKENS], patches], dim=1).flatten(1)

    def head(self, recipe: MAESTRecipe, classes: int) -> nn.Sequential:
        """An AST's, or a probe's: a layer's embedding, standardised, to logits."""
        return probe_head(recipe, classes) if recipe.layer else super().head(recipe, classes)


class Standardised(nn.Module):
    """Numbers (batch, width) less their mean, over their standard deviation, in what the probe was trained on."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("deviation", torch.ones(width))

    def fit(self, embeddings: torch.Tensor) -> None:
        """Take mean and deviation of embeddings (clips, width); what never varies is left as it is, less its mean."""
        deviation, mean = torch.std_mean(embeddings.double(), dim=0, correction=0)
        self.mean.copy_(mean)
        self.deviation.copy_(torch.where(deviation > 1e-6, deviation, 1.0))

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        """(batch, width), as it came in."""
        return (embeddings - self.mean) / self.deviation
