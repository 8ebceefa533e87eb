"""What DoRA on a frozen AST is worth, against other ways to adapt it: on the demo's music in GTZAN's layout.

    python benchmarks/dora.py [--songs 16] [--seconds 8] [--out runs/dora]

A small AST is first trained on mashups of the demo's competition, of other songs of the same synthesiser: it stands for
AudioSet's weights, which cannot be had here. Then every way learns the same songs with the same copies, in three splits
by 2:1:1, and is scored on the test parts. It goes on from what an earlier call left.
"""

import argparse
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import pandas as pd
from safetensors.torch import save_file

from messy_mashup import models, paths
from messy_mashup.data.demo_music.competition import write_competition
from messy_mashup.data.demo_music.whole_songs import write_gtzan
from messy_mashup.errors import run_script
from messy_mashup.files import write_whole
from messy_mashup.models.ast_checkpoint import CONFIG, TENSORS
from messy_mashup.notebooks.commands import run
from messy_mashup.recipe_text import from_json
from messy_mashup.scoring import predictions
from messy_mashup.scoring.metrics import fold_scores
from messy_mashup.scoring.predictions import Predictions
from messy_mashup.scoring.repetitions import corrected_interval
from messy_mashup.training.run_folder import RECIPE, TESTED, WEIGHTS, load_weights

NETWORK = ("heard_s=3.0", "width=64", "layers=4", "heads=2", "stride=(16,16)")
SPLITS, RATIOS = 3, (2, 1, 1)
OTHER_SONGS = 1  # the seed of GTZAN's songs


@dataclass(frozen=True)
class Way:
    """A way to adapt the network: changes of the recipe `gtzan_ast_dora`."""

    name: str
    settings: tuple[str, ...]


def way(name: str, *settings: str, lr: str) -> Way:
    """A way with its learning rate."""
    return Way(name, (*settings, f"train.lr={lr}"))


NO_ADAPTER, LINEAR = "backbone.dora.rank=0", "backbone.head.hidden=0"
LEARNT_WHOLE = ("backbone.frozen=False", NO_ADAPTER, LINEAR)
WAYS = (
    way("from_random_weights", *LEARNT_WHOLE, "backbone.weights=", lr="1e-3"),
    way("all_weights", *LEARNT_WHOLE, lr="3e-4"),
    way("frozen_linear_head", NO_ADAPTER, LINEAR, lr="3e-3"),
    way("frozen_hidden_head", NO_ADAPTER, lr="3e-3"),
    way("dora_feed_forward_out", "backbone.dora.first=2", lr="3e-3"),
    way("dora_attention", "backbone.dora.first=2", 'backbone.dora.layers=("query","key","value")', lr="3e-3"),
)


def main() -> None:
    """Make the music, train the network and every way, print."""
    options = _options()
    runs = options.out / "runs"
    checkpoint = _checkpoint(options.out, runs)
    data = write_gtzan(options.out / "gtzan", options.songs, options.seconds, seed=OTHER_SONGS)
    run("build.py", "--data", data, "--bank", paths.bank_folder(data, runs))
    rows = []
    for each in WAYS:
        begun_s = time.perf_counter()
        run("train.py", "gtzan_ast_dora", "--name", each.name, "--data", data, "--runs", runs, *_set(each, checkpoint))
        rows.append(_row(each, runs) | {"seconds": round(time.perf_counter() - begun_s, 1)})
    table = pd.DataFrame(rows)
    print(f"\nTest parts of {SPLITS} splits by {':'.join(map(str, RATIOS))}, mean and corrected 95 % interval")
    print(table.to_string(index=False, float_format="{:.3f}".format))
    print(json.dumps({row["way"]: {key: row[key] for key in row if key != "way"} for row in rows}))


def _checkpoint(out: Path, runs: Path) -> Path:
    """The network after training on the competition's mashups, in the hub's format."""
    folder, data = out / "checkpoint", out / "competition"
    if (folder / CONFIG).exists():
        return folder
    write_competition(data, songs=10, seconds=8.0, mashups=10)
    run("build.py", "--data", data, "--bank", paths.bank_folder(data, runs))
    words = ["messy_mashup_ast_demo", "--name", "pretrained", "--folds", "all", "--data", data, "--runs", runs]
    for setting in (*(f"backbone.{field}" for field in NETWORK), "train.epochs=16"):
        words += ["--set", setting]
    run("train.py", *words)
    member = runs / "pretrained" / "all"
    tensors, card = load_weights(member / WEIGHTS)
    network = models.build(from_json(member / RECIPE).backbone, len(card["classes"]))
    config = network.audio_spectrogram_transformer.config.to_dict()
    with write_whole(folder / TENSORS) as temporary:
        save_file(tensors, temporary, metadata={"format": "pt"})
    with write_whole(folder / CONFIG) as temporary:
        temporary.write_text(json.dumps(config | {"model_type": "audio-spectrogram-transformer"}, default=str))
    return folder


def _set(each: Way, checkpoint: Path) -> list[str]:
    shared = [
        *(f"backbone.{field}" for field in NETWORK),
        f"backbone.weights={checkpoint.resolve()}",
        f"folds.ratios={RATIOS}",
        f"folds.count={SPLITS}",
        "train.epochs=5",
        "train.accumulate=1",
    ]
    return [word for setting in (*shared, *each.settings) for word in ("--set", setting)]


def _row(each: Way, runs: Path) -> dict[str, object]:
    parts = [predictions.load(runs / each.name / f"fold{split}" / TESTED) for split in range(SPLITS)]
    tensors, _ = load_weights(runs / each.name / "fold0" / WEIGHTS)
    row: dict[str, object] = {"way": each.name, "learnt": sum(tensor.numel() for tensor in tensors.values())}
    for name in ("accuracy", "macro_f1"):
        scores = [_score(part, name) for part in parts]
        low, high = corrected_interval(scores, RATIOS[2] / RATIOS[0])
        row |= {name: round(sum(scores) / SPLITS, 4), f"{name}_low": round(low, 4), f"{name}_high": round(high, 4)}
    return row


def _score(part: Predictions, name: str) -> float:
    return float(fold_scores(part.label, part.logits, part.fold)[name].iloc[0])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--songs", type=int, default=16, help="a genre")
    parser.add_argument("--seconds", type=float, default=8.0, help="of a song")
    parser.add_argument("--out", type=Path, default=paths.runs() / "dora", help="default: runs/dora")
    return parser.parse_args()


if __name__ == "__main__":
    run_script(main)
