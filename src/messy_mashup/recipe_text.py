"""Recipes as text: JSON in a run's folder, and settings such as `train.lr=3e-5` on the command line.

Unknown fields and wrong types are refused in both.
"""

import ast
import dataclasses
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from messy_mashup.errors import UserError
from messy_mashup.own_files import json_of, read_bytes, read_json, shortened, shown
from messy_mashup.recipe import ASTRecipe, CNNRecipe, FoldRecipe, MashupRecipe, Recipe, ResNet34Recipe, ScoringRecipe

# Fields that came when members had been trained without them. At their defaults they are not written, so that what is
# the same recipe has the same text: older members go on, and are blended, with new ones.
LATER = {
    Recipe: {"scoring", "teacher"},
    MashupRecipe: {"drawn", "changes", "copies"},
    ASTRecipe: {"frozen", "head", "dora"},
    ResNet34Recipe: {"front_end", "separated"},
    CNNRecipe: {"front_end", "separated"},
    ScoringRecipe: {"chunk_s"},
    FoldRecipe: {"cut", "ratios"},
}


def to_json(recipe: Recipe) -> str:
    """The recipe as JSON that `from_json` reads back to an equal value."""
    return written(recipe, indent=2).decode() + "\n"


def written(value: Any, indent: int | None = None) -> bytes:
    """A recipe or a part of one as JSON, without LATER fields that are at their defaults."""
    return TypeAdapter(type(value)).dump_json(value, indent=indent, exclude=_left_out(value))


def _left_out(value: Any) -> dict[str, Any]:
    """What pydantic is to exclude of a dataclass and of those within it."""
    left_out: dict[str, Any] = {}
    for field in dataclasses.fields(value):
        inner = getattr(value, field.name)
        if field.name in LATER.get(type(value), ()) and inner == field.default:
            left_out[field.name] = True
        elif dataclasses.is_dataclass(inner) and (within := _left_out(inner)):
            left_out[field.name] = within
    return left_out


def from_json(path: Path) -> Recipe:
    """Read a run's recipe; a field that is unknown or of a wrong type is named."""
    content = read_bytes(path, "train that member first")
    json_of(content, path, "write it again, or train that member anew")  # it refuses what pydantic takes: a field twice
    try:
        return TypeAdapter(Recipe).validate_json(content)
    except ValidationError as error:
        raise UserError(f"{path} is not a recipe of this version: {first_fault(error)}") from error


def override(recipe: Recipe, settings: list[str]) -> Recipe:
    """The recipe with settings such as `train.lr=3e-5` or `mashup.rate=(0.8,1.2)` put in; `mashup=@FILE` takes a value
    from a JSON file, such as calibrate.py writes.
    """
    fields = dataclasses.asdict(recipe)
    for setting in settings:
        _put(fields, setting)
    try:
        return TypeAdapter(Recipe).validate_python(fields)
    except ValidationError as error:
        raise UserError(f"--set {first_fault(error)}") from error


def override_scoring(scoring: ScoringRecipe, settings: list[str]) -> ScoringRecipe:
    """What settings such as `scoring.pooled=majority` make of a trained member's scoring; all others are refused."""
    for setting in settings:
        if setting.partition("=")[0].partition(".")[0] != "scoring":
            fields = ", ".join(f"scoring.{field.name}" for field in dataclasses.fields(ScoringRecipe))
            raise UserError(f"--set {setting}: of a trained member only its scoring can be set: {fields}")
    return override(Recipe(name="trained", scoring=scoring), settings).scoring


def _put(fields: dict[str, Any], setting: str) -> None:
    name, equals, text = setting.partition("=")
    *rooms, last = name.split(".")
    for room in rooms:
        fields = fields.get(room) if isinstance(fields, dict) else None
    if not equals or not isinstance(fields, dict) or last not in fields:
        raise UserError(f"--set {shortened(setting)}: the recipe has no such field; write it as train.lr=3e-5")
    if text.startswith("@"):
        value = _from_file(setting, Path(text[1:]).expanduser())
        fields[last] = fields[last] | value if isinstance(fields[last], dict) and isinstance(value, dict) else value
        return
    fields[last] = literal(text)


def literal(text: str) -> Any:
    """The Python literal that a text is, else the text itself."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):  # the last two of brackets in brackets
        return text


def _from_file(setting: str, path: Path) -> Any:
    try:
        return read_json(path, "name a JSON file, such as calibrate.py writes")
    except UserError as error:
        raise UserError(f"--set {setting}: {error}") from error


def first_fault(error: ValidationError) -> str:
    """The first field that is wrong, why, and what was given, shortened."""
    detail = error.errors(include_url=False, include_context=False)[0]
    where = shortened(".".join(str(step) for step in detail["loc"]))
    return f"{where}: {shortened(detail['msg'], 300)} (given: {shown(detail['input'])})"
