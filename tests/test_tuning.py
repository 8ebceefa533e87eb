"""A search keeps its trials whatever happens to it, prunes by the median, and tells what came out."""

import json
import os
import shlex
from collections import Counter
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import tiny
from banks import bank_of, songs
from kill_harness import KillHarness, tree_digests
from messy_mashup import recipes
from messy_mashup.data import bank_build
from messy_mashup.data.bank import Bank
from messy_mashup.errors import STOPPED_STATUS, Stopped, UserError
from messy_mashup.mashup.validation import Plan, open_plan
from messy_mashup.recipe import CNNRecipe, FoldRecipe, MashupRecipe, Recipe, TrainRecipe
from messy_mashup.recipe_text import from_json, override
from messy_mashup.training import fit, run_folder, study, study_results, tuning, watch
from messy_mashup.training.learner import Learner
from messy_mashup.training.run_folder import State
from messy_mashup.training.search_space import Choice, Real, Whole, checked, read_space, settings, values, without
from messy_mashup.training.stop import Stop
from messy_mashup.training.study import Pruned, Reports, Rules, Study
from messy_mashup.training.study_results import Results
from messy_mashup.training.tally import Diverged
from messy_mashup.training.tuning import DIRECTIONS, Search, Tuning
from test_commands import run as command

optuna = pytest.importorskip("optuna")
CPU = torch.device("cpu")
MASHUP = MashupRecipe(length_s=(0.4, 0.4), noisy=0.0)
RECIPE = Recipe(
    name="small",
    mashup=MASHUP,
    backbone=CNNRecipe(heard_s=0.2, mels=16, hop=160, fft=256, widths=(4, 4, 4)),
    train=TrainRecipe(epochs=3, mashups_per_epoch=16, batch_size=8),
    folds=FoldRecipe(count=2, validation_per_song=1, validation=MASHUP),
)
SPACE = {
    "train.lr": Real(1e-5, 1e-1, log=True),
    "train.epochs": Whole(2, 3),
    "backbone.widths": Choice(((4, 4, 4), (8, 8, 8))),
}
MATERIAL = tuple[Bank, Plan]


@pytest.fixture(scope="module")
def material(tmp_path_factory) -> MATERIAL:
    """A bank of two genres and its plan."""
    folder = tmp_path_factory.mktemp("bank")
    bank = bank_of(folder / "bank", songs(("blues", "rock"), 8, 0.5))
    return bank, open_plan(bank, RECIPE.folds, folder / "folds")


def search(folder: Path, **changes) -> Search:
    """A search of few trials that prunes early."""
    return replace(Search(RECIPE, SPACE, folder, trials=6, startup_trials=2, warmup_epochs=1), **changes)


def run(asked: Search, material: MATERIAL, stop: Stop | None = None) -> Tuning:
    """Search as one call of the command does."""
    tuned = Tuning(asked, *material, CPU, stop or Stop())
    tuned.run()
    return tuned


def table(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "trials.csv", keep_default_na=False, na_values=[""])


def came_out(folder: Path) -> list[list]:
    """What the trials that are finished were and came to, in their order."""
    rows = table(folder)
    return rows[rows["state"].isin(["complete", "pruned"])][["state", "value", "epochs", *SPACE]].values.tolist()


# Spaces


def test_a_range_in_json_is_of_the_fields_own_kind_of_number(tmp_path):
    path = tmp_path / "space.json"
    entries = {
        "train.lr": {"low": 1e-4, "high": 1, "log": True},
        "train.epochs": {"low": 2, "high": 8},
        "train.batch_size": {"values": [8, 16]},
        "backbone.widths": {"values": [[4, 4, 4], [8, 8, 8, 8]]},
    }
    path.write_text(json.dumps(entries))
    space = read_space(path, RECIPE)
    assert space == {
        "train.lr": Real(1e-4, 1, log=True),
        "train.epochs": Whole(2, 8),
        "train.batch_size": Choice((8, 16)),
        "backbone.widths": Choice(([4, 4, 4], [8, 8, 8, 8])),
    }
    drawn = {"train.lr": 0.1 + 0.2, "train.epochs": 3, "train.batch_size": 16, "backbone.widths": "[8, 8, 8, 8]"}
    recipe = override(RECIPE, settings(drawn))
    assert (recipe.train.lr, recipe.train.epochs, recipe.train.batch_size) == (0.1 + 0.2, 3, 16)
    assert recipe.backbone.widths == (8, 8, 8, 8)
    assert values(space, drawn)["backbone.widths"] == [8, 8, 8, 8]


