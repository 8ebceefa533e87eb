"""What a bank will hold and where, from the headers of its source files; nothing is decoded.

Files come first, then synthetic noise, then stretched variants, so that no choice moves the clips before it.
"""

import hashlib
import json
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from messy_mashup.data.audio import read_header, resampled_length
from messy_mashup.data.bank import FORMAT, GUARD, SAMPLE_RATE_HZ, SEPARATED
from messy_mashup.data.bank_source import stretched_clips, synthetic_clips
from messy_mashup.data.corpora import Broken, Corpus
from messy_mashup.data.separation import identity
from messy_mashup.errors import UserError

# Stems of one song are cut to one length; what differs by more than this is not of one song, or cut short.
STEM_LENGTHS_DIFFER_S = 0.05
# Headers are waited for, not worked on: a data set on a network disk is read in this many places at once.
HEADER_THREADS = 16


@dataclass(frozen=True)
class Plan:
    """Every whole clip with its slot, what is broken so far, and a digest that changes with any source."""

    corpus: Corpus
    clips: pd.DataFrame
    broken: tuple[Broken, ...]
    separated: str = ""  # by what vocals are taken out of the files, as separation.py names it

    @property
    def samples(self) -> int:
        """Samples of the whole array, guards included."""
        return GUARD + int((self.clips["length"] + GUARD).sum())

    @property
    def digest(self) -> str:
        """Of the listing: names, sizes, dates, lengths, labels, rates, place of the data, and what is broken."""
        listed = [FORMAT, self.corpus.name, str(self.corpus.root), self.corpus.classes, SAMPLE_RATE_HZ, GUARD]
        broken = [item.path for item in self.broken]
        rows = self.clips.astype(object).values.tolist()
        return hashlib.sha256(json.dumps([*listed, broken, rows]).encode()).hexdigest()


def make_plan(corpus: Corpus, rates: Sequence[float] = (), separated: str = "") -> Plan:
    """Read all headers, set broken files aside with the songs they belong to, and give every other clip its slot.

    rates: those at which every stem is to be there stretched, too. separated: by what vocals are taken out of songs.
    """
    with ThreadPoolExecutor(HEADER_THREADS) as pool:
        looked = list(pool.map(lambda path: _look(corpus.root, path), corpus.clips["path"]))
    unreadable = [item for item in looked if isinstance(item, Broken)]
    found = pd.DataFrame(
        [item for item in looked if not isinstance(item, Broken)],
        columns=["path", "length", "source_hz", "size", "mtime_ns"],
    ).astype(dict.fromkeys(["length", "source_hz", "size", "mtime_ns"], "int64"))
    clips = corpus.clips.merge(found, on="path", how="inner")
    uneven = _uneven_songs(clips, corpus.root)
    whole = whole_clips(corpus.clips, {item.path for item in [*unreadable, *uneven]})
    clips = clips[clips["path"].isin(whole["path"])].assign(rate=1.0)
    if separated:
        clips = _with_separation(clips, corpus, separated)
    clips = pd.concat([clips, synthetic_clips(), *stretched_clips(clips, rates)], ignore_index=True)
    clips = clips.fillna({"artist": "", "split": "", SEPARATED: ""})  # synthetic noise has none of them
    clips["offset"] = GUARD + (clips["length"] + GUARD).cumsum() - (clips["length"] + GUARD)
    return Plan(corpus, clips, (*corpus.broken, *unreadable, *uneven), separated)


def whole_clips(clips: pd.DataFrame, broken: Collection[str]) -> pd.DataFrame:
    """The clips that stay when those at the paths `broken` go; a song goes with any of its stems, variants and all."""
    gone = clips["path"].isin(broken)
    music = clips["kind"].isin(["stem", "stretched"])
    songs = clips.loc[gone & music, "group"]
    return clips[~(gone | (music & clips["group"].isin(songs)))].reset_index(drop=True)


def _with_separation(clips: pd.DataFrame, corpus: Corpus, separated: str) -> pd.DataFrame:
    """The clips with what vocals are taken out of the music by; noise stays as it is."""
    music = clips["kind"] == "stem"
    if (clips.loc[music, "part"] != "mix").any():
        raise UserError(f"{corpus.root}: the songs of {corpus.name} are taken apart already: leave out --separated")
    return clips.assign(**{SEPARATED: music.map({True: identity(separated), False: ""})})


def _look(root: Path, path: str) -> tuple[str, int, int, int, int] | Broken:
    try:
        header = read_header(root / path)
        length = resampled_length(header, SAMPLE_RATE_HZ)
        if length == 0:
            raise UserError(f"{root / path}: holds no samples at {SAMPLE_RATE_HZ} Hz")
        status = (root / path).stat()
    except (UserError, OSError) as error:
        return Broken(path, str(error))
    return path, length, header.sample_rate_hz, status.st_size, status.st_mtime_ns


def _uneven_songs(clips: pd.DataFrame, root: Path) -> list[Broken]:
    """One entry for each song whose stems differ in length, at the path of one of them."""
    uneven = []
    for _, stems in clips[clips["kind"] == "stem"].groupby("group"):
        lengths_s = stems["length"] / SAMPLE_RATE_HZ
        if lengths_s.max() - lengths_s.min() > STEM_LENGTHS_DIFFER_S:
            told = ", ".join(f"{part} {length:.2f} s" for part, length in zip(stems["part"], lengths_s, strict=True))
            path = stems["path"].iat[0]
            uneven.append(Broken(path, f"{(root / path).parent}: its stems differ in length: {told}"))
    return uneven
