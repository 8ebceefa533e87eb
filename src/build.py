"""Build the bank: every file of a data set decoded once, to 16 kHz mono, for all training and inference.

    python src/build.py [--data DIR] [--bank DIR] [--workers N] [--skip-broken] [--stretched RATE,RATE]
                        [--separated hpss|demucs:FILE] [--features DIR] [--to-datasets DIR] [--verify]

Interrupted, it goes on when it is run again; what has changed in the data since is noticed. The bank also holds
synthetic noise, the tempo of the songs, and with --stretched every stem played at other rates by librosa's vocoder.
Say --stretched each time: what it does not name is dropped from the bank. With --separated the bank holds the vocals of
songs in their place, each taken out once: say it each time, too. With --features the log-mels of 40 bands that the
singers' system hears are written as .npz files (id, features, label, split), 1,024 clips each. With --to-datasets the
bank's music and noise become a Hugging Face data set, too: `datasets.load_from_disk(DIR)` opens it, and its README.md
explains it. With --verify the samples of a bank that is there are held against their digests, and clips that have
changed are decoded again.
"""

import argparse
import time
from pathlib import Path

from messy_mashup import paths
from messy_mashup.errors import run_script


def main() -> None:
    """Parse, build, print."""
    from messy_mashup.data import bank_build, corpora, to_datasets

    options = _options()
    if options.to_datasets:
        to_datasets.check(options.to_datasets)  # now, not when all is decoded
    data = paths.find_data(corpora.is_corpus, options.data)
    folder = options.bank or paths.bank_folder(data)
    begun_s = time.perf_counter()
    bank = bank_build.build(
        corpora.recognise(data),
        data,
        folder,
        workers=options.workers,
        on_broken=bank_build.skip if options.skip_broken else bank_build.refuse,
        stretched=options.stretched,
        separated=options.separated,
        verify=options.verify,
    )
    spent_s = time.perf_counter() - begun_s
    kinds = ", ".join(f"{count} {kind}" for kind, count in bank.index["kind"].value_counts(sort=False).items())
    print(
        f"{len(bank.index)} clips ({kinds}), {bank.minutes:.1f} minutes of audio, in {spent_s:.1f} s"
        f" ({spent_s / bank.minutes:.3f} s a minute of audio): {folder}"
    )
    if options.features:
        from messy_mashup.mashup import feature_files  # imports torch

        files = feature_files.write_features(bank, options.features)
        print(f"the log-mels of all music in {len(files)} files: {options.features}")
    if options.to_datasets:
        exported = to_datasets.export(bank, options.to_datasets)
        print(", ".join(f"{count} clips in {split}" for split, count in exported.items()) + f": {options.to_datasets}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, help="folder of the data set (default: the one found below input/)")
    parser.add_argument("--bank", type=Path, help="folder of the bank (default: runs/banks/<name of the data folder>)")
    parser.add_argument("--workers", type=_at_least_one, help="processes (default: one a core)")
    parser.add_argument("--skip-broken", action="store_true", help="go on without broken files, and list them")
    told = "rates at which the bank shall hold every stem stretched, such as 0.9,0.95,1.05,1.1 (default: none)"
    parser.add_argument("--stretched", type=_rates, default=(), metavar="RATE,RATE", help=told)
    told = "hpss, or demucs:FILE with the file of its weights: the bank holds vocals in place of songs (default: songs)"
    parser.add_argument("--separated", default="", metavar="HOW", help=told)
    told = "folder that gets the log-mels of the singers' system as .npz (default: none)"
    parser.add_argument("--features", type=Path, metavar="DIR", help=told)
    told = "folder that gets the clips as a data set of Hugging Face's package datasets (default: none)"
    parser.add_argument("--to-datasets", type=Path, metavar="DIR", help=told)
    told = "read every sample of a bank that is there, and decode again the clips whose bytes have changed"
    parser.add_argument("--verify", action="store_true", help=told)
    return parser.parse_args()


def _at_least_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of processes: 1 or more")
    return int(text)


def _rates(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(rate) for rate in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} are no rates: write them as 0.9,0.95,1.05,1.1") from error


if __name__ == "__main__":
    run_script(main)
