"""What an earlier session left is found below the inputs by its name and contents, and copied whole."""

import os
import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch

from messy_mashup import paths
from messy_mashup.errors import UserError
from messy_mashup.training.attached import adopt, adopt_all
from messy_mashup.training.child_process import LOG
from messy_mashup.training.run_folder import (
    METRICS,
    OOF,
    STATE,
    TENSORBOARD,
    TEST,
    WEIGHTS,
    State,
    load_state,
    save_state,
    save_weights,
)

CARD = {"recipe": {"train": {"epochs": 3}}, "fold": 0}
NAME = Path("cnn_seed3/fold0")


@pytest.fixture(autouse=True)
def inputs(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(paths, "inputs", lambda: tmp_path / "input")
    return tmp_path / "input"


@pytest.fixture
def runs(tmp_path) -> Path:
    return tmp_path / "working" / "runs"


def rows(epochs: int) -> list[dict[str, float]]:
    return [{"epoch": epoch + 1, "val_macro_f1": 0.5} for epoch in range(epochs)]


def write_member(folder: Path, epochs: int, step: int = 0, value: float = 0.0) -> Path:
    """A member that was stopped after that many epochs and steps."""
    folder.mkdir(parents=True)
    tensors = {"a": torch.full((3,), value)}
    save_weights(folder / WEIGHTS, tensors, CARD)
    (folder / TENSORBOARD).mkdir()
    (folder / TENSORBOARD / "events").write_text("curves")
    save_state(folder, State(CARD, rows(epochs), tensors, progress={"step": step} if step else {}))
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("mount", ["first-session/runs", "notebooks/me/first-session/runs", "datasets/me/x/a/runs"])
def test_a_member_is_found_wherever_kaggle_mounts_it_and_copied(inputs, runs, mount):
    source = write_member(inputs / mount / NAME, epochs=2)
    write_member(inputs / mount / "cnn_seed4" / "fold0", epochs=3)
    write_member(inputs / mount / "cnn_seed3" / "fold1", epochs=3)
    whole = contents(source)
    (source / ".claim").write_text("process 1")
    (source / LOG).write_text("what that session printed")
    (source / ".weights.safetensors.1.partial").write_text("half")
    (source / ".tmpjhPRMN").write_text("safetensors' own half")
    for path in source.iterdir():
        path.chmod(0o555 if path.is_dir() else 0o444)
    assert adopt(runs / NAME, runs) == source
    assert contents(runs / NAME) == whole
    assert os.access(runs / NAME / STATE, os.W_OK)
    assert load_state(runs / NAME, CARD).rows == rows(2)
    assert adopt(runs / NAME, runs) is None


def test_nothing_attached_gives_none(inputs, runs):
    assert adopt(runs / NAME, runs) is None
    (inputs / "x" / NAME).mkdir(parents=True)
    (inputs / "x" / NAME / "recipe.json").write_text("{}")
    assert adopt(runs / NAME, runs) is None
    assert not runs.exists()


def test_a_member_with_a_state_or_at_its_end_is_left_as_it_is(inputs, runs):
    write_member(inputs / "x" / NAME, epochs=2)
    write_member(runs / NAME, epochs=1, value=1.0)
    mine = contents(runs / NAME)
    assert adopt(runs / NAME, runs) is None
    (runs / NAME / STATE).unlink()
    pd.DataFrame(rows(3)).to_csv(runs / NAME / METRICS)
    (runs / NAME / OOF).write_text("")
    assert adopt(runs / NAME, runs) is None
    assert contents(runs / NAME)[WEIGHTS] == mine[WEIGHTS]


def test_of_several_the_furthest_is_taken(inputs, runs):
    write_member(inputs / "a" / NAME, epochs=2)
    for slug, epochs, step in [("b", 1, 90), ("c", 2, 40), ("d", 2, 5)]:
        write_member(inputs / slug / NAME, epochs, step, value=epochs + step)
    assert adopt(runs / NAME, runs) == inputs / "c" / NAME


def test_of_equal_copies_either_is_taken_and_one_with_predictions_before_one_without(inputs, runs):
    write_member(inputs / "a" / NAME, epochs=3)
    shutil.copytree(inputs / "a", inputs / "b")
    assert adopt(runs / NAME, runs) in (inputs / "a" / NAME, inputs / "b" / NAME)
    shutil.rmtree(runs)
    (inputs / "b" / NAME / TEST).write_text("scored")
    assert adopt(runs / NAME, runs) == inputs / "b" / NAME


def test_equally_far_and_different_ones_are_named(inputs, runs):
    places = [write_member(inputs / slug / NAME, epochs=2, value=ord(slug)) for slug in "ab"]
    write_member(inputs / "c" / NAME, epochs=1)
    with pytest.raises(UserError) as told:
        adopt(runs / NAME, runs)
    assert all(str(place) in str(told.value) for place in places)
    assert str(inputs / "c") not in str(told.value)
    assert not runs.exists()


def test_between_recipes_progress_does_not_choose(inputs, runs):
    places = [write_member(inputs / slug / NAME, epochs) for slug, epochs in (("a", 1), ("b", 2))]
    other = {"recipe": {"train": {"epochs": 3, "lr": 0.1}}, "fold": 0}
    save_weights(places[1] / WEIGHTS, {"a": torch.zeros(3)}, other)
    save_state(places[1], State(other, rows(2), {"a": torch.zeros(3)}))
    for _ in range(2):
        with pytest.raises(UserError, match=r"train\.lr is None and 0\.1.*--without KERNEL") as told:
            adopt(runs / NAME, runs)
        assert all(str(place) in str(told.value) for place in places)
        (places[1] / STATE).unlink(missing_ok=True)
    assert not runs.exists()
    shutil.rmtree(places[0])
    assert adopt(runs / NAME, runs) == places[1]


def test_weights_without_a_state_are_adopted_too(inputs, runs):
    source = write_member(inputs / "a" / NAME, epochs=3)
    (source / STATE).unlink()
    assert adopt(runs / NAME, runs) == source
    assert load_state(runs / NAME, CARD).rows == rows(3)


@pytest.mark.parametrize("epochs", [2, 3])
def test_killed_at_any_file_it_is_copied_whole_the_next_time(inputs, runs, monkeypatch, epochs):
    source = write_member(inputs / "a" / NAME, epochs)
    (source / OOF).write_text("predicted")
    replace = os.replace
    for killed_at in range(len(contents(source))):
        calls = []

        def fatal(*places, calls=calls, killed_at=killed_at):
            calls.append(places)
            if len(calls) > killed_at:
                raise KeyboardInterrupt
            replace(*places)

        monkeypatch.setattr(os, "replace", fatal)
        with pytest.raises(KeyboardInterrupt):
            adopt(runs / NAME, runs)
        monkeypatch.setattr(os, "replace", replace)
        assert not (runs / NAME / STATE).exists()
        adopted = adopt(runs / NAME, runs)
        # Only the state may be missing, of a member that is at its end and needs it no more.
        missing = contents(source).keys() - contents(runs / NAME).keys()
        assert (adopted, missing) in [(source, set()), (None, {STATE})]
        assert adopted == source or epochs == 3
        assert load_state(runs / NAME, CARD).rows == rows(epochs)
        shutil.rmtree(runs)


def test_all_that_is_attached_is_adopted_whatever_its_run(inputs, runs):
    for run, fold in (("ast", "fold0"), ("ast", "all"), ("cnn_seed1", "fold1")):
        write_member(inputs / f"kernel-{run}" / "runs" / run / fold, epochs=3)
    write_member(runs / "ast" / "all", epochs=3, value=1.0)
    adopted = adopt_all(runs)
    assert sorted(folder.relative_to(runs).as_posix() for folder in adopted) == ["ast/fold0", "cnn_seed1/fold1"]
    assert adopt_all(runs) == {}


def test_a_trial_of_a_search_is_no_run(inputs, runs):
    write_member(inputs / "session/runs/cnn/fold0", epochs=3)
    write_member(inputs / "session/runs/studies/cnn/trials/0123abcd/fold0", epochs=3)
    assert list(adopt_all(runs)) == [runs / "cnn" / "fold0"]
