"""report.py after a training: of the run, of the blend in use, and what it says where something lacks."""

import json
import re
import shutil

import pytest

import tiny
from kill_harness import tree_digests
from messy_mashup.scoring import predictions
from test_commands import run


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The folder of runs with a trained run, tiny, and the blend of it that is in use, mix."""
    folder = tmp_path_factory.mktemp("report")
    data, runs = tiny.write_tiny_corpus(folder / "tiny"), folder / "runs"
    assert run("build", "--data", data, "--bank", runs / "banks" / "tiny", "--workers", 1) == 0
    place = ("--data", data, "--runs", runs, "--name", "tiny")
    assert run("train", tiny.RECIPE, "--folds", "0,1", *place, *tiny.settings()) == 0
    assert run("blend", "tiny", "--runs", runs, "--name", "mix") == 0
    return runs


@pytest.fixture
def copy(runs, tmp_path):
    return shutil.copytree(runs, tmp_path / "runs")


def test_a_run_and_the_blend_in_use_are_reported(runs, capsys):
    before = tree_digests(runs)
    assert run("report", "tiny", "--runs", runs) == 0
    told = capsys.readouterr().out
    assert run("report", "--runs", runs) == 0
    one, blend = runs / "reports" / "tiny", runs / "reports" / "mix"
    assert str(one / "index.html") in told
    assert "macro F1 of the folds" in told
    scores = [json.loads((folder / "metrics.json").read_text()) for folder in (one, blend)]
    assert [score["kind"] for score in scores] == ["run", "blend"]
    assert scores[0]["scores"][0] == scores[1]["scores"][0], "a blend of one run"
    page = (blend / "index.html").read_text()
    assert "<h1>Blend mix, held-out songs</h1>" in page
    assert page.count("data:audio/ogg") == page.count("<audio ") > 0
    assert re.search(r"<small>fold\d-\d{5}: \w+\.\d+/\w+, ", page)
    assert "cannot be played" not in page
    shutil.rmtree(runs / "reports")
    assert tree_digests(runs) == before, "nothing but the report is written"


def test_without_its_bank_a_page_has_no_sound_and_says_why(copy, capsys):
    shutil.rmtree(copy / "banks")
    assert run("report", "tiny", "--runs", copy, "--out", copy / "here") == 0
    assert "no sound on the page: no bank below" in capsys.readouterr().out
    page = (copy / "here" / "index.html").read_text()
    assert "cannot be played here: no bank below" in page
    assert "<audio " not in page


def test_a_member_that_changed_since_is_not_played(copy, capsys):
    """Its mashups have the same ids as those that were scored, and may be others."""
    path = copy / "blends" / "mix.oof.npz"
    scored = predictions.load(path)
    predictions.save(predictions.Predictions(**vars(scored) | {"origin": "another plan"}), path)
    assert run("report", "mix", "--runs", copy) == 0
    assert "has changed since mix was scored: run blend.py again" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nothing",), "no trained run and no blend nothing"),
        (("tiny", "--runs", "nowhere"), "nowhere holds no trained run"),
        (("tiny", "--bank", "nowhere"), "holds no finished bank"),
    ],
)
def test_what_is_wrong_is_told(runs, capsys, arguments, words):
    status = run("report", "--runs", runs, "--out", runs.parent / "out", *arguments)
    told = capsys.readouterr()
    assert words in told.err + told.out
    assert status == (0 if "--bank" in arguments else 2)
