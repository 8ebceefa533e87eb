"""Train one student on what a blend makes of fresh mashups, and tell both side by side.

    python src/distil.py BLEND [--recipe NAME] [--folds 0,1,2,3,4,all] [--set teacher.temperature=2]

The student has the recipe that is named (default: that of the blend's first member), with the corpus, the mashups and
the folds of the blend. Each fold's student is taught by the members that never heard the fold's songs, on mashups that
are never repeated, so its held-out score is as honest as theirs. It is a run like any other: report.py, blend.py and
infer.py --run take it. Stopped or killed, the same command goes on.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from messy_mashup import paths
from messy_mashup.errors import run_script

if TYPE_CHECKING:
    from messy_mashup.recipe import Recipe
    from messy_mashup.scoring.ensemble import Blend

TABLE = "distilled.json"


def main() -> None:
    """Parse, train fold by fold, compare, print."""
    options = _options()
    from messy_mashup.data.bank import Bank
    from messy_mashup.files import check_name, write_whole
    from messy_mashup.mashup.validation import open_plan
    from messy_mashup.scoring.ensemble import load_blend
    from messy_mashup.training.distillation import side_by_side, sides
    from messy_mashup.training.members import check_weights
    from messy_mashup.training.run_folder import fold_numbers
    from messy_mashup.training.stop import Stop
    from messy_mashup.training.validation_waves import bank_of

    blend = load_blend(options.runs, options.blend)
    members = [options.runs / member for member in blend.members]
    check_weights(members, blend.weights)
    recipe = _student_recipe(options, blend)
    bank = Bank.open(options.bank) if options.bank else bank_of(members[0], options.runs)
    plan = open_plan(bank, recipe.folds, options.runs / "folds")
    run = options.runs / check_name(options.name or f"{blend.name}_student")
    with Stop.after(options.hours) as stop:
        for fold in fold_numbers(options.folds, recipe.folds.count):
            _train(options, blend, recipe, (bank, plan), fold, run, stop)
    students = sorted(folder for folder in run.iterdir() if (folder / "oof.npz").exists())
    if not students:
        print("no fold was held out: a student of all songs alone has no score")
        return
    _, mashups = plan.mashups(int(students[0].name.removeprefix("fold")))
    table = side_by_side(*sides(blend, options.runs, students), bank, mashups, recipe.folds.validation.burst_level)
    with write_whole(run / TABLE) as temporary:
        temporary.write_text(table.to_json(orient="records", indent=1) + "\n")
    print(table.to_string(index=False, float_format="{:.3f}".format))
    print(json.dumps(table.set_index("side").round(4).to_dict("index")))


def _student_recipe(options: argparse.Namespace, blend: "Blend") -> "Recipe":
    from pydantic import TypeAdapter

    from messy_mashup import recipes
    from messy_mashup.recipe import Recipe, TeacherRecipe
    from messy_mashup.recipe_text import override
    from messy_mashup.training.run_folder import WEIGHTS, read_card
    from messy_mashup.training.teacher import teacher_digest

    card = read_card(options.runs / blend.members[0] / WEIGHTS)
    taught_by: Recipe = TypeAdapter(Recipe).validate_python(card["recipe"])
    base = recipes.load(options.recipe) if options.recipe else taught_by
    shared = {"corpus": taught_by.corpus, "mashup": taught_by.mashup, "folds": taught_by.folds}
    teacher = TeacherRecipe(blend=blend.name, digest=teacher_digest(blend))
    return override(replace(base, **shared, teacher=teacher), options.set)


def _train(options, blend: "Blend", recipe: "Recipe", material, fold: int, run: Path, stop) -> None:
    """One student, from what there is of it to its held-out predictions."""
    from messy_mashup.training.claimed_folder import claimed
    from messy_mashup.training.device import best_device
    from messy_mashup.training.fit import fit
    from messy_mashup.training.run_folder import drop_state, fold_name
    from messy_mashup.training.teacher import teacher_of

    bank, plan = material
    folder, device = run / fold_name(fold), best_device()
    with claimed(folder):
        teacher = teacher_of(blend, options.runs, fold, bank, recipe, device)
        fit(recipe, bank, plan, fold, folder, device, stop, teacher=teacher)
        drop_state(folder)
    print(f"{folder}: done")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("blend", metavar="BLEND", help="name of a blend below runs/blends")
    parser.add_argument("--recipe", help="of the student (default: that of the blend's first member)")
    parser.add_argument("--folds", help="fold numbers with commas, and all for the student of every song")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="change a field")
    parser.add_argument("--name", help="name of the run (default: <blend>_student)")
    parser.add_argument("--hours", type=float, help="stop in time and keep everything (default: none)")
    parser.add_argument("--bank", type=Path, help="folder of the bank (default: the one the blend was trained with)")
    parser.add_argument("--runs", type=Path, default=paths.runs(), help="folder of all runs (default: runs/)")
    return parser.parse_args()


if __name__ == "__main__":
    run_script(main)