@pytest.mark.parametrize(
    ("space", "words"),
    [
        ({"train.speed": {"low": 1, "high": 2}}, "train.speed: the recipe has no such field"),
        ({"train.lr": {"low": 1e-2, "high": 1e-4}}, r"train\.lr: the range goes from 0\.01 to 0\.0001"),
        ({"train.lr": {"low": 0, "high": 1, "log": True}}, r"train\.lr: .* begins above 0"),
        ({"train.lr": {"low": "a", "high": 1}}, r"train\.lr: a range goes from one number to another"),
        ({"train.lr": {"low": 1}}, r"train\.lr: write it as"),
        ({"train.lr": 3}, r"train\.lr: write it as"),
        ({"train.epochs": {"low": 1, "high": 2.5}}, r"train\.epochs: the field takes whole numbers"),
        ({"train.epochs": {"low": 0, "high": 3}}, r"train\.epochs: .*greater than or equal to 1"),
        ({"train.warmup": {"low": 0, "high": 1.5}}, r"train\.warmup: .*less than or equal to 1"),
        ({"train.batch_size": {"values": [8]}}, r"train\.batch_size: a choice is of two values or more"),
        ({"train.batch_size": {"values": [8, "many"]}}, r"train\.batch_size: .*valid integer"),
        ({"backbone.widths": {"low": 1, "high": 2}}, r"backbone\.widths: the field is no number"),
        ({"folds.seed": {"low": 1, "high": 2}}, r"folds\.seed: it is what trials are compared on"),
        ([], "is no space"),
        ({}, "nothing is left to be searched"),
    ],
)
def test_a_wrong_space_is_refused_with_its_file_and_field(tmp_path, space, words):
    path = tmp_path / "space.json"
    path.write_text(json.dumps(space))
    with pytest.raises(UserError, match=words) as refusal:
        read_space(path, RECIPE)
    assert str(refusal.value).startswith(str(path))


def test_a_space_in_code_is_held_against_the_recipe_too():
    with pytest.raises(UserError, match=r"SPACE: train\.epochs: the field takes whole numbers"):
        checked({"train.epochs": Real(5, 20)}, RECIPE, "SPACE")


def test_what_is_set_is_not_searched():
    assert list(without(SPACE, ["train.lr=1e-3", "backbone.width=3"])) == ["train.epochs", "backbone.widths"]
    assert list(without(SPACE, ["train=@file"])) == ["backbone.widths"]


def test_the_recipes_that_have_a_space_can_be_searched():
    found = {name: recipes.space(name) for name in recipes.names()}
    assert recipes.space("messy_mashup_cnn") is None
    assert len(found["gtzan_ast_dora"]) == 9
    for name, space in found.items():
        if space is not None:
            checked(space, recipes.load(name), name)


# Studies with members that are trained


@pytest.fixture(scope="module")
def searched(material, tmp_path_factory) -> tuple[Tuning, Path, int]:
    """A search that nothing disturbs, and how many steps it took."""
    folder = tmp_path_factory.mktemp("searched") / "study"
    with pytest.MonkeyPatch.context() as patch:
        steps = counted_steps(patch)
        undrawn(patch)
        tuned = run(search(folder), material)
    tuned.leave_results()
    return tuned, folder, len(steps)


