"""Fit the mashups' numbers to the unlabelled test mashups of a data set, and tell how alike they are before and after.

    python src/calibrate.py --data DIR [--sample 80] [--recipe NAME] [--out DIR]
    python src/train.py RECIPE --set mashup=@runs/calibration/<data>/mashup.json --set folds.validation=@...

The test mashups are searched for the stems and noise clips of the data set. That takes minutes; what was found is kept
for the next call. A table is printed, and mashup.json, calibration.csv and a page of pictures are written.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from messy_mashup import paths
from messy_mashup.errors import run_script

FAMILY = "messy_mashup_resnet34"


def main() -> None:
    """Parse, fit, compare, write, print."""
    options = _options()
    from messy_mashup.files import write_whole
    from messy_mashup.scoring.calibration_job import compare, fit
    from messy_mashup.scoring.calibration_page import told, write_calibration_page

    job = _job(options)
    fitted = fit(job)
    print(f"\n{told(fitted.figures).to_string(index=False)}\n")
    folder = job.folder.parent
    with write_whole(folder / "mashup.json") as temporary:
        temporary.write_text(json.dumps(asdict(fitted.recipe), indent=1) + "\n")
    with write_whole(folder / "calibration.csv") as temporary:
        fitted.figures.to_csv(temporary, index=False, lineterminator="\n")
    before, after = compare(job, [job.recipe, fitted.recipe])
    write_calibration_page(folder, fitted, before, after)
    for name, compared in {"before": before, "after": after}.items():
        whole, matched = compared.likeness
        print(f"{name:>6}: an adversary tells simulated from test mashups with AUC {whole.auc:.3f}", end="")
        print(f" ({whole.interval[0]:.3f} to {whole.interval[1]:.3f}), {matched.auc:.3f} at equal lengths")
    print(f"train with --set mashup=@{folder / 'mashup.json'}; the page is {folder / 'calibration.html'}")


def _job(options: argparse.Namespace):
    import torch

    from messy_mashup import recipes
    from messy_mashup.data import corpora
    from messy_mashup.data.bank import open_of
    from messy_mashup.recipe_text import override
    from messy_mashup.scoring.calibration_job import Job
    from messy_mashup.training.device import best_device

    data = paths.find_data(corpora.is_competition, options.data)
    bank = open_of(options.bank or paths.find_bank(data), data)
    recipe = override(recipes.load(options.recipe or recipes.suited(FAMILY, bank.song_s)), options.set).mashup
    return Job(
        bank,
        [data / path for path in corpora.test_clips(bank.corpus, data)["path"]],
        recipe,
        (options.out or paths.runs() / "calibration" / bank.root.name) / "found",
        options.sample,
        options.probes,
        options.seed,
        torch.device(options.device or best_device()),
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, help="folder of the data set (default: the one found below input/)")
    parser.add_argument("--bank", type=Path, help="folder of its bank (default: the one that build.py makes)")
    recipe = f"whose mashups are calibrated (default: {FAMILY}, its variant for songs of this length)"
    parser.add_argument("--recipe", help=recipe)
    parser.add_argument(
        "--set", action="append", default=[], metavar="FIELD=VALUE", help="change a field of the recipe"
    )
    parser.add_argument("--sample", type=_count, default=80, metavar="N", help="test mashups looked into (default: 80)")
    parser.add_argument(
        "--probes", type=_count, default=40, metavar="N", help="known mashups looked into (default: 40)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the sample and the probes")
    parser.add_argument("--device", help="cpu, cuda, cuda:1 (default: a GPU where there is one)")
    parser.add_argument("--out", type=Path, help="folder (default: runs/calibration/<name of the bank>)")
    return parser.parse_args()


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 12:
        raise argparse.ArgumentTypeError(f"{text!r}: give a number of mashups, 12 or more")
    return int(text)


if __name__ == "__main__":
    run_script(main)
