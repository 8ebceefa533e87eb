"""Vocals by Demucs (Rouard, Massa and Défossez 2023), where its package is installed, with weights from a file.

`pip install demucs` brings it. The file is what the package's own 4.1 export writes, a .safetensors whose metadata
name the network and its settings, or one of the authors' .th. That is a pickle: torch reads it with `weights_only`, so
that it can name the networks below and run nothing else. Nothing is downloaded.
"""

import multiprocessing
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from pickle import UnpicklingError
from types import ModuleType
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open

from messy_mashup.errors import UserError
from messy_mashup.own_files import parse_json, shortened

NETWORKS = {"HTDemucs": "demucs.htdemucs", "HDemucs": "demucs.hdemucs", "Demucs": "demucs.demucs"}
VOCALS = "vocals"
SAMPLE_RATE_HZ = 44_100


def demucs_vocals(wave: np.ndarray, weights: Path) -> np.ndarray:
    """The vocals of a mono mix at 44.1 kHz, both float32 (samples,); the same ones every time on one machine.

    The network hears stereo, here of two channels that are alike. As the package does, the mix is normalised by its
    mean and deviation, and long ones are separated in overlapping pieces.
    """
    from demucs.apply import apply_model

    network = loaded(weights)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    mean, deviation = float(wave.mean()), float(wave.std())
    if deviation == 0:
        return np.zeros_like(wave)
    mix = (torch.from_numpy(wave) - mean).div(deviation).expand(1, network.audio_channels, -1).contiguous()
    sources = apply_model(network, mix, shifts=0, split=True, device=device)[0]
    return (sources[network.sources.index(VOCALS)].mean(0) * deviation).cpu().numpy()


@lru_cache(maxsize=1)
def loaded(weights: Path) -> torch.nn.Module:
    """The network of a file, ready to separate; UserError where it is none, or the package is not installed."""
    if multiprocessing.parent_process() is not None:
        torch.set_num_threads(1)  # a worker has a core of its own
    package = _pickled(weights) if weights.suffix in (".th", ".pt", ".pth") else _tensors(weights)
    try:
        network = package["klass"](*package["args"], **package["kwargs"])
        network.load_state_dict(package["state"])
    except (KeyError, TypeError, RuntimeError, ValueError) as error:
        raise UserError(f"{weights} does not hold a Demucs of the package that is installed: {error}") from error
    if VOCALS not in network.sources or network.samplerate != SAMPLE_RATE_HZ:
        raise UserError(f"{weights} separates {', '.join(network.sources)} at {network.samplerate} Hz: take htdemucs")
    return network.eval()


def _network(name: str, weights: Path) -> type[torch.nn.Module]:
    """A class of the package by its full name; any other name, which could be anything, is refused."""
    known = {f"{module}.{cls}": (module, cls) for cls, module in NETWORKS.items()}
    if name not in known:
        raise UserError(f"{weights} is for {name}, which is none of {', '.join(known)}: take weights of htdemucs")
    module, cls = known[name]
    return getattr(_imported(module), cls)


def _imported(module: str) -> ModuleType:
    from importlib import import_module

    try:
        return import_module(module)
    except ImportError as error:
        raise UserError(
            f"Demucs is not installed ({error}): `pip install demucs`, or separate by --separated hpss"
        ) from error


def _tensors(weights: Path) -> dict[str, Any]:
    """Of the package's own export: tensors, and in the metadata the class and what it is made with, as JSON."""
    try:
        with safe_open(weights, framework="pt") as file:
            card = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in sorted(file.keys())}
    except (SafetensorError, OSError) as error:
        raise UserError(f"{weights} is no whole safetensors file ({error}): get it again") from error
    if "klass" not in card or "structure" in card:
        raise UserError(
            f"{weights} does not tell its network (klass, args, kwargs in the metadata), or is quantised: take "
            "htdemucs as the package demucs 4.1 exports it, or the authors' .th"
        )
    try:
        args, kwargs = (_decoded(parse_json(card.get(key, empty))) for key, empty in (("args", "[]"), ("kwargs", "{}")))
    except (ValueError, KeyError, TypeError, ZeroDivisionError) as error:
        raise UserError(f"{weights} does not tell its network ({shortened(str(error))}): take htdemucs") from error
    return {"klass": _network(card["klass"], weights), "args": args, "kwargs": kwargs, "state": state}


def _pickled(weights: Path) -> dict[str, Any]:
    networks = [getattr(_imported(module), cls) for cls, module in NETWORKS.items()]
    try:
        with torch.serialization.safe_globals([*networks, Fraction]):
            package = torch.load(weights, map_location="cpu", weights_only=True)
    except (UnpicklingError, OSError, RuntimeError, EOFError) as error:
        raise UserError(
            f"{weights} is no .th of Demucs, or would run code to be read ({type(error).__name__}), and that is not "
            "done here: take the .safetensors that the package demucs 4.1 exports"
        ) from error
    if not isinstance(package, dict) or package.get("klass") not in networks:
        raise UserError(f"{weights} does not name one of Demucs' networks: take weights of htdemucs")
    return package


def _decoded(value: Any) -> Any:
    """JSON's numbers and lists, and fractions as the package writes them."""
    if isinstance(value, dict):
        if value.get("_type") == "fraction":
            return Fraction(value["numerator"], value["denominator"])
        return {key: _decoded(item) for key, item in value.items()}
    return [_decoded(item) for item in value] if isinstance(value, list) else value
