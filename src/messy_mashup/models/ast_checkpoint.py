"""AST checkpoints in the hub's format: found, read and held against the network that is to take them.

A checkpoint is a folder with config.json, model.safetensors and, mostly, preprocessor_config.json. Its tensors are
named as transformers 4 named its modules; transformers 5 renamed the modules and kept the names on the hub.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from messy_mashup.errors import UserError
from messy_mashup.features.frame_spec import AST_FBANK
from messy_mashup.files import file_digest
from messy_mashup.models.adapters import WRAPPED
from messy_mashup.models.hub import from_hub, listed
from messy_mashup.own_files import read_object
from messy_mashup.paths import ATTACHED_DEPTH, find_weights, folders_below

CONFIG, TENSORS, EXTRACTOR = "config.json", "model.safetensors", "preprocessor_config.json"
MODEL_TYPE = "audio-spectrogram-transformer"
ENCODER, HEAD = "audio_spectrogram_transformer.", "classifier."
PLAIN_HEAD = {f"{HEAD}{layer}.{kind}" for layer in ("layernorm", "dense") for kind in ("weight", "bias")}
POSITIONS = ENCODER + "embeddings.position_embeddings"
# The fields of config.json that decide what the tensors compute, apart from the grid of patches.
NETWORK_FIELDS = (
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "hidden_act",
    "layer_norm_eps",
    "patch_size",
    "qkv_bias",
    "num_mel_bins",
)
GRID_FIELDS = ("max_length", "frequency_stride", "time_stride")
HUB_NAMES = (
    (r"(^|\.)layers\.(\d+)\.", r"\1encoder.layer.\2."),
    (r"\.attention\.q_proj\.", ".attention.attention.query."),
    (r"\.attention\.k_proj\.", ".attention.attention.key."),
    (r"\.attention\.v_proj\.", ".attention.attention.value."),
    (r"\.attention\.o_proj\.", ".attention.output.dense."),
    (r"\.mlp\.fc1\.", ".intermediate.dense."),
    (r"\.mlp\.fc2\.", ".output.dense."),
)


@dataclass(frozen=True)
class Extractor:
    """What a checkpoint's preprocessor_config.json must say of its log-mel, and the remedy where it differs."""

    fields: Mapping[str, Any]
    remedy: str


AST_EXTRACTOR = Extractor(
    {
        "do_normalize": True,
        "mean": AST_FBANK.mean,
        "std": AST_FBANK.divisor / 2,
        "num_mel_bins": AST_FBANK.mels,
        "sampling_rate": AST_FBANK.sample_rate_hz,
    },
    "name weights trained on AudioSet's",
)


