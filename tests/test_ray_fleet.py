"""A fleet on a real Ray cluster of two nodes on this machine: what is lost is taken up, and ends in the same bytes."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import tiny
from kill_harness import tree_digests
from messy_mashup import paths
from messy_mashup.data import bank_build
from messy_mashup.errors import STOPPED_STATUS
from messy_mashup.training.child_process import LOG
from messy_mashup.training.claimed_folder import CLAIM

pytest.importorskip("ray", reason="ray is not installed")
EPOCHS, PATIENCE_S = 6, 300
SEEDS = 2
# Long enough to be killed in: an epoch takes some tenths of a second
LONGER = ["--set", f"train.epochs={EPOCHS}", "--set", "train.mashups_per_epoch=128"]
FOLDS = ["--folds", "0,all", "--seeds", str(SEEDS)]
MEMBERS = [f"{tiny.RECIPE}{seed}/{fold}" for seed in ("", "_seed1") for fold in ("fold0", "all")]


class Cluster:
    """Two nodes of one core each, for the drivers that a test starts."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster as RayCluster

        small = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
        self.small = small
        self.ray = RayCluster(initialize_head=True, head_node_args={**small, "include_dashboard": False})
        self.second = self.ray.add_node(**small)

    def second_raylet(self) -> int:
        """The process that starts the workers of the second node."""
        return self.second.all_processes["raylet"][0].process.pid

    def lose_second_node(self) -> None:
        self.ray.remove_node(self.second, allow_graceful=False)

    def mend(self) -> None:
        self.second = self.ray.add_node(**self.small)


class Yard:
    """A tiny corpus with its bank, and the commands on it."""

    def __init__(self, root: Path) -> None:
        self.root, self.data, self.bank = root, tiny.write_tiny_corpus(root / "tiny"), root / "bank"
        bank_build.build("messy_mashup", self.data, self.bank, workers=1)

    def place(self, runs: Path) -> list[str]:
        return ["--data", str(self.data), "--bank", str(self.bank), "--runs", str(runs)]

    def fleet(self, runs: Path, *more: str) -> subprocess.Popen:
        """The command of a fleet, as a user would type it."""
        words = ["--recipes", tiny.RECIPE, *FOLDS, *tiny.settings(), *LONGER, *self.place(runs), *more]
        return started("fleet.py", words)

    def blend(self, runs: Path) -> bytes:
        """What blend.py makes of the members: the JSON of the blend in use."""
        names = [tiny.RECIPE, f"{tiny.RECIPE}_seed1"]
        assert started("blend.py", [*names, "--runs", str(runs), "--name", "tiny"]).wait(PATIENCE_S) == 0
        return (runs / "blend.json").read_bytes()


def started(script: str, words: list[str]) -> subprocess.Popen:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(paths.REPOSITORY / "src" / script), *words]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.fixture(scope="module", name="cluster")
def cluster_fixture():
    cluster = Cluster()
    yield cluster
    cluster.ray.shutdown()


@pytest.fixture(scope="module", name="yard")
def yard_fixture(tmp_path_factory) -> Yard:
    return Yard(tmp_path_factory.mktemp("yard"))


@pytest.fixture(scope="module")
def sequential(yard) -> Path:
    """The runs of train.py, one member after another."""
    runs = yard.root / "sequential"
    for seed in range(SEEDS):
        words = ["--folds", "0,all", "--name", f"{tiny.RECIPE}_seed{seed}" if seed else tiny.RECIPE]
        words += [*tiny.settings(), *LONGER, "--set", f"train.seed={seed}", *yard.place(runs)]
        process = started("train.py", [tiny.RECIPE, *words])
        assert process.wait(PATIENCE_S) == 0, process.stdout.read()
    return runs


def trained(runs: Path) -> dict[str, str]:
    """The bytes of the members; logs and event files hold the time of day."""
    return tree_digests(
        runs, lambda name: name.endswith(LOG) or "tensorboard" in name or not name.startswith(tiny.RECIPE)
    )


