"""The page in a real browser: what one gives is heard, told and removed; nothing goes anywhere else."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from example_trees import tone_wave, write_wave
from test_commands import run
from tiny import RECIPE, settings, write_tiny_corpus

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: apt-get install chromium")
pytest.importorskip("gradio")
pytest.importorskip("playwright")
ROOT = Path(__file__).resolve().parents[1]
ANSWER_MS = 60_000


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator[tuple[str, Path]]:
    """The page of a tiny blend with its bank, in a process of its own: its address, and Gradio's folder of files."""
    home = tmp_path_factory.mktemp("app")
    data, runs, cache = write_tiny_corpus(home / "data"), home / "runs", home / "cache"
    place = ("--data", data, "--runs", runs)
    assert run("build", "--data", data, "--bank", runs / "banks" / "data") == 0
    assert run("train", RECIPE, "--folds", "0", "--name", "tiny", *place, *settings()) == 0
    assert run("blend", "tiny", "--runs", runs) == 0
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, ROOT / "src" / "app.py", *place, "--port", port, "--max-mb", 4, "--max-minutes", 0.5]
    environment = os.environ | {"GRADIO_TEMP_DIR": str(cache), "OMP_NUM_THREADS": "1"}
    with (home / "log").open("w") as log:
        process = subprocess.Popen(list(map(str, command)), env=environment, stdout=log, stderr=log)
    try:
        _wait_for(port, process, home / "log")
        yield f"http://127.0.0.1:{port}", cache
    finally:
        process.terminate()
        process.wait()


def _wait_for(port: int, process: subprocess.Popen, log: Path) -> None:
    until = time.monotonic() + 90
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.2)
    raise AssertionError(log.read_text())


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    sound = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", *sound])
        yield opened
        opened.close()


@pytest.fixture
def page(browser, served):
    """The page, opened; its errors and the requests that leave this machine are looked at when the test ends."""
    context = browser.new_context(viewport={"width": 1100, "height": 1000}, permissions=["microphone"])
    opened, elsewhere, errors = context.new_page(), [], []
    opened.on(
        "request", lambda one: None if one.url.startswith((served[0], "data:", "blob:")) else elsewhere.append(one.url)
    )
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.goto(served[0])
    opened.wait_for_selector("#ask")
    yield opened
    context.close()
    assert (elsewhere, errors) == ([], [])


def ask(page, file: Path) -> str:
    """What the page tells of an upload."""
    before = page.locator("#told").inner_text()
    page.locator("#audio input[type=file]").set_input_files(file)
    page.wait_for_function("!document.querySelector('#audio input[type=file]')", timeout=ANSWER_MS)
    page.locator("#ask").click()
    page.wait_for_function(
        "before => { const told = document.querySelector('#told').innerText; return told && told != before }",
        arg=before,
        timeout=ANSWER_MS,
    )
    return page.locator("#told").inner_text()


def written(path: Path, wave: np.ndarray) -> Path:
    """A WAV file, and its path."""
    write_wave(path, wave)
    return path


def uploads(cache: Path) -> list[Path]:
    """What lies in Gradio's folder of a name that a user gave."""
    return [path for path in cache.rglob("*") if path.suffix in (".wav", ".webm") and path.name != "audio.wav"]


def test_an_upload_is_heard_shown_and_removed(page, served, tmp_path):
    song = written(tmp_path / "a <b>.wav", tone_wave(2, 3, 1.5))
    told = ask(page, song)
    assert re.match(r"(blues|rock) \(\d+%\) — a .*, 0\.8 s", told)
    assert page.locator("#told b:not(strong)").count() == 0  # a name is text
    page.wait_for_selector("#over_time img", timeout=ANSWER_MS)
    page.wait_for_selector("#spectrogram img", timeout=ANSWER_MS)
    assert {"blues", "rock"} <= set(re.findall(r"[a-z]+", page.locator("#likely").inner_text().lower()))
    assert uploads(served[1]) == []


