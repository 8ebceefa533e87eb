"""Log-mel against MFCC for telling singers apart: the same small network on both, on snippets of the demo's music.

    python benchmarks/snippet_features.py [--songs 96] [--seeds 3] [--epochs 60] [--separated hpss]

Four singers, each with a throat, a voice and a vibrato of their own, sing the demo's songs; a snippet is 3 s of the
mix, or its vocals. A third of the songs, the same ones of every singer, is held out. Both
features come from one log-mel of 40 bands (299 frames), each standardised by the training part; MFCC has 13 numbers.
"""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import numpy as np
import soxr
import torch
from tqdm import tqdm

from messy_mashup.data.demo_music.instruments import RATE_HZ
from messy_mashup.data.demo_music.song import STEMS, compose, render
from messy_mashup.data.demo_music.styles import GENRES
from messy_mashup.data.separation import hpss_vocals
from messy_mashup.errors import UserError, run_script
from messy_mashup.features.cepstrum import mfcc
from messy_mashup.features.frame_spec import speech_log_mel
from messy_mashup.features.logmel import wave_log_mel

SPEC, SAMPLES, SECONDS = speech_log_mel(), 48_000, 3.2
# Throat, slope of the source, vibrato in Hz: nearer to each other than men and women are
SINGERS = ((1.0, 0.9, 5.0), (1.06, 1.15, 5.6), (1.12, 0.9, 6.2), (1.18, 1.15, 5.0))
SUNG_SHARE = 0.02  # of the mix's energy that is voice, or a snippet tells no singer


def main() -> None:
    """Make, train, compare, print."""
    options = _options()
    log_mels, labels, songs = _snippets(options)
    held_out = songs % 3 == 0
    features = {"log-mel": log_mels, "MFCC": mfcc(log_mels, SPEC)}
    scores = {
        name: [_accuracy(each, labels, held_out, seed, options.epochs) for seed in range(options.seeds)]
        for name, each in features.items()
    }
    for name, each in scores.items():
        print(f"{name}: accuracy {np.mean(each):.3f} ({', '.join(f'{score:.3f}' for score in each)})")
    told = {"train": int((~held_out).sum()), "held_out": int(held_out.sum()), "separated": options.separated}
    print(json.dumps(told | {name: [round(score, 4) for score in each] for name, each in scores.items()}))


def _snippets(options: argparse.Namespace) -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
    """Log-mels (snippets, frames, mels), singers and songs of all snippets in which somebody sings."""
    rows = []
    for song in tqdm(range(options.songs), desc="songs", unit=" songs"):
        for singer in range(len(SINGERS)):
            mix = _mix(song, singer)
            if mix is not None:
                heard = hpss_vocals(mix, SPEC.sample_rate_hz) if options.separated == "hpss" else mix
                rows.append((wave_log_mel(torch.from_numpy(heard / np.abs(heard).max()), SPEC), singer, song))
    if len({song for _, _, song in rows}) < 6:
        raise UserError(f"--songs {options.songs}: somebody sings in too few of them: make more")
    log_mels, singers, songs = zip(*rows, strict=True)
    return torch.stack(log_mels), torch.tensor(singers), np.array(songs)


def _mix(number: int, singer: int) -> np.ndarray | None:
    """A song sung by that singer: float32 (samples,) at 16 kHz; None where nobody sings in it."""
    composed = compose(list(GENRES)[number % len(GENRES)], 5, number, SECONDS)
    throat, slope, vibrato_hz = SINGERS[singer]
    voices = [
        (line, replace(voice, throat=throat, source_slope=slope, vibrato_hz=vibrato_hz))
        for line, voice in composed.voices
    ]
    sung = replace(composed, voices=voices)
    stems = {stem: render(sung, stem, 1.0).astype(np.float32).mean(axis=1) / 32768 for stem in STEMS}
    mix = np.sum(list(stems.values()), axis=0)
    if np.square(stems["vocals"]).sum() < SUNG_SHARE * np.square(mix).sum():
        return None
    return soxr.resample(mix, RATE_HZ, SPEC.sample_rate_hz)[:SAMPLES].astype(np.float32)


def _accuracy(features: torch.Tensor, labels: torch.Tensor, held_out: np.ndarray, seed: int, epochs: int) -> float:
    """Of a CNN of three layers on the held-out songs, after the last epoch."""
    train, test = torch.from_numpy(~held_out), torch.from_numpy(held_out)
    scaled = (features - features[train].mean((0, 1))) / features[train].std((0, 1))
    torch.manual_seed(seed)
    network = _network(len(SINGERS))
    optimizer = torch.optim.AdamW(network.parameters(), 2e-3)
    inside = train.nonzero().flatten()
    for _ in range(epochs):
        network.train()
        for batch in inside[torch.randperm(len(inside))].split(16):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(network(scaled[batch, None]), labels[batch]).backward()
            optimizer.step()
    network.eval()
    with torch.inference_mode():
        return float((network(scaled[test, None]).argmax(1) == labels[test]).float().mean())


def _network(classes: int) -> torch.nn.Module:
    layers: list[torch.nn.Module] = []
    for before, after in ((1, 16), (16, 32), (32, 64)):
        convolution = torch.nn.Conv2d(before, after, 3, stride=2, padding=1)
        layers += [convolution, torch.nn.BatchNorm2d(after), torch.nn.ReLU()]
    pooled = [torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Dropout(0.2), torch.nn.Linear(64, classes)]
    return torch.nn.Sequential(*layers, *pooled)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--songs", type=int, default=96, help="each sung by all four (default: 96)")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--separated", choices=("", "hpss"), default="hpss", help="default: hpss")
    return parser.parse_args()


if __name__ == "__main__":
    run_script(main)
