"""The bank: every clip of a corpus, decoded once, in one memory-mapped int16 array with an index.

A bank is a folder: samples.int16 (raw, little-endian), index.csv (one row a clip) and bank.json, which is written last
and without which nothing is a bank. Beside the clips of files it holds synthetic noise, and it may hold stems
stretched by a vocoder. In the array, GUARD zeros lie before the first clip and after each, so a window of
at most GUARD samples that starts between offset - GUARD and offset + length reads zeros outside the clip, never its
neighbour. It is built by bank_build.py.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from messy_mashup.data import corpora
from messy_mashup.errors import UserError
from messy_mashup.files import LEADS_OUT
from messy_mashup.own_files import LARGE_BYTES, first_twin, read_object, shortened, shown
from messy_mashup.paths import BANK_CARD
from messy_mashup.text_table import parse_text_table

FORMAT = 3
SAMPLE_RATE_HZ = 16_000
GUARD = 4096
SAMPLES = "samples.int16"
INDEX = "index.csv"
CARD = BANK_CARD
REMEDY = "run build.py again"
TEMPO_COLUMNS = ("tempo_bpm", "beat_s", "bar_s", "tempo_confidence", "bar_confidence")
INDEX_TYPES = {
    **dict.fromkeys(corpora.COLUMNS, str),
    **dict.fromkeys(("length", "offset", "source_hz", "size", "mtime_ns"), np.int64),
    **dict.fromkeys(("scale", "peak", "rms", "active"), np.float64),
    "sha256": str,
    **dict.fromkeys(("rate", *TEMPO_COLUMNS), np.float64),
}
CONTENT = ["clip", "kind", "group", "label", "part", "length", "scale", "sha256", "rate", *TEMPO_COLUMNS]
SEPARATED = "separated"  # a column where vocals were taken out of the files: by what, see separation.py
# Content where any clip has them, so that banks without them keep their digests
SOMETIMES = ["artist", "split", SEPARATED]


@dataclass(frozen=True)
class Bank:
    """An open bank.

    index: one row a clip, numbered from 0, with the columns of INDEX_TYPES: length and offset in samples, scale such
    that wave = int16 * scale, active the share of 50 ms blocks above -60 dB, sha256 that of the clip's int16 bytes.
    kind is "stem", "noise", "synthetic" (made by synthetic_noise.py: no path) or "stretched" (a stem played `rate`
    times as fast by a vocoder; rate is 1 elsewhere). tempo_bpm, beat_s and bar_s (when the first beat and the first
    bar begin) are those of the clip as it plays, the same for all stems of a song; 0 where not known or no music.
    digest: of the contents alone, the same whatever machine built them, when, and from what folder.
    skipped: path and sentence of what was broken; left_out: paths of the clips that fell with it.
    separated: where the bank holds the vocals of its files and not those, by what they were taken out.
    """

    root: Path
    sample_rate_hz: int
    index: pd.DataFrame
    samples: np.ndarray
    corpus: str
    source: str
    digest: str
    listing: str
    skipped: tuple[corpora.Broken, ...]
    left_out: frozenset[str]
    separated: str = ""

    @classmethod
    def open(cls, folder: Path) -> "Bank":
        """Open the bank in `folder`; UserError where it is missing, incomplete or damaged."""
        card = _read_card(folder)
        if fault := _card_fault(card):
            raise _damaged(folder, f"{CARD}: {fault}")
        try:
            table = (folder / INDEX).read_bytes()
            samples_bytes = os.path.getsize(folder / SAMPLES)
        except OSError as error:
            raise _damaged(folder, str(error)) from error
        if hashlib.sha256(table).hexdigest() != card["index_sha256"]:
            raise _damaged(folder, f"{INDEX} is not what was written")
        if samples_bytes != 2 * card["samples"]:
            raise _damaged(folder, f"{SAMPLES} has {samples_bytes} bytes and should have {2 * card['samples']}")
        index = read_index(table, folder / INDEX)
        if fault := _index_fault(index, card["samples"]):
            raise _damaged(folder, f"{INDEX}: {fault}")
        return cls(
            root=folder,
            sample_rate_hz=card["sample_rate_hz"],
            index=index,
            samples=np.memmap(folder / SAMPLES, dtype="<i2", mode="r"),
            skipped=tuple(corpora.Broken(**item) for item in card["skipped"]),
            left_out=frozenset(card["left_out"]),
            separated=card.get(SEPARATED, ""),
            **{key: card[key] for key in ("corpus", "source", "digest", "listing")},
        )

    def wave(self, clip_number: int) -> np.ndarray:
        """The clip in that row of the index: float32 (samples,)."""
        offset, length = self.index["offset"].iat[clip_number], self.index["length"].iat[clip_number]
        return self.samples[offset : offset + length] * np.float32(self.index["scale"].iat[clip_number])

    def select(self, kind: str) -> np.ndarray:
        """The numbers of all clips of a kind: "stem", "noise", "synthetic" or "stretched"."""
        return np.flatnonzero(self.index["kind"] == kind)

    def damaged(self) -> list[str]:
        """The clips whose samples are not those that were written; every sample is read."""
        columns = (self.index[name] for name in ("clip", "offset", "length", "sha256"))
        rows = zip(*columns, strict=True)
        return [
            clip
            for clip, offset, length, sha256 in tqdm(rows, "bank verified", len(self.index), unit=" clips")
            if hashlib.sha256(self.samples[offset : offset + length]).hexdigest() != sha256
        ]

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels of the songs, sorted."""
        return tuple(sorted(self.index.loc[self.index["kind"] == "stem", "label"].unique()))

    @property
    def song_s(self) -> float:
        """Seconds of a typical stem, or song that is not taken apart: the median."""
        return float(self.index.loc[self.select("stem"), "length"].median()) / self.sample_rate_hz

    @property
    def minutes(self) -> float:
        """Minutes of audio."""
        return float(self.index["length"].sum()) / self.sample_rate_hz / 60


