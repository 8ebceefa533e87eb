"""The vocals of a mix, where a system hears those alone: by HPSS in two passes, which needs no weights, or by Demucs.

HPSS twice (FitzGerald and Gainza 2010, "Single channel vocal separation using median filtering and factorisation
techniques"; Tachibana, Ono and Sagayama 2014, "Singing voice enhancement in monaural music signals based on two-stage
HPSS"): through a window of half a second a voice, whose pitch moves, looks like percussion beside chords that stay, and
through one of 32 ms it looks harmonic beside drums. What is left below the lowest notes of singers is cut off.

A separation is named "hpss", or "demucs:FILE" with the weights' file (demucs_vocals.py). A bank that is built with one
holds vocals, and what is trained on it names the same one, so that a file from elsewhere is heard the same way.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np
import soxr
from scipy.signal import butter, sosfiltfilt

from messy_mashup.compiled import load_librosa
from messy_mashup.data.audio import audio_length, read_mono
from messy_mashup.errors import UserError
from messy_mashup.files import file_digest
from messy_mashup.paths import find_weights

HPSS, HPSS_VERSION = "hpss", 1  # the version goes up with any change of its sound
DEMUCS = "demucs:"
LONG_S, SHORT_S = 0.512, 0.032  # windows of the two passes
KERNEL = 17  # bins and frames of the median filters
LOWEST_HZ = 120.0
SILENT_SHARE = 1e-4  # of the mix's peak: -80 dB
DEMUCS_HZ = 44_100


def identity(name: str) -> str:
    """What a separation's sound depends on, the same on every machine; empty where none is named.

    UserError where there is no such separation, or no such file.
    """
    if not name:
        return ""
    if name == HPSS:
        return f"{HPSS} {HPSS_VERSION}"
    return f"demucs {_digest(_weights(name))}"


def absolute(name: str) -> str:
    """The name with the full path of its weights, which holds in whatever folder a worker is."""
    return f"{DEMUCS}{_weights(name)}" if name.startswith(DEMUCS) else name


def heard_wave(path: Path, sample_rate_hz: int, name: str) -> np.ndarray:
    """A file as a system with that separation hears it: float32 (samples,), as long as `read_mono` gives it.

    UserError where there are no vocals in it: silence is never put in their place.
    """
    if not name:
        return read_mono(path, sample_rate_hz)
    if name == HPSS:
        wave = read_mono(path, sample_rate_hz)
        vocals = hpss_vocals(wave, sample_rate_hz)
    else:
        wave = read_mono(path, DEMUCS_HZ)
        vocals = _demucs_vocals(wave, path, sample_rate_hz, name)
    if np.abs(vocals).max() <= SILENT_SHARE * np.abs(wave).max():
        raise UserError(f"{path}: {name} finds no vocals in it: remove it, or hear clips whole (no separation)")
    return vocals


def hpss_vocals(wave: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """The vocals of a mono mix by HPSS in two passes: float32 (samples,)."""
    size, hop = _window(LONG_S, sample_rate_hz)
    padded = np.pad(wave, (0, max(0, size - len(wave))))
    moving = _part(padded, size, hop, percussive=True)
    voiced = _part(moving, *_window(SHORT_S, sample_rate_hz), percussive=False)
    high_pass = butter(4, LOWEST_HZ, "highpass", fs=sample_rate_hz, output="sos")
    return sosfiltfilt(high_pass, voiced)[: len(wave)].astype(np.float32)


def refuse_other(held: str, name: str, bank: Path) -> None:
    """UserError where a bank holds clips of another separation (its identity) than the one a system names."""
    if held == identity(name):
        return
    told = f"the vocals of its clips ({held})" if held else "its clips whole"
    wanted = f"build.py --separated {name}" if name else "build.py without --separated"
    other = "; or hear clips whole with --set backbone.separated=''" if name else ""
    raise UserError(f"{bank} holds {told}, the recipe hears {name or 'clips whole'}: run {wanted}{other}")


def _window(seconds: float, sample_rate_hz: int) -> tuple[int, int]:
    """Samples of a window, and of its hop."""
    size = round(seconds * sample_rate_hz)
    return size, size // 4


def _part(wave: np.ndarray, size: int, hop: int, percussive: bool) -> np.ndarray:
    librosa = load_librosa()
    spectrum = librosa.stft(wave, n_fft=size, hop_length=hop)
    parts = librosa.decompose.hpss(spectrum, kernel_size=KERNEL)
    return librosa.istft(parts[percussive], n_fft=size, hop_length=hop, length=len(wave))


def _demucs_vocals(wave: np.ndarray, path: Path, sample_rate_hz: int, name: str) -> np.ndarray:
    from messy_mashup.data.demucs_vocals import demucs_vocals

    vocals = soxr.resample(demucs_vocals(wave, _weights(name)), DEMUCS_HZ, sample_rate_hz, quality="HQ")
    length = audio_length(path, sample_rate_hz)
    return np.pad(vocals[:length], (0, max(0, length - len(vocals)))).astype(np.float32, copy=False)


def _weights(name: str) -> Path:
    """The file of Demucs' weights that a separation names, by its path or below the inputs."""
    file = name.removeprefix(DEMUCS)
    if not name.startswith(DEMUCS) or not file:
        raise UserError(f"there is no separation {name!r}: there are hpss, and demucs:FILE with its weights' file")
    path = find_weights(file, lambda folder: any(folder.glob("*.safetensors")))
    found = sorted(path.glob("*.safetensors")) if path and path.is_dir() else [path]
    if path is None or len(found) != 1:
        raise UserError(f"there is no file {file} of Demucs' weights: get it, and name it as demucs:FILE")
    return found[0].resolve()


@lru_cache(maxsize=4)
def _digest(path: Path) -> str:
    return file_digest(path).hex()[:16]
