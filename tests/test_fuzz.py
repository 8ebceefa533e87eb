"""Every target of tests/fuzz_*.py with some hundred changed files; and the harness, by readers with known faults."""

import importlib
import json
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path

import pytest

from fuzzing import Find, Target, changes, feed
from messy_mashup.errors import UserError
from messy_mashup.paths import REPOSITORY

INPUTS, SEED = 300, 20_260
MODULES = sorted(path.stem for path in Path(__file__).parent.glob("fuzz_*.py"))
TARGETS = {name: target for module in MODULES for name, target in importlib.import_module(module).TARGETS.items()}
LONGEST_S = 4.0  # for all inputs of a target: of slow ones there are fewer


@pytest.mark.parametrize("name", TARGETS)
def test_changed_files_end_in_a_value_or_a_sentence(tmp_path: Path, name: str) -> None:
    target = TARGETS[name]
    (tmp_path / "seeds").mkdir()
    seeds = target.seeds(tmp_path / "seeds")
    until = time.monotonic() + LONGEST_S
    for content in islice(changes(seeds, SEED, target.changed), len(seeds) + INPUTS):
        feed(target, tmp_path, content)
        if time.monotonic() > until:
            break


def target_of(read, **limits) -> Target:
    return Target("made.bin", lambda folder: [b"one", b"two 2"], read, **limits)


def test_a_reader_that_refuses_with_a_sentence_is_well(tmp_path: Path) -> None:
    def read(path: Path) -> None:
        raise UserError(f"{path}: holds {len(path.read_bytes())} bytes")

    assert feed(target_of(read), tmp_path, b"four").endswith("made.bin: holds 4 bytes")
    assert feed(target_of(Path.read_bytes), tmp_path, b"four") is None


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("{}['key']", "KeyError"),
        ("assert path.read_bytes() == b'other', 'a wrong answer'", "AssertionError: a wrong answer"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("raise UserError('something is wrong')", "no sentence about the file: something"),
        ("raise UserError(str(path) + 'x' * 2000)", "no sentence about the file"),
        ("while True: pass", "it did not end within 1 s"),
        ("import time; time.sleep(5)", "it did not end within 1 s"),
        ("sum(range(20_000_000))", "it took 0"),
        ("held = b'x' * (300 << 20)", "it took 30"),
        ("held = bytes(1 << 40)", "MemoryError"),
    ],
)
def test_a_fault_is_found(tmp_path: Path, body: str, found: str) -> None:
    made = {}
    exec(f"def read(path):\n    {body}", {"UserError": UserError}, made)
    with pytest.raises(Find, match=found):
        feed(target_of(made["read"], longest_s=0.1), tmp_path, b"four")
    assert feed(target_of(Path.read_bytes), tmp_path, b"and on it goes") is None


def test_what_is_mended_is_what_is_read(tmp_path: Path) -> None:
    held = []
    target = target_of(lambda path: held.append(path.read_bytes()), mended=bytes.upper)
    feed(target, tmp_path, b"four")
    assert held == [b"FOUR"]


def test_equal_seeds_give_equal_inputs() -> None:
    seeds = [bytes(range(256)) * 4, b"a,b\n1,2\n"]
    first, again, other = (list(islice(changes(seeds, seed), 200)) for seed in (1, 1, 2))
    assert first == again != other
    assert first[:2] == seeds
    assert len(set(first)) > 150


def test_a_turn_of_the_benchmark_tells_what_it_found(tmp_path: Path) -> None:
    command = [sys.executable, REPOSITORY / "benchmarks" / "fuzz.py", "--target", "cut_wav", "--minutes", "0.05"]
    done = subprocess.run([*command, "--finds", tmp_path / "finds"], capture_output=True, text=True, check=True)
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["target"] == "cut_wav"
    assert told["tried"] > told["refused"] > 0
    assert (told["deaths"], told["finds"]) == (0, 0)
