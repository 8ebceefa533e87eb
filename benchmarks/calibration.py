"""Does calibrate.py find the numbers that a host drew from? Five demo competitions of known and different numbers.

    python benchmarks/calibration.py [--only a,b] [--sample 120] [--folder DIR]

Each is made by the demo's synthesiser and mixed by its host, apart from the training engine; the fit sees the sound of
the test mashups only. Burst gain is the middle of its range, burst count the mean a mashup, stretch half of its range.
A gain is of a noise clip at peak 1: the host's clips have 44.1 kHz and the bank's 16 kHz, so fitted gains are raised
by what a clip's peak loses on that way. Nothing plain is compared: participants guess these numbers.
"""

import argparse
import json
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import numpy as np
import pandas as pd
import torch

from messy_mashup.calibration.fit import Calibration
from messy_mashup.data import bank_build
from messy_mashup.data.audio import read_header, read_mono
from messy_mashup.data.bank import Bank
from messy_mashup.data.corpora import messy_mashup as corpus
from messy_mashup.data.demo_music.competition import write_competition
from messy_mashup.data.demo_music.host import Numbers
from messy_mashup.recipe import MashupRecipe
from messy_mashup.scoring.calibration_job import Job, compare, fit

HOSTS = {
    "a": Numbers(),
    "b": Numbers(burst_gain=(0.3, 1.2), bursts=(2, 4), noisy=0.9, rate=(0.85, 1.15), stretched=0.7),
    "c": Numbers(
        burst_gain=(0.05, 0.4), bursts=(1, 2), noisy=0.5, rate=(0.95, 1.05), stretched=0.4, whole=0.7, share=(0.4, 1.0)
    ),
    "d": Numbers(burst_gain=(0.2, 0.6), bursts=(1, 1), noisy=1.0, rate=(0.8, 1.2), stretched=1.0, gain=(0.2, 1.0)),
    "e": Numbers(burst_gain=(0.5, 1.0), bursts=(3, 5), noisy=0.6, rate=(0.92, 1.12), gain=(0.7, 1.0)),
}
BASE = MashupRecipe(length_s=(4.0, 8.0), noisy=0.7, bursts=(1, 2), burst_gain=(0.2, 0.5), rate=(0.93, 1.07))
WITHIN = 0.2
SEED = 107


def main() -> None:
    """Make, fit, compare, print."""
    options = _options()
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        for place, (name, host) in enumerate(HOSTS.items()):
            if name in options.only.split(","):
                rows += _fitted(name, host, SEED + place, (options.folder or Path(temporary)) / name, options)
    table = pd.DataFrame(rows)
    print(table.round(3).to_string(index=False))
    numbers = table[table["number"] != "adversary's AUC"]
    hits = numbers.groupby("number")["within"].sum()
    figures = {
        f"within_{int(100 * WITHIN)}_percent_{name.replace(' ', '_')}": int(count) for name, count in hits.items()
    }
    told = {f"{row['host']} {row['number']}": [row["true"], row["fitted"]] for row in rows}
    print(json.dumps({"hosts": table["host"].nunique(), **figures, "true_and_fitted": told}, default=float))


def _fitted(name: str, host: Numbers, seed: int, folder: Path, options: argparse.Namespace) -> list[dict]:
    write_competition(folder, songs=8, seconds=8.0, noises=60, mashups=200, seed=seed, numbers=host)
    bank = bank_build.build("messy_mashup", folder, folder.with_name(f"{name}.bank"))
    files = [folder / path for path in corpus.test_clips(folder)["path"]]
    found = folder.with_name(f"{name}.found")
    job = Job(
        replace(bank, source=str(folder)), files, BASE, found, options.sample, options.probes, 0, torch.device("cpu")
    )
    begun_s = time.perf_counter()
    fitted = fit(job)
    spent_s = time.perf_counter() - begun_s
    rows = _compared(name, host, fitted, _peak_lost(bank, folder))
    if options.adversary:
        before, after = compare(job, [BASE, fitted.recipe])
        areas = before.likeness.without_length.auc, after.likeness.without_length.auc
        rows.append({"host": name, "number": "adversary's AUC", "true": areas[0], "fitted": areas[1]})
    print(f"{name}: fitted in {spent_s:.0f} s", flush=True)
    return rows


def _compared(name: str, host: Numbers, fit: Calibration, peak_lost: float) -> list[dict]:
    """What the host drew from beside what was fitted, and what the recipe began with."""
    known = dict(zip(fit.figures["number"], fit.figures["identified"], strict=True))
    pairs = {
        "burst gain": (np.mean(host.burst_gain), peak_lost * np.mean(fit.recipe.burst_gain), "burst_gain.high"),
        "burst count": (host.noisy * np.mean(host.bursts), fit.recipe.noisy * np.mean(fit.recipe.bursts), "noisy"),
        "stretch": (np.ptp(host.rate) / 2, np.ptp(fit.recipe.rate) / 2, "rate.high"),
        "stretched share": (host.stretched, fit.recipe.stretched, "stretched"),
        "softest voice": (host.gain[0] / host.gain[1], fit.recipe.gain[0] / fit.recipe.gain[1], "gain.low"),
        "whole share": (host.whole, fit.recipe.whole, "whole"),
    }
    return [
        {
            "host": name,
            "number": number,
            "true": true,
            "fitted": fitted,
            "off": fitted / true - 1,
            "within": bool(known.get(field, False) and abs(fitted / true - 1) <= WITHIN),
            "identified": known.get(field, False),  # a gain by another measure is not this number
        }
        for number, (true, fitted, field) in pairs.items()
    ]


def _peak_lost(bank: Bank, data: Path) -> float:
    """How many times as high the peak of a noise clip's file is as that of the bank's clip: the mean."""
    noises = bank.index[(bank.index["kind"] == "noise") & (bank.index["peak"] > 0)]
    ratios = []
    for path, peak in zip(noises["path"], noises["peak"], strict=True):
        wave = read_mono(data / path, read_header(data / path).sample_rate_hz)
        ratios.append(np.abs(wave).max() / peak)
    return float(np.mean(ratios))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", default=",".join(HOSTS), help="some of the hosts (default: all)")
    parser.add_argument("--sample", type=int, default=120, help="test mashups looked into")
    parser.add_argument("--probes", type=int, default=40, help="known mashups looked into")
    parser.add_argument("--adversary", action="store_true", help="the AUC before and after as well: a minute a host")
    parser.add_argument("--folder", type=Path, help="keep data, banks and finds here, and go on from there")
    return parser.parse_args()


if __name__ == "__main__":
    main()
