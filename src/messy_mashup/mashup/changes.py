"""Which mashups are changed, and how: by shares of their own for each effect, or by one change at a time.

A change is named as in the recipe: slower and faster (the two ends of the range of rates), high_pass, low_pass, echo.
Where a recipe has changes, a mashup has one of them or none, all equally likely, and the shares of the effects are not
asked.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from messy_mashup.recipe import Change, MashupRecipe


@dataclass(frozen=True)
class Changes:
    """What happens to each mashup of a batch."""

    recipe: MashupRecipe
    number: np.ndarray | None  # (batch,) 0: unchanged, k + 1: the recipe's k-th change; None: it has no changes

    @classmethod
    def of(cls, recipe: MashupRecipe, number: np.ndarray | None, uniform: Callable[[], np.ndarray]) -> "Changes":
        """Those of the turns, or, where these have none, drawn by uniform numbers (batch,) that are then asked for."""
        if not recipe.changes:
            return cls(recipe, None)
        if number is None:
            number = np.floor(uniform() * (1 + len(recipe.changes))).astype(np.int64)
        return cls(recipe, number)

    def happens(self, effect: Change, share: float, uniform: np.ndarray) -> np.ndarray:
        """Which mashups (batch,) or voices (batch, voices) an effect with this share happens to."""
        if self.number is None:
            return uniform < share
        chosen = self._is(effect)
        return np.broadcast_to(chosen if uniform.ndim == 1 else chosen[:, None], uniform.shape)

    def rates(self, chance: np.ndarray, place: np.ndarray) -> np.ndarray:
        """The rates (batch, voices) of voices, by two uniform numbers each."""
        slowest, fastest = self.recipe.rate
        if self.number is None:
            return np.where(chance < self.recipe.stretched, slowest + (fastest - slowest) * place, 1.0)
        slower, faster = slowest + (1 - slowest) * place, 1 + (fastest - 1) * place
        return np.select([self._is("slower")[:, None], self._is("faster")[:, None]], [slower, faster], 1.0)

    def longest_s(self, clip_s: np.ndarray) -> np.ndarray:
        """How long a mashup of clips (batch, voices) may be: where it is changed, as long as they were, so that of a
        slower one a part is heard.
        """
        return np.full(len(clip_s), np.inf) if self.number is None else clip_s.min(axis=1)

    def _is(self, effect: Change) -> np.ndarray:
        if effect not in self.recipe.changes:
            return np.zeros(len(self.number), bool)
        return self.number == 1 + self.recipe.changes.index(effect)
