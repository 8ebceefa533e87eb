"""How fast and in how much memory the bank is built, against the plain way: librosa.load of one file after the other.

    python benchmarks/bank.py --data DIR [--songs N] [--workers N]

With --songs, the data are a folder of links with that many songs; where there are fewer, songs are repeated under new
names, which costs the bank as much as new ones. The last line is JSON.
"""

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from messy_mashup import paths
from messy_mashup.data import bank_build, corpora
from messy_mashup.data.bank import SAMPLE_RATE_HZ, Bank, files_of
from messy_mashup.data.corpora.messy_mashup import STEMS
from messy_mashup.errors import run_script

MIB = 1 << 20
PLAIN_FILES = 60


def main() -> None:
    """Build into a temporary folder, load a sample the plain way, print both."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="bank-") as scratch:
        data = paths.find_data(corpora.is_corpus, options.data)
        if options.songs:
            data = _links(data, Path(scratch) / "data", options.songs)
        bank, figures = _built(data, Path(scratch) / "bank", options.workers)
        # Afterwards: librosa's own memory must not count, and the files are cached, which favours the plain way.
        figures |= _plain_way(bank, data, PLAIN_FILES)
    figures["times_faster"] = round(figures["plain_s_per_min"] / figures["bank_s_per_min"], 2)
    for name, value in figures.items():
        print(f"{name:>20} {value}")
    print(json.dumps({"benchmark": "bank", **figures}))


def _built(data: Path, folder: Path, workers: int) -> tuple[Bank, dict[str, float]]:
    begun_s = time.perf_counter()
    bank = bank_build.build(corpora.recognise(data), data, folder, workers)
    spent_s = time.perf_counter() - begun_s
    parent = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    worker = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return bank, {
        "stems": len(bank.select("stem")),
        "clips": len(bank.index),
        "minutes": round(bank.minutes, 1),
        "workers": workers,
        "bank_mib": round(bank.samples.nbytes / MIB),
        "bank_s": round(spent_s, 2),
        "bank_s_per_min": round(spent_s / bank.minutes, 4),
        "parent_peak_mib": round(parent),
        "worker_peak_mib": round(worker),
        "peak_mib": round(parent + workers * worker),
    }


def _plain_way(bank: Bank, data: Path, files: int) -> dict[str, float]:
    import librosa

    named = files_of(bank.index)["path"]
    sample = [data / path for path in named.iloc[:: max(1, len(named) // files)]]
    librosa.load(sample[0], sr=SAMPLE_RATE_HZ)  # its imports are not the files' cost
    begun_s = time.perf_counter()
    samples = sum(len(librosa.load(path, sr=SAMPLE_RATE_HZ)[0]) for path in sample)
    spent_s = time.perf_counter() - begun_s
    return {"plain_files": len(sample), "plain_s_per_min": round(spent_s * 60 * SAMPLE_RATE_HZ / samples, 4)}


def _links(data: Path, folder: Path, songs: int) -> Path:
    """A messy_mashup folder of `songs` links to songs, spread over the genres, and all the noise."""
    genres = sorted(path for path in (data / STEMS).iterdir() if path.is_dir())
    for number in range(songs):
        genre = genres[number % len(genres)]
        originals = sorted(path for path in genre.iterdir() if path.is_dir())
        link = folder / STEMS / genre.name / f"{genre.name}.{number // len(genres):05d}"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(originals[number // len(genres) % len(originals)].resolve(), target_is_directory=True)
    (folder / "ESC-50-master").symlink_to((data / "ESC-50-master").resolve(), target_is_directory=True)
    return folder


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, help="folder of the data set (default: the one found below input/)")
    parser.add_argument("--songs", type=int, help="how many songs, at least one a genre (default: those there are)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (default: one a core)")
    return parser.parse_args()


if __name__ == "__main__":
    run_script(main)
