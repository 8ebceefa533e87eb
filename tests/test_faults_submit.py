"""submit.py killed at every message that Kaggle gets or sends, and at every file that is replaced: it submits once.

killed                               Kaggle has           the same command again
-----------------------------------  -------------------  -----------------------------------------------
before or while the file is sent     nothing              submits it
when the submission is being made    nothing, or one      finds it in the list, or submits it; never twice
while it waits for the score         one                  waits on
around a replace of the ledger       nothing, or one      a ledger with one row of it
"""

import os
import signal
import subprocess

import pytest

from kaggle_competition import NAME, house_fixture, said_fixture  # noqa: F401
from kaggle_loopback import Cut, leaks

# A method, or the upload, by its place among the calls of that kind, and whether Kaggle does its work before the kill
MOMENTS = [
    pytest.param(*("ListSubmissions", 0, False), marks=pytest.mark.slow),
    pytest.param(*("GetSubmissionLimits", 0, True), marks=pytest.mark.slow),
    pytest.param(*("StartSubmissionUpload", 0, False), marks=pytest.mark.slow),
    pytest.param(*("StartSubmissionUpload", 0, True), marks=pytest.mark.slow),
    ("PUT", 0, False),
    pytest.param(*("PUT", 0, True), marks=pytest.mark.slow),
    ("CreateSubmission", 0, False),
    ("CreateSubmission", 0, True),
    pytest.param(*("ListSubmissions", 1, True), marks=pytest.mark.slow),
    ("ListSubmissions", 3, True),
]
KILLED_AT_REPLACE = """
import os, runpy, signal, sys
number, when, script = int(sys.argv[1]), sys.argv[2], sys.argv[3]
replace, calls = os.replace, []
def fatal(*paths):
    calls.append(paths)
    if len(calls) == number and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    replace(*paths)
    if len(calls) == number:
        os.kill(os.getpid(), signal.SIGKILL)
os.replace = fatal
sys.path.insert(0, os.path.dirname(script))
sys.argv = sys.argv[3:]
runpy.run_path(script, run_name="__main__")
"""


class Killer:
    """Kills the command when a call arrives, before or after Kaggle does what it asks for."""

    def __init__(self, house, method: str, number: int, after: bool):
        self.process: subprocess.Popen | None = None
        self.wanted, self.after, self.calls = number, after, 0
        loopback = house.loopback
        if method == "PUT":
            loopback.put = self.around(loopback.put)
        else:
            loopback.routes[method] = self.around(loopback.routes[method])

    def around(self, does):
        def call(*words):
            number, self.calls = self.calls, self.calls + 1
            if number != self.wanted or self.process is None:
                return does(*words)
            answer = does(*words) if self.after else None
            os.kill(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None
            if answer is None:
                raise Cut
            return answer

        return call

    def run(self, house) -> subprocess.Popen:
        command = house.command("--wait")
        self.process = process = subprocess.Popen(**command, stdout=-1, stderr=subprocess.STDOUT, text=True)
        return process


@pytest.mark.parametrize(("method", "number", "after"), MOMENTS)
def test_killed_as_it_speaks_to_kaggle_it_submits_once(house, said, method, number, after):
    house.competition.pending_for = 3
    killed = Killer(house, method, number, after).run(house)
    text, _ = killed.communicate(timeout=60)
    assert leaks(text) == []
    assert killed.returncode == -signal.SIGKILL
    assert_submitted_once(house, said)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("number", [2, *(pytest.param(number, marks=pytest.mark.slow) for number in (1, 3))])
def test_killed_as_it_writes_the_ledger_it_submits_once(house, said, number, when):
    command = house.command("--wait")
    python, *words = command["args"]
    command["args"] = [python, "-c", KILLED_AT_REPLACE, str(number), when, *words]
    killed = subprocess.run(**command, capture_output=True, text=True, check=False)
    assert leaks(killed.stdout + killed.stderr) == []
    assert killed.returncode == -signal.SIGKILL
    assert_submitted_once(house, said)


def assert_submitted_once(house, said) -> None:
    """The same command again, twice: one submission at Kaggle, one row that has its number and its score."""
    statuses = [house.submit("--wait"), house.submit("--wait")]
    assert statuses[1] == 2
    assert said().count("was submitted before (ref 101") == statuses.count(2)
    assert len(house.competition.submissions) == 1
    assert house.cells("file", "ref", "status", "public", "note") == [[NAME, "101", "complete", "0.81234", "mine"]]
