"""The mashups that members were validated on, to listen to: made again from the bank, with what they are made of."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter

from messy_mashup import paths
from messy_mashup.data.bank import Bank
from messy_mashup.errors import UserError
from messy_mashup.mashup.pool import ABSENT
from messy_mashup.mashup.render import burst_spans, render
from messy_mashup.mashup.validation import Plan, open_plan
from messy_mashup.recipe import BurstLevel, Recipe
from messy_mashup.training.run_folder import WEIGHTS, read_card


@dataclass(frozen=True)
class Validation:
    """The mashups that members were validated on, by their ids in oof.npz."""

    bank: Bank
    plan: Plan
    burst_level: BurstLevel

    @classmethod
    def of(cls, member: Path, bank: Bank, runs: Path) -> "Validation":
        """Those of a trained member; UserError where they cannot be made again from this bank."""
        card = read_card(member / WEIGHTS)
        complaint = f"{member} was validated on other mashups than {bank.root} makes: attach the bank it used"
        # first of all: the plan of another bank would be written below the runs
        if card["bank"] != bank.digest:
            raise UserError(complaint)
        recipe = TypeAdapter(Recipe).validate_python(card["recipe"])
        plan = open_plan(bank, recipe.folds, runs / "folds")
        if plan.digest != card["plan"]:
            raise UserError(complaint)
        return cls(bank, plan, recipe.folds.validation.burst_level)

    def wave(self, id_: str) -> np.ndarray:
        """A mashup as one hears it: float32 (samples,) at the bank's sample rate."""
        return render(self.bank, self.plan.arrangement(id_), 0, self.burst_level)

    def made_of(self, id_: str) -> str:
        """The stems and the noise of a mashup, by the names of their clips."""
        mashup = self.plan.arrangement(id_)
        clips = mashup.voice_clip[0]
        voices = ", ".join(self.bank.index["clip"].iloc[clips[clips != ABSENT]])
        noises = ", ".join(dict.fromkeys(name for name, _, _ in burst_spans(self.bank, mashup, 0)))
        return f"{voices}; noise: {noises}" if noises else f"{voices}; no noise"


def bank_of(member: Path, runs: Path) -> Bank:
    """The bank that a member was trained with: one below `runs`, or one that is attached as input."""
    digest = read_card(member / WEIGHTS)["bank"]
    inputs = paths.folders_below(paths.inputs(), depth=paths.ATTACHED_DEPTH)
    attached = [folder for folder in inputs if folder.parent.name == paths.BANKS]
    for folder in [*sorted((runs / paths.BANKS).glob("*")), *attached]:
        if (folder / paths.BANK_CARD).is_file() and (bank := _opened(folder)) and bank.digest == digest:
            return bank
    raise UserError(
        f"no bank below {runs / paths.BANKS} holds the clips that {member} was validated on: make it again with "
        "build.py from the same data, or name its folder with --bank"
    )


def _opened(folder: Path) -> Bank | None:
    """None for a bank of another version, or a damaged one: it may have nothing to do with what is looked for."""
    try:
        return Bank.open(folder)
    except UserError:
        return None
