"""Clips described by a few numbers that a person can read, to see in what simulated mashups differ from the test's.

A clip is the log-mel of a wave at peak 1, as `MashupPlayer.whole_log_mel` plays a mashup and `file_log_mel` reads a
file. Levels are in decibels relative to a full-scale peak: a sine at peak 1 has -3 dB.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
import torch

from messy_mashup.compiled import load_librosa
from messy_mashup.features.frame_spec import FrameSpec

DESCRIPTORS = (
    "length_s",
    "level_db",  # RMS of the whole clip
    "level_range_db",  # from the 10th to the 90th percentile of the frames' levels
    "begin_db",  # level of the first EDGE_S above that of the whole clip
    "end_db",  # of the last
    "silent_share",  # of the frames, below SILENT_DB
    "burst_db",  # the loudest stretch of BURST_S above the median one
    "burst_colour_db",  # how far the bands of the oddest such stretch are from the clip's median ones, level apart
    "flatness",  # 0: a tone, 1: white noise; this and what follows: medians over the frames that sound
    "centroid_hz",
    "bandwidth_hz",
    "rolloff_hz",  # 85 % of the amplitude lies below
    "low_db",  # power below LOW_HZ, above that of the whole clip
    "high_db",  # power beyond HIGH_HZ
    "contrast_db",  # mean difference of neighbouring bands
    "flux_db",  # mean difference of neighbouring frames
    "onsets_per_s",
    "tempo_bpm",  # 0 where nothing repeats
    "pulse",  # autocorrelation of the onsets at that tempo: 0 to 1
)
SILENT_DB = -60.0
RANGE_DB = 80.0  # what lies further below a clip's loudest band is not heard; files of 16 bits round there
BURST_S = 1.0  # at most half the clip
EDGE_S = 0.25
LOW_HZ, HIGH_HZ = 200.0, 4000.0
SLOWEST_BPM = 30.0
FEWEST_FRAMES = 8


@dataclass(frozen=True)
class _Clip:
    """What the descriptors are made of."""

    spec: FrameSpec
    levels: np.ndarray  # (frames, mels) dB, not below the clip's range
    power: np.ndarray  # (frames, mels) of each band; a frame's powers add up to its mean square
    frame_db: np.ndarray  # (frames,)
    sounding: np.ndarray  # (frames,) bool; where nothing does, the loudest frames


def describe(log_mel: torch.Tensor | np.ndarray, spec: FrameSpec) -> pd.Series:
    """The DESCRIPTORS of one whole clip's log-mel (frames, mels), all finite."""
    levels_db = decibels(log_mel, spec)
    power = 10 ** (levels_db / 10) * _band_weights(spec)
    frame_db = _decibels(power.sum(axis=1))
    sounding = frame_db >= min(SILENT_DB, frame_db.max())
    clip = _Clip(spec, np.maximum(levels_db, levels_db.max() - RANGE_DB), power, frame_db, sounding)
    numbers = _levels(clip) | _bursts(clip) | _colour(clip) | _rhythm(clip)
    return pd.Series(numbers)[list(DESCRIPTORS)]


def describe_all(log_mels: Iterable[torch.Tensor | np.ndarray], spec: FrameSpec) -> pd.DataFrame:
    """A row of DESCRIPTORS a clip."""
    return pd.DataFrame([describe(log_mel, spec) for log_mel in log_mels], columns=list(DESCRIPTORS))


def decibels(log_mel: torch.Tensor | np.ndarray, spec: FrameSpec) -> np.ndarray:
    """A normalised log-mel (frames, mels) in decibels, float64.

    ValueError where there are fewer than FEWEST_FRAMES, the bands are others, a level is not finite, or the front-end
    filters before it listens.
    """
    if spec.pre_emphasis:
        raise ValueError("a front-end with pre-emphasis hears no levels: describe clips by one without")
    levels = np.asarray(log_mel, np.float64)
    if levels.ndim != 2 or levels.shape[0] < FEWEST_FRAMES or levels.shape[1] != spec.mels:
        raise ValueError(f"a clip to describe is ({FEWEST_FRAMES} frames or more, {spec.mels}), this is {levels.shape}")
    if not np.isfinite(levels).all():
        raise ValueError("a log-mel to describe holds values that are not finite")
    return levels * spec.divisor * (10 / np.log(10) if spec.log == "natural" else 1.0) + _mean_db(spec)


def band_edges_hz(spec: FrameSpec) -> np.ndarray:
    """Band b reaches from edge b over edge b + 1, its middle, to edge b + 2: (mels + 2,)."""
    mel_frequencies = load_librosa().mel_frequencies
    return mel_frequencies(spec.mels + 2, fmin=spec.low_hz, fmax=spec.high_hz, htk=spec.mel_scale != "slaney")


@lru_cache(maxsize=16)
def _band_weights(spec: FrameSpec) -> np.ndarray:
    """What the bands' values are multiplied by so that a frame's add up to its mean square: (mels,).

    Triangles of height 1 add up to 1 at every frequency; Slaney's have the height 2 / width.
    """
    edges_hz = band_edges_hz(spec)
    height = 2 / (edges_hz[2:] - edges_hz[:-2]) if spec.mel_norm == "slaney" else np.ones(spec.mels)
    shape = np.hanning(spec.window + 1)[:-1] if spec.window_shape == "hann_periodic" else np.hanning(spec.window)
    return 2 / (spec.fft * np.square(shape).sum()) / height


