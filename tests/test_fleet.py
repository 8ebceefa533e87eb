"""A fleet keeps every device busy, outlives a member that fails, stops in time, and goes on with what is left.

Its members are a stand-in for train.py that trains until the test lets it go, so that what is asserted is the order of
events and not how fast this machine is.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

from messy_mashup import paths
from messy_mashup.errors import STOPPED_STATUS, Stopped, UserError
from messy_mashup.training import fleet
from messy_mashup.training.child_process import LOG
from messy_mashup.training.fleet import devices_named, train_fleet
from messy_mashup.training.fleet_table import Member
from messy_mashup.training.run_folder import is_complete
from messy_mashup.training.stop import HANDED_ON, Stop

PATIENCE_S = 60
RECIPE = '{"train": {"epochs": 2}}'
STAND_IN = """
import json, os, sys, time
from pathlib import Path
import numpy as np
from safetensors.numpy import save_file
from messy_mashup.errors import Stopped, UserError, run_script
from messy_mashup.training.claimed_folder import claimed
from messy_mashup.training.stop import Stop

folder, gates, how, option, device = Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:]
assert option == "--devices"

def tell(event):
    with (gates / "events").open("a") as events:
        events.write(f"{event} {folder.name}\\n")

def main():
    with Stop.after(8.5) as stop, claimed(folder):
        names = ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS")
        (folder / "given").write_text(" ".join([device, *(os.environ.get(name, "-") for name in names)]))
        print(f"process {os.getpid()}")
        tell("begun")
        while not (gates / folder.name).exists():
            if reason := stop.reason():
                tell("saved")
                raise Stopped(reason)
            time.sleep(0.01)
        (gates / folder.name).unlink()
        if how == "refuses":
            raise UserError("the data are not there:\\nlook for them")
        if how == "crashes":
            raise RuntimeError("size mismatch")
        if how == "is killed":
            os.kill(os.getpid(), 9)
        (folder / "metrics.csv").write_text("epoch,val_macro_f1\\n1,0.75\\n2,0.5\\n")
        (folder / "test.npz").touch()
        card = {"fold": -1, "recipe": {"train": {"epochs": 2}}}
        save_file({"a": np.zeros(1)}, folder / "weights.safetensors", {"card": json.dumps(card)})
        tell("ended")

run_script(main)
"""
PARENT = """
import sys
from pathlib import Path
from messy_mashup.errors import run_script
from messy_mashup.training import fleet
from messy_mashup.training.fleet_table import Member
from messy_mashup.training.stop import Stop

RECIPE = '{"train": {"epochs": 2}}'
root = Path(sys.argv[1])
fleet.SCRIPT = root / "stand_in.py"

def main():
    jobs = [Member(f"run/{n}", (str(root / "run" / n), str(root), "trains"), root / "run" / n, RECIPE) for n in "abc"]
    with Stop.after(None) as stop:
        fleet.train_fleet(jobs, ["cpu", "cpu"], stop)

