"""The way from files to an entry, command by command, for tests that disturb one of them: build, train, blend, infer.

A stage is the folder that the commands before have left. A trial copies it, disturbs the command there, runs the same
command again, and holds what is left against a run that nothing disturbed.
"""

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import kill_harness
import tiny
from kill_harness import KillHarness, tree_digests

NAME = "tiny_run"
NEW_MOUNTS, NEW_USER = 0x00020000, 0x10000000  # of unshare(2)
DISK_MB = 64
STATUS_UNSHARED = 77  # of a child that may not mount
MADE: list["Stages"] = []


@dataclass(frozen=True)
class Disturbed:
    """What was seen of a command that was disturbed and run again."""

    status: int
    said: str  # on standard error, the first time
    again: int
    tree: dict[str, str]
    folder: Path


@dataclass(frozen=True)
class Stages:
    """A data set, and what each command found when it began (`<folder>/<command>`)."""

    data: Path
    folder: Path

    @classmethod
    def made(cls, folder: Path) -> "Stages":
        """Run all commands once; each leaves the next one's stage."""
        stages = cls(tiny.write_tiny_corpus(folder / "tiny"), folder / "stages")
        (stages.folder / "build").mkdir(parents=True)
        names = list(ARGUMENTS)
        for name, following in zip(names, [*names[1:], "end"], strict=True):
            shutil.copytree(stages.folder / name, stages.folder / following)
            assert stages.harness(name).session(stages.folder / following)[0] == 0, name
            if following == "infer":  # or there is nothing left to score
                (stages.folder / following / "runs" / NAME / "fold0" / "test.npz").unlink()
        return stages

    def harness(self, name: str) -> KillHarness:
        """The command on a folder that holds its stage."""

        def arguments(out: Path) -> list[str]:
            return [str(word) for word in ARGUMENTS[name](self.data, out)]

        return KillHarness(f"{name}.py", arguments, tiny.PRELOAD, ignored=left_alone)

    def begun(self, name: str, out: Path) -> Path:
        """A folder in which the command can begin."""
        return shutil.copytree(self.stage(name), out)

    def stage(self, name: str) -> Path:
        """What the command finds."""
        return self.folder / name

    def right(self, name: str) -> dict[str, str]:
        """What the command leaves where nothing disturbs it."""
        names = [*ARGUMENTS, "end"]
        following = tree_digests(self.folder / names[names.index(name) + 1], left_alone)
        if name == "blend":
            following |= tree_digests(self.folder / name, left_alone)
        return following

    def disturbed(self, name: str, folder: Path, fault: str, left_kb: int = 0) -> Disturbed | None:
        """The command on a small disk of its own that is full but for `left_kb`, or read-only; then again, when that
        is over. None where this machine lets no test mount a disk.
        """
        (folder / "disk").mkdir(parents=True)
        harness = self.harness(name)
        words = (self.stage(name), folder, fault, left_kb, harness.script, harness.arguments(folder / "disk"))
        process = harness._context().Process(target=_on_a_disk, args=words)
        process.start()
        process.join()
        if process.exitcode == STATUS_UNSHARED:
            return None
        assert process.exitcode == 0
        first, second = (int((folder / f"{number}.status").read_text()) for number in (1, 2))
        kept = folder / "kept"
        return Disturbed(first, (folder / "1.stderr").read_text(), second, tree_digests(kept, left_alone), kept)


@pytest.fixture(name="stages", scope="session")
def stages_fixture(tmp_path_factory) -> Stages:
    """The stages, made once for all files that import this."""
    if not MADE:
        MADE.append(Stages.made(tmp_path_factory.mktemp("stages")))
    return MADE[0]


def left_alone(name: str) -> bool:
    """What bears the time of day, what a claim leaves, and half-written files, which are nobody's."""
    times = "/tensorboard/" in name or name.startswith("submissions/")
    return times or name.endswith((".lock", ".claim", ".partial"))


def _place(data: Path, out: Path) -> list[object]:
    return ["--data", data, "--runs", out / "runs"]


def _train(data: Path, out: Path) -> list[object]:
    words = [tiny.RECIPE, "--name", NAME, "--folds", "0", *_place(data, out)]
    return [*words, *tiny.settings(), "--set", "train.epochs=1"]


ARGUMENTS: dict[str, Callable[[Path, Path], list[object]]] = {
    "build": lambda data, out: ["--data", data, "--bank", out / "runs" / "banks" / data.name, "--workers", "1"],
    "train": _train,
    "blend": lambda data, out: [NAME, "--name", "tiny_blend", "--runs", out / "runs"],
    "infer": lambda data, out: [*_place(data, out), "--submissions", out / "submissions"],
}


def _on_a_disk(stage: Path, folder: Path, fault: str, left_kb: int, script: str, arguments: list[str]) -> None:
    disk = folder / "disk"
    if not _mounts_of_its_own() or not _mounted(disk, "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs"):
        os._exit(STATUS_UNSHARED)
    shutil.copytree(stage, disk, dirs_exist_ok=True)
    ballast = disk / ".ballast.partial"
    if fault == "full":
        _fill(ballast, left_kb)
    else:
        assert _mounted(disk, "-o", "remount,ro")
    _run_once(folder, 1, script, arguments)
    if fault == "full":
        ballast.unlink()
    else:
        assert _mounted(disk, "-o", "remount,rw")
    _run_once(folder, 2, script, arguments)
    shutil.copytree(disk, folder / "kept")


def _run_once(folder: Path, number: int, script: str, arguments: list[str]) -> None:
    child = os.fork()
    if child == 0:
        try:
            kill_harness._run(script, arguments, 1, stderr=str(folder / f"{number}.stderr"))
        except SystemExit as end:
            os._exit(end.code or 0)
        except BaseException:
            import traceback

            (folder / f"{number}.stderr").write_text(traceback.format_exc())
            os._exit(1)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    (folder / f"{number}.status").write_text(str(status))


def _mounts_of_its_own() -> bool:
    """Whether this process, which has one thread, now has mounts of its own and may make more."""
    if not sys.platform.startswith("linux"):
        return False
    user, group = os.getuid(), os.getgid()
    if ctypes.CDLL(None).unshare(NEW_USER | NEW_MOUNTS) != 0:
        return False
    process = Path("/proc/self")
    (process / "setgroups").write_text("deny")
    (process / "uid_map").write_text(f"0 {user} 1")
    (process / "gid_map").write_text(f"0 {group} 1")
    return True


def _mounted(place: Path, *options: str) -> bool:
    return subprocess.run(["mount", *options, str(place)], capture_output=True, check=False).returncode == 0


def _fill(ballast: Path, left_kb: int) -> None:
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(b"0" * 4096):
                pass
        except OSError:
            pass
        file.truncate(file.tell() - 1024 * left_kb)
