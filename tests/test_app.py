"""The page in a real browser: what one gives is heard, told and removed; nothing goes anywhere else."""

import re
from pathlib import Path

import numpy as np
import pytest

from example_trees import tone_wave, write_wave
from served_page import ANSWER_MS, CHROMIUM, ask, gone, visit, written

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: apt-get install chromium")
pytest.importorskip("gradio")
pytest.importorskip("playwright")


def write_wrong(path: Path) -> None:
    """A file that is as wrong as its name says."""
    kind = re.match(r"\w+", path.name)[0]
    if kind in ("text", "empty", "movie"):
        path.write_bytes({"text": b"no audio at all", "empty": b"", "movie": b"\0\0\0 ftypisom" + bytes(99)}[kind])
        return
    write_wave(path, np.zeros(8000, np.float32) if kind == "silent" else tone_wave(0, 1, 80 if kind == "long" else 1))
    if kind == "cut":
        path.write_bytes(path.read_bytes()[:9000])


def test_an_upload_is_heard_shown_and_removed(page, served, tmp_path):
    song = written(tmp_path / "a <b>.wav", tone_wave(2, 3, 1.5))
    told = ask(page, song)
    assert re.match(r"(blues|rock) \(\d+%\) — a .*, 0\.8 s", told)
    assert page.locator("#told b:not(strong)").count() == 0  # a name is text
    page.wait_for_selector("#over_time img", timeout=ANSWER_MS)
    page.wait_for_selector("#spectrogram img", timeout=ANSWER_MS)
    assert {"blues", "rock"} <= set(re.findall(r"[a-z]+", page.locator("#likely").inner_text().lower()))
    assert served.uploads() == []


