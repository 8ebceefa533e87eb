"""Which code made a submission: git's commit, or the one that was packed with the code for a kernel."""

import os
from dataclasses import dataclass
from pathlib import Path

from messy_mashup.competition.git import git

COMMIT_DIGITS = 40
PACKED_FILE = "commit.txt"  # beside src/: "<commit> <yes|no>"
PACKED_VARIABLE = "MESSY_MASHUP_COMMIT"  # the same text
# what makes a submission; a new file counts as a change
WATCHED = ("src", "requirements.txt")


@dataclass(frozen=True)
class CodeVersion:
    """A commit and whether src/ and requirements.txt equal it (yes, no); what is unknown is empty."""

    commit: str = ""
    clean: str = ""


def code_version(root: Path) -> CodeVersion:
    """The version of the code at `root`: git's where `root` is its work tree, else what was packed."""
    if git(root, "rev-parse") is None:
        return _packed(root)
    commit = git(root, "rev-parse", "--verify", "HEAD")
    if commit is None:
        return CodeVersion()
    changes = git(root, "status", "--porcelain", "--untracked-files=normal", "--", *WATCHED)
    return CodeVersion(commit[:COMMIT_DIGITS], "" if changes is None else "no" if changes else "yes")


def _packed(root: Path) -> CodeVersion:
    path = root / PACKED_FILE
    text = os.environ.get(PACKED_VARIABLE) or (path.read_text(encoding="utf-8") if path.is_file() else "")
    commit, clean, *_ = [*text.split(), "", ""]
    return CodeVersion(commit[:COMMIT_DIGITS], clean if clean in ("yes", "no") else "")
