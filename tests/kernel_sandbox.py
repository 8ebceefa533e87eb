"""Runs a notebook as a Kaggle kernel would: read-only inputs, one writable folder, no network, no repository.

The notebook is run by this Python in user, mount, network and process namespaces of its own (`unshare`), which need no
rights. Its root folder holds the system and this Python, both read-only, and what Kaggle mounts. Beside /kaggle/working
only /dev/shm can be written, which locks between processes need. All of it ends with the namespaces.
"""

import contextlib
import functools
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["competition", "dataset", "notebook", "model"]
Layout = Literal["old", "new"]
INPUT, WORKING = Path("/kaggle/input"), Path("/kaggle/working")
SCRATCH = ".kernel"  # in the working folder: home and temporary files of the notebook, gone when it has run
TEMPORARY, WARM = "tmp", "warm"  # in the scratch folder
BUILDER = Path(__file__).with_name("kernel_sandbox_root.py")
RUNNER = Path(__file__).with_name("kernel_sandbox_runner.py")
UNSHARE = ("unshare", "--map-root-user", "--mount", "--net", "--pid", "--ipc", "--fork", "--kill-child")
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/sys")
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Mount:
    """Something attached to a kernel. A model's slug is `<model>/<framework>/<variation>/<version>`."""

    kind: Kind
    owner: str
    slug: str
    folder: Path

    def place(self, layout: Layout) -> Path:
        """Where Kaggle mounts it: by its slug alone as it used to, or by kind and owner."""
        if layout == "old":
            return INPUT / self.slug
        owner = () if self.kind == "competition" else (self.owner,)
        return INPUT.joinpath(f"{self.kind}s", *owner, self.slug)


class NotebookFailed(Exception):
    """A notebook that did not run through: the message has the traceback; `notebook` is what was executed, if any."""

    def __init__(self, message: str, notebook: dict | None = None) -> None:
        super().__init__(message)
        self.notebook = notebook


def run_notebook(
    notebook: Path, mounts: Iterable[Mount], working: Path, layout: Layout, timeout_s: float, warm: Path | None = None
) -> dict:
    """The executed notebook; what it leaves in /kaggle/working is in `working`.

    `warm` is a folder that hands numba's compiled functions and matplotlib's list of fonts, and nothing else, to the
    notebook that is run with it next: a kernel takes 20 s to make them. NotebookFailed where a cell fails or the time
    is up; nothing of it runs on after this.
    """
    mounts = list(mounts)
    places = {str(mount.place(layout)): str(mount.folder.resolve()) for mount in mounts}
    if len(places) < len(mounts):
        raise ValueError(f"two of these are mounted at one place: {sorted(map(str, mounts))}")
    command = [sys.executable, "-I", "-c", RUNNER.read_text(encoding="utf-8")]
    with _scratch(working, warm):
        given = notebook.read_text(encoding="utf-8")
        status, executed, said = _run(command, places, working, given, timeout_s)
    result = json.loads(executed) if executed else None
    if status is None:
        raise NotebookFailed(f"{notebook.name}: it was stopped after {timeout_s} s\n{said[-4000:]}", result)
    if status != 0:
        raise NotebookFailed(f"{notebook.name}: {_error(result) or said[-4000:]}", result)
    return result


@functools.cache
def missing() -> str | None:
    """Why no notebook can be run so on this machine, in a sentence; None where one can."""
    if sys.platform != "linux" or not shutil.which("unshare"):
        return "the sandbox needs Linux's namespaces and the command unshare of util-linux"
    if absent := [name for name in ("nbclient", "ipykernel") if importlib.util.find_spec(name) is None]:
        return f"the sandbox runs notebooks by nbclient and ipykernel: install {' and '.join(absent)}"
    with tempfile.TemporaryDirectory() as working, _scratch(Path(working), None):
        status, _, said = _run([sys.executable, "-I", "-c", ""], {}, Path(working), "", timeout_s=60)
    if status == 0:
        return None
    return f"this machine gives a plain process no namespaces: {said.strip().splitlines()[-1:]}, status {status}"


