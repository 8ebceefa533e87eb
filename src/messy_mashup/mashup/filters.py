"""High-pass and low-pass as curves on the power spectrum: fourth-order Butterworth filters, as scipy would run them."""

import numpy as np

ORDER = 4


def power_response(high_pass_hz: np.ndarray, low_pass_hz: np.ndarray, bins: int, sample_rate_hz: int) -> np.ndarray:
    """The power that both filters leave (batch, bins), bins from 0 Hz to half the sample rate; 0 Hz is no filter.

    The response of `scipy.signal.butter(4, hz, fs=sample_rate_hz)` squared (bilinear transform): 1 / (1 + x^8), x the
    ratio of the warped frequencies.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        warped = np.tan(np.linspace(0, np.pi / 2, bins))
        high, low = (np.tan(np.pi * hz[:, None] / sample_rate_hz) for hz in (high_pass_hz, low_pass_hz))
        high_passed = 1 / (1 + (high / np.maximum(warped, 1e-12)) ** (2 * ORDER))
        low_passed = 1 / (1 + (warped / low) ** (2 * ORDER))
    return np.where(high > 0, high_passed, 1.0) * np.where(low > 0, low_passed, 1.0)
