"""Which code made a submission: git's commit, or the one that was packed with the code for a kernel."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

COMMIT_DIGITS = 40
GIT_S = 120.0  # for a question to git: a disk may be slow, and a lock of another git is not waited for
PACKED_FILE = "commit.txt"  # beside src/: "<commit> <yes|no>"
PACKED_VARIABLE = "MESSY_MASHUP_COMMIT"  # the same text
# git sets these for its hooks, where they would point at another repository
REDIRECTIONS = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")
# what makes a submission; a new file counts as a change
WATCHED = ("src", "requirements.txt")


@dataclass(frozen=True)
class CodeVersion:
    """A commit and whether src/ and requirements.txt equal it (yes, no); what is unknown is empty."""

    commit: str = ""
    clean: str = ""


def code_version(root: Path) -> CodeVersion:
    """The version of the code at `root`: git's where `root` is its work tree, else what was packed."""
    top = _git(root, "rev-parse", "--show-toplevel")
    # a folder inside some other repository is not that repository's code
    if top is None or Path(top).resolve() != root.resolve():
        return _packed(root)
    commit = _git(root, "rev-parse", "--verify", "HEAD")
    if commit is None:
        return CodeVersion()
    changes = _git(root, "status", "--porcelain", "--untracked-files=normal", "--", *WATCHED)
    return CodeVersion(commit[:COMMIT_DIGITS], "" if changes is None else "no" if changes else "yes")


def _git(root: Path, *arguments: str) -> str | None:
    """What git prints, or None where git is missing, refuses, or says nothing for GIT_S."""
    environment = {name: value for name, value in os.environ.items() if name not in REDIRECTIONS}
    command = ["git", "--no-optional-locks", "-C", str(root), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, check=True, text=True, env=environment, timeout=GIT_S)
    except (FileNotFoundError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _packed(root: Path) -> CodeVersion:
    path = root / PACKED_FILE
    text = os.environ.get(PACKED_VARIABLE) or (path.read_text(encoding="utf-8") if path.is_file() else "")
    commit, clean, *_ = [*text.split(), "", ""]
    return CodeVersion(commit[:COMMIT_DIGITS], clean if clean in ("yes", "no") else "")
