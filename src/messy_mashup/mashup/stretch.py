"""A wave at another tempo and the same pitch: by Signalsmith Stretch where it is installed, else by librosa's vocoder.

Both leave an onset at its time divided by the rate. Signalsmith Stretch is the closer of the two to music truly played
at that tempo; Kaggle's image has librosa alone.
"""

from importlib.util import find_spec
from typing import Literal

import numpy as np

from messy_mashup.data.vocoder import vocoded
from messy_mashup.errors import UserError

Stretch = Literal["signalsmith", "librosa"]
SEED = 0  # of Signalsmith's own random numbers, so that the same wave comes out again


def best_installed() -> Stretch:
    """The better of the stretches that this environment has."""
    return "signalsmith" if find_spec("python_stretch") else "librosa"


DEFAULT_STRETCH: Stretch = best_installed()


def time_stretch(wave: np.ndarray, rate: float, sample_rate_hz: int, stretch: Stretch) -> np.ndarray:
    """The mono wave played `rate` times as fast: float32 (about samples / rate,).

    UserError where python-stretch is asked for and not installed.
    """
    if rate == 1 or len(wave) == 0:
        return wave
    return vocoded(wave, rate, sample_rate_hz) if stretch == "librosa" else _signalsmith(wave, rate, sample_rate_hz)


def _signalsmith(wave: np.ndarray, rate: float, sample_rate_hz: int) -> np.ndarray:
    try:
        from python_stretch.Signalsmith import Stretch as Stretcher
    except ImportError as error:
        raise UserError(
            "the stretch signalsmith needs the package python-stretch, which is not installed: "
            "pip install python-stretch, or take the stretch librosa"
        ) from error
    stretcher = Stretcher(SEED)
    stretcher.preset(1, float(sample_rate_hz))
    stretcher.setTimeFactor(rate)
    # It makes up for its own latency. It reads memory as it lies, so a strided view would come out as other sound.
    return stretcher.process(np.ascontiguousarray(wave, np.float32)[None])[0]
