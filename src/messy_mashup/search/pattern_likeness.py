"""How alike mashups are to stems at any rate and lag, by the patterns of their levels, which a phase vocoder hardly
changes.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch.nn.functional import pad
from torch.nn.utils.rnn import pad_sequence

from messy_mashup.search.voice_catalogue import FRAME_S, VoiceCatalogue, levels_db, pattern

RATES = (0.78, 1.25)
DRIFT_S = 0.08  # of a voice against its mashup, from begin to end, between neighbouring rates of the search
HOP = 4  # frames of the catalogue
STEMS_AT_ONCE = 128
LEAST_OVERLAP = 0.6  # of the mashup, or of the stem where that is shorter
LEAST_ENERGY = 0.5  # of what a stem has on average in a mashup's length
FEW_LAGS = 12  # for which no transform is needed
CHANCE = 16  # mixtures of the bank's own stems, which tell how alike a stem is to what it is not in
CHANCE_VOICES = 4  # in each
FINE = 6  # rates between two of the search's, when a voice has been found


def best_likeness(
    patterns: list[torch.Tensor], length_s: float, catalogue: VoiceCatalogue, offset_s: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """The best correlation of each mashup's pattern with each stem over rates and offsets, and the rate it has there:
    (mashups, stems) each. length_s: which the rates are fine enough for.
    """
    stems = np.arange(len(catalogue))
    heard = _Heard.of([frames[::HOP] for frames in patterns])
    best = np.full((len(patterns), len(stems)), -1.0)
    rates = np.ones_like(best)
    for rate in search_rates(length_s):
        for start in range(0, len(stems), STEMS_AT_ONCE):
            some = slice(start, start + STEMS_AT_ONCE)
            height, _ = _correlations(heard, stems[some], rate, HOP, catalogue, offset_s)
            rates[:, some] = np.where(height > best[:, some], rate, rates[:, some])
            best[:, some] = np.maximum(best[:, some], height)
    return best, rates


def search_rates(length_s: float) -> np.ndarray:
    """The rates that a mashup so long is searched at: the longer, the finer."""
    steps = int(np.ceil(np.log(RATES[1] / RATES[0]) * length_s / DRIFT_S))
    return np.geomspace(*RATES, steps + 1)


def refined(
    heard: torch.Tensor, stem: int, rate: float, catalogue: VoiceCatalogue, offset_s: tuple[float, float]
) -> tuple[float, float]:
    """The rate, to a fraction of the search's step, and the offset in seconds at which a stem is most alike."""
    rates = search_rates(len(heard) * FRAME_S)
    fine = rate * (rates[1] / rates[0]) ** (np.arange(-FINE, FINE + 1) / FINE)
    whole, one = _Heard.of([heard]), np.array([stem])
    heights, lags = zip(*(_correlations(whole, one, value, 1, catalogue, offset_s) for value in fine), strict=True)
    best = int(np.argmax([height[0, 0] for height in heights]))
    return float(fine[best]), float(lags[best][0, 0] * FRAME_S * fine[best])


def usual_likeness(length_s: float, catalogue: VoiceCatalogue, offset_s: tuple[float, float]) -> np.ndarray:
    """How alike each stem is to mixtures of such a length that it is not in, measured once: (stems,)."""
    if (length_s, offset_s) not in catalogue.usual_likeness:
        chance = _chance(round(length_s * catalogue.bank.sample_rate_hz), catalogue)
        likeness, _ = best_likeness(chance, length_s, catalogue, offset_s)
        catalogue.usual_likeness[length_s, offset_s] = np.median(likeness, axis=0)
    return catalogue.usual_likeness[length_s, offset_s]


def _chance(samples: int, catalogue: VoiceCatalogue) -> list[torch.Tensor]:
    """The patterns of mixtures of four stems each; few stems are in any, so a median over them is of wrong ones."""
    generator = np.random.default_rng(0)
    mixtures = []
    for _ in range(CHANCE):
        mixed = torch.zeros(samples, device=catalogue.device)
        for stem in generator.integers(0, len(catalogue), CHANCE_VOICES).tolist():
            wave = catalogue.wave(stem)[:samples]
            mixed[: len(wave)] += wave / wave.square().mean().sqrt().clamp(min=1e-6)
        mixtures.append(pattern(levels_db(mixed)))
    return mixtures


