"""The clips of a bank as waves at any sample rate: at the bank's own from the bank, at others from its source files."""

from pathlib import Path

import numpy as np
import pandas as pd
import soxr

from messy_mashup.data import synthetic_noise
from messy_mashup.data.audio import read_mono
from messy_mashup.data.bank import Bank
from messy_mashup.errors import UserError
from messy_mashup.mashup.stretch import time_stretch

LENGTHS_DIFFER_S = 0.001  # a file that differs by more from its clip is not the file that the bank was built from


class ClipWaves:
    """The waves of a bank's clips at one sample rate; each is made once and kept, so drop this after a mashup."""

    def __init__(self, bank: Bank, sample_rate_hz: int) -> None:
        self.bank, self.sample_rate_hz = bank, sample_rate_hz
        self._made: dict[int, np.ndarray] = {}

    def wave(self, clip_number: int) -> np.ndarray:
        """The clip in that row of the bank's index: float32 (samples,).

        UserError where its file is needed and is missing, broken, or another than the bank was built from.
        """
        number = int(clip_number)
        if number not in self._made:
            self._made[number] = self._wave(number)
        return self._made[number]

    def _wave(self, number: int) -> np.ndarray:
        if self.sample_rate_hz == self.bank.sample_rate_hz:
            return self.bank.wave(number)
        clip = self.bank.index.iloc[number]
        if clip["kind"] == "synthetic":
            return synthetic_noise.wave(clip["clip"], self.sample_rate_hz)
        if self.bank.separated:  # the files hold more than the vocals
            return soxr.resample(self.bank.wave(number), self.bank.sample_rate_hz, self.sample_rate_hz, quality="HQ")
        path = Path(self.bank.source) / clip["path"]
        wave = self._of_file(path)
        if clip["kind"] == "stretched":
            # The variant is in the bank for its vocoder's traces.
            wave = time_stretch(wave, clip["rate"], self.sample_rate_hz, "librosa")
        self._refuse_other_length(wave, clip, path)
        return wave

    def _of_file(self, path: Path) -> np.ndarray:
        if not path.is_file():
            raise UserError(
                f"there is no file {path}, from which the bank {self.bank.root} was built: say with --data where its "
                f"data set is now, or take the bank's own {self.bank.sample_rate_hz} Hz, which needs no files"
            )
        return read_mono(path, self.sample_rate_hz)

    def _refuse_other_length(self, wave: np.ndarray, clip: pd.Series, path: Path) -> None:
        here_s, banked_s = len(wave) / self.sample_rate_hz, clip["length"] / self.bank.sample_rate_hz
        if abs(here_s - banked_s) > LENGTHS_DIFFER_S:
            raise UserError(
                f"{path} gives {here_s:.3f} s, the bank {self.bank.root} holds {banked_s:.3f} s of it: run build.py"
            )
