"""When training must stop: the clock, SIGTERM, Ctrl-C, or the end of the command that started it.

Who trains asks `Stop.reason()` each step, saves what there is when it has one, and raises errors.Stopped. Nothing is
interrupted midway. Time is counted by the monotonic clock only, because the wall clock may jump.
"""

import math
import os
import signal
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Self

from messy_mashup import paths
from messy_mashup.errors import UserError

HANDED_ON = "MESSY_MASHUP_STOP"  # environment variable: stop_at_s, the parent's process id, sentence
SIGNALS = {signal.SIGTERM: "SIGTERM", signal.SIGINT: "Ctrl-C"}
KERNELS_FIRST, THIS = Path("/proc/1/stat"), Path("/proc/self/stat")
LONGEST_SESSION_S = 13 * 3600
START_FIELD = 22  # of /proc/PID/stat: when the process began, in ticks since the machine did; see proc(5)
_IMPORTED_S = time.monotonic()


@dataclass
class Stop:
    """Why to stop, if at all. As a context manager it also takes note of SIGTERM and Ctrl-C.

    The first signal of a kind is noted, a second one does what it did before; in a thread other than the main one
    signals are left alone. `Stop()` without more never has a reason.
    """

    at_s: float = math.inf  # of time.monotonic(), which all processes of a Linux machine share
    sentence: str = ""  # the reason when that time has come
    parent: int | None = None  # process that started this one and without which it stops
    _signalled: str | None = field(default=None, init=False)
    _before: dict[int, object] = field(default_factory=dict, init=False)  # handlers

    @classmethod
    def after(cls, hours: float | None) -> Self:
        """Stop when that many hours have passed since the kernel's start, elsewhere since this command's.

        In a process started with the `environment()` of another's Stop, that one's clock counts, not `hours`.
        """
        if handed_on := os.environ.get(HANDED_ON):
            at_s, parent, sentence = handed_on.split(" ", 2)
            return cls(float(at_s), sentence, int(parent))
        if hours is None:
            return cls()
        if not hours > 0:
            raise UserError(f"--hours {hours:g}: give the hours after which to stop, more than 0")
        age_s, since = _age()
        unit, verb = ("hour", "is") if hours == 1 else ("hours", "are")
        over = f"{hours:g} {unit} since {since} {verb} over"
        return cls(time.monotonic() - age_s + 3600 * hours, over)

    def environment(self) -> dict[str, str]:
        """What a child process's environment needs to stop at the same time, and with this process."""
        return {HANDED_ON: f"{self.at_s!r} {os.getpid()} {self.sentence}"}

    def reason(self) -> str | None:
        """Why to stop now, or None."""
        if self._signalled is not None:
            return self._signalled
        if time.monotonic() >= self.at_s:
            return self.sentence
        if self.parent is not None and os.getppid() != self.parent:
            return f"the command that started this one (process {self.parent}) has ended"
        return None

    def left_s(self) -> float | None:
        """Seconds until the clock is a reason; None where it never is."""
        return max(0.0, self.at_s - time.monotonic()) if self.at_s < math.inf else None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                before = signal.getsignal(number)
                # A shell lets its background jobs ignore Ctrl-C; None is a handler that Python could not put back.
                if before not in (signal.SIG_IGN, None):
                    self._before[number] = before
                    signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
        self._before.clear()

    def _note(self, number: int, _: FrameType | None) -> None:
        self._signalled = self._signalled or SIGNALS[number]
        signal.signal(number, self._before[number])


def _age() -> tuple[float, str]:
    """Seconds since the kernel, or this process, began, and which of the two it is."""
    if paths.in_kernel():
        age_s = _process_age_s(KERNELS_FIRST)
        # Where a sandbox shows another machine's first process, its age says nothing.
        if age_s is not None and age_s < LONGEST_SESSION_S:
            return age_s, "the kernel's start"
    age_s = _process_age_s(THIS)
    return (time.monotonic() - _IMPORTED_S if age_s is None else age_s), "this command's start"


def _process_age_s(stat: Path) -> float | None:
    """Seconds since a process of Linux began; None where the system does not say."""
    try:
        # The second field is the command in brackets and may hold anything.
        fields = stat.read_text(errors="replace").rpartition(")")[2].split()
        began_s = int(fields[START_FIELD - 3]) / os.sysconf("SC_CLK_TCK")
        age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - began_s
    except (OSError, ValueError, IndexError, AttributeError):
        return None
    return age_s if age_s >= 0 else None
