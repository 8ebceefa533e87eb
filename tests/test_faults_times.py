"""What happens beside a command: the clock moves, files change under it, another process has the same idea.

fault                                       what the user sees                      the next run
------------------------------------------  --------------------------------------  ---------------------------------
the clock is a year back                    nothing                                 goes on, to the same bytes
what is there has dates of the future       nothing                                 goes on, to the same bytes
a source changes or goes during a build     the file, and to run it again           right, of the files as they are then
two builds, trainings or blends at once     who has the folder; blends do not mind  right
two infer --out to one CSV                  nothing: the last one's, whole          right
two submissions at once                     one is refused                          (test_submit.py)
two processes on one study                  nothing: they share it                  (test_tuning.py)
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from example_trees import noise_wave, write_messy_mashup, write_wave
from fault_stages import NAME, Stages, stages_fixture  # noqa: F401
from kill_harness import SOURCES, tree_digests
from messy_mashup.data import bank_build
from messy_mashup.training.claimed_folder import claimed

YEAR_S = 365 * 24 * 3600
# Takes the place of the C library's clocks of the time of day.
CLOCK_A_YEAR_BACK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/time.h>
#include <time.h>
#define YEAR 31536000
int clock_gettime(clockid_t id, struct timespec *t) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int status = real(id, t);
    if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE) t->tv_sec -= YEAR;
    return status;
}
time_t time(time_t *t) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (t) *t = now.tv_sec;
    return now.tv_sec;
}
int gettimeofday(struct timeval *restrict t, void *restrict zone) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    t->tv_sec = now.tv_sec;
    t->tv_usec = now.tv_nsec / 1000;
    return 0;
}
"""


