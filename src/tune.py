"""Search a recipe's space with Optuna (TPE, median pruning): what to train with.

    python src/tune.py RECIPE [--trials 35] [--study NAME] [--metric val_macro_f1] [--space FILE.json] [--hours 8.5]

A trial trains the member of one fold; its value is the metric after the last epoch. The space is SPACE in the recipe's
file, or a JSON file such as {"train.lr": {"low": 1e-4, "high": 1e-2, "log": true}, "train.batch_size": {"values":
[8, 16]}}; what --set fixes is not searched. Stopped, interrupted or killed, the same command goes on, also within a
trial; the same command may be run several times at once. It writes runs/studies/NAME/: trials.csv, best.json,
history.png, slices.png, importances.csv and .png, and each trial's metrics and curves. Only the best trial's weights
are kept.
"""

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from messy_mashup import paths
from messy_mashup.errors import UserError, run_script

if TYPE_CHECKING:
    from messy_mashup.recipe import Recipe
    from messy_mashup.training.search_space import Space
    from messy_mashup.training.stop import Stop
    from messy_mashup.training.study_results import Results
    from messy_mashup.training.tuning import Search, Tuning

KERNEL_HOURS = 8.5  # a GPU session ends after 9 to 12
METRICS = ("val_macro_f1", "val_accuracy", "val_loss")
TOLD = 5  # best trials


def main() -> None:
    """Parse, search, print."""
    options = _options()
    from messy_mashup.training.fleet import devices_named
    from messy_mashup.training.stop import Stop
    from messy_mashup.training.study_fleet import tune_side_by_side

    search = _search(options)
    devices = devices_named(options.devices)
    with Stop.after(options.hours) as stop:
        tuning = _tuning(options, search, devices[0], stop)
        print(f"{search.folder}: {tuning.told()}; only the best trial's weights are kept", flush=True)
        if len(devices) > 1 and tuning.left():
            tune_side_by_side(_arguments(options), devices, search.folder, search.trials, stop)
        else:
            tuning.run()
    _tell(options, tuning.leave_results(), tuning)


def _search(options: argparse.Namespace) -> "Search":
    """What was asked for, checked."""
    from messy_mashup import recipes
    from messy_mashup.files import check_name
    from messy_mashup.recipe_text import override
    from messy_mashup.training.tuning import Search

    recipe = override(recipes.load(options.recipe), options.set)
    if not 0 <= options.fold < recipe.folds.count:
        raise UserError(f"--fold {options.fold}: the recipe's folds are 0 to {recipe.folds.count - 1}")
    folder = options.runs / paths.STUDIES / check_name(options.study or recipe.name)
    return Search(recipe, _space(options, recipe), folder, options.trials, options.metric, options.fold)


def _space(options: argparse.Namespace, recipe: "Recipe") -> "Space":
    """What is searched: without what --set fixes."""
    from messy_mashup import recipes
    from messy_mashup.training.search_space import checked, read_space, without

    if options.space:
        space, where = read_space(options.space, recipe), str(options.space)
    else:
        space, where = recipes.space(options.recipe), f"SPACE of the recipe {options.recipe}"
    if space is None:
        raise UserError(f"the recipe {options.recipe} has no SPACE in its file: name a JSON file with --space")
    return checked(without(space, options.set), recipe, where)


def _tuning(options: argparse.Namespace, search: "Search", device: str, stop: "Stop") -> "Tuning":
    from messy_mashup.data import corpora
    from messy_mashup.data.bank import open_of
    from messy_mashup.mashup.validation import open_plan
    from messy_mashup.training.device import prepared_device
    from messy_mashup.training.parallel import Ranks
    from messy_mashup.training.tuning import Tuning

    if Ranks.here().count > 1:
        raise UserError("tune.py is no job for torchrun: name --devices, or run the same command several times")
    data = paths.find_data(corpora.load(search.recipe.corpus).looks_like, options.data)
    bank = open_of(options.bank or paths.find_bank(data, options.runs), data)
    plan = open_plan(bank, search.recipe.folds, options.runs / "folds")
    return Tuning(search, bank, plan, prepared_device(device, deterministic=False), stop)


def _arguments(options: argparse.Namespace) -> list[str]:
    """The command line, without the script and --devices, that works on the same study."""
    given = {
        "--trials": options.trials,
        "--study": options.study,
        "--metric": options.metric,
        "--fold": options.fold,
        "--space": options.space,
    }
    words = [word for setting in options.set for word in ("--set", setting)]
    return [options.recipe, *words, *_words(given), *_places(options)]


def _places(options: argparse.Namespace) -> list[str]:
    """The arguments that name folders, where they are not the default ones."""
    runs = None if options.runs == paths.runs() else options.runs
    return _words({"--data": options.data, "--bank": options.bank, "--runs": runs})


def _words(given: dict[str, object]) -> list[str]:
    return [word for name, value in given.items() if value is not None for word in (name, str(value))]


def _tell(options: argparse.Namespace, results: "Results", tuning: "Tuning") -> None:
    """The best trials, what mattered, and the command that trains with the best."""
    print(f"\n{tuning.told()}. Pictures and tables: {tuning.search.folder}")
    if isinstance(results.importances, str):
        print(results.importances)
    if not (best := results.best_settings()):
        print("No trial is complete, so none is the best")
        return
    print(f"\nThe best by {options.metric} of fold {options.fold}:\n{results.top(TOLD)}\n")
    settings = [word for setting in [*options.set, *best] for word in ("--set", setting)]
    words = [options.recipe, "--name", f"{tuning.search.folder.name}_tuned", *settings, *_places(options)]
    print(f"python src/train.py {shlex.join(words)}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("recipe", metavar="RECIPE", help="name of a recipe in src/messy_mashup/recipes")
    trials = "how many the study has in the end, those of earlier calls and those that are pruned included"
    parser.add_argument("--trials", type=int, default=35, metavar="N", help=f"{trials} (default: 35)")
    parser.add_argument("--study", metavar="NAME", help="name of the study (default: the recipe's)")
    parser.add_argument("--metric", choices=METRICS, default=METRICS[0], help=f"default: {METRICS[0]}")
    parser.add_argument("--fold", type=int, default=0, help="the fold that is trained for and scored on (default: 0)")
    parser.add_argument("--space", type=Path, metavar="FILE", help="JSON of what is searched (default: the recipe's)")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="fix a field")
    devices = "such as cuda:1, or cuda:0,cuda:1 or cpu,cpu for a process on each (default: every GPU)"
    parser.add_argument("--devices", "--device", help=devices)
    hours = "stop in time and keep everything; from the kernel's start (default: 8.5 in a kernel, elsewhere none)"
    parser.add_argument("--hours", type=float, default=KERNEL_HOURS if paths.in_kernel() else None, help=hours)
    parser.add_argument("--data", type=Path, help="folder of the data set (default: the one found below input/)")
    parser.add_argument("--bank", type=Path, help="folder of its bank (default: the one that build.py makes)")
    parser.add_argument("--runs", type=Path, default=paths.runs(), help="folder of all runs (default: runs/)")
    options = parser.parse_args()
    if options.trials < 1:
        parser.error("--trials: give the number of trials, 1 or more")
    return options


if __name__ == "__main__":
    run_script(main)
