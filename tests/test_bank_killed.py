"""A build that is killed goes on when it is run again and leaves the same bytes as one that was not."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from example_trees import noise_wave, write_messy_mashup, write_wave
from messy_mashup import paths
from messy_mashup.data.bank import Bank
from messy_mashup.data.bank_build import build
from messy_mashup.errors import UserError

CORPUS = "messy_mashup"
FILES = ("samples.int16", "index.csv")
# Kills its process group just before or just after the n-th os.replace.
KILLED_AT_REPLACE = """
import os, signal, sys
from pathlib import Path
from messy_mashup.data.bank_build import build
replace, calls = os.replace, []
def fatal(*paths):
    calls.append(paths)
    if len(calls) == int(sys.argv[3]) and sys.argv[4] == "before":
        os.killpg(0, signal.SIGKILL)
    replace(*paths)
    if len(calls) == int(sys.argv[3]):
        os.killpg(0, signal.SIGKILL)
os.replace = fatal
build("messy_mashup", Path(sys.argv[1]), Path(sys.argv[2]), 1)
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("killed") / "data"
    write_messy_mashup(root, songs=12, seconds=2)
    return root


@pytest.fixture(scope="module")
def undisturbed(data: Path) -> Bank:
    return build(CORPUS, data, data.parent / "undisturbed", workers=1)


def started(*command: object) -> subprocess.Popen:
    """The command in a process group of its own."""
    environment = {**os.environ, "PYTHONPATH": str(paths.REPOSITORY / "src")}
    return subprocess.Popen(
        [sys.executable, *map(str, command)],
        env=environment,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def started_build(data: Path, folder: Path) -> subprocess.Popen:
    return started(paths.REPOSITORY / "src/build.py", "--data", data, "--bank", folder, "--workers", 2)


def journal_lines(folder: Path) -> int:
    journal = folder.with_name(f"{folder.name}.partial") / "journal.jsonl"
    return journal.read_bytes().count(b"\n") if journal.is_file() else 0


def wait_for_lines(building: subprocess.Popen, folder: Path, lines: int) -> None:
    while journal_lines(folder) < lines and building.poll() is None:
        time.sleep(0.001)


def assert_goes_on_to_the_same(data: Path, folder: Path, undisturbed: Bank) -> None:
    bank = build(CORPUS, data, folder)
    for name in FILES:
        assert (folder / name).read_bytes() == (undisturbed.root / name).read_bytes(), name
    assert bank.digest == undisturbed.digest
    left = {path.name for path in folder.parent.iterdir()}
    assert left == {folder.name, f"{folder.name}.lock"}


def test_killed_again_and_again_at_random_it_ends_in_the_same_bytes(
    data: Path, undisturbed: Bank, tmp_path: Path
) -> None:
    folder = tmp_path / "bank"
    chance = random.Random(0)
    for _ in range(4):
        building = started_build(data, folder)
        wait_for_lines(building, folder, journal_lines(folder) + chance.randrange(1, 25))
        time.sleep(chance.uniform(0, 0.02))
        os.killpg(building.pid, signal.SIGKILL)
        building.wait()
        if not folder.exists():
            with pytest.raises(UserError):
                Bank.open(folder)
    assert_goes_on_to_the_same(data, folder, undisturbed)


@pytest.mark.slow
def test_killed_at_times_uniform_over_a_build_it_ends_in_the_same_bytes(
    data: Path, undisturbed: Bank, tmp_path: Path
) -> None:
    begun_s = time.perf_counter()
    assert started_build(data, tmp_path / "timed" / "bank").wait() == 0
    whole_s = time.perf_counter() - begun_s
    for number in range(20):
        folder = tmp_path / str(number) / "bank"
        building = started_build(data, folder)
        time.sleep(whole_s * (number + 0.5) / 20)
        os.killpg(building.pid, signal.SIGKILL)
        building.wait()
        assert_goes_on_to_the_same(data, folder, undisturbed)


# plan, index, card, and the two steps by which the new bank takes the old one's place
@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("number", [1, 2, 3, 4, 5])
def test_killed_at_a_replace_it_ends_in_the_same_bytes(
    data: Path, undisturbed: Bank, tmp_path: Path, number: int, when: str
) -> None:
    folder = tmp_path / "banks" / "bank"
    write_messy_mashup(tmp_path / "old", songs=1)
    build(CORPUS, tmp_path / "old", folder, workers=1)
    building = started("-c", KILLED_AT_REPLACE, data, folder, number, when)
    assert building.wait() == -signal.SIGKILL
    assert_goes_on_to_the_same(data, folder, undisturbed)


def test_workers_end_when_only_their_parent_is_killed(data: Path, undisturbed: Bank, tmp_path: Path) -> None:
    folder = tmp_path / "bank"
    building = started_build(data, folder)
    wait_for_lines(building, folder, 5)
    os.kill(building.pid, signal.SIGKILL)
    building.wait()
    deadline_s = time.monotonic() + 5
    while group_lives(building.pid):
        assert time.monotonic() < deadline_s, "workers outlive their parent"
        time.sleep(0.02)
    assert_goes_on_to_the_same(data, folder, undisturbed)


def test_ctrl_c_ends_with_a_sentence_and_loses_nothing(data: Path, undisturbed: Bank, tmp_path: Path) -> None:
    folder = tmp_path / "bank"
    building = started_build(data, folder)
    wait_for_lines(building, folder, 5)
    os.killpg(building.pid, signal.SIGINT)
    _, told = building.communicate()
    assert building.returncode == 130
    assert b"run the same command again to go on" in told
    assert b"Traceback" not in told
    assert journal_lines(folder) >= 5
    assert_goes_on_to_the_same(data, folder, undisturbed)


def test_torn_slots_and_torn_lines_are_done_again(data: Path, undisturbed: Bank, tmp_path: Path, capsys) -> None:
    folder = tmp_path / "bank"
    building = started_build(data, folder)
    wait_for_lines(building, folder, 10)
    os.killpg(building.pid, signal.SIGKILL)
    building.wait()
    partial = folder.with_name("bank.partial")
    lines = (partial / "journal.jsonl").read_text().splitlines()
    torn = {clip["clip"]: clip for clip in json.loads((partial / "plan.json").read_text())["clips"]}
    offset = torn[json.loads(lines[1])[0]]["offset"]
    with (partial / "samples.int16").open("r+b") as samples:
        samples.seek(2 * offset)
        samples.write(b"torn")
    (partial / "journal.jsonl").write_text("\n".join([*lines[:8], lines[8][:40]]))
    assert_goes_on_to_the_same(data, folder, undisturbed)
    assert "7 of 123 clips are there already" in capsys.readouterr().out


def test_data_that_change_between_two_attempts(data: Path, tmp_path: Path, capsys) -> None:
    changing, folder = tmp_path / "data", tmp_path / "banks" / "bank"
    write_messy_mashup(changing, songs=12, seconds=2)
    building = started_build(changing, folder)
    wait_for_lines(building, folder, 20)
    os.killpg(building.pid, signal.SIGKILL)
    building.wait()
    for part in ("bass", "drums", "other", "vocals"):
        write_wave(changing / f"genres_stems/blues/blues.00000/{part}.wav", noise_wave(1, 1.5))
    fresh = build(CORPUS, changing, tmp_path / "fresh")
    capsys.readouterr()
    assert_goes_on_to_the_same(changing, folder, fresh)
    assert "of 123 clips are there already" in capsys.readouterr().out


def group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
