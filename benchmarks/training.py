"""Clips a second and memory of training AST and ResNet34: transformers' Trainer with librosa against this project.

    python benchmarks/training.py [--data DIR] [--steps N] [--seconds S] [--size tiny|base] [--batch N] [--compile]

Both ways train random networks of one size in the same precision on the same mashups in the same batches, each way in
a process of its own. The plain way is plain_training.py with a worker a core; its fair form crops stems before it
stretches them. Then: what share of our step mashups take, alone (the batch is made, then learnt from) and as they run
(beside the step before), and how much of the device's measured matrix rate the FLOPs of the model use.

On a machine with a GPU the size is AST-base and the full ResNet34, and torch.compile is measured too. Beside torch and
transformers it takes timm, librosa, soundfile, soxr, pydantic, tqdm, safetensors, pandas, scikit-learn, accelerate and
psutil: `pip install -r requirements.txt accelerate`, or these as wheels where there is no internet. Stems are made on
the machine itself. Of several GPUs name one in CUDA_VISIBLE_DEVICES. The last line is JSON.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import plain_training
import torch
from measures import Figures, Job, Laps, apart, flops_per_clip, matrix_rate, measured, synchronise

from messy_mashup import models, recipes
from messy_mashup.data import bank_build
from messy_mashup.data.bank import Bank
from messy_mashup.data.demo_music.competition import write_competition
from messy_mashup.errors import UserError, run_script
from messy_mashup.mashup.frames import MashupPlayer
from messy_mashup.mashup.pool import Pool
from messy_mashup.recipe import MashupRecipe, Recipe
from messy_mashup.training.device import best_device
from messy_mashup.training.feed import Feed
from messy_mashup.training.learner import Learner
from messy_mashup.training.parallel import Ranks
from messy_mashup.training.precision import forward_dtype

HEARD_S = 10.24
SHORTEST_S = 12.0  # of a stem: what a model hears, at the fastest tempo
PATCHOUT = {"tiny": (1, 20), "base": (2, 30)}  # three of five patches stay
BATCH = {"ast": 12, "resnet34": 32}
ROUNDS = 4  # timed, where --steps says nothing
COLUMNS = (
    "clips_per_s",
    "step_ms",
    "peak_mib",
    "gpu_mib",
    "mashups_ms",
    "mashup_share_alone",
    "mashup_share",
    "gflops_per_clip",
    "utilisation",
)
GOALS = {"ratio": 10.0, "utilisation": 0.4, "mashup_share": 0.05}


def main() -> None:
    """Make the stems, time every way, print."""
    options = _options()
    device = best_device().type
    if device == "cuda" and torch.cuda.device_count() > 1:
        raise UserError("there are several GPUs, which Trainer would all use: name one in CUDA_VISIBLE_DEVICES")
    size = options.size or ("base" if device == "cuda" else "tiny")
    with tempfile.TemporaryDirectory(prefix="training-") as folder:
        data = options.data or Path(folder) / "data"
        if not options.data:
            write_competition(data, ("rock", "jazz"), songs=8, seconds=options.seconds, noises=10, mashups=2)
        bank = bank_build.build("messy_mashup", data, Path(folder) / "bank")
        _refuse_short_stems(bank, data)
        cores = len(os.sched_getaffinity(0))
        rounds = -(-options.steps // cores) if options.steps else ROUNDS
        of_all = {"data": data, "bank": bank.root, "device": device, "round": cores, "rounds": rounds}
        jobs = {name: Job(recipe, **of_all) for name, recipe in _variants(size, options.batch).items()}
        ways = _ways(jobs, options.compile or device == "cuda")
    _print(size, jobs["ast"], ways)


def ours(job: Job) -> Figures:
    """Train from the bank in the frame domain."""
    recipe, device, bank = job.recipe, torch.device(job.device), Bank.open(job.bank)
    classes = bank.classes
    spec = models.frame_spec(recipe.backbone)
    pool = Pool.of(bank.index, bank.sample_rate_hz, classes, recipe.mashup.parts)
    frames = spec.frames_in(recipe.backbone.heard_s)
    feed = Feed(recipe, MashupPlayer(bank, spec, device), pool, frames, Ranks())
    model = models.build(recipe.backbone, len(classes)).to(device)
    learner = Learner(model, recipe.train, 3 * job.steps, device, Ranks())
    laps, shapes, losses = Laps(job), set(), []
    for step, batch in enumerate(feed.batches(0, range(job.steps))):
        losses.append(learner.step(step, batch)[0])
        shapes.add(tuple(batch.log_mel.shape))
        laps.lap()
    figures = measured(job, laps, shapes, [float(loss) for loss in losses], model)
    return figures | _mashup_shares(job, feed, learner, laps.step_s)


def _mashup_shares(job: Job, feed: Feed, learner: Learner, step_s: float) -> Figures:
    """Which share of a step is the mashups': made alone before it, and beside the one before it."""
    making, learning = [], []
    fixed, ready = Laps(job), feed.batch(1, 0)
    for step in range(job.steps):
        synchronise(job.device)
        begun = time.perf_counter()
        batch = feed.batch(1, step)
        synchronise(job.device)
        made = time.perf_counter()
        learner.step(job.steps + step, batch)
        synchronise(job.device)
        making.append(made - begun)
        learning.append(time.perf_counter() - made)
    for step in range(job.steps):
        learner.step(2 * job.steps + step, ready)
        fixed.lap()
    mashups_s, learning_s = statistics.median(making), statistics.median(learning)
    return {
        "mashups_ms": 1000 * mashups_s,
        "mashup_share_alone": mashups_s / (mashups_s + learning_s),
        "mashup_share": 1 - fixed.step_s / step_s,
    }


