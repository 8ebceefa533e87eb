"""The demo as `make demo` runs it, in a folder of its own, held against its floors."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from messy_mashup.competition import ledger
from messy_mashup.paths import REPOSITORY

MINUTES = 15  # a bound for a run that hangs, not a measure of speed


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> tuple[Path, dict[str, float]]:
    """The folder that the demo left, and the figures of its last line."""
    folder = tmp_path_factory.mktemp("demo")
    command = [sys.executable, "src/demo.py", "--data", str(folder / "data"), "--runs", str(folder / "runs")]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60 * MINUTES)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return folder, json.loads(done.stdout.splitlines()[-1])


def test_the_network_reaches_its_floor_and_the_music_is_neither_easy_nor_hopeless(demo):
    figures = demo[1]
    assert figures["oof_macro_f1"] >= 0.6
    assert 0.3 <= figures["logistic_regression_oof"] <= 0.7
    assert figures["known_songs"] > figures["logistic_regression_public"]


def test_the_entry_is_one_that_kaggle_accepts_and_the_ledger_has_its_scores(demo):
    folder, figures = demo
    entries = folder / "runs" / "submissions"
    rows = ledger.read(entries / "scores.csv")
    assert len(rows) == 3
    assert (rows[["public", "private", "oof_macro_f1"]] != "").all(axis=None)
    row = rows.iloc[-1]
    assert (float(row["public"]), float(row["private"])) == pytest.approx(
        (figures["public"], figures["private"]), abs=1e-4
    )
    assert float(row["oof_macro_f1"]) == pytest.approx(figures["oof_macro_f1"], abs=1e-4)
    entry = pd.read_csv(entries / row["file"], dtype=str)
    sample = pd.read_csv(folder / "data" / "sample_submission.csv", dtype=str)
    assert entry["id"].tolist() == sample["id"].tolist()
    assert entry["genre"].nunique() == 10


def test_it_leaves_pictures_to_look_at(demo):
    runs = demo[0] / "runs"
    left = [
        "demo_spectrograms.png",
        "blends/demo.confusion.png",
        "blends/demo.members.png",
        "submissions/cv_against_leaderboard.png",
        "messy_mashup_resnet34_demo/fold0/learning_curves.png",
    ]
    for name in left:
        assert (runs / name).read_bytes().startswith(b"\x89PNG")


def test_training_never_opens_the_labels(demo):
    """Every command but the scoring runs as well where the labels are not there."""
    folder = demo[0]
    hidden = (folder / "data" / "hidden").rename(folder / "labels")
    runs = folder / "runs"
    try:
        for script, *words in (
            ("build.py", "--data", folder / "data", "--bank", runs / "banks" / "data"),
            ("train.py", "messy_mashup_resnet34_demo", "--data", folder / "data", "--runs", runs, "--name", "blind",
             "--folds", "0", "--set", "train.epochs=1", "--set", "train.mashups_per_epoch=32"),
            ("infer.py", "--data", folder / "data", "--runs", runs, "--submissions", folder / "blind"),
        ):  # fmt: skip
            done = subprocess.run(
                [sys.executable, f"src/{script}", *map(str, words)], cwd=REPOSITORY, capture_output=True, text=True
            )
            assert done.returncode == 0, done.stderr[-2000:]
    finally:
        hidden.rename(folder / "data" / "hidden")
