"""Loops are compiled with and without a folder to keep them in, librosa's by one process at a time."""

import fcntl
import os
import re
import subprocess
import sys
from pathlib import Path

import librosa
import numba
import numpy as np
import pytest

from messy_mashup.compiled import compiled

SRC = Path(__file__).resolve().parents[1] / "src"
WAITS_S = 5  # longer than librosa takes to load


def total(values):
    sum_ = 0.0
    for value in values:
        sum_ += value
    return sum_


def test_a_compiled_loop_computes():
    assert compiled(total)(np.arange(10.0)) == 45


def test_where_nothing_can_be_kept_it_is_compiled_all_the_same(monkeypatch):
    njit = numba.njit

    def nowhere_to_keep(**options):
        if options.get("cache"):
            raise RuntimeError("cannot cache function 'total': no locator available")
        return njit(**options)

    monkeypatch.setattr(numba, "njit", nowhere_to_keep)
    assert compiled(total)(np.arange(4.0)) == 6


def test_loops_of_librosa_are_loaded_by_one_process_at_a_time():
    lines = ("from messy_mashup.compiled import load_librosa", "print('begun', flush=True)", "load_librosa()")
    command = [sys.executable, "-c", "\n".join([*lines, "print('loaded')"])]
    folder = os.open(Path(librosa.__file__).parent, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    with subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(SRC)}, stdout=-1, text=True) as second:
        assert second.stdout.readline() == "begun\n"
        with pytest.raises(subprocess.TimeoutExpired):
            second.wait(timeout=WAITS_S)
        os.close(folder)
        assert second.stdout.readline() == "loaded\n"


def test_librosa_is_loaded_nowhere_else():
    loads = re.compile(r"^\s*(?:import|from) librosa\b", re.MULTILINE)
    loaders = [path.name for path in SRC.rglob("*.py") if loads.search(path.read_text(encoding="utf-8"))]
    assert loaders == ["compiled.py"]
