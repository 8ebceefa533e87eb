"""calibrate.py on a small competition of the demo's host: files, table, page, and what bad input gets."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from messy_mashup.data.demo_music.competition import write_competition
from messy_mashup.recipe import MashupRecipe

SRC = Path(__file__).resolve().parents[1] / "src"


def script(name: str, *words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, SRC / name, *map(str, words)], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("calibrate") / "data"
    write_competition(root, genres=("rock", "jazz"), songs=8, seconds=3.0, noises=12, mashups=24)
    return root


@pytest.fixture(scope="module")
def calibrated(data):
    bank, out = data.with_name("bank"), data.with_name("out")
    built = script("build.py", "--data", data, "--bank", bank)
    assert built.returncode == 0, built.stderr
    words = ("--data", data, "--bank", bank, "--out", out, "--sample", 12, "--probes", 12, "--device", "cpu")
    return out, words, script("calibrate.py", *words)


def test_it_writes_a_recipe_a_table_and_a_page(calibrated):
    out, _, run = calibrated
    assert run.returncode == 0, run.stderr
    recipe = MashupRecipe(**json.loads((out / "mashup.json").read_text()))
    figures = pd.read_csv(out / "calibration.csv").set_index("number")
    assert recipe.whole == pytest.approx(figures["fitted"]["whole"], abs=1e-3)
    kept = figures[~figures["identified"] & figures.index.isin(["noisy", "stretched"])]
    for name, was in kept["was"].items():
        assert getattr(recipe, name) == was
    page = (out / "calibration.html").read_text()
    assert page.count("data:image/png;base64,") == 2
    assert "http" not in page.replace("http-equiv", "")
    for told in ("before: an adversary", "after: an adversary", "90 % interval"):
        assert told in run.stdout


def test_a_second_call_goes_on_from_what_was_found(calibrated):
    out, words, first = calibrated
    changed = (out / "found" / "test" / "bursts.csv").stat().st_mtime_ns
    again = script("calibrate.py", *words)
    assert again.returncode == 0, again.stderr
    assert "noise in" not in again.stderr
    assert (out / "found" / "test" / "bursts.csv").stat().st_mtime_ns == changed
    assert again.stdout == first.stdout


def test_the_recipe_can_be_trained_with(calibrated):
    out, words, _ = calibrated
    drawn = script(
        "mashup.py", "--count", 2, "--out", out / "wav", *words[:4], "--set", f"mashup=@{out / 'mashup.json'}"
    )
    assert drawn.returncode == 0, drawn.stderr
    assert len(list((out / "wav").glob("*.wav"))) == 2


def test_bad_calls_are_told(calibrated, tmp_path):
    _, words, _ = calibrated
    few = script("calibrate.py", *words, "--sample", 3)
    assert few.returncode == 2
    assert "12 or more" in few.stderr
    nowhere = script("calibrate.py", "--data", tmp_path / "nothing")
    assert nowhere.returncode == 2
    assert "there is no folder" in nowhere.stderr
