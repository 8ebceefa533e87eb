"""Voices at any rate are found in a mashup by the patterns of their levels, which a phase vocoder hardly changes."""

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import pad

from messy_mashup.mashup.voice_catalogue import FRAME_S, VoiceCatalogue, levels_db, pattern

RATES = (0.78, 1.25)
DRIFT_S = 0.08  # of a voice against its mashup, from begin to end, between neighbouring rates of the search
HOP = 4  # frames of the catalogue
STEMS_AT_ONCE = 64
ANY_OFFSET_S = (-np.inf, np.inf)
LEAST_OVERLAP = 0.6  # of the mashup, or of the stem where that is shorter
LEAST_ENERGY = 0.5  # of what a stem has on average in a mashup's length
SIGNIFICANT = 8.0  # deviations above the middle of the wrong stems' maxima
ROUNDS = 4
FEW_LAGS = 12  # for which no transform is needed
CHANCE = 16  # mixtures of the bank's own stems, which tell how alike a stem is to what it is not in
FIT_STEPS = 60
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
            explained = voices_power(self.found, len(self.levels), catalogue)
            gain, _ = power_gains(self.levels, explained)
            heard *= 1 - (torch.tensordot(gain.square(), explained, 1) / power(self.levels)).clamp(max=1)
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
    searched, chance = searches, _chance(max(map(len, residuals)), catalogue)
    usual = np.median(best_likeness(chance, catalogue, offset_s), axis=0)
    for _ in range(ROUNDS):
        searched = [search for search in searched if len(search.taken) < ROUNDS]
        if not searched:
            break
        patterns = [search.unexplained(catalogue) for search in searched]
        likeness = best_likeness(patterns, catalogue, offset_s) - usual
        searched = [
            search
            for row, search in enumerate(searched)
            if _accepted(search, patterns[row], likeness[row], catalogue, offset_s)
        ]
    return [search.found for search in searches]


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


def best_likeness(patterns: list[torch.Tensor], catalogue: VoiceCatalogue, offset_s: tuple[float, float]) -> np.ndarray:
    """The best correlation of each mashup's pattern with each stem over rates and offsets: (mashups, stems)."""
    stems = np.arange(len(catalogue))
    longest_s = max(map(len, patterns)) * FRAME_S
    patterns = [heard[::HOP] for heard in patterns]
    best = np.full((len(patterns), len(stems)), -1.0)
    for rate in search_rates(longest_s):
        for start in range(0, len(stems), STEMS_AT_ONCE):
            some = slice(start, start + STEMS_AT_ONCE)
            height, _ = _correlations(patterns, stems[some], rate, HOP, catalogue, offset_s)
            best[:, some] = np.maximum(best[:, some], height)
    return best


def search_rates(length_s: float) -> np.ndarray:
    """The rates that a mashup so long is searched at: the longer, the finer."""
    steps = int(np.ceil(np.log(RATES[1] / RATES[0]) * length_s / DRIFT_S))
    return np.geomspace(*RATES, steps + 1)


def _accepted(
    search: _Search,
    heard: torch.Tensor,
    likeness: np.ndarray,
    catalogue: VoiceCatalogue,
    offset_s: tuple[float, float],
) -> bool:
    """Whether a mashup's best stem stands out of those of its part; it is added to what was found."""
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
    rate, begin_s = _refined(heard, stem, catalogue, offset_s)
    search.found.append(StretchedVoice(stem, rate, begin_s, float(height[stem])))
    search.taken.append(stem)
    return True


def _refined(
    heard: torch.Tensor, stem: int, catalogue: VoiceCatalogue, offset_s: tuple[float, float]
) -> tuple[float, float]:
    """The rate, to a fraction of the search's step, and the offset in seconds at which a stem is most alike."""
    rates = search_rates(len(heard) * FRAME_S)
    one = np.array([stem])
    coarse = [_correlations([heard[::HOP]], one, rate, HOP, catalogue, offset_s)[0][0, 0] for rate in rates]
    middle = int(np.argmax(coarse))
    step = np.log(rates[1] / rates[0])
    fine = rates[middle] * np.exp(np.arange(-FINE, FINE + 1) / FINE * step)
    heights, lags = zip(*(_correlations([heard], one, rate, 1, catalogue, offset_s) for rate in fine), strict=True)
    best = int(np.argmax([height[0, 0] for height in heights]))
    return float(fine[best]), float(lags[best][0, 0] * FRAME_S * fine[best])


