"""Training within a time, by several processes, and from what an earlier kernel left."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import tiny
from kill_harness import tree_digests
from messy_mashup.data import bank_build
from messy_mashup.errors import STOPPED_STATUS
from messy_mashup.paths import REPOSITORY
from messy_mashup.training.claim import claimed
from messy_mashup.training.run_folder import load_weights

FOLDER = Path("messy_mashup_resnet34_demo/fold0")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> list[str]:
    """The arguments that name a tiny corpus and its bank."""
    root = tiny.write_tiny_corpus(tmp_path_factory.mktemp("corpus") / "tiny")
    bank = tmp_path_factory.mktemp("banks") / "tiny"
    bank_build.build("messy_mashup", root, bank, workers=1)
    return ["--data", str(root), "--bank", str(bank)]


def train(
    corpus: list[str], runs: Path, *words: str, recipe: str = tiny.RECIPE, launcher: tuple[str, ...] = (), **more
):
    """One call of train.py, with one thread."""
    command = [sys.executable, *launcher, str(REPOSITORY / "src" / "train.py"), recipe, *corpus, "--runs", str(runs)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"} | more
    return subprocess.run([*command, *words], capture_output=True, text=True, env=environment)


def test_sessions_of_no_time_each_do_a_step_and_end_where_one_long_session_does(corpus, tmp_path):
    words = ["--folds", "0", *tiny.settings()]
    whole = train(corpus, tmp_path / "whole", *words)
    assert whole.returncode == 0, whole.stderr
    sessions = []
    while not sessions or sessions[-1].returncode == STOPPED_STATUS:
        sessions.append(train(corpus, tmp_path / "parts", *words, "--hours", "1e-6"))
    # Two epochs of two steps: each session stops after the first step of an epoch, or when only the test is left.
    assert [session.returncode for session in sessions] == [STOPPED_STATUS] * (len(sessions) - 1) + [0]
    assert 3 <= len(sessions) <= 4
    assert "1e-06 hours since this command's start are over" in sessions[0].stderr
    assert "epoch 1 of 2, step 1 of 2" in sessions[0].stderr
    assert f"Left: {FOLDER}" in sessions[0].stderr
    left = [tree_digests(tmp_path / name / FOLDER, lambda name: "tensorboard" in name) for name in ("whole", "parts")]
    assert left[0] == left[1]


def test_a_folder_that_another_command_trains_is_refused_with_its_holder(corpus, tmp_path):
    with claimed(tmp_path / FOLDER):
        second = train(corpus, tmp_path, "--folds", "0", *tiny.settings())
    assert second.returncode == 2
    assert f"is being trained by process {os.getpid()}" in second.stderr


def test_the_next_kernel_goes_on_from_the_attached_output(corpus, tmp_path, monkeypatch):
    words = ["--folds", "0", *tiny.settings()]
    first = train(corpus, tmp_path / "first", *words, "--hours", "1e-6")
    assert first.returncode == STOPPED_STATUS
    inputs = tmp_path / "input"
    shutil.copytree(tmp_path / "first", inputs / "notebooks" / "me" / "train-resnet34" / "runs")
    code = (
        "import runpy, sys; from pathlib import Path; from messy_mashup import paths; "
        f"paths.inputs = lambda: Path({str(inputs)!r}); "
        f"sys.argv[0] = 'train.py'; runpy.run_path({str(REPOSITORY / 'src' / 'train.py')!r}, run_name='__main__')"
    )
    command = [sys.executable, "-c", code, tiny.RECIPE, *corpus, "--runs", str(tmp_path / "second"), *words]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY / "src")}
    second = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert second.returncode == 0, second.stderr
    assert "goes on from" in second.stdout
    whole = train(corpus, tmp_path / "whole", *words)
    assert whole.returncode == 0
    left = [tree_digests(tmp_path / name / FOLDER, lambda name: "tensorboard" in name) for name in ("whole", "second")]
    assert left[0] == left[1]


def test_torchrun_trains_one_member_on_two_processes(corpus, tmp_path):
    settings = dict(tiny.SETTINGS) | {"backbone.width": "16", "backbone.layers": "1", "backbone.heads": "2"}
    settings.pop("backbone.widths")
    settings |= {"folds.count": "2", "augment.masks": "0", "augment.equaliser_db": "0", "train.precision": "float32"}
    words = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")] + ["--folds", "0"]
    alone = train(corpus, tmp_path / "alone", *words, recipe="messy_mashup_ast_tiny")
    assert alone.returncode == 0, alone.stderr
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    both = train(corpus, tmp_path / "both", *words, recipe="messy_mashup_ast_tiny", launcher=launcher)
    assert both.returncode == 0, both.stderr[-3000:]
    weights = [
        load_weights(tmp_path / name / "messy_mashup_ast_tiny" / "fold0" / "weights.safetensors")[0]
        for name in ("alone", "both")
    ]
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, rtol=0, atol=2e-4, msg=name)
