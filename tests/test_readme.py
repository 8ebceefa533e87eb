"""The README's tree names every file, and its commands exist."""

import re
import subprocess

import pytest

from messy_mashup.paths import REPOSITORY

README = (REPOSITORY / "README.md").read_text()


def modules() -> list[str]:
    """Every Python file that is not a test or a bare package marker, as the tree writes it."""
    files = [path for room in ("src", "benchmarks") for path in sorted((REPOSITORY / room).rglob("*.py"))]
    return [path.relative_to(REPOSITORY).as_posix() for path in files if path.name != "__init__.py"]


@pytest.mark.parametrize("module", modules())
def test_the_tree_names_every_file(module):
    name = module.rsplit("/", 1)[1]
    assert re.search(rf"^ *{re.escape(name)} +\S", README, re.M), f"{module} has no duty in the README's tree"


def test_the_tree_names_no_file_that_is_not_there():
    tree = README.split("## The tree")[1].split("```")[1]
    there = {path.name for path in REPOSITORY.rglob("*.py") if not any(part.startswith(".venv") for part in path.parts)}
    assert set(re.findall(r"^ *(\w+\.py) ", tree, re.M)) <= there


def test_pictures_and_scripts_that_it_mentions_exist():
    for path in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README) + re.findall(
        r"python ((?:src|benchmarks)/\w+\.py)", README
    ):
        assert (REPOSITORY / path).is_file(), path


def test_make_knows_the_commands():
    for target in set(re.findall(r"`make ([\w-]+)`|^make ([\w-]+)", README, re.M)):
        name = "".join(target)
        dry = subprocess.run(["make", "-n", name], cwd=REPOSITORY, capture_output=True, text=True)
        assert dry.returncode == 0, dry.stderr
