"""Which members are to be trained, on what, and by which command each alone."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from messy_mashup import paths
from messy_mashup.data import corpora
from messy_mashup.data.bank import Bank, open_of
from messy_mashup.errors import UserError
from messy_mashup.files import check_name
from messy_mashup.mashup.validation import Plan, open_plan
from messy_mashup.recipe import Recipe
from messy_mashup.recipe_text import to_json
from messy_mashup.training.attached import adopt
from messy_mashup.training.claimed_folder import claimed
from messy_mashup.training.fleet_table import Member
from messy_mashup.training.run_folder import fold_name
from messy_mashup.training.trained import TestClips


@dataclass(frozen=True)
class Material:
    """What all members of a recipe are trained and scored on."""

    bank: Bank
    plan: Plan
    test: TestClips

    @classmethod
    def found(cls, recipe: Recipe, data: Path | None, bank: Path | None, runs: Path) -> Self:
        """The data set, its bank and its plan, which is written where there is none; UserError where one is missing."""
        corpus = corpora.load(recipe.corpus)
        found = paths.find_data(corpus.looks_like, data)
        opened = open_of(bank or paths.find_bank(found, runs), found)
        plan = open_plan(opened, recipe.folds, runs / "folds")
        return cls(opened, plan, TestClips.of(found, corpora.test_clips(recipe.corpus, found)))


@dataclass(frozen=True)
class Order:
    """One member to be trained."""

    recipe: Recipe
    fold: int
    folder: Path

    @property
    def name(self) -> str:
        """Its run and fold."""
        return f"{self.folder.parent.name}/{self.folder.name}"


def orders_of(recipe: Recipe, name: str, folds: Sequence[int], seeds: int, runs: Path) -> list[Order]:
    """Fold by fold within a seed; the run of a further seed is named after it."""
    first, name = recipe.train.seed, check_name(name)
    orders = []
    for seed in range(first, first + seeds):
        run = name if seed == first else f"{name}_seed{seed}"
        seeded = replace(recipe, train=replace(recipe.train, seed=seed))
        orders += [Order(seeded, fold, runs / run / fold_name(fold)) for fold in folds]
    return orders


def member_of(order: Order, recipe_name: str, more: Sequence[str], runs: Path) -> Member:
    """The job of a fleet that trains this member alone, with `more` words for train.py.

    What an earlier session left is adopted, so that it counts as done here and not only in the member's own process.
    """
    with suppress(UserError), claimed(order.folder):
        adopt_told(order.folder, runs)
    words = [recipe_name, "--name", order.folder.parent.name, "--folds", order.folder.name.removeprefix("fold")]
    words += [*more, "--set", f"train.seed={order.recipe.train.seed}"]
    return Member(order.name, tuple(words), order.folder, to_json(order.recipe))


def adopt_told(folder: Path, runs: Path) -> None:
    """Copy an attached member of that name, and say so."""
    if attached := adopt(folder, runs):
        print(f"{folder}: goes on from {attached}")
