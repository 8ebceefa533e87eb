"""A study on a real Ray cluster of this machine ends as one without, whatever is killed."""

import os
import re
import signal
from pathlib import Path

import pandas as pd
import pytest

import tiny
from messy_mashup.training.claimed_folder import CLAIM
from test_ray_fleet import (  # noqa: F401
    PATIENCE_S,
    alive,
    cluster_fixture,
    parent_of,
    started,
    wait_until,
    yard_fixture,
)

pytest.importorskip("optuna", reason="optuna is not installed")
TRIALS, EPOCHS = 3, 4
LONGER = ["--set", f"train.epochs={EPOCHS}", "--set", "train.mashups_per_epoch=64"]
STUDY = Path("studies") / tiny.RECIPE


@pytest.fixture(name="asked", scope="module")
def asked_fixture(yard) -> list[str]:
    """What is asked of both commands: so few trials are drawn by number and seed alone, and none is pruned."""
    space = yard.root / "space.json"
    space.write_text('{"train.lr": {"low": 1e-4, "high": 1e-2, "log": true}}')
    return ["--space", str(space), "--trials", str(TRIALS), *tiny.settings(), *LONGER]


def trials(runs: Path) -> pd.DataFrame:
    return pd.read_csv(runs / STUDY / "trials.csv", keep_default_na=False, na_values={"value": [""]})


def finished(runs: Path) -> list[tuple]:
    """What was trained and what came of it, in the order of the settings."""
    rows = trials(runs)
    rows = rows[rows["state"].isin(["complete", "pruned"])]
    return sorted(rows[["train.lr", "folder", "state", "epochs", "value"]].itertuples(index=False, name=None))


def epochs(folder: Path) -> list[int]:
    metrics = folder / "metrics.csv"
    return pd.read_csv(metrics)["epoch"].tolist() if metrics.exists() else []


def trial_in_training(runs: Path) -> tuple[str, int]:
    """A trial that has an epoch behind it and one before it, by its folder, and the process that trains it."""
    found = []

    def look() -> bool:
        for claim in runs.glob(f"{STUDY}/trials/*/*/{CLAIM}"):
            told = re.match(r"process (\d+) ", claim.read_text())
            if told and 1 <= len(epochs(claim.parent)) < EPOCHS - 1 and alive(int(told[1])):
                found.append((claim.parent.relative_to(runs / STUDY).as_posix(), int(told[1])))
        return bool(found)

    wait_until(look, "no trial was seen in training")
    return found[0]


def test_a_worker_is_killed_and_the_study_ends_with_the_same_best(yard, cluster, asked, tmp_path):
    plain, runs = tmp_path / "plain", tmp_path / "runs"
    alone = started("tune.py", [tiny.RECIPE, *asked, "--devices", "cpu", *yard.place(plain)])
    words = ["--study", tiny.RECIPE, *asked, *yard.place(runs), "--workers", "2", "--address", cluster.ray.address]
    fleet = started("fleet.py", words)
    folder, child = trial_in_training(runs)
    os.kill(parent_of(child), signal.SIGKILL)
    wait_until(lambda: not alive(child), "a trial outlives its worker")
    before = epochs(runs / STUDY / folder)
    told = fleet.communicate(timeout=PATIENCE_S)[0]
    assert fleet.returncode == 0, told
    assert re.search(r"worker\d waits again: WorkerCrashedError", told)
    assert alone.wait(PATIENCE_S) == 0
    assert finished(runs) == finished(plain)
    assert (runs / STUDY / "best.json").read_bytes() == (plain / STUDY / "best.json").read_bytes()
    # The trial went on from where it was, and every one was trained once
    rows = trials(runs)
    assert rows.loc[rows["folder"] == folder, "state"].tolist() == ["interrupted", "complete"]
    assert len(rows) == TRIALS + 1
    assert len(before) >= 1
    assert all(epochs(place.parent) == [1, 2, 3, 4] for place in runs.glob(f"{STUDY}/trials/*/*/metrics.csv"))
    logs = "".join(path.read_text() for path in runs.glob(f"{STUDY}/worker*/train.log"))
    assert len(re.findall(r"trial \d+: val_macro_f1", logs)) == TRIALS
