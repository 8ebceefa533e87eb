"""The log-mels of a bank's music as .npz files, for whoever wants to train on those elsewhere.

Training here needs none: log-mels are played from the bank. Files are written one after the other, each whole, so
memory is that of one; what an earlier call left is kept where it is of the same bank and front-end.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from messy_mashup.data.bank import Bank
from messy_mashup.data.separation import refuse_other
from messy_mashup.errors import UserError
from messy_mashup.features.frame_spec import FrameSpec, speech_log_mel
from messy_mashup.features.logmel import padding_value, wave_log_mel
from messy_mashup.files import write_whole
from messy_mashup.own_files import read_arrays

CLIPS_EACH = 1024  # 49 MB of 299 frames
NAME = "features-{:05d}.npz"


def write_features(bank: Bank, folder: Path, spec: FrameSpec | None = None, seconds: float = 3.0) -> list[Path]:
    """The log-mels of all songs, as `spec` (default: that of speech) gives them of a clip at peak 1, and their files.

    A file holds id (clips,), label, split and song (empty where the data set tells none), features (clips, frames,
    mels) float32 of the first `seconds`, filled with the padding value where a clip is shorter, and origin, a digest of
    bank and front-end.
    """
    spec = spec or speech_log_mel()
    if spec.separated:
        refuse_other(bank.separated, spec.separated, bank.root)
    origin = hashlib.sha256(f"{bank.digest} {spec} {seconds}".encode()).hexdigest()
    songs = bank.select("stem")
    shards = [songs[start : start + CLIPS_EACH] for start in range(0, len(songs), CLIPS_EACH)]
    paths = [folder / NAME.format(number) for number in range(len(shards))]
    _refuse_others(folder, paths)
    for path, shard in tqdm(list(zip(paths, shards, strict=True)), desc="features", unit=" files"):
        if _origin(path) != origin:
            _write(path, bank, shard, spec, spec.frames_in(seconds), origin)
    return paths


def _write(path: Path, bank: Bank, shard: np.ndarray, spec: FrameSpec, frames: int, origin: str) -> None:
    rows = bank.index.iloc[shard]
    columns = {"id": "clip", "label": "label", "split": "split", "song": "artist"}
    content = {name: rows[column].to_numpy(str) for name, column in columns.items()}
    features = np.stack(list(_features(bank, shard, spec, frames)))
    with write_whole(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **content, features=features, origin=np.array(origin))


def _features(bank: Bank, shard: np.ndarray, spec: FrameSpec, frames: int) -> Iterator[np.ndarray]:
    for number in shard:
        wave = bank.wave(int(number))
        if not (peak := np.abs(wave).max()):
            raise UserError(f"{bank.index['path'].iat[number]} is digital silence: remove it and run build.py again")
        log_mel = wave_log_mel(torch.from_numpy(wave / peak), spec)[:frames]
        missing = frames - len(log_mel)
        yield torch.nn.functional.pad(log_mel, (0, 0, 0, missing), value=padding_value(spec)).numpy()


def _origin(path: Path) -> str:
    """Of what a file is; empty where there is none, or no whole one."""
    try:
        return str(read_arrays(path, {"origin": "U"}, "features", "it is written again", others=True)["origin"])
    except UserError:
        return ""


def _refuse_others(folder: Path, paths: list[Path]) -> None:
    """Files of a larger bank would be taken for this one's."""
    others = sorted(set(folder.glob(NAME.replace("{:05d}", "*"))) - set(paths))
    if others:
        raise UserError(f"{folder} holds {len(others)} files of another bank, first {others[0].name}: remove them")