def counted_steps(patch: pytest.MonkeyPatch) -> list[int]:
    """Grows by every step of every learner; without a member's pictures and event files, which take longest."""
    steps, step = [], Learner.step
    patch.setattr(Learner, "step", lambda self, number, batch: steps.append(number) or step(self, number, batch))
    patch.setattr(fit.plots, "learning_curves", lambda *_: None)
    patch.setattr(watch, "find_spec", lambda _: None)
    return steps


def undrawn(patch: pytest.MonkeyPatch) -> None:
    """Studies leave no pictures."""
    patch.setattr(study_results, "write_png", lambda *_: None)
    for name in ("draw_history", "draw_slices", "draw_importances"):
        patch.setattr(study_results.plots_of_studies, name, lambda *_: None)


def test_a_study_has_the_trials_asked_for_and_their_members_values(searched):
    _, folder, _ = searched
    rows = table(folder)
    assert rows["number"].tolist() == list(range(6))
    assert set(rows["state"]) <= {"complete", "pruned"}
    for row in rows.itertuples():
        metrics = pd.read_csv(folder / row.folder / "metrics.csv")
        assert row.value == metrics["val_macro_f1"].iloc[-1]
        assert row.epochs == len(metrics)
        assert (row.state == "complete") == (row.epochs == rows.loc[row.Index, "train.epochs"])
        recipe = json.loads((folder / row.folder / "recipe.json").read_text())
        assert recipe["train"]["lr"] == rows.loc[row.Index, "train.lr"]


def test_the_best_trial_is_told_and_alone_keeps_its_weights(searched):
    tuned, folder, _ = searched
    complete = table(folder).query("state == 'complete'")
    best = complete.loc[complete["value"].idxmax()]
    told = json.loads((folder / "best.json").read_text())
    assert told["train.lr"] == best["train.lr"]
    assert told["train.epochs"] == best["train.epochs"]
    assert str(tuple(told["backbone.widths"])) == best["backbone.widths"]
    kept = [path.parent.relative_to(folder).as_posix() for path in folder.rglob("*.safetensors")]
    assert kept == [best["folder"]]
    results = tuned.leave_results()
    assert results.best_told == f"best {best['value']:.4f}, trial {best['number']}"
    recipe = override(RECIPE, results.best_settings())
    assert json.loads((folder / best["folder"] / "recipe.json").read_text())["train"]["lr"] == recipe.train.lr
    for name in ("history.png", "slices.png"):
        assert (folder / name).read_bytes().startswith(b"\x89PNG")


def test_the_same_call_again_changes_nothing(searched, material, monkeypatch):
    _, folder, _ = searched
    before = tree_digests(folder)
    steps = counted_steps(monkeypatch)
    run(search(folder), material)
    assert not steps
    assert tree_digests(folder) == before


@pytest.mark.parametrize("changes", [{"metric": "val_loss"}, {"fold": 1}, {"space": {"train.lr": Real(1e-3, 1e-2)}}])
def test_another_search_in_the_same_study_is_refused(searched, material, changes):
    _, folder, _ = searched
    with pytest.raises(UserError, match=f"another {next(iter(changes))}: give this one another --study"):
        run(search(folder, **changes), material)


class Killed(BaseException):
    """Ends everything at once, as SIGKILL does."""


class StopAfter(Stop):
    """Has a reason once it was asked so many times."""

    asked, last = 0, 0

    def reason(self) -> str | None:
        self.asked += 1
        return "enough" if self.asked > self.last else None


@pytest.mark.parametrize("asked", [2, 11])
def test_a_search_that_was_stopped_within_a_trial_ends_where_one_that_was_not_ends(
    searched, material, tmp_path, monkeypatch, asked
):
    _, undisturbed, all_steps = searched
    steps = counted_steps(monkeypatch)
    undrawn(monkeypatch)
    stop = StopAfter()
    stop.last = asked
    folder = tmp_path / "study"
    with pytest.raises(Stopped, match=r"enough; .* is saved at epoch . of ., step 1 of 2\. . of 6 trials are finished"):
        run(search(folder), material, stop)
    run(search(folder), material)
    assert came_out(folder) == came_out(undisturbed)
    assert len(steps) == all_steps
    rows = table(folder)
    (left,) = rows[rows["state"] == "interrupted"].itertuples()
    (resumed,) = rows[rows["note"] == f"goes on from trial {left.number}"].itertuples()
    assert left.note == f"went on as trial {resumed.number}"
    assert resumed.folder == left.folder


