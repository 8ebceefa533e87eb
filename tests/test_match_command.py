"""match.py on a competition made here, from its stems to an entry: what it finds, leaves and refuses."""

import shutil

import numpy as np
import pandas as pd
import pytest

import tiny
from messy_mashup.competition import ledger
from messy_mashup.competition.leaderboard import scores
from messy_mashup.data.demo_music.competition import write_competition
from messy_mashup.scoring import predictions
from messy_mashup.scoring.ensemble import load_blend
from test_commands import run

SHORT = {"backbone.heard_s": "2.0", "mashup.length_s": "(2.0,3.0)", "folds.validation.length_s": "(2.5,3.5)"}
SETTINGS = [word for name, value in (tiny.SETTINGS | SHORT).items() for word in ("--set", f"{name}={value}")]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A competition, its bank, a member a fold and one of all songs, and what match.py found."""
    root = tmp_path_factory.mktemp("match")
    data, runs = root / "data", root / "runs"
    write_competition(data, genres=("rock", "jazz"), songs=8, seconds=4.0, noises=6, mashups=16)
    bank = runs / "banks" / "data"
    assert run("build", "--data", data, "--bank", bank, "--workers", 1) == 0
    place = ("--data", data, "--runs", runs, "--bank", bank, "--name", "tiny")
    assert run("train", tiny.RECIPE, "--folds", "0,1,all", *place, *SETTINGS) == 0
    assert run(*match_of(root)) == 0
    return root


def match_of(root):
    data, runs = root / "data", root / "runs"
    place = ("--data", data, "--runs", runs, "--bank", runs / "banks" / "data")
    return "match", *place, "--like", "tiny", "--probes", 12, "--workers", 1, "--device", "cpu", "--show", 3


@pytest.fixture
def copy(home, tmp_path):
    return shutil.copytree(home, tmp_path / "home")


def test_what_is_found_is_right_and_new_songs_are_left_alone(home):
    truth = pd.read_csv(home / "data" / "hidden" / "mashups.csv", dtype=str).set_index("id")
    genre = pd.read_csv(home / "data" / "hidden" / "solution.csv", dtype=str).set_index("id")["genre"]
    matches = pd.read_csv(home / "runs" / "match" / "data" / "matches.csv", dtype={"id": str})
    found = matches[matches["found"]]
    known = truth.index[truth["known"] == "True"]
    assert len(set(known) - set(found["id"])) <= 1, "mashups of known songs without any find"
    right = found[found["id"].isin(known)]
    assert (right["label"] == genre[right["id"]].to_numpy()).all()
    assert len(found) - len(right) <= 1, "stems found in mashups of new songs"
    assert found["probability"].between(0, 1).all()
    scored = predictions.load(home / "runs" / "match" / "data" / "test.npz")
    assert scored.id.tolist() == genre.index.tolist()
    nothing = ~np.isin(scored.id, matches["id"])
    np.testing.assert_allclose(scored.logits[nothing], np.log(0.5), atol=1e-6)


def test_it_leaves_a_page_and_pictures(home):
    folder = home / "runs" / "match" / "data"
    page = (folder / "index.html").read_text()
    assert page.count("data:image/png;base64,") == 2 + 3
    assert "closed set" in page
    for picture in ("counts.png", "significance.png", "mashup_0001.png"):
        assert (folder / picture).read_bytes().startswith(b"\x89PNG")


def test_a_second_call_searches_nothing_again(home, capfd):
    before = (home / "runs" / "match" / "data" / "test.npz").read_bytes()
    portions = {path: path.stat().st_mtime_ns for path in home.rglob("found/*/*.csv")}
    assert portions
    assert run(*match_of(home)) == 0
    assert {path: path.stat().st_mtime_ns for path in portions} == portions
    assert (home / "runs" / "match" / "data" / "test.npz").read_bytes() == before
    told = capfd.readouterr().out
    assert "song0001.wav" in told
    assert "probes of other songs" in told


def test_finds_join_a_blend_where_they_are_named_and_only_there(home, tmp_path, capfd):
    place = ("--runs", home / "runs")
    entries = tmp_path / "submissions"
    infer = ("infer", *place, "--data", home / "data", "--submissions", entries, "--note", "tried")
    assert run("blend", "tiny", "--name", "heard", *place) == 0
    assert load_blend(home / "runs").matcher is None
    assert run(*infer) == 0
    assert run("blend", "tiny", "--name", "matched", "--match", "data", *place) == 0
    assert "With the stems that match/data found, held-out songs kept from it: OOF macro F1" in capfd.readouterr().out
    assert run(*infer) == 0
    heard, matched = ledger.read(entries / "scores.csv").to_dict("records")
    assert heard["note"] == "tried"
    assert matched["note"] == "tried [with stems found in the test mashups]"
    without, having = (scores(entries / row["file"], home / "data" / "hidden") for row in (heard, matched))
    assert having["known_songs"] >= 0.95
    assert having["known_songs"] > without["known_songs"]
    assert run("report", "matched", *place) == 0
    assert "With the stems that match.py found" in capfd.readouterr().out


def test_own_files_are_heard_by_the_members_alone(home, capfd):
    assert run("blend", "tiny", "--name", "matched", "--match", "data", "--runs", home / "runs") == 0
    file = next((home / "data" / "mashups").glob("*.wav"))
    assert run("infer", file, "--runs", home / "runs") == 0
    assert "files of your own are heard by the trained members alone" in capfd.readouterr().out


def test_what_does_not_fit_is_a_sentence(copy, tmp_path, capfd):
    runs = copy / "runs"
    assert run("blend", "tiny", "--match", "elsewhere", "--runs", runs) == 2
    assert "holds no finished search: run match.py first" in capfd.readouterr().err
    assert run("blend", "tiny", "--name", "m", "--match", "data", "--runs", runs) == 0
    found = predictions.load(runs / "match" / "data" / "test.npz")
    predictions.save(found, runs / "match" / "data" / "oof.npz")
    infer = ("infer", "--runs", runs, "--data", copy / "data", "--submissions", tmp_path)
    assert run(*infer) == 2
    assert "has changed since it was blended" in capfd.readouterr().err
    assert run("blend", "tiny", "--name", "m", "--match", "data", "--runs", runs) == 2
    assert "of other mashups or classes than the blend's" in capfd.readouterr().err
    assert not list(tmp_path.glob("*.csv"))
    assert run(*match_of(copy)[:-4], "--like", "nobody") == 2
    assert "no trained run nobody" in capfd.readouterr().err
