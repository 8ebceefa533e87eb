"""What a member's training leaves in its folder, written so that it may be killed at any time.

The state is one file (tensors, and in its header the card and the rows of metrics), because two files cannot be
replaced in one step. It is written last: whatever else an epoch writes is made again, to the same bits,
when the epoch is done again. Nothing here is ever unpickled. A header holds a digest of the card and of every tensor's
bytes, because safetensors itself would not notice a byte that has changed since.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from messy_mashup.data.folds import ALL
from messy_mashup.errors import UserError
from messy_mashup.files import file_digest, write_whole
from messy_mashup.own_files import parse_json, shortened, shown
from messy_mashup.text_table import read_numbers

RECIPE, STATE, WEIGHTS = "recipe.json", "state.safetensors", "weights.safetensors"
METRICS, CURVES, OOF, TEST = "metrics.csv", "learning_curves.png", "oof.npz", "test.npz"
TESTED = "tested.npz"  # predictions of a split's test part, whose labels are known
TENSORBOARD = "tensorboard"  # a folder of event files
CARD = "card"  # and its digest: the only key of a file's metadata: with several, their order in the file would vary

LEFTOVER = re.compile(r".*\.partial|\.tmp\w{6}")  # of write_whole; of safetensors, which writes beside that again

Tensors = dict[str, torch.Tensor]
ROOMS = ("model", "moments", "averaged")  # of a state's tensors; their names begin so in the file
HEADER = ("card", "rows", "scaler", "progress")  # of a state
REMEDY = "put a whole copy in its place, or remove it and train that member again"
# What fields of a card or header hold, where they are there
TYPES = {"recipe": dict, "train": dict, "folds": dict, "card": dict, "scaler": dict, "progress": dict, "epochs": int}
TYPES |= {"fold": int, "plan": str, "bank": str, "classes": list, "rows": list}


@dataclass(frozen=True)
class State:
    """A member after an epoch, or between two steps of one."""

    card: dict[str, Any]  # what it is made of; a resume compares it
    rows: list[dict[str, float | None]]  # of metrics.csv, one an epoch
    model: Tensors
    moments: Tensors = field(default_factory=dict)  # of the optimizer, by "name of the weight.moment"
    averaged: Tensors = field(default_factory=dict)  # the weights' moving average, where it is kept
    scaler: dict[str, float] = field(default_factory=dict)  # of the loss in float16
    progress: dict[str, float] = field(default_factory=dict)  # within the epoch that was broken off


def fold_name(fold: int) -> str:
    """The folder of a fold's member within its run."""
    return "all" if fold == ALL else f"fold{fold}"


def fold_numbers(text: str | None, count: int) -> list[int]:
    """The folds that the words of --folds mean, of `count`: numbers and all, with commas; all numbers without any."""
    if text is None:
        return list(range(count))
    words = text.split(",")
    if len(set(words)) < len(words):
        raise UserError(f"--folds {text}: a fold is named twice")
    unknown = [word for word in words if word != "all" and not (word.isdecimal() and int(word) < count)]
    if unknown:
        raise UserError(f"--folds {text}: {unknown[0]!r} is none of the recipe's folds 0 to {count - 1}, nor all")
    return [ALL if word == "all" else int(word) for word in words]


def save_weights(path: Path, tensors: Tensors, card: dict[str, Any]) -> None:
    """Write tensors as safetensors with the card in the header; the file alone is enough to predict."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with write_whole(path) as temporary:
        save_file(plain, temporary, metadata={CARD: json.dumps([card, _digest(plain, card)])})


def load_weights(path: Path) -> tuple[Tensors, dict[str, Any]]:
    """The tensors and the card of a file of `save_weights`; UserError where they are not what was written."""
    with _opened(path) as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        card, digest = _card_and_digest(file)
        if digest not in (None, _digest(tensors, card)):
            raise ValueError("its bytes are not those that were written")
    return tensors, _Card.of(path, card)


def read_card(path: Path) -> dict[str, Any]:
    """The card alone: what a member's weights say it was made of."""
    with _opened(path) as file:
        return _Card.of(path, _card_and_digest(file)[0])


def weights_digest(folder: Path) -> str:
    """SHA-256 of a member's weights; UserError where they are not what was written."""
    path = folder / WEIGHTS
    if not path.exists():
        raise UserError(f"{path} is missing: train that member first, or blend without it")
    load_weights(path)
    return file_digest(path).hex()


def _card_and_digest(file: safe_open) -> tuple[dict[str, Any], str | None]:
    """From a file's header; files that were written before there was a digest hold the card alone."""
    there = parse_json(file.metadata()[CARD], finite=False)
    card, digest = there if isinstance(there, list) else (there, None)
    if not isinstance(card, dict):
        raise ValueError("its card is none")
    _check_fields(card)
    return card, digest


def _check_fields(card: dict[str, Any]) -> None:
    for name, kind in TYPES.items():
        if name in card and (not isinstance(card[name], kind) or isinstance(card[name], bool)):
            raise ValueError(f"{name} in its card is no {kind.__name__}")
    if not all(isinstance(one, str) for one in card.get("classes", [])):
        raise ValueError("a class in its card is no text")
    if not all(isinstance(row, dict) for row in card.get("rows", [])):
        raise ValueError("a row in its card is none")
    for inner in ("card", "recipe", "train", "folds"):
        if inner in card:
            _check_fields(card[inner])


