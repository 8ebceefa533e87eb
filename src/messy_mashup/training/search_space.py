"""What a search may change of a recipe: a range or a choice for each of some fields, in code or in a JSON file.

In JSON a range is {"low": 1e-5, "high": 1e-3, "log": true} and a choice is {"values": [8, 16]}. Whether a range is of
real or of whole numbers is told by the field's own value in the recipe.
"""

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from messy_mashup.errors import UserError
from messy_mashup.own_files import read_json
from messy_mashup.recipe import Recipe
from messy_mashup.recipe_text import override

COMPARED_ON = ("name", "corpus", "folds")  # trials that differ here could not be compared


class Trial(Protocol):
    """What draws; Optuna's trials do."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool) -> float:
        """A real number."""

    def suggest_int(self, name: str, low: int, high: int, *, log: bool) -> int:
        """A whole number."""

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """One of the choices."""


@dataclass(frozen=True)
class Real:
    """Real numbers from low to high; `log`: evenly in their logarithm."""

    low: float
    high: float
    log: bool = False

    def draw(self, trial: Trial, field: str) -> float:
        """A number of this range."""
        return trial.suggest_float(field, self.low, self.high, log=self.log)

    def ends(self) -> tuple[Any, ...]:
        """What every recipe of this range lies between."""
        return (self.low, self.high)

    def fault(self) -> str | None:
        """What is wrong with the range itself."""
        if not all(_is_number(end) and math.isfinite(end) for end in self.ends()):
            return "a range goes from one number to another"
        if self.low >= self.high:
            return f"the range goes from {self.low:g} to {self.high:g}: it goes from low to high"
        if self.log and self.low <= 0:
            return f"the range begins at {self.low:g}: a logarithmic one begins above 0"
        return None


@dataclass(frozen=True)
class Whole(Real):
    """Whole numbers from low to high, both included."""

    low: int
    high: int

    def draw(self, trial: Trial, field: str) -> int:
        """A number of this range."""
        return trial.suggest_int(field, self.low, self.high, log=self.log)

    def fault(self) -> str | None:
        """What is wrong with the range itself."""
        if not all(isinstance(end, int) for end in self.ends()):
            return "the field takes whole numbers: give it a range of them"
        return super().fault()


@dataclass(frozen=True)
class Choice:
    """One of some values, whatever they are."""

    values: tuple[Any, ...]

    def draw(self, trial: Trial, field: str) -> Any:
        """One of the values; what Optuna could not keep in its journal is drawn by its text."""
        return trial.suggest_categorical(field, [_token(value) for value in self.values])

    def ends(self) -> tuple[Any, ...]:
        """The values."""
        return self.values

    def fault(self) -> str | None:
        """What is wrong with the choice itself."""
        if len({repr(value) for value in self.values}) < max(2, len(self.values)):
            return "a choice is of two values or more that differ"
        return None

    def value(self, token: Any) -> Any:
        """The value that was drawn."""
        return next(value for value in self.values if _token(value) == token)


Dimension = Real | Whole | Choice
Space = Mapping[str, Dimension]  # by the field, as in --set


def suggest(trial: Trial, space: Space) -> dict[str, Any]:
    """Draw every field, in the order of the space."""
    return {field: dimension.draw(trial, field) for field, dimension in space.items()}


def settings(drawn: Mapping[str, Any]) -> list[str]:
    """What was drawn as settings of --set, to the last digit."""
    return [f"{field}={_text(value)}" for field, value in drawn.items()]


def values(space: Space, drawn: Mapping[str, Any]) -> dict[str, Any]:
    """What was drawn as values of the recipe's fields."""
    found = {}
    for field, dimension in space.items():
        found[field] = dimension.value(drawn[field]) if isinstance(dimension, Choice) else drawn[field]
    return found


def described(space: Space) -> dict[str, dict[str, Any]]:
    """The space as JSON, to be compared; tuples become lists there."""
    return json.loads(json.dumps({field: vars(dimension) for field, dimension in space.items()}))


def without(space: Space, fixed: Sequence[str]) -> dict[str, Dimension]:
    """The space without fields that settings such as `train.lr=3e-5` fix, or the whole room of which they do."""
    names = [setting.partition("=")[0] for setting in fixed]
    return {
        field: dimension
        for field, dimension in space.items()
        if not any(field == name or field.startswith(f"{name}.") for name in names)
    }


def checked(space: Space, recipe: Recipe, where: str) -> Space:
    """The space, where it fits the recipe; else UserError names the field. `where` begins the sentence."""
    if not space:
        raise UserError(f"{where}: nothing is left to be searched")
    for field, dimension in space.items():
        if fault := dimension.fault() or _misfit(field, dimension, recipe):
            raise UserError(f"{where}: {field}: {fault}")
    return space


def read_space(path: Path, recipe: Recipe) -> Space:
    """The space in a JSON file; UserError names the file and the field that is wrong."""
    entries = read_json(path, "name a JSON file of a search space")
    if not isinstance(entries, dict):
        raise UserError(f'{path} is no space: write it as {{"train.lr": {{"low": 1e-5, "high": 1e-3, "log": true}}}}')
    space = {field: _dimension(path, field, entry, recipe) for field, entry in entries.items()}
    return checked(space, recipe, str(path))


def _dimension(path: Path, field: str, entry: Any, recipe: Recipe) -> Dimension:
    keys = set(entry) if isinstance(entry, dict) else set()
    if keys == {"values"} and isinstance(entry["values"], list):
        return Choice(tuple(entry["values"]))
    if not {"low", "high"} <= keys <= {"low", "high", "log"} or not isinstance(entry.get("log", False), bool):
        raise UserError(f'{path}: {field}: write it as {{"low": 1, "high": 8, "log": true}} or {{"values": [8, 16]}}')
    kind = Whole if isinstance(_own_value(recipe, field), int) else Real
    return kind(**entry)


def _misfit(field: str, dimension: Dimension, recipe: Recipe) -> str | None:
    """Why a recipe cannot take these values."""
    if field.partition(".")[0] in COMPARED_ON:
        return "it is what trials are compared on, and stays as it is"
    own = _own_value(recipe, field)
    if own is None:
        return "the recipe has no such field"
    if isinstance(dimension, Real):
        if not _is_number(own):
            return "the field is no number: give it values instead of a range"
        if isinstance(own, int) and not isinstance(dimension, Whole):
            return "the field takes whole numbers: give it a range of them"
    for value in dimension.ends():
        try:
            override(recipe, [f"{field}={_text(_token(value))}"])
        except UserError as error:
            return str(error).removeprefix("--set ")
    return None


def _own_value(recipe: Recipe, field: str) -> Any:
    """What the recipe has in a field; None where it has no such field."""
    value: Any = dataclasses.asdict(recipe)
    for name in field.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _token(value: Any) -> Any:
    return value if isinstance(value, bool | int | float | str) else repr(value)


def _text(value: Any) -> str:
    """A value as --set reads it."""
    return value if isinstance(value, str) else repr(value)
