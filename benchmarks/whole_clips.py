"""What it is worth to hear clips whole: a trained run's held-out mashups, scored in eight ways in one run.

    python benchmarks/whole_clips.py RUN [--data input/mini_mashup] [--runs runs] [--bank DIR] [--out DIR]

RUN is a folder below --runs with trained folds. Each fold's validation mashups are played from the bank and scored by
the member that never heard their songs. A difference is that of macro F1 to one window at the centre of the same clips;
its interval comes from draws of clips with replacement. Seconds are those of the forward passes and the pooling, of all
clips, without the playing.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import numpy as np
import torch
from tqdm import tqdm

from messy_mashup import paths
from messy_mashup.data.bank import Bank, open_of, source_of
from messy_mashup.data.folds import ALL
from messy_mashup.errors import UserError, run_script
from messy_mashup.mashup.frames import MashupPlayer
from messy_mashup.mashup.validation import Plan, open_plan
from messy_mashup.recipe import Recipe, ScoringRecipe
from messy_mashup.recipe_text import from_json
from messy_mashup.scoring.metrics import accuracy, log_loss, macro_f1, paired_difference
from messy_mashup.scoring.plots import differences_picture
from messy_mashup.scoring.pooling import chunk_windows
from messy_mashup.scoring.predict import Listener
from messy_mashup.training.device import best_device
from messy_mashup.training.run_folder import RECIPE, WEIGHTS, read_card
from messy_mashup.training.trained import load_member

Cut = Callable[[torch.Tensor, int], torch.Tensor]
CLIPS_AT_ONCE = 64  # played, then scored in every way, so that no more are in memory


def whole(log_mel: torch.Tensor, frames: int) -> torch.Tensor:
    """All of a clip."""
    return log_mel


def centre(log_mel: torch.Tensor, frames: int) -> torch.Tensor:
    """One window at a clip's centre."""
    return log_mel[max(0, (len(log_mel) - frames) // 2) :][:frames]


def beginning(log_mel: torch.Tensor, frames: int) -> torch.Tensor:
    """One window at a clip's beginning."""
    return log_mel[:frames]


@dataclass(frozen=True)
class Way:
    """What is heard of a clip, and how that is scored."""

    name: str
    cut: Cut
    scoring: ScoringRecipe = ScoringRecipe()  # noqa: RUF009, it is frozen

    def windows(self, length: int, frames: int) -> int:
        """How many windows a clip of `length` frames has."""
        return len(chunk_windows(length if self.cut is whole else min(length, frames), frames, 0, self.scoring))


POOLS = ("logits", "probabilities", "majority")
WAYS = (
    Way("one window at the centre", centre),
    Way("one window at the beginning", beginning),
    Way("overlapping by 1/2, logits", whole),
    Way("overlapping by 1/2, probabilities", whole, ScoringRecipe(pooled="probabilities")),
    Way("overlapping by 3/4, logits", whole, ScoringRecipe(overlap=0.75)),
    *(Way(f"20 random, {pooled}", whole, ScoringRecipe(windows="random", pooled=pooled)) for pooled in POOLS),
)


@dataclass
class Result:
    """A way's logits of every clip so far, and what they took."""

    logits: list[np.ndarray]
    windows: int = 0
    seconds: float = 0.0


def main() -> None:
    """Score, compare, print."""
    options = _options()
    run = options.runs / options.run
    folders = trained_folds(run)
    recipe, bank, plan = material(options, folders[0])
    results, labels = {way: Result([]) for way in WAYS}, []
    for folder in folders:
        labels.append(_score_fold(folder, recipe, bank, plan, results))
    figures = _told(np.concatenate(labels), results)
    rows = [(name, *(figures[name][key] for key in ("gain", "low", "high"))) for name in list(figures)[1:]]
    picture = (options.out or options.runs / "whole_clips") / f"{run.name}.png"
    differences_picture(rows, picture, f"{run.name}: against one window at the centre")
    print(json.dumps({"run": run.name, "clips": sum(map(len, labels)), **figures}))


def trained_folds(run: Path) -> list[Path]:
    """The folders of a run's folds; UserError where it has none."""
    folders = [path.parent for path in sorted(run.glob(f"*/{WEIGHTS}")) if read_card(path)["fold"] != ALL]
    if not folders:
        raise UserError(f"{run} holds no trained fold: train one with train.py, or name another run")
    return folders


def material(options: argparse.Namespace, folder: Path) -> tuple[Recipe, Bank, Plan]:
    """What the member in `folder` was trained on and validated with: its recipe, bank and plan."""
    recipe, card = from_json(folder / RECIPE), read_card(folder / WEIGHTS)
    source = options.data or source_of(card["bank"], options.runs / paths.BANKS)
    if not source:
        raise UserError(f"no bank below {options.runs} is the one that {folder} was trained on: name --data and --bank")
    data = Path(source)
    bank = open_of(options.bank or paths.find_bank(data, options.runs), data)
    return recipe, bank, open_plan(bank, recipe.folds, options.runs / "folds")


def _score_fold(folder: Path, recipe: Recipe, bank: Bank, plan: Plan, results: dict[Way, Result]) -> np.ndarray:
    """Add a fold's clips to the results; the labels of these clips."""
    member, card = load_member(folder, best_device()), read_card(folder / WEIGHTS)
    if card["plan"] != plan.digest:
        raise UserError(f"{folder} was validated on other mashups than its plan has now: train it again")
    mashups = plan.mashups(card["fold"])[1]
    player, burst_level = MashupPlayer(bank, member.spec, member.device), recipe.folds.validation.burst_level
    rows = tqdm(range(len(mashups)), desc=folder.name, unit=" mashups")
    played = (player.whole_log_mel(mashups[row : row + 1], burst_level) for row in rows)
    while log_mels := list(islice(played, CLIPS_AT_ONCE)):
        for way, result in results.items():
            _score(way, result, member, log_mels)
    return mashups.label


def _score(way: Way, result: Result, member: Listener, log_mels: list[torch.Tensor]) -> None:
    begun_s = time.perf_counter()
    listener = replace(member, scoring=way.scoring)
    result.logits.append(listener.logits(way.cut(log_mel, member.frames) for log_mel in log_mels))
    result.seconds += time.perf_counter() - begun_s
    result.windows += sum(way.windows(len(log_mel), member.frames) for log_mel in log_mels)


def _told(labels: np.ndarray, results: dict[Way, Result]) -> dict[str, dict[str, float]]:
    """Print the table; its numbers by the ways' names."""
    print(f"{'':<36}{'macro F1':>9}{'accuracy':>9}{'log loss':>9}{'windows':>9}{'s':>7}   to one window, 95 %")
    figures, one_window = {}, np.concatenate(results[WAYS[0]].logits)[None]
    for way, result in results.items():
        logits = np.concatenate(result.logits)
        gain, low, high = paired_difference(macro_f1, labels, logits[None], one_window, seed=0)
        row = {
            "macro_f1": macro_f1(labels, logits),
            "accuracy": accuracy(labels, logits),
            "log_loss": log_loss(labels, logits),
            "windows_a_clip": result.windows / len(labels),
            "seconds": result.seconds,
        }
        against = {"gain": gain, "low": low, "high": high}
        figures[way.name] = {name: round(number, 4) for name, number in (row | against).items()}
        scores = f"{row['macro_f1']:>9.4f}{row['accuracy']:>9.4f}{row['log_loss']:>9.4f}"
        print(f"{way.name:<36}{scores}{row['windows_a_clip']:>9.1f}{row['seconds']:>7.1f}", end="")
        print("" if way is WAYS[0] else f"   {gain:+.4f} ({low:+.4f} to {high:+.4f})")
    return figures


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", metavar="RUN", help="folder below --runs with trained folds")
    parser.add_argument("--data", type=Path, help="folder of the data set (default: the one the run was trained on)")
    parser.add_argument("--bank", type=Path, help="folder of its bank (default: the one that build.py makes)")
    parser.add_argument("--runs", type=Path, default=paths.runs(), help="folder of all runs (default: runs/)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="for the picture (default: whole_clips below --runs)")
    return parser.parse_args()


if __name__ == "__main__":
    run_script(main)
