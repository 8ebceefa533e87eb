"""Tell the Discogs styles of files with MAEST: the likeliest of each, or the probability of all as a table.

    python src/styles.py FILE_OR_FOLDER ... [--weights NAME] [--top 10] [--out CSV]
    python src/styles.py --run NAME [--weights NAME]     makes a run of the weights, for infer.py --run NAME FILES

Weights are a folder in the hub's format, a Kaggle mount or a hub id; their own config.json names the styles, 400 or
519. Windows of what the weights hear, up to a file's end; the sigmoid of each, in the mean. No code of theirs is run.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from messy_mashup import paths
from messy_mashup.errors import UserError, run_script

if TYPE_CHECKING:
    from messy_mashup.recipe import Recipe


def main() -> None:
    """Parse, then label the files or make the run."""
    options = _options()
    from messy_mashup.files import check_name
    from messy_mashup.models.maest import recipe_of
    from messy_mashup.recipe import Recipe, TrainRecipe
    from messy_mashup.recipe_text import override_scoring

    name = check_name(options.run or "styles")
    backbone = recipe_of(options.weights)
    # A run counts as finished when it has its epochs: of these weights one is noted, that is none of ours
    recipe = Recipe(name=name, corpus="discogs", backbone=backbone, train=TrainRecipe(epochs=1))
    recipe = replace(recipe, scoring=override_scoring(recipe.scoring, options.set))
    if options.run:
        _make_run(options.runs / name, recipe)
    if options.files:
        _label(options, recipe)


def _label(options: argparse.Namespace, recipe: "Recipe") -> None:
    from messy_mashup.data.audio import audio_named
    from messy_mashup.training.device import best_device
    from messy_mashup.training.labelling import label_and_tell, style_listener

    files = audio_named(options.files, options.max_hours)
    label_and_tell([style_listener(recipe, best_device())], files, options.top, options.out)


def _make_run(run: Path, recipe: "Recipe") -> None:
    from messy_mashup.training.labelling import write_style_run

    write_style_run(run, recipe)
    print(f"{run}: done; python src/infer.py --run {run.name} FILES")


def _options() -> argparse.Namespace:
    from messy_mashup.data.audio import add_max_hours
    from messy_mashup.recipes.maest_probe import DISCOGS

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE_OR_FOLDER", help="audio")
    parser.add_argument("--weights", default=DISCOGS, metavar="NAME", help=f"of MAEST (default: {DISCOGS})")
    parser.add_argument("--top", type=int, default=10, metavar="N", help="how many styles of each file are told")
    parser.add_argument("--out", type=Path, metavar="CSV", help="write the probability of every style there")
    add_max_hours(parser)
    parser.add_argument("--run", metavar="NAME", help="make a run of the weights, that infer.py takes")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="such as scoring.overlap=0")
    parser.add_argument("--runs", type=Path, default=paths.runs(), help="folder of all runs (default: runs/)")
    options = parser.parse_args()
    if not options.files and not options.run:
        raise UserError("name files or folders of audio, or make a run of the weights with --run NAME")
    if options.out and not options.files:
        raise UserError("--out is for files: name some")
    if options.top < 1:
        raise UserError(f"--top {options.top}: tell one style or more")
    return options


if __name__ == "__main__":
    run_script(main)