class _Card(dict[str, Any]):
    """What a file's card holds; UserError for a field that it lacks."""

    path = Path()

    def __missing__(self, name: str) -> Any:
        raise UserError(f"{self.path} is damaged or was not written here (its card lacks {name}): {REMEDY}")

    @classmethod
    def of(cls, path: Path, fields: dict[str, Any]) -> "_Card":
        card = cls({name: cls.of(path, value) if isinstance(value, dict) else value for name, value in fields.items()})
        card.path = path
        return card


def _digest(tensors: Tensors, card: dict[str, Any]) -> str:
    """SHA-256 of a card and of tensors with their names, types and shapes."""
    digest = hashlib.sha256(json.dumps(card).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


@contextmanager
def _opened(path: Path) -> Iterator[safe_open]:
    if not path.exists():
        raise UserError(f"{path} is missing: train that member first")
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (SafetensorError, OSError, TypeError, KeyError, ValueError, AttributeError, RuntimeError) as error:
        told = shortened(str(error), 300)
        raise UserError(f"{path} is damaged or was not written here ({told}): {REMEDY}") from error


def save_state(folder: Path, state: State) -> None:
    """Write the metrics of the epochs, then the state that makes them count."""
    if state.rows:
        with write_whole(folder / METRICS) as temporary:
            pd.DataFrame(state.rows).to_csv(temporary, index=False, lineterminator="\n")
    tensors = {f"{room}.{name}": value for room in ROOMS for name, value in getattr(state, room).items()}
    header = {name: getattr(state, name) for name in HEADER}
    save_weights(folder / STATE, tensors, header)


def clear_leftovers(folder: Path) -> None:
    """Remove the half-written files of a run that was killed, where there is one."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if is_leftover(path):
            path.unlink()


def is_leftover(path: Path) -> bool:
    """Whether a file is one that a kill left half written."""
    return LEFTOVER.fullmatch(path.name) is not None


def load_state(folder: Path, card: dict[str, Any]) -> State | None:
    """The state to go on from, or None; a run of another recipe or corpus in this folder is an error."""
    if not (folder / STATE).exists():
        return _shipped(folder, card)
    tensors, header = load_weights(folder / STATE)
    refuse_another(folder, header["card"], card)
    rooms: dict[str, Tensors] = {room: {} for room in ROOMS}
    for name, tensor in tensors.items():
        room, _, rest = name.partition(".")
        if room not in rooms:
            raise UserError(f"{folder / STATE} is damaged or was not written here (it holds {shown(name)}): {REMEDY}")
        rooms[room][rest] = tensor
    return State(**{name: header[name] for name in HEADER}, **rooms)


def recipe_trained(folder: Path) -> dict[str, Any] | None:
    """The recipe of what was trained in `folder` so far, as in a card."""
    if (folder / STATE).exists():
        return read_card(folder / STATE)["card"]["recipe"]
    return read_card(folder / WEIGHTS)["recipe"] if (folder / WEIGHTS).exists() else None


def refuse_another(folder: Path, there: dict[str, Any], card: dict[str, Any]) -> None:
    """UserError where the fields of `card` are others in the card of what was trained in `folder`."""
    different = [key for key in card if there.get(key) != card[key]]
    if different:
        raise UserError(
            f"{folder} was trained with another {' and another '.join(different)}: "
            "give this run another --name, or remove that folder"
        )


def drop_state(folder: Path) -> None:
    """Remove the state of a member that is finished: it is several times as large as the weights."""
    (folder / STATE).unlink(missing_ok=True)


def _shipped(folder: Path, card: dict[str, Any]) -> State | None:
    """A member that was trained to its end elsewhere: its weights stand for the state, which is not shipped."""
    if not (folder / WEIGHTS).exists():
        return None
    weights, there = load_weights(folder / WEIGHTS)
    refuse_another(folder, there, card)
    # Weights of an earlier epoch are those of a run that was killed before its first state.
    return State(there, _rows(folder), weights) if _is_last_epoch(folder, there) else None


def is_complete(folder: Path) -> bool:
    """Whether a member's last epoch is done and its held-out fold predicted; its state need not be there."""
    card = read_card(folder / WEIGHTS)
    return _is_last_epoch(folder, card) and (card["fold"] == ALL or (folder / OOF).exists())


def _is_last_epoch(folder: Path, card: dict[str, Any]) -> bool:
    return len(_rows(folder)) == card["recipe"]["train"]["epochs"]


def read_metrics(folder: Path) -> pd.DataFrame:
    """A member's metrics.csv: a row an epoch, every column numbers, those of what is not held out NaN."""
    table = read_numbers(folder / METRICS, {"epoch": float}, "remove that folder and train that member again")
    if not all(map(pd.api.types.is_numeric_dtype, table.dtypes)):
        raise UserError(f"{folder / METRICS} is damaged (a cell is no number): {REMEDY}")
    return table


def _rows(folder: Path) -> list[dict[str, float]]:
    return read_metrics(folder).to_dict("records") if (folder / METRICS).exists() else []
