"""MAEST's original checkpoints, as its authors train them, become folders in the hub's format.

Their network is PaSST's: fused query, key and value, separate position tables of time and frequency, and a head for
distillation that nobody asks. The names are those of the authors' own conversion (github.com/palonso/MAEST,
packaging/push_to_hub.py), whose head norm, too, gets layer_norm_eps 1e-6 where the original has 1e-5. Files are read
without unpickling code.
"""

import json
import pickle
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from messy_mashup.errors import UserError
from messy_mashup.features.frame_spec import MAEST_MEL
from messy_mashup.files import write_whole
from messy_mashup.models.ast import PATCH
from messy_mashup.models.ast_checkpoint import CONFIG, ENCODER, EXTRACTOR, MODEL_TYPE, POSITIONS, TENSORS
from messy_mashup.models.hub import listed
from messy_mashup.models.maest import EXTRACTOR_FIELDS, NORM_EPS

Tensors = dict[str, torch.Tensor]
STRIDE = 10  # of patches, in bands and in frames: in every published model
HEAD_WIDTH = 64  # of attention: in every published model
AVERAGED, LAST = "net_swa.", "net."  # of a Lightning checkpoint: the weights' average, and the last ones
TABLES = ("new_pos_embed", "freq_new_pos_embed", "time_new_pos_embed")
DROPPED = "head_dist."
LAYER = re.compile(r"blocks\.(\d+)\.(.+)\.(weight|bias)")
LAYER_NAMES = {
    "norm1": "layernorm_before",
    "norm2": "layernorm_after",
    "attn.proj": "attention.output.dense",
    "mlp.fc1": "intermediate.dense",
    "mlp.fc2": "output.dense",
}
QKV, QKV_NAMES = "attn.qkv", ("query", "key", "value")
NAMES = {
    "cls_token": f"{ENCODER}embeddings.cls_token",
    "dist_token": f"{ENCODER}embeddings.distillation_token",
    "patch_embed.proj.weight": f"{ENCODER}embeddings.patch_embeddings.projection.weight",
    "patch_embed.proj.bias": f"{ENCODER}embeddings.patch_embeddings.projection.bias",
    "norm.weight": f"{ENCODER}layernorm.weight",
    "norm.bias": f"{ENCODER}layernorm.bias",
    "head.0.weight": "classifier.layernorm.weight",
    "head.0.bias": "classifier.layernorm.bias",
    "head.1.weight": "classifier.dense.weight",
    "head.1.bias": "classifier.dense.bias",
}


def convert(checkpoint: Path, folder: Path, labels: Sequence[str] = (), heads: int | None = None) -> None:
    """Write an original checkpoint into `folder` as the hub has it; `labels` name its styles, in their order.

    heads: of attention, which no tensor tells; as many as fit at the published width of 64 if it is not given.
    """
    original = read_original(checkpoint)
    try:
        tensors = hub_tensors(original)
        config = _config(tensors, original, heads)
    except (KeyError, ValueError, RuntimeError, IndexError) as error:
        raise UserError(
            f"{checkpoint} is no original checkpoint of MAEST ({error}): give the file of its authors' releases"
        ) from error
    styles = tensors["classifier.dense.bias"].shape[0]
    if labels and len(labels) != styles:
        raise UserError(f"{checkpoint} has {styles} styles and {len(labels)} are named: give the list of its training")
    config["id2label"] = {str(number): labels[number] if labels else f"LABEL_{number}" for number in range(styles)}
    _write_json(folder / CONFIG, config | {"label2id": {name: int(key) for key, name in config["id2label"].items()}})
    fields = EXTRACTOR_FIELDS | {"max_length": config["max_length"], "feature_extractor_type": "MAESTFeatureExtractor"}
    _write_json(folder / EXTRACTOR, fields)
    with write_whole(folder / TENSORS) as temporary:  # last: without it the folder is no checkpoint
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary, metadata={"format": "pt"})


