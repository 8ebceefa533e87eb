"""Noise bursts found in a mashup: which known clip lies where, and how loud.

Every noise clip is looked for at every lag by a matched filter. What stands out is located, fitted together with what
was found before, and subtracted; then the rest is searched again.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from messy_mashup.data.bank import Bank
from messy_mashup.recipe import BurstLevel
from messy_mashup.search.matched_filter import FFT, HOP, Correlator, WhitenedWave, peaks, placed, spectrum_of

CLIPS_AT_ONCE = 8
SIGNIFICANT = 6.0  # of a peak that is looked at more closely; by chance the highest of many lags is about 5
LEAST_SCORE = 10.0  # of a located stretch: its match over the match's standard deviation by chance
LEAST_FRAMES = 6.0  # that the match is spread over: a click that meets a click is four
MOST_BURSTS = 8
MOST_ROUNDS = 4
MOST_CANDIDATES = 40  # of one search that are looked at more closely
SAME_S = 0.1  # this close in one clip, a second peak is a tone's next period, or what a subtraction left
LEFT_OVER = 0.1  # of a gain: so faint beside itself, a clip is what an inexact subtraction left
AUDIBLE = 1e-3  # of a clip's peak; what is quieter at its ends is silence
NEAR_EDGE = FFT // 2  # samples: a stretch that ends this close to where the clip does, ends there
NEGLIGIBLE = 1e-3  # of the mean energy of a clip's frames: they say nothing about where a stretch ends


@dataclass(frozen=True)
class FoundBurst:
    """A stretch of a noise clip in a mashup: there wave = gain * clip + everything else.

    clip: row of the bank's index. at_s: in the mashup, offset_s: in the clip, where the stretch begins: their
    difference is exact to a fraction of a sample. Edges within the clip are exact to about 10 ms; silence at a clip's
    ends does not count as length. gain: linear. significance: the correlation's peak over its spread around it.
    """

    clip: int
    at_s: float
    offset_s: float
    length_s: float
    gain: float
    significance: float


class NoiseCatalogue:
    """The noise clips of a bank that are not silent, to be looked for; nothing but a few of them is held at a time."""

    def __init__(self, bank: Bank) -> None:
        self.bank = bank
        self.clips = [int(clip) for clip in bank.select("noise") if bank.index["peak"].iat[clip] > 0]
        self.most_samples = max((int(bank.index["length"].iat[clip]) for clip in self.clips), default=0)

    def batches(self) -> Iterator[tuple[list[int], torch.Tensor]]:
        """Clips (rows of the bank's index), and their waves padded to the longest of all: (clips, samples)."""
        for begin in range(0, len(self.clips), CLIPS_AT_ONCE):
            clips = self.clips[begin : begin + CLIPS_AT_ONCE]
            waves = torch.zeros(len(clips), self.most_samples)
            for row, clip in zip(waves, clips, strict=True):
                wave = self.bank.wave(clip)
                row[: len(wave)] = torch.from_numpy(wave)
            yield clips, waves


@dataclass(frozen=True)
class _Candidate:
    """A clip whose first sample would be at `lag` of the mashup (a fraction, negative before its begin)."""

    clip: int
    lag: float
    significance: float


def find_bursts(wave: np.ndarray, catalogue: NoiseCatalogue) -> list[FoundBurst]:
    """The noise bursts of a mashup in order of time, MOST_BURSTS at most; wave: (samples,) at the bank's rate."""
    search = _Search(torch.from_numpy(np.array(wave, np.float32)), catalogue)
    for _ in range(MOST_ROUNDS):
        before = len(search.found)
        for candidate in _candidates(search.rest, catalogue):
            if len(search.found) < MOST_BURSTS and not search.knows(candidate):
                search.try_out(candidate)
        if len(search.found) == before:
            break
    search.locate_anew()
    return sorted(search.found, key=lambda burst: burst.at_s)


def without_bursts(wave: np.ndarray, found: list[FoundBurst], catalogue: NoiseCatalogue) -> np.ndarray:
    """A mashup less its found bursts: (samples,) float32."""
    total = np.zeros(len(wave), np.float32)
    for burst in found:
        total += burst.gain * _unit_wave(burst, len(wave), catalogue.bank).numpy()
    return wave - total


def burst_gains(
    wave: np.ndarray,
    found: list[FoundBurst],
    catalogue: NoiseCatalogue,
    level: BurstLevel,
) -> np.ndarray:
    """The gain of each burst as the host drew it, for music at peak 1: (bursts,). ValueError where no music is left.

    level: what the gain multiplies: the clip ("raw"), the clip at peak 1 ("peak") or at the music's RMS ("snr"), or the
    piece of it that is heard, at peak 1 ("piece").
    """
    music = without_bursts(wave, found, catalogue)
    peak = float(np.abs(music).max(initial=0.0))
    if peak == 0:
        raise ValueError("no music is left without the bursts, so they have no gain against it")
    bank = catalogue.bank
    unit = {
        "raw": lambda burst: 1.0,
        "peak": lambda burst: bank.index["peak"].iat[burst.clip],
        "snr": lambda burst: _rms(bank.wave(burst.clip)) / _rms(music / peak),
        "piece": lambda burst: float(_unit_wave(burst, len(wave), bank).abs().max()),
    }[level]
    return np.array([burst.gain / peak * unit(burst) for burst in found])


def _candidates(rest: WhitenedWave, catalogue: NoiseCatalogue) -> list[_Candidate]:
    """What stands out of the correlations with all clips, the most significant first."""
    correlator = Correlator(rest.wave(), catalogue.most_samples)
    found = [
        _Candidate(clip, *peak)
        for clips, waves in catalogue.batches()
        for clip, correlation in zip(clips, correlator.correlations(waves), strict=True)
        for peak in peaks(correlation, -catalogue.most_samples, SIGNIFICANT)
    ]
    return sorted(found, key=lambda candidate: -candidate.significance)[:MOST_CANDIDATES]


class _Search:
    """A mashup, the bursts found in it so far, and the rest: the mashup less those."""

    def __init__(self, mashup: torch.Tensor, catalogue: NoiseCatalogue) -> None:
        self.mashup = mashup
        self.bank = catalogue.bank
        self.found: list[FoundBurst] = []
        self.waves: list[torch.Tensor] = []  # of the found bursts, at gain 1
        self.rest = WhitenedWave(mashup)

    def knows(self, candidate: _Candidate) -> bool:
        """Whether the candidate's clip was found at nearly the same lag."""
        begins_s = [burst.at_s - burst.offset_s for burst in self.found if burst.clip == candidate.clip]
        return any(abs(begin_s - candidate.lag / self.bank.sample_rate_hz) < SAME_S for begin_s in begins_s)

    def try_out(self, candidate: _Candidate) -> None:
        """Add the candidate, and fit all gains anew, unless it is nothing in the rest."""
        burst = _located(candidate, self.rest, self.bank)
        if burst is not None and not self._is_left_over(burst):
            self._keep([*self.found, burst], [*self.waves, _unit_wave(burst, len(self.mashup), self.bank)])

    def _is_left_over(self, burst: FoundBurst) -> bool:
        """Whether it is faint beside a burst of the same clip that sounds at the same time."""
        return any(
            burst.clip == other.clip
            and burst.gain < LEFT_OVER * other.gain
            and burst.at_s < other.at_s + other.length_s
            and other.at_s < burst.at_s + burst.length_s
            for other in self.found
        )

    def locate_anew(self) -> None:
        """Locate each burst with all others subtracted; one that is nothing by itself is left out."""
        for burst in list(self.found):
            kept = [(other, wave) for other, wave in zip(self.found, self.waves, strict=True) if other != burst]
            if len(kept) == len(self.found):
                continue
            self._keep([other for other, _ in kept], [wave for _, wave in kept])
            lag = (burst.at_s - burst.offset_s) * self.bank.sample_rate_hz
            self.try_out(_Candidate(burst.clip, lag, burst.significance))

    def _keep(self, found: list[FoundBurst], waves: list[torch.Tensor]) -> None:
        """Keep these bursts, with the gains that together leave least, weighted as the rest was."""
        gains = _fitted(waves, self.mashup, self.rest)
        positive = [place for place, gain in enumerate(gains) if gain > 0]
        self.found = [replace(found[place], gain=gains[place]) for place in positive]
        self.waves = [waves[place] for place in positive]
        bursts = sum((burst.gain * wave for burst, wave in zip(self.found, self.waves, strict=True)))
        self.rest = WhitenedWave(self.mashup - bursts)


def _located(candidate: _Candidate, heard: WhitenedWave, bank: Bank) -> FoundBurst | None:
    """The stretch of the candidate's clip that is likeliest to be there, with its gain; None where it is chance."""
    rate_hz = bank.sample_rate_hz
    wave = bank.wave(candidate.clip)
    spectrum = spectrum_of(placed(wave, candidate.lag, heard.samples))
    matches = (heard.weights * (heard.spectrum * spectrum.conj()).real).sum(dim=0).double()
    energies = (heard.weights * spectrum.abs() ** 2).sum(dim=0).double()
    begin, end = _likeliest(matches, energies)
    match, energy = float(matches[begin:end].sum()), float(energies[begin:end].sum())
    if match <= LEAST_SCORE * math.sqrt(energy) or energy**2 < LEAST_FRAMES * float((energies[begin:end] ** 2).sum()):
        return None
    sounding = np.flatnonzero(np.abs(wave) > AUDIBLE * np.abs(wave).max())
    begins, ends = candidate.lag + float(sounding[0]), candidate.lag + float(sounding[-1] + 1)
    # Frame k is centred at sample k * HOP, so it stands for HOP / 2 samples on either side.
    first = max(0.0, begins, _snapped((begin - 0.5) * HOP, begins))
    last = min(float(heard.samples), ends, _snapped((end - 0.5) * HOP, ends))
    at_s, length_s, offset_s = first / rate_hz, (last - first) / rate_hz, (first - candidate.lag) / rate_hz
    return FoundBurst(candidate.clip, at_s, offset_s, length_s, match / energy, candidate.significance)


def _snapped(edge: float, own: float) -> float:
    return own if abs(edge - own) < NEAR_EDGE else edge


def _likeliest(matches: torch.Tensor, energies: torch.Tensor) -> tuple[int, int]:
    """First and behind-last frame of the stretch that a burst of one gain explains best; (0, 0) if none sounds."""
    sounding = torch.nonzero(energies > NEGLIGIBLE * energies.mean())[:, 0]
    if len(sounding) == 0:
        return 0, 0
    edges = torch.cat([sounding, sounding[-1:] + 1])
    match = torch.cat([torch.zeros(1), matches.cumsum(0)])[edges]
    energy = torch.cat([torch.zeros(1), energies.cumsum(0)])[edges]
    gained = (match[None] - match[:, None]).clamp(min=0)
    explained = gained**2 / (energy[None] - energy[:, None]).clamp(min=1e-30)
    begin, end = divmod(int(explained.triu(1).argmax()), len(edges))
    return int(edges[begin]), int(edges[end - 1]) + 1


def _fitted(waves: list[torch.Tensor], mashup: torch.Tensor, heard: WhitenedWave) -> list[float]:
    """The gains of waves that together leave least of a mashup, weighted as in `heard`."""
    if not waves:
        return []
    spectra, whole = [spectrum_of(wave) for wave in waves], spectrum_of(mashup)
    overlaps = torch.tensor([[heard.inner(one, other) for one in spectra] for other in spectra], dtype=torch.float64)
    matches = torch.tensor([[heard.inner(one, whole)] for one in spectra], dtype=torch.float64)
    return torch.linalg.lstsq(overlaps, matches).solution[:, 0].tolist()


def _unit_wave(burst: FoundBurst, samples: int, bank: Bank) -> torch.Tensor:
    """The burst as it sounds in the mashup, at gain 1: (samples,)."""
    wave = placed(bank.wave(burst.clip), (burst.at_s - burst.offset_s) * bank.sample_rate_hz, samples)
    # A delayed clip begins before its first whole sample, so an edge at the clip's own is rounded outwards.
    first = math.floor(burst.at_s * bank.sample_rate_hz + 1e-6)
    last = math.ceil((burst.at_s + burst.length_s) * bank.sample_rate_hz - 1e-6)
    wave[:first] = 0
    wave[last:] = 0
    return wave


def _rms(wave: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(wave, dtype=np.float64))))
