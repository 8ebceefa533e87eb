"""Embeddings of clips by a layer of a frozen MAEST, kept in a folder by what the clips are: nothing is heard twice.

A folder is of one network, layer, way to lay windows and precision. Its shards are written whole, and what an
interrupted command has embedded is there when it is run again.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from tqdm import tqdm

from messy_mashup import models
from messy_mashup.errors import Stopped, UserError
from messy_mashup.features.frame_spec import FrameSpec
from messy_mashup.files import write_whole
from messy_mashup.models.maest import MAEST, PARTS, embedder
from messy_mashup.own_files import read_arrays
from messy_mashup.recipe import MAESTRecipe, ScoringRecipe
from messy_mashup.scoring.pooling import mean_logits
from messy_mashup.scoring.predict import windows_of
from messy_mashup.training.stop import Stop

FOLDER = "embeddings"  # below the runs
ABOUT = "about.json"
KINDS = {"key": "U", "count": "i", "windows": "f", "chunk": "i"}  # of a shard
WINDOWS_AT_ONCE = 16  # of 30 s: each has 1,685 tokens
SHARD_CLIPS, SHARD_S = 512, 60.0  # a shard is written after so many clips, or seconds: what a kill may lose
HEARD_BY = ("windows", "overlap", "chunks", "chunk_s", "seed")  # fields of a scoring that lay the windows


class Clip(NamedTuple):
    """Something to be embedded: what it is, and how it is heard."""

    key: str  # a digest of its content
    log_mel: Callable[[], torch.Tensor]  # (frames, mels)


class Embedded(NamedTuple):
    """A clip's windows."""

    windows: np.ndarray  # (windows, width) float32
    chunk: np.ndarray  # (windows,) the number of the chunk that each belongs to

    @property
    def mean(self) -> np.ndarray:
        """The clip's embedding (width,): the mean over its chunks, each the mean over its windows."""
        return mean_logits(np.stack(self.by_chunk(self.windows))).astype(np.float32)

    def by_chunk(self, values: np.ndarray) -> list[np.ndarray]:
        """The mean over each chunk's windows of `values` (windows, ...), as scoring takes it."""
        first = np.flatnonzero(np.r_[True, np.diff(self.chunk) != 0])
        pieces = np.split(values, first[1:])
        return [mean_logits(piece) if len(piece) > 1 else piece[0] for piece in pieces]


