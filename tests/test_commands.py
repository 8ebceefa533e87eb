"""The commands one after another on a tiny corpus, as a user would type them."""

import runpy
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch

import tiny
from kill_harness import tree_digests
from messy_mashup.scoring import predictions

SOURCES = Path(__file__).resolve().parents[1] / "src"


def run(script: str, *arguments: object) -> int:
    """The exit status of a command."""
    argv, sys.argv = sys.argv, [script, *map(str, arguments)]
    try:
        runpy.run_path(str(SOURCES / f"{script}.py"), run_name="__main__")
    except SystemExit as end:
        return end.code or 0
    finally:
        sys.argv = argv
    return 0


class House:
    """A data set, its bank, a trained run and a blend."""

    def __init__(self, folder: Path) -> None:
        self.data = tiny.write_tiny_corpus(folder / "tiny")
        self.runs, self.submissions = folder / "runs", folder / "submissions"
        self.place = ("--data", self.data, "--runs", self.runs)
        assert run("build", "--data", self.data, "--bank", self.runs / "banks" / "tiny", "--workers", 1) == 0
        assert self.train() == 0
        assert run("blend", "--runs", self.runs, "--name", "tiny") == 0

    def train(self, *more: object) -> int:
        return run("train", tiny.RECIPE, "--folds", "0,1,all", *self.place, *tiny.settings(), *more)

    def infer(self, *more: object) -> int:
        return run("infer", "--runs", self.runs, "--submissions", self.submissions, *more)


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> House:
    return House(tmp_path_factory.mktemp("house"))


def test_out_of_fold_predictions_are_of_the_plans_mashups(house):
    (plan,) = (house.runs / "folds").iterdir()
    validation = pd.read_csv(plan / "validation.csv", dtype={"id": str})
    for fold in (0, 1):
        oof = predictions.load(house.runs / tiny.RECIPE / f"fold{fold}" / "oof.npz")
        rows = validation[validation["fold"] == fold]
        assert oof.id.tolist() == rows["id"].tolist()
        assert oof.classes[oof.label].tolist() == rows["label"].tolist()


def test_a_finished_run_is_left_as_it_is(house, capfd):
    folder = house.runs / tiny.RECIPE / "fold0"
    before = tree_digests(folder)
    assert house.train() == 0
    assert "epoch" not in capfd.readouterr().err
    assert tree_digests(folder) == before


@pytest.mark.parametrize("devices", [(), ("--devices", "cpu,cpu", "--folds", "0,1")])
def test_another_recipe_in_the_same_folder_is_refused(house, capfd, devices):
    assert house.train("--set", "train.lr=0.5", *devices) == 2
    assert "trained with another recipe" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("no_such_recipe",), "there is no recipe no_such_recipe"),
        ((tiny.RECIPE, "--folds", "2"), "none of the recipe's folds 0 to 1"),
        ((tiny.RECIPE, "--set", "train.speed=9"), "no such field"),
        ((tiny.RECIPE, "--data", "no/such/folder"), "there is no folder"),
    ],
)
def test_train_says_what_is_wrong(house, capfd, arguments, words):
    assert run("train", *house.place, *arguments) == 2
    assert words in capfd.readouterr().err


def test_the_entry_is_whole_and_has_its_row(house):
    assert house.infer("--note", "first") == 0
    ledger = pd.read_csv(house.submissions / "scores.csv", dtype=str, keep_default_na=False)
    row = ledger.iloc[-1]
    entry = pd.read_csv(house.submissions / row["file"], dtype=str)
    sample = pd.read_csv(house.data / "sample_submission.csv", dtype=str)
    assert entry["id"].tolist() == sample["id"].tolist()
    assert set(entry["genre"]) <= {"blues", "rock"}
    assert row["note"] == "first"
    assert row["recipes"] == tiny.RECIPE
    assert row["members"].split() == [f"{tiny.RECIPE}/{name}" for name in ("fold0", "fold1", "all")]
    assert row["public"] == ""
    blended = predictions.load(house.runs / "blends" / "tiny.oof.npz")
    assert 0 <= float(row["oof_macro_f1"]) <= 1
    assert len(blended.id) == 16


