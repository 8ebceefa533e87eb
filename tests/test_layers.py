"""How the house is built: imports run one way, names shadow nothing, modules stay small, paths stay relative."""

import ast
import json
import re
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ROOT / "src"
PACKAGE = "messy_mashup"
# A room imports itself and rooms of a lower level. BASE are the modules beside the rooms: errors, files, recipe, paths.
BASE, SCRIPTS = "the base", "the scripts"
LEVELS = {
    BASE: 0,
    "data": 1,
    "features": 1,
    "mashup": 2,
    "search": 3,
    "calibration": 4,
    "models": 4,
    "scoring": 5,
    "training": 6,
    "competition": 7,
    "release": 7,
    "cluster": 7,
    "recipes": 8,
    "notebooks": 9,
    "web": 9,
    SCRIPTS: 10,
}
MODULE_LINES, FUNCTION_LINES = 350, 50
ABSOLUTE = re.compile(
    r"/(?:home|root|tmp|mnt|media|opt|usr|var|etc|data|content|kaggle|Users|Volumes)(?:/|$)"
    r"|/\w[\w.-]*/\w|[A-Za-z]:[\\/]|~/"
)
# A kernel's own folders are Kaggle's choice, and are named in one place; the age of a process is Linux's to tell
KERNEL_FOLDERS = {"paths.py": {"/kaggle/input", "/kaggle/working"}, "stop.py": {"/proc/1/stat", "/proc/self/stat"}}


def room_of(module: str, scripts: set[str]) -> str | None:
    """The room of a dotted module name; None for a module that is not ours."""
    first, *rest = module.split(".")
    if first != PACKAGE:
        return SCRIPTS if first in scripts else None
    if not rest or not (rest[0] in LEVELS or (SOURCES / PACKAGE / rest[0]).is_dir()):
        return BASE
    return rest[0]


def imported(tree: ast.AST, module: str, is_package: bool) -> Iterator[tuple[int, str]]:
    """Line and full name of everything imported, at the top or inside a function, relative names resolved."""
    package = module.split(".") if is_package else module.split(".")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*above, *filter(None, [node.module])])
            yield from ((node.lineno, f"{source}.{alias.name}") for alias in node.names)


def imports_that_point_back(sources: Path) -> list[str]:
    """Imports under `sources` that run against LEVELS, a sentence each."""
    scripts = {path.stem for path in sources.glob("*.py")}
    found = []
    for path in sorted(sources.rglob("*.py")):
        parts = path.relative_to(sources).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        module = ".".join(parts[:-1] if is_package else parts)
        room = path.relative_to(sources).parts[1] if len(parts) > 2 else BASE if len(parts) == 2 else SCRIPTS
        if room not in LEVELS:
            found.append(f"{module}: no level is known for the room {room}")
            continue
        for line, name in imported(ast.parse(path.read_text(encoding="utf-8")), module, is_package):
            target = room_of(name, scripts)
            if target not in (None, room) and LEVELS.get(target, 99) >= LEVELS[room]:
                found.append(f"{module}, line {line}: {room} imports {name}, which belongs to {target}")
    return found


def absolute_paths(source: str, allowed: set[str] = frozenset()) -> list[str]:
    """Strings of a module that begin as an absolute path does; an f-string's later pieces begin nothing."""
    tree = ast.parse(source)
    later = {id(piece) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for piece in node.values[1:]}
    strings = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in later)
    return [text for text in strings if isinstance(text, str) and ABSOLUTE.match(text) and text not in allowed]


def long_functions(source: str) -> list[str]:
    """Functions of FUNCTION_LINES lines or more."""
    functions = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef))
    return [node.name for node in functions if node.end_lineno - node.lineno + 1 >= FUNCTION_LINES]


def notebook_faults(notebook: dict) -> list[str]:
    """Why a notebook is not as it should be committed."""
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    faults = ["it holds outputs"] if any(cell["outputs"] or cell["execution_count"] for cell in cells) else []
    sources = "\n".join("".join(cell["source"]) for cell in cells)
    return faults + (["it defines a function"] if re.search(r"^\s*(async\s+)?def\s", sources, re.M) else [])


