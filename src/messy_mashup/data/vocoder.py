"""A wave stretched as the host of the competition does it: by librosa's phase vocoder, traces and all."""

import numpy as np

from messy_mashup.compiled import load_librosa

WINDOW, HOST_HZ = 2048, 22_050  # librosa's default window at the rate of the test mashups: 93 ms


def vocoded(wave: np.ndarray, rate: float, sample_rate_hz: int) -> np.ndarray:
    """The mono wave played `rate` times as fast: float32 (about samples / rate,).

    The window is as long in seconds as the host's, since its length is what a vocoder's traces go by.
    """
    return load_librosa().effects.time_stretch(wave, rate=rate, n_fft=round(WINDOW * sample_rate_hz / HOST_HZ))