def test_infer_goes_by_the_audio_and_not_by_what_it_wrote_before(house, tmp_path):
    """A test mashup that was replaced is scored again."""
    path = house.runs / tiny.RECIPE / "all" / "test.npz"
    scored = predictions.load(path)
    mashup = house.data / "mashups" / "song0001.wav"
    kept = mashup.read_bytes()
    length = soundfile.info(mashup).frames
    soundfile.write(mashup, np.random.default_rng(8).normal(0, 0.2, length), 22_050)
    assert mashup.stat().st_size == len(kept)
    assert house.infer() == 0
    again = predictions.load(path)
    assert again.origin != scored.origin
    assert not np.allclose(again.logits[0], scored.logits[0])
    mashup.write_bytes(kept)


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda house: house.data / "mashups" / "song0002.wav", "song0002.wav"),
        (lambda house: house.runs / tiny.RECIPE / "fold1" / "weights.safetensors", "fold1/weights.safetensors"),
        (lambda house: house.data / "sample_submission.csv", "sample_submission.csv"),
    ],
    ids=["a test mashup", "a member", "the sample"],
)
def test_what_is_missing_is_named_and_nothing_is_written(house, capfd, harm, words):
    path = harm(house)
    entries = sorted(house.submissions.glob("*.csv"))
    hidden = path.rename(path.with_suffix(".hidden"))
    try:
        assert house.infer() == 2
    finally:
        hidden.rename(path)
    assert words in capfd.readouterr().err
    assert sorted(house.submissions.glob("*.csv")) == entries


def test_a_test_mashup_that_cannot_be_read_stops_the_entry(house, capfd):
    mashup = house.data / "mashups" / "song0002.wav"
    kept = mashup.read_bytes()
    mashup.write_text("text")
    try:
        assert house.infer() == 2
    finally:
        mashup.write_bytes(kept)
    assert "song0002.wav" in capfd.readouterr().err


def test_own_files_get_a_genre_each(house, tmp_path, capfd):
    folder = tmp_path / "mine"
    folder.mkdir()
    for name in ("a.wav", "b.flac", "c.ogg", "d.mp3"):
        soundfile.write(folder / name, np.random.default_rng(1).normal(0, 0.1, 30_000).clip(-1, 1), 44_100)
    assert house.infer(folder, "--out", tmp_path / "genres.csv") == 0
    told = capfd.readouterr()
    table = pd.read_csv(tmp_path / "genres.csv")
    assert [Path(name).name for name in table["file"]] == ["a.wav", "b.flac", "c.ogg", "d.mp3"]
    np.testing.assert_allclose(table[["blues", "rock"]].sum(axis=1), 1, atol=1e-4)
    np.testing.assert_allclose(table["confidence"], table[["blues", "rock"]].max(axis=1))
    for file in table["file"]:
        assert f"{file}: " in told.out


def test_own_files_are_scored_as_they_are_asked_to_be(house, tmp_path, capfd):
    wave = np.random.default_rng(1).normal(0, 0.1, 200_000) * np.linspace(0, 1, 200_000)
    soundfile.write(tmp_path / "a.wav", wave.clip(-1, 1), 44_100)
    majority = ("--set", "scoring.pooled=majority", "--set", "scoring.windows=random")
    asked = {"plain": (), "majority": majority, "seeded": (*majority, "--set", "scoring.seed=1")}
    for name, words in {**asked, "again": majority}.items():
        assert house.infer(tmp_path / "a.wav", "--out", tmp_path / f"{name}.csv", *words) == 0
    told = {name: (tmp_path / f"{name}.csv").read_text() for name in (*asked, "again")}
    assert told["majority"] == told["again"]
    assert len({told[name] for name in asked}) == 3
    assert len({text.splitlines()[0] for text in told.values()}) == 1
    for setting, words in (("scoring.pool=x", "no such field"), ("train.lr=1", "only its scoring can be set")):
        assert house.infer(tmp_path / "a.wav", "--set", setting) == 2
        assert words in capfd.readouterr().err
    assert house.infer("--set", "scoring.pooled=majority") == 2
    assert "--set and --int8 are for files of your own" in capfd.readouterr().err


def test_a_file_that_cannot_be_classified_is_named_and_no_shorter_csv_is_written(house, tmp_path, capfd):
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(1).normal(0, 0.1, 30_000).clip(-1, 1), 44_100)
    (tmp_path / "text.wav").write_text("no audio")
    assert house.infer(tmp_path, "--out", tmp_path / "genres.csv") == 2
    told = capfd.readouterr()
    assert "a.wav: " in told.out
    assert "text.wav" in told.err
    assert "genres.csv was not written" in told.err
    assert not (tmp_path / "genres.csv").exists()
    assert house.infer("--out", tmp_path / "genres.csv") == 2


