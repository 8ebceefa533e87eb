"""Feed a reader with changed files for some minutes, and keep what it does wrong.

    python benchmarks/fuzz.py --target NAME [--minutes 5] [--seed 0] [--finds DIR] [--guided]

--guided: atheris (`pip install atheris`) chooses the changes by the lines that they reach. The files that go wrong are
kept in DIR (default: runs/finds/NAME), each once for each fault, and so is the file at which a reader died. Ends with a
line of JSON: inputs tried, those refused, seconds, inputs/s, processes that died, finds. The targets are in
tests/fuzz_*.py.
"""

import argparse
import hashlib
import importlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]
TALLY = "tally.json"
ALIVE_S = 60  # a process is replaced after that: what it leaks, and what kills it, ends with it
HANGS_S = 90  # beyond its time, which begins when it has imported and made its seeds


def main() -> None:
    """Fuzz in processes, one after the other, until the minutes are over."""
    options = _options()
    if options.work:
        _turn(options)
        return
    options.finds.mkdir(parents=True, exist_ok=True)
    until, tried, refused, deaths = time.time() + 60 * options.minutes, 0, 0, 0
    begin_s, seed = time.monotonic(), options.seed
    while time.time() < until:
        with tempfile.TemporaryDirectory() as work:
            ended = _process(options, Path(work), seed, min(until - time.time(), ALIVE_S))
            if not Path(work, TALLY).exists():
                sys.exit(f"{options.target}: {ended or 'the process ended'} before its first input")
            tally = json.loads(Path(work, TALLY).read_text())
            tried, refused, seed = tried + tally["tried"], refused + tally["refused"], seed + 1
            if ended:
                deaths += 1
                _keep(options.finds, Path(work, tally["file"]).read_bytes(), ended)
    finds = len(list(options.finds.glob("*.txt")))
    seconds = time.monotonic() - begin_s
    told = {"target": options.target, "tried": tried, "refused": refused, "seconds": round(seconds)}
    told |= {"inputs_per_s": round(tried / seconds, 1), "guided": options.guided, "deaths": deaths, "finds": finds}
    print(json.dumps({"benchmark": "fuzz", **told}))


def _process(options: argparse.Namespace, work: Path, seed: int, seconds: float) -> str | None:
    """Run a process's share; how it ended where it did not end well. One that hangs in C hears no alarm."""
    words = ["--target", options.target, "--seed", seed, "--finds", options.finds, "--work", work]
    words += ["--minutes", seconds / 60]
    command = [sys.executable, __file__, *map(str, words), *(["--guided"] if options.guided else [])]
    try:
        code = subprocess.run(command, check=False, timeout=seconds + HANGS_S).returncode
    except subprocess.TimeoutExpired:
        return "the process did not end"
    return f"the process ended with {code}" if code else None


def targets() -> dict:
    """All targets by the names of the modules tests/fuzz_*.py and their own: each has a dictionary TARGETS."""
    modules = sorted(path.stem for path in (ROOT / "tests").glob("fuzz_*.py"))
    return {name: target for module in modules for name, target in importlib.import_module(module).TARGETS.items()}


class _Tally:
    """What was tried, as a file that outlives the process."""

    def __init__(self, path: Path, file: str) -> None:
        self.path, self.file, self.tried, self.refused = path, file, 0, 0

    def save(self) -> None:
        """Write the counts."""
        self.path.write_text(json.dumps({"tried": self.tried, "refused": self.refused, "file": self.file}))


def _turn(options: argparse.Namespace) -> None:
    """One process's share."""
    from fuzzing import Find, changes, feed

    if options.guided:
        import atheris

        with atheris.instrument_imports(include=["messy_mashup"]):
            known = targets()
    else:
        known = targets()
    if options.target not in known:
        sys.exit(f"there is no target {options.target}: name one of {', '.join(sorted(known))}")
    work, target = Path(options.work), known[options.target]
    tally = _Tally(work / TALLY, target.name)

    def one(content: bytes) -> None:
        tally.tried += 1
        if tally.tried % 100 == 1:
            tally.save()
        try:
            tally.refused += feed(target, work, content) is not None
        except Find as find:
            _keep(options.finds, content, str(find))
        if time.monotonic() > until:
            tally.save()
            if options.guided:
                os._exit(0)  # libFuzzer has no other end

    tally.save()
    seeds = target.seeds(Path(tempfile.mkdtemp(dir=work)))
    until = time.monotonic() + 60 * options.minutes
    if options.guided:
        _guided(one, seeds, options, work)
    for content in changes(seeds, options.seed, target.changed):
        one(content)
        if time.monotonic() > until:
            return


def _guided(one: Callable[[bytes], None], seeds: list[bytes], options: argparse.Namespace, work: Path) -> None:
    """Does not return. What reaches new lines is kept in the corpus, where later turns find it."""
    import atheris

    corpus = options.finds / "corpus"
    corpus.mkdir(exist_ok=True)
    for seed in seeds:
        (corpus / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
    limits = [f"-seed={options.seed + 1}", f"-max_len={max(map(len, seeds)) + 4096}", "-rss_limit_mb=4096"]
    atheris.Setup([sys.argv[0], *limits, "-verbosity=0", f"-artifact_prefix={work}/", str(corpus)], one)
    atheris.Fuzz()


def _keep(folder: Path, content: bytes, sentence: str) -> None:
    """A find, unless one like it is there: numbers apart, its sentence is the same."""
    kind = hashlib.sha256(re.sub(r"\d+", "#", sentence).encode()).hexdigest()[:12]
    if not (folder / f"{kind}.txt").exists():
        (folder / f"{kind}.bin").write_bytes(content)
        (folder / f"{kind}.txt").write_text(sentence + "\n")
        print(f"{folder.name}: {sentence[:200]} ({kind}.bin)", file=sys.stderr)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--target", required=True)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--finds", type=Path)
    parser.add_argument("--guided", action="store_true", help="let atheris choose the changes")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.finds = options.finds or ROOT / "runs" / "finds" / options.target
    return options


if __name__ == "__main__":
    main()
