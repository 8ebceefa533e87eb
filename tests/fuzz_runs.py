"""Readers of JSON, arrays and run folders, fed with changed files: recipes, blends, cards, weights, predictions."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from fuzz_tables import room
from fuzzing import Target
from made_up_runs import parts_of
from messy_mashup.competition import notebook_file
from messy_mashup.competition.fetched_files import RECORD, Record
from messy_mashup.competition.kernel_session import log_lines
from messy_mashup.data.bank import FORMAT, GUARD, SAMPLES, Bank, write_index
from messy_mashup.data.bank_partial import JOURNAL, PLAN, known_clips, partial_folder
from messy_mashup.errors import UserError
from messy_mashup.models.ast_checkpoint import _read_json
from messy_mashup.recipe import Recipe
from messy_mashup.recipe_text import from_json, override, to_json
from messy_mashup.scoring import predictions
from messy_mashup.scoring.ensemble import BLENDS, equal_blend, load_blend, save_blend
from messy_mashup.scoring.hearing import _noted
from messy_mashup.scoring.journal import Journal
from messy_mashup.training import run_folder
from messy_mashup.training.claimed_folder import LEASE, _refuse_living
from messy_mashup.training.embeddings import _read
from messy_mashup.training.members import blendable
from messy_mashup.training.run_folder import State, save_state, save_weights
from messy_mashup.training.search_space import Real, checked, described, read_space
from messy_mashup.training.study import JOURNAL as STUDY_JOURNAL
from messy_mashup.training.study import Rules, Study

RECIPE = Recipe("a")
CARD = {"recipe": json.loads(to_json(RECIPE)), "classes": ["x", "y"], "plan": "p", "bank": "b", "fold": 0}
TENSORS = {"a": torch.arange(6.0).view(2, 3), "b": torch.ones(2, dtype=torch.int64)}
SPACE = {"train.lr": {"low": 1e-5, "high": 1e-3, "log": True}, "train.batch_size": {"values": [8, 16]}}
NOTED = b'{"origin": ["m"]}\n{"key": "a", "value": [[[0.5, 1.5], [1, 0], 1]]}\n'
CELLS = {"cells": [{"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": ["A = 1\n"]}, {}]}


def as_json(*values: object) -> Callable[[Path], list[bytes]]:
    """Seeds: each value as JSON."""
    return lambda _: [json.dumps(value).encode() for value in values]


def made(write: Callable[[Path], object], name: str) -> Callable[[Path], list[bytes]]:
    """One seed: the file of that name that a writer leaves in a folder."""

    def seeds(folder: Path) -> list[bytes]:
        write(folder)
        return [(folder / name).read_bytes()]

    return seeds


def of_recipe(path: Path) -> None:
    recipe = from_json(path)
    again = path.with_name("again.json")
    again.write_text(to_json(recipe))
    assert from_json(again) == recipe, "it does not come back"


def of_settings(path: Path) -> None:
    """Each line is a word of --set; what is wrong is told without a file's name."""
    lines = path.read_bytes().decode(errors="replace").splitlines()
    try:
        recipe = override(RECIPE, [line for line in lines if not line.partition("=")[2].startswith("@")])
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    path.write_text(to_json(recipe))
    assert from_json(path) == recipe, "it does not come back"


def of_values(path: Path) -> None:
    recipe = override(RECIPE, [f"mashup=@{path}"])
    path.write_text(to_json(recipe))
    assert from_json(path) == recipe


def of_space(path: Path) -> None:
    assert described(read_space(path, RECIPE))


def of_notebook(path: Path) -> None:
    try:
        notebook = notebook_file.read_notebook(path)
        values = notebook_file.parameters(notebook)
        changed = notebook_file.with_parameters(notebook, values)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    json.dumps(changed).encode()
    assert not values or len(changed["cells"]) >= len(notebook["cells"])


def of_blend(path: Path) -> None:
    (path.parent / BLENDS).mkdir(exist_ok=True)
    shutil.copyfile(path, path.parent / BLENDS / path.name)
    blend = load_blend(path.parent, path.stem)
    runs = path.parent.resolve()
    assert all((runs / member).resolve().is_relative_to(runs) for member in blend.members), "a member lies outside"
    made_of = np.log(np.full((len(blend.runs), 3, 2), 0.5))
    if blend.rule.combiner.kind != "stack":
        assert np.isfinite(blend.rule.combine(made_of)).all(), "a blend is not finite"


