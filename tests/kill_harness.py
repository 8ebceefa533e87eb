"""Kill a script at many moments, run it again, and hold what it leaves against an undisturbed run.

A trial runs the script in a process of its own, forked from a server that has the slow imports done. It is killed with
SIGKILL: at times spread uniformly over an undisturbed run, and just before and just after every `os.replace`, where a
file that took two steps to write would show. Then the same command runs undisturbed and must leave the same bytes.
"""

import contextlib
import hashlib
import multiprocessing
import os
import runpy
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SOURCES = Path(__file__).resolve().parents[1] / "src"
NEVER = -1


@dataclass(frozen=True)
class Trial:
    """What a killed and repeated run left."""

    killed: str  # when, in words
    reached: bool  # whether the kill found the script still running
    tree: dict[str, str]


@dataclass(frozen=True)
class KillHarness:
    """A script, its arguments for an output folder, and the modules that are imported before it is forked."""

    script: str
    arguments: Callable[[Path], list[str]]
    preload: tuple[str, ...] = ()
    threads: int = 1
    ignored: Callable[[str], bool] = lambda name: False

    def session(self, folder: Path, *more: str, inputs: Path | None = None) -> tuple[int, str]:
        """One run with more arguments, and with `inputs` in place of input/: its exit status, and what it said on
        standard error.
        """
        said = folder.parent / f"{folder.name}.stderr"
        arguments = (self.script, [*self.arguments(folder), *more], self.threads)
        surroundings = {"stderr": str(said), "inputs": inputs}
        process = self._context().Process(target=_run, args=arguments, kwargs=surroundings)
        process.start()
        process.join()
        return process.exitcode, said.read_text()

    def undisturbed(self, folder: Path) -> tuple[dict[str, str], float, int]:
        """What an undisturbed run leaves, the seconds it takes, and how often it calls os.replace."""
        context = self._context()
        counter = context.Value("i", 0)
        # The server takes up its imports with the first process; that time belongs to no run.
        self._finish(context.Process(target=int))
        begun_s = time.monotonic()
        self._finish(self._process(folder, counter=counter))
        return tree_digests(folder, self.ignored), time.monotonic() - begun_s, counter.value

    def killed_at_replace(self, folder: Path, number: int, when: str) -> Trial:
        """Killed just before or just after the os.replace of that number, then run again."""
        process = self._process(folder, number, when)
        process.start()
        process.join()
        reached = process.exitcode == -signal.SIGKILL
        return Trial(f"{when} os.replace {number}", reached, self._repeated(folder))

    def killed_after(self, folder: Path, seconds: float) -> Trial:
        """Killed after that time, then run again."""
        return self._ended_after(folder, seconds, signal.SIGKILL)[1]

    def terminated_after(self, folder: Path, seconds: float) -> tuple[int, Trial]:
        """Told to end by SIGTERM after that time, then run again; its exit status, and the trial."""
        return self._ended_after(folder, seconds, signal.SIGTERM)

    def _ended_after(self, folder: Path, seconds: float, number: signal.Signals) -> tuple[int, Trial]:
        process = self._process(folder)
        process.start()
        process.join(seconds)
        if reached := process.is_alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, number)
        process.join()
        return process.exitcode, Trial(f"{number.name} after {seconds:.2f} s", reached, self._repeated(folder))

    def _repeated(self, folder: Path) -> dict[str, str]:
        self._finish(self._process(folder))
        return tree_digests(folder, self.ignored)

    def _process(self, folder: Path, kill_at: int = NEVER, when: str = "before", counter=None):
        arguments = (self.script, self.arguments(folder), self.threads, kill_at, when, counter)
        return self._context().Process(target=_run, args=arguments)

    def _context(self) -> multiprocessing.context.ForkServerContext:
        # The server of Python 3.11 does not take over sys.path, and passes over what it cannot import.
        os.environ["PYTHONPATH"] = os.pathsep.join([str(SOURCES), str(Path(__file__).parent)])
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(list(self.preload))
        return context

    def _finish(self, process: multiprocessing.process.BaseProcess) -> None:
        process.start()
        process.join()
        if process.exitcode != 0:
            raise AssertionError(f"{self.script} ended with {process.exitcode} where nothing disturbed it")


def tree_digests(folder: Path, ignored: Callable[[str], bool] = lambda name: False) -> dict[str, str]:
    """Every file below a folder by name, with the digest of its bytes."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    named = {path.relative_to(folder).as_posix(): path for path in files}
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in named.items() if not ignored(name)}


def _run(
    script: str,
    arguments: list[str],
    threads: int,
    kill_at: int = NEVER,
    when: str = "before",
    counter=None,
    stderr: str = os.devnull,
    inputs: Path | None = None,
) -> None:
    with contextlib.suppress(ImportError):
        import torch

        torch.set_num_threads(threads)
    sys.path.insert(0, str(SOURCES))
    if inputs:
        from messy_mashup import paths

        paths.inputs = lambda: inputs
    sys.argv = [script, *arguments]
    os.replace = _counting(os.replace, kill_at, when, counter)
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    sys.stderr = open(stderr, "w", buffering=1)  # noqa: SIM115
    runpy.run_path(str(SOURCES / script), run_name="__main__")


def _counting(replace: Callable, kill_at: int, when: str, counter) -> Callable:
    calls = iter(range(1 << 30))

    def counted(*arguments, **options):
        number = next(calls)
        if number == kill_at and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        replace(*arguments, **options)
        if number == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        if counter is not None:
            counter.value = number + 1

    return counted
