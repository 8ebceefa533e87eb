"""The tempo of a bank's songs: measured when all clips are in place, and kept while a song's stems sound the same.

It brings stems of different songs together, so a song that is not taken apart has none.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from messy_mashup.data.bank import SAMPLE_RATE_HZ, SAMPLES, TEMPO_COLUMNS, Bank
from messy_mashup.data.bank_partial import journal_entries, outdated_folder, partial_folder
from messy_mashup.data.bank_slot import SAMPLE_BYTES
from messy_mashup.data.beats import NO_BEATS, Beats, song_beats

TEMPO_JOURNAL = "tempo.jsonl"

SongKey = tuple[tuple[str, str], ...]  # part and sha256 of each stem
KnownTempi = dict[SongKey, Beats]


@dataclass(frozen=True)
class Song:
    """A song's stems in a file of int16 samples; a row a stem: part, offset, length, scale, sha256."""

    samples: Path
    group: str
    stems: tuple[tuple[str, int, int, float, str], ...]

    @property
    def key(self) -> SongKey:
        """What the song's tempo depends on."""
        return tuple((part, sha256) for part, _, _, _, sha256 in self.stems)

    def waves(self) -> dict[str, np.ndarray]:
        """The stems by part: float32 (samples,)."""
        return {
            part: np.fromfile(self.samples, "<i2", length, offset=offset * SAMPLE_BYTES) * np.float32(scale)
            for part, offset, length, scale, _ in self.stems
        }


def songs_of(index: pd.DataFrame, samples: Path) -> list[Song]:
    """The songs of an index with measures that are taken apart, whose samples are in that file."""
    stems = index[(index["kind"] == "stem") & (index["part"] != "mix")].sort_values(["group", "part"])
    columns = stems[["part", "offset", "length", "scale", "sha256"]].astype(object)
    rows = [tuple(row) for row in columns.itertuples(index=False)]
    by_song: dict[str, list] = {}
    for group, row in zip(stems["group"], rows, strict=True):
        by_song.setdefault(group, []).append(row)
    return [Song(samples, group, tuple(stems)) for group, stems in by_song.items()]


def measured_beats(song: Song) -> Beats:
    """A song's tempo and beats, from its stems in the bank."""
    return song_beats(song.waves(), SAMPLE_RATE_HZ)


def tempo_entry(song: Song, beats: Beats) -> list:
    """A journal's line for a song that was measured."""
    return [song.key, asdict(beats)]


def known_tempi(folder: Path, bank: Bank | None) -> KnownTempi:
    """The songs that were measured for a bank to be built in `folder`, or are in the bank that is there."""
    known = _known_in_partial(outdated_folder(folder))
    known |= _known_in_bank(bank) if bank is not None else {}
    return known | _known_in_partial(partial_folder(folder))


def _known_in_partial(partial: Path) -> KnownTempi:
    known = {}
    with suppress(TypeError):  # what is no journal of tempi is found again
        for key, beats in journal_entries(partial, TEMPO_JOURNAL):
            known[tuple(map(tuple, key))] = Beats(**beats)
    return known


def _known_in_bank(bank: Bank) -> KnownTempi:
    stems = bank.index[bank.index["kind"] == "stem"].drop_duplicates("group").set_index("group")
    beats = {group: Beats(*values) for group, *values in stems[list(TEMPO_COLUMNS)].itertuples(name=None)}
    return {song.key: beats[song.group] for song in songs_of(bank.index, bank.root / SAMPLES)}


def with_tempo(index: pd.DataFrame, beats: Mapping[str, Beats]) -> pd.DataFrame:
    """The index with TEMPO_COLUMNS: a song's own in the rows of its stems, as played in those of its variants."""
    rows = [
        _as_played(beats[group], rate) if kind in ("stem", "stretched") and group in beats else NO_BEATS
        for kind, group, rate in zip(index["kind"], index["group"], index["rate"], strict=True)
    ]
    values = pd.DataFrame([tuple(asdict(row).values()) for row in rows], index.index, columns=list(TEMPO_COLUMNS))
    return index.join(values)


def _as_played(beats: Beats, rate: float) -> Beats:
    return Beats(
        beats.tempo_bpm * rate, beats.beat_s / rate, beats.bar_s / rate, beats.confidence, beats.bar_confidence
    )
