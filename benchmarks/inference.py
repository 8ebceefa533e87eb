"""infer.py against two plain ways to label files, with one AST and the same windows, each from its command to a CSV.

    python benchmarks/inference.py [--files 12] [--plain-files 12] [--clip-s 30] [--out DIR]

The plain ways are librosa, ASTFeatureExtractor and PyTorch in a loop, and transformers' pipeline, fed the same windows
(by itself it hears the first 10 s of a file). The AST has AudioSet's size and random weights. The limit is the
processor's own rate for products of matrices, measured in the same run. Fails where the ways do not tell the same. On a
GPU: --files 3020, and all ways use it.
"""

import argparse
import json
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import numpy as np
import pandas as pd
import psutil
import soundfile
import torch
from measures import MIB, counted_flops, matrix_rate
from tqdm import tqdm

from messy_mashup import models, paths, recipes
from messy_mashup.data.demo_music.styles import GENRES
from messy_mashup.data.folds import ALL
from messy_mashup.errors import run_script
from messy_mashup.release.transformers_folder import write_transformers_folder
from messy_mashup.scoring.pooling import chunk_windows
from messy_mashup.training.device import best_device
from messy_mashup.training.precision import prediction_dtype
from messy_mashup.training.run_folder import METRICS, WEIGHTS, fold_name, save_weights
from messy_mashup.training.trained import load_member

RUN = "ast_base"
SOURCE_HZ, HEARD_HZ = 44_100, 16_000
SAME = 0.02  # in probability: the plain extractor's log-mel is off by 1e-3
WAYS = {"infer": "infer.py", "int8": "infer.py --int8", "loop": "librosa and PyTorch", "pipeline": "pipeline"}


def main() -> None:
    """Make model and files, run each way in a process of its own, compare, print."""
    options = _options()
    if options.way:
        _plain(options)
        return
    folder = options.out or paths.runs() / "inference"
    files = _files(folder / "clips", options.files, options.clip_s)
    listener = _model(folder)
    windows = len(_starts(options.clip_s, listener))
    before = _rate()
    figures = {}
    for way in WAYS if best_device().type == "cpu" else [way for way in WAYS if way != "int8"]:
        heard = files if way in ("infer", "int8") else files[: options.plain_files]
        figures[way] = _timed(way, folder, heard, options.clip_s)
    rate = max(before, _rate())
    _compare(folder, list(figures))
    flops = windows * _flops(listener)
    for figure in figures.values():
        figure["share_of_matrix_rate"] = figure["files_per_s"] * flops / rate
        figure["ratio_to_loop"] = figure["files_per_s"] / figures["loop"]["files_per_s"]
    _tell(figures, rate, windows)
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"CPU, {torch.get_num_threads()} threads"
    about = {"device": device, "files": options.files, "clip_s": options.clip_s, "windows_a_file": windows}
    print(json.dumps(about | {"matrix_gflops": rate / 1e9, "gflop_a_file": flops / 1e9} | figures))


def _files(folder: Path, count: int, clip_s: float) -> list[Path]:
    """Clips at 44.1 kHz stereo: tones over noise, of which no two are alike."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{number:05d}_{clip_s:g}s.wav" for number in range(count)]
    time_s = np.arange(round(clip_s * SOURCE_HZ)) / SOURCE_HZ
    for number, file in enumerate(tqdm(files, "clips", leave=False)):
        if not file.exists():
            random = np.random.default_rng(number)
            tones = sum(np.sin(2 * np.pi * hz * time_s) for hz in random.uniform(60, 4000, 5))
            wave = 0.1 * tones * np.sin(random.uniform(1, 5) * time_s) + random.normal(0, 0.02, len(time_s))
            soundfile.write(file, np.stack([wave, wave], axis=1).clip(-1, 1), SOURCE_HZ)
    return files


def _model(folder: Path):
    """A run of one member with random weights, and the same as a folder for transformers."""
    recipe = recipes.load("messy_mashup_ast")
    backbone = replace(recipe.backbone, weights="")
    recipe = replace(recipe, backbone=backbone, train=replace(recipe.train, epochs=1))
    member = folder / "runs" / RUN / fold_name(ALL)
    if not (member / WEIGHTS).exists():
        from pydantic import TypeAdapter

        from messy_mashup.recipe import Recipe

        torch.manual_seed(0)
        model = models.build(backbone, len(GENRES))
        fields = TypeAdapter(Recipe).dump_python(recipe, mode="json")
        card = {"recipe": fields, "fold": ALL, "bank": "", "plan": "", "classes": sorted(GENRES)}
        save_weights(member / WEIGHTS, model.learnt(), card)
        (member / METRICS).write_text("epoch\n1\n")
    listener = load_member(member, torch.device("cpu"))
    write_transformers_folder(folder / "transformers", listener)
    return listener


def _starts(clip_s: float, listener) -> list[int]:
    """The first samples of the windows that infer.py hears of a clip."""
    spec = listener.spec
    length = spec.frames_in(clip_s) + listener.unheard
    return [
        int(start) * spec.hop
        for chunk in chunk_windows(length, listener.frames, 0, listener.scoring)
        for start in chunk
    ]


def _rate() -> float:
    device = best_device()
    return matrix_rate(device.type, prediction_dtype(recipes.load("messy_mashup_ast").train, device))


def _flops(listener) -> float:
    """Of a window's forward pass."""
    log_mel, model = torch.randn(1, listener.frames, listener.spec.mels), listener.model.eval()
    with torch.inference_mode():
        return counted_flops(lambda: model(log_mel))


