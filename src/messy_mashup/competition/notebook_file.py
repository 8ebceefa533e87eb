"""Notebooks as files: their parameters, and other values for them by papermill's convention."""

import ast
import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from messy_mashup.errors import UserError
from messy_mashup.own_files import LARGE_BYTES, read_object, shortened
from messy_mashup.recipe_text import literal

PARAMETERS, INJECTED = "parameters", "injected-parameters"  # papermill's tags
KINDS = {bool: "True or False", int: "a whole number", float: "a number", tuple: "a list", list: "a list"}


def read_notebook(path: Path) -> dict[str, Any]:
    """A notebook's JSON; UserError where it is missing or no notebook."""
    notebook = read_object(path, "write that notebook again or check it out from git", most_bytes=LARGE_BYTES)
    if not isinstance(notebook.get("cells"), list):
        raise UserError(f"{path} is no notebook: it has no cells; check it out from git")
    if not all(map(_is_cell, notebook["cells"])) or not isinstance(notebook.get("nbformat_minor", 0), int):
        raise UserError(f"{path} is no notebook: a cell is not as Jupyter writes it; check it out from git")
    return notebook


def parameters(notebook: Mapping[str, Any]) -> dict[str, Any]:
    """The names and default values in the cell tagged "parameters", in their order; none where no cell is."""
    found = _tagged(notebook, PARAMETERS)
    if len(found) > 1:
        raise UserError(f'{len(found)} cells of the notebook are tagged "{PARAMETERS}": leave the tag on one')
    return _literals(_source(notebook["cells"][found[0]])) if found else {}


def parsed(settings: list[str], notebook: Mapping[str, Any]) -> dict[str, Any]:
    """`NAME=VALUE` words as values: a Python literal, else text.

    Always text where the notebook's own value is text. Where that is None, a bare number stays text too, for `0,1` and
    `0` are folds; `(3)` is a number there.
    """
    defaults, values = parameters(notebook), {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise UserError(f"--set {setting}: write NAME=VALUE")
        _check_known([name], defaults)
        values[name] = _value(name, text, defaults[name])
    return values


def with_parameters(notebook: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """A copy with a cell tagged "injected-parameters" behind the one tagged "parameters"; without values, a mere copy.

    A cell that was injected before is replaced. UserError for a name that the notebook does not have.
    """
    _check_known(values, parameters(notebook))
    changed = copy.deepcopy(dict(notebook))
    for number in reversed(_tagged(changed, INJECTED)):
        del changed["cells"][number]
    if values:
        lines = ["# Parameters\n", *(f"{name} = {value!r}\n" for name, value in values.items())]
        cell = {
            "cell_type": "code",
            "execution_count": None,
            "metadata": {"tags": [INJECTED]},
            "outputs": [],
            "source": lines,
        }
        if changed.get("nbformat_minor", 0) >= 5:
            cell["id"] = INJECTED
        changed["cells"].insert(_tagged(changed, PARAMETERS)[0] + 1, cell)
    return changed


def _check_known(names: Mapping[str, Any] | list[str], defaults: Mapping[str, Any]) -> None:
    unknown = [name for name in names if name not in defaults]
    if unknown:
        known = f"it has {', '.join(defaults)}" if defaults else f'it has no cell tagged "{PARAMETERS}"'
        raise UserError(f"the notebook has no parameter {', '.join(unknown)}: {known}")


def _value(name: str, text: str, default: Any) -> Any:
    value = literal(text)
    if isinstance(default, str):
        return value if isinstance(value, str) else text
    if default is None:
        bare = isinstance(value, (int, float, complex, tuple)) and not isinstance(value, bool)
        return text if bare and not text.strip().startswith("(") else value
    if value is None or _alike(value, default):
        return value
    raise UserError(f"--set {name}={text}: {name} is {KINDS.get(type(default), 'no text')}, such as {default!r}")


def _alike(value: Any, default: Any) -> bool:
    if isinstance(default, (tuple, list)):
        return isinstance(value, (tuple, list))
    if isinstance(default, float):
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return type(value) is type(default)


def _is_cell(cell: Any) -> bool:
    """Whether a cell's metadata, tags and source can be read."""
    if not isinstance(cell, dict) or not isinstance(metadata := cell.get("metadata", {}), dict):
        return False
    source, tags = cell.get("source", ""), metadata.get("tags", [])
    lines = source if isinstance(source, list) else [source]
    return isinstance(tags, list) and all(isinstance(text, str) for text in [*lines, *tags])


def _tagged(notebook: Mapping[str, Any], tag: str) -> list[int]:
    return [number for number, cell in enumerate(notebook["cells"]) if tag in cell.get("metadata", {}).get("tags", [])]


def _source(cell: Mapping[str, Any]) -> str:
    source = cell.get("source", "")
    return source if isinstance(source, str) else "".join(source)


def _literals(source: str) -> dict[str, Any]:
    found, line = {}, ""
    try:
        for statement in ast.parse(source).body:
            line = ast.unparse(statement)
            name, value = _assigned(statement)
            found[name] = ast.literal_eval(value)
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:
        rule = f'the cell tagged "{PARAMETERS}" is to hold lines of NAME = literal only'
        told = f", and not `{shortened(line)}`" if line else f" ({shortened(str(error))})"
        raise UserError(rule + told) from error
    return found


def _assigned(statement: ast.stmt) -> tuple[str, ast.expr]:
    """Name and value of `NAME = value`; ValueError for anything else, several names in one line included."""
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            return name, value
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
            return name, value
    raise ValueError("no NAME = literal")
