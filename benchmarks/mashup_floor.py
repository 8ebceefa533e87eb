"""What a mashup takes in the frame domain on one core: against the floor below which no front-end gets, and by pieces.

The floor is FFT, power, mel and log, by torch, of windows that lie gathered and weighted in memory. All jobs take turns
within each round, so that whatever else the machine does hits all of them.
"""

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from mashup_speed import BATCH, FRAMES, Batches

from messy_mashup.features import logmel
from messy_mashup.features.frame_spec import AST_FBANK
from messy_mashup.mashup import levels
from messy_mashup.mashup.arrangement import Arrangements
from messy_mashup.mashup.frames import MashupPlayer
from messy_mashup.mashup.mix import Score, mixed_and_weighted
from messy_mashup.recipe import MashupRecipe

UNLIMITED = 1 << 20  # windows: more than any mashup has
Job = Callable[[int], object]  # on the batch of that number


def floor_figures(batches: Batches, rounds: int) -> dict[str, float]:
    """Milliseconds a mashup, each the median of the rounds, and ratios, each the median of the rounds' own."""
    of_defaults = replace(batches, recipe=MashupRecipe())
    jobs = {"total": batches.played, "floor": _floor(batches), "total_default_recipe": of_defaults.played}
    spent = _in_turns(jobs | _pieces(batches), rounds)
    ms = {f"ms_{name}": 1000 * float(np.median(seconds)) / BATCH for name, seconds in spent.items()}

    def ratio(of: str, to: str) -> float:
        return float(np.median(spent[of] / spent[to]))

    return ms | {
        "ratio_to_floor": ratio("total", "floor"),
        "ratio_to_floor_default_recipe": ratio("total_default_recipe", "floor"),
        "ratio_to_own_levels": ratio("total", "levels"),
    }


def peak_errors(batches: Batches, count: int) -> dict[str, float]:
    """By how many dB a mashup's peak is underestimated, against one that is looked for in every sample."""
    errors_db, few = [], levels.MOST_WINDOWS
    for number in range(-(-count // BATCH)):
        mashups = batches.drawn(number)
        found = _score(batches.player, mashups)
        try:
            levels.MOST_WINDOWS = UNLIMITED
            true = _score(batches.player, mashups)
        finally:
            levels.MOST_WINDOWS = few
        # A gain is divided by the peak: the drawn gains are all above zero.
        errors_db.append(20 * torch.log10(found.voices.gain[:, 0] / true.voices.gain[:, 0]))
    every = torch.cat(errors_db)[:count]
    return {"peak_error_median_db": float(every.median()), "peak_error_max_db": float(every.max())}


def _floor(batches: Batches) -> Job:
    windows = _weighted_windows(batches)
    filters = logmel.mel_filters(AST_FBANK, torch.device("cpu"))

    def floor(_: int) -> None:
        for row in range(BATCH):
            spectrum = torch.fft.rfft(windows[row])
            power = spectrum.real.square() + spectrum.imag.square()
            (power @ filters).clamp_(min=AST_FBANK.floor).log_()

    return floor


def _pieces(batches: Batches) -> dict[str, Job]:
    """The parts that a batch goes through, each for itself.

    The windows of `levels` come from memory and not from the cache, so the sum is more than the total.
    """
    player, mashups = batches.player, batches.drawn(0)
    score, first = _score(player, mashups), _heard(mashups)
    samples = player.residence.reading(mashups).samples
    weights = logmel.frame_weights(AST_FBANK, player.device)
    windows = _weighted_windows(batches)
    one = torch.zeros(1, FRAMES, AST_FBANK.fft)
    out = torch.empty(BATCH, FRAMES, AST_FBANK.mels)
    rows = [slice(row, row + 1) for row in range(BATCH)]

    def mixed_one_by_one(_: int) -> None:
        for row in rows:
            mixed_and_weighted(samples, score.rows(row), first[row], weights, one)

    def levels_one_by_one(_: int) -> None:
        for row in rows:
            logmel.levels(windows[row], AST_FBANK, out=out[row])

    return {
        "draw": batches.drawn,
        "peaks": lambda _: _score(player, mashups),
        "mixed_and_weighted": mixed_one_by_one,
        "levels": levels_one_by_one,
    }


def _weighted_windows(batches: Batches) -> torch.Tensor:
    """The windows of a batch (BATCH, FRAMES, FFT size), each mashup's where the model hears it."""
    mashups = batches.drawn(0)
    windows = torch.zeros(BATCH, FRAMES, AST_FBANK.fft)
    samples = batches.player.residence.reading(mashups).samples
    weights = logmel.frame_weights(AST_FBANK, torch.device("cpu"))
    mixed_and_weighted(samples, _score(batches.player, mashups), _heard(mashups), weights, windows)
    return windows


def _heard(mashups: Arrangements) -> torch.Tensor:
    """The first samples of the frames that the model hears: (batch, FRAMES)."""
    count = [AST_FBANK.frame_count(int(length_s * AST_FBANK.sample_rate_hz)) for length_s in mashups.length_s]
    first_frame = (mashups.heard_at * (np.array(count) - FRAMES + 1)).astype(np.int64)
    return torch.from_numpy((first_frame[:, None] + np.arange(FRAMES)) * AST_FBANK.hop)


def _score(player: MashupPlayer, mashups: Arrangements) -> Score:
    return player._score(mashups, player.residence.reading(mashups), MashupRecipe.burst_level)


def _in_turns(jobs: dict[str, Job], rounds: int) -> dict[str, np.ndarray]:
    """The seconds (rounds,) of each job; each is run once before."""
    spent = {name: np.empty(rounds) for name in jobs}
    for job in jobs.values():
        job(0)
    for number in range(rounds):
        for name, job in jobs.items():
            begun = time.perf_counter()
            job(number)
            spent[name][number] = time.perf_counter() - begun
    return spent