def write_index(index: pd.DataFrame) -> bytes:
    """The index as the bytes of a CSV; every float comes back as it was."""
    return index.to_csv(index=False, lineterminator="\n").encode()


def read_index(table: bytes, path: Path) -> pd.DataFrame:
    """The index from the bytes of its CSV, which is at `path`; UserError where it is none."""
    # As text first: pandas' own reading of numbers was off by a last digit before version 3.
    index = parse_text_table(table, path)
    try:
        return index.astype(types_of(index))
    except (ValueError, KeyError, OverflowError) as error:
        raise _damaged(path.parent, f"{path.name}: {shortened(str(error))}") from error


def types_of(clips: pd.DataFrame) -> dict[str, Any]:
    """The columns of an index of these clips, with their types."""
    return INDEX_TYPES | ({SEPARATED: str} if SEPARATED in clips else {})


def content_digest(index: pd.DataFrame, sample_rate_hz: int) -> str:
    """What the clips are and how they sound, whatever their order, place, dates and folder."""
    content = index[[*CONTENT, *(name for name in SOMETIMES if name in index and index[name].any())]].astype(object)
    # The last bits of a vocoder's sound are its machine's. Stem and rate tell what a variant is.
    content.loc[index["kind"] == "stretched", ["scale", "sha256"]] = ""
    rows = sorted(content.values.tolist())
    return hashlib.sha256(json.dumps([sample_rate_hz, rows]).encode()).hexdigest()


def source_of(digest: str, banks: Path) -> str:
    """The data set's folder that a bank of these contents below `banks` was built from; empty where there is none."""
    for card in banks.glob(f"*/{CARD}"):
        fields = _card_fields(card.parent)
        if fields.get("digest") == digest:
            return fields["source"]
    return ""


