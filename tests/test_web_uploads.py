"""What visitors give at once, too large, broken off or never asked about; and who waits for whom. Ears are made up."""

import contextlib
import io
import socket
import struct
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from example_trees import tone_wave
from served_page import ANSWER_MS, CHROMIUM, ask, free_port, give, gone, uploads, visit, written

pytest.importorskip("gradio")
import gradio_client
import httpx
import soundfile

from messy_mashup.errors import UserError
from messy_mashup.web.found_stems import COLUMNS, SEARCHED_S, Beginning
from messy_mashup.web.hearing import Impression
from messy_mashup.web.limits import Limits
from messy_mashup.web.page import Page, served
from messy_mashup.web.uploads import LOCK, PREFIX, Uploads, own_folder

RATE_HZ, MOST_QUEUED = 16_000, 4

needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: apt-get install chromium")


class MadeUpEars:
    """Hears blues in everything, after what `before` does."""

    rate_hz, classes = RATE_HZ, ("blues", "rock")

    def __init__(self) -> None:
        self.before = lambda: None

    def wave(self, wave: np.ndarray, name: str) -> Impression:
        self.before()
        even = np.full((1, 2), 0.5)
        return Impression(self.classes, np.array([0.9, 0.1]), np.ones(1), even, np.ones((9, 4)), len(wave) / RATE_HZ)


class SlowMatcher:
    """Searches until it is told that it may end."""

    def __init__(self) -> None:
        self.begun, self.may_end, self.lengths = threading.Semaphore(0), threading.Semaphore(0), []

    def beginning(self, wave: np.ndarray) -> Beginning:
        return Beginning(wave[: round(SEARCHED_S * RATE_HZ)].copy())

    def found(self, wave: np.ndarray) -> pd.DataFrame:
        self.lengths.append(len(wave))
        self.begun.release()
        assert self.may_end.acquire(timeout=60)
        return pd.DataFrame([["drums", "a", "blues", 0, 1, 0.9, "its wave"]], columns=COLUMNS)


class Place:
    """A page that is served, with what it is made of."""

    def __init__(self, cache: Path) -> None:
        self.cache, self.ears, self.matcher, self.port = cache, MadeUpEars(), SlowMatcher(), free_port()
        self.address = f"http://127.0.0.1:{self.port}"

    def visitor(self) -> gradio_client.Client:
        return gradio_client.Client(self.address, verbose=False, download_files=False)

    def told(self, song: Path, search: bool = False, visitor: gradio_client.Client | None = None) -> str:
        given = gradio_client.handle_file(song)
        return (visitor or self.visitor()).predict(given, search, api_name="/listen")[0]


