"""Training that is killed and started again ends in the same bits as training that is not."""

import random
import signal
from pathlib import Path

import pytest

import tiny
from kill_harness import KillHarness
from messy_mashup.data import bank_build
from messy_mashup.errors import STOPPED_STATUS


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> tuple[Path, Path]:
    root = tiny.write_tiny_corpus(tmp_path_factory.mktemp("corpus") / "tiny")
    bank = tmp_path_factory.mktemp("banks") / "tiny"
    bank_build.build("messy_mashup", root, bank, workers=1)
    return root, bank


def harness(corpus: tuple[Path, Path], folds: str, *more: str, threads: int = 1) -> KillHarness:
    """Training of the tiny recipe into a folder that a trial gives."""
    root, bank = corpus

    def arguments(runs: Path) -> list[str]:
        place = ["--data", str(root), "--bank", str(bank), "--runs", str(runs)]
        return [tiny.RECIPE, "--folds", folds, *place, *tiny.settings(), *more]

    return KillHarness("train.py", arguments, tiny.PRELOAD, threads, ignored=_left_alone)


def _left_alone(name: str) -> bool:
    """A member's folder is cleared of half-written files by its next run; the plan's is not, for others read it.
    TensorBoard's files hold the time of day.
    """
    return (name.startswith("folds/") and name.endswith(".partial")) or "/tensorboard/" in name


# Everything that has a state of its own, or draws: the loss's scale, averaged weights, restarts, pictures, mixup.
EVERYTHING = [
    "train.precision=float16",
    "train.ema=0.9",
    "train.restarts=1",
    "train.accumulate=2",
    "train.clip_norm=1",
    "train.layer_lr=0.8",
    "augment.mixup=0.4",
    "augment.pictures=0.5",
]


@pytest.fixture(scope="module")
def training(corpus) -> KillHarness:
    return harness(corpus, "0,all", *(word for setting in EVERYTHING for word in ("--set", setting)))


@pytest.fixture(scope="module")
def undisturbed(training, tmp_path_factory):
    return training.undisturbed(tmp_path_factory.mktemp("undisturbed"))


def test_undisturbed_run_leaves_every_file_and_repeats_to_the_bit(training, undisturbed, tmp_path):
    tree, _, replaces = undisturbed
    run = tiny.RECIPE
    left = {"recipe.json", "weights.safetensors", "metrics.csv", "learning_curves.png", "test.npz"}
    assert {f"{run}/fold0/{name}" for name in left | {"oof.npz"}} <= tree.keys()
    assert {f"{run}/all/{name}" for name in left} <= tree.keys()
    assert f"{run}/all/oof.npz" not in tree
    assert f"{run}/all/state.safetensors" not in tree
    assert replaces > 15
    assert training.undisturbed(tmp_path)[0] == tree


@pytest.mark.parametrize("place", range(4))
def test_killed_at_a_random_moment(training, undisturbed, tmp_path, place):
    tree, seconds, _ = undisturbed
    trial = training.killed_after(tmp_path, random.Random(place).uniform(place, place + 1) / 4 * seconds)
    assert trial.tree == tree, trial.killed


def test_told_to_end_it_saves_the_step_and_goes_on_to_the_same_bits(training, undisturbed, tmp_path):
    tree, seconds, _ = undisturbed
    statuses = []
    for place in range(4):
        status, trial = training.terminated_after(tmp_path / str(place), (0.3 + 0.15 * place) * seconds)
        assert trial.tree == tree, trial.killed
        statuses.append(status)
    # Before it trains, a command simply ends; after its last step it comes to its end.
    assert set(statuses) <= {STOPPED_STATUS, -signal.SIGTERM, 0}
    assert STOPPED_STATUS in statuses


@pytest.mark.slow
def test_killed_at_twenty_moments_spread_over_a_run(training, undisturbed, tmp_path):
    tree, seconds, _ = undisturbed
    trials = [training.killed_after(tmp_path / str(place), (place + 0.5) / 20 * seconds) for place in range(20)]
    for trial in trials:
        assert trial.tree == tree, trial.killed
    # A machine that is less busy than in the undisturbed run is done before the last moments come.
    assert sum(trial.reached for trial in trials) >= 10


@pytest.mark.slow
def test_two_threads_and_bfloat16_end_in_the_same_bits_too(corpus, tmp_path):
    training = harness(corpus, "0", "--set", "train.precision=bfloat16", "--set", "train.ema=0.9", threads=2)
    tree, seconds, replaces = training.undisturbed(tmp_path / "undisturbed")
    trials = [training.killed_after(tmp_path / f"{share}", share * seconds) for share in (0.3, 0.5, 0.7)]
    trials.append(training.killed_at_replace(tmp_path / "replace", replaces // 2, "after"))
    for trial in trials:
        assert trial.tree == tree, trial.killed


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_every_replace(training, undisturbed, tmp_path, when):
    tree, _, replaces = undisturbed
    for number in range(replaces):
        trial = training.killed_at_replace(tmp_path / str(number), number, when)
        assert trial.reached, trial.killed
        assert trial.tree == tree, trial.killed


def test_killed_around_the_replaces_of_the_first_epoch(training, undisturbed, tmp_path):
    tree = undisturbed[0]
    for number, when in [(3, "before"), (4, "after"), (5, "before"), (6, "after"), (7, "before")]:
        trial = training.killed_at_replace(tmp_path / f"{number}{when}", number, when)
        assert trial.reached, trial.killed
        assert trial.tree == tree, trial.killed
