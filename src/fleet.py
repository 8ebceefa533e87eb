"""Train the members of several recipes on a Ray cluster.

    python src/fleet.py --recipes A,B [--folds all] [--seeds 20] [--address auto] [--cpus 1] [--gpus 0.5]
    python src/fleet.py --study RECIPE --trials 35 [--workers 4] [--address auto]

Every (recipe, fold, seed) is a Ray task that runs train.py for that member, with the share of a node that --cpus and
--gpus ask for. A member's folder on storage that all nodes share is its state: one whose worker or node is lost goes on
from its last epoch elsewhere, and the same command after a crash trains only what is left. Code, data, bank and runs
have the same path on every node. Without --address this machine alone is the cluster. --study runs tune.py for one
study in several tasks.
"""

import argparse
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from messy_mashup import paths
from messy_mashup.errors import UserError, run_script

if TYPE_CHECKING:
    from messy_mashup.cluster.crew import Share
    from messy_mashup.training.fleet_table import Member
    from messy_mashup.training.stop import Stop


def main() -> None:
    """Parse, look at the cluster, train, print."""
    options = _options()
    if not find_spec("ray"):
        raise UserError("a fleet needs the package ray, which is not installed: pip install ray==2.60.0")
    from messy_mashup.cluster.connection import check_nodes, connected, share_of
    from messy_mashup.training.stop import Stop

    members, places = _members(options)
    # Ray takes SIGTERM to itself when it begins, so the stop comes after it.
    with connected(options.address), Stop.after(options.hours) as stop:
        share = share_of(options.cpus, options.gpus)
        check_nodes([paths.REPOSITORY / "src", Path.cwd(), *places], options.runs)
        if options.study:
            _search(options, share, stop)
        else:
            _train(members, share, stop)


def _train(members: list["Member"], share: "Share", stop: "Stop") -> None:
    from messy_mashup.cluster.crew import RayCrew
    from messy_mashup.training.fleet import SCRIPT
    from messy_mashup.training.fleet_run import run_fleet
    from messy_mashup.training.fleet_table import Table

    run_fleet(Table(members), RayCrew(SCRIPT, share), stop)


def _search(options: argparse.Namespace, share: "Share", stop: "Stop") -> None:
    """Have workers search until the study has its trials: one may end while another still has the last of them."""
    from messy_mashup.cluster.connection import check_locks, room
    from messy_mashup.cluster.crew import RayCrew
    from messy_mashup.training.fleet_run import run_fleet
    from messy_mashup.training.fleet_table import Table
    from messy_mashup.training.study_fleet import SCRIPT
    from messy_mashup.training.study_worker import StudyWorker

    study = options.runs.absolute() / paths.STUDIES / (options.name or options.study)
    check_locks(options.runs)
    space = ["--space", str(options.space.absolute())] if options.space else []
    words = (
        options.study,
        *space,
        "--study",
        study.name,
        "--trials",
        str(options.trials),
        *_words(options, options.study),
    )
    count = min(options.workers or room(share), options.trials)
    workers = [StudyWorker(f"worker{n}", words, study / f"worker{n}", options.trials) for n in range(count)]
    before = -1
    while before < (before := workers[0].how_far()) < options.trials:
        run_fleet(Table(workers, "workers"), RayCrew(SCRIPT, share), stop)
    if not workers[0].is_finished():
        raise UserError(
            f"the study has {before} of {options.trials} trials and does not go on: see {study}/worker*/train.log"
        )
    print(f"{study}: trials.csv, best.json and the pictures; the same command of tune.py tells the best")


def _words(options: argparse.Namespace, recipe: str) -> list[str]:
    """The words for train.py and tune.py that all their processes share, with absolute paths."""
    data, bank = _found(options, recipe)
    given = {"--data": data, "--bank": bank, "--runs": options.runs.absolute()}
    words = [word for setting in options.set for word in ("--set", setting)]
    return [*words, *(word for option, value in given.items() for word in (option, str(value)))]