def cost(job: Job) -> Figures:
    """FLOPs a clip of a model."""
    return {"flops_per_clip": flops_per_clip(job.recipe, classes=2)}


def rate(job: Job) -> Figures:
    """The device's matrix rate in the numbers of the forward pass."""
    dtype = forward_dtype(job.recipe.train, torch.device(job.device))
    return {"matrix_rate": matrix_rate(job.device, dtype), "dtype": str(dtype).removeprefix("torch.")}


def _variants(size: str, batch: int | None) -> dict[str, Recipe]:
    """The recipes that are measured, from random weights, in the numbers that suit the device."""
    suffix = "_tiny" if size == "tiny" else ""
    variants = {}
    for name in BATCH:
        recipe = recipes.load(f"messy_mashup_{name}{suffix}")
        variants[name] = replace(
            recipe,
            mashup=MashupRecipe(rate=(0.9, 1.1)),
            backbone=replace(recipe.backbone, weights="", heard_s=HEARD_S),
            train=replace(recipe.train, batch_size=batch or BATCH[name], precision="auto"),
        )
    ast = variants["ast"]
    return variants | {"ast_patchout": replace(ast, backbone=replace(ast.backbone, patchout=PATCHOUT[size]))}


def _ways(jobs: dict[str, Job], compiled: bool) -> dict[str, Figures]:
    """The figures of all ways by name, ours with their use of the matrix rate; raises where two cannot be compared."""
    device = apart(rate, jobs["ast"])
    ways: dict[str, Figures] = {"device": device}
    for name, job in jobs.items():
        flops = apart(cost, job)["flops_per_clip"]
        train = job.recipe.train
        forms = {name: job}
        if compiled and name.startswith("ast"):
            forms[f"{name}_compiled"] = replace(job, recipe=replace(job.recipe, train=replace(train, compiled=True)))
        for form, order in forms.items():
            figures = ways[form] = apart(ours, order)
            used = figures["clips_per_s"] * flops / device["matrix_rate"]
            ways[form] |= {"gflops_per_clip": flops / 1e9, "utilisation": used}
    for name, plain in (
        ("ast", plain_training.cropped),
        ("ast", plain_training.whole),
        ("resnet34", plain_training.cropped),
    ):
        figures = ways[f"plain_{name}_{plain.__name__}"] = apart(plain, jobs[name])
        _refuse_unlike(name, ways[name], figures)
    return ways


