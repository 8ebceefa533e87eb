"""What 8 bits cost in score and gain in speed: a run's held-out mashups by its members in float32 and in 8 bits.

    python benchmarks/int8.py RUN [--data input/mini_mashup] [--runs runs] [--per-song 40] [--bank DIR]

Mashups of each fold's held-out songs, --per-song for each, so many that a tenth of a point shows, are played from the
bank and scored by the member that never heard these songs. The difference is that of macro F1, in points, with the 95 %
interval of draws of clips with replacement.
"""

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import numpy as np
import torch
from tqdm import tqdm
from whole_clips import material, trained_folds

from messy_mashup import paths
from messy_mashup.errors import run_script
from messy_mashup.mashup.frames import MashupPlayer
from messy_mashup.mashup.validation import open_plan
from messy_mashup.scoring.int8 import int8_listener
from messy_mashup.scoring.metrics import macro_f1, paired_difference
from messy_mashup.training.run_folder import WEIGHTS, read_card
from messy_mashup.training.trained import load_member

LIMIT = 0.2  # points of macro F1


def main() -> None:
    """Score twice, compare, print."""
    options = _options()
    run = options.runs / options.run
    folders = trained_folds(run)
    recipe, bank, _ = material(options, folders[0])
    plan = open_plan(bank, replace(recipe.folds, validation_per_song=options.per_song), options.runs / "folds")
    labels, whole, small, seconds = [], [], [], np.zeros(2)
    for folder in folders:
        member = load_member(folder, torch.device("cpu"))
        mashups = plan.mashups(read_card(folder / WEIGHTS)["fold"])[1]
        player, burst_level = MashupPlayer(bank, member.spec, member.device), recipe.folds.validation.burst_level
        rows = tqdm(range(len(mashups)), desc=folder.name, unit=" mashups")
        log_mels = [player.whole_log_mel(mashups[row : row + 1], burst_level) for row in rows]
        labels.append(mashups.label)
        for place, (listener, told) in enumerate(((member, whole), (int8_listener(member), small))):
            begun_s = time.perf_counter()
            told.append(listener.logits(log_mels))
            seconds[place] += time.perf_counter() - begun_s
    label, float32, int8 = np.concatenate(labels), np.concatenate(whole), np.concatenate(small)
    gain, low, high = paired_difference(macro_f1, label, int8[None], float32[None], seed=0)
    loss = -100 * gain
    same = float((float32.argmax(1) == int8.argmax(1)).mean())
    scores = [macro_f1(label, logits) for logits in (float32, int8)]
    print(f"macro F1 {scores[0]:.4f} in float32, {scores[1]:.4f} in 8 bits on {len(label)} clips")
    print(f"lost {loss:+.2f} points (95 %: {-100 * high:+.2f} to {-100 * low:+.2f}), {same:.1%} the same class")
    figures = {"macro_f1": scores[0], "macro_f1_int8": scores[1], "lost_points": loss}
    times = {"float32_s": seconds[0], "int8_s": seconds[1], "within_limit": bool(loss <= LIMIT)}
    print(json.dumps({"run": run.name, "clips": len(label), "same_class": same, **figures, **times}))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", help="a folder below --runs whose folds are trained transformers")
    parser.add_argument("--data", type=Path, help="folder of the data set")
    parser.add_argument("--runs", type=Path, default=paths.runs(), help="folder of all runs (default: runs/)")
    parser.add_argument("--per-song", type=int, default=40, help="mashups for each held-out song (default: 40)")
    parser.add_argument("--bank", type=Path, help="folder of the bank")
    return parser.parse_args()


if __name__ == "__main__":
    run_script(main)