def read_original(path: Path) -> Tensors:
    """The tensors of the original network by their names there; of a Lightning checkpoint the averaged ones, where it
    holds any.
    """
    tensors = _read(path)
    for prefix in (AVERAGED, LAST):
        if inner := {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}:
            # Lightning's averaging wraps the network once more
            return {name.removeprefix("module."): value.float() for name, value in inner.items() if value.dim()}
    return {name: value.float() for name, value in tensors.items()}


def hub_tensors(original: Mapping[str, torch.Tensor]) -> Tensors:
    """The tensors as the hub names and shapes them; ValueError names what does not belong to the network."""
    tensors = {POSITIONS: _positions(*(original[name] for name in TABLES))}
    unknown = []
    for name, value in original.items():
        if name in NAMES:
            tensors[NAMES[name]] = value
        elif match := LAYER.fullmatch(name):
            layer, part, kind = match.groups()
            place = f"{ENCODER}encoder.layer.{layer}."
            if part == QKV:
                for piece, piece_name in zip(value.chunk(3), QKV_NAMES, strict=True):
                    tensors[f"{place}attention.attention.{piece_name}.{kind}"] = piece.clone()
            else:
                tensors[f"{place}{LAYER_NAMES[part]}.{kind}"] = value
        elif name not in TABLES and not name.startswith(DROPPED):
            unknown.append(name)
    if unknown or (missing := [name for name in NAMES if name not in original]):
        told = f"it has {listed(unknown)}" if unknown else f"it lacks {listed(missing)}"
        raise ValueError(told)
    return tensors


def _positions(special: torch.Tensor, bands: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
    """One table (1, 2 + rows * columns, width) of the parts (1, 2, width), (1, width, rows, 1), (1, width, 1, columns).

    Patch (row, column) is token `row * columns + column`, as in both networks.
    """
    return torch.cat([special, (bands + times).flatten(2).transpose(1, 2)], dim=1)


def _config(tensors: Tensors, original: Mapping[str, torch.Tensor], heads: int | None) -> dict[str, object]:
    width = tensors[POSITIONS].shape[2]
    layers = 1 + max(int(match[1]) for name in original if (match := LAYER.fullmatch(name)))
    heads = heads or max(1, width // HEAD_WIDTH)
    if width % heads:
        raise ValueError(f"{heads} heads do not divide its width of {width}")
    return {
        "architectures": ["ASTForAudioClassification"],
        "model_type": MODEL_TYPE,
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": original["blocks.0.mlp.fc1.bias"].shape[0],
        "hidden_act": "gelu",
        "layer_norm_eps": NORM_EPS,
        "patch_size": PATCH,
        "qkv_bias": True,
        "num_mel_bins": MAEST_MEL.mels,
        # of 316, 626, 1256 and 1876 frames the last patch ends with the last frame
        "max_length": (original["time_new_pos_embed"].shape[3] - 1) * STRIDE + PATCH,
        "frequency_stride": STRIDE,
        "time_stride": STRIDE,
    }


def _read(path: Path) -> Tensors:
    if not path.is_file():
        raise UserError(f"there is no file {path}: name the original checkpoint")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path} holds more than tensors, and unpickling that would run whatever code is in it: where you trust "
            "it, write `torch.load(path, weights_only=False)['state_dict']` as safetensors, and give that"
        ) from error
    except (SafetensorError, OSError, RuntimeError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} is damaged or half a file ({error}): get the checkpoint again") from error
    tensors = content.get("state_dict", content) if isinstance(content, dict) else content
    if not isinstance(tensors, dict) or not all(isinstance(value, torch.Tensor) for value in tensors.values()):
        raise UserError(f"{path} holds no tensors by their names: give the original checkpoint")
    return dict(tensors)


def _write_json(path: Path, fields: Mapping[str, object]) -> None:
    with write_whole(path) as temporary:
        temporary.write_text(json.dumps(fields, indent=2, ensure_ascii=False) + "\n")
