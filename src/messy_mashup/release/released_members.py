"""What is released of a run or a blend: which members, which of them stands in the root, and how they are averaged."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from messy_mashup.data.folds import ALL
from messy_mashup.errors import UserError
from messy_mashup.recipe import Recipe
from messy_mashup.scoring import blending
from messy_mashup.scoring.ensemble import Blend, held_out_clips, load_blend
from messy_mashup.scoring.predictions import Predictions
from messy_mashup.training.evaluated import Evaluated, evaluated
from messy_mashup.training.label_probe import is_multi_label
from messy_mashup.training.members import check_weights, held_out_by_run, run_blend
from messy_mashup.training.run_folder import WEIGHTS, fold_name, read_card


@dataclass(frozen=True)
class Member:
    """A finished member of a run."""

    folder: Path
    card: dict[str, Any]
    recipe: Recipe

    @classmethod
    def of(cls, folder: Path) -> "Member":
        """UserError where it tells labels by themselves, or hears what a released file cannot make of a wave."""
        card = read_card(folder / WEIGHTS)
        try:
            recipe = TypeAdapter(Recipe).validate_python(card["recipe"])
        except (KeyError, ValidationError) as error:
            raise UserError(f"{folder / WEIGHTS} does not fit its recipe: {error}") from error
        if separated := getattr(recipe.backbone, "separated", ""):
            raise UserError(
                f"{folder} hears vocals that {separated.partition(':')[0]} separates first, which neither transformers "
                "nor ONNX does: release another run, or a blend without it"
            )
        return cls(folder, card, recipe)

    @property
    def run(self) -> str:
        """The name of its run."""
        return self.folder.parent.name

    @property
    def name(self) -> str:
        """Its folder below the runs: run/fold."""
        return f"{self.run}/{self.folder.name}"

    @property
    def is_plain_ast(self) -> bool:
        """Whether it is transformers' ASTForAudioClassification: an AST with one linear layer for a head."""
        return self.recipe.backbone.name == "ast" and not self.recipe.backbone.head.hidden


@dataclass(frozen=True)
class Released:
    """A run or a blend, and what is released of it."""

    subject: Evaluated
    root: Member  # the one in the folder's root
    others: tuple[Member, ...]  # those in members/
    blend: Blend | None  # how all of them are averaged; None where the root is released alone
    matcher_left_out: bool = False

    @property
    def members(self) -> tuple[Member, ...]:
        """The root, then the others."""
        return (self.root, *self.others)

    def place(self, member: Member) -> str:
        """Where a member lies in the release."""
        return "." if member is self.root else f"members/{member.name}"

    @property
    def classes(self) -> list[str]:
        """Names of the classes, in the order of the logits."""
        return list(self.root.card["classes"])

    @cached_property
    def held_out(self) -> Predictions:
        """What the figures are of: without what match.py found, where the blend has that."""
        if not self.matcher_left_out:
            return self.subject.held_out
        held_out = held_out_clips(held_out_by_run(list(self.subject.members)))
        name, _, tempered = self.blend.method.partition(", ")
        method = blending.method(name, "fitted" if tempered else "none")
        clips = held_out.clips
        return held_out.blended(method.nested(held_out.logits, clips.label, clips.fold))


def released(runs: Path, named: str, member: str | None = None, every_member: bool = False) -> Released:
    """What is released of the run or blend that is named below `runs`, by its name or its path.

    Of a run the member of all songs, or the one that is named, stands in the root, and the others are left out unless
    `every_member`. Of a blend all members are released, and in the root stands the first AST of all songs. UserError
    where a member is unfinished, where it is not clear which is meant, and for what cannot be released.
    """
    _refuse_multi_label(runs / Path(named).name)
    subject = evaluated(runs, named)
    blend = run_blend(runs, subject.name) if subject.kind == "run" else load_blend(runs, subject.name)
    folders = [runs / name for name in blend.members]
    if subject.kind == "blend":
        check_weights(folders, blend.weights)
    members = [Member.of(folder) for folder in folders]
    root = _root(subject, members, member)
    together = subject.kind == "blend" or every_member
    others = tuple(one for one in members if one is not root) if together else ()
    has_matcher = blend.matcher is not None
    averaged = replace(blend, matcher=None) if others else None
    return Released(subject, root, others, averaged, has_matcher)


def _refuse_multi_label(run: Path) -> None:
    weights = sorted(run.glob(f"*/{WEIGHTS}"))
    if weights and is_multi_label(weights[0].parent):
        raise UserError(
            f"{run} tells labels that a clip may have any number of, which is not released: a release is of one class "
            "a clip"
        )


def _root(subject: Evaluated, members: Sequence[Member], named: str | None) -> Member:
    if named:
        return _named(subject, members, named)
    loadable = [member for member in members if member.is_plain_ast] or list(members)
    of_all_songs = [member for member in loadable if member.folder.name == fold_name(ALL)]
    if of_all_songs:
        return of_all_songs[0]
    if len(loadable) == 1:
        return loadable[0]
    names = ", ".join(member.name for member in loadable)
    raise UserError(
        f"{subject.name} has no member of all songs to put first: train it (train.py --folds all), or choose one of "
        f"{names} with --member"
    )


def _named(subject: Evaluated, members: Sequence[Member], named: str) -> Member:
    found = [member for member in members if named in (member.name, member.folder.name)]
    if len(found) == 1:
        member = found[0]
        if not member.is_plain_ast and any(other.is_plain_ast for other in members):
            raise UserError(f"--member {named}: {member.name} is none that transformers loads: choose an AST member")
        return member
    names = ", ".join(member.name for member in members)
    told = f"means {len(found)} members" if found else "is none of its members"
    raise UserError(f"--member {named} {told} of {subject.name}: there are {names}")
