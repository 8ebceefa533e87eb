"""Mashups a second on one core: the participants' way against the frame domain, from the same stems in one run.

    python benchmarks/mashups.py [--data DIR] [--mashups 200]

Stems of 30 s from the demo's synthesiser, four voices, all stretched; 10.24 s of log-mel for AST come out.
The participants' way: librosa.load at 16 kHz, librosa.effects.time_stretch a voice, mix, ASTFeatureExtractor; once with
whole stems, once with the crop before the stretch. Ours: from the bank, with the time of each piece. The order of both
is the same: voices, peak, noise burst, peak. Then quality: the log-mel error of both ways against music that was truly
rendered at the tempo, and the error of the peaks, which are looked for in a part of a long mashup's samples.
"""

import argparse
import itertools
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import numpy as np
import torch
from plain_way import PlainMashups, extractor

from messy_mashup.data import bank_build
from messy_mashup.data.bank import Bank
from messy_mashup.data.demo_music.competition import write_competition
from messy_mashup.data.demo_music.song import song
from messy_mashup.features.frame_spec import AST_FBANK
from messy_mashup.features.logmel import log_mel, wave_log_mel
from messy_mashup.mashup import frames
from messy_mashup.mashup.arrangement import Arrangements, draw
from messy_mashup.mashup.frames import MashupPlayer
from messy_mashup.mashup.pool import Pool
from messy_mashup.recipe import ASTRecipe, MashupRecipe

RATE_HZ, HEARD_S, FRAMES = 16_000, 10.24, 1022
BATCH = 32  # played at a time, as in training
RECIPE = MashupRecipe(stretched=1.0, noisy=1.0, bursts=(1, 1))


def main() -> None:
    """Make the stems, time both ways, print."""
    options = _options()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        data = options.data or Path(folder) / "data"
        if not options.data:
            write_competition(data, genres=("rock", "jazz"), songs=8, seconds=30.0, noises=10, mashups=2)
        bank = bank_build.build("messy_mashup", data, Path(folder) / "bank")
        figures = _measure(bank, data, options.mashups)
    for name, value in figures.items():
        print(f"{name:<40}{value:>10.3f}")
    print(json.dumps({name: round(value, 4) for name, value in figures.items()}))