def of_weights(path: Path) -> None:
    tensors, card = run_folder.load_weights(path)
    assert sum(tensor.numel() * tensor.element_size() for tensor in tensors.values()) <= path.stat().st_size
    assert run_folder.read_card(path) == card
    blendable([path.parent])
    run_folder.is_complete(path.parent)
    json.dumps(card).encode()


def of_state(path: Path) -> None:
    state = run_folder.load_state(path.parent, CARD)
    assert state.card == CARD
    assert set(state.model) | set(state.moments) | set(state.averaged)
    run_folder.recipe_trained(path.parent)


def of_predictions(path: Path) -> None:
    told = predictions.load(path)
    assert np.isfinite(told.logits).all()
    assert len(set(told.id.tolist())) == len(told.id) == len(told.logits)
    assert told.label.max(initial=-1) < len(told.classes)
    "".join([*told.id.tolist(), *told.classes.tolist(), told.origin]).encode()


def of_embeddings(path: Path) -> None:
    for key, embedded in _read(path, 3).items():
        key.encode()
        assert embedded.windows.shape == (len(embedded.chunk), 3)
        assert np.isfinite(embedded.windows).all()


def arrays_seed(folder: Path) -> list[bytes]:
    np.savez(
        folder / "a.npz",
        key=np.array(["a", "b"]),
        count=np.array([1, 2]),
        windows=np.ones((3, 3), np.float32),
        chunk=np.arange(3),
    )
    return [(folder / "a.npz").read_bytes()]


def of_journal(path: Path) -> None:
    begun = path.read_bytes()
    with Journal.of(path, ["m"], "it is written") as journal:
        for key in journal._values:
            assert all(np.isfinite(one.logits).all() for one in _noted(journal.get(key), [2]))
        assert len(journal) <= begun.count(b"\n")
        journal.note("new", [[[0.5, 1.0], [1, 0], 1]])


def of_lease(path: Path) -> None:
    _refuse_living(path, f"{path}")


def of_record(path: Path) -> None:
    record = Record(path.parent, path.parent)
    record.unchanged_below(path.parent)


def of_log(path: Path) -> None:
    "".join(log_lines(path.read_bytes().decode(errors="replace"))).encode()


def of_study(path: Path) -> None:
    study = Study(
        path.parent, {"of": "this"}, checked({"train.lr": Real(1e-5, 1e-3)}, RECIPE, "here"), Rules("maximize")
    )
    assert study.count("COMPLETE", "RUNNING", "FAIL", "PRUNED", "WAITING") == len(study.trials())


def study_seed(folder: Path) -> list[bytes]:
    study = study_of(folder)
    trial, _ = study.ask()
    study.report(trial, 1, 0.5)
    study.end(trial, "COMPLETE", 0.5)
    return [(folder / STUDY_JOURNAL).read_bytes()]


@cache
def bank_parts() -> tuple[bytes, bytes]:
    """A bank's card and index."""
    row = dict.fromkeys(("path", "group", "label", "part", "artist", "split"), "a") | {"kind": "stem", "clip": "a/mix"}
    row |= {"length": 10, "offset": GUARD, "source_hz": 16000, "size": 1, "mtime_ns": 1, "scale": 1.0, "peak": 1.0}
    row |= dict.fromkeys(("rms", "active", "rate", "tempo_bpm", "beat_s", "bar_s", "tempo_confidence"), 0.5)
    index = write_index(pd.DataFrame([row | {"bar_confidence": 0.5, "sha256": "ab"}]))
    card = {"format": FORMAT, "guard": GUARD, "samples": 2 * GUARD + 10, "sample_rate_hz": 16000, "corpus": "gtzan"}
    card |= {"source": "s", "digest": "d", "listing": "l", "index_sha256": hashlib.sha256(index).hexdigest()}
    return json.dumps(card | {"skipped": [{"path": "p", "sentence": "s"}], "left_out": ["q"]}).encode(), index