run_script(main)
"""


@dataclass
class Yard:
    """Where a test lets its members go, and sees what they did."""

    root: Path
    stop: Stop
    thread: ThreadPoolExecutor

    def jobs(self, names: str, **how: str) -> list[Member]:
        """A job a letter, each training until it is let go."""
        folders = [(name, self.root / "run" / name) for name in names]
        return [
            Member(f"run/{name}", (str(folder), str(self.root), how.get(name, "trains")), folder, RECIPE)
            for name, folder in folders
        ]

    def start(self, jobs: list[Member], devices: tuple[str, ...] = ("cpu", "cpu")) -> Future:
        """A fleet beside the test."""
        return self.thread.submit(train_fleet, jobs, devices, self.stop)

    def let_go(self, *names: str) -> None:
        """End what trains under these names, now or as soon as it begins."""
        for name in names:
            (self.root / name).touch()

    def events(self) -> list[str]:
        """What members did, such as "begun a", in order."""
        path = self.root / "events"
        return path.read_text().splitlines() if path.exists() else []

    def wait_for(self, *events: str) -> None:
        """Until all of these have happened."""
        wait_until(lambda: set(events) <= set(self.events()), f"{events} never all came: {self.events()}")

    def process(self, name: str) -> int:
        """The id of the process that trains under that name."""
        return int(re.findall(r"process (\d+)", (self.root / "run" / name / LOG).read_text())[-1])


def wait_until(holds: Callable[[], bool], otherwise: str) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline_s, otherwise
        time.sleep(0.01)


@pytest.fixture
def yard(tmp_path, monkeypatch) -> Iterator[Yard]:
    (tmp_path / "stand_in.py").write_text(STAND_IN)
    monkeypatch.setattr(fleet, "SCRIPT", tmp_path / "stand_in.py")
    monkeypatch.setenv("PYTHONPATH", str(paths.REPOSITORY / "src"))
    monkeypatch.delenv(HANDED_ON, raising=False)
    yard = Yard(tmp_path, Stop(), ThreadPoolExecutor(1))
    yield yard
    yard.stop.at_s = 0.0  # nothing outlives a test that failed
    yard.thread.shutdown()


def test_two_train_at_a_time_and_a_free_device_takes_the_next_at_once(yard, capsys):
    training = yard.start(yard.jobs("abcde"))
    yard.wait_for("begun a", "begun b")
    time.sleep(3 * fleet.POLL_S)
    assert len(yard.events()) == 2
    # `a` trains on while the other device takes one after the other
    for ends, begins in ["bc", "cd", "de"]:
        yard.let_go(ends)
        yard.wait_for(f"ended {ends}", f"begun {begins}")
        assert "ended a" not in yard.events()
        assert len(yard.events()) == 2 + 2 * "bcde".index(begins)
    yard.let_go("a", "e")
    training.result(PATIENCE_S)
    assert all(is_complete(yard.root / "run" / name) for name in "abcde")
    told = capsys.readouterr().out
    assert "0 of 5 members are done, 5 waiting" in told
    assert "2 of 5 members are done, 2 running, 1 waiting\n  run/a  running on cpu" in told
    assert re.search(r"run/d  running on cpu\s+epoch 1 of 2", told)
    # At the beginning, when it begins and at the end; once more where `a` is seen to end before it.
    assert 3 <= told.count("run/e") <= 4
    last = told[told.rindex("[") :].splitlines()
    assert last[0].endswith("5 of 5 members are done")
    assert last[1:] == [f"  run/{n}  done               2 of 2 epochs    macro-F1 0.500, best 0.750" for n in "abcde"]


def test_one_that_fails_does_not_stop_the_others(yard, capsys):
    yard.let_go(*"abcd")
    training = yard.start(yard.jobs("abcd", a="refuses", b="crashes", c="is killed"), ("cpu",))
    with pytest.raises(UserError) as told:
        training.result(PATIENCE_S)
    logs = {name: yard.root / "run" / name / LOG for name in "abc"}
    assert str(told.value).splitlines() == [
        "1 of 4 members are done",
        f"run/a failed: the data are not there: look for them ({logs['a']})",
        f"run/b failed: RuntimeError: size mismatch ({logs['b']})",
        f"run/c failed: killed by SIGKILL; its last line: process {yard.process('c')} ({logs['c']})",
    ]
    assert is_complete(yard.root / "run" / "d")
    assert "run/b failed: RuntimeError" in capsys.readouterr().out


def test_a_damaged_member_does_not_keep_the_others_from_training(yard):
    jobs = yard.jobs("ab")
    jobs[0].folder.mkdir(parents=True)
    for name in ("weights.safetensors", "test.npz"):
        (jobs[0].folder / name).write_text("damaged")
    yard.let_go("a", "b")
    train_fleet(jobs, ["cpu"], yard.stop)
    assert yard.events() == ["begun a", "ended a", "begun b", "ended b"]


def test_the_error_is_that_of_this_command_and_not_of_an_earlier_one(yard):
    (job,) = yard.jobs("a", a="is killed")
    job.folder.mkdir(parents=True)
    (job.folder / LOG).write_text("error: of yesterday\n")
    yard.let_go("a")
    with pytest.raises(UserError, match="killed by SIGKILL; its last line: process"):
        train_fleet([job], ["cpu"], yard.stop)
    assert (job.folder / LOG).read_text().startswith("error: of yesterday\n")


def test_the_clock_stops_all_and_the_next_command_trains_only_what_is_left(yard, capsys):
    yard.stop.sentence = "8.5 hours since the kernel's start are over"
    training = yard.start(yard.jobs("abcd"))
    yard.let_go("a")
    yard.wait_for("ended a", "begun b", "begun c")
    yard.stop.at_s = 0.0
    with pytest.raises(Stopped) as told:
        training.result(PATIENCE_S)
    assert str(told.value) == (
        "8.5 hours since the kernel's start are over; 1 of 4 members are done; left: run/b, run/c, run/d; "
        "run the same command again to go on"
    )
    assert set(yard.events()) == {"begun a", "ended a", "begun b", "begun c", "saved b", "saved c"}
    assert "waiting until 2 running are saved" in capsys.readouterr().out
    (yard.root / "events").unlink()
    yard.stop.at_s = float("inf")
    yard.let_go(*"bcd")
    yard.start(yard.jobs("abcd")).result(PATIENCE_S)
    assert set(yard.events()) == {f"{event} {name}" for event in ("begun", "ended") for name in "bcd"}
    (yard.root / "events").unlink()
    train_fleet(yard.jobs("abcd"), ["cpu"], yard.stop)
    assert yard.events() == []


def test_members_read_the_same_clock(yard):
    yard.stop.at_s, yard.stop.sentence = time.monotonic() + 0.5, "half a second is over"
    with pytest.raises(Stopped, match=r"half a second is over; 0 of 2 members are done; left: run/a, run/b"):
        train_fleet(yard.jobs("ab"), ["cpu", "cpu"], yard.stop)


def test_a_member_that_is_told_to_end_is_left_and_not_failed(yard):
    training = yard.start(yard.jobs("abc"))
    yard.wait_for("begun a", "begun b")
    os.kill(yard.process("a"), signal.SIGTERM)
    yard.let_go("b", "c")
    with pytest.raises(Stopped, match="members were told to end; 2 of 3 members are done; left: run/a;"):
        training.result(PATIENCE_S)


def started_parent(yard: Yard) -> subprocess.Popen:
    (yard.root / "parent.py").write_text(PARENT)
    parent = subprocess.Popen([sys.executable, yard.root / "parent.py", yard.root], stderr=subprocess.PIPE, text=True)
    yard.wait_for("begun a", "begun b")
    return parent


def test_killed_it_takes_its_members_along_and_they_save(yard):
    parent = started_parent(yard)
    children = [yard.process(name) for name in "ab"]
    parent.kill()
    parent.communicate()
    yard.wait_for("saved a", "saved b")
    wait_until(lambda: not any(map(lives, children)), "a member outlives its parent")
    for name in "ab":
        log = (yard.root / "run" / name / LOG).read_text()
        assert f"stopped: the command that started this one (process {parent.pid}) has ended" in log
    yard.let_go(*"abc")
    train_fleet(yard.jobs("abc"), ["cpu"], yard.stop)
    assert yard.events().count("begun a") == 2


def test_a_second_command_meets_the_claims_of_the_first(yard):
    training = yard.start(yard.jobs("ab"))
    yard.wait_for("begun a", "begun b")
    with pytest.raises(UserError, match=f"run/a failed: .*is being trained by process {yard.process('a')} on"):
        train_fleet(yard.jobs("a"), ["cpu"], Stop())
    yard.let_go("a", "b")
    training.result(PATIENCE_S)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_parent_alone_saves_all(yard, number):
    parent = started_parent(yard)
    parent.send_signal(number)
    told = parent.communicate(timeout=PATIENCE_S)[1]
    assert parent.returncode == STOPPED_STATUS
    reason = {signal.SIGTERM: "SIGTERM", signal.SIGINT: "Ctrl-C"}[number]
    assert f"stopped: {reason}; 0 of 3 members are done; left: run/a, run/b, run/c;" in told
    assert set(yard.events()) == {"begun a", "begun b", "saved a", "saved b"}


def lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(
    ("visible", "device", "given"),
    [(None, "cuda:1", "cuda 1"), ("2,5", "cuda:1", "cuda 5"), ("GPU-a, GPU-b", "cuda:1", "cuda GPU-b")],
)
def test_a_gpu_is_the_only_one_its_member_sees(yard, monkeypatch, visible, device, given):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    yard.let_go("a")
    train_fleet(yard.jobs("a"), [device], yard.stop)
    assert (yard.root / "run" / "a" / "given").read_text().startswith(f"{given} ")


def test_members_on_the_cpu_share_its_cores(yard, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(7), raising=False)
    yard.let_go(*"abc")
    train_fleet(yard.jobs("abc"), ["cpu", "cpu", "cpu"], yard.stop)
    assert {(yard.root / "run" / name / "given").read_text().split()[-1] for name in "abc"} == {"2"}


@pytest.mark.parametrize(
    ("count", "text", "devices"),
    [
        (0, None, ["cpu"]),
        (2, None, ["cuda:0", "cuda:1"]),
        (2, "cuda", ["cuda:0"]),
        (2, "cuda:1, cpu", ["cuda:1", "cpu"]),
        (0, "cpu,cpu", ["cpu", "cpu"]),
    ],
)
def test_devices_are_named_or_found(monkeypatch, count, text, devices):
    monkeypatch.setattr(fleet.torch.cuda, "device_count", lambda: count)
    assert devices_named(text) == devices


@pytest.mark.parametrize(("count", "text"), [(0, "cuda"), (2, "cuda:2"), (2, "gpu"), (2, ""), (2, "cuda:0,,cpu")])
def test_unknown_devices_are_refused(monkeypatch, count, text):
    monkeypatch.setattr(fleet.torch.cuda, "device_count", lambda: count)
    with pytest.raises(UserError, match="is none of this machine's devices: cpu, "):
        devices_named(text)


def test_two_jobs_with_one_folder_are_a_mistake(yard):
    with pytest.raises(ValueError, match="one folder"):
        train_fleet([*yard.jobs("a"), *yard.jobs("a")], ["cpu"], yard.stop)


def test_a_member_of_another_recipe_stops_the_fleet_before_it_starts(yard):
    first, second = yard.jobs("ab")
    yard.let_go("a")
    yard.start([first]).result(PATIENCE_S)
    other = replace(first, recipe='{"train": {"epochs": 2, "lr": 0.1}}')
    with pytest.raises(UserError, match=r"run/a was trained with another recipe"):
        train_fleet([other, second], ["cpu"], yard.stop)
    assert yard.events() == ["begun a", "ended a"]


def test_a_kernel_without_a_gpu_asks_before_its_hours_are_spent(monkeypatch):
    monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Batch")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(UserError, match=r"no GPU: switch on the accelerator .* or name --devices cpu"):
        devices_named(None)
    assert devices_named("cpu") == ["cpu"]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert devices_named(None) == ["cuda:0", "cuda:1"]
