"""What class weights are worth where classes are unequal: a small network on the demo's music in the shares of
ISMIR2004, with and without weights of one over the number of songs.

    python benchmarks/class_weights.py [--recipe ismir2004_cnn_tiny] [--share 0.25] [--seconds 8] [--seeds 3]
        [--out runs/class_weights]

The corpus is made here in ISMIR2004's layout, mp3 and all. Every member trains on the training part and is scored on
the evaluation part; differences are of the same seed and tracks, with intervals from draws of both. It goes on from
what an earlier call left.
"""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import numpy as np
import pandas as pd

from messy_mashup import paths
from messy_mashup.data.demo_music.whole_songs import write_ismir2004
from messy_mashup.errors import run_script
from messy_mashup.notebooks.commands import run
from messy_mashup.scoring import predictions
from messy_mashup.scoring.averages import averages
from messy_mashup.scoring.metrics import accuracy, log_loss, macro_f1, paired_difference, per_class
from messy_mashup.training.run_folder import TESTED

# Runs and their settings
RUNS = {"equal": [], "balanced": ["--set", "train.class_weights=balanced"]}


def main() -> None:
    """Make, build, train, compare, print."""
    options = _options()
    data, runs = options.out / "ismir2004", options.out / "runs"
    write_ismir2004(data, options.share, options.seconds)
    run("build.py", "--data", data, "--bank", paths.bank_folder(data, runs))
    for name, settings in RUNS.items():
        members = ("--name", name, "--seeds", str(options.seeds))
        run("train.py", options.recipe, *members, "--data", data, "--runs", runs, *settings)
    tested = {name: _tested(runs, name, options.seeds) for name in RUNS}
    labels, classes = tested["equal"][0].label, tested["equal"][0].classes.tolist()
    logits = {name: np.stack([one.logits for one in found]) for name, found in tested.items()}
    table = pd.DataFrame({name: _scores(labels, each, classes) for name, each in logits.items()})
    print(f"\n{len(labels)} tracks of the evaluation part, mean of {options.seeds} seeds")
    print(table.to_string(float_format="{:.3f}".format))
    figures = {"tracks": len(labels), "scores": table.round(4).to_dict()}
    for name, metric in (("macro F1", macro_f1), ("accuracy", accuracy), ("log loss", log_loss)):
        gain = paired_difference(metric, labels, logits["balanced"], logits["equal"], seed=0)
        print(f"{name}: balanced less equal {gain[0]:+.3f} ({gain[1]:+.3f} to {gain[2]:+.3f})")
        figures[f"{name}, balanced less equal"] = [round(value, 4) for value in gain]
    print(json.dumps(figures))


def _tested(runs: Path, name: str, seeds: int) -> list[predictions.Predictions]:
    names = [name, *(f"{name}_seed{seed}" for seed in range(1, seeds))]
    return [predictions.load(runs / each / "fold0" / TESTED) for each in names]


def _scores(labels: np.ndarray, logits: np.ndarray, classes: list[str]) -> dict[str, float]:
    """Every score in the mean over the seeds, and the recall of each class with its number of tracks."""
    rows = []
    for one in logits:
        by_class = per_class(labels, one, classes)
        recalled = by_class[["class", "clips"]].agg(lambda row: f"recall of {row['class']} ({row['clips']})", axis=1)
        overall = {"accuracy": accuracy(labels, one), **averages(labels, one), "log loss": log_loss(labels, one)}
        rows.append(overall | dict(zip(recalled, by_class["recall"], strict=True)))
    return pd.DataFrame(rows).mean().to_dict()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--recipe", default="ismir2004_cnn_tiny", help="default: ismir2004_cnn_tiny")
    parser.add_argument("--share", type=float, default=0.25, help="of the contest's tracks (default: a quarter)")
    parser.add_argument("--seconds", type=float, default=8.0, help="of a track")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=paths.runs() / "class_weights", help="default: runs/class_weights")
    return parser.parse_args()


if __name__ == "__main__":
    run_script(main)
