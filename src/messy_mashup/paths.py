"""Where data, runs and submissions are: on one's own machine and in a Kaggle kernel.

Data is found by its contents, never by its path, because Kaggle has mounted the same data set at different places.
"""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from messy_mashup.errors import UserError

REPOSITORY = Path(__file__).resolve().parents[2]
KAGGLE_INPUT = Path("/kaggle/input")
KAGGLE_WORKING = Path("/kaggle/working")
SEARCH_DEPTH = 6
# models/<owner>/<model>/<framework>/<variation>/<version> or notebooks/<owner>/<kernel>/runs/…, and folders within
ATTACHED_DEPTH = 8
BLEND_POINTER = "blend.json"
BANKS = "banks"
STUDIES = "studies"  # of tune.py: a trial is no run
BANK_CARD = "bank.json"  # written last: without it nothing is a bank


def in_kernel() -> bool:
    """Whether this is a Kaggle kernel."""
    return "KAGGLE_KERNEL_RUN_TYPE" in os.environ


def home() -> Path:
    """The folder that holds runs/ and submissions/: the repository, or a kernel's working folder."""
    return KAGGLE_WORKING if in_kernel() else REPOSITORY


def inputs() -> Path:
    """The folder below which data sets are looked for."""
    return KAGGLE_INPUT if in_kernel() else REPOSITORY / "input"


def runs() -> Path:
    """The folder of everything that training leaves."""
    return home() / "runs"


def submissions() -> Path:
    """The folder of submission CSVs and their ledger."""
    return home() / "submissions"


def find_runs_with_blend() -> Path:
    """runs/ if a blend is in use there, else the one folder below runs/ or the inputs that holds one."""
    if (runs() / BLEND_POINTER).is_file():
        return runs()
    places = [folder for root in (runs(), inputs()) for folder in folders_below(root, depth=3)]
    found = [folder for folder in places if (folder / BLEND_POINTER).is_file()]
    if not found:
        raise UserError(f"no blend found below {runs()}: train members with train.py, then run blend.py")
    if len(found) > 1:
        raise UserError(f"{len(found)} blends found ({', '.join(map(str, found))}): name one with --runs")
    return found[0]


def bank_folder(data: Path, runs_folder: Path | None = None) -> Path:
    """Where the bank of the data set at `data` is built and kept."""
    return (runs_folder or runs()) / BANKS / data.resolve().name


def find_bank(data: Path, runs_folder: Path | None = None) -> Path:
    """The bank of the data set at `data`: the one built here, else the one that an earlier kernel left and that is
    attached as input; it is read in place.
    """
    built = bank_folder(data, runs_folder)
    if built.exists():
        return built
    attached = folders_below(inputs(), depth=ATTACHED_DEPTH)
    found = [folder for folder in attached if folder.parts[-2:] == built.parts[-2:] and (folder / BANK_CARD).is_file()]
    if len(found) > 1:
        raise UserError(
            f"{len(found)} banks of {data} are attached ({', '.join(map(str, found))}): name one with --bank"
        )
    return found[0] if found else built


def folders_below(root: Path, depth: int = SEARCH_DEPTH) -> Iterator[Path]:
    """`root` and the folders below it, nearest first, without entering folders of more than 200 entries."""
    level = [root] if root.is_dir() else []
    for _ in range(depth + 1):
        yield from level
        level = [child for folder in level for child in _subfolders(folder)]


def find_data(looks_like: Callable[[Path], bool], named: Path | None = None) -> Path:
    """The one data set that `looks_like` recognises: the named folder (or below it), else below inputs()."""
    root = named or inputs()
    if named and not named.is_dir():
        raise UserError(f"there is no folder {named}: give the folder of the data set with --data")
    found = data_sets(looks_like, root)
    if not found:
        raise UserError(
            f"no data set found below {root}: see input/README.md for what goes there, or name its folder with --data"
        )
    if len(found) > 1:
        listed = ", ".join(str(folder) for folder in found)
        raise UserError(f"{len(found)} data sets found ({listed}): name one with --data")
    return found[0]


def data_sets(looks_like: Callable[[Path], bool], root: Path) -> list[Path]:
    """Every data set below `root` that `looks_like` recognises; what lies inside one belongs to it."""
    found: list[Path] = []
    for folder in folders_below(root):
        inside_found = any(parent in found for parent in folder.parents)
        if not inside_found and looks_like(folder):
            found.append(folder)
    return found


def find_weights(name: str, looks_like: Callable[[Path], bool]) -> Path | None:
    """The file or folder of pretrained weights that a recipe calls `name`: that path itself, else the one folder below
    inputs() that `looks_like` recognises and whose path has the name's last part, as Kaggle spells it in a mount.

    None where there is none: a hub id may still be in the hub's cache or reached.
    """
    for path in (Path(name).expanduser(), inputs() / name):
        if path.exists():
            return path
    wanted = _slug(name.rsplit("/", 1)[-1])
    folders = folders_below(inputs(), depth=ATTACHED_DEPTH)
    found = [folder for folder in folders if wanted in map(_slug, folder.parts) and looks_like(folder)]
    if len(found) > 1:
        raise UserError(f"{len(found)} folders hold weights {name} ({', '.join(map(str, found))}): name one of them")
    return found[0] if found else None


def _slug(text: str) -> str:
    """How Kaggle spells a name in a path: ast-10-10-0.4593 becomes ast-10-10-0-4593."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _subfolders(folder: Path) -> list[Path]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except PermissionError:
        return []
    children = [Path(entry.path) for entry in entries if entry.is_dir() and not entry.name.startswith(".")]
    return children if len(children) <= 200 else []
