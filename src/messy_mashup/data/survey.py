"""What a data set holds, told before anything is built: sizes from headers, silence from a sample of stems."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from messy_mashup.data import corpora
from messy_mashup.data.audio import read_header, read_mono
from messy_mashup.data.bank_plan import HEADER_THREADS
from messy_mashup.data.bank_slot import active_blocks
from messy_mashup.data.corpora import Broken
from messy_mashup.errors import UserError

HEADER_COLUMNS = ["path", "length_s", "sample_rate_hz", "channels"]

# Piczak 2015, in the order of the targets, which are the labels of noise clips.
ESC50_CLASSES = (
    "dog", "rooster", "pig", "cow", "frog", "cat", "hen", "insects", "sheep", "crow",
    "rain", "sea_waves", "crackling_fire", "crickets", "chirping_birds",
    "water_drops", "wind", "pouring_water", "toilet_flush", "thunderstorm",
    "crying_baby", "sneezing", "clapping", "breathing", "coughing",
    "footsteps", "laughing", "brushing_teeth", "snoring", "drinking_sipping",
    "door_wood_knock", "mouse_click", "keyboard_typing", "door_wood_creaks", "can_opening",
    "washing_machine", "vacuum_cleaner", "clock_alarm", "clock_tick", "glass_breaking",
    "helicopter", "chainsaw", "siren", "car_horn", "engine",
    "train", "church_bells", "airplane", "fireworks", "hand_saw",
)  # fmt: skip


@dataclass(frozen=True)
class Survey:
    """A data set's clips and test mashups as their headers tell; what cannot be used is in `broken`.

    clips: the columns of corpora.COLUMNS, length_s, sample_rate_hz, channels. test: id, path and the same three.
    """

    root: Path
    clips: pd.DataFrame
    test: pd.DataFrame
    broken: tuple[Broken, ...]

    def summary(self) -> pd.DataFrame:
        """A row a kind and part: files, groups, minutes, shortest_s, median_s, longest_s, sample_rates_hz, channels."""
        clips = pd.concat([self.clips, self.test.assign(kind="test", part="mashup", group=self.test["id"])])
        return clips.groupby(["kind", "part"], sort=False).apply(_summed_up, include_groups=False)

    def songs(self) -> pd.DataFrame:
        """A row a genre: songs, stems, minutes (of one stem a song, which is the music's length)."""
        stems = self.clips[self.clips["kind"] == "stem"]
        longest_s = stems.groupby(["label", "group"])["length_s"].max()
        by_genre = {"songs": longest_s.groupby("label").size(), "stems": stems.groupby("label").size()}
        return pd.DataFrame({**by_genre, "minutes": longest_s.groupby("label").sum() / 60})

    def noises(self) -> pd.DataFrame:
        """A row a class of noise: name, clips, recordings (that they were cut from), minutes, first_clip (its path)."""
        clips = self.clips[self.clips["kind"] == "noise"]
        table = clips.groupby(clips["label"].map(noise_name)).agg(
            clips=("clip", "size"),
            recordings=("group", "nunique"),
            minutes=("length_s", lambda length_s: length_s.sum() / 60),
            first_clip=("path", "first"),
        )
        return table.rename_axis("name").reset_index()

    def lengths_s(self) -> list[tuple[str, np.ndarray]]:
        """Lengths in seconds of the stems, of the noise clips and of the test mashups, each named."""
        kind, length_s = self.clips["kind"], self.clips["length_s"]
        named = {"stems": length_s[kind == "stem"], "noise clips": length_s[kind == "noise"]}
        named["test mashups"] = self.test["length_s"]
        return [(name, lengths.to_numpy()) for name, lengths in named.items()]


def noise_name(label: str) -> str:
    """What ESC-50 calls the class of a noise clip's label; a label that is none of its numbers names itself."""
    return ESC50_CLASSES[int(label)] if label.isdecimal() and int(label) < len(ESC50_CLASSES) else label


def look(root: Path) -> Survey:
    """Read the header of every clip and test mashup below a data set's folder; nothing is decoded."""
    corpus = corpora.load(corpora.recognise(root)).scan(root)
    clips, broken_clips = _with_headers(corpus.clips, root)
    test, broken_test = _with_headers(corpora.test_clips(corpus.name, root), root)
    return Survey(root, clips, test, (*corpus.broken, *broken_clips, *broken_test))


def silence(survey: Survey, count: int, seed: int) -> pd.DataFrame:
    """How much of `count` stems of each part is silent: clip, label, part, silent_share, longest_silence_s.

    Decodes that sample and no more. Silent is a block of 50 ms below -60 dB full scale, as in the bank.
    """
    stems = survey.clips[survey.clips["kind"] == "stem"]
    some = pd.concat(
        [of_part.sample(min(count, len(of_part)), random_state=seed) for _, of_part in stems.groupby("part")]
    )
    heard = [
        quiet_stretches(read_mono(survey.root / path, rate_hz), rate_hz)
        for path, rate_hz in zip(some["path"], some["sample_rate_hz"], strict=True)
    ]
    measures = pd.DataFrame(heard, columns=["silent_share", "longest_silence_s"], index=some.index)
    return some[["clip", "label", "part"]].join(measures).reset_index(drop=True)


def quiet_stretches(wave: np.ndarray, sample_rate_hz: int) -> tuple[float, float]:
    """The share of silent 50 ms blocks of a wave (samples,), and the longest run of them in seconds."""
    active, samples = active_blocks(np.square(wave, dtype=np.float64), sample_rate_hz)
    silent = ~active
    edges = np.flatnonzero(np.diff(silent, prepend=False, append=False))  # where a run begins, where it has ended
    ends_s = np.append(0, np.cumsum(samples)) / sample_rate_hz
    runs_s = ends_s[edges[1::2]] - ends_s[edges[::2]]
    return float(silent.mean()), float(runs_s.max(initial=0.0))


def _with_headers(files: pd.DataFrame, root: Path) -> tuple[pd.DataFrame, list[Broken]]:
    """The files of a table (path, …) with HEADER_COLUMNS added, and those that cannot be read."""
    with ThreadPoolExecutor(HEADER_THREADS) as pool:
        looked = list(pool.map(lambda path: _header(root, path), files["path"]))
    headers = pd.DataFrame([item for item in looked if not isinstance(item, Broken)], columns=HEADER_COLUMNS)
    return files.merge(headers, on="path"), [item for item in looked if isinstance(item, Broken)]


def _header(root: Path, path: str) -> tuple[str, float, int, int] | Broken:
    try:
        header = read_header(root / path)
    except UserError as error:
        return Broken(path, str(error))
    return path, header.frames / header.sample_rate_hz, header.sample_rate_hz, header.channels


def _summed_up(clips: pd.DataFrame) -> pd.Series:
    length_s = clips["length_s"]
    return pd.Series(
        {
            "files": len(clips),
            "groups": clips["group"].nunique(),
            "minutes": length_s.sum() / 60,
            "shortest_s": length_s.min(),
            "median_s": length_s.median(),
            "longest_s": length_s.max(),
            "sample_rates_hz": _told(clips["sample_rate_hz"]),
            "channels": _told(clips["channels"]),
        }
    )


def _told(values: pd.Series) -> str:
    return ", ".join(str(value) for value in sorted(values.unique()))
