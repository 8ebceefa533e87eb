"""What runs in a worker of the cluster: a job's script as a child process, and a look at what the node has.

A worker only looks after its child, so it imports neither torch nor Ray. The child ends by itself, at its next step and
with its state saved, when the worker that started it is gone (Stop).
"""

import fcntl
import hashlib
import os
import platform
import signal
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from messy_mashup import paths
from messy_mashup.training.child_process import LOG, TOLD_TO_END, Child
from messy_mashup.training.claimed_folder import holder
from messy_mashup.training.stop import Stop

PACKAGES = ("torch", "numpy", "scipy", "timm", "transformers", "numba", "librosa")  # on which the bits depend
POLL_S = 0.2
PATIENCE_S = 20.0  # with whom holds a folder, such as the child of a lost worker that saves its last step
BEGUN, ENDED, TOLD, KILLED, HELD, UNFIT = "begun", "ended", "told to end", "killed", "held", "unfit"


@dataclass(frozen=True)
class Software:
    """The code and the versions that make a member's bits."""

    code: str  # SHA-256 of src/
    versions: dict[str, str]

    @classmethod
    def here(cls) -> "Software":
        """That of this process."""
        digest = hashlib.sha256()
        for path in sorted((paths.REPOSITORY / "src").rglob("*.py")):
            digest.update(path.relative_to(paths.REPOSITORY).as_posix().encode() + path.read_bytes())
        return cls(
            digest.hexdigest(), {"Python": platform.python_version()} | {name: _version(name) for name in PACKAGES}
        )

    def differs(self, other: "Software") -> str:
        """How another one differs; empty where it does not."""
        if self.code != other.code:
            return f"its code below {paths.REPOSITORY / 'src'} is another than here"
        names = [name for name in self.versions if self.versions[name] != other.versions.get(name)]
        return ", ".join(f"{name} is {other.versions.get(name)} there and {self.versions[name]} here" for name in names)


@dataclass(frozen=True)
class Errand:
    """A job as it travels to a worker."""

    script: str
    arguments: tuple[str, ...]
    folder: str
    at: str  # the folder that relative paths begin at
    threads: int
    software: Software


def run(errand: Errand) -> Iterator[tuple[str, str]]:
    """Do a job: tells where it begins, then how it ended and why."""
    # Ray cancels by an interrupt, which a worker ignores whose cluster was started in a shell's background.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield BEGUN, socket.gethostname()
    if unlike := errand.software.differs(Software.here()):
        yield UNFIT, f"{socket.gethostname()}: {unlike}"
        return
    os.chdir(errand.at)
    folder = Path(errand.folder)
    if held := _waited_for(folder):
        yield HELD, held
        return
    child = Child.started(Path(errand.script), errand.arguments, folder / LOG, _environment(errand.threads))
    try:
        while child.process.poll() is None:
            time.sleep(POLL_S)
    except KeyboardInterrupt:  # how Ray cancels a task
        child.process.terminate()
        child.process.wait()
        raise
    yield _ending(child)


def look(places: list[str], note: str, token: str, software: Software) -> str:
    """What this node lacks, of files and folders and of the note that was left on the shared storage; else empty."""
    if missing := [place for place in places if not Path(place).exists()]:
        return f"it does not see {' and '.join(missing)}: code, data, bank and runs have the same path on every node"
    if not Path(note).is_file() or Path(note).read_text() != token:
        return f"{Path(note).parent} is a folder of its own there: runs are on storage that all nodes share"
    return software.differs(Software.here())


def locks_reach(lock: str) -> bool:
    """Whether this node feels the lock that another holds."""
    with open(lock, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
    return False


def _environment(threads: int) -> dict[str, str]:
    return Stop().environment() | {"OMP_NUM_THREADS": str(threads)}


def _ending(child: Child) -> tuple[str, str]:
    status = child.process.returncode
    if status == 0:
        return ENDED, ""
    if status in TOLD_TO_END:
        return TOLD, ""
    return (KILLED if status < 0 else UNFIT), child.why_failed()


def _waited_for(folder: Path) -> str | None:
    """Wait until nobody holds a folder; who still does, where patience ends."""
    patient_until_s = time.monotonic() + PATIENCE_S
    while (held := holder(folder)) and time.monotonic() < patient_until_s:
        time.sleep(POLL_S)
    return held


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
