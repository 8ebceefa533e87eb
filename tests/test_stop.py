"""Training stops by the clock, by a signal, and with the command that started it; and notes it without harm."""

import math
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from messy_mashup import paths
from messy_mashup.errors import UserError
from messy_mashup.training import stop as stop_module
from messy_mashup.training.stop import HANDED_ON, Stop

SOURCES = paths.REPOSITORY / "src"
WAITS_FOR_A_REASON = """
import sys, time
from pathlib import Path
from messy_mashup.training.stop import Stop
with Stop.after(None) as stop:
    Path(sys.argv[1]).touch()
    while stop.reason() is None:
        time.sleep(0.01)
Path(sys.argv[1]).write_text(stop.reason())
"""


@pytest.fixture(autouse=True)
def outside_of_a_fleet(monkeypatch):
    monkeypatch.delenv(HANDED_ON, raising=False)


def age_s(stop: Stop, hours: float) -> float:
    return time.monotonic() - (stop.at_s - 3600 * hours)


def test_hours_count_from_the_start_of_this_process(monkeypatch):
    monkeypatch.delenv("KAGGLE_KERNEL_RUN_TYPE", raising=False)
    code = (
        "import time\ntime.sleep(0.3)\nfrom messy_mashup.training.stop import Stop\nstop = Stop.after(2)\n"
        "print(time.monotonic() + 7200 - stop.at_s, stop.reason())"
    )
    begun_s = time.monotonic()
    told = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True)
    age, reason = told.stdout.split()
    assert reason == "None"
    # Linux tells the start in hundredths; where it does not, the age is that of the module
    assert (0.28 if sys.platform == "linux" else 0) <= float(age) <= time.monotonic() - begun_s + 0.02


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells when the first process began")
def test_in_a_kernel_hours_count_from_its_first_process(monkeypatch):
    monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Batch")
    monkeypatch.setattr(stop_module, "LONGEST_SESSION_S", math.inf)  # this machine may be up for longer
    up_s = float(subprocess.check_output(["ps", "-o", "etimes=", "-p", "1"]))
    stop = Stop.after(up_s / 3600 + 1)
    assert age_s(stop, up_s / 3600 + 1) == pytest.approx(up_s, abs=2)
    assert stop.reason() is None
    over = Stop.after(up_s / 3600 / 2)
    assert over.reason() == f"{up_s / 3600 / 2:g} hours since the kernel's start are over"


@pytest.mark.parametrize("content", ["", "1 (a) b) S 0 1", "1 (x) S " + "0 " * 18 + "never", None])
def test_in_a_kernel_that_does_not_tell_they_count_from_this_process(monkeypatch, tmp_path, content):
    stat = tmp_path / "stat"
    if content is not None:
        stat.write_text(content)
    monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Batch")
    monkeypatch.setattr(stop_module, "KERNELS_FIRST", stat)
    assert "this command's start" in Stop.after(1).sentence
    monkeypatch.setattr(stop_module, "THIS", stat)
    assert 0 <= age_s(Stop.after(1), 1) <= time.monotonic() - stop_module._IMPORTED_S


@pytest.mark.skipif(sys.platform != "linux", reason="/proc/PID/stat is Linux's")
def test_a_command_with_spaces_and_brackets_does_not_shift_the_fields(monkeypatch, tmp_path):
    began_ticks = int((time.clock_gettime(time.CLOCK_BOOTTIME) - 5) * os.sysconf("SC_CLK_TCK"))
    (tmp_path / "stat").write_text(f"1 (my (odd) name) S {' '.join(['7'] * 18)} {began_ticks} 8 9\n")
    assert stop_module._process_age_s(tmp_path / "stat") == pytest.approx(5, abs=0.5)


def test_the_wall_clock_does_not_count(monkeypatch):
    stop = Stop.after(1)
    monkeypatch.setattr(time, "time", lambda: 1e12)
    assert stop.reason() is None
    monkeypatch.setattr(time, "monotonic", lambda: stop.at_s)
    assert stop.reason() == "1 hour since this command's start is over"


@pytest.mark.parametrize("hours", [0, -1, float("nan")])
def test_hours_that_are_none_are_refused(hours):
    with pytest.raises(UserError, match="--hours"):
        Stop.after(hours)


def test_without_hours_there_is_no_end():
    assert Stop.after(None).reason() is None
    assert Stop().reason() is None


@pytest.mark.parametrize(("number", "said"), [(signal.SIGTERM, "SIGTERM"), (signal.SIGINT, "Ctrl-C")])
def test_the_first_signal_is_noted_and_the_second_acts_as_before(number, said):
    came = []
    before = signal.signal(number, lambda *_: came.append("before"))
    try:
        with Stop() as stop:
            assert stop.reason() is None
            signal.raise_signal(number)
            assert (stop.reason(), came) == (said, [])
            signal.raise_signal(number)
            assert came == ["before"]
        signal.raise_signal(number)
        assert came == ["before", "before"]
    finally:
        signal.signal(number, before)


def test_a_signal_that_was_ignored_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Stop() as stop:
            signal.raise_signal(signal.SIGINT)
            assert stop.reason() is None
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_in_another_thread_signals_are_left_alone():
    handlers = []

    def enter() -> None:
        with Stop():
            handlers.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert handlers == [signal.getsignal(signal.SIGTERM)]


def test_a_child_stops_at_its_parents_time_to_the_bit(monkeypatch):
    parent = Stop.after(1.5)
    monkeypatch.setenv(HANDED_ON, parent.environment()[HANDED_ON])
    for hours in (None, 0.001):
        child = Stop.after(hours)
        assert (child.at_s, child.sentence, child.parent) == (parent.at_s, parent.sentence, os.getpid())
    monkeypatch.setenv(HANDED_ON, Stop().environment()[HANDED_ON])
    assert Stop.after(0.001).at_s == float("inf")


def test_a_second_sigterm_ends_a_process_that_does_not_heed_the_first(tmp_path):
    code = WAITS_FOR_A_REASON.replace("stop.reason() is None", "True")
    process = started(code, tmp_path / "told")
    wait_for(tmp_path / "told")
    process.terminate()
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.3)
    process.terminate()
    assert process.wait(20) == -signal.SIGTERM


def test_a_child_stops_when_its_parent_was_killed(tmp_path):
    told = tmp_path / "told"
    parent = started(
        "import subprocess, sys, os\nfrom messy_mashup.training.stop import Stop\n"
        f"code = {WAITS_FOR_A_REASON!r}\n"
        "subprocess.run([sys.executable, '-c', code, sys.argv[1]], env=os.environ | Stop().environment())",
        told,
    )
    wait_for(told)
    assert told.read_text() == ""
    parent.kill()
    parent.wait()
    deadline_s = time.monotonic() + 20
    while not told.read_text():
        assert time.monotonic() < deadline_s, "the child goes on without its parent"
        time.sleep(0.01)
    assert told.read_text() == f"the command that started this one (process {parent.pid}) has ended"


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(SOURCES)}


def started(code: str, told: Path) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", code, str(told)], env=environment())


def wait_for(path: Path) -> None:
    deadline_s = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < deadline_s, f"{path} never came"
        time.sleep(0.01)
