"""The participants' way to a mashup: decode the stems, stretch them as waveforms, mix, extract with a library."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from messy_mashup.data.bank import Bank
from messy_mashup.features.frame_spec import FrameSpec
from messy_mashup.mashup.arrangement import Arrangements
from messy_mashup.mashup.stretch import Stretch, time_stretch
from messy_mashup.recipe import ASTRecipe, ResNet34Recipe
from messy_mashup.torchvision_import import import_torchvision

RATE_HZ = 16_000
Voice = Callable[[Arrangements, int, int], np.ndarray]
Extract = Callable[[np.ndarray], torch.Tensor]


def stretched(wave: np.ndarray, rate: float, stretch: Stretch) -> np.ndarray:
    """A wave at RATE_HZ played `rate` times as fast: by librosa as participants call it, or by Signalsmith Stretch."""
    if rate == 1 or stretch != "librosa":
        return time_stretch(wave, rate, RATE_HZ, stretch)
    import librosa

    return librosa.effects.time_stretch(wave, rate=rate)


class PlainMashups:
    """Mixes arrangements from the files that a bank was built from; the order of levels is the frame domain's."""

    stretch: Stretch = "librosa"

    def __init__(self, bank: Bank, data: Path, heard_s: float) -> None:
        self.files = [data / path for path in bank.index["path"]]
        self.length = bank.index["length"].to_numpy()
        self.heard_s = heard_s

    def wave(self, mashups: Arrangements, row: int, voice: Voice) -> np.ndarray:
        """What a model hears of one mashup: float32 (samples,)."""
        gains = mashups.voice_gain[row]
        waves = [voice(mashups, row, number) for number in range(len(gains))]
        length = min(map(len, waves))
        music = sum(gain * wave[:length] for gain, wave in zip(gains, waves, strict=True))
        music /= np.abs(music).max() or 1
        for burst in np.flatnonzero(mashups.burst_clip[row] >= 0):
            noise = self._load(mashups.burst_clip[row, burst])
            noise *= mashups.burst_gain[row, burst] / (np.abs(noise).max() or 1)
            at = int(mashups.burst_at_s[row, burst] * RATE_HZ) % length  # a crop is shorter than its mashup
            music[at : at + len(noise)] += noise[: length - at]
        music /= np.abs(music).max() or 1
        heard = round(self.heard_s * RATE_HZ)
        begin = int(mashups.heard_at[row] * max(0, length - heard))
        return music[begin : begin + heard].astype(np.float32)

    def whole_voice(self, mashups: Arrangements, row: int, voice: int) -> np.ndarray:
        """A whole stem at its tempo."""
        wave = self._load(mashups.voice_clip[row, voice])
        return stretched(wave, mashups.voice_rate[row, voice], self.stretch)

    def cropped_voice(self, mashups: Arrangements, row: int, voice: int) -> np.ndarray:
        """So much of a stem, at its tempo, as a model hears."""
        rate, clip = mashups.voice_rate[row, voice], mashups.voice_clip[row, voice]
        size = int(self.heard_s * RATE_HZ * rate) + 1
        begin = int(mashups.heard_at[row] * max(0, self.length[clip] - size))
        return stretched(self._load(clip, slice(begin, begin + size)), rate, self.stretch)

    def _load(self, clip: int, part: slice = slice(None)) -> np.ndarray:
        import librosa

        return librosa.load(self.files[clip], sr=RATE_HZ)[0][part]


class CachedMashups(PlainMashups):
    """The same from decoded clips on disk, of which only what is heard is read, stretched by Signalsmith Stretch."""

    stretch: Stretch = "signalsmith"

    def __init__(self, bank: Bank, data: Path, heard_s: float) -> None:
        super().__init__(bank, data, heard_s)
        self.samples, self.begin = bank.samples, bank.index["offset"].to_numpy()
        self.scale = bank.index["scale"].to_numpy(np.float32)

    def _load(self, clip: int, part: slice = slice(None)) -> np.ndarray:
        begin = self.begin[clip]
        return self.samples[begin : begin + self.length[clip]][part] * self.scale[clip]


def extractor(recipe: ASTRecipe | ResNet34Recipe, spec: FrameSpec) -> Extract:
    """The library's own front-end of a backbone: a wave (samples,) to float32 (frames, mels)."""
    return _ast_extractor(recipe, spec) if isinstance(recipe, ASTRecipe) else _librosa_extractor(spec)


def _ast_extractor(recipe: ASTRecipe, spec: FrameSpec) -> Extract:
    import_torchvision()
    from transformers import ASTFeatureExtractor

    extract = ASTFeatureExtractor(max_length=spec.frames_in(recipe.heard_s))
    return lambda wave: extract(wave, sampling_rate=RATE_HZ, return_tensors="pt").input_values[0]


def _librosa_extractor(spec: FrameSpec) -> Extract:
    import librosa

    bands = {"n_mels": spec.mels, "fmin": spec.low_hz, "fmax": spec.high_hz}

    def extract(wave: np.ndarray) -> torch.Tensor:
        power = librosa.feature.melspectrogram(y=wave, sr=RATE_HZ, n_fft=spec.fft, hop_length=spec.hop, **bands)
        levels = librosa.power_to_db(power, amin=spec.floor, top_db=None)
        return torch.from_numpy((levels.T - spec.mean) / spec.divisor).float()

    return extract