def child_of(runs: Path, member: str) -> int:
    """The id of the process that trains a member, 0 where none does."""
    claim = runs / member / CLAIM
    found = re.match(r"process (\d+) ", claim.read_text()) if claim.exists() else None
    return int(found[1]) if found else 0


def epochs(runs: Path, member: str) -> int:
    metrics = runs / member / "metrics.csv"
    return len(pd.read_csv(metrics)) if metrics.exists() else 0


def parent_of(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def wait_until(holds: Callable[[], object], otherwise: str) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline_s, otherwise
        time.sleep(0.02)


def in_training(runs: Path, excluded: frozenset[str] = frozenset(), raylet: int = 0) -> tuple[str, int]:
    """A member that has begun its second epoch, on the node of that raylet if one is named, and its process."""
    found = []

    def look() -> bool:
        for member in MEMBERS:
            child = child_of(runs, member)
            child = child if child and 1 <= epochs(runs, member) < EPOCHS - 1 else 0
            if child and member not in excluded and (not raylet or parent_of(parent_of(child)) == raylet):
                found.append((member, child))
                return True
        return False

    wait_until(look, "no member was seen in training")
    return found[0]


def test_worker_node_and_driver_are_killed_and_nothing_is_lost_or_done_twice(yard, cluster, sequential, tmp_path):
    runs = tmp_path / "runs"
    first = yard.fleet(runs, "--address", cluster.ray.address)
    member, child = in_training(runs)
    os.kill(parent_of(child), signal.SIGKILL)
    wait_until(lambda: not Path(f"/proc/{child}").exists(), "a member outlives its worker")
    on_second, child = in_training(runs, frozenset({member}), cluster.second_raylet())
    cluster.lose_second_node()
    wait_until(lambda: not Path(f"/proc/{child}").exists(), "a member outlives its node")
    cluster.mend()
    _, child = in_training(runs, frozenset({member, on_second}))
    first.kill()
    told = first.communicate()[0]
    wait_until(
        lambda: not any(child_of(runs, name) and alive(child_of(runs, name)) for name in MEMBERS), "still training"
    )
    assert f"{member} waits again: WorkerCrashedError" in told
    assert f"{on_second} waits again: " in told
    second = yard.fleet(runs, "--address", cluster.ray.address)
    told = second.communicate(timeout=PATIENCE_S)[0]
    assert second.returncode == 0, told
    assert "4 of 4 members are done" in told
    assert trained(runs) == trained(sequential)
    assert yard.blend(runs) == yard.blend(sequential)


def alive(process: int) -> bool:
    return Path(f"/proc/{process}").exists()


@pytest.mark.slow
def test_told_to_end_it_saves_and_the_same_command_goes_on(yard, cluster, sequential, tmp_path):
    runs = tmp_path / "runs"
    first = yard.fleet(runs, "--address", cluster.ray.address)
    in_training(runs)
    first.terminate()
    told = first.communicate(timeout=PATIENCE_S)[0]
    assert first.returncode == STOPPED_STATUS, told
    assert re.search(r"stopped: SIGTERM; \d of 4 members are done; left: ", told)
    assert list(runs.glob("*/*/state.safetensors"))
    second = yard.fleet(runs, "--address", cluster.ray.address)
    told = second.communicate(timeout=PATIENCE_S)[0]
    assert second.returncode == 0, told
    assert trained(runs) == trained(sequential)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--address", "127.0.0.1:1"), "no Ray cluster answers at 127.0.0.1:1"),
        (("--gpus", "2"), "--gpus 2: no node has more than 0 GPUs, so nothing would ever run"),
    ],
)
def test_what_cannot_work_is_a_sentence(yard, cluster, tmp_path, words, sentence):
    words = words if "--address" in words else (*words, "--address", cluster.ray.address)
    fleet = yard.fleet(tmp_path / "runs", *words)
    told = fleet.communicate(timeout=PATIENCE_S)[0]
    assert fleet.returncode == 2
    assert f"error: {sentence}" in told
