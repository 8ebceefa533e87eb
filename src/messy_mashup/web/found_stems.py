"""The stems of a bank that the matcher finds in a clip, as a table for a reader."""

from functools import cached_property
from threading import Lock

import numpy as np
import pandas as pd

from messy_mashup.data.bank import Bank
from messy_mashup.errors import UserError
from messy_mashup.search.matches import Match, find_matches
from messy_mashup.search.voice_catalogue import VoiceCatalogue

LONGEST_S = 30.0  # of a clip that is searched: it takes seconds for each
# tempo: 1 is as recorded. Those found in their levels, being stretched, were checked on the wave too
COLUMNS = ["part", "song", "genre", "begins at (s)", "tempo", "correlation", "found in"]


class Matcher:
    """Searches clips for a bank's stems; the catalogue of them is made with the first."""

    def __init__(self, bank: Bank) -> None:
        self.bank, self._lock = bank, Lock()

    @cached_property
    def _catalogue(self) -> VoiceCatalogue:
        return VoiceCatalogue(self.bank)

    def found(self, wave: np.ndarray) -> pd.DataFrame:
        """A row a stem that is in the wave (samples,), in the bank's rate; UserError where it is too long."""
        length_s = len(wave) / self.bank.sample_rate_hz
        if length_s > LONGEST_S:
            raise UserError(f"the clip has {length_s:.0f} s, and known stems are looked for in {LONGEST_S:g} at most")
        with self._lock:
            (matches,) = find_matches([wave], self._catalogue)
        return pd.DataFrame([self._row(match) for match in matches if match.found], columns=COLUMNS)

    def _row(self, match: Match) -> list[object]:
        clip = self.bank.index.iloc[match.clip]
        begin_s = -match.offset_s / match.rate
        found_in = "its wave" if match.steady else "its levels"
        told = [round(begin_s, 2), round(match.rate * float(clip["rate"]), 3), round(match.correlation, 2)]
        return [clip["part"], clip["group"], clip["label"], *told, found_in]
