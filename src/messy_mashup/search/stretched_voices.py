"""Voices at any rate are found in a mashup by the patterns of their levels, which a phase vocoder hardly changes."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch.nn.functional import pad
from torch.nn.utils.rnn import pad_sequence

from messy_mashup.search.power_gains import fitted, power
from messy_mashup.search.voice_catalogue import ANY_OFFSET_S, FRAME_S, VoiceCatalogue, levels_db, pattern

RATES = (0.78, 1.25)
DRIFT_S = 0.08  # of a voice against its mashup, from begin to end, between neighbouring rates of the search
HOP = 4  # frames of the catalogue
STEMS_AT_ONCE = 128
LEAST_OVERLAP = 0.6  # of the mashup, or of the stem where that is shorter
LEAST_ENERGY = 0.5  # of what a stem has on average in a mashup's length
SIGNIFICANT = 8.0  # deviations above the middle of the wrong stems' maxima
ROUNDS = 4
FEW_LAGS = 12  # for which no transform is needed
CHANCE = 16  # mixtures of the bank's own stems, which tell how alike a stem is to what it is not in
FINE = 6  # rates between two of the search's, when a voice has been found


@dataclass(frozen=True)
class StretchedVoice:
    """A stem, by its place in the catalogue: at which rate, and where in it the mashup begins."""

    stem: int
    rate: float
    offset_s: float
    significance: float


@dataclass
class _Search:
    """One mashup while it is searched."""

    levels: torch.Tensor  # (frames, bands) in dB
    taken: list[int]  # stems whose part and song are found
    found: list[StretchedVoice]

    def unexplained(self, catalogue: VoiceCatalogue) -> torch.Tensor:
        """The pattern of what no found voice explains: (frames, bands)."""
        heard = pattern(self.levels)
        if self.found:
            explained, mixed = voices_power(self.found, len(self.levels), catalogue), power(self.levels)
            gain = fitted(mixed, explained)
            heard *= 1 - (torch.tensordot(gain, explained, 1) / mixed).clamp(max=1)
        return heard


def find_stretched(
    residuals: list[torch.Tensor],
    taken: list[list[int]],
    catalogue: VoiceCatalogue,
    offset_s: tuple[float, float] = ANY_OFFSET_S,
) -> list[list[StretchedVoice]]:
    """The voices of mashups (samples,) at any rate, of parts and songs that are not those of `taken`.

    offset_s: where in its stem a voice may begin; the narrower, the less is alike by chance.
    """
    searches = [_Search(levels_db(wave), list(stems), []) for wave, stems in zip(residuals, taken, strict=True)]
    usual = _usual(max(map(len, residuals)), catalogue, offset_s)
    searched = searches
    for _ in range(ROUNDS):
        searched = [search for search in searched if len(search.taken) < ROUNDS]
        if not searched:
            break
        patterns = [search.unexplained(catalogue) for search in searched]
        likeness, rates = best_likeness(patterns, catalogue, offset_s)
        rows = zip(searched, patterns, likeness - usual, rates, strict=True)
        searched = [search for search, *heard in rows if _accepted(search, *heard, catalogue, offset_s)]
    return [search.found for search in searches]


def _usual(samples: int, catalogue: VoiceCatalogue, offset_s: tuple[float, float]) -> np.ndarray:
    """How alike each stem is to mixtures of about so many samples that it is not in, measured once: (stems,)."""
    seconds = max(1, round(samples / catalogue.bank.sample_rate_hz))
    if (seconds, offset_s) not in catalogue.usual_likeness:
        chance = _chance(seconds * catalogue.bank.sample_rate_hz, catalogue)
        likeness, _ = best_likeness(chance, catalogue, offset_s)
        catalogue.usual_likeness[seconds, offset_s] = np.median(likeness, axis=0)
    return catalogue.usual_likeness[seconds, offset_s]


def _chance(samples: int, catalogue: VoiceCatalogue) -> list[torch.Tensor]:
    """The patterns of mixtures of four stems each; few stems are in any, so a median over them is of wrong ones."""
    generator = np.random.default_rng(0)
    mixtures = []
    for _ in range(CHANCE):
        mixed = torch.zeros(samples, device=catalogue.device)
        for stem in generator.integers(0, len(catalogue), ROUNDS).tolist():
            wave = catalogue.wave(stem)[:samples]
            mixed[: len(wave)] += wave / wave.square().mean().sqrt().clamp(min=1e-6)
        mixtures.append(pattern(levels_db(mixed)))
    return mixtures


def best_likeness(
    patterns: list[torch.Tensor], catalogue: VoiceCatalogue, offset_s: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """The best correlation of each mashup's pattern with each stem over rates and offsets, and the rate it has there:
    (mashups, stems) each.
    """
    stems = np.arange(len(catalogue))
    heard = _Heard.of([frames[::HOP] for frames in patterns])
    best = np.full((len(patterns), len(stems)), -1.0)
    rates = np.ones_like(best)
    for rate in search_rates(max(map(len, patterns)) * FRAME_S):
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


def _accepted(
    search: _Search,
    heard: torch.Tensor,
    likeness: np.ndarray,
    rates: np.ndarray,
    catalogue: VoiceCatalogue,
    offset_s: tuple[float, float],
) -> bool:
    """Whether a mashup's best stem, by likeness (stems,), stands out of its part; it is added to what was found."""
    if not heard.any():
        return False
    free = ~np.isin(catalogue.part, catalogue.part[search.taken]) & ~np.isin(
        catalogue.song, catalogue.song[search.taken]
    )
    height = np.full(len(likeness), -np.inf)
    for part in np.unique(catalogue.part[free]):
        of_part = catalogue.part == part
        middle = np.median(likeness[of_part])
        deviation = 1.4826 * np.median(np.abs(likeness[of_part] - middle))
        height[of_part] = (likeness[of_part] - middle) / max(deviation, 1e-6)
    height[~free] = -np.inf
    stem = int(np.argmax(height))
    if height[stem] < SIGNIFICANT:
        return False
    rate, begin_s = _refined(heard, stem, float(rates[stem]), catalogue, offset_s)
    search.found.append(StretchedVoice(stem, rate, begin_s, float(height[stem])))
    search.taken.append(stem)
    return True


def _refined(
    heard: torch.Tensor, stem: int, rate: float, catalogue: VoiceCatalogue, offset_s: tuple[float, float]
) -> tuple[float, float]:
    """The rate, to a fraction of the search's step, and the offset in seconds at which a stem is most alike."""
    rates = search_rates(len(heard) * FRAME_S)
    fine = rate * (rates[1] / rates[0]) ** (np.arange(-FINE, FINE + 1) / FINE)
    whole, one = _Heard.of([heard]), np.array([stem])
    heights, lags = zip(*(_correlations(whole, one, value, 1, catalogue, offset_s) for value in fine), strict=True)
    best = int(np.argmax([height[0, 0] for height in heights]))
    return float(fine[best]), float(lags[best][0, 0] * FRAME_S * fine[best])


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


def voices_power(voices: list[StretchedVoice], frames: int, catalogue: VoiceCatalogue) -> torch.Tensor:
    """The power of stems as mashups would hold them at gain 1: (voices, frames, bands)."""
    played = []
    for voice in voices:
        levels = levels_db(catalogue.wave(voice.stem))
        row = torch.round(voice.offset_s / FRAME_S + torch.arange(frames, device=levels.device) * voice.rate).long()
        inside = (row >= 0) & (row < len(levels))
        played.append(power(levels[row.clamp(0, len(levels) - 1)]) * inside[:, None])
    return torch.stack(played)