def _correlations(
    patterns: list[torch.Tensor],
    stems: np.ndarray,
    rate: float,
    hop: int,
    catalogue: VoiceCatalogue,
    offset_s: tuple[float, float],
) -> tuple[np.ndarray, np.ndarray]:
    """Over all lags the highest correlation of mashups with stems at a rate, and its lag in the
    mashup's frames, one every `hop` of the catalogue's: (mashups, stems) each.
    """
    stem_patterns, counts = catalogue.patterns(stems, rate, hop)
    voice_energy = _running_sum(stem_patterns.square().sum(2))
    heights, lags = np.empty((len(patterns), len(stems))), np.empty((len(patterns), len(stems)), np.int64)
    earliest, latest = np.array(offset_s) / (rate * hop * FRAME_S)
    products = _products(patterns, stem_patterns, earliest, latest)
    for row, heard in enumerate(patterns):
        least = int(LEAST_OVERLAP * min(len(heard), stem_patterns.shape[1]))
        first = int(np.ceil(max(least - len(heard), earliest - 0.5)))
        last = int(np.floor(min(stem_patterns.shape[1] - least, latest + 0.5)))
        lag = torch.arange(min(first, last), last + 1, device=heard.device)
        # Where a stem is nearly silent, little is alike by chance: at least half of what it usually has is asked for
        usual = LEAST_ENERGY * voice_energy[:, -1:] * (len(heard) / counts[:, None]).clamp(max=1)
        begin, end = lag.clamp(min=0), torch.minimum(lag + len(heard), counts[:, None])
        heard_energy = _running_sum(heard.square().sum(1)[None])[0]
        overlap = (end - begin).clamp(min=0)
        voice_heard = torch.maximum(voice_energy.gather(1, begin + overlap) - voice_energy[:, begin], usual)
        energy = voice_heard * (heard_energy[begin - lag + overlap] - heard_energy[begin - lag])
        value = products[row][:, lag % products.shape[2]] / energy.clamp(min=1e-3).sqrt()
        # Of a short overlap more is by chance
        value *= (overlap / len(heard)).sqrt() * (overlap >= least)
        height, at = value.max(dim=1)
        heights[row], lags[row] = height.cpu(), lag[at].cpu()
    return heights, lags


def _products(patterns: list[torch.Tensor], stems: torch.Tensor, earliest: float, latest: float) -> torch.Tensor:
    """The sums of products of mashups with stems (stems, frames, bands) at all lags, or at those asked for where they
    are few: (mashups, stems, lags), lag -1 the last.
    """
    from scipy.fft import next_fast_len

    size = next_fast_len(stems.shape[1] + max(map(len, patterns)))
    if latest - earliest > FEW_LAGS:
        voices = torch.fft.rfft(stems.transpose(1, 2).contiguous(), size).permute(2, 1, 0)  # (bins, bands, stems)
        mixed = torch.stack([torch.fft.rfft(heard, size, dim=0) for heard in patterns]).transpose(0, 1).conj()
        return torch.fft.irfft(torch.matmul(mixed, voices).permute(1, 2, 0), size)
    frames = max(map(len, patterns))
    mixed = torch.stack([pad(heard, (0, 0, 0, frames - len(heard))) for heard in patterns]).flatten(1)
    products = torch.zeros(len(patterns), len(stems), size, device=stems.device)
    for lag in range(int(np.floor(earliest)) - 1, int(np.ceil(latest)) + 2):
        later = pad(stems, (0, 0, -lag, frames + lag - stems.shape[1]))  # frame t is the stem's frame t + lag
        products[:, :, lag % size] = mixed @ later.flatten(1).T
    return products


def _running_sum(values: torch.Tensor) -> torch.Tensor:
    """(rows, n) to (rows, n + 1): the sum of all before each place."""
    return pad(values, (1, 0)).cumsum(1)


def power(levels: torch.Tensor) -> torch.Tensor:
    """Levels in dB as power."""
    return torch.pow(10.0, levels / 10)


def voices_power(voices: list[StretchedVoice], frames: int, catalogue: VoiceCatalogue) -> torch.Tensor:
    """The power of stems as mashups would hold them at gain 1: (voices, frames, bands)."""
    played = []
    for voice in voices:
        levels = levels_db(catalogue.wave(voice.stem))
        row = torch.round(voice.offset_s / FRAME_S + torch.arange(frames, device=levels.device) * voice.rate).long()
        inside = (row >= 0) & (row < len(levels))
        played.append(power(levels[row.clamp(0, len(levels) - 1)]) * inside[:, None])
    return torch.stack(played)


def power_gains(levels: torch.Tensor, voices: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Gains of voices (voices, frames, bands) in a mashup's levels (frames, bands), and their errors by leaving out
    one eighth of its frames after the other: (voices,) each.
    """
    mixed = power(levels)
    whole = _fitted(mixed, voices)
    blocks = torch.arange(len(levels), device=levels.device) * 8 // len(levels)
    left_out = torch.stack([_fitted(mixed[blocks != block], voices[:, blocks != block]) for block in range(8)])
    return whole, left_out.std(dim=0, correction=0) * 7**0.5


def _fitted(mixed: torch.Tensor, voices: torch.Tensor) -> torch.Tensor:
    """Non-negative least squares of power by multiplicative steps: amplitude gains (voices,).

    Cells where much more or less sounds than the voices would make count little: there is something else, or a phase
    vocoder has smeared them.
    """
    voices, mixed = voices.flatten(1), mixed.flatten()
    gain = mixed.sum() / voices.sum(1).clamp(min=1e-12) / len(voices)
    floor = mixed.max().clamp(min=1e-12) * 1e-5
    for _ in range(FIT_STEPS):
        model = gain @ voices + floor
        unlike = torch.maximum(mixed / model, model / mixed)
        weight = voices / (model * unlike)
        gain = gain * (weight @ mixed) / (weight @ model).clamp(min=1e-20)
    return gain.sqrt()