def test_killed_between_the_files_of_a_member_a_study_loses_nothing(material, tmp_path, monkeypatch):
    """Also where the member has one epoch, and was killed when all was written but its first state."""
    undrawn(monkeypatch)
    counted_steps(monkeypatch)
    replaced, replace_file = [], os.replace
    asked = search(tmp_path / "whole", trials=2, space={**SPACE, "train.epochs": Whole(1, 2)})

    def killing(*paths) -> None:
        replaced.append(Path(paths[1]).name)
        if len(replaced) == kill_at:
            raise Killed
        replace_file(*paths)

    monkeypatch.setattr(os, "replace", killing)
    kill_at = 0
    run(asked, material)
    whole, names = came_out(asked.folder), list(replaced)
    assert 1 in table(asked.folder)["epochs"].tolist()
    for kill_at in [number for number, name in enumerate(names, 1) if name in ("state.safetensors", "best.json")]:
        asked = replace(asked, folder=tmp_path / str(kill_at))
        replaced.clear()
        with pytest.raises(Killed):
            run(asked, material)
        kill_at = 0
        run(asked, material)
        assert came_out(asked.folder) == whole


# Studies without training: what a member is worth is a function of its recipe


def worth(recipe: Recipe, epoch: int) -> float:
    """Best near a learning rate of 1e-3, and a little better with every epoch."""
    return 0.9 - 0.1 * abs(np.log10(recipe.train.lr) + 3) - 0.05 / epoch


class Trained:
    """In fit's place: trains an epoch in no time, saves it as fit does, and counts it."""

    def __init__(self) -> None:
        self.epochs = Counter()  # by folder and epoch

    def __call__(self, recipe, bank, plan, fold, folder, device, stop, also) -> None:
        path = folder / run_folder.STATE
        rows = run_folder.read_card(path)["rows"] if path.exists() else []
        for epoch in range(len(rows) + 1, recipe.train.epochs + 1):
            self.epochs[folder.parent.name, epoch] += 1
            rows.append({"epoch": epoch, "val_macro_f1": worth(recipe, epoch)})
            run_folder.save_state(folder, State({}, rows, {"a": torch.zeros(1)}))
            for one in also:
                one.write({f"epoch/{name}": value for name, value in rows[-1].items()}, epoch)


@pytest.fixture
def trained(monkeypatch) -> Trained:
    """Nothing is trained and nothing drawn, and no journal has to outlive the machine."""
    undrawn(monkeypatch)
    monkeypatch.setattr("os.fsync", lambda _: None)
    monkeypatch.setattr(tuning, "fit", Trained())
    return tuning.fit


def test_a_trial_is_pruned_where_it_is_behind_the_median_of_the_complete_ones(material, trained, tmp_path):
    run(search(tmp_path, trials=12), material)
    rows = table(tmp_path)
    assert "pruned" in set(rows["state"])
    for number, row in rows.iterrows():
        before = [at(each) for _, each in rows[:number].query("state == 'complete'").iterrows()]
        epochs = range(1, row["train.epochs"])
        behind = [len(before) >= 2 and worth(at(row), epoch) < median_of(before, epoch) for epoch in epochs]
        assert (row["state"] == "pruned") == any(behind)
        assert row["epochs"] == (behind.index(True) + 1 if any(behind) else row["train.epochs"])
    assert set(trained.epochs.values()) == {1}


def median_of(complete: list[Recipe], epoch: int) -> float:
    return np.median([worth(recipe, epoch) for recipe in complete if recipe.train.epochs >= epoch])


