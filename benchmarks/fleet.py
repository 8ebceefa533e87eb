"""What a fleet on Ray costs: train.py one after another and on two devices against fleet.py, on tiny members.

    python benchmarks/fleet.py [--members N] [--epochs N]

Every way trains the same members into a folder of its own: one after another with a thread a core, side by side with
one thread, of which the bytes are compared. The cluster is this machine, with a task for each core. The last line is
JSON: seconds a way takes, and the seconds that a task of Ray costs beyond the same members on two devices.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import tiny
from messy_mashup.data import bank_build
from messy_mashup.errors import run_script

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Make a corpus, train its members in three ways, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--members", type=int, default=6, help="seeds of fold 0 (default: 6)")
    parser.add_argument("--epochs", type=int, default=4, help="of a member (default: 4)")
    options = parser.parse_args()
    seeds = ["--folds", "0", "--seeds", str(options.members)]
    ways = {
        "one_after_another": ["train.py", tiny.RECIPE, *seeds, "--devices", "cpu"],
        "two_devices": ["train.py", tiny.RECIPE, *seeds, "--devices", "cpu,cpu"],
        "ray": ["fleet.py", "--recipes", tiny.RECIPE, *seeds],
    }
    with tempfile.TemporaryDirectory(prefix="fleet-") as folder:
        root = Path(folder)
        data = tiny.write_tiny_corpus(root / "tiny")
        bank_build.build("messy_mashup", data, root / "bank", workers=1)
        more = [*tiny.settings(), "--set", f"train.epochs={options.epochs}", "--set", "train.mashups_per_epoch=128"]
        places = ["--data", str(data), "--bank", str(root / "bank")]
        seconds = {name: _timed([*words, *more, *places, "--runs", str(root / name)]) for name, words in ways.items()}
        digests = {_digest(root / name) for name in ("two_devices", "ray")}  # a thread a member
    for name, spent_s in seconds.items():
        print(f"{name:<18} {spent_s:6.1f} s")
    figures = {
        "members": options.members,
        "seconds": {name: round(spent_s, 1) for name, spent_s in seconds.items()},
        "ray_s_a_task": round((seconds["ray"] - seconds["two_devices"]) / options.members, 2),
        "same_bytes": len(digests) == 1,
    }
    print(json.dumps(figures))


def _timed(words: list[str]) -> float:
    begun_s = time.monotonic()
    command = [sys.executable, str(ROOT / "src" / words[0]), *words[1:]]
    subprocess.run(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - begun_s


def _digest(runs: Path) -> str:
    """Of all weights and held-out predictions."""
    files = sorted(path for name in ("weights.safetensors", "oof.npz") for path in runs.glob(f"*/*/{name}"))
    named = [path.relative_to(runs).as_posix().encode() + path.read_bytes() for path in files]
    return hashlib.sha256(b"".join(named)).hexdigest()


if __name__ == "__main__":
    run_script(main)
