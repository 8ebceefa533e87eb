"""The stems of a bank as they are searched for in mashups: their levels in narrow bands, and their whitened spectra."""

import numpy as np
import torch
from torch.nn.functional import avg_pool1d, pad

from messy_mashup.data.bank import Bank
from messy_mashup.features.frame_spec import librosa_log_mel
from messy_mashup.features.logmel import wave_log_mel

# Windows of 128 ms part the partials of a bass; every 8 ms, so that any rate finds its windows to 4 ms.
SPEC = librosa_log_mel(mels=80, hop=128, fft=2048)
FRAME_S = SPEC.hop / SPEC.sample_rate_hz
# Only what stands out in its band and in the clip is likely to be heard through three other voices.
BELOW_BAND_DB, BELOW_CLIP_DB = 12.0, 50.0
LOUD_SHARE = 0.95
MEAN_FRAMES = 63  # half a second: a pattern is compared with what is around it, so level and colour do not count
CLIP_DB = 15.0
WHITENED_HZ = (60.0, 3000.0)
COLOUR_HZ = 30.0  # spectra are whitened by their own magnitudes, averaged over so much


class VoiceCatalogue:
    """The stems of a bank on one device.

    clip, part, song: (stems,) the clip numbers, and what stem of which song each is.
    """

    def __init__(self, bank: Bank, device: torch.device | str = "cpu") -> None:
        if bank.sample_rate_hz != SPEC.sample_rate_hz:
            raise ValueError(f"the bank is at {bank.sample_rate_hz} Hz, the search at {SPEC.sample_rate_hz} Hz")
        self.bank, self.device = bank, torch.device(device)
        self.clip = bank.select("stem")
        self.part = bank.index["part"].to_numpy(str)[self.clip]
        self.song = bank.index["group"].to_numpy(str)[self.clip]
        self.length = bank.index["length"].to_numpy()[self.clip]
        patterns = [pattern(levels_db(self.wave(stem))).half() for stem in range(len(self.clip))]
        self._frames = torch.cat([*patterns, torch.zeros(1, SPEC.mels, dtype=torch.half, device=self.device)])
        self._count = np.array([len(frames) for frames in patterns], np.int64)
        self._first = np.cumsum(self._count) - self._count

    def __len__(self) -> int:
        return len(self.clip)

    def wave(self, stem: int) -> torch.Tensor:
        """The stem in that place of the catalogue: float32 (samples,)."""
        return torch.from_numpy(self.bank.wave(self.clip[stem])).to(self.device)

    def patterns(self, stems: np.ndarray, rate: float, hop: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The patterns of stems at a rate, a frame for every `hop` of a mashup's: (stems, frames, bands), zero past
        their ends, and the number of frames of each (stems,).
        """
        count = np.floor((self._count[stems] - 1) / (rate * hop)).astype(np.int64) + 1
        frame = np.round(np.arange(count.max()) * rate * hop).astype(np.int64)
        silent = len(self._frames) - 1
        row = np.where(np.arange(len(frame)) < count[:, None], self._first[stems][:, None] + frame, silent)
        rows = torch.from_numpy(row).to(self.device)
        return self._frames[rows].float(), torch.from_numpy(count).to(self.device)


def levels_db(wave: torch.Tensor) -> torch.Tensor:
    """The levels of a wave (samples,) in the bands of SPEC: (frames, bands) in dB."""
    return wave_log_mel(wave, SPEC) * SPEC.divisor + SPEC.mean


def pattern(levels: torch.Tensor) -> torch.Tensor:
    """What of levels in dB (frames, bands) is compared: how far each stands out of its half second, in dB."""
    loud = torch.quantile(levels, LOUD_SHARE, dim=0) - BELOW_BAND_DB
    heard = torch.maximum(levels, loud.clamp(min=float(levels.max()) - BELOW_CLIP_DB))
    edges = pad(heard.T[None], (MEAN_FRAMES // 2, MEAN_FRAMES // 2), mode="replicate")
    return (heard - avg_pool1d(edges, MEAN_FRAMES, 1)[0].T).clamp_(-CLIP_DB, CLIP_DB)


def whitening(wave: torch.Tensor, size: int) -> torch.Tensor:
    """By what each bin of a spectrum of `size` samples is divided: the wave's own magnitudes, averaged; infinite
    outside WHITENED_HZ, where nothing is compared, and for digital silence.
    """
    magnitude = torch.fft.rfft(wave, size).abs()
    half = max(1, round(COLOUR_HZ / 2 * size / SPEC.sample_rate_hz))
    # By a running sum, because a bin's mean is over hundreds of bins
    before = pad(pad(magnitude[None, None], (half, half), mode="replicate")[0, 0].double().cumsum(0), (1, 0))
    colour = ((before[2 * half + 1 :] - before[: -2 * half - 1]) / (2 * half + 1)).clamp(min=0).float()
    hertz = torch.arange(len(colour), device=wave.device) * (SPEC.sample_rate_hz / size)
    compared = (hertz >= WHITENED_HZ[0]) & (hertz <= WHITENED_HZ[1]) & (colour > 0)
    return torch.where(compared, colour, torch.inf)