def at(row: pd.Series) -> Recipe:
    return replace(RECIPE, train=replace(RECIPE.train, lr=row["train.lr"], epochs=row["train.epochs"]))


def killed_at(patch: pytest.MonkeyPatch, entry: int, when: str) -> Counter:
    """End everything at that entry of the journal; counts the entries."""
    backend, entries = optuna.storages.journal.JournalFileBackend, Counter()
    append = backend.append_logs

    def appended(self, logs: list) -> None:
        entries["all"] += 1
        if entries["all"] == entry and when == "before":
            raise Killed
        append(self, logs)
        if entries["all"] == entry:
            raise Killed

    patch.setattr(backend, "append_logs", appended)
    return entries


@pytest.mark.parametrize(
    "every", [pytest.param(19, id="some entries"), pytest.param(1, id="every entry", marks=pytest.mark.slow)]
)
def test_killed_at_any_entry_of_its_journal_a_study_loses_nothing(material, trained, tmp_path, every):
    asked = search(tmp_path / "whole", trials=5)
    with pytest.MonkeyPatch.context() as patch:
        entries = killed_at(patch, 0, "before")
        run(asked, material)
    whole, epochs = came_out(asked.folder), dict(trained.epochs)
    for entry in range(1, entries["all"] + 1, every):
        for when in ("before", "after"):
            asked = search(tmp_path / f"{entry}{when}", trials=5)
            trained.epochs.clear()
            with pytest.MonkeyPatch.context() as patch:
                killed_at(patch, entry, when)
                with pytest.raises(Killed):
                    run(asked, material)
            run(asked, material)
            assert came_out(asked.folder) == whole, (entry, when)
            assert dict(trained.epochs) == epochs, (entry, when)


@pytest.mark.parametrize("second", range(1, 7))
def test_killed_again_while_it_takes_up_what_was_left_a_study_keeps_that(material, trained, tmp_path, second):
    run(search(tmp_path / "whole", trials=1), material)
    asked = search(tmp_path / "killed", trials=1)
    for entry in (8, second):
        with pytest.MonkeyPatch.context() as patch:
            killed_at(patch, entry, "after")
            with pytest.raises(Killed):
                run(asked, material)
    run(replace(asked, trials=2, seed=1), material)  # another seed draws something else
    assert came_out(asked.folder)[:1] == came_out(tmp_path / "whole")
    rows = table(asked.folder)
    assert rows["state"].tolist() == ["interrupted"] * (len(rows) - 2) + ["complete"] * 2
    assert not rows["note"].str.startswith("the same", na=False).any()


def test_a_half_written_entry_of_a_crash_is_cut_off(material, trained, tmp_path):
    run(search(tmp_path, trials=2), material)
    with (tmp_path / study.JOURNAL).open("ab") as file:
        file.write(b'{"op_code": 4, "worker')
    run(search(tmp_path, trials=3), material)
    assert table(tmp_path)["state"].tolist() == ["complete"] * 3


def test_a_trial_of_another_process_is_left_to_it_until_that_has_ended(material, trained, tmp_path):
    asked = search(tmp_path, trials=3)
    other = Tuning(asked, *material, CPU, Stop())
    with ExitStack() as held:
        lr = other._take(held).trial.params["train.lr"]
        run(asked, material)
        assert table(tmp_path)["state"].tolist() == ["running", "complete", "complete"]
    run(asked, material)
    assert table(tmp_path)["state"].tolist() == ["interrupted", "complete", "complete", "complete"]
    assert table(tmp_path)["train.lr"].tolist()[::3] == [lr, lr]


def test_parameters_that_were_trained_before_are_not_trained_again(material, trained, tmp_path):
    space = {"train.lr": Choice((1e-3, 1e-2)), "train.epochs": Choice((2, 3))}
    run(search(tmp_path, trials=12, space=space), material)
    rows = table(tmp_path)
    assert len(rows) == 12
    assert set(trained.epochs.values()) == {1}
    again = rows[rows["note"].notna()]
    assert len(again) == 12 - rows["folder"].nunique()
    for row in again.itertuples():
        first = rows.iloc[int(row.note.rpartition(" ")[2])]
        assert (row.state, row.value, row.folder) == (first["state"], first["value"], first["folder"])