def of_bank_card(path: Path) -> None:
    (path.parent / "index.csv").write_bytes(bank_parts()[1])
    with (path.parent / SAMPLES).open("wb") as file:
        file.truncate(2 * (2 * GUARD + 10))
    bank = Bank.open(path.parent)
    assert len(bank.wave(0)) == 10
    assert bank.minutes < 1


def of_bank_plan(path: Path) -> None:
    """A plan or a journal that is none is as if it were not there."""
    partial = partial_folder(room() / "grown")
    partial.mkdir(exist_ok=True)
    shutil.copyfile(path, partial / PLAN)
    (partial / JOURNAL).write_bytes(path.read_bytes()[-200:] + b'\n["a", {"scale": 1}]\n')
    known_clips(room() / "grown", None)


def plan_seed(_: Path) -> list[bytes]:
    clip = {"clip": "a", "offset": 1, "path": "p", "size": 1, "mtime_ns": 1, "length": 1, "source_hz": 1, "rate": 1.0}
    return [json.dumps({"format": FORMAT, "digest": "d", "clips": [clip]}).encode()]


def weights_of(folder: Path) -> None:
    save_weights(folder / run_folder.WEIGHTS, TENSORS, CARD)


def state_of(folder: Path) -> None:
    save_state(folder, State(CARD, [{"epoch": 1.0}], {"a": torch.ones(2)}, {"a.step": torch.ones(1)}))


def predictions_of(folder: Path) -> None:
    predictions.save(parts_of(1, 0, 6)[0], folder / "o.npz")


def study_of(folder: Path) -> Study:
    space = checked({"train.lr": Real(1e-5, 1e-3)}, RECIPE, "here")
    return Study(folder, {"of": "this"}, space, Rules("maximize"))


def blend_seeds(folder: Path) -> list[bytes]:
    blend = equal_blend("run", ["run/fold0", "run/fold1"], ["ab", "cd"])
    content = [save_blend(blend, folder).read_bytes()]
    for combiner in ({"kind": "geometric"}, {"kind": "rank", "temperature": 1.0}):
        fields = asdict(blend) | {"rule": {"temperatures": [1.0], "combiner": combiner}, "oof_macro_f1": 0.5}
        content.append(json.dumps(fields).encode())
    return content


TARGETS = {
    "recipe": Target("recipe.json", lambda _: [to_json(RECIPE).encode()], of_recipe),
    "settings": Target("settings", lambda _: [b"train.lr=3e-5\nmashup.rate=(0.8,1.2)\nname=b\n"], of_settings),
    "values": Target("mashup.json", as_json({"length_s": [1, 2], "noisy": 0.5, "parts": ["mix"]}), of_values),
    "space": Target("space.json", as_json(SPACE), of_space),
    "notebook": Target("a.ipynb", as_json(CELLS | {"nbformat_minor": 5}), of_notebook),
    "blend": Target("mix.json", blend_seeds, of_blend),
    "weights": Target(run_folder.WEIGHTS, made(weights_of, run_folder.WEIGHTS), of_weights),
    "state": Target(run_folder.STATE, made(state_of, run_folder.STATE), of_state),
    "predictions": Target("oof.npz", made(predictions_of, "o.npz"), of_predictions),
    "embeddings": Target("shard.npz", arrays_seed, of_embeddings),
    "journal": Target("j", lambda _: [NOTED], of_journal),
    "lease": Target(LEASE, as_json({"machine": "m", "holder": "process 1", "token": "t"}), of_lease),
    "fetched": Target(
        RECORD, as_json({"a": {"kernel": "k", "content": "c", "size": 1, "local_size": 1, "mtime_ns": 1}}), of_record
    ),
    "kernel_log": Target("log", as_json([{"stream_name": "stdout", "data": "a\n"}]), of_log),
    "study": Target(STUDY_JOURNAL, study_seed, of_study),
    "bank_card": Target("bank.json", lambda _: [bank_parts()[0]], of_bank_card),
    "bank_plan": Target("plan.json", plan_seed, of_bank_plan),
    "checkpoint": Target("config.json", as_json({"hidden_size": 768}), _read_json),
}
