"""Training within a time, by several processes, and from what an earlier kernel left."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import tiny
from kill_harness import KillHarness, tree_digests
from messy_mashup.data import bank_build
from messy_mashup.errors import STOPPED_STATUS
from messy_mashup.paths import REPOSITORY
from messy_mashup.training.claimed_folder import claimed
from messy_mashup.training.run_folder import load_weights

FOLDER = Path("messy_mashup_resnet34_demo/fold0")


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> list[str]:
    """The arguments that name a tiny corpus and its bank."""
    root = tiny.write_tiny_corpus(tmp_path_factory.mktemp("corpus") / "tiny")
    bank = tmp_path_factory.mktemp("banks") / "tiny"
    bank_build.build("messy_mashup", root, bank, workers=1)
    return ["--data", str(root), "--bank", str(bank)]


@pytest.fixture(scope="module")
def training(place) -> KillHarness:
    def arguments(runs: Path) -> list[str]:
        return [tiny.RECIPE, "--folds", "0", *place, "--runs", str(runs), *tiny.settings()]

    return KillHarness("train.py", arguments, tiny.PRELOAD, ignored=lambda name: "/tensorboard/" in name)


@pytest.fixture(scope="module")
def whole(training, tmp_path_factory) -> dict[str, str]:
    """What one long session leaves."""
    return training.undisturbed(tmp_path_factory.mktemp("whole") / "runs")[0]


def test_sessions_of_no_time_each_do_a_step_and_end_where_one_long_session_does(training, whole, tmp_path):
    runs = tmp_path / "runs"
    sessions = [training.session(runs, "--hours", "1e-6") for _ in range(3)]
    # Two epochs of two steps: a session stops after the first step of an epoch, or before the test mashups.
    assert [status for status, _ in sessions] == [STOPPED_STATUS] * 3
    said = [said for _, said in sessions]
    assert "1e-06 hours since this command's start are over" in said[0]
    assert "epoch 1 of 2, step 1 of 2" in said[0]
    assert "epoch 2 of 2, step 1 of 2" in said[1]
    assert "the member itself is trained" in said[2]
    assert all(f"Left: {FOLDER}" in one for one in said)
    assert training.session(runs)[0] == 0
    assert tree_digests(runs, training.ignored) == whole


def test_a_folder_that_another_command_trains_is_refused_with_its_holder(training, tmp_path):
    runs = tmp_path / "runs"
    with claimed(runs / FOLDER):
        status, said = training.session(runs)
    assert status == 2
    assert f"is being trained by process {os.getpid()}" in said


def test_the_next_kernel_goes_on_from_the_attached_output(training, whole, tmp_path):
    for session in range(2):
        assert training.session(tmp_path / "first", "--hours", "1e-6")[0] == STOPPED_STATUS, session
    attached = tmp_path / "input" / "notebooks" / "me" / "train-resnet34" / "runs"
    shutil.copytree(tmp_path / "first", attached)
    runs = tmp_path / "second"
    status, said = training.session(runs, "--hours", "1e-6", inputs=tmp_path / "input")
    assert status == STOPPED_STATUS
    assert "the member itself is trained" in said  # two sessions had left one step to do
    assert training.session(runs, inputs=tmp_path / "input")[0] == 0
    assert tree_digests(runs, training.ignored) == whole


def train(place: list[str], runs: Path, *words: str, launcher: tuple[str, ...] = ()) -> subprocess.CompletedProcess:
    """Train fold 0 of the tiny AST in fresh processes, with one thread each."""
    script = str(REPOSITORY / "src" / "train.py")
    command = [sys.executable, *launcher, script, "messy_mashup_ast_tiny", *place, "--runs", str(runs), *words]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})


def test_torchrun_trains_one_member_on_two_processes(place, tmp_path):
    settings = dict(tiny.SETTINGS) | {"backbone.width": "16", "backbone.layers": "1", "backbone.heads": "2"}
    settings.pop("backbone.widths")
    settings |= {"folds.count": "2", "train.precision": "float32"}
    words = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")] + ["--folds", "0"]
    alone = train(place, tmp_path / "alone", *words)
    assert alone.returncode == 0, alone.stderr[-3000:]
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    both = train(place, tmp_path / "both", *words, launcher=launcher)
    assert both.returncode == 0, both.stderr[-3000:]
    weights = [
        load_weights(tmp_path / name / "messy_mashup_ast_tiny" / "fold0" / "weights.safetensors")[0]
        for name in ("alone", "both")
    ]
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, rtol=0, atol=2e-4, msg=name)


@pytest.mark.slow
def test_a_fleet_of_two_seeds_leaves_the_bits_of_one_after_another(place, tmp_path):
    words = [tiny.RECIPE, "--folds", "0,1", *place, *tiny.settings()]
    script = str(REPOSITORY / "src" / "train.py")
    one_thread = os.environ | {"OMP_NUM_THREADS": "1"}
    runs = tmp_path / "fleet"
    command = [sys.executable, script, *words, "--runs", str(runs), "--seeds", "2", "--devices", "cpu," * 3 + "cpu"]
    fleet = subprocess.run(command, capture_output=True, text=True, env=one_thread)
    assert fleet.returncode == 0, fleet.stdout + fleet.stderr
    assert "4 of 4 members are done" in fleet.stdout
    for seed, name in ((0, tiny.RECIPE), (1, f"{tiny.RECIPE}_seed1")):
        alone = [sys.executable, script, *words, "--runs", str(tmp_path / "alone"), "--name", name]
        done = subprocess.run([*alone, "--set", f"train.seed={seed}"], capture_output=True, text=True, env=one_thread)
        assert done.returncode == 0, done.stderr
    left = [
        tree_digests(tmp_path / way, lambda name: "/tensorboard/" in name or name.endswith("train.log"))
        for way in ("fleet", "alone")
    ]
    assert left[0] == left[1]