def test_a_trial_that_fails_by_its_recipe_is_recorded_and_the_study_goes_on(material, trained, tmp_path, monkeypatch):
    def fails(recipe, bank, plan, fold, folder, *rest, **more):
        if recipe.train.lr > 1e-3:
            raise Diverged(f"{folder}, epoch 1: the loss is no longer finite")
        if recipe.backbone.mels < 8:
            raise UserError("the picture is too small")
        trained(recipe, bank, plan, fold, folder, *rest, **more)

    monkeypatch.setattr(tuning, "fit", fails)
    space = {"train.lr": Real(1e-5, 1e-1, log=True), "backbone.mels": Choice((4, 16))}
    run(search(tmp_path, space=space), material)
    rows = table(tmp_path)
    assert rows["state"].isin(["complete", "pruned"]).sum() == 6
    diverged, refused = rows["train.lr"] > 1e-3, rows["backbone.mels"] < 8
    assert ((rows["state"] == "failed") == (diverged | refused)).all()
    assert rows[diverged]["note"].str.endswith("the loss is no longer finite").all()
    assert rows[refused & ~diverged]["note"].tolist() == ["the picture is too small"] * (refused & ~diverged).sum()
    assert not list(tmp_path.rglob("fold0/state.safetensors"))


def test_a_trial_that_is_too_large_or_comes_to_no_number_has_failed(material, trained, tmp_path, monkeypatch):
    def fails(recipe, *rest, **more):
        if recipe.backbone.widths == (8, 8, 8):
            raise torch.OutOfMemoryError("CUDA out of memory")
        trained(recipe, *rest, **more)

    monkeypatch.setattr(tuning, "fit", fails)
    monkeypatch.setitem(globals(), "worth", lambda recipe, epoch: np.nan if recipe.train.lr > 3e-3 else 0.5)
    run(search(tmp_path, trials=3, startup_trials=9), material)
    rows = table(tmp_path)
    large, endless = rows["backbone.widths"] == "(8, 8, 8)", rows["train.lr"] > 3e-3
    assert set(rows[large]["note"]) == {"cpu has too little memory for it"}
    assert set(rows[endless & ~large]["note"]) == {"val_macro_f1 is nan"}
    assert rows[~large & ~endless]["state"].tolist() == ["complete"] * 3


def test_parameters_that_another_process_trains_are_waited_for(material, trained, tmp_path, monkeypatch):
    """The space has one other recipe only, so that the same is soon drawn again."""
    asked = search(tmp_path, trials=4, space={"train.lr": Choice((1e-3, 1e-2))})
    other, held, waited = Tuning(asked, *material, CPU, Stop()), ExitStack(), []
    others = other._take(held)

    def ends(_: float) -> None:
        waited.append(table(tmp_path)["state"].tolist())
        other.study.end(others.trial, study.COMPLETE, 0.7)
        held.close()

    monkeypatch.setattr(tuning.time, "sleep", ends)
    run(asked, material)
    assert waited[0][0] == "running"
    assert waited[0][-1] == "failed"
    rows = table(tmp_path)
    assert rows["note"].str.contains("the same parameters: .* is being trained by process", na=False).sum() == 1
    assert (rows["state"] == "complete").sum() == 4
    assert set(trained.epochs.values()) == {1}


def test_what_is_not_the_recipes_fault_stops_the_study_and_the_trial_is_resumed(
    material, trained, tmp_path, monkeypatch
):
    def full(*_, **__):
        raise UserError("the disk is full")

    monkeypatch.setattr(tuning, "fit", full)
    with pytest.raises(UserError, match="the disk is full"):
        run(search(tmp_path, trials=2), material)
    monkeypatch.setattr(tuning, "fit", trained)
    run(search(tmp_path, trials=2), material)
    assert table(tmp_path)["state"].tolist() == ["interrupted", "complete", "complete"]


