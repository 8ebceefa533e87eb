"""The stems of a bank that the matcher finds in the beginning of a clip, as a table for a reader."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from messy_mashup.data.bank import Bank
from messy_mashup.search.matches import Match, find_matches
from messy_mashup.search.voice_catalogue import VoiceCatalogue

SEARCHED_S = 12.0  # of a clip: it takes seconds for each
# tempo: 1 is as recorded. Those found in their levels, being stretched, were checked on the wave too
COLUMNS = ["part", "song", "genre", "begins at (s)", "tempo", "correlation", "found in"]


@dataclass(eq=False)
class Beginning:
    """The beginning of a clip that waits to be searched, (samples,) in the bank's rate; None once it was taken.

    Two are never equal, so that Gradio sees a change when the same clip is given again.
    """

    wave: np.ndarray | None

    def taken(self) -> np.ndarray | None:
        """The wave, which is not kept."""
        wave, self.wave = self.wave, None
        return wave


class Matcher:
    """Searches clips for a bank's stems; the catalogue of them is made with the first. One search at a time."""

    def __init__(self, bank: Bank) -> None:
        self.bank = bank

    @cached_property
    def _catalogue(self) -> VoiceCatalogue:
        return VoiceCatalogue(self.bank)

    def beginning(self, wave: np.ndarray) -> Beginning:
        """What of a wave (samples,), in the bank's rate, is searched."""
        return Beginning(wave[: round(SEARCHED_S * self.bank.sample_rate_hz)].copy())

    def found(self, wave: np.ndarray) -> pd.DataFrame:
        """A row a stem that is in the wave (samples,), in the bank's rate; UserError where it is too short."""
        (matches,) = find_matches([wave], self._catalogue)
        return pd.DataFrame([self._row(match) for match in matches if match.found], columns=COLUMNS)

    def _row(self, match: Match) -> list[object]:
        clip = self.bank.index.iloc[match.clip]
        begin_s = -match.offset_s / match.rate
        found_in = "its wave" if match.steady else "its levels"
        told = [round(begin_s, 2), round(match.rate * float(clip["rate"]), 3), round(match.correlation, 2)]
        return [clip["part"], clip["group"], clip["label"], *told, found_in]