class _Heard(NamedTuple):
    """Mashups that are compared together: patterns (mashups, frames, bands), zero past the ends, the number of frames
    of each (mashups,), and the energy before each frame (mashups, frames + 1).
    """

    patterns: torch.Tensor
    frames: torch.Tensor
    energy: torch.Tensor

    @classmethod
    def of(cls, patterns: list[torch.Tensor]) -> "_Heard":
        whole = pad_sequence(patterns, batch_first=True)
        frames = torch.tensor([len(heard) for heard in patterns], device=whole.device)
        return cls(whole, frames, _running_sum(whole.square().sum(2)))


def _correlations(
    heard: _Heard, stems: np.ndarray, rate: float, hop: int, catalogue: VoiceCatalogue, offset_s: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Over all lags the highest correlation of mashups with stems at a rate, and its lag in the
    mashup's frames, one every `hop` of the catalogue's: (mashups, stems) each.
    """
    rows, counts = catalogue.rows(stems, rate, hop)
    least = (LEAST_OVERLAP * heard.frames.clamp(max=rows.shape[1])).long()
    earliest, latest = np.array(offset_s) / (rate * hop * FRAME_S)
    first = int(np.ceil(max(int((least - heard.frames).min()), earliest - 0.5)))
    last = int(np.floor(min(rows.shape[1] - int(least.min()), latest + 0.5)))
    lag = torch.arange(min(first, last), last + 1, device=rows.device)
    value = _products(heard.patterns, rows, lag, catalogue)
    frames, counts, least = heard.frames[:, None, None], counts[:, None], least[:, None, None]
    voice_energy = _running_sum(catalogue.energies(rows))
    # Where a stem is nearly silent, little is alike by chance: at least half of what it usually has is asked for
    usual = LEAST_ENERGY * voice_energy[:, -1:] * (frames / counts).clamp(max=1)
    begin = lag.clamp(min=0).expand(len(stems), -1)
    overlap = (torch.minimum(lag + frames, counts) - begin).clamp(min=0)  # (mashups, stems, lags)
    stem = torch.arange(len(stems), device=rows.device)[:, None]
    mashup = torch.arange(len(frames), device=rows.device)[:, None, None]
    begin = begin.clamp(max=rows.shape[1])
    energy = torch.maximum(voice_energy[stem, begin + overlap] - voice_energy[stem, begin], usual)
    energy *= heard.energy[mashup, begin - lag + overlap] - heard.energy[mashup, begin - lag]
    # Of a short overlap more is by chance
    value = value / energy.clamp(min=1e-3).sqrt() * (overlap / frames).sqrt() * (overlap >= least)
    height, at = value.max(dim=2)
    return height.cpu().numpy(), lag[at].cpu().numpy()


def _products(patterns: torch.Tensor, rows: torch.Tensor, lag: torch.Tensor, catalogue: VoiceCatalogue) -> torch.Tensor:
    """The sums of products of mashups (mashups, frames, bands) with the stems in rows (stems, frames) at lags, which
    follow one another: (mashups, stems, lags).
    """
    from scipy.fft import next_fast_len

    frames = patterns.shape[1]
    if len(lag) > FEW_LAGS:
        size = next_fast_len(rows.shape[1] + frames)
        stems = catalogue.patterns(rows)
        voices = torch.fft.rfft(stems.transpose(1, 2).contiguous(), size).permute(2, 1, 0)  # (bins, bands, stems)
        mixed = torch.fft.rfft(patterns, size, dim=1).transpose(0, 1).conj()
        return torch.fft.irfft(torch.matmul(mixed, voices).permute(1, 2, 0), size)[:, :, lag % size]
    width = max(1, min(rows.shape[1], frames + int(lag[-1])))
    stems = catalogue.patterns(rows[:, :width])
    # Frame t of a mashup is the stem's frame t + lag
    moved = torch.stack([pad(patterns, (0, 0, value, width - frames - value)) for value in lag.tolist()], dim=1)
    products = moved.flatten(0, 1).flatten(1) @ stems.flatten(1).T
    return products.view(len(patterns), len(lag), -1).transpose(1, 2)


def _running_sum(values: torch.Tensor) -> torch.Tensor:
    """(rows, n) to (rows, n + 1): the sum of all before each place."""
    return pad(values, (1, 0)).cumsum(1)