def test_a_space_of_failures_is_given_up(material, trained, tmp_path, monkeypatch):
    def diverges(*_, **__):
        raise Diverged("the loss is no longer finite")

    monkeypatch.setattr(tuning, "fit", diverges)
    with pytest.raises(UserError, match=r"the last 10 trials failed, .* the loss is no longer finite"):
        run(search(tmp_path), material)
    assert (table(tmp_path)["state"] == "failed").all()


# What a study tells


def made_up(folder: Path, trials: int, value) -> Study:
    """A study whose trials are worth what `value` makes of what was drawn."""
    found = Study(folder, {}, SPACE, Rules("maximize", startup_trials=100))
    for _ in range(trials):
        trial, drawn = found.ask()
        trial.set_user_attr(study.FOLDER, f"trials/{trial.number}")
        reports = Reports(found, trial, "val_macro_f1", drawn["train.epochs"])
        reports.take([{"epoch": 1, "val_macro_f1": value(drawn)}])
        found.end(trial, study.COMPLETE, reports.value)
    return found


def test_importances_tell_what_mattered_once_there_are_enough_trials(tmp_path):
    found = made_up(tmp_path, 14, lambda drawn: -abs(np.log10(drawn["train.lr"]) + 3))
    results = Results.of(found, "val_macro_f1")
    results.write(tmp_path)
    rows = pd.read_csv(tmp_path / "importances.csv")
    assert rows["field"][0] == "train.lr"
    assert set(rows["field"]) == set(SPACE)
    assert rows["importance"][0] > 0.5
    assert rows["importance"].sum() == pytest.approx(1)
    assert rows["importance"].is_monotonic_decreasing
    assert Results.of(found, "val_macro_f1").importances == results.importances
    for name in ("importances.png", "history.png", "slices.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("trials", "words"), [(9, "need 10 complete trials; there are 9"), (10, "have the same value")]
)
def test_importances_that_cannot_be_told_say_why(tmp_path, trials, words):
    results = Results.of(made_up(tmp_path, trials, lambda _: 0.5), "val_macro_f1")
    assert words in results.importances
    assert results.best_told == "best 0.5000, trial 0"


def test_after_its_last_epoch_no_trial_is_pruned(tmp_path):
    found = Study(tmp_path, {}, SPACE, Rules("maximize", startup_trials=1, warmup_epochs=1))
    for value, epochs, outcome in ((0.9, 2, nullcontext()), (0.5, 2, pytest.raises(Pruned)), (0.5, 1, nullcontext())):
        trial, _ = found.ask()
        reports = Reports(found, trial, "val_macro_f1", epochs)
        with outcome:
            reports.take([{"epoch": 1, "val_macro_f1": value}])
        found.end(trial, study.COMPLETE, reports.value)


def test_without_optuna_a_sentence_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(study, "find_spec", lambda _: None)
    with pytest.raises(UserError, match="pip install optuna"):
        Study(tmp_path, {}, SPACE, Rules("maximize"))


# The command


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> list[str]:
    """The arguments that name a tiny corpus and its bank, and what is searched."""
    root = tiny.write_tiny_corpus(tmp_path_factory.mktemp("corpus") / "tiny")
    bank = tmp_path_factory.mktemp("banks") / "tiny"
    bank_build.build("messy_mashup", root, bank, workers=1)
    space = root.parent / "space.json"
    space.write_text('{"train.lr": {"low": 1e-4, "high": 1e-2, "log": true}, "train.epochs": {"low": 1, "high": 2}}')
    settings = [
        word for name, value in tiny.SETTINGS.items() if name != "train.epochs" for word in ("--set", f"{name}={value}")
    ]
    return [tiny.RECIPE, "--data", str(root), "--bank", str(bank), "--space", str(space), *settings]