def _measure(bank: Bank, data: Path, count: int) -> dict[str, float]:
    classes = tuple(sorted(set(bank.index["label"][bank.index["kind"] == "stem"])))
    pool = Pool.of(bank.index, bank.sample_rate_hz, classes, RECIPE.parts)
    mashups = draw(pool, RECIPE, (0, 0, 0), 0, count)
    plain, extract = PlainMashups(bank, data, HEARD_S), extractor(ASTRecipe(heard_s=HEARD_S), AST_FBANK)
    player = MashupPlayer(bank, AST_FBANK)
    few = range(max(3, count // 25))
    whole_s = _median_s(lambda row: extract(plain.wave(mashups, row, plain.whole_voice)), few)
    crop_s = _median_s(lambda row: extract(plain.wave(mashups, row, plain.cropped_voice)), few)
    batches = range(0, max(BATCH, count), BATCH)
    ours_s = _median_s(lambda row: player.log_mel(draw(pool, RECIPE, (0, 0, 0), row, BATCH), FRAMES, "peak"), batches)
    ours_s /= BATCH
    return {
        "participants_whole_mashups_per_s": 1 / whole_s,
        "participants_crop_first_mashups_per_s": 1 / crop_s,
        "frame_domain_mashups_per_s": 1 / ours_s,
        "ratio_to_whole": whole_s / ours_s,
        "ratio_to_crop_first": crop_s / ours_s,
        **_pieces(player, pool, mashups),
        **_peak_errors(player, mashups),
        **_tempo_errors(),
    }


def _pieces(player: MashupPlayer, pool: Pool, mashups: Arrangements) -> dict[str, float]:
    """Milliseconds of each piece of a mashup in the frame domain, each measured alone."""
    rows = range(len(mashups))
    score = frames._Score(player, mashups, "peak")
    silent = replace(mashups, burst_clip=np.full_like(mashups.burst_clip, -1))
    quiet = frames._Score(player, silent, "peak")
    first = AST_FBANK.first_sample(torch.arange(FRAMES)[None] + 100)
    windows = score[:1].windows(first, AST_FBANK.window)
    spectrum = torch.fft.rfft(windows, n=AST_FBANK.fft)
    power, filters = spectrum.abs().square(), torch.rand(spectrum.shape[-1], AST_FBANK.mels)
    scores, quiets = ([one[row : row + 1] for row in rows] for one in (score, quiet))
    pieces = {
        "gather_voices": lambda row: quiets[row].windows(first, AST_FBANK.window),
        "gather_voices_and_burst": lambda row: scores[row].windows(first, AST_FBANK.window),
        "log_mel": lambda row: log_mel(windows, AST_FBANK),
        "of_it_fft": lambda row: torch.fft.rfft(windows, n=AST_FBANK.fft),
        "of_it_mel": lambda row: power @ filters,
    }
    figures = {f"ms_{name}": 1000 * _median_s(piece, rows) for name, piece in pieces.items()}
    batches = [mashups[start : start + BATCH] for start in range(0, len(mashups), BATCH)]
    of_one = 1000 / BATCH
    all_peaks_s = _median_s(lambda row: frames._Score(player, batches[row], "peak"), range(len(batches)))
    figures["ms_peaks"] = of_one * all_peaks_s
    figures["ms_draw"] = of_one * _median_s(lambda row: draw(pool, RECIPE, (0, 0, 0), row, BATCH), rows)
    return figures


def _peak_errors(player: MashupPlayer, mashups: Arrangements) -> dict[str, float]:
    """By how many dB the peak of a mashup is underestimated, against one looked for in every sample."""
    found = frames._Score(player, mashups, "peak")
    looked_at, frames.PEAK_WINDOWS = frames.PEAK_WINDOWS, 1 << 20
    true = frames._Score(player, mashups, "peak")
    frames.PEAK_WINDOWS = looked_at
    level = (found.music_peak * found.peak) / (true.music_peak * true.peak)
    errors_db = (20 * torch.log10(level)).abs().flatten()
    return {"peak_error_median_db": float(errors_db.median()), "peak_error_max_db": float(errors_db.max())}


def _tempo_errors() -> dict[str, float]:
    """Mean absolute log-mel error in dB at rates .9 and 1.1, in bands up to 60 dB below the loudest."""
    import librosa
    import soxr

    ours, librosas = [], []
    for genre, rate in itertools.product(("rock", "jazz", "disco", "classical"), (0.9, 1.1)):
        stems = (song(genre, 0, 1, HEARD_S, tempo_scale=scale) for scale in (1.0, rate))
        wave, truth = (
            soxr.resample(sum(stem.mean(axis=1) for stem in mix.values()).astype(np.float32), 44_100, RATE_HZ)
            for mix in stems
        )
        wave, truth = (torch.from_numpy(one / np.abs(one).max()) for one in (wave, truth))
        target = _decibels(wave_log_mel(truth, AST_FBANK))
        first = torch.arange(len(target)) * AST_FBANK.hop * rate + AST_FBANK.window / 2 * (rate - 1)
        windows = wave.unfold(0, AST_FBANK.window, 1)[first.round().long().clamp(0, len(wave) - AST_FBANK.window)]
        stretched = torch.from_numpy(librosa.effects.time_stretch(wave.numpy(), rate=rate))
        ours.append(_decibels(log_mel(windows, AST_FBANK)).sub(target).abs().mean())
        theirs = _decibels(wave_log_mel(stretched, AST_FBANK))[: len(target)]
        librosas.append(theirs.sub(target[: len(theirs)]).abs().mean())
    return {
        "log_mel_error_frame_domain_db": float(np.mean(ours)),
        "log_mel_error_librosa_stretch_db": float(np.mean(librosas)),
    }


def _decibels(levels: torch.Tensor) -> torch.Tensor:
    levels = levels / AST_FBANK.decibels(1.0)
    return levels.clamp(min=levels.max() - 60)


def _median_s(job: Callable[[int], object], rows: range) -> float:
    job(rows[0])
    spent = []
    for row in rows:
        begun = time.perf_counter()
        job(row)
        spent.append(time.perf_counter() - begun)
    return statistics.median(spent)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, help="a competition with stems of 30 s (default: made for the occasion)")
    parser.add_argument("--mashups", type=int, default=200, help="timed in the frame domain; a 25th the plain way")
    return parser.parse_args()


if __name__ == "__main__":
    main()
