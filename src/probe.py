"""Train a small head on a frozen MAEST's embeddings, fold by fold, for any corpus; or on a CSV of labels.

    python src/probe.py [RECIPE] [--like OTHER_RECIPE] [--folds 0,1,2,3,4,all] [--set backbone.layer=7]
    python src/probe.py [RECIPE] --labels CSV [--audio DIR]

--like takes corpus, mashups and folds from another recipe, so that its members and the probes are of the same held-out
songs: a run like any other, that report.py, blend.py and infer.py --run take. Embeddings are made once, in
runs/embeddings; stopped or killed, the same command goes on. With --labels, a clip has any number of labels (moods,
instruments): the run tells ROC-AUC and mAP of held-out artists or songs, and infer.py --run labels files with it.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from messy_mashup import paths
from messy_mashup.errors import UserError, run_script

if TYPE_CHECKING:
    from messy_mashup.data.bank import Bank
    from messy_mashup.recipe import Recipe
    from messy_mashup.training.embeddings import Embeddings
    from messy_mashup.training.stop import Stop


def main() -> None:
    """Parse, then classes fold by fold or labels."""
    options = _options()
    from messy_mashup.training.device import best_device
    from messy_mashup.training.embeddings import FOLDER
    from messy_mashup.training.probe import embeddings_of
    from messy_mashup.training.stop import Stop

    recipe = _recipe(options)
    embeddings = embeddings_of(recipe, options.runs / FOLDER, best_device())
    with Stop.after(options.hours) as stop:
        (_labels if options.labels else _classes)(options, recipe, embeddings, stop)


def _recipe(options: argparse.Namespace) -> "Recipe":
    from messy_mashup import recipes
    from messy_mashup.recipe_text import override

    recipe = recipes.load(options.recipe)
    if options.like:
        like = recipes.load(options.like)
        train = replace(recipe.train, mashups_per_epoch=like.train.mashups_per_epoch)
        shared = {"corpus": like.corpus, "mashup": like.mashup, "folds": like.folds, "train": train}
        recipe = replace(recipe, name=f"{recipe.name}_{like.corpus}", **shared)
    return override(recipe, options.set)


def _classes(options: argparse.Namespace, recipe: "Recipe", embeddings: "Embeddings", stop: "Stop") -> None:
    from messy_mashup.data import corpora
    from messy_mashup.files import check_name
    from messy_mashup.mashup.validation import open_plan
    from messy_mashup.training.claimed_folder import claimed
    from messy_mashup.training.probe import fit_probe, score_test
    from messy_mashup.training.run_folder import fold_name, fold_numbers
    from messy_mashup.training.trained import TestClips

    data, bank = _bank(options, recipe.corpus)
    plan = open_plan(bank, recipe.folds, options.runs / "folds")
    test = TestClips.of(data, corpora.test_clips(recipe.corpus, data))
    run = options.runs / check_name(options.name or recipe.name)
    for fold in fold_numbers(options.folds, recipe.folds.count):
        folder = run / fold_name(fold)
        with claimed(folder):
            fit_probe(recipe, bank, plan, fold, folder, embeddings, stop)
            if len(test.id):
                score_test(folder, test, embeddings, stop)
        print(f"{folder}: done")


def _labels(options: argparse.Namespace, recipe: "Recipe", embeddings: "Embeddings", stop: "Stop") -> None:
    from messy_mashup.files import check_name
    from messy_mashup.scoring.label_scores import sentences
    from messy_mashup.training.claimed_folder import claimed
    from messy_mashup.training.label_probe import SCORES, fit_labels
    from messy_mashup.training.label_table import read_labels

    bank = _bank(options, recipe.corpus)[1] if options.data or options.bank else None
    table = read_labels(options.labels, bank, options.audio)
    run = options.runs / check_name(options.name or f"{recipe.name}_{options.labels.stem}")
    with claimed(run):
        told = fit_labels(recipe, table, run, embeddings, stop)
    print(f"{told['clips']} clips, {len(table.labels)} labels, {told['folds']} folds: {run / SCORES}")
    for line in sentences(told):
        print(line)


def _bank(options: argparse.Namespace, corpus: str) -> tuple[Path, "Bank"]:
    """The data set's folder and its bank."""
    from messy_mashup.data import corpora
    from messy_mashup.data.bank import open_of

    looks_like = corpora.is_corpus if options.labels else corpora.load(corpus).looks_like
    data = paths.find_data(looks_like, options.data)
    return data, open_of(options.bank or paths.find_bank(data, options.runs), data)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("recipe", nargs="?", default="maest_probe", help="of a probe (default: maest_probe)")
    parser.add_argument("--like", metavar="RECIPE", help="take corpus, mashups and folds from this recipe")
    parser.add_argument("--folds", help="fold numbers with commas, and all for the member of every song")
    parser.add_argument("--labels", type=Path, metavar="CSV", help="learn any number of labels a clip from a CSV")
    parser.add_argument("--audio", type=Path, metavar="DIR", help="folder of the CSV's files (default: the CSV's own)")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="change a field")
    parser.add_argument("--name", help="name of the run (default: the recipe's, with the corpus or the CSV)")
    parser.add_argument("--hours", type=float, help="stop in time and keep everything (default: none)")
    parser.add_argument("--data", type=Path, help="folder of the data set (default: the one found below input/)")
    parser.add_argument("--bank", type=Path, help="folder of its bank (default: the one that build.py makes)")
    parser.add_argument("--runs", type=Path, default=paths.runs(), help="folder of all runs (default: runs/)")
    options = parser.parse_args()
    if options.labels and (options.like or options.folds):
        raise UserError("--like and --folds are for a corpus: a CSV of labels is cut by folds.count")
    if options.audio and not options.labels:
        raise UserError("--audio is where the files of --labels lie: name the CSV, too")
    return options


if __name__ == "__main__":
    run_script(main)
