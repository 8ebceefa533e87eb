"""Train the members of several recipes on a Ray cluster.

    python src/fleet.py --recipes A,B [--folds all] [--seeds 20] [--address auto] [--cpus 1] [--gpus 0.5]

Every (recipe, fold, seed) is a Ray task that runs train.py for that member, with the share of a node that --cpus and
--gpus ask for. A member's folder on storage that all nodes share is its state: one whose worker or node is lost goes on
from its last epoch elsewhere, and the same command after a crash trains only what is left. Code, data, bank and runs
have the same path on every node. Without --address this machine alone is the cluster.
"""

import argparse
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from messy_mashup import paths
from messy_mashup.errors import UserError, run_script

if TYPE_CHECKING:
    from messy_mashup.training.fleet_table import Member


def main() -> None:
    """Parse, look at the cluster, train, print."""
    options = _options()
    if not find_spec("ray"):
        raise UserError("a fleet needs the package ray, which is not installed: pip install ray==2.60.0")
    from messy_mashup.cluster.connection import check_nodes, connected, share_of
    from messy_mashup.cluster.crew import RayCrew
    from messy_mashup.training.fleet import SCRIPT
    from messy_mashup.training.fleet_run import run_fleet
    from messy_mashup.training.fleet_table import Table
    from messy_mashup.training.stop import Stop

    members, places = _members(options)
    # Ray takes SIGTERM to itself when it begins, so the stop comes after it.
    with connected(options.address), Stop.after(options.hours) as stop:
        share = share_of(options.cpus, options.gpus)
        check_nodes([SCRIPT, Path.cwd(), *places], options.runs)
        run_fleet(Table(members), RayCrew(SCRIPT, share), stop)


def _members(options: argparse.Namespace) -> tuple[list["Member"], list[Path]]:
    """The members of all recipes, and the folders that every node must see."""
    from messy_mashup import recipes
    from messy_mashup.recipe_text import override
    from messy_mashup.training.orders import Material, member_of, orders_of

    members, places = [], []
    more = [word for setting in options.set for word in ("--set", setting)]
    for name in options.recipes.split(","):
        recipe = override(recipes.load(name), options.set)
        material = Material.found(recipe, options.data, options.bank, options.runs)
        bank = (options.bank or paths.find_bank(material.data, options.runs)).absolute()
        places += [material.data.absolute(), bank]
        given = {"--data": material.data.absolute(), "--bank": bank, "--runs": options.runs.absolute()}
        words = [*more, *(word for option, value in given.items() for word in (option, str(value)))]
        words += ["--deterministic"] if options.deterministic else []
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
    parser.add_argument("--recipes", required=True, metavar="A,B", help="names of recipes, with commas")
    folds = "all for every fold and the member of all songs (default); or a list as train.py's, such as 0,1,all"
    parser.add_argument("--folds", default="all", help=folds)
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="train the folds with N seeds, as N runs")
    parser.add_argument(
        "--set", action="append", default=[], metavar="FIELD=VALUE", help="change a field of all recipes"
    )
    parser.add_argument("--name", help="name of the run, where one recipe is named (default: the recipe's)")
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
    names = options.recipes.split(",")
    if len(set(names)) < len(names):
        parser.error("--recipes: a recipe is named twice")
    if options.name and len(names) > 1:
        parser.error("--name: runs of several recipes are named after them")
    if options.seeds < 1 or options.cpus < 1 or (options.gpus or 0) < 0:
        parser.error("--seeds and --cpus: 1 or more; --gpus: 0 or more")
    return options


if __name__ == "__main__":
    run_script(main)