def _refuse_unlike(name: str, ours_: Figures, plain: Figures) -> None:
    for what in ("shape", "parameters"):
        if ours_[what] != plain[what]:
            raise RuntimeError(
                f"{name}: {what} {ours_[what]} of ours and {plain[what]} of the plain way: no comparison"
            )


def _refuse_short_stems(bank: Bank, data: Path) -> None:
    shortest_s = bank.index["length"][bank.select("stem")].min() / bank.sample_rate_hz
    if shortest_s < SHORTEST_S:
        raise UserError(f"{data} has a stem of {shortest_s:.1f} s: give stems of {SHORTEST_S:.0f} s at least")


def _print(size: str, job: Job, ways: dict[str, Figures]) -> None:
    conditions, ratios = _conditions(size, job, ways.pop("device")), _ratios(ways)
    for name, value in conditions.items():
        print(f"{name:<24}{value:.3g}" if isinstance(value, float) else f"{name:<24}{value}")
    print(f"\n{'':<24}" + "".join(f"{column:>20}" for column in COLUMNS))
    for name, figures in ways.items():
        cells = (f"{figures[column]:>20.3f}" if column in figures else f"{'':>20}" for column in COLUMNS)
        print(f"{name:<24}" + "".join(cells))
    print()
    for name, value in ratios.items():
        print(f"{name:<24}{value:.2f}")
    if job.device == "cuda":
        _print_goals(ways, ratios)
    print(json.dumps({"benchmark": "training", **conditions, **ratios, **ways}))


def _conditions(size: str, job: Job, device: Figures) -> Figures:
    return {
        "size": size,
        "device": torch.cuda.get_device_name() if job.device == "cuda" else "cpu",
        "cores": job.round,  # and as many workers
        "load_average": os.getloadavg()[0],  # the benchmark's own, and that of whatever ran beside it
        "torch": version("torch"),
        "transformers": version("transformers"),
        "plain_fbank": "torchaudio" if find_spec("torchaudio") else "numpy",  # as ASTFeatureExtractor chooses
        "dtype": device["dtype"],
        "matrix_tflops": device["matrix_rate"] / 1e12,
    }


def _ratios(ways: dict[str, Figures]) -> dict[str, float]:
    """How many times the clips a second of the plain way, where the model does the same work."""
    speed = {name: figures["clips_per_s"] for name, figures in ways.items()}
    like = [name for name in speed if not name.startswith("plain") and "patchout" not in name]
    ratios = {f"ratio_{name}": speed[name] / speed[f"plain_{name.partition('_')[0]}_cropped"] for name in like}
    return ratios | {"ratio_ast_to_whole": speed["ast"] / speed["plain_ast_whole"]}


def _print_goals(ways: dict[str, Figures], ratios: dict[str, float]) -> None:
    for name, value in ratios.items():
        print(f"{name} >= {GOALS['ratio']:.0f}: {'reached' if value >= GOALS['ratio'] else 'missed'}")
    for name, figures in ways.items():
        if not name.startswith("plain"):
            used, share = figures["utilisation"], figures["mashup_share"]
            print(f"{name}: utilisation {used:.3f}: {'reached' if used >= GOALS['utilisation'] else 'missed'}")
            print(f"{name}: mashups {share:.3f}: {'reached' if share <= GOALS['mashup_share'] else 'missed'}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, help="a competition with stems of 12 s or more (default: made here)")
    parser.add_argument("--seconds", type=float, default=30.0, help="length of the stems that are made here")
    parser.add_argument("--steps", type=int, help="timed a way, made up to whole rounds of a step a core")
    parser.add_argument("--size", choices=sorted(PATCHOUT), help="of the networks (default: base on a GPU, else tiny)")
    parser.add_argument("--batch", type=int, help="clips a step (default: 12 for AST, 32 for ResNet34)")
    parser.add_argument("--compile", action="store_true", help="measure torch.compile on a CPU too: takes minutes")
    return parser.parse_args()


if __name__ == "__main__":
    run_script(main)
