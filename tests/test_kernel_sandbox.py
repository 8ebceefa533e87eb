"""The sandbox that the rehearsal trusts: what a kernel may not do fails in it, beside what it may."""

import contextlib
import json
import os
import pwd
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import kernel_sandbox
from kernel_sandbox import Mount, NotebookFailed, run_notebook
from messy_mashup.paths import REPOSITORY

pytestmark = pytest.mark.skipif(kernel_sandbox.missing() is not None, reason=str(kernel_sandbox.missing()))

PLACES = {
    "old": {
        "competition": "/kaggle/input/mashups",
        "dataset": "/kaggle/input/code",
        "notebook": "/kaggle/input/train-ast",
        "model": "/kaggle/input/ast/pytorch/audioset/1",
    },
    "new": {
        "competition": "/kaggle/input/competitions/mashups",
        "dataset": "/kaggle/input/datasets/ann/code",
        "notebook": "/kaggle/input/notebooks/ann/train-ast",
        "model": "/kaggle/input/models/mit/ast/pytorch/audioset/1",
    },
}
SECRET = "planted-secret-5c1a"
HOME = pwd.getpwuid(os.getuid()).pw_dir
FORBIDDEN = ["/", "/tmp", "/usr", "/etc", "/dev", "/kaggle", "/kaggle/input", sys.prefix, sys.base_prefix, HOME]

TRIES = """
import errno, json, os, socket, subprocess, sys
def tried(action):
    try:
        action()
    except OSError as error:
        return errno.errorcode.get(error.errno, type(error).__name__)
    return "done"
def write(folder):
    with open(os.path.join(folder, "canary"), "w") as file:
        file.write("x")
def connect(address):
    socket.create_connection(address, timeout=5).close()
"""
WRITE = """
inputs = [folder for folder, _, files in os.walk("/kaggle/input") if "file.txt" in files]
report = {
    "read": {folder: open(folder + "/file.txt").read() for folder in inputs},
    "created in inputs": {folder: tried(lambda: write(folder)) for folder in inputs},
    "changed in inputs": {folder: tried(lambda: open(folder + "/file.txt", "a")) for folder in inputs},
    "removed from inputs": {folder: tried(lambda: os.remove(folder + "/file.txt")) for folder in inputs},
    "created elsewhere": {folder: tried(lambda: write(folder)) for folder in FORBIDDEN},
    "created in working": tried(lambda: write("/kaggle/working")),
    "remounted": subprocess.run(["mount", "-o", "remount,bind,rw", inputs[0]], capture_output=True).returncode,
}
import multiprocessing, tempfile
multiprocessing.Lock()
report["temporary"] = os.path.dirname(tempfile.mkstemp()[1])
"""
CONNECT = """
with socket.create_server(("127.0.0.1", 0)) as own:
    report["own loopback"] = tried(lambda: connect(own.getsockname()))
report["host"] = tried(lambda: connect(("127.0.0.1", PORT)))
report["public"] = tried(lambda: connect(("1.1.1.1", 443)))
report["name"] = tried(lambda: socket.getaddrinfo("www.kaggle.com", 443))
"""
LOOK = """
import importlib.util
_ = os.write(1, b"noise on standard output")
subprocess.run(["echo", "more of it"])
report |= {
    "environment": dict(os.environ),
    "path": sys.path,
    "folder": os.getcwd(),
    "repository": os.listdir(REPOSITORY) if os.path.exists(REPOSITORY) else [],
    "package": importlib.util.find_spec("messy_mashup") is not None,
    "processes": sum(name.isdigit() for name in os.listdir("/proc")),
    "python": sys.version,
}
json.dump(report, open("report.json", "w"))
"""


