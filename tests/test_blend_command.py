"""blend.py on runs that were never trained: what it prints and leaves, and that infer.py goes by it."""

import json

import numpy as np
import pandas as pd
import pytest

from example_trees import write_messy_mashup
from made_up_runs import CLASSES, ORIGIN, parts_of, write_run
from messy_mashup.data import corpora
from messy_mashup.scoring import predictions
from messy_mashup.scoring.ensemble import load_blend, out_of_fold
from messy_mashup.scoring.predictions import NO_LABEL, Predictions
from messy_mashup.training import trained
from messy_mashup.training.run_folder import TEST, weights_digest
from test_commands import run

LEFT = [".confusion.png", ".json", ".members.png", ".methods.png", ".oof.npz", ".study.json"]


@pytest.fixture
def runs(tmp_path):
    """Two that are alike, and one that calls every class by the next one's name."""
    folder = tmp_path / "runs"
    for seed, name in enumerate(("first", "second")):
        write_run(folder, name, parts_of(1.2, seed, 600), seed=seed)
    wrong = [
        Predictions(part.id, CLASSES, np.roll(part.logits, 1, axis=1), part.fold, part.label, ORIGIN)
        for part in parts_of(3.0, 2, 600)
    ]
    write_run(folder, "wrong", wrong, lr=0.01)
    return folder


def left(runs, name):
    return sorted(path.name.removeprefix(name) for path in (runs / "blends").glob(f"{name}.*"))


def test_equal_weights_stay_and_everything_is_left(runs, capfd):
    assert run("blend", "first", "second", "--name", "both", "--runs", runs) == 0
    told = capfd.readouterr().out
    assert "None of 9 methods beats equal weights clearly" in told
    assert "Blended by equal: all runs alike" in told
    assert left(runs, "both") == LEFT
    blend = load_blend(runs)
    assert (blend.method, blend.runs) == ("equal", ("first", "second"))
    assert blend.counted_for == ("first",) * 3 + ("second",) * 3
    expected = out_of_fold({name: [predictions.load(path) for path in sorted(runs.glob(f"{name}/*/oof.npz"))]
                            for name in ("first", "second")})  # fmt: skip
    blended = predictions.load(runs / "blends" / "both.oof.npz")
    assert blended.id.tolist() == expected.id.tolist()
    np.testing.assert_array_equal(blended.logits, expected.logits)


def test_a_method_takes_over_where_it_is_clearly_better(runs, capfd):
    assert run("blend", "first", "second", "wrong", "--name", "all", "--runs", runs) == 0
    told = capfd.readouterr().out
    best = load_blend(runs).method
    assert best.startswith("stacking")
    assert f"{best} beats equal weights clearly" in told
    assert json.loads((runs / "blends" / "all.study.json").read_text())["verdicts"]["wrong"] == "hurts"


def test_a_named_method_is_taken_and_scored_on_other_folds(runs, capfd):
    words = ("first", "wrong", "--name", "hill", "--runs", runs)
    assert run("blend", *words, "--method", "hill", "--temperatures", "fitted") == 0
    told = capfd.readouterr().out
    blend = load_blend(runs, "hill")
    assert blend.method == "hill, tempered"
    assert blend.rule.combiner.shares == (1.0, 0.0)
    assert blend.rule.temperatures != (1.0, 1.0)
    assert "shares of 1.00 (first), 0.00 (wrong); temperatures of" in told
    nested = json.loads((runs / "blends" / "hill.study.json").read_text())["methods"]
    pooled = next(method["figures"]["macro_f1"] for method in nested if method["name"] == "hill, tempered")
    assert blend.oof_macro_f1 == pytest.approx(pooled, abs=0.01)


def test_one_run_is_blended_without_a_study_and_an_older_study_goes(runs, capfd):
    assert run("blend", "first", "second", "--name", "mine", "--runs", runs) == 0
    assert run("blend", "first", "--name", "mine", "--runs", runs) == 0
    assert "beats" not in capfd.readouterr().out.split("in use")[1]
    assert left(runs, "mine") == [".confusion.png", ".json", ".oof.npz"]


def test_one_fold_leaves_equal_weights_or_a_sentence(tmp_path, capfd):
    for seed, name in enumerate(("first", "second")):
        write_run(tmp_path, name, parts_of(1.2, seed, folds=1), seed=seed)
    assert run("blend", "first", "second", "--runs", tmp_path) == 0
    assert "methods are not compared" in capfd.readouterr().out
    kept = (tmp_path / "blend.json").read_bytes()
    assert run("blend", "first", "second", "--runs", tmp_path, "--name", "hill", "--method", "hill") == 2
    assert "only fold 0 is held out" in capfd.readouterr().err
    assert (tmp_path / "blend.json").read_bytes() == kept


def test_temperatures_without_a_method_and_a_bad_name_are_refused(runs, capfd):
    assert run("blend", "first", "--runs", runs, "--temperatures", "fitted") == 2
    assert "--temperatures goes with a --method" in capfd.readouterr().err
    assert run("blend", "first", "second", "--runs", runs, "--name", "a/b") == 2
    assert "letters, digits" in capfd.readouterr().err
    assert not (runs / "blends").exists()


@pytest.mark.parametrize(
    ("method", "genre", "note"), [("hill", "blues", "mine [blended by hill]"), ("equal", "rock", "mine")]
)
def test_the_entry_goes_by_the_blend_s_rule(runs, tmp_path, method, genre, note):
    """Of the test mashups the good run says blues, the wrong one, which is surer, rock."""
    data, entries = tmp_path / "data", tmp_path / "entries"
    write_messy_mashup(data, genres=tuple(CLASSES.tolist()))
    test = trained.TestClips.of(data, corpora.load("messy_mashup").test_clips(data))
    for name, logits in (("first", [1.0, 0, 0, 0]), ("wrong", [0, 0, 0, 9.0])):
        for folder in sorted((runs / name).iterdir()):
            origin = f"{test.digest} by {weights_digest(folder)}"
            nowhere, unknown = np.full(len(test.id), -1), np.full(len(test.id), NO_LABEL)
            scored = np.tile(np.float32(logits), (len(test.id), 1))
            predictions.save(Predictions(test.id, CLASSES, scored, nowhere, unknown, origin), folder / TEST)
    assert run("blend", "first", "wrong", "--runs", runs, "--method", method) == 0
    assert run("infer", "--runs", runs, "--submissions", entries, "--data", data, "--note", "mine") == 0
    (row,) = pd.read_csv(entries / "scores.csv", dtype=str).to_dict("records")
    assert row["note"] == note
    assert pd.read_csv(entries / row["file"])["genre"].tolist() == [genre, genre]
