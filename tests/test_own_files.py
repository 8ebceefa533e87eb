"""Files of one's own by infer.py and export.py, as a user types them: killed, gone on with, two at once, exported."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from test_commands import SOURCES, House, run

SONGS = 40


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> House:
    return House(tmp_path_factory.mktemp("house"))


@pytest.fixture(scope="module")
def songs(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("songs")
    for number in range(SONGS):
        wave = np.random.default_rng(number).normal(0, 0.1, 60 * 16_000).clip(-1, 1)
        soundfile.write(folder / f"{number:02d}.wav", wave, 16_000)
    return folder


def started(house: House, songs: Path, out: Path) -> subprocess.Popen:
    command = [sys.executable, SOURCES / "infer.py", "--runs", house.runs, songs, "--out", out]
    quiet = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(list(map(str, command)), env=os.environ | {"OMP_NUM_THREADS": "1"}, **quiet)


def lines_of(journal: Path) -> int:
    return journal.read_bytes().count(b"\n") if journal.exists() else 0


def when_noted(journal: Path, process: subprocess.Popen, lines: int) -> None:
    """Wait until the journal has so many lines."""
    while lines_of(journal) < lines:
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)


def test_a_table_that_was_broken_off_is_gone_on_with(house, songs, tmp_path, capfd):
    whole, out = tmp_path / "whole.csv", tmp_path / "genres.csv"
    journal = tmp_path / ".genres.csv.journal"
    assert house.infer(songs, "--out", whole) == 0
    killed = started(house, songs, out)
    when_noted(journal, killed, 4)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    noted = lines_of(journal)
    assert 4 <= noted < SONGS
    assert not out.exists()
    interrupted = started(house, songs, out)
    when_noted(journal, interrupted, noted + 3)
    interrupted.send_signal(signal.SIGINT)
    assert "run the same command again to go on" in interrupted.communicate()[1]
    assert interrupted.returncode == 130
    capfd.readouterr()
    assert house.infer(songs, "--out", out) == 0
    assert "files were heard before" in capfd.readouterr().out
    assert out.read_bytes() == whole.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["genres.csv", "whole.csv"]


def test_a_second_command_on_the_same_table_is_told_to_wait(house, songs, tmp_path, capfd):
    first = started(house, songs, tmp_path / "genres.csv")
    when_noted(tmp_path / ".genres.csv.journal", first, 3)
    assert house.infer(songs, "--out", tmp_path / "genres.csv") == 2
    assert "genres.csv is being written by another process: wait for it" in capfd.readouterr().err
    assert first.wait() == 0


def test_longer_files_than_are_taken_are_refused_before_any_is_heard(house, songs, tmp_path, capfd):
    assert house.infer(songs, "--out", tmp_path / "genres.csv", "--max-hours", "0.01") == 2
    told = capfd.readouterr()
    assert "00.wav: is 0.0167 h long, and up to 0.01 h are taken: cut out a part, or raise --max-hours" in told.err
    assert told.out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_blend_and_a_run_are_exported_and_agree(house, songs, tmp_path, capfd):
    pytest.importorskip("onnxruntime")
    place = ("--runs", house.runs)
    assert run("export", "tiny", *place) == 0
    told = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert (told["members"], told["same_class"]) == (3, told["clips"])
    assert told["largest_difference"] < 1e-4
    assert (house.runs / "exported" / "tiny.onnx").stat().st_size == told["bytes"]
    one = tmp_path / "one.onnx"
    clips = ("--clips", songs / "00.wav", songs / "01.wav")
    assert run("export", "messy_mashup_resnet34_demo", "--member", "fold1", "--out", one, *clips, *place) == 0
    assert json.loads(capfd.readouterr().out.splitlines()[-1])["members"] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["one.onnx"]
    for arguments, words in (
        (("none",), "holds no trained run none"),
        (("tiny", "--member", "fold0"), "--member is for a run"),
        (("messy_mashup_resnet34_demo", "--member", "fold7"), "has no member fold7"),
        (("tiny", "--set", "scoring.pooled=majority"), "majority votes"),
        (("tiny", "--clips", tmp_path / "none.wav"), "there is no file or folder"),
    ):
        assert run("export", *arguments, *place) == 2
        assert words in capfd.readouterr().err


def test_eight_bits_are_for_transformers(house, songs, capfd):
    assert house.infer(songs / "00.wav", "--int8") == 2
    assert "ResNet34 is made of convolutions: leave it out" in capfd.readouterr().err
