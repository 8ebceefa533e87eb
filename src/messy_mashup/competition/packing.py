"""The code as Kaggle gets it: src/ with its commit and the wheels that Kaggle's image lacks, in a folder of its own."""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from messy_mashup.competition.code_version import PACKED_FILE, WATCHED, CodeVersion, code_version
from messy_mashup.competition.git import git
from messy_mashup.competition.outgoing import check_files
from messy_mashup.errors import UserError

CODE, WHEELS_FOLDER = "src", "wheels"
# What a push sends; a change here that no commit holds is refused.
SENT = (*WATCHED, "notebooks")
# `name==version` of what src/ imports and Kaggle's image lacks: nothing today. tests/test_packing.py holds src/ to it.
WHEELS: tuple[str, ...] = ()
# The image's Python and system; no package's own requirements, for the image has them.
WHEEL_OPTIONS = (
    "--only-binary=:all:",
    "--no-deps",
    "--implementation=cp",
    "--python-version=3.12",
    "--platform=manylinux_2_28_x86_64",
    "--platform=manylinux_2_17_x86_64",
    "--platform=manylinux2014_x86_64",
    "--platform=any",
)


def pack_code(repository: Path, folder: Path, wheels: Iterable[str] = WHEELS) -> CodeVersion:
    """Put src/, commit.txt and wheels/ into the empty or new `folder`, and tell which code that is.

    In a git work tree, what git ignores is left out; a file that is new and not ignored goes with the rest, and then
    the version is not clean. UserError where one of the files holds a credential of the user.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise UserError(f"{folder} is not empty: name a folder that is, or a new one")
    files = code_files(repository)
    check_files(repository, files)
    for path in files:
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(repository / path, target)
    version = code_version(repository)
    (folder / PACKED_FILE).write_text(f"{version.commit} {version.clean}\n", encoding="utf-8")
    if wheels := list(wheels):
        fetch_wheels(wheels, folder / WHEELS_FOLDER)
    return version


def code_files(repository: Path) -> list[Path]:
    """The files of src/ that go, relative to the repository."""
    listed = git(repository, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", CODE)
    if listed:
        found = [Path(name) for name in listed.split("\0") if name]
    else:  # a copy of the code without git
        found = [path.relative_to(repository) for path in (repository / CODE).rglob("*")]
    files = sorted({path for path in found if (repository / path).is_file() and _is_source(path)})
    if not files:
        raise UserError(f"{repository / CODE} holds no code: run this from a whole copy of the repository")
    return files


def changes(repository: Path) -> list[str] | None:
    """The files of a push that differ from the commit, as git names them; None where git cannot tell."""
    status = git(repository, "status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", "--", *SENT)
    if status is None or git(repository, "rev-parse", "--verify", "HEAD") is None:
        return None
    return [entry[3:] for entry in status.split("\0") if entry]


def fetch_wheels(wheels: Iterable[str], folder: Path) -> None:
    """Download each `name==version` as a wheel for Kaggle's image into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for wheel in wheels:
        command = [sys.executable, "-m", "pip", "download", *WHEEL_OPTIONS, "--dest", str(folder), wheel]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            said = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")] or ["pip gives no reason"]
            reason = said[-1].removeprefix("ERROR:").strip()
            raise UserError(
                f"no wheel of {wheel} for Kaggle's image (Python 3.12, Linux): {reason}; check name and version, and "
                "that this machine has internet"
            )


def folder_digest(folder: Path) -> str:
    """SHA-256 of all names and contents below `folder`, in hex."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(folder).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _is_source(path: Path) -> bool:
    return path.suffix != ".pyc" and not any(part.startswith(".") or part == "__pycache__" for part in path.parts)
