"""Train the members of a recipe, fold by fold.

    python src/train.py RECIPE [--folds 0,1,2 | --folds all] [--set train.lr=3e-5] [--name NAME]

Each member hears fresh mashups that are never repeated, predicts its held-out fold (oof.npz) and the test mashups
(test.npz). Interrupted or killed, the same command goes on from the last whole epoch. `all` is the member that is
trained on every song.
"""

import argparse
from pathlib import Path

from messy_mashup import paths
from messy_mashup.errors import UserError, run_script


def main() -> None:
    """Parse, train, print."""
    options = _options()
    from messy_mashup import recipes
    from messy_mashup.data import corpora
    from messy_mashup.data.bank import Bank, stale
    from messy_mashup.mashup.validation import open_plan
    from messy_mashup.recipe import override
    from messy_mashup.training.device import best_device
    from messy_mashup.training.fit import fit
    from messy_mashup.training.run_folder import fold_name
    from messy_mashup.training.trained import TestClips, score_test

    recipe = override(recipes.load(options.recipe), options.set)
    corpus = corpora.load(recipe.corpus)
    data = paths.find_data(corpus.looks_like, options.data)
    bank = Bank.open(options.bank or paths.bank_folder(data, options.runs))
    if complaint := stale(bank, data):
        raise UserError(complaint)
    plan = open_plan(bank, recipe.folds, options.runs / "folds")
    folds = _fold_numbers(options.folds, recipe.folds.count)
    test = TestClips.of(data, corpus.test_clips(data))
    for fold in folds:
        folder = options.runs / (options.name or recipe.name) / fold_name(fold)
        fit(recipe, bank, plan, fold, folder, best_device())
        score_test(folder, test, best_device())
        print(f"{folder}: done")


def _fold_numbers(text: str | None, count: int) -> list[int]:
    from messy_mashup.data.folds import ALL

    if text is None:
        return list(range(count))
    words = text.split(",")
    unknown = [word for word in words if word != "all" and not (word.isdecimal() and int(word) < count)]
    if unknown:
        raise UserError(f"--folds {text}: {unknown[0]!r} is none of the recipe's folds 0 to {count - 1}, nor all")
    return [ALL if word == "all" else int(word) for word in words]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("recipe", metavar="RECIPE", help="name of a recipe in src/messy_mashup/recipes")
    parser.add_argument("--folds", help="fold numbers with commas, and all for the member of every song")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="change a field")
    parser.add_argument("--name", help="name of the run (default: the recipe's)")
    parser.add_argument("--data", type=Path, help="folder of the data set (default: the one found below input/)")
    parser.add_argument("--bank", type=Path, help="folder of its bank (default: the one that build.py makes)")
    parser.add_argument("--runs", type=Path, default=paths.runs(), help="folder of all runs (default: runs/)")
    return parser.parse_args()


if __name__ == "__main__":
    run_script(main)
