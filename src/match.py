"""Find the stems that the test mashups are made of, where they are in the data set: which, when, and how sure that is.

    python src/match.py --data DIR [--like RUN] [--probes 200] [--show 8]

It works on a closed set only, where test mashups reuse the data set's songs. Read the competition's rules first.
A table is printed, and matches.csv and a page of pictures are written to runs/match/<data>/. Nothing uses them unless
it is named: `blend.py --match <data>` adds what was found to a blend whose runs were validated as RUN was.
An interrupted search goes on where it was.
"""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from messy_mashup import paths
from messy_mashup.errors import UserError, run_script

if TYPE_CHECKING:
    from messy_mashup.data.bank import Bank
    from messy_mashup.recipe import FoldRecipe
    from messy_mashup.scoring.match_job import Job

FAMILY = "messy_mashup_resnet34"  # whose validation mashups are the probes where no run is named
CATALOGUES_BYTES = 8e9  # of all processes together
BYTES_A_SECOND = 33_400  # of a stem in a catalogue


def main() -> None:
    """Parse, search, calibrate, write, print."""
    options = _options()
    from messy_mashup.scoring.match_folder import write_outcome
    from messy_mashup.scoring.match_job import run
    from messy_mashup.scoring.match_page import told, write_match_page

    job = _job(options)
    outcome = run(job)
    write_outcome(job.folder, outcome)
    write_match_page(job, outcome, options.show)
    print(told(job, outcome, options.show))
    print(f"the page is {job.folder / 'index.html'}; blend.py --match {job.folder.name} uses what was found")


def _job(options: argparse.Namespace) -> "Job":
    from messy_mashup.data import corpora
    from messy_mashup.data.bank import open_of
    from messy_mashup.mashup.validation import open_plan
    from messy_mashup.scoring.match_job import Job
    from messy_mashup.search.match_finds import Way
    from messy_mashup.training.device import best_device
    from messy_mashup.training.trained import TestClips

    data = paths.find_data(corpora.is_competition, options.data)
    bank = open_of(options.bank or paths.find_bank(data), data)
    folds = _folds(options, bank)
    test = TestClips.of(data, corpora.test_clips(bank.corpus, data))
    device = options.device or str(best_device())
    return Job(
        bank,
        open_plan(bank, folds, options.runs / "folds"),
        folds.validation.burst_level,
        test.id,
        test.files,
        test.digest,
        options.runs / "match" / bank.root.name,
        Way(device, options.workers or _workers(bank, device), tuple(options.offset)),
        options.probes,
        options.seed,
    )


def _folds(options: argparse.Namespace, bank: "Bank") -> "FoldRecipe":
    from pydantic import TypeAdapter

    from messy_mashup import recipes
    from messy_mashup.recipe import FoldRecipe
    from messy_mashup.training.members import members_of, runs_named
    from messy_mashup.training.run_folder import WEIGHTS, read_card

    if not options.like:
        return recipes.load(recipes.suited(FAMILY, bank.song_s)).folds
    (run, *_) = runs_named(options.runs, [options.like])
    card = read_card(members_of(run)[0] / WEIGHTS)
    if card["bank"] != bank.digest:
        raise UserError(f"{run} was trained on another bank than {bank.root}: name a run of this data set with --like")
    return TypeAdapter(FoldRecipe).validate_python(card["recipe"]["folds"])


def _workers(bank: "Bank", device: str) -> int:
    """As many processes as there are cores, if their memory allows; a GPU is fed by one."""
    stems = bank.index.loc[bank.select("stem"), "length"].sum() / bank.sample_rate_hz * BYTES_A_SECOND
    return max(1, min(os.cpu_count() or 1, int(CATALOGUES_BYTES / stems))) if device == "cpu" else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, help="folder of the data set (default: the one found below input/)")
    parser.add_argument("--bank", type=Path, help="folder of its bank (default: the one that build.py makes)")
    like = f"the run whose validation mashups are the probes (default: those of {FAMILY} for songs of this length)"
    parser.add_argument("--like", metavar="RUN", help=like)
    parser.add_argument("--probes", type=int, default=200, metavar="N", help="mashups of known songs (default: 200)")
    offset = "seconds of a stem between which its voice may begin (default: anywhere); fewer are searched faster"
    parser.add_argument(
        "--offset", type=float, nargs=2, default=(-float("inf"), float("inf")), metavar=("FIRST", "LAST"), help=offset
    )
    parser.add_argument("--show", type=int, default=8, metavar="N", help="mashups that are printed and drawn")
    parser.add_argument("--seed", type=int, default=0, help="of the sample of probes")
    parser.add_argument("--device", help="cpu, cuda, cuda:1 (default: a GPU where there is one)")
    parser.add_argument("--workers", type=int, help="processes on the CPU (default: the cores, if memory allows)")
    parser.add_argument("--runs", type=Path, default=paths.runs(), help="folder of all runs (default: runs/)")
    return parser.parse_args()


if __name__ == "__main__":
    run_script(main)