@pytest.fixture(scope="module")
def year_back(tmp_path_factory) -> dict[str, str]:
    """The environment of a process whose clock is a year back."""
    folder = tmp_path_factory.mktemp("clock")
    compiler = shutil.which("cc")
    if not compiler or not sys.platform.startswith("linux"):
        pytest.skip("without a C compiler no process has a clock of its own")
    (folder / "clock.c").write_text(CLOCK_A_YEAR_BACK)
    library = folder / "clock.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, folder / "clock.c", "-ldl"], check=True)
    environment = {"LD_PRELOAD": str(library)}
    told = subprocess.run(
        [sys.executable, "-c", "import time; print(time.time())"],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert YEAR_S - 60 < time.time() - float(told.stdout) < YEAR_S + 60
    return environment


def command(stages: Stages, name: str, out: Path, *words: object) -> list[str]:
    """A command line on a folder that holds its stage."""
    return [sys.executable, str(SOURCES / f"{name}.py"), *stages.harness(name).arguments(out), *map(str, words)]


def run(words: list[str], environment: dict[str, str] | None = None) -> subprocess.CompletedProcess:
    """A command to its end."""
    env = os.environ | {"OMP_NUM_THREADS": "1"} | (environment or {})
    return subprocess.run(words, env=env, capture_output=True, text=True, check=False)


def date_all(folder: Path, seconds: float) -> None:
    """Give every file and folder a date so far from now."""
    for path in folder.rglob("*"):
        os.utime(path, (time.time() + seconds,) * 2)


def test_a_member_half_trained_goes_on_with_the_clock_a_year_back(stages, tmp_path, year_back):
    out, training = stages.begun("train", tmp_path / "out"), stages.harness("train")
    assert training.session(out, "--hours", "1e-6")[0] == 75
    done = run(command(stages, "train", out, "--hours", "1"), year_back)
    assert done.returncode == 0, done.stderr
    assert tree_digests(out, training.ignored) == stages.right("train")


@pytest.mark.parametrize("name", ["build", "train", "blend", "infer"])
@pytest.mark.parametrize("offset_s", [YEAR_S, -YEAR_S])
def test_dates_of_what_is_there_do_not_matter(stages, tmp_path, name, offset_s):
    out, harness = stages.begun(name, tmp_path / "out"), stages.harness(name)
    date_all(out, offset_s)
    assert harness.session(out)[0] == 0
    assert tree_digests(out, harness.ignored) == stages.right(name)


@pytest.mark.slow
def test_an_entry_and_its_row_are_made_with_the_clock_a_year_back(stages, tmp_path, year_back):
    out = stages.begun("infer", tmp_path / "out")
    assert run(command(stages, "infer", out)).returncode == 0
    done = run(command(stages, "infer", out), year_back)
    assert done.returncode == 0, done.stderr
    rows = pd.read_csv(out / "submissions" / "scores.csv")
    assert len(rows) == len(set(rows["file"])) == 2
    assert rows["sha256"].nunique() == 1


def building(data: Path, bank: Path) -> subprocess.Popen:
    """A build with one worker that is stopped when the first clips are there."""
    words = [sys.executable, SOURCES / "build.py", "--data", data, "--bank", bank, "--workers", 1]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        list(map(str, words)), env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    journal = bank.with_name(f"{bank.name}.partial") / "journal.jsonl"
    while not journal.is_file() or journal.read_bytes().count(b"\n") < 2:
        assert process.poll() is None
        time.sleep(0.001)
    os.killpg(process.pid, signal.SIGSTOP)
    return process


def change(path: Path) -> None:
    write_wave(path, noise_wave(1, 1.5))


@pytest.mark.parametrize(
    "fault", [pytest.param(change, id="changed"), pytest.param(Path.unlink, id="removed", marks=pytest.mark.slow)]
)
def test_a_source_that_changes_or_goes_under_a_running_build(tmp_path, fault):
    data, bank = tmp_path / "data", tmp_path / "banks" / "bank"
    write_messy_mashup(data, songs=12, seconds=2)
    process = building(data, bank)
    songs = sorted((data / "genres_stems" / "rock").iterdir())
    for part in songs[-1].iterdir():
        fault(part)
    os.killpg(process.pid, signal.SIGCONT)
    said = process.communicate()[1]
    assert (process.returncode, "Traceback" in said) == (2, False), said
    assert f"{songs[-1].name}/bass.wav" in said
    assert ("run the command again" if fault is change else "there is no such file") in said
    assert not bank.exists()
    if fault is not change:
        shutil.rmtree(songs[-1])
    again = bank_build.build("messy_mashup", data, bank, workers=1)
    fresh = bank_build.build("messy_mashup", data, tmp_path / "fresh", workers=1)
    assert again.digest == fresh.digest
    assert (bank / "samples.int16").read_bytes() == (tmp_path / "fresh" / "samples.int16").read_bytes()


def test_the_second_of_two_trainings_or_builds_is_told_who_has_the_folder(stages, tmp_path):
    out = stages.begun("train", tmp_path / "out")
    with claimed(out / "runs" / NAME / "fold0"):
        status, said = stages.harness("train").session(out)
    assert (status, "Traceback" in said) == (2, False)
    assert f"is being trained by process {os.getpid()}" in said
    bank = tmp_path / "banks" / "bank"
    write_messy_mashup(tmp_path / "data", songs=12, seconds=2)
    first = building(tmp_path / "data", bank)
    words = ["--data", tmp_path / "data", "--bank", bank, "--workers", "1"]
    second = run([sys.executable, str(SOURCES / "build.py"), *map(str, words)])
    os.killpg(first.pid, signal.SIGCONT)
    first.communicate()
    assert (first.returncode, second.returncode) == (0, 2)
    assert f"{bank} is being built by process {first.pid} " in second.stderr


def assert_ended_well(both: list[subprocess.Popen], said: list[str]) -> None:
    """One at least; the other too, or it was told in a sentence to wait."""
    ended = {process.returncode for process in both}
    assert 0 in ended, said
    assert ended <= {0, 2}, said
    assert all("wait for it" in words for process, words in zip(both, said, strict=True) if process.returncode), said


@pytest.mark.parametrize("name", ["blend", pytest.param("infer", marks=pytest.mark.slow)])
def test_two_at_once_that_write_the_same_files_both_end_right(stages, tmp_path, name):
    out, harness = stages.begun(name, tmp_path / "out"), stages.harness(name)
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    both = [
        subprocess.Popen(command(stages, name, out), env=environment, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate()[1] for process in both]
    assert_ended_well(both, said)
    assert tree_digests(out, harness.ignored) == stages.right(name)
    if name == "infer":
        rows = pd.read_csv(out / "submissions" / "scores.csv")
        assert rows["file"].is_unique  # one, where both end in the same second


@pytest.mark.slow
def test_two_at_once_leave_one_whole_csv_of_files(stages, tmp_path):
    out, csv = stages.begun("infer", tmp_path / "out"), tmp_path / "verdicts.csv"
    words = [sys.executable, str(SOURCES / "infer.py"), str(stages.data / "mashups"), "--runs", str(out / "runs")]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    both = [
        subprocess.Popen([*words, "--out", str(csv)], env=environment, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate()[1] for process in both]
    assert_ended_well(both, said)
    assert len(pd.read_csv(csv)) == 2
    assert [path.name for path in tmp_path.glob("*verdicts*")] == ["verdicts.csv"]