@dataclass
class Embeddings:
    """What there is of a recipe's embeddings in a folder below `root`, and the network that makes the others."""

    recipe: MAESTRecipe
    scoring: ScoringRecipe
    root: Path
    device: torch.device
    dtype: torch.dtype = torch.float32

    def __post_init__(self) -> None:
        if not self.recipe.layer or not self.recipe.frozen or self.recipe.dora.rank:
            raise UserError(
                "embeddings are of a layer of a frozen network without adapters: set backbone.layer from 1 to "
                f"{self.recipe.layers}, backbone.frozen=True and backbone.dora.rank=0"
            )
        self.about = {
            "weights": models.base_digest(self.recipe),
            "network": {name: getattr(self.recipe, name) for name in ("layer", "heard_s", "stride", "width")},
            "windows": {name: getattr(self.scoring, name) for name in HEARD_BY},
            "precision": str(self.dtype),
            # Fields at their defaults say nothing, so that one more in a later version leaves what is kept as it is
            "front_end": {
                field.name: value
                for field in fields(self.spec)
                if (value := getattr(self.spec, field.name)) != field.default
            },
        }
        told = json.dumps(self.about, indent=1, sort_keys=True)
        self.folder = self.root / hashlib.sha256(told.encode()).hexdigest()[:16]
        if not (self.folder / ABOUT).exists():
            with write_whole(self.folder / ABOUT) as temporary:
                temporary.write_text(told + "\n")
        self.known: dict[str, Embedded] = {}
        for path in sorted(self.folder.glob("*.npz")):
            self.known |= _read(path, self.width)

    @property
    def spec(self) -> FrameSpec:
        """What the network hears through."""
        return models.frame_spec(self.recipe)

    @property
    def width(self) -> int:
        """Numbers of an embedding."""
        return PARTS * self.recipe.width

    @cached_property
    def network(self) -> MAEST:
        """Loaded when the first clip is to be heard."""
        return embedder(self.recipe).to(self.device)

    def of(self, clips: Sequence[Clip], title: str, stop: Stop | None = None) -> list[Embedded]:
        """The clips' embeddings, in order; those that are not known are made and kept, whatever comes between.

        Raises Stopped when `stop` has a reason.
        """
        missing = list({clip.key: clip for clip in clips if clip.key not in self.known}.values())
        fresh: dict[str, Embedded] = {}
        written_s = time.monotonic()
        try:
            with tqdm(total=len(missing), desc=f"{title}, embedded", unit=" clips", disable=not missing) as bar:
                for key, embedded in self._embedded(missing, stop or Stop()):
                    fresh[key] = embedded
                    bar.update()
                    if len(fresh) >= SHARD_CLIPS or time.monotonic() - written_s > SHARD_S:
                        self._keep(fresh)
                        fresh, written_s = {}, time.monotonic()
        finally:
            self._keep(fresh)
        return [self.known[clip.key] for clip in clips]

    def _embedded(self, clips: list[Clip], stop: Stop) -> Iterator[tuple[str, Embedded]]:
        frames = self.spec.frames_in(self.recipe.heard_s)
        waiting: list[tuple[str, list[int]]] = []
        windows: list[torch.Tensor] = []
        for number, clip in enumerate(clips):
            if reason := stop.reason():
                raise Stopped(f"{reason}; {number} of {len(clips)} clips are embedded in {self.folder}")
            unheard = self.network.unheard_frames(frames)
            heard = windows_of(clip.log_mel(), frames, self.spec, self.scoring, unheard)
            waiting.append((clip.key, [chunk for chunk, _ in heard]))
            windows += [window for _, window in heard]
            if len(windows) >= WINDOWS_AT_ONCE:
                yield from self._forward(waiting, windows)
                waiting, windows = [], []
        if waiting:
            yield from self._forward(waiting, windows)

    @torch.inference_mode()
    def _forward(
        self, waiting: list[tuple[str, list[int]]], windows: list[torch.Tensor]
    ) -> Iterator[tuple[str, Embedded]]:
        rows = []
        for begin in range(0, len(windows), WINDOWS_AT_ONCE):
            batch = torch.stack(windows[begin : begin + WINDOWS_AT_ONCE]).to(self.device)
            with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
                rows.append(self.network.embed(batch).float().cpu().numpy())
        embeddings, begin = np.concatenate(rows), 0
        for key, chunk in waiting:
            found = embeddings[begin : begin + len(chunk)]
            if not np.isfinite(found).all():
                raise UserError(f"{self.recipe.weights} gives no finite embeddings: get these weights again")
            yield key, Embedded(found, np.array(chunk))
            begin += len(chunk)

    def _keep(self, fresh: dict[str, Embedded]) -> None:
        if not fresh:
            return
        name = hashlib.sha256("".join(fresh).encode()).hexdigest()[:16]  # two commands at once do not meet
        with write_whole(self.folder / f"{name}.npz") as temporary, temporary.open("wb") as file:
            np.savez(
                file,
                key=np.array(list(fresh)),
                count=np.array([len(one.chunk) for one in fresh.values()]),
                windows=np.concatenate([one.windows for one in fresh.values()]),
                chunk=np.concatenate([one.chunk for one in fresh.values()]),
            )
        self.known |= fresh


def _read(path: Path, width: int) -> dict[str, Embedded]:
    """The clips of a shard; nothing is unpickled."""
    remedy = "remove that file, its clips are embedded anew"
    key, count, windows, chunk = read_arrays(path, KINDS, "embeddings", remedy).values()
    whole = key.ndim == count.ndim == chunk.ndim == 1 and windows.shape == (len(chunk), width)
    if not whole or len(key) != len(count) or (count < 1).any() or sum(count.tolist()) != len(chunk):
        raise UserError(f"{path} does not hold embeddings (its windows are of shape {windows.shape}): {remedy}")
    if not np.isfinite(windows).all() or len(set(key.tolist())) < len(key):
        raise UserError(f"{path} does not hold embeddings (a number is not finite, or a clip is there twice): {remedy}")
    ends = np.cumsum(count)
    return {
        str(name): Embedded(windows[end - size : end], chunk[end - size : end])
        for name, size, end in zip(key, count, ends, strict=True)
    }