@dataclass(frozen=True)
class Grid:
    """The patches of a log-mel; patch (row, column) is token `row * columns + column`, after CLS and DIST."""

    rows: int  # of bands
    columns: int  # of frames

    @classmethod
    def over(cls, mels: int, frames: int, stride: tuple[int, int], patch: int) -> "Grid":
        """The patches that fit whole into a log-mel; `stride` in bands and in frames."""
        return cls((mels - patch) // stride[0] + 1, (frames - patch) // stride[1] + 1)


@dataclass(frozen=True)
class Checkpoint:
    """Tensors by their names on the hub, float32, checked; the position table is still on the checkpoint's grid."""

    tensors: dict[str, torch.Tensor]
    frames: int  # that the checkpoint heard
    stride: tuple[int, int]  # of its patches, in bands and in frames


def hub_name(name: str) -> str:
    """The name of a tensor on the hub, from its name in any version of transformers, adapted or not."""
    name = name.replace(WRAPPED, "")
    for pattern, replacement in HUB_NAMES:
        name = re.sub(pattern, replacement, name)
    return name


def find_checkpoint(name: str) -> Path:
    """The folder that holds the checkpoint `name`: a folder, a Kaggle mount, or a hub id, from its cache or the net."""
    path = find_weights(name, _is_checkpoint)
    if path is None:
        return from_hub(name, [CONFIG, TENSORS], [EXTRACTOR])
    if path.is_file():
        raise UserError(f"the weights {path} are a file: name the folder that holds {CONFIG} and {TENSORS}")
    if (path / CONFIG).exists() or (path / TENSORS).exists():
        return path
    found = [folder for folder in folders_below(path, ATTACHED_DEPTH) if _is_checkpoint(folder)]
    if len(found) > 1:
        raise UserError(f"{len(found)} AST checkpoints below {path} ({', '.join(map(str, found))}): name one of them")
    return found[0] if found else path


def checkpoint_digest(folder: Path) -> str:
    """SHA-256 of the tensors of the checkpoint in `folder`."""
    path = folder / TENSORS
    if not path.is_file():
        raise UserError(_why_missing(path))
    return file_digest(path).hex()


def read_config(folder: Path) -> dict[str, Any]:
    """The fields of the config.json in `folder`; UserError where it is missing, or of another kind of model."""
    path = folder / CONFIG
    if not path.is_file():
        raise UserError(f"{path} is missing: an AST checkpoint is a folder with {CONFIG} and {TENSORS}")
    fields = _read_json(path)
    if fields.get("model_type") != MODEL_TYPE:
        raise UserError(f"{path} is of a {fields.get('model_type')!r}, not of an {MODEL_TYPE!r}: name other weights")
    missing = [field for field in NETWORK_FIELDS if field not in fields]
    missing += [field for field in GRID_FIELDS if not isinstance(fields.get(field), int) or fields[field] < 1]
    if missing:
        raise UserError(f"{path} lacks {listed(missing)}: get the checkpoint again")
    return fields


def read_checkpoint(
    folder: Path, network: Mapping[str, Any], shapes: Mapping[str, torch.Size], extractor: Extractor = AST_EXTRACTOR
) -> Checkpoint:
    """The checkpoint in `folder` for a network with these fields of config.json and tensors of these shapes.

    The head is among the tensors if it has the network's number of classes. Whatever else does not fit is a UserError.
    """
    fields = read_config(folder)
    _check_network(folder / CONFIG, fields, network)
    _check_extractor(folder / EXTRACTOR, extractor)
    path = folder / TENSORS
    tensors = _read_tensors(path)
    frames, *stride = (fields[field] for field in GRID_FIELDS)
    grid = Grid.over(network["num_mel_bins"], frames, tuple(stride), network["patch_size"])
    table = torch.Size((1, 2 + grid.rows * grid.columns, shapes[POSITIONS][-1]))
    tensors = _without_other_head(tensors, shapes)
    _check_tensors(path, tensors, dict(shapes) | {POSITIONS: table})
    return Checkpoint(tensors, frames, tuple(stride))


def _is_checkpoint(folder: Path) -> bool:
    if not (folder / TENSORS).is_file() or not (folder / CONFIG).is_file():
        return False
    try:
        return _read_json(folder / CONFIG).get("model_type") == MODEL_TYPE
    except UserError:
        return False


def _check_network(path: Path, fields: Mapping[str, Any], network: Mapping[str, Any]) -> None:
    if different := _differences(fields, {field: network[field] for field in NETWORK_FIELDS}):
        raise UserError(
            f"{path} is of another network than the recipe's: {different}; set the recipe's backbone (width, layers, "
            "heads) to the checkpoint's, or name other weights"
        )


def _check_extractor(path: Path, extractor: Extractor) -> None:
    if path.is_file() and (different := _differences(_read_json(path), extractor.fields)):
        raise UserError(f"{path}: this checkpoint hears another log-mel: {different}; {extractor.remedy}")


def _read_json(path: Path) -> dict[str, Any]:
    return read_object(path, "get the checkpoint again", finite=False)


def _differences(fields: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    different = [name for name, value in wanted.items() if not _equal(fields.get(name), value)]
    return ", ".join(f"{name} is {fields.get(name)!r} and not {wanted[name]!r}" for name in different)


def _equal(one: Any, other: Any) -> bool:
    both_float = isinstance(one, float) and isinstance(other, float)
    return math.isclose(one, other, rel_tol=1e-6) if both_float else one == other


def _read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """The tensors by their names on the hub; those of a bare ASTModel, which have no prefix, get it."""
    if not path.is_file():
        raise UserError(_why_missing(path))
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {hub_name(name): file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path} is damaged or half a file ({error}): get the checkpoint again") from error
    if any(name.startswith((ENCODER, HEAD)) for name in tensors):
        return tensors
    return {ENCODER + name: tensor for name, tensor in tensors.items()}


def _why_missing(path: Path) -> str:
    pickled = path.with_name("pytorch_model.bin")
    if not pickled.exists():
        return f"{path} is missing: an AST checkpoint is a folder with {CONFIG} and {TENSORS}"
    return (
        f"{path} is missing, and {pickled} is not read, for unpickling runs whatever code a file holds. Where you "
        "trust it, convert it: `ASTForAudioClassification.from_pretrained(folder).save_pretrained(new_folder)`"
    )


def _without_other_head(tensors: dict[str, torch.Tensor], shapes: Mapping[str, torch.Size]) -> dict[str, torch.Tensor]:
    """Leave out a head that is whole but of another number of classes, or of another kind than the network's."""
    head = {name for name in tensors if name.startswith(HEAD)}
    own = {name for name in shapes if name.startswith(HEAD)}
    same = head == own and tensors[HEAD + "dense.bias"].shape == shapes[HEAD + "dense.bias"]
    if head != PLAIN_HEAD or same:
        return tensors
    return {name: tensor for name, tensor in tensors.items() if name not in head}


def _check_tensors(path: Path, tensors: Mapping[str, torch.Tensor], shapes: Mapping[str, torch.Size]) -> None:
    has_head = any(name.startswith(HEAD) for name in tensors)
    wanted = [name for name in shapes if has_head or not name.startswith(HEAD)]
    faults = {
        "lacks": [name for name in wanted if name not in tensors],
        "has, and the network has not,": [name for name in tensors if name not in shapes],
        "has in other shapes": [
            f"{name} {tuple(tensors[name].shape)} for {tuple(shapes[name])}"
            for name in wanted
            if name in tensors and tensors[name].shape != shapes[name]
        ],
    }
    if any(faults.values()):
        found = "; ".join(f"{fault} {listed(names)}" for fault, names in faults.items() if names)
        raise UserError(f"{path} is not the checkpoint that its {CONFIG} describes: it {found}. Get it again")
