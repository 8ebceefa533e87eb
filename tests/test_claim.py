"""One command a folder: the second is told who holds it, and a killed one holds nothing."""

import errno
import fcntl
import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from messy_mashup import paths
from messy_mashup.errors import STOPPED_STATUS, UserError
from messy_mashup.training import claimed_folder
from messy_mashup.training.claimed_folder import CLAIM, LEASE, LEASE_S, claimed

HOLDS = """
import sys, time
from pathlib import Path
from messy_mashup.training.claimed_folder import claimed
with claimed(Path(sys.argv[1])):
    Path(sys.argv[2]).touch()
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """A process that holds tmp_path / "fold0"."""
    environment = {**os.environ, "PYTHONPATH": str(paths.REPOSITORY / "src")}
    command = [sys.executable, "-c", HOLDS, str(tmp_path / "fold0"), str(tmp_path / "held")]
    process = subprocess.Popen(command, env=environment)
    while not (tmp_path / "held").exists():
        assert process.poll() is None
        time.sleep(0.01)
    yield process
    process.kill()
    process.wait()


def test_the_second_is_told_who_holds_the_folder(holder, tmp_path):
    with pytest.raises(UserError) as told, claimed(tmp_path / "fold0"):
        pass
    beginning = f"{tmp_path / 'fold0'} is being trained by process {holder.pid} on {socket.gethostname()} since "
    assert str(told.value).startswith(beginning)
    assert re.search(r"since \d{4}-\d\d-\d\d \d\d:\d\d UTC \(\w*python\S* -c .*\): wait for it", str(told.value))
    with claimed(tmp_path / "fold1"):
        pass


def test_a_killed_process_holds_nothing_and_leaves_no_trace_in_the_end(holder, tmp_path):
    holder.kill()
    holder.wait()
    assert (tmp_path / "fold0" / CLAIM).read_text()
    with claimed(tmp_path / "fold0"):
        assert f"process {os.getpid()} " in (tmp_path / "fold0" / CLAIM).read_text()
    assert (tmp_path / "fold0" / CLAIM).read_bytes() == b""


def test_the_claim_ends_with_the_block_even_by_an_error(tmp_path):
    with pytest.raises(KeyboardInterrupt), claimed(tmp_path):
        raise KeyboardInterrupt
    with claimed(tmp_path), pytest.raises(UserError, match="is being trained by process"), claimed(tmp_path):
        pass


def test_a_file_system_without_locks_goes_without(tmp_path, monkeypatch):
    def lockless(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", lockless)
    with claimed(tmp_path), claimed(tmp_path):
        assert (tmp_path / CLAIM).exists()


def test_another_error_of_the_lock_is_not_hidden(tmp_path, monkeypatch):
    def broken(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(fcntl, "flock", broken)
    with pytest.raises(OSError, match="Input/output"), claimed(Path(tmp_path)):
        pass


def left_by_another_machine(folder: Path, age_s: float) -> Path:
    """A lease that a machine renewed so long ago, whose lock is not felt here."""
    lease = folder / LEASE
    lease.write_text(json.dumps({"machine": "another", "holder": "process 7 on another", "token": "x"}))
    os.utime(lease, (time.time() - age_s,) * 2)
    return lease


def test_a_living_machine_keeps_its_folder_where_its_lock_is_not_felt(tmp_path):
    left_by_another_machine(tmp_path, LEASE_S - 20)
    with pytest.raises(UserError, match="by process 7 on another, which gave a sign of life 40 s ago: wait"):
        claimed(tmp_path).__enter__()


def test_what_a_lost_machine_left_is_taken_over_and_nothing_of_it_stays(tmp_path):
    lease = left_by_another_machine(tmp_path, LEASE_S + 1)
    with claimed(tmp_path):
        assert json.loads(lease.read_text())["machine"] == socket.gethostname()
    assert not lease.exists()


def test_a_lease_is_renewed(tmp_path, monkeypatch):
    monkeypatch.setattr(claimed_folder, "FIRST_BEAT_S", 0.05)
    with claimed(tmp_path):
        os.utime(tmp_path / LEASE, (0, 0))
        time.sleep(0.5)
        assert (tmp_path / LEASE).stat().st_mtime > time.time() - 60


def test_a_process_whose_folder_was_taken_over_ends_at_once(holder, tmp_path):
    left_by_another_machine(tmp_path / "fold0", 0)
    assert holder.wait(30) == STOPPED_STATUS