def _run(
    command: list[str], inputs: dict[str, str], working: Path, given: str, timeout_s: float
) -> tuple[int | None, str, str]:
    """Exit status (None: stopped after the time), standard output and standard error of a command in a sandbox."""
    with tempfile.TemporaryDirectory() as root:
        plan = {
            "root": root,
            "inputs": inputs,
            "system": _system(),
            "devices": DEVICES,
            "working": str(working.resolve()),
            "environment": _environment(),
            "command": command,
        }
        return _within([*UNSHARE, sys.executable, "-I", str(BUILDER), json.dumps(plan)], given, timeout_s)


@contextlib.contextmanager
def _scratch(working: Path, warm: Path | None) -> Iterator[None]:
    """The notebook's home in its working folder, which goes when it has run."""
    home = working / SCRATCH
    try:
        for folder in (TEMPORARY, WARM):
            (home / folder).mkdir(parents=True)
        if warm and warm.exists():
            shutil.copytree(warm, home / WARM, dirs_exist_ok=True)
        yield
        if warm:
            shutil.copytree(home / WARM, warm, dirs_exist_ok=True)
    finally:
        shutil.rmtree(home)


def _within(command: list[str], given: str, timeout_s: float) -> tuple[int | None, str, str]:
    pipes = {name: subprocess.PIPE for name in ("stdin", "stdout", "stderr")}
    with subprocess.Popen(command, **pipes, text=True, encoding="utf-8", errors="replace") as process:
        try:
            output, said = process.communicate(given, timeout_s)
        except subprocess.TimeoutExpired:
            _stop(process)
            output, said = process.communicate()
            return None, output, said
        except BaseException:
            _stop(process)
            raise
        return process.returncode, output, said


def _stop(unshare: subprocess.Popen) -> None:
    """Kill the first process of the namespace: it ends after all others there, and `unshare` waits for its end."""
    first = Path(f"/proc/{unshare.pid}/task/{unshare.pid}/children").read_text().split()
    with contextlib.suppress(ProcessLookupError):
        os.kill(int(first[0]) if first else unshare.pid, signal.SIGKILL)


def _system() -> list[str]:
    """Folders of the system and of this Python, as they are named and as they are, outer ones first."""
    pythons = [Path(folder) for folder in (sys.base_prefix, sys.prefix)]
    pythons += [Path(os.path.realpath(sys.executable)).parents[1]]
    named = {str(form) for folder in pythons for form in (folder, folder.resolve())}
    outer = [folder for folder in named if not any(Path(folder).is_relative_to(system) for system in SYSTEM)]
    return [*filter(os.path.lexists, SYSTEM), *sorted(outer)]


def _environment() -> dict[str, str]:
    """What Kaggle sets, and how many threads this machine spares."""
    home = WORKING / SCRATCH
    threads = {name: os.environ[name] for name in ("OMP_NUM_THREADS",) if name in os.environ}
    return threads | {
        "KAGGLE_KERNEL_RUN_TYPE": "Batch",
        "KAGGLE_URL_BASE": "https://www.kaggle.com",
        "PATH": f"{Path(sys.prefix) / 'bin'}:/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": str(home),  # Jupyter, IPython and the hubs keep their caches below it
        "TMPDIR": str(home / TEMPORARY),
        "MPLCONFIGDIR": str(home / WARM / "matplotlib"),
        "NUMBA_CACHE_DIR": str(home / WARM / "numba"),
    }


def _error(notebook: dict | None) -> str:
    """Number, traceback and message of the cell that failed."""
    for number, cell in enumerate(notebook["cells"] if notebook else [], start=1):
        for output in cell.get("outputs", []):
            if output["output_type"] == "error":
                told = "\n".join([*output["traceback"], f"{output['ename']}: {output['evalue']}"])
                return f"cell {number} failed\n{COLOURS.sub('', told)}"
    return ""