def test_own_files_that_are_not_there(house, tmp_path, capfd):
    assert house.infer(tmp_path / "none.wav") == 2
    assert "there is no file or folder" in capfd.readouterr().err
    (tmp_path / "empty").mkdir()
    assert house.infer(tmp_path / "empty") == 2
    assert "holds no audio" in capfd.readouterr().err


def test_a_changed_data_set_needs_a_new_bank(house, capfd):
    stem = house.data / "genres_stems" / "rock" / "rock.00003" / "bass.wav"
    kept = stem.read_bytes()
    soundfile.write(stem, np.zeros(50), 44_100)
    try:
        assert house.train() == 2
    finally:
        stem.write_bytes(kept)
    assert "run build.py" in capfd.readouterr().err


def test_no_blend_and_no_run(tmp_path, capfd):
    assert run("blend", "--runs", tmp_path) == 2
    assert "train one with train.py" in capfd.readouterr().err
    assert run("infer", "--runs", tmp_path) == 2
    assert "run blend.py first" in capfd.readouterr().err


def test_an_unfinished_member_is_not_blended(house, capfd):
    run_folder = house.runs / tiny.RECIPE
    hidden = (run_folder / "fold1" / "oof.npz").rename(run_folder / "fold1" / "hidden")
    try:
        assert run("blend", tiny.RECIPE, "--runs", house.runs) == 2
    finally:
        hidden.rename(run_folder / "fold1" / "oof.npz")
    assert "fold1 is not finished" in capfd.readouterr().err


def test_a_member_that_was_trained_again_is_not_scored_with_the_old_figures(house, capfd):
    weights = house.runs / tiny.RECIPE / "fold0" / "weights.safetensors"
    kept = weights.read_bytes()
    weights.write_bytes((house.runs / tiny.RECIPE / "fold1" / "weights.safetensors").read_bytes())
    try:
        assert house.infer() == 2
    finally:
        weights.write_bytes(kept)
    assert "fold0 has changed since it was blended" in capfd.readouterr().err


def test_a_finished_member_needs_no_state_and_gets_back_its_lost_predictions(house, capfd):
    folder = house.runs / tiny.RECIPE / "fold0"
    assert not (folder / "state.safetensors").exists()
    before = (folder / "weights.safetensors").read_bytes()
    assert house.train() == 0
    assert (folder / "weights.safetensors").read_bytes() == before
    assert house.train("--set", "train.lr=0.5") == 2
    oof = (folder / "oof.npz").read_bytes()
    (folder / "oof.npz").unlink()
    assert house.train() == 0
    assert (folder / "oof.npz").read_bytes() == oof
    assert (folder / "weights.safetensors").read_bytes() == before
    told = capfd.readouterr().err
    assert "trained with another recipe" in told
    assert "epoch" not in told


def test_a_kernel_without_a_gpu_does_not_score_the_test_set_for_hours(house, capfd, monkeypatch):
    monkeypatch.setattr("messy_mashup.paths.in_kernel", lambda: True)
    monkeypatch.setattr("messy_mashup.training.device.best_device", lambda: torch.device("cpu"))
    scored = house.runs / tiny.RECIPE / "fold1" / "test.npz"
    assert house.infer("--blend", "tiny") == 0
    hidden = scored.rename(scored.with_name("hidden"))
    try:
        assert house.infer("--blend", "tiny") == 2
    finally:
        hidden.rename(scored)
    assert f"{tiny.RECIPE}/fold1 stopped before the test mashups were scored" in capfd.readouterr().err


def test_weights_that_were_lost_are_trained_again_to_the_same_bits(house):
    weights = house.runs / tiny.RECIPE / "fold0" / "weights.safetensors"
    kept = weights.read_bytes()
    weights.unlink()
    assert house.train() == 0
    assert weights.read_bytes() == kept


def test_a_run_of_all_songs_joins_the_folds_of_its_recipe_and_no_others(house, capfd):
    words = ("--folds", "all", *house.place, *tiny.settings())
    assert run("train", tiny.RECIPE, *words, "--set", "train.seed=1", "--name", "another_seed") == 0
    assert run("train", tiny.RECIPE, *words, "--set", "train.lr=0.01", "--name", "another_lr") == 0
    pointer = house.runs / "blend.json"
    kept = pointer.read_text()
    assert run("blend", tiny.RECIPE, "another_seed", "--runs", house.runs) == 0
    assert run("blend", tiny.RECIPE, "another_lr", "--runs", house.runs) == 2
    assert "its score is not known" in capfd.readouterr().err
    pointer.write_text(kept)