def _mean_db(spec: FrameSpec) -> float:
    return spec.mean * (10 / np.log(10) if spec.log == "natural" else 1.0)


def _levels(clip: _Clip) -> dict[str, float]:
    frames, frame_s = len(clip.frame_db), clip.spec.hop / clip.spec.sample_rate_hz
    edge = min(frames // 2, round(EDGE_S / frame_s))
    mean_square = clip.power.sum(axis=1)
    level_db = _decibels(mean_square.mean())
    low_db, high_db = np.percentile(clip.frame_db, [10, 90])
    return {
        "length_s": (frames - 1) * frame_s + (0.0 if clip.spec.centred else clip.spec.window * frame_s / clip.spec.hop),
        "level_db": level_db,
        "level_range_db": high_db - low_db,
        "begin_db": _decibels(mean_square[:edge].mean()) - level_db,
        "end_db": _decibels(mean_square[-edge:].mean()) - level_db,
        "silent_share": np.mean(clip.frame_db < SILENT_DB),
    }


def _bursts(clip: _Clip) -> dict[str, float]:
    frames = len(clip.frame_db)
    size = min(frames // 2, round(BURST_S * clip.spec.sample_rate_hz / clip.spec.hop))
    loudness_db = _decibels(_running_mean(clip.power.sum(axis=1)[:, None], size))[:, 0]
    colour = _running_mean(clip.levels, size)
    colour -= colour.mean(axis=1, keepdims=True)
    return {
        "burst_db": loudness_db.max() - np.median(loudness_db),
        "burst_colour_db": np.abs(colour - np.median(colour, axis=0)).mean(axis=1).max(),
    }


def _colour(clip: _Clip) -> dict[str, float]:
    feature = load_librosa().feature
    middle_hz = band_edges_hz(clip.spec)[1:-1]
    density, power = (10 ** (clip.levels / 10)).T, clip.power.T
    amplitude = np.sqrt(power)
    centroid_hz = feature.spectral_centroid(S=amplitude, freq=middle_hz)
    mean_power = clip.power.mean(axis=0)
    by_frame = {
        "flatness": feature.spectral_flatness(S=density, power=1.0, amin=1e-20),
        "centroid_hz": centroid_hz,
        "bandwidth_hz": feature.spectral_bandwidth(S=amplitude, freq=middle_hz, centroid=centroid_hz),
        "rolloff_hz": feature.spectral_rolloff(S=amplitude, freq=middle_hz),
        "contrast_db": np.abs(np.diff(clip.levels.T, axis=0)).mean(axis=0, keepdims=True),
    }
    medians = {name: np.median(values[0, clip.sounding]) for name, values in by_frame.items()}
    return medians | {
        "low_db": _decibels(mean_power[middle_hz < LOW_HZ].sum()) - _decibels(mean_power.sum()),
        "high_db": _decibels(mean_power[middle_hz > HIGH_HZ].sum()) - _decibels(mean_power.sum()),
    }


def _rhythm(clip: _Clip) -> dict[str, float]:
    """Onsets by librosa; the tempo is where their autocorrelation is highest, under librosa's prior."""
    librosa = load_librosa()
    rate = {"sr": clip.spec.sample_rate_hz, "hop_length": clip.spec.hop}
    strength = librosa.onset.onset_strength(S=clip.levels.T, n_fft=clip.spec.fft, **rate)
    onsets = librosa.onset.onset_detect(onset_envelope=strength, **rate)
    frames_per_s = clip.spec.sample_rate_hz / clip.spec.hop
    longest = min(len(strength), round(60 / SLOWEST_BPM * frames_per_s) + 1)
    lagged = librosa.autocorrelate(strength - strength.mean(), max_size=longest)
    repeats = np.maximum(lagged, 0) / lagged[0] if lagged[0] > 0 else np.zeros(longest)
    # up to the first zero lies each onset's own width, which is no repetition
    repeats[: int(np.argmin(repeats > 0))] = 0
    bpm = float(librosa.feature.tempo(tg=repeats[:, None], **rate)[0]) if repeats.any() else 0.0
    return {
        "flux_db": np.abs(np.diff(clip.levels, axis=0)).mean(),
        "onsets_per_s": len(onsets) / len(strength) * frames_per_s,
        "tempo_bpm": bpm,
        "pulse": float(repeats[round(60 * frames_per_s / bpm)]) if bpm else 0.0,
    }


def _running_mean(values: np.ndarray, size: int) -> np.ndarray:
    """Means of every `size` neighbouring rows of (rows, columns)."""
    total = np.cumsum(np.concatenate([np.zeros((1, values.shape[1])), values]), axis=0)
    return np.maximum((total[size:] - total[:-size]) / size, values.min(axis=0))


def _decibels(power: np.ndarray | float) -> np.ndarray | float:
    return 10 * np.log10(power)