@pytest.fixture
def place(tmp_path, monkeypatch) -> Iterator[Place]:
    """A page that takes 1 MB and a minute, and lets few wait."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr("messy_mashup.web.page.MOST_QUEUED", MOST_QUEUED)
    place = Place(tmp_path / "cache")
    with served(Page(place.ears, Limits(1, 1), None, place.matcher), "127.0.0.1", place.port):
        yield place
    assert list(place.cache.glob(f"{PREFIX}*")) == []


@pytest.fixture
def song(tmp_path) -> Path:
    return written(tmp_path / "song.wav", tone_wave(0, 1, 3.0))


def test_two_visitors_with_the_same_file_at_once_are_both_answered(place, song):
    both = threading.Barrier(2)
    with ThreadPoolExecutor(2) as pool:
        visitors = [place.visitor() for _ in range(2)]

        def visit(visitor: gradio_client.Client) -> list[str]:
            given = gradio_client.handle_file(song)
            told = []
            for _ in range(3):
                both.wait(30)
                told.append(visitor.predict(given, False, api_name="/listen")[0])
            return told

        for told in pool.map(visit, visitors):
            assert told == ["**blues** (90%) — song.wav, 1.5 s"] * 3
    assert uploads(place.cache) == []


def test_an_upload_is_taken_once_and_by_its_own_name(place, song):
    files = {"files": ("../../..", song.read_bytes())}
    (path,) = httpx.post(f"{place.address}/gradio_api/upload", files=files).json()
    assert Path(path).parent.parent.parent == place.cache
    assert Path(path).name == "upload"
    again = [httpx.post(f"{place.address}/gradio_api/upload", files={"files": song.open("rb")}).json() for _ in "12"]
    assert len({Path(path).parent for (path,) in again}) == 2


def test_what_is_too_large_never_lies_on_disk_as_a_whole(place):
    url = f"{place.address}/gradio_api/upload"
    answer = httpx.post(url, files={"files": ("large.wav", bytes(1_200_000))})
    assert (answer.status_code, answer.text) == (413, "The file is too large: this page takes 1 MB at most.")
    most = []

    def endless() -> Iterator[bytes]:  # of no length that is told before
        yield b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.wav"\r\n\r\n'
        for _ in range(400):
            yield bytes(100_000)
            with contextlib.suppress(FileNotFoundError):  # removed while it is looked at
                most.append(sum(path.stat().st_size for path in place.cache.rglob("*") if path.is_file()))

    with contextlib.suppress(httpx.TransportError):  # the server may end the line before it is read to its end
        answer = httpx.post(url, content=endless(), headers={"Content-Type": "multipart/form-data; boundary=x"})
        assert answer.status_code == 413
    assert max(most) <= 1_100_000
    assert uploads(place.cache) == []


@pytest.mark.parametrize("body", [b"", b"--x\r\nnonsense", b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1'])
def test_what_is_no_upload_is_refused(place, body):
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = httpx.post(f"{place.address}/gradio_api/upload", content=body, headers=headers)
    assert answer.status_code == 400
    assert httpx.post(f"{place.address}/gradio_api/upload", content=body).status_code == 400
    assert uploads(place.cache) == []


def test_an_upload_that_is_broken_off_leaves_nothing(place):
    with socket.create_connection(("127.0.0.1", place.port)) as line:
        line.sendall(
            b"POST /gradio_api/upload HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n"
            b"Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
            b'Content-Disposition: form-data; name="files"; filename="a.wav"\r\n\r\n' + bytes(300_000)
        )
        until = time.monotonic() + 30
        while not uploads(place.cache) and time.monotonic() < until:
            time.sleep(0.05)
        assert len(uploads(place.cache)) == 1
    assert gone(place.cache)


def test_an_address_of_elsewhere_is_not_fetched(place):
    with socket.socket() as trap:
        trap.bind(("127.0.0.1", 0))
        trap.listen()
        trap.settimeout(1)
        address = f"http://127.0.0.1:{trap.getsockname()[1]}/a.wav"
        given = {"path": address, "url": address, "meta": {"_type": "gradio.FileData"}}
        with pytest.raises(Exception, match="not here any more"):
            place.visitor().predict(given, False, api_name="/listen")
        with pytest.raises(TimeoutError):
            trap.accept()


def test_others_are_heard_while_stems_are_looked_for(place, song):
    with ThreadPoolExecutor(2) as pool:
        first, second = place.visitor(), place.visitor()
        assert "blues" in place.told(song, True, first)
        search = pool.submit(first.predict, api_name="/stems")
        assert place.matcher.begun.acquire(timeout=30)
        assert uploads(place.cache) == []  # the search has the wave alone
        assert "blues" in place.told(song, True, second)
        waiting = pool.submit(second.predict, api_name="/stems")
        assert not place.matcher.begun.acquire(timeout=0.5)  # one search at a time
        assert "blues" in place.told(song)
        place.matcher.may_end.release(2)
        for told in (search, waiting):
            assert told.result(30)[0] == "1 known stem found in the first 12 s."
        assert first.predict(api_name="/stems")[0] == ""  # what was searched is not kept


def test_the_beginning_alone_is_searched(place, tmp_path):
    visitor = place.visitor()
    place.matcher.may_end.release()
    soundfile.write(tmp_path / "long.flac", tone_wave(0, 1, 30.0, 8000), 8000)
    place.told(tmp_path / "long.flac", True, visitor)
    visitor.predict(api_name="/stems")
    assert place.matcher.lengths == [12 * RATE_HZ]


def test_an_unexpected_error_is_a_sentence_here_and_a_traceback_there(place, song, caplog):
    def fail() -> None:
        raise RuntimeError(f"secret of {place.cache}")

    place.ears.before = fail
    told = place.told(song)
    assert "something went wrong on the server" in told
    assert "secret" not in told
    assert "secret" in caplog.text
    assert "Traceback" in caplog.text
    assert uploads(place.cache) == []


@needs_browser
def test_a_search_that_nobody_waits_for_is_not_begun(place, song, browser):
    with ThreadPoolExecutor(2) as pool:
        first, last = place.visitor(), place.visitor()
        place.told(song, True, first)
        search = pool.submit(first.predict, api_name="/stems")
        assert place.matcher.begun.acquire(timeout=30)
        with visit(browser, place.address) as page:
            page.get_by_label("Look for stems of the data set too").check()
            assert "blues" in ask(page, song)
            page.wait_for_selector("#searched >> text=looked for in the first 12 s", timeout=ANSWER_MS)
            time.sleep(1)  # it waits for its turn, and then its visitor leaves
        time.sleep(1)
        place.told(song, True, last)
        waiting = pool.submit(last.predict, api_name="/stems")
        place.matcher.may_end.release(3)
        assert [job.result(30)[0] for job in (search, waiting)] == ["1 known stem found in the first 12 s."] * 2
    assert len(place.matcher.lengths) == 2


@needs_browser
def test_who_comes_when_too_many_wait_is_told(place, song, browser):
    held = threading.Event()
    place.ears.before = lambda: held.wait(60)
    visitors = [place.visitor() for _ in range(MOST_QUEUED + 3)]
    with ThreadPoolExecutor(len(visitors)) as pool, visit(browser, place.address) as page:
        give(page, song)
        jobs = [pool.submit(place.told, song, visitor=visitor) for visitor in visitors]
        until = time.monotonic() + 60
        while not any(job.done() for job in jobs) and time.monotonic() < until:
            time.sleep(0.1)
        page.locator("#ask").click()
        page.wait_for_selector("text=/busy/", timeout=ANSWER_MS)
        held.set()
        refused = [job for job in jobs if job.exception(60)]
        assert refused
        assert all("Queue is full" in str(job.exception()) for job in refused)
        assert all("blues" in job.result() for job in jobs if job not in refused)


def test_a_header_that_claims_hours_takes_no_memory(tmp_path):
    file = io.BytesIO()
    soundfile.write(file, tone_wave(0, 1, 1.0, 16_000), 16_000, format="FLAC")
    content = bytearray(file.getvalue())
    (fields,) = struct.unpack(">Q", content[18:26])
    content[18:26] = struct.pack(">Q", fields >> 36 << 36 | 100 * 3600 * 16_000)
    (tmp_path / "hours.flac").write_bytes(content)
    with pytest.raises(UserError, match=r"hours\.flac is 6000\.0 min long, and this page takes 1"):
        Limits(1, 1).wave(tmp_path / "hours.flac", RATE_HZ)
    soundfile.write(tmp_path / "wide.wav", np.zeros((99, 9)), 16_000)
    with pytest.raises(UserError, match="9 channels"):
        Limits(1, 1).wave(tmp_path / "wide.wav", RATE_HZ)


def test_a_file_that_decodes_to_more_than_its_header_claims_ends_at_the_limit(tmp_path, monkeypatch):
    path = written(tmp_path / "song.wav", tone_wave(0, 1, 1.0))
    blocks = iter([np.zeros(RATE_HZ, np.float32)] * 1000)
    monkeypatch.setattr("messy_mashup.web.limits.mono_blocks", lambda path, rate_hz: blocks)
    with pytest.raises(UserError, match="longer than 1 min"):
        Limits(1, 1).wave(path, RATE_HZ)
    assert len(list(blocks)) > 900


def test_what_nobody_asks_about_goes(tmp_path):
    waiting = Uploads(tmp_path, Limits())
    old, coming = waiting.begin(), waiting.begin()
    waiting.whole(old)
    waiting.sweep(kept_s=-1)
    assert list(tmp_path.iterdir()) == [coming]  # an upload that goes on is none of those
    waiting.whole(coming)
    waiting.shown(str(coming / "a.wav"), "visitor")
    waiting.remove(tmp_path)  # no upload
    assert waiting.waits(coming / "a.wav")
    waiting.shown(None, "visitor")
    assert list(tmp_path.iterdir()) == []
    assert [waiting.begin() is None for _ in range(65)] == [False] * 64 + [True]


def test_what_a_killed_server_left_goes_and_what_is_in_use_or_anothers_stays(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    for name in (f"{PREFIX}killed", "another"):
        (tmp_path / name / "upload").mkdir(parents=True)
        (tmp_path / name / LOCK).touch()
    with own_folder() as running:
        monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
        with own_folder() as second:
            assert {path.name for path in tmp_path.iterdir()} == {running.name, second.name, "another"}
    assert [path.name for path in tmp_path.iterdir()] == ["another"]
