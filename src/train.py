"""Train the members of a recipe, fold by fold and seed by seed.

    python src/train.py RECIPE [--folds 0,1,2,3,4,all] [--seeds 20] [--set train.lr=3e-5] [--hours 8.5]

Each member hears fresh mashups that are never repeated, predicts its held-out fold (oof.npz) and the test mashups
(test.npz). Where songs are cut into training, validation and test, a fold is a repetition of the cut, oof.npz is of its
validation part and tested.npz of its test part. Stopped, interrupted or killed, the same command goes on from what was
saved, also from the output of an earlier kernel that is attached as input. `all` is the member that is trained on every
song. With several GPUs one member trains on each (`--devices`); `torchrun --nproc-per-node 2 src/train.py RECIPE
--folds 0` trains one member on all of them.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from messy_mashup import paths
from messy_mashup.errors import Stopped, run_script

if TYPE_CHECKING:
    from messy_mashup.training.orders import Material, Order
    from messy_mashup.training.stop import Stop

KERNEL_HOURS = 8.5  # a GPU session ends after 9 to 12


def main() -> None:
    """Parse, train side by side or one after another, print."""
    options = _options()
    from messy_mashup.training.fleet import devices_named
    from messy_mashup.training.parallel import Ranks
    from messy_mashup.training.stop import Stop

    material, orders = _prepared(options)
    devices = devices_named(options.devices)
    with Stop.after(options.hours) as stop:
        if left_s := stop.left_s():
            print(f"This command stops in time: {left_s / 3600:.1f} hours from now")
        if len(orders) > 1 and (len(devices) > 1 or options.seeds > 1) and Ranks.here().count == 1:
            _side_by_side(options, orders, devices, stop)
        else:
            _one_after_another(options, orders, devices[0], material, stop)


def _prepared(options: argparse.Namespace) -> tuple["Material", list["Order"]]:
    """What the members need, checked, and the members."""
    from messy_mashup import recipes
    from messy_mashup.recipe_text import override
    from messy_mashup.training.orders import Material, orders_of
    from messy_mashup.training.run_folder import fold_numbers

    recipe = override(recipes.load(options.recipe), options.set)
    material = Material.found(recipe, options.data, options.bank, options.runs)
    folds = fold_numbers(options.folds, recipe.folds.count)
    return material, orders_of(recipe, options.name or recipe.name, folds, options.seeds, options.runs)


def _side_by_side(options: argparse.Namespace, orders: list["Order"], devices: list[str], stop: "Stop") -> None:
    from messy_mashup.training.fleet import train_fleet
    from messy_mashup.training.orders import member_of

    given = {"--data": options.data, "--bank": options.bank, "--runs": options.runs, "--wandb": options.wandb}
    more = [word for name, value in given.items() if value for word in (name, str(value))]
    more += ["--deterministic"] if options.deterministic else []
    members = [member_of(order, options.recipe, [*_set(options), *more], options.runs) for order in orders]
    train_fleet(members, devices, stop)


def _set(options: argparse.Namespace) -> list[str]:
    return [word for setting in options.set for word in ("--set", setting)]


def _one_after_another(
    options: argparse.Namespace, orders: list["Order"], device: str, material: "Material", stop: "Stop"
) -> None:
    for number, order in enumerate(orders):
        try:
            _train(options, order, device, material, stop)
        except Stopped as stopped:
            left = ", ".join(order.name for order in orders[number:])
            raise Stopped(f"{stopped}. Left: {left}. Run the same command again to go on") from None


def _train(options: argparse.Namespace, order: "Order", device: str, material: "Material", stop: "Stop") -> None:
    """One member, from what there is of it to its test predictions."""
    from messy_mashup.training.claimed_folder import claimed
    from messy_mashup.training.device import prepared_device
    from messy_mashup.training.fit import fit
    from messy_mashup.training.orders import adopt_told
    from messy_mashup.training.parallel import Ranks
    from messy_mashup.training.run_folder import drop_state
    from messy_mashup.training.trained import score_test

    ranks, trains_on = Ranks.here(), prepared_device(device, options.deterministic)
    member = (order.recipe, material.bank, material.plan, order.fold, order.folder, trains_on, stop)
    if not ranks.leads:
        ranks.wait()  # until the first has adopted what is attached
        fit(*member)
        return
    with claimed(order.folder):
        adopt_told(order.folder, options.runs)
        ranks.wait()
        fit(*member, options.wandb)
        if len(material.test.id):
            score_test(order.folder, material.test, trains_on, stop)
        drop_state(order.folder)
    print(f"{order.folder}: done")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("recipe", metavar="RECIPE", help="name of a recipe in src/messy_mashup/recipes")
    parser.add_argument("--folds", help="fold numbers with commas, and all for the member of every song")
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="train the folds with N seeds, as N runs")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="change a field")
    parser.add_argument("--name", help="name of the run (default: the recipe's)")
    parser.add_argument("--devices", help="such as cuda:0,cuda:1 or cpu,cpu; a member on each (default: every GPU)")
    hours = "stop in time and keep everything; from the kernel's start (default: 8.5 in a kernel, elsewhere none)"
    parser.add_argument("--hours", type=float, default=KERNEL_HOURS if paths.in_kernel() else None, help=hours)
    parser.add_argument("--deterministic", action="store_true", help="on a GPU: slower, and the same bits again")
    parser.add_argument("--wandb", metavar="PROJECT", help="also log to this project of Weights & Biases")
    parser.add_argument("--data", type=Path, help="folder of the data set (default: the one found below input/)")
    parser.add_argument("--bank", type=Path, help="folder of its bank (default: the one that build.py makes)")
    parser.add_argument("--runs", type=Path, default=paths.runs(), help="folder of all runs (default: runs/)")
    options = parser.parse_args()
    if options.seeds < 1:
        parser.error("--seeds: give the number of seeds, 1 or more")
    return options


if __name__ == "__main__":
    run_script(main)
