"""The stems of a bank as they are searched for in mashups: their levels in narrow bands, and their whitened spectra."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction

import numpy as np
import torch
from torch.nn.functional import avg_pool1d, embedding, pad

from messy_mashup.data.bank import Bank
from messy_mashup.errors import UserError
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
NARROW = Fraction(2, 5)  # of the bank's rate, which is enough for the whitened band
WHITENED_BYTES = 1_600_000_000  # of whitened stems are kept, 4000 of 30 s; where they take more they are made anew
FRAMES_AT_ONCE = 1 << 14
ANY_OFFSET_S = (-np.inf, np.inf)
LEAST_S = 1.0  # of a mashup


@contextmanager
def one_thread() -> Iterator[None]:
    """PyTorch on one thread: a search is many small steps, at each of which threads wait for one another, for far
    longer than the step takes where the cores have other work too.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


class VoiceCatalogue:
    """The stems of a bank on one device.

    clip, part, song: (stems,) the clip numbers, and what stem of which song each is.
    usual_likeness: (stems,) by the length and offsets of a search, as pattern_likeness.py has measured it.
    """

    @one_thread()
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
        self._energy = torch.cat([portion.float().square().sum(1) for portion in self._frames.split(FRAMES_AT_ONCE)])
        self._count = np.array([len(frames) for frames in patterns], np.int64)
        self._first = np.cumsum(self._count) - self._count
        self._whitened: list[torch.Tensor] = []
        self.usual_likeness: dict[tuple[float, tuple[float, float]], np.ndarray] = {}

    def __len__(self) -> int:
        return len(self.clip)

    def wave(self, stem: int) -> torch.Tensor:
        """The stem in that place of the catalogue: float32 (samples,)."""
        return torch.from_numpy(self.bank.wave(self.clip[stem])).to(self.device)

    def heard(self, waves: Sequence[np.ndarray]) -> list[torch.Tensor]:
        """Mashups (samples,) at the bank's rate, on the device; UserError where one is shorter than LEAST_S."""
        for number, wave in enumerate(waves):
            if len(wave) < LEAST_S * self.bank.sample_rate_hz:
                raise UserError(f"mashup {number} is shorter than {LEAST_S:g} s, too short to search: leave it out")
        return [torch.from_numpy(np.ascontiguousarray(wave, np.float32)).to(self.device) for wave in waves]

    def apart_from(self, stems: Sequence[int]) -> np.ndarray:
        """Which stems are of other parts and other songs than these: (stems,) bool."""
        return ~np.isin(self.part, self.part[list(stems)]) & ~np.isin(self.song, self.song[list(stems)])

    def rows(self, stems: np.ndarray, rate: float, hop: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Where the patterns of stems at a rate lie, a frame for every `hop` of a mashup's: (stems, frames), silent
        past their ends, and the number of frames of each (stems,).
        """
        count = np.floor((self._count[stems] - 1) / (rate * hop)).astype(np.int64) + 1
        frame = np.round(np.arange(count.max()) * rate * hop).astype(np.int64)
        silent = len(self._frames) - 1
        row = np.where(np.arange(len(frame)) < count[:, None], self._first[stems][:, None] + frame, silent)
        return torch.from_numpy(row).to(self.device), torch.from_numpy(count).to(self.device)

    def patterns(self, rows: torch.Tensor) -> torch.Tensor:
        """The patterns in rows (stems, frames): (stems, frames, bands)."""
        return embedding(rows, self._frames).float()

    def energies(self, rows: torch.Tensor) -> torch.Tensor:
        """The sums of squares of the patterns in rows (stems, frames), over the bands."""
        return self._energy[rows]

    def whitened(self, stems_at_once: int) -> Iterator[torch.Tensor]:
        """All stems at the narrow rate, whitened by their own spectra: (stems, points), zero past their ends."""
        points = int(self.length.max() * NARROW)
        if self._whitened:
            whole = self._whitened[0]
        elif 2 * len(self) * points <= WHITENED_BYTES:
            whole = torch.zeros(len(self), points, dtype=torch.half, device=self.device)
            for stem in range(len(self)):
                wave = self._whitened_stem(stem)
                whole[stem, : len(wave)] = wave
            self._whitened.append(whole)
        else:
            for start in range(0, len(self), stems_at_once):
                waves = [self._whitened_stem(stem) for stem in range(start, min(start + stems_at_once, len(self)))]
                yield torch.stack([pad(wave, (0, points - len(wave))) for wave in waves])
            return
        yield from (portion.float() for portion in whole.split(stems_at_once))

    def _whitened_stem(self, stem: int) -> torch.Tensor:
        """(points,), of about the same energy whatever the stem's level."""
        wave = self.wave(stem)
        size = narrow_size(len(wave))
        spectrum = narrow_spectrum(wave, size)
        return torch.fft.irfft(spectrum / whitening(spectrum, size), norm="ortho")[: int(len(wave) * NARROW)]


def levels_db(wave: torch.Tensor) -> torch.Tensor:
    """The levels of a wave (samples,) in the bands of SPEC: (frames, bands) in dB."""
    return wave_log_mel(wave, SPEC) * SPEC.divisor + SPEC.mean


def pattern(levels: torch.Tensor) -> torch.Tensor:
    """What of levels in dB (frames, bands) is compared: how far each stands out of its half second, in dB."""
    loud = _quantile(levels, LOUD_SHARE) - BELOW_BAND_DB
    heard = torch.maximum(levels, loud.clamp(min=float(levels.max()) - BELOW_CLIP_DB))
    edges = pad(heard.T[None], (MEAN_FRAMES // 2, MEAN_FRAMES // 2), mode="replicate")
    return (heard - avg_pool1d(edges, MEAN_FRAMES, 1)[0].T).clamp_(-CLIP_DB, CLIP_DB)


def _quantile(levels: torch.Tensor, share: float) -> torch.Tensor:
    """A high quantile of each column, (columns,): the highest values alone need sorting."""
    place = share * (len(levels) - 1)
    highest = levels.topk(len(levels) - int(place), dim=0).values
    return torch.lerp(highest[-1], highest[max(-2, -len(highest))], place - int(place))


def narrow_size(samples: int) -> int:
    """An FFT for at least so many samples at the bank's rate, whose lowest bins are one at the narrow rate."""
    from scipy.fft import next_fast_len

    return 10 * next_fast_len(-(-samples // 10))


def narrow_spectrum(wave: torch.Tensor, size: int) -> torch.Tensor:
    """The bins of an FFT of `size` up to half the narrow rate: (size x NARROW / 2 + 1,)."""
    return torch.fft.rfft(wave, size)[: size * NARROW.numerator // (2 * NARROW.denominator) + 1]


def whitening(spectrum: torch.Tensor, size: int) -> torch.Tensor:
    """By what each bin of a narrow spectrum is divided: its own magnitudes, averaged; infinite outside WHITENED_HZ,
    where nothing is compared, and for digital silence.

    size: of the FFT at the bank's rate.
    """
    half = max(1, round(COLOUR_HZ / 2 * size / SPEC.sample_rate_hz))
    # By a running sum, because a bin's mean is over hundreds of bins
    padded = pad(spectrum.abs()[None, None], (half, half), mode="replicate")[0, 0]
    before = pad(padded.double().cumsum(0), (1, 0))
    colour = ((before[2 * half + 1 :] - before[: -2 * half - 1]) / (2 * half + 1)).clamp(min=0).float()
    hertz = torch.arange(len(colour), device=spectrum.device) * (SPEC.sample_rate_hz / size)
    compared = (hertz >= WHITENED_HZ[0]) & (hertz <= WHITENED_HZ[1]) & (colour > 0)
    return torch.where(compared, colour, torch.inf)