def test_a_test_mashup_is_taken_apart_where_that_is_asked_for(page, served):
    mashup = next((served[1].parent / "data" / "mashups").glob("*.wav"))
    page.get_by_label("Look for stems of the data set too").check()
    told = ask(page, mashup)
    assert re.search(r"known stems found|shorter than", told), told


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("text.wav", "text.wav: cannot be read as audio"),
        ("cut.wav", "is cut short"),
        ("silent.wav", "silent.wav is digital silence"),
        ("long.wav", "min long, and this page takes 0.5"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(page, served, tmp_path, name, words):
    path = tmp_path / name
    if name == "text.wav":
        path.write_text("no audio at all")
    elif name == "silent.wav":
        write_wave(path, np.zeros(8000, np.float32))
    else:
        write_wave(path, tone_wave(0, 1, 80.0 if name == "long.wav" else 1.0))
    if name == "cut.wav":
        path.write_bytes(path.read_bytes()[:9000])
    told = ask(page, path)
    assert words in told
    assert str(served[1]) not in told  # no path of the server
    assert page.locator("#told [role=alert]").count() == 1
    assert uploads(served[1]) == []
    assert re.match(r"(blues|rock)", ask(page, written(tmp_path / "good.wav", tone_wave(1, 1, 1.0))))


def test_a_file_that_is_too_large_is_not_taken(page, served, tmp_path):
    path = tmp_path / "large.wav"
    path.write_bytes(bytes(5_000_000))
    page.locator("#audio input[type=file]").set_input_files(path)
    page.wait_for_selector("text=/maximum|size|large/i", timeout=ANSWER_MS)
    assert uploads(served[1]) == []


def test_a_recording_is_heard(page, served):
    page.locator("#audio .source-selection button").nth(1).click()
    page.get_by_role("button", name="Record").first.click()
    page.wait_for_timeout(1500)
    page.get_by_role("button", name="Stop").first.click()
    page.wait_for_timeout(1000)
    page.locator("#ask").click()
    page.wait_for_function("document.querySelector('#told').innerText.length > 3", timeout=ANSWER_MS)
    assert re.search(r"(blues|rock) \(\d+%\)", page.locator("#told").inner_text())
    assert uploads(served[1]) == []


def test_a_mashup_by_hand_is_heard_and_compared_with_the_one_before(page):
    page.get_by_role("tab", name="Make a mashup").click()
    page.locator("#make").click()
    page.wait_for_function("document.querySelector('#made_told').innerText.length > 3", timeout=ANSWER_MS)
    first = page.locator("#made_told").inner_text()
    assert re.fullmatch(r"(blues|rock) \(\d+%\)", first)
    page.locator("#random").click()
    page.wait_for_timeout(1500)
    page.locator("#make").click()
    page.wait_for_function(
        "document.querySelector('#made_told').innerText.includes('the one before')", timeout=ANSWER_MS
    )
    page.wait_for_selector("#change img", timeout=ANSWER_MS)
    assert page.locator("#made").count() == 1


def test_it_fits_a_phone(browser, served, tmp_path):
    context = browser.new_context(viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)
    page = context.new_page()
    page.goto(served[0])
    page.wait_for_selector("#ask")
    ask(page, written(tmp_path / "song.wav", tone_wave(2, 3, 1.5)))
    page.wait_for_selector("#over_time img", timeout=ANSWER_MS)
    width = "document.scrollingElement.scrollWidth"
    assert page.evaluate(width) <= 390
    page.get_by_role("tab", name="Make a mashup").click()
    page.wait_for_selector("#make")
    assert page.evaluate(width) <= 390
    context.close()


def test_a_space_runs_from_its_folder(served, tmp_path):
    runs = served[1].parent / "runs"
    space = tmp_path / "space"
    assert run("app", "--runs", runs, "--space", space) == 0
    assert run("app", "--runs", runs, "--space", space) == 0  # a Space is written anew
    assert "sdk: gradio" in (space / "README.md").read_text()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, space / "src" / "app.py", "--port", str(port)]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=log, stderr=log)
    try:
        _wait_for(port, process, tmp_path / "log")
        from gradio_client import Client, handle_file

        client = Client(f"http://127.0.0.1:{port}", verbose=False)
        song = written(tmp_path / "song.wav", tone_wave(2, 3, 0.75))
        told, *_ = client.predict(handle_file(song), False, api_name="/listen")
        assert re.match(r"\*\*(blues|rock)\*\*", told)
    finally:
        process.terminate()
        process.wait()
    assert "no bank" not in (tmp_path / "log").read_text()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    assert run("app", "--runs", runs, "--space", tmp_path / "mine") == 2
    assert (tmp_path / "mine" / "letter.txt").exists()
