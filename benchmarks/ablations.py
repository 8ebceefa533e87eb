"""What each knob is worth: one fold, three seeds, every variant against its base on the same mashups and clips.

    python benchmarks/ablations.py --data input/mini_mashup [--devices cpu,cpu] [--runs runs/ablations]

Every variant changes its base recipe by settings alone; all members train side by side as a fleet, and a second call
goes on from there. The difference is that of macro F1 on held-out songs, in the mean over the seeds; its interval comes
from draws of seeds and clips with replacement, the same ones for variant and base.
"""

import argparse
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import numpy as np

from messy_mashup import paths, recipes
from messy_mashup.errors import UserError, run_script
from messy_mashup.recipe_text import override, to_json
from messy_mashup.scoring import predictions
from messy_mashup.scoring.metrics import macro_f1, paired_difference
from messy_mashup.scoring.plots import differences_picture
from messy_mashup.training.fleet import devices_named, train_fleet
from messy_mashup.training.fleet_table import Member
from messy_mashup.training.run_folder import OOF
from messy_mashup.training.stop import Stop

FOLD, SEEDS = "0", 3
SHORT = ("train.mashups_per_epoch=3840", "train.epochs=4")
CNN, AST = "messy_mashup_cnn_tiny", "messy_mashup_ast_tiny"
# The three classes with the lowest F1 of the first entry weigh half as much again.
HARD_CLASSES = "train.class_weights=(1,1,1,1.5,1,1,1,1.5,1,1.5)"


@dataclass(frozen=True)
class Variant:
    """A base recipe with some settings changed."""

    name: str
    recipe: str
    settings: tuple[str, ...] = ()


# What the CNN's recipe was before the first of these rows.
MASKED = ("augment.masks=1", "augment.equaliser_db=3")
BASES = (Variant("cnn", CNN, MASKED), Variant("ast", AST))
VARIANTS = (
    Variant("no masks, no equaliser", CNN),
    Variant("pictures by albumentations", CNN, (*MASKED, "augment.pictures=0.5")),
    Variant(
        "mixup, smoothing, class weights",
        CNN,
        (*MASKED, "augment.mixup=0.4", "train.label_smoothing=0.1", HARD_CLASSES),
    ),
    Variant("averaged weights", CNN, (*MASKED, "train.ema=0.99")),
    Variant("warm restarts", CNN, (*MASKED, "train.restarts=2")),
    Variant(
        "patchout, layer-wise rates, clipping",
        AST,
        ("backbone.patchout=(1,2)", "train.layer_lr=0.8", "train.head_lr=3", "train.clip_norm=1"),
    ),
)


def main() -> None:
    """Train what is missing, compare, print."""
    options = _options()
    variants = [variant for variant in (*BASES, *VARIANTS) if variant.recipe in options.recipes.split(",")]
    if not variants:
        raise UserError(f"--recipes {options.recipes}: there are ablations of {CNN} and {AST}")
    # A process a device, each with its share of the cores
    with Stop() as stop:
        jobs = [_job(variant, seed, options) for variant in variants for seed in range(SEEDS)]
        train_fleet(jobs, devices_named(options.devices), stop)
    figures, rows = {}, []
    for base in [variant for variant in variants if variant in BASES]:
        labels, theirs = _logits(base, options.runs)
        scores = [macro_f1(labels, one) for one in theirs]
        figures[base.name] = {"macro_f1": [round(score, 4) for score in scores]}
        print(f"{base.recipe}: {np.mean(scores):.3f} ({', '.join(f'{score:.3f}' for score in scores)})")
        for variant in [one for one in variants if one.recipe == base.recipe and one != base]:
            ours = _logits(variant, options.runs)[1]
            gain, low, high = paired_difference(macro_f1, labels, ours, theirs, seed=0)
            print(f"  {variant.name:<40}{gain:+.3f}  ({low:+.3f} to {high:+.3f})")
            rows.append((f"{base.name}: {variant.name}", gain, low, high))
            figures[variant.name] = {"gain": round(gain, 4), "low": round(low, 4), "high": round(high, 4)}
    differences_picture(rows, options.runs / "ablations.png", f"What each knob is worth: fold {FOLD}, {SEEDS} seeds")
    print(json.dumps(figures))


def _job(variant: Variant, seed: int, options: argparse.Namespace) -> Member:
    run = _run(variant, seed)
    words = [variant.recipe, "--name", run, "--folds", FOLD, "--runs", str(options.runs), "--bank", str(options.bank)]
    for setting in (*SHORT, *variant.settings, f"train.seed={seed}"):
        words += ["--set", setting]
    words += ["--data", str(options.data)]
    recipe = override(recipes.load(variant.recipe), [*SHORT, *variant.settings, f"train.seed={seed}"])
    return Member(f"{run}/fold{FOLD}", tuple(words), options.runs / run / f"fold{FOLD}", to_json(recipe))


def _run(variant: Variant, seed: int) -> str:
    return f"{variant.name.replace(',', '').replace(' ', '_')}_seed{seed}"


def _logits(variant: Variant, runs: Path) -> tuple[np.ndarray, np.ndarray]:
    """Labels (clips,) and the logits (seeds, clips, classes) of held-out mashups."""
    held_out = [predictions.load(runs / _run(variant, seed) / f"fold{FOLD}" / OOF) for seed in range(SEEDS)]
    return held_out[0].label, np.stack([one.logits for one in held_out])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=paths.inputs() / "mini_mashup", help="default: input/mini_mashup")
    parser.add_argument("--bank", type=Path, default=paths.runs() / "banks" / "mini_mashup", help="its bank")
    parser.add_argument("--runs", type=Path, default=paths.runs() / "ablations", help="default: runs/ablations")
    every_core = ",".join(["cpu"] * (os.cpu_count() or 1))
    parser.add_argument("--devices", default=every_core, help="a member on each (default: one on each core)")
    parser.add_argument("--recipes", default=f"{CNN},{AST}", help="of which base recipes (default: both)")
    return parser.parse_args()


if __name__ == "__main__":
    run_script(main)
