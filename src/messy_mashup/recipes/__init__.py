"""Recipes: one file a system, and the listing of this folder is the registry.

A file holds a value for each variant; a variant is found by its name.
"""

import importlib
import pkgutil
from types import ModuleType

from messy_mashup.errors import UserError
from messy_mashup.recipe import Recipe
from messy_mashup.training.search_space import Space

VARIANTS = {"": 20.0, "_demo": 5.0, "_tiny": 0.0}  # suffix: for songs of this many seconds or more


def names() -> dict[str, Recipe]:
    """All recipes by name."""
    values = [value for module in _modules() for value in vars(module).values() if isinstance(value, Recipe)]
    return {recipe.name: recipe for recipe in values}


def load(name: str) -> Recipe:
    """The recipe of that name."""
    known = names()
    if name not in known:
        raise UserError(f"there is no recipe {name}; there are {', '.join(sorted(known))}")
    return known[name]


def space(name: str) -> Space | None:
    """What may be searched of the recipe of that name, by the SPACE of its file; None where that has none."""
    recipe = load(name)
    own = (module for module in _modules() if any(value is recipe for value in vars(module).values()))
    return next((module.SPACE for module in own if hasattr(module, "SPACE")), None)


def suited(name: str, seconds: float) -> str:
    """The variant of a recipe for songs of so many seconds: itself, `_demo` or `_tiny`, as VARIANTS says."""
    suffix = next(suffix for suffix, least_s in VARIANTS.items() if seconds >= least_s)
    return load(f"{name}{suffix}").name


def _modules() -> list[ModuleType]:
    return [importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__)]