def test_stems_are_looked_for_after_the_genre_is_told(page, served, tmp_path):
    page.get_by_label("Look for stems of the data set too").check()
    assert re.match(r"(blues|rock)", ask(page, written(tmp_path / "song.wav", tone_wave(2, 3, 3.0))))
    page.wait_for_selector("#searched >> text=/known stems? found in the first 12 s/", timeout=ANSWER_MS)
    assert re.match(r"(blues|rock)", ask(page, next((served.data / "mashups").glob("*.wav"))))
    page.wait_for_selector("#searched >> text=/too short to search/", timeout=ANSWER_MS)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("text <img src=x>.wav", "cannot be read as audio"),
        ("text <b>.flac", "this page takes whole wav, flac, mp3 or ogg files"),
        ("empty.wav", "empty.wav is empty: give a wav, flac, mp3 or ogg file"),
        ("movie.ogg", "movie.ogg is a video, or kept like one: save its sound"),
        ("cut.wav", "cut.wav: is cut short"),
        ("silent.wav", "silent.wav is digital silence"),
        ("long.wav", "long.wav is 0.7 min long, and this page takes 0.5"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(page, served, tmp_path, name, words):
    path = tmp_path / name
    write_wrong(path)
    told = ask(page, path)
    assert words in told
    assert str(served.cache.parent) not in page.content()  # no path of the server, nor anywhere else on the page
    assert page.locator("#told [role=alert]").count() == 1
    assert page.locator("#told :is(img, b)").count() == 0
    assert served.uploads() == []
    assert re.match(r"(blues|rock)", ask(page, written(tmp_path / "good.wav", tone_wave(1, 1, 1.0))))


def test_a_file_that_is_too_large_is_not_taken(page, served, tmp_path):
    path = tmp_path / "large.wav"
    path.write_bytes(bytes(5_000_000))
    page.locator("#audio input[type=file]").set_input_files(path)
    page.wait_for_selector("text=/maximum|size|large/i", timeout=ANSWER_MS)
    assert served.uploads() == []


def test_nothing_given_is_said(page):
    page.locator("#ask").click()
    page.wait_for_selector("#told >> text=drop a file or record something first", timeout=ANSWER_MS)


def test_a_file_goes_when_its_visitor_takes_it_back_or_leaves(browser, served, tmp_path):
    song = written(tmp_path / "song.wav", tone_wave(2, 3, 1.5))
    with visit(browser, served.address) as page:
        for leave in (lambda: page.get_by_label("Clear").first.click(), lambda: None):
            page.locator("#audio input[type=file]").set_input_files(song)
            page.wait_for_function("!document.querySelector('#audio input[type=file]')", timeout=ANSWER_MS)
            page.wait_for_timeout(500)
            assert len(served.uploads()) == 1
            leave()
            if page.locator("#audio input[type=file]").count():
                assert gone(served.cache)
    assert gone(served.cache)


def record(page) -> None:
    """Go to the microphone and begin."""
    page.locator("#audio .source-selection button").nth(1).click()
    page.get_by_role("button", name="Record").first.click()


def test_a_recording_is_heard(page, served):
    record(page)
    page.wait_for_timeout(1500)
    page.get_by_role("button", name="Stop").first.click()
    page.wait_for_timeout(1000)
    page.locator("#ask").click()
    page.wait_for_selector("#told strong", timeout=ANSWER_MS)
    assert re.search(r"(blues|rock) \(\d+%\)", page.locator("#told").inner_text())
    assert served.uploads() == []


def test_a_recording_that_is_denied_is_said(browser, served):
    with visit(browser, served.address, fails="Permission denied", permissions=[]) as page:
        record(page)
        page.wait_for_selector("#denied >> text=/Allow this page the microphone/", timeout=ANSWER_MS)


@pytest.mark.parametrize("name", ["text.pdf", "movie.mp4"])
def test_what_is_no_sound_by_its_name_is_not_taken(page, served, tmp_path, name):
    write_wrong(tmp_path / name)
    page.locator("#audio input[type=file]").set_input_files(tmp_path / name)
    page.wait_for_selector(f"text=Invalid file type: {name}", timeout=ANSWER_MS)
    assert served.uploads() == []


def make(page) -> str:
    """What the page tells of the mashup that is chosen."""
    before = page.locator("#made_told").inner_text()
    page.locator("#make").click()
    page.wait_for_function(
        "before => { const told = document.querySelector('#made_told');"
        " return told.querySelector('strong, .wrong') && !told.querySelector('.pending') && told.innerText != before }",
        arg=before,
        timeout=ANSWER_MS,
    )
    return page.locator("#made_told").inner_text()


def test_a_mashup_by_hand_is_heard_and_compared_with_the_one_before(page):
    page.get_by_role("tab", name="Make a mashup").click()
    assert re.fullmatch(r"(blues|rock) \(\d+%\)", make(page))
    page.wait_for_selector("#made_spectrogram img", timeout=ANSWER_MS)
    page.locator("#random").click()
    page.wait_for_timeout(1500)
    assert "for the one before" in make(page)
    page.wait_for_selector("#change img", timeout=ANSWER_MS)
    page.wait_for_selector("#made >> text=0:0", timeout=ANSWER_MS)


def test_every_voice_has_its_own_song_tempo_and_switch(page):
    page.get_by_role("tab", name="Make a mashup").click()
    make(page)
    length = page.locator("#made #duration, #made .timestamps").first.inner_text()
    for part in ("drums", "bass", "vocals"):
        page.locator(f"#voice_{part}").get_by_role("checkbox").uncheck()
    tempo = page.locator("#voice_other input[type=number]")
    tempo.fill("0.8")
    tempo.press("Tab")
    genre = page.locator("#voice_other input[role=combobox]").first
    genre.click()
    page.get_by_role("option", name="rock").click()
    page.wait_for_function("document.querySelectorAll('#voice_other input[role=combobox]')[1].value.includes('rock')")
    assert "for the one before" in make(page)
    assert length
    page.locator("#voice_other").get_by_role("checkbox").uncheck()
    assert "every voice is off" in make(page)


def test_it_fits_a_phone(browser, served, tmp_path):
    with visit(browser, served.address, viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True) as page:
        ask(page, written(tmp_path / "song.wav", tone_wave(2, 3, 1.5)))
        page.wait_for_selector("#over_time img", timeout=ANSWER_MS)
        width = "document.scrollingElement.scrollWidth"
        assert page.evaluate(width) <= 390
        page.get_by_role("tab", name="Make a mashup").click()
        make(page)
        page.wait_for_selector("#change img", timeout=ANSWER_MS)
        assert page.evaluate(width) <= 390
