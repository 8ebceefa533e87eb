"""The fault matrix: what each command does when it is killed, when the disk is full, and when it may not write.

command  fault                      what the user sees                              the same command again
-------  -------------------------  ----------------------------------------------  ------------------------------------
each     killed at a replace        nothing                                         ends as if it had not been killed
each     disk full                  the file, how much is free, what to do          the same, once there is room
each     read-only output           the file or folder, and what to do              the same, once it may write

Other rows: bytes that changed (test_faults_bytes.py), memory (test_faults_memory.py), the clock and two processes
(test_faults_times.py), submissions (test_faults_submit.py), builds and training killed (test_bank_killed.py,
test_train_killed.py).
"""

import re

import pytest

from fault_stages import Stages, stages_fixture  # noqa: F401
from messy_mashup.competition import ledger

COMMANDS = ("build", "train", "blend", "infer")
# What is left on the disk is enough for the command to begin, and too little for it to end.
LEFT_KB = {"build": 16, "train": 300, "blend": 8, "infer": 4}
SENTENCES = {
    ("full", "build"): r"error: .*: the bank needs [\d.]+ MB here, [\d.]+ MB are free",
    ("full", "train"): r"error: the disk is full.*\.safetensors could not be written, what was whole before still is",
    ("full", "blend"): r"error: the disk is full.* could not be written, what was whole before still is",
    ("full", "infer"): r"error: the disk is full.* could not be written, what was whole before still is",
    ("read-only", "build"): r"error: \S*tiny\.lock cannot be written .*name a folder that can be written",
    ("read-only", "train"): r"error: \S* cannot be written .*name a folder that can be written",
    ("read-only", "blend"): r"error: \S* cannot be written .*name a folder that can be written",
    ("read-only", "infer"): r"error: \S* cannot be written .*name a folder that can be written",
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("fault", ["full", "read-only"])
def test_a_disk_that_takes_nothing_is_told_and_the_next_run_is_right(stages, tmp_path, command, fault):
    seen = stages.disturbed(command, tmp_path / "trial", fault, LEFT_KB[command])
    if seen is None:
        pytest.skip("this machine does not let a test mount a small disk of its own")
    assert seen.status == 2, seen.said
    assert "Traceback" not in seen.said
    assert re.search(SENTENCES[fault, command], seen.said.splitlines()[-1])
    assert seen.again == 0
    assert seen.tree == stages.right(command)
    if command == "infer":
        assert_one_entry(seen.folder)


KILLS = [("blend", 1), ("infer", 0), ("infer", 1), ("infer", 2)]
EVERY = [(command, number) for command in ("blend", "infer") for number in range(8) if (command, number) not in KILLS]


@pytest.mark.parametrize(
    ("command", "number"), [*KILLS, *(pytest.param(*kill, marks=pytest.mark.slow) for kill in EVERY)]
)
@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_a_replace_the_next_run_is_right(stages, tmp_path, command, number, when):
    out = stages.begun(command, tmp_path / "out")
    trial = stages.harness(command).killed_at_replace(out, number, when)
    assert trial.tree == stages.right(command), trial.killed
    if command == "infer":
        assert_one_entry(out)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["blend", "infer"])
def test_killed_at_moments_spread_over_a_run_the_next_run_is_right(stages, tmp_path, command):
    harness = stages.harness(command)
    _, seconds, replaces = harness.undisturbed(stages.begun(command, tmp_path / "undisturbed"))
    assert replaces >= 3
    for place in range(10):
        trial = harness.killed_after(stages.begun(command, tmp_path / str(place)), (place + 0.5) / 10 * seconds)
        assert trial.tree == stages.right(command), trial.killed


def assert_one_entry(out) -> None:
    """The ledger's last row is of a CSV that is there, whatever a killed run had left beside it."""
    rows = ledger.read(out / "submissions" / "scores.csv")
    assert len(rows) >= 1
    assert rows["file"].is_unique
    csv = out / "submissions" / rows["file"].iloc[-1]
    assert csv.read_text().splitlines()[0] == "id,genre"
    assert len(csv.read_text().splitlines()) == 3
