"""A synthesiser of ten genres: whole competitions made here, for the demo, the tests and the benchmarks."""

from pathlib import Path

DONE = "competition.json"  # written last: what a finished competition was made from


def is_demo(root: Path) -> bool:
    """Whether the data set below `root` was made here."""
    return (root / DONE).is_file()