def _found(options: argparse.Namespace, recipe: str) -> tuple[Path, Path]:
    """The data set of a recipe and its bank."""
    from messy_mashup import recipes
    from messy_mashup.data import corpora

    data = paths.find_data(corpora.load(recipes.load(recipe).corpus).looks_like, options.data)
    return data.absolute(), (options.bank or paths.find_bank(data, options.runs)).absolute()


def _members(options: argparse.Namespace) -> tuple[list["Member"], list[Path]]:
    """The members of all recipes, and the folders that every node must see."""
    from messy_mashup import recipes
    from messy_mashup.recipe_text import override
    from messy_mashup.training.orders import Material, member_of, orders_of

    members, places = [], []
    for name in options.recipes or [options.study]:
        recipe = override(recipes.load(name), options.set)
        Material.found(recipe, options.data, options.bank, options.runs)  # and the plan is written, for all to read
        places += _found(options, name)
        if not options.study:
            words = _words(options, name) + (["--deterministic"] if options.deterministic else [])
            folds = _folds(options.folds, recipe.folds.count)
            orders = orders_of(recipe, options.name or recipe.name, folds, options.seeds, options.runs)
            members += [member_of(order, name, words, options.runs) for order in orders]
    return members, places


def _folds(text: str, count: int) -> list[int]:
    """A single `all` means every member; in a list it is the member of all songs, as in train.py."""
    from messy_mashup.data.folds import ALL
    from messy_mashup.training.run_folder import fold_numbers

    return [*range(count), ALL] if text == "all" else fold_numbers(text, count)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--recipes", type=lambda text: text.split(","), metavar="A,B", help="recipes to train, with commas"
    )
    what.add_argument("--study", metavar="RECIPE", help="search this recipe's space by tune.py instead")
    parser.add_argument("--trials", type=int, default=35, metavar="N", help="of the study in the end (default: 35)")
    parser.add_argument("--space", type=Path, metavar="FILE", help="of the study: JSON of what is searched")
    parser.add_argument(
        "--workers", type=int, metavar="N", help="tasks of the study (default: as many as there is room for)"
    )
    folds = "all for every fold and the member of all songs (default); or a list as train.py's, such as 0,1,all"
    parser.add_argument("--folds", default="all", help=folds)
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="train the folds with N seeds, as N runs")
    parser.add_argument(
        "--set", action="append", default=[], metavar="FIELD=VALUE", help="change a field of all recipes"
    )
    parser.add_argument("--name", help="name of the run of one recipe, or of the study (default: the recipe's)")
    address = "HOST:PORT of a cluster's head, or auto for the cluster of this machine (default: this machine alone)"
    parser.add_argument("--address", help=address)
    parser.add_argument("--cpus", type=int, default=1, metavar="N", help="cores and threads of a member (default: 1)")
    gpus = "of a member, such as 0.5 for two on a GPU (default: 1 where a node has a GPU, else 0)"
    parser.add_argument("--gpus", type=float, help=gpus)
    parser.add_argument("--hours", type=float, help="stop in time and keep everything (default: no limit)")
    parser.add_argument("--deterministic", action="store_true", help="on a GPU: slower, and the same bits again")
    parser.add_argument("--data", type=Path, help="folder of the data set (default: the one found below input/)")
    parser.add_argument("--bank", type=Path, help="folder of its bank (default: the one that build.py makes)")
    parser.add_argument("--runs", type=Path, default=paths.runs(), help="folder of all runs (default: runs/)")
    options = parser.parse_args()
    names = options.recipes or [options.study]
    if len(set(names)) < len(names):
        parser.error("--recipes: a recipe is named twice")
    if options.name and len(names) > 1:
        parser.error("--name: runs of several recipes are named after them")
    if min(options.seeds, options.cpus, options.trials, options.workers or 1) < 1 or (options.gpus or 0) < 0:
        parser.error("--seeds, --cpus, --trials and --workers: 1 or more; --gpus: 0 or more")
    return options


if __name__ == "__main__":
    run_script(main)