def write_notebook(path: Path, *cells: str) -> Path:
    """A notebook of code cells."""
    code = [
        {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": cell} for cell in cells
    ]
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": code}))
    return path


@pytest.fixture(scope="module")
def listener() -> Iterator[int]:
    """The port of a server on this machine's loopback."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_accept, args=(server,), daemon=True).start()
        yield server.getsockname()[1]


def _accept(server: socket.socket) -> None:
    while True:
        try:
            server.accept()[0].close()
        except OSError:
            return


@pytest.fixture(scope="module", params=["old", "new"])
def kernel(request, tmp_path_factory, listener) -> tuple[str, Path, dict]:
    """The layout, the working folder, and what a notebook found out."""
    folder = tmp_path_factory.mktemp(request.param)
    owned = [("competition", "", "mashups"), ("dataset", "ann", "code"), ("notebook", "ann", "train-ast")]
    mounts = []
    for kind, owner, slug in [*owned, ("model", "mit", "ast/pytorch/audioset/1")]:
        (folder / kind).mkdir()
        (folder / kind / "file.txt").write_text(kind)
        mounts.append(Mount(kind, owner, slug, folder / kind))
    known = f"PORT, REPOSITORY, FORBIDDEN = {listener}, {str(REPOSITORY)!r}, {FORBIDDEN!r}"
    notebook = write_notebook(folder / "canaries.ipynb", TRIES, known, WRITE, CONNECT, LOOK)
    working = folder / "working"
    working.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KAGGLE_KEY", SECRET)
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("PYTHONPATH", str(REPOSITORY / "src"))
        run_notebook(notebook, mounts, working, request.param, timeout_s=120)
    return request.param, working, json.loads((working / "report.json").read_text())


def test_inputs_are_where_kaggle_mounts_them_and_can_only_be_read(kernel):
    layout, working, report = kernel
    places = PLACES[layout]
    assert report["read"] == {place: kind for kind, place in places.items()}
    for attempt in ("created in inputs", "changed in inputs", "removed from inputs"):
        assert report[attempt] == dict.fromkeys(places.values(), "EROFS")
    assert report["remounted"] != 0
    assert [path.read_text() for path in sorted(working.parent.glob("*/file.txt"))] == sorted(places)


def test_nothing_but_the_working_folder_can_be_written(kernel):
    _, working, report = kernel
    assert "done" not in report["created elsewhere"].values()
    assert report["created elsewhere"]["/tmp"] == report["created elsewhere"]["/usr"] == "EROFS"
    assert report["created in working"] == "done"
    assert report["temporary"].startswith("/kaggle/working/")
    assert sorted(path.name for path in working.iterdir()) == ["canary", "report.json"]


def test_the_network_ends_at_the_kernel(kernel, listener):
    report = kernel[2]
    socket.create_connection(("127.0.0.1", listener), timeout=5).close()
    assert report["own loopback"] == "done"
    assert report["host"] == "ECONNREFUSED"
    assert report["public"] == "ENETUNREACH"
    assert report["name"] != "done"


def test_it_is_a_kernel_and_holds_nothing_of_this_machine_but_its_python(kernel):
    report = kernel[2]
    python = Path(sys.prefix)
    assert report["python"] == sys.version
    assert report["folder"] == "/kaggle/working"
    inside = [python.relative_to(REPOSITORY).parts[0]] if python.is_relative_to(REPOSITORY) else []
    assert report["repository"] == inside
    assert not report["package"]
    ours = [Path(entry) for entry in report["path"] if Path(entry).is_relative_to(REPOSITORY)]
    assert all(entry.is_relative_to(python) for entry in ours)
    assert report["environment"]["KAGGLE_KERNEL_RUN_TYPE"] == "Batch"
    assert report["environment"]["OMP_NUM_THREADS"] == "1"
    assert SECRET not in str(report["environment"])
    assert "PYTHONPATH" not in report["environment"]
    assert report["processes"] < 10


def test_a_failing_cell_is_reported_with_its_message_and_ends_the_notebook(tmp_path):
    cells = (
        "print('before')",
        "def half(x):\n    raise ValueError(f'no half of {x}')\nhalf('a mouse')",
        "open('z', 'w')",
    )
    notebook = write_notebook(tmp_path / "fails.ipynb", *cells)
    (tmp_path / "working").mkdir()
    with pytest.raises(NotebookFailed, match="no half of a mouse") as failed:
        run_notebook(notebook, [], tmp_path / "working", "new", timeout_s=60)
    assert "fails.ipynb: cell 2 failed" in str(failed.value)
    assert "half('a mouse')" in str(failed.value)
    assert "".join(failed.value.notebook["cells"][0]["outputs"][0]["text"]) == "before\n"
    assert list((tmp_path / "working").iterdir()) == []


def test_a_kernel_that_dies_is_reported(tmp_path):
    notebook = write_notebook(tmp_path / "dies.ipynb", "import os, signal", "os.kill(os.getpid(), signal.SIGKILL)")
    (tmp_path / "working").mkdir()
    with pytest.raises(NotebookFailed, match="Kernel died"):
        run_notebook(notebook, [], tmp_path / "working", "new", timeout_s=60)


def test_a_cell_that_hangs_ends_at_the_timeout_and_nothing_runs_on(tmp_path):
    seconds = 86_400 + os.getpid()  # a word of the command lines, to find them by
    child = f"import subprocess\nsubprocess.Popen(['sleep', '{seconds}'], start_new_session=True)\nopen('begun', 'w')"
    notebook = write_notebook(tmp_path / "hangs.ipynb", child, f"import time\ntime.sleep({seconds})")
    working = tmp_path / "working"
    working.mkdir()
    before = Path("/proc/self/mountinfo").read_text()
    with pytest.raises(NotebookFailed, match="stopped after 10 s") as stopped:
        run_notebook(notebook, [], working, "new", timeout_s=10)
    assert "cell 1: " in str(stopped.value)
    assert [path.name for path in working.iterdir()] == ["begun"]
    assert not any(str(seconds) in command for command in _running())
    assert Path("/proc/self/mountinfo").read_text() == before


def _running() -> Iterator[str]:
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            yield command.read_bytes().decode(errors="replace")


def test_two_things_at_one_place_are_refused(tmp_path):
    mounts = [Mount("dataset", owner, "code", tmp_path) for owner in ("ann", "bob")]
    with pytest.raises(ValueError, match="one place"):
        run_notebook(write_notebook(tmp_path / "n.ipynb"), mounts, tmp_path, "old", timeout_s=10)
