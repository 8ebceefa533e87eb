"""The page of app.py as the tests open it: of a tiny blend in a process of its own, or of made-up ears in this one."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import pytest

from example_trees import write_wave
from tiny import RECIPE, settings, write_tiny_corpus

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ROOT = Path(__file__).resolve().parents[1]
ANSWER_MS = 60_000
OWN_NAME = 32  # letters of the name of an upload's folder; what Gradio makes has twice as many


@dataclass(frozen=True)
class Served:
    """Where the page is, the folder that its own folder is made in, its log, and the runs that it was made of."""

    address: str
    cache: Path
    log: Path
    data: Path
    runs: Path

    def uploads(self) -> list[Path]:
        """What is left of uploads."""
        return uploads(self.cache)


def uploads(cache: Path) -> list[Path]:
    """Folders of uploads below the page's own."""
    return [path for path in cache.glob("messy-mashup-page-*/*") if path.is_dir() and len(path.name) == OWN_NAME]


def gone(cache: Path, within_s: float = 30) -> bool:
    """Whether no upload is left, in some seconds."""
    until = time.monotonic() + within_s
    while uploads(cache) and time.monotonic() < until:
        time.sleep(0.1)
    return uploads(cache) == []


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextlib.contextmanager
def process_of(script: Path, arguments: list[object], log: Path, **environment: str) -> Iterator[str]:
    """app.py in a process of its own, until the block ends: its address."""
    port = free_port()
    command = [sys.executable, str(script), *map(str, arguments), "--port", str(port)]
    inherited = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    with log.open("w") as file:
        process = subprocess.Popen(
            command, env=inherited | {"OMP_NUM_THREADS": "1"} | environment, cwd=log.parent, stdout=file, stderr=file
        )
    address = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + 90
        while True:
            with contextlib.suppress(OSError), urlopen(f"{address}/config", timeout=5):  # open before it can answer
                break
            assert time.monotonic() < until, log.read_text()
            assert process.poll() is None, log.read_text()
            time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="session")
def served(tmp_path_factory) -> Iterator[Served]:
    """The page of a tiny blend with its bank; it takes 4 MB and half a minute."""
    from test_commands import run

    home = tmp_path_factory.mktemp("app")
    data, runs, cache = write_tiny_corpus(home / "data"), home / "runs", home / "cache"
    place = ("--data", data, "--runs", runs)
    assert run("build", "--data", data, "--bank", runs / "banks" / "data") == 0
    assert run("train", RECIPE, "--folds", "0", "--name", "tiny", *place, *settings()) == 0
    assert run("blend", "tiny", "--runs", runs) == 0
    options = [*place, "--max-mb", 4, "--max-minutes", 0.5]
    with process_of(ROOT / "src" / "app.py", options, home / "log", GRADIO_TEMP_DIR=str(cache)) as address:
        yield Served(address, cache, home / "log", data, runs)
    assert list(cache.glob("messy-mashup-page-*")) == []  # its own folder went with it


@pytest.fixture(scope="session")
def browser():
    """Chromium with a microphone that beeps."""
    from playwright.sync_api import sync_playwright

    sound = ["--use-fake-device-for-media-stream"]
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", *sound])
        yield opened
        opened.close()


@pytest.fixture
def page(browser, served):
    """The page, opened; its errors and the requests that leave this machine are looked at when the test ends."""
    with visit(browser, served.address, permissions=["microphone"]) as opened:
        yield opened


@contextlib.contextmanager
def visit(browser, address: str, fails: str | None = None, **options: object) -> Iterator:
    """A visitor's page: no request of it leaves this machine, and no script fails but with the words `fails`."""
    context = browser.new_context(**{"viewport": {"width": 1100, "height": 1000}} | options)
    opened, elsewhere, errors = context.new_page(), [], []
    here = (address, "data:", "blob:")
    opened.on("request", lambda one: None if one.url.startswith(here) else elsewhere.append(one.url))
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.goto(address)
    opened.wait_for_selector("#ask")
    yield opened
    context.close()
    assert (elsewhere, [error for error in errors if fails is None or fails not in error]) == ([], [])


def give(page, file: Path) -> None:
    """Upload a file, and wait until it is there."""
    page.locator("#audio input[type=file]").set_input_files(file)
    page.wait_for_function("!document.querySelector('#audio input[type=file]')", timeout=ANSWER_MS)


def ask(page, file: Path) -> str:
    """What the page tells of an upload."""
    give(page, file)
    page.locator("#ask").click()
    # the input is emptied by the same answer that tells
    page.wait_for_selector("#audio input[type=file]", state="attached", timeout=ANSWER_MS)
    page.wait_for_selector("#told strong, #told .wrong", timeout=ANSWER_MS)
    return page.locator("#told").inner_text()


def written(path: Path, wave: np.ndarray) -> Path:
    """A WAV file, and its path."""
    write_wave(path, wave)
    return path
