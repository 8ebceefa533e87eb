"""A page holds all it shows, escapes what it is told, and its sound is the wave that was given."""

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import soundfile

from messy_mashup.scoring import page
from messy_mashup.scoring.plots import Drawing, write_png


def png_of(tmp_path, width, height):
    return write_png(Drawing(figsize=(width, height)), tmp_path / f"{width}x{height}.png")


def test_sound_is_the_wave(tmp_path):
    wave = 0.5 * np.sin(2 * np.pi * 440 * np.arange(40_000) / 16_000)
    written = page.clip(page.ogg(wave, 16_000), 'a "sure" mistake', "song & song")
    encoded = re.search(r'src="data:audio/ogg;base64,([^"]+)"', written).group(1)
    heard, rate_hz = soundfile.read(io.BytesIO(base64.b64decode(encoded)))
    assert (rate_hz, len(heard)) == (16_000, 40_000)
    assert np.corrcoef(heard, wave)[0, 1] > 0.99
    assert len(encoded) < len(wave), "a small part of the 80,000 bytes of the wave"
    assert "a &quot;sure&quot; mistake" in written
    assert "song &amp; song" in written


def test_a_wave_above_1_is_made_softer_and_silence_stays():
    loud = 3 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)
    heard, _ = soundfile.read(io.BytesIO(page.ogg(loud, 16_000)))
    assert np.abs(heard).max() == pytest.approx(1, abs=0.05)
    heard, _ = soundfile.read(io.BytesIO(page.ogg(np.zeros(1000), 16_000)))
    assert np.abs(heard).max() < 1e-3


def test_first_columns_link_to_what_they_name_and_text_is_escaped():
    rows = pd.DataFrame({"pair": ["r&b and pop", "a and b"], "clips <2": [3, 1]})
    written = page.linked_table(rows, {"r&b and pop": "#pair0"})
    assert '<a href="#pair0">r&amp;b and pop</a>' in written
    assert written.count("<a ") == 1
    assert "clips &lt;2" in written
    long = "x" * 200
    assert long in page.linked_table(pd.DataFrame({"clip": [long]}), {})


def test_broad_pictures_keep_their_width_in_a_narrow_window(tmp_path):
    assert 'class="panorama"' in page.figure(png_of(tmp_path, 8, 2), "broad", "how to read it")
    square = page.figure(png_of(tmp_path, 4, 4), 'a "square"', "a < b")
    assert "panorama" not in square
    assert 'alt="a &quot;square&quot;"' in square
    assert "<figcaption>a &lt; b</figcaption>" in square


def test_the_page_is_well_formed_and_needs_nothing_else(tmp_path):
    class Open(HTMLParser):
        def __init__(self):
            super().__init__()
            self.open, self.sources = [], []

        def handle_starttag(self, tag, attributes):
            self.sources += [value for name, value in attributes if name == "src"]
            if tag not in ("meta", "img"):
                self.open.append(tag)

        def handle_endtag(self, tag):
            assert self.open.pop() == tag

    figure = page.figure(png_of(tmp_path, 2, 2), "alt", "caption")
    sound = page.clip(page.ogg(np.zeros(100), 16_000), "title", "detail")
    table = page.linked_table(pd.DataFrame({"a": ["b"]}), {"b": "#c"})
    parts = [page.heading("Part"), page.subheading("Within", "c"), table, figure, sound]
    page.write_page(tmp_path / "page.html", "A & B", parts)
    parser = Open()
    parser.feed((tmp_path / "page.html").read_text())
    assert parser.open == []
    assert len(parser.sources) == 2
    assert all(source.startswith("data:") for source in parser.sources)
