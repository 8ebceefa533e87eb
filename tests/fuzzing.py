"""Readers fed with changed files: each ends in a value or in a sentence, soon and in little memory.

A target is a reader with well-formed files to begin with. `feed` gives it one file; `changed` makes one out of those.
What `feed` raises as Find is a defect: another exception than UserError, a sentence that does not name the file, a
wrong answer (the target's reader asserts), too long, too much memory. benchmarks/fuzz.py goes on where the tests stop.
"""

import random
import re
import resource
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from messy_mashup.errors import UserError

MIB = 1 << 20
STATUS, RESET_PEAK, PEAK = Path("/proc/self/status"), Path("/proc/self/clear_refs"), re.compile(r"VmHWM:\s+(\d+) kB")
ADDRESSES = re.compile(r"VmSize:\s+(\d+) kB")
MOST_ADDRESSES = 4096 * MIB  # beyond what the process has: what asks for more gets none, and is found out by it
NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
WORDS = (b"nan", b"inf", b"-1", b"1e999", b"99999999999999999999", b"null", b"{}", b"[]", b'""', b"../../etc/passwd")
WORDS += (b"/etc/passwd", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\r", b"\n", b",", b'"', b"\xf0\x9f\x8e\xb5", b"true")


class Find(AssertionError):
    """What a reader did wrong with a file."""


def changed(chance: random.Random, seeds: Sequence[bytes]) -> bytes:
    """One of the seeds with one to eight changes of a kind that finds faults in readers."""
    content = bytearray(chance.choice(seeds))
    for _ in range(1 << chance.randrange(4)):
        chance.choice(CHANGES)(chance, content, seeds)
    return bytes(content)


@dataclass(frozen=True)
class Target:
    """read: given the file's path, returns or raises UserError; it asserts where it can tell a wrong answer.

    seeds: well-formed contents, made in an empty folder.
    name: of the file that is written. longest_s, most_mib: what one file may take.
    changed: makes a changed file of the seeds. mended: what every file goes through before it is written, such as
    checksums that are put right again, without which no change would be looked at.
    """

    name: str
    seeds: Callable[[Path], list[bytes]]
    read: Callable[[Path], object]
    longest_s: float = 1.0
    most_mib: float = 256
    changed: Callable[[random.Random, Sequence[bytes]], bytes] = changed
    mended: Callable[[bytes], bytes] = bytes


def feed(target: Target, folder: Path, content: bytes) -> str | None:
    """The sentence that refuses a file, or None where it is read. Raises Find."""
    path = folder / target.name
    path.write_bytes(target.mended(content))
    before_mib = _peak_mib(reset=True)
    begin_s = time.process_time()
    with _at_most(10 * target.longest_s), _in_addresses():
        try:
            target.read(path)
            sentence = None
        except UserError as error:
            sentence = str(error)
        except (Find, KeyboardInterrupt):
            raise
        except BaseException as error:  # panics of Rust are no Exceptions
            raise Find(f"{type(error).__name__}: {error}") from error
    seconds, mib = time.process_time() - begin_s, _peak_mib() - before_mib
    if sentence is not None and (path.stem not in sentence or "Traceback" in sentence or len(sentence) > 1000):
        raise Find(f"no sentence about the file: {sentence[:300]}")
    if mib > target.most_mib:
        raise Find(f"it took {mib:.0f} MiB")
    if seconds > target.longest_s:
        raise Find(f"it took {seconds:.1f} s")
    return sentence


def changes(
    seeds: Sequence[bytes], seed: int, change: Callable[[random.Random, Sequence[bytes]], bytes] = changed
) -> Iterator[bytes]:
    """The seeds as they are, then changed ones without end, the same for the same seed."""
    yield from seeds
    chance = random.Random(seed)
    while True:
        yield change(chance, seeds)


def _flip(chance: random.Random, content: bytearray, seeds: Sequence[bytes]) -> None:
    place = _place(chance, content)
    content[place : place + 1] = bytes([(content[place] if content else 0) ^ 1 << chance.randrange(8)])


def _number(chance: random.Random, content: bytearray, seeds: Sequence[bytes]) -> None:
    size = chance.choice((1, 2, 4, 8))
    value = chance.choice(NUMBERS) & ((1 << 8 * size) - 1)
    place = _place(chance, content)
    content[place : place + size] = value.to_bytes(size, chance.choice(("little", "big")))


def _word(chance: random.Random, content: bytearray, seeds: Sequence[bytes]) -> None:
    place = _place(chance, content)
    content[place : place + chance.choice((0, 0, 1, 4))] = chance.choice(WORDS)


def _digits(chance: random.Random, content: bytearray, seeds: Sequence[bytes]) -> None:
    found = list(re.finditer(rb"-?\d+(\.\d+)?", content))
    if found:
        one = chance.choice(found)
        content[one.start() : one.end()] = chance.choice((*WORDS[:7], b"0", b"-0.5", b"7", b"1000000"))


def _cut(chance: random.Random, content: bytearray, seeds: Sequence[bytes]) -> None:
    del content[_place(chance, content) :]


def _drop(chance: random.Random, content: bytearray, seeds: Sequence[bytes]) -> None:
    place = _place(chance, content)
    del content[place : place + (1 << chance.randrange(12))]


def _again(chance: random.Random, content: bytearray, seeds: Sequence[bytes]) -> None:
    place = _place(chance, content)
    content[place:place] = content[place : place + (1 << chance.randrange(12))]


def _splice(chance: random.Random, content: bytearray, seeds: Sequence[bytes]) -> None:
    other = chance.choice(seeds)
    content[_place(chance, content) :] = other[_place(chance, other) :]


CHANGES = (_flip, _number, _word, _digits, _cut, _drop, _again, _splice)


def _place(chance: random.Random, content: bytes | bytearray) -> int:
    """Near the beginning half of the time: headers are there."""
    reach = min(len(content), 128) if chance.random() < 0.5 else len(content)
    return chance.randrange(reach) if reach else 0


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    def late(*_: object) -> None:
        raise Find(f"it did not end within {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL if before is None else before)  # None: not set from Python


@contextmanager
def _in_addresses() -> Iterator[None]:
    """What asks for far too much memory is told that there is none, before the machine has none."""
    if not STATUS.is_file():
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = int(ADDRESSES.search(STATUS.read_text())[1]) * 1024 + MOST_ADDRESSES
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _peak_mib(reset: bool = False) -> float:
    """The most memory that this process has held since the last reset, in MiB; 0 where the system does not tell."""
    if not STATUS.is_file():
        return 0.0
    if reset:
        RESET_PEAK.write_text("5")
    return int(PEAK.search(STATUS.read_text())[1]) * 1024 / MIB
