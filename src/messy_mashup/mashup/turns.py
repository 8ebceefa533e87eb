"""Whose turn it is: which song a mashup begins with, and with what change.

Either a song of a random class, as often as one likes, or every song once an epoch (and each of its kept copies), in an
order that is the epoch's own: a function of (seed, epoch, index), as all else of an arrangement.
"""

from typing import NamedTuple

import numpy as np

from messy_mashup.mashup.pool import Pool
from messy_mashup.purposes import ORDER
from messy_mashup.recipe import MashupRecipe

UNCHANGED = 0  # change k + 1 is the k-th of the recipe's


class Turns(NamedTuple):
    """A batch of mashups to be drawn."""

    song: np.ndarray | None  # (batch,) rows of `songs_in_turn`; None: any song of a random class
    change: np.ndarray | None  # (batch,) number of the change; None: to be drawn
    copy: np.ndarray | None  # (batch,) number of the kept copy that is played; None: a mashup of its own


def turns(pool: Pool, recipe: MashupRecipe, key: tuple[int, int, int], start: int, count: int) -> Turns:
    """Mashups `start` to `start + count` of the stream that `key` (seed, purpose, epoch) names."""
    if recipe.drawn == "classes":
        return Turns(None, None, None)
    copies = copies_of(recipe)
    everyone = np.random.default_rng((*key, ORDER)).permutation(int(pool.song_count.sum()) * copies)
    number = everyone[np.arange(start, start + count) % len(everyone)]
    if copies == 1:
        return Turns(number, None, None)
    return Turns(number // copies, number % copies, number)


def turns_in_epoch(pool: Pool, recipe: MashupRecipe) -> int:
    """How many mashups it takes until every song, and each of its kept copies, has had its turn."""
    return int(pool.song_count.sum()) * copies_of(recipe)


def copies_of(recipe: MashupRecipe) -> int:
    """The song as it is, and its kept copy for each change."""
    return 1 + len(recipe.changes) if recipe.copies == "kept" else 1


def songs_in_turn(pool: Pool) -> tuple[np.ndarray, np.ndarray]:
    """Class and row in `pool.songs` of every song: both (songs,)."""
    label = np.repeat(np.arange(len(pool.classes)), pool.song_count)
    row = np.concatenate([np.arange(count) for count in pool.song_count])
    return label, row