def files_of(clips: pd.DataFrame) -> pd.DataFrame:
    """The rows of clips that stand for the files they were made from: one row a file."""
    return clips[clips["path"] != ""].drop_duplicates("path")


def stale(bank: Bank, root: Path) -> str | None:
    """A sentence where files below `root` were added, removed or have another size than when the bank was built.

    Dates are not looked at: they differ wherever a data set is mounted.
    """
    paths = [path for path in corpora.load(bank.corpus).scan(root).clips["path"] if path not in bank.left_out]
    now = {path: (root / path).stat().st_size for path in paths}
    then = files_of(bank.index)
    changed = changes(dict(zip(then["path"], then["size"], strict=True)), now)
    return changed and f"the bank {bank.root} is out of date ({changed}): run build.py"


def open_of(folder: Path, data: Path) -> Bank:
    """The bank in `folder` of the data set that is at `data` now; UserError where it is of other files."""
    bank = Bank.open(folder)
    if complaint := stale(bank, data):
        raise UserError(complaint)
    return replace(bank, source=str(data))


def changes(then: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """What differs between two listings of files, in words, or None."""
    kinds = {
        "added": sorted(now.keys() - then.keys()),
        "removed": sorted(then.keys() - now.keys()),
        "changed": sorted(path for path in now.keys() & then.keys() if now[path] != then[path]),
    }
    told = [f"{len(paths)} {kind}, first {paths[0]}" for kind, paths in kinds.items() if paths]
    return "; ".join(told) or None


def _read_card(folder: Path) -> dict[str, Any]:
    if not (folder / CARD).is_file():
        raise UserError(f"{folder} holds no finished bank ({CARD} is missing): run build.py")
    card = _card_fields(folder)
    if (card.get("format"), card.get("guard")) != (FORMAT, GUARD):
        raise UserError(
            f"{folder}: the bank is of another version (format {card.get('format')}, not {FORMAT}): run build.py again"
        )
    return card


def _card_fields(folder: Path) -> dict[str, Any]:
    try:
        return read_object(folder / CARD, REMEDY, most_bytes=LARGE_BYTES)
    except UserError as error:
        raise _damaged(folder, str(error).removesuffix(f": {REMEDY}")) from error


def _card_fault(card: Mapping[str, Any]) -> str | None:
    texts = ("corpus", "source", "digest", "listing", "index_sha256")
    if not all(isinstance(card.get(name), str) for name in texts) or not isinstance(card.get(SEPARATED, ""), str):
        return "a text is missing"
    if not all(type(card.get(name)) is int and card[name] > 0 for name in ("samples", "sample_rate_hz")):
        return "samples or sample_rate_hz is no number"
    if not all(isinstance(card.get(name), list) for name in ("skipped", "left_out")):
        return "skipped or left_out is missing"
    told = [text for item in card["skipped"] for text in (item.values() if isinstance(item, dict) else [None])]
    fields = all(isinstance(item, dict) and set(item) == {"path", "sentence"} for item in card["skipped"])
    return None if fields and all(isinstance(text, str) for text in [*told, *card["left_out"]]) else "a path is none"


def _index_fault(index: pd.DataFrame, samples: int) -> str | None:
    """Why clips could not be read at the places that the index tells, or None."""
    if (twin := first_twin(index["clip"])) is not None:
        return f"{shown(twin)} is there twice"
    if outside := [path for path in index["path"] if LEADS_OUT.search(path)]:
        return f"it names {shown(outside[0])}, which leads out of its data set"
    offset, length = index["offset"].to_numpy(), index["length"].to_numpy()
    if ((offset < GUARD) | (length < 0) | (offset > samples) | (length > samples - offset)).any():
        return "a clip lies outside the samples"
    if not np.isfinite(index.select_dtypes("number").to_numpy(float)).all():
        return "a number is not finite"
    return None


def _damaged(folder: Path, reason: str) -> UserError:
    return UserError(f"{folder}: the bank is damaged ({reason}): {REMEDY}")