def test_the_command_ends_with_the_best_trials_and_a_line_that_trains_like_the_best(place, tmp_path, capfd):
    where = ["--runs", str(tmp_path), "--devices", "cpu"]
    assert command("tune", *place, *where, "--trials", "2", "--metric", "val_loss", "--study", "short") == 0
    said = capfd.readouterr().out
    folder = tmp_path / "studies" / "short"
    rows = table(folder)
    assert rows["state"].tolist() == ["complete"] * 2
    assert "2 of 2 trials are finished" in said
    assert "fANOVA importances need 10 complete trials" in said
    line = said.strip().splitlines()[-1]
    best = rows.loc[rows["value"].idxmin()]
    words = shlex.split(line)
    assert words[:5] == ["python", "src/train.py", tiny.RECIPE, "--name", "short_tuned"]
    given = [word for flag, word in pairwise(words) if flag == "--set"]
    trained_as = override(recipes.load(tiny.RECIPE), given)
    assert trained_as == from_json(folder / best["folder"] / "recipe.json")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["messy_mashup_cnn"], "the recipe messy_mashup_cnn has no SPACE in its file: name a JSON file with --space"),
        (["messy_mashup_cnn", "--space", "no/such.json"], "no/such.json is missing"),
        (["messy_mashup_cnn", "--fold", "9"], "--fold 9: the recipe's folds are 0 to 4"),
        (["gtzan_ast_dora", "--set", "train.speed=1"], "no such field"),
        (["gtzan_ast_dora", "--study", "a/b"], "use letters, digits"),
    ],
)
def test_the_command_says_what_is_wrong(words, said, capfd):
    assert command("tune", *words) == 2
    assert said in capfd.readouterr().err
    assert DIRECTIONS.keys() == fit.VALIDATION_METRICS.keys()


def harness(place: list[str]) -> KillHarness:
    def arguments(runs: Path) -> list[str]:
        return [*place, "--runs", str(runs), "--trials", "4", "--devices", "cpu"]

    return KillHarness("tune.py", arguments, (*tiny.PRELOAD, "optuna"))


@pytest.mark.slow
def test_killed_at_many_moments_the_command_goes_on_to_the_same_trials(place, tmp_path):
    tuned, study_folder = harness(place), Path("studies") / tiny.RECIPE
    _, seconds, replaces = tuned.undisturbed(tmp_path / "undisturbed")
    whole = outcomes(tmp_path / "undisturbed" / study_folder)
    for number in range(0, replaces, 11):
        assert tuned.killed_at_replace(tmp_path / f"r{number}", number, "after").reached
        assert outcomes(tmp_path / f"r{number}" / study_folder) == whole
    for share in (0.3, 0.5, 0.7, 0.9):
        tuned.killed_after(tmp_path / f"s{share}", share * seconds)
        assert outcomes(tmp_path / f"s{share}" / study_folder) == whole
    status, _ = tuned.terminated_after(tmp_path / "told", 0.6 * seconds)
    assert status in (STOPPED_STATUS, 0)
    assert outcomes(tmp_path / "told" / study_folder) == whole


def outcomes(folder: Path) -> list[list]:
    rows = table(folder)
    finished = rows[rows["state"].isin(["complete", "pruned"])]
    return finished[["state", "value", "epochs", "train.lr", "folder"]].values.tolist()


@pytest.mark.slow
def test_two_processes_share_a_study(place, tmp_path, capfd):
    words = [*place, "--runs", str(tmp_path), "--trials", "5", "--devices", "cpu,cpu"]
    assert command("tune", *words) == 0
    rows = table(tmp_path / "studies" / tiny.RECIPE)
    assert rows["state"].isin(["complete", "pruned"]).sum() == 5
    assert rows["folder"].nunique() == 5
    logs = [path.read_text() for path in sorted((tmp_path / "studies" / tiny.RECIPE).glob("process*.log"))]
    assert all("trial " in log for log in logs)
    assert command("tune", *words) == 0
    assert len(table(tmp_path / "studies" / tiny.RECIPE)) == len(rows)