def _timed(way: str, folder: Path, files: list[Path], clip_s: float) -> dict[str, float]:
    """One way as a process of its own: its time from start to end, and its peak memory."""
    out = folder / f"{way}.csv"
    out.unlink(missing_ok=True)
    names = folder / "files.txt"
    names.write_text("\n".join(map(str, files)))
    if way in ("infer", "int8"):
        script = paths.REPOSITORY / "src" / "infer.py"
        command = [script, "--run", RUN, "--runs", folder / "runs", *files, "--out", out]
        command += ["--int8"] if way == "int8" else []
    else:
        command = [Path(__file__).resolve(), "--way", way, "--out", folder, "--clip-s", clip_s]
    print(f"{WAYS[way]}: {len(files)} files", flush=True)
    begun_s, peak = time.perf_counter(), 0
    process = psutil.Popen([sys.executable, *map(str, command)], stdout=subprocess.DEVNULL)
    while process.poll() is None:
        with suppress(psutil.NoSuchProcess):
            peak = max(peak, process.memory_info().rss)
        time.sleep(0.1)
    seconds = time.perf_counter() - begun_s
    if process.returncode or len(pd.read_csv(out)) != len(files):
        raise RuntimeError(f"{WAYS[way]} ended with status {process.returncode} or without a row for every file")
    return {
        "files_per_s": len(files) / seconds,
        "seconds": seconds,
        "files": len(files),
        "peak_mib": peak / MIB,
    }


def _plain(options: argparse.Namespace) -> None:
    """In a process of its own: librosa, then the feature extractor and the model, or the pipeline that has both."""
    import librosa

    from messy_mashup.torchvision_import import import_torchvision

    import_torchvision()
    folder, device = options.out, best_device()
    tell = {"loop": _loop, "pipeline": _pipeline}[options.way](folder / "transformers", device)
    listener = load_member(folder / "runs" / RUN / fold_name(ALL), torch.device("cpu"))
    starts, length = _starts(options.clip_s, listener), round(listener.frames * listener.spec.hop + 240)
    rows = []
    for file in tqdm((folder / "files.txt").read_text().splitlines(), options.way, unit=" files"):
        wave, _ = librosa.load(file, sr=HEARD_HZ)
        wave /= np.abs(wave).max()
        rows.append({"file": file} | tell([wave[start : start + length] for start in starts]))
    pd.DataFrame(rows).to_csv(folder / f"{options.way}.csv", index=False)


def _loop(folder: Path, device: torch.device):
    from transformers import ASTFeatureExtractor, AutoModelForAudioClassification

    extractor = ASTFeatureExtractor.from_pretrained(folder)
    model = AutoModelForAudioClassification.from_pretrained(folder).to(device).eval()

    @torch.inference_mode()
    def tell(windows: list[np.ndarray]) -> dict[str, float]:
        heard = extractor(windows, sampling_rate=HEARD_HZ, return_tensors="pt").to(device)
        probabilities = model(**heard).logits.mean(0).softmax(0).tolist()
        return dict(zip(model.config.id2label.values(), probabilities, strict=True))

    return tell


def _pipeline(folder: Path, device: torch.device):
    from transformers import pipeline

    classifier = pipeline("audio-classification", str(folder), device=device, top_k=None, function_to_apply="none")

    def tell(windows: list[np.ndarray]) -> dict[str, float]:
        told = classifier([{"raw": window, "sampling_rate": HEARD_HZ} for window in windows])
        logits = pd.DataFrame([{one["label"]: one["score"] for one in window} for window in told]).mean()
        likely = np.exp(logits - logits.max())
        return (likely / likely.sum()).to_dict()

    return tell


def _compare(folder: Path, ways: list[str]) -> None:
    """RuntimeError where a way told something else than infer.py."""
    tables = {way: pd.read_csv(folder / f"{way}.csv", index_col="file")[sorted(GENRES)] for way in ways}
    for way, table in tables.items():
        difference = (table - tables["infer"].loc[table.index]).abs().to_numpy().max()
        if not difference < SAME:
            raise RuntimeError(f"{WAYS[way]}: probabilities are {difference:.3f} off those of infer.py")


def _tell(figures: dict[str, dict[str, float]], rate: float, windows: int) -> None:
    print(f"\nmatrix rate {rate / 1e9:.0f} GFLOP/s; {windows} windows a file; start-up is counted")
    print(f"{'':<22}{'files/s':>9}{'ratio':>7}{'of the limit':>14}{'peak MiB':>10}")
    for way, one in figures.items():
        told = f"{one['files_per_s']:>9.3f}{one['ratio_to_loop']:>7.2f}{one['share_of_matrix_rate']:>13.0%}"
        print(f"{WAYS[way]:<22}{told}{one['peak_mib']:>11.0f}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--files", type=int, default=12, help="that infer.py labels")
    parser.add_argument("--plain-files", type=int, default=12, help="that the plain ways label")
    parser.add_argument("--clip-s", type=float, default=30.0)
    parser.add_argument("--out", type=Path, help="folder (default: runs/inference)")
    parser.add_argument("--way", choices=("loop", "pipeline"), help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    run_script(main)
