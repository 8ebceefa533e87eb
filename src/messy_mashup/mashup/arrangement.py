"""A mashup is an arrangement: a few numbers, drawn from (seed, epoch, index) and nothing else.

So any mashup of any epoch can be drawn again anywhere, in any batch and by any process, without state.
"""

from dataclasses import dataclass, fields

import numpy as np
import pandas as pd

from messy_mashup.errors import UserError
from messy_mashup.recipe import MashupRecipe

ABSENT = -1  # in place of a clip number: no such song or burst


@dataclass(frozen=True)
class Arrangements:
    """A batch of mashups. Clips are row numbers of the bank's index; positions are in seconds of the mashup,
    offsets in seconds of the clip; gains are linear.
    """

    label: np.ndarray  # (batch,) class number
    length_s: np.ndarray  # (batch,)
    heard_at: np.ndarray  # (batch,) in [0, 1): where a model that hears less than the whole listens
    voice_clip: np.ndarray  # (batch, voices)
    voice_offset_s: np.ndarray
    voice_rate: np.ndarray  # above 1: faster
    voice_gain: np.ndarray
    burst_clip: np.ndarray  # (batch, bursts)
    burst_offset_s: np.ndarray
    burst_at_s: np.ndarray
    burst_length_s: np.ndarray
    burst_gain: np.ndarray

    def __len__(self) -> int:
        return len(self.label)

    def __getitem__(self, rows: slice) -> "Arrangements":
        return Arrangements(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


@dataclass(frozen=True)
class Pool:
    """The clips that mashups may be made of: whole songs by class, and noise clips."""

    classes: tuple[str, ...]
    songs: np.ndarray  # (classes, most songs of a class, parts) clip numbers; rows past `song_count` are ABSENT
    song_count: np.ndarray  # (classes,)
    noises: np.ndarray  # (noise clips,)
    length_s: np.ndarray  # (clips of the bank,)

    @classmethod
    def of(cls, index: pd.DataFrame, sample_rate_hz: int, classes: tuple[str, ...], parts: tuple[str, ...]) -> "Pool":
        """The pool of a bank's index, or of the rows of it that a fold may use (row labels are clip numbers)."""
        stems = index[index["kind"] == "stem"]
        table = stems.assign(number=stems.index).pivot(index="group", columns="part", values="number")
        label = stems.drop_duplicates("group").set_index("group")["label"].loc[table.index].to_numpy()
        rows = [table.loc[label == name, list(parts)].to_numpy(dtype=np.int64) for name in classes]
        for name, songs in zip(classes, rows, strict=True):
            if len(songs) < len(parts):
                raise UserError(
                    f"{name} has {len(songs)} songs here; a mashup of {len(parts)} different songs needs as many: "
                    "add songs or use fewer folds"
                )
        songs = np.full((len(classes), max(map(len, rows)), len(parts)), ABSENT)
        for number, row in enumerate(rows):
            songs[number, : len(row)] = row
        length_s = np.zeros(int(index.index.max()) + 1)
        length_s[index.index] = index["length"] / sample_rate_hz
        noises = index.index[index["kind"] == "noise"].to_numpy()
        return cls(classes, songs, np.array([len(row) for row in rows]), noises, length_s)


def draw(pool: Pool, recipe: MashupRecipe, key: tuple[int, int, int], start: int, count: int) -> Arrangements:
    """Mashups `start` to `start + count` of the stream that `key` (seed, purpose, epoch) names."""
    if recipe.noisy > 0 and len(pool.noises) == 0:
        raise UserError("the recipe wants noise and the bank holds no noise clips: add ESC-50 or set mashup.noisy=0")
    voices, bursts = len(recipe.parts), recipe.bursts[1]
    draws = _Draws(key, start, count, width=3 + 5 * voices + 2 + 5 * bursts)
    label = _number_below(draws.one(), len(pool.classes))
    wanted_s = _within(recipe.length_s, draws.one())
    heard_at = draws.one()

    songs = _different(draws.block(voices), pool.song_count[label])
    voice_clip = pool.songs[label[:, None], songs, np.arange(voices)]
    stretched = draws.block(voices) < recipe.stretched
    voice_rate = np.where(stretched, _within(recipe.rate, draws.block(voices)), 1.0)
    voice_length_s = pool.length_s[voice_clip]
    length_s = np.minimum(wanted_s, (voice_length_s / voice_rate).min(axis=1))
    voice_room_s = np.maximum(0, voice_length_s - length_s[:, None] * voice_rate)
    voice_offset_s = draws.block(voices) * voice_room_s
    voice_gain = _within(recipe.gain, draws.block(voices))

    number = recipe.bursts[0] + _number_below(draws.one(), 1 + bursts - recipe.bursts[0])
    number = np.where(draws.one() < recipe.noisy, number, 0)
    sounding = np.arange(bursts) < number[:, None]
    picked = _number_below(draws.block(bursts), max(1, len(pool.noises)))
    burst_clip = np.where(sounding, pool.noises[picked] if len(pool.noises) else ABSENT, ABSENT)
    burst_clip_s = np.where(sounding, pool.length_s[burst_clip], 0)
    burst_length_s = np.minimum(_within(recipe.burst_s, draws.block(bursts)), burst_clip_s)
    burst_offset_s = draws.block(bursts) * (burst_clip_s - burst_length_s)
    # A burst begins anywhere, so that it may be cut by the mashup's end.
    burst_at_s = draws.block(bursts) * length_s[:, None]
    burst_gain = _within(recipe.burst_gain, draws.block(bursts))
    return Arrangements(
        label, length_s, heard_at, voice_clip, voice_offset_s, voice_rate, voice_gain,
        burst_clip, burst_offset_s, burst_at_s, burst_length_s, burst_gain,
    )  # fmt: skip


class _Draws:
    """Uniform numbers in [0, 1), a row a mashup: the rows start … start + count of one counter-based stream."""

    def __init__(self, key: tuple[int, int, int], start: int, count: int, width: int) -> None:
        width = -(-width // 4) * 4  # Philox makes four numbers a step, so a row is whole steps
        stream = np.random.Philox(key=np.random.SeedSequence(key).generate_state(2, np.uint64))
        stream.advance(start * width // 4)
        self.rows = np.random.Generator(stream).random((count, width))
        self.used = 0

    def one(self) -> np.ndarray:
        return self.block(1)[:, 0]

    def block(self, width: int) -> np.ndarray:
        self.used += width
        return self.rows[:, self.used - width : self.used]


def _within(low_high: tuple[float, float], uniform: np.ndarray) -> np.ndarray:
    low, high = low_high
    return low + (high - low) * uniform


def _number_below(uniform: np.ndarray, count: int | np.ndarray) -> np.ndarray:
    return np.floor(uniform * count).astype(np.int64)


def _different(uniform: np.ndarray, count: np.ndarray) -> np.ndarray:
    """A column of numbers below `count` for each column of `uniform`, all different within a row."""
    chosen = np.empty(uniform.shape, np.int64)
    for column in range(uniform.shape[1]):
        number = _number_below(uniform[:, column], count - column)
        # The k-th number that is still free: step over the taken ones from the smallest up.
        for taken in np.sort(chosen[:, :column], axis=1).T:
            number += number >= taken
        chosen[:, column] = number
    return chosen
