"""One command at a time trains a member."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from messy_mashup import claim

CLAIM = ".claim"


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Hold a member's folder; UserError names the process that holds it already."""
    with claim.claimed(folder / CLAIM, f"{folder} is being trained"):
        yield
