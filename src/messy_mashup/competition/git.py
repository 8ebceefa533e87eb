"""What git says of a work tree, where there is a git to ask."""

import os
import subprocess
from pathlib import Path

GIT_S = 120.0  # for a question: a disk may be slow, and a lock of another git is not waited for
# git sets these for its hooks, where they would point at another repository
REDIRECTIONS = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")


def git(top: Path, *arguments: str) -> str | None:
    """What git prints; None where it is missing, refuses, says nothing for GIT_S, or `top` is not a work tree's top."""
    environment = {name: value for name, value in os.environ.items() if name not in REDIRECTIONS}
    # a folder inside some other repository is not that repository's
    environment["GIT_CEILING_DIRECTORIES"] = str(top.resolve().parent)
    command = ["git", "--no-optional-locks", "-C", str(top), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, check=True, text=True, env=environment, timeout=GIT_S)
    except (FileNotFoundError, subprocess.SubprocessError):
        return None
    return done.stdout
