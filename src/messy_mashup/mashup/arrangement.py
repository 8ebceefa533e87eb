"""A mashup is an arrangement: a few numbers, drawn from (seed, epoch, index) and nothing else.

So any mashup of any epoch can be drawn again anywhere, in any batch and by any process, without state.
"""

from dataclasses import dataclass, fields

import numpy as np

from messy_mashup.mashup import tempo
from messy_mashup.mashup.changes import Changes
from messy_mashup.mashup.pool import ABSENT, Pool
from messy_mashup.mashup.turns import songs_in_turn, turns
from messy_mashup.purposes import CHANGES, COPIES, EXTRAS, HEARD
from messy_mashup.recipe import Change, MashupRecipe

Range = tuple[float, float]


@dataclass(frozen=True)
class Arrangements:
    """A batch of mashups. Clips are row numbers of the bank's index; positions are in seconds of the mashup,
    offsets in seconds of the clip; gains are linear.

    Voices are those of the recipe's parts, then the echo of each; a bed is the last burst. A voice is silent before and
    after its clip, so an offset may be negative. A burst that goes on when its clip has ended begins the clip again.
    """

    label: np.ndarray  # (batch,) class number
    length_s: np.ndarray  # (batch,)
    heard_at: np.ndarray  # (batch,) in [0, 1): where a model that hears less than the whole listens
    high_pass_hz: np.ndarray  # (batch,) of the finished mashup; 0: none
    low_pass_hz: np.ndarray
    voice_clip: np.ndarray  # (batch, voices) or ABSENT
    voice_offset_s: np.ndarray
    voice_rate: np.ndarray  # above 1: faster
    voice_gain: np.ndarray
    burst_clip: np.ndarray  # (batch, bursts) or ABSENT
    burst_offset_s: np.ndarray
    burst_at_s: np.ndarray
    burst_length_s: np.ndarray
    burst_fade_s: np.ndarray  # how long the amplitude rises after a burst's begin and falls before its end
    burst_gain: np.ndarray  # of what the recipe's burst_level says

    def __len__(self) -> int:
        return len(self.label)

    def __getitem__(self, rows: slice) -> "Arrangements":
        return Arrangements(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def draw(pool: Pool, recipe: MashupRecipe, key: tuple[int, int, int], start: int, count: int) -> Arrangements:
    """Mashups `start` to `start + count` of the stream that `key` (seed, purpose, epoch) names."""
    pool.refuse(recipe)
    voices, bursts = len(recipe.parts), recipe.bursts[1]
    turn, rows = turns(pool, recipe, key, start, count), np.arange(start, start + count)
    # A kept copy is drawn by its number, whatever the epoch; where a model listens is not kept.
    own_key, own_rows = (key, rows) if turn.copy is None else ((*key[:2], 0, COPIES), turn.copy)
    draws = _Draws(own_key, own_rows, width=3 + 5 * voices + 2 + 5 * bursts)
    # What most recipes leave out has numbers of its own, so that all else is drawn the same with and without it.
    extras = _Draws((*own_key, EXTRAS), own_rows, width=13 + voices + 2 * bursts)
    label, first = _number_below(draws.one(), len(pool.classes)), None
    if turn.song is not None:
        label, first = (column[turn.song] for column in songs_in_turn(pool))
    wanted_s = np.where(extras.one() < recipe.whole, np.inf, _within(recipe.length_s, draws.one()))
    heard_at = draws.one() if turn.copy is None else _Draws((*key, HEARD), rows, width=1).one()
    changes = Changes.of(recipe, turn.change, lambda: _Draws((*key, CHANGES), rows, width=1).one())
    high_pass_hz = _sometimes(changes, "high_pass", recipe.high_pass, recipe.high_pass_hz, extras)
    low_pass_hz = _sometimes(changes, "low_pass", recipe.low_pass, recipe.low_pass_hz, extras)
    length_s, *voice_columns = _voices(recipe, pool, (label, first), wanted_s, changes, draws, extras)
    voice_columns = _with_echoes(recipe, changes, *voice_columns, extras)
    burst_columns = _with_bed(recipe, pool, length_s, _bursts(recipe, pool, length_s, draws, extras), extras)
    return Arrangements(label, length_s, heard_at, high_pass_hz, low_pass_hz, *voice_columns, *burst_columns)


def _voices(
    recipe: MashupRecipe,
    pool: Pool,
    turn: tuple[np.ndarray, np.ndarray | None],
    wanted_s: np.ndarray,
    changes: Changes,
    draws: "_Draws",
    extras: "_Draws",
) -> tuple[np.ndarray, ...]:
    """The mashups' lengths (batch,), and clip, offset, rate and gain of every voice (batch, voices)."""
    voices, (label, first) = len(recipe.parts), turn
    songs = _different(draws.block(voices), pool.song_count[label], first)
    clip = pool.songs[label[:, None], songs, np.arange(voices)]
    rate = tempo.rates(recipe, pool, clip, changes.rates(draws.block(voices), draws.block(voices)))
    clip, rate = tempo.with_variants(pool, clip, rate, extras.block(voices) < recipe.vocoded)
    clip_s = pool.length_s[clip]
    length_s = np.minimum(wanted_s, np.minimum((clip_s / rate).min(axis=1), changes.longest_s(clip_s)))
    offset_s = draws.block(voices) * np.maximum(0, clip_s - length_s[:, None] * rate)
    if recipe.tempo == "downbeats":
        offset_s, length_s = tempo.aligned(pool, clip, rate, offset_s, length_s)
    return length_s, clip, offset_s, rate, _within(recipe.gain, draws.block(voices))


def _with_echoes(
    recipe: MashupRecipe,
    changes: Changes,
    clip: np.ndarray,
    offset_s: np.ndarray,
    rate: np.ndarray,
    gain: np.ndarray,
    extras: "_Draws",
) -> list[np.ndarray]:
    """The columns of the voices; where the recipe has echoes, each voice once more, later and softer."""
    echoing, late_s, softer = (column[:, None] for column in extras.block(3).T)
    if not recipe.echo and "echo" not in recipe.changes:
        return [clip, offset_s, rate, gain]
    echo = (
        np.where(changes.happens("echo", recipe.echo, echoing), clip, ABSENT),
        offset_s - _within(recipe.echo_s, late_s) * rate,
        rate,
        gain * _within(recipe.echo_gain, softer),
    )
    return [np.concatenate(pair, axis=1) for pair in zip((clip, offset_s, rate, gain), echo, strict=True)]


def _bursts(
    recipe: MashupRecipe, pool: Pool, length_s: np.ndarray, draws: "_Draws", extras: "_Draws"
) -> tuple[np.ndarray, ...]:
    """Clip, offset, position, length, fade and gain of every burst (batch, bursts)."""
    fewest, most = recipe.bursts
    number = fewest + _number_below(draws.one(), 1 + most - fewest)
    number = np.where(draws.one() < recipe.noisy, number, 0)
    clip = _noises(recipe, pool, draws.block(most), extras.block(most))
    clip = np.where(np.arange(most) < number[:, None], clip, ABSENT)
    clip_s = np.where(clip == ABSENT, 0, pool.length_s[clip])
    wanted_s = _within(recipe.burst_s, draws.block(most))
    burst_s = np.where(clip == ABSENT, 0, wanted_s) if recipe.repeated else np.minimum(wanted_s, clip_s)
    room_s = np.where(burst_s > clip_s, clip_s, clip_s - burst_s)
    offset_s = draws.block(most) * room_s
    if recipe.inside:
        burst_s = np.minimum(burst_s, length_s[:, None])
    at_s = draws.block(most) * (length_s[:, None] - (burst_s if recipe.inside else 0))
    gain = _noise_gain(recipe, recipe.burst_gain, recipe.burst_snr_db, draws.block(most))
    return clip, offset_s, at_s, burst_s, _within(recipe.burst_fade_s, extras.block(most)), gain


def _with_bed(
    recipe: MashupRecipe, pool: Pool, length_s: np.ndarray, bursts: tuple[np.ndarray, ...], extras: "_Draws"
) -> list[np.ndarray]:
    """The columns of the bursts; where the recipe has beds, one more that lasts as long as the mashup."""
    sounding, picked, synthetic, offset, loud = extras.block(5).T
    if not recipe.bed:
        return list(bursts)
    clip = np.where(sounding < recipe.bed, _noises(recipe, pool, picked, synthetic), ABSENT)
    still = np.zeros(len(clip))
    gain = _noise_gain(recipe, recipe.bed_gain, recipe.bed_snr_db, loud)
    bed = (clip, offset * pool.length_s[clip], still, length_s, still, gain)
    return [np.concatenate([column, of_bed[:, None]], axis=1) for column, of_bed in zip(bursts, bed, strict=True)]


def _noises(recipe: MashupRecipe, pool: Pool, picked: np.ndarray, synthetic: np.ndarray) -> np.ndarray:
    """A noise clip for each of two uniform numbers: which one, and whether it is a synthetic one."""
    chosen = np.full(picked.shape, ABSENT)
    for is_of_kind, clips in (
        (synthetic >= recipe.synthetic, pool.noises),
        (synthetic < recipe.synthetic, pool.synthetic),
    ):
        if len(clips):
            chosen = np.where(is_of_kind, clips[_number_below(picked, len(clips))], chosen)
    return chosen


def _noise_gain(recipe: MashupRecipe, gain: Range, snr_db: Range, uniform: np.ndarray) -> np.ndarray:
    if recipe.burst_level == "snr":
        return 10 ** (-_within(snr_db, uniform) / 20)
    return _within(gain, uniform)


def _sometimes(changes: Changes, effect: Change, share: float, low_high: Range, extras: "_Draws") -> np.ndarray:
    """A number within the range for the mashups that the effect happens to, 0 for the others."""
    chance, where = extras.block(2).T
    return np.where(changes.happens(effect, share, chance), _within(low_high, where), 0.0)


class _Draws:
    """Uniform numbers in [0, 1), a row a mashup: some rows of one counter-based stream."""

    def __init__(self, key: tuple[int, ...], rows: np.ndarray, width: int) -> None:
        width = -(-width // 4) * 4  # Philox makes four numbers a step, so a row is whole steps
        first, last = (int(rows.min()), int(rows.max())) if len(rows) else (0, -1)
        stream = np.random.Philox(key=np.random.SeedSequence(key).generate_state(2, np.uint64))
        stream.advance(first * width // 4)
        self.rows = np.random.Generator(stream).random((last + 1 - first, width))[rows - first]
        self.used = 0

    def one(self) -> np.ndarray:
        return self.block(1)[:, 0]

    def block(self, width: int) -> np.ndarray:
        self.used += width
        return self.rows[:, self.used - width : self.used]


def _within(low_high: Range, uniform: np.ndarray) -> np.ndarray:
    low, high = low_high
    return low + (high - low) * uniform


def _number_below(uniform: np.ndarray, count: int | np.ndarray) -> np.ndarray:
    return np.floor(uniform * count).astype(np.int64)


def _different(uniform: np.ndarray, count: np.ndarray, first: np.ndarray | None) -> np.ndarray:
    """A column of numbers below `count` for each column of `uniform`, all different within a row; the first column is
    given where it is not to be drawn.
    """
    chosen = np.empty(uniform.shape, np.int64)
    if first is not None:
        chosen[:, 0] = first
    for column in range(0 if first is None else 1, uniform.shape[1]):
        number = _number_below(uniform[:, column], count - column)
        # The k-th number that is still free: step over the taken ones from the smallest up.
        for taken in np.sort(chosen[:, :column], axis=1).T:
            number += number >= taken
        chosen[:, column] = number
    return chosen