MODULES = sorted(SOURCES.rglob("*.py"))
named_by_path = pytest.mark.parametrize("path", MODULES, ids=[path.relative_to(SOURCES).as_posix() for path in MODULES])


def test_imports_run_one_way():
    assert imports_that_point_back(SOURCES) == []


def test_no_script_shadows_an_installed_package():
    taken = set(packages_distributions()) | sys.stdlib_module_names
    assert sorted({path.stem for path in SOURCES.glob("*.py")} & taken) == []


@named_by_path
def test_modules_and_functions_stay_small(path):
    source = path.read_text(encoding="utf-8")
    assert len(source.splitlines()) < MODULE_LINES
    assert long_functions(source) == []


@named_by_path
def test_no_absolute_path(path):
    assert absolute_paths(path.read_text(encoding="utf-8"), KERNEL_FOLDERS.get(path.name, set())) == []


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.name)
def test_notebooks_hold_no_outputs_and_no_functions(path):
    assert notebook_faults(json.loads(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("place", "statement", "target"),
    [
        ("data/bank.py", "from messy_mashup.training.fit import fit", "training"),
        ("data/bank.py", "from messy_mashup import features", "features"),
        ("features/logmel.py", "import messy_mashup.data.bank", "data"),
        ("features/logmel.py", "from ..data import bank", "data"),
        ("mashup/__init__.py", "from ..models.heads import head", "models"),
        ("scoring/metrics.py", "def late():\n    from messy_mashup.training import fit", "training"),
        ("data/corpora/mini.py", "from ...competition import ledger", "competition"),
        ("errors.py", "from messy_mashup.data import bank", "data"),
        ("recipes/resnet34.py", "import train", SCRIPTS),
    ],
)
def test_a_planted_import_is_caught(tmp_path, place, statement, target):
    path = tmp_path / PACKAGE / place
    path.parent.mkdir(parents=True)
    path.write_text(statement)
    (tmp_path / "train.py").write_text("import messy_mashup.recipes.resnet34\n")
    (found,) = imports_that_point_back(tmp_path)
    assert found.endswith(f"belongs to {target}")


def test_a_room_without_a_level_is_caught(tmp_path):
    path = tmp_path / PACKAGE / "extras" / "more.py"
    path.parent.mkdir(parents=True)
    path.write_text("")
    assert imports_that_point_back(tmp_path) == [f"{PACKAGE}.extras.more: no level is known for the room extras"]


@pytest.mark.parametrize(
    ("place", "statement"),
    [
        ("data/corpora/mini.py", "from messy_mashup.data.audio import read\nfrom .. import bank\nimport numpy"),
        ("mashup/frames.py", "from messy_mashup import errors\nfrom messy_mashup.features.frame_spec import FrameSpec"),
        ("paths.py", "from messy_mashup.errors import UserError"),
        ("competition/ledger.py", "from messy_mashup.scoring.metrics import macro_f1"),
    ],
)
def test_an_import_that_runs_forward_is_allowed(tmp_path, place, statement):
    path = tmp_path / PACKAGE / place
    path.parent.mkdir(parents=True)
    path.write_text(statement)
    assert imports_that_point_back(tmp_path) == []


def test_planted_faults_of_form_are_caught():
    assert absolute_paths('Path("/home/me/data"), "/kaggle/input", f"/opt/{name}"', {"/kaggle/input"}) == [
        "/home/me/data",
        "/opt/",
    ]
    assert absolute_paths('f"{speed:.0f}/s", "a/b", "https://example.org/a", "/", f"{root}/home/me"') == []
    assert long_functions("def long():\n" + "    pass\n" * 49 + "def short():\n" + "    pass\n" * 48) == ["long"]
    cell = {"cell_type": "code", "source": ["import a\n", "  def b(): ..."], "outputs": [], "execution_count": 3}
    assert notebook_faults({"cells": [cell]}) == ["it holds outputs", "it defines a function"]
