"""Mashups a second and how true they are: the participants' way, cached stems with a stretch, and the frame domain.

    python benchmarks/mashups.py [--data DIR] [--rounds 15]

Stems of 30 s from the demo's synthesiser, four voices, all stretched, one burst; 10.24 s of log-mel for AST come out,
on one core. The participants' way: librosa.load at 16 kHz, librosa.effects.time_stretch a voice, mix,
ASTFeatureExtractor; once with whole stems, once with the crop before the stretch. Cached: what is heard of the stems
from the bank, Signalsmith Stretch, the same mix, our front-end. Frames: the frame domain, drawn and played in batches.
All go through the same levels: voices, peak, noise burst, peak. Beside each stands its log-mel error against music that
is truly played at the tempo (mashup_quality.py). Then what the frame domain takes against its floor and piece by piece
(mashup_floor.py), and the error of the peaks, which are looked for in a part of a long mashup's samples. A CPU second
is one of the process's own, so it holds where other work runs beside; the ratios are of these. The last line is JSON.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import numpy as np
import torch
from mashup_floor import floor_figures, peak_errors
from mashup_quality import quality_figures
from mashup_speed import HEARD_S, RECIPE, Batches, clocks, gpu_figures, pool_of, process_rates, rate_figures
from plain_way import CachedMashups, PlainMashups, extractor

from messy_mashup.data import bank_build
from messy_mashup.data.bank import Bank
from messy_mashup.data.demo_music.competition import write_competition
from messy_mashup.errors import run_script
from messy_mashup.features.frame_spec import AST_FBANK
from messy_mashup.features.logmel import wave_log_mel
from messy_mashup.mashup.arrangement import draw
from messy_mashup.mashup.frames import MashupPlayer
from messy_mashup.mashup.pool import Pool
from messy_mashup.recipe import ASTRecipe

PLAIN, CACHED = 8, 40  # mashups that are timed
SEARCHED = 200  # mashups of which the peaks are searched whole
WHOLE = "participants_whole"
NO_GPU, NO_STRETCH = "no GPU here", "python-stretch is not installed"
# Way: its name in the table, which way of stretching its error is, and why it may be missing.
ROWS = {
    WHOLE: ("participants' way, whole stems", "librosa", ""),
    "participants_cropped": ("participants' way, cropped first", "librosa", ""),
    "cached": ("cached stems, Signalsmith Stretch", "signalsmith", NO_STRETCH),
    "frames_one_process": ("frames on a CPU, one process", "frames", ""),
    "frames_two_processes": ("frames on a CPU, two processes", "frames", ""),
    "gpu_resident": ("frames on a GPU, bank in its memory", "frames", NO_GPU),
    "gpu_copied": ("frames on a GPU, bank in the host's memory", "frames", NO_GPU),
}


def main() -> None:
    """Make the stems, time every way, print."""
    options = _options()
    torch.set_num_threads(1)
    figures = {"load_average_before": os.getloadavg()[0], "cores": os.cpu_count() or 1}
    with tempfile.TemporaryDirectory(prefix="mashups-") as scratch:
        folder = Path(scratch)
        data = options.data or folder / "data"
        if not options.data:
            write_competition(data, genres=("rock", "jazz"), songs=8, seconds=30.0, noises=10, mashups=2)
        bank = bank_build.build("messy_mashup", data, folder / "bank")
        figures |= _speed(bank, data)
        batches = Batches(MashupPlayer(bank, AST_FBANK), pool_of(bank))
        figures |= floor_figures(batches, options.rounds) | peak_errors(batches, SEARCHED)
        figures |= quality_figures(folder / "quality")
    figures["load_average_after"] = os.getloadavg()[0]
    _print(figures)


def _speed(bank: Bank, data: Path) -> dict[str, float]:
    """Mashups a second of every way that this machine has."""
    figures = _one_by_one(bank, data, pool_of(bank)) | process_rates(bank.root)
    return figures | (gpu_figures(bank, torch.device("cuda")) if torch.cuda.is_available() else {})


def _one_by_one(bank: Bank, data: Path, pool: Pool) -> dict[str, float]:
    """The rates of the ways that make one mashup after the other as a wave."""
    mashups = draw(pool, RECIPE, (0, 0, 0), 0, CACHED)
    plain, extract = PlainMashups(bank, data, HEARD_S), extractor(ASTRecipe(heard_s=HEARD_S), AST_FBANK)
    whole = _rates(lambda row: extract(plain.wave(mashups, row, plain.whole_voice)), PLAIN)
    cropped = _rates(lambda row: extract(plain.wave(mashups, row, plain.cropped_voice)), PLAIN)
    figures = rate_figures(WHOLE, whole) | rate_figures("participants_cropped", cropped)
    if not find_spec("python_stretch"):
        return figures
    cached = CachedMashups(bank, data, HEARD_S)

    def log_mel(row: int) -> torch.Tensor:
        return wave_log_mel(torch.from_numpy(cached.wave(mashups, row, cached.cropped_voice)), AST_FBANK)

    return figures | rate_figures("cached", _rates(log_mel, CACHED))


def _rates(job: Callable[[int], object], count: int) -> np.ndarray:
    """How often a second and a CPU second, by the medians of the rows 0 to count: (2,)."""
    job(0)
    spent = np.empty((count, 2))
    for row in range(count):
        begun = clocks()
        job(row)
        spent[row] = clocks() - begun
    return 1 / np.median(spent, axis=0)


def _print(figures: dict[str, float]) -> None:
    print(f"\n{'way':<44}{'mashups/s':>12}{'/CPU second':>13}{'times whole':>13}{'log-mel error, dB':>19}")
    for way, (name, stretch, missing) in ROWS.items():
        if f"{way}_mashups_per_s" in figures:
            print(f"{name:<44}" + _cells(figures, way, stretch))
        else:
            print(f"{name:<44}  {missing}")
    print()
    for name, value in figures.items():
        if not name.endswith(("mashups_per_s", "mashups_per_cpu_s")):
            print(f"{name:<44}{value:>12.3f}")
    print(json.dumps({"benchmark": "mashups"} | {name: round(value, 4) for name, value in figures.items()}))


def _cells(figures: dict[str, float], way: str, stretch: str) -> str:
    """The numbers of a row; a GPU's work is not the CPU's, so its ratio is of seconds."""
    rate, rate_of_cpu_s = (figures.get(f"{way}_mashups_per_{second}") for second in ("s", "cpu_s"))
    error = f"{figures[f'error_db_{stretch}_ast']:>19.2f}"
    if rate_of_cpu_s is None:
        return f"{rate:>12.2f}{'':>13}{rate / figures[f'{WHOLE}_mashups_per_s']:>13.1f}{error}"
    times = rate_of_cpu_s / figures[f"{WHOLE}_mashups_per_cpu_s"]
    return f"{rate:>12.2f}{rate_of_cpu_s:>13.2f}{times:>13.1f}{error}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, help="a competition with stems of 30 s (default: made for the occasion)")
    parser.add_argument("--rounds", type=int, default=15, help="in which floor and frame domain take turns")
    return parser.parse_args()


if __name__ == "__main__":
    run_script(main)
