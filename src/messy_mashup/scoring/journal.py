"""What a long command has found so far, a line of JSON an item, so that one that was broken off goes on.

A journal says in its first line what it is of: other models or settings begin anew. A line that a kill cut short does
not count. It is read and written by one process at a time, and removed when the work's result is written whole.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from messy_mashup.claim import lock_file
from messy_mashup.errors import UserError
from messy_mashup.files import write_faults_told
from messy_mashup.own_files import parse_json


class Journal:
    """Values by keys, each kept on disk as soon as it is noted."""

    def __init__(self, file: BinaryIO, path: Path, origin: Sequence[str]) -> None:
        self._file, self._path = file, path
        self._values = self._begun(list(origin))

    @classmethod
    @contextmanager
    def of(cls, path: Path, origin: Sequence[str], doing: str) -> Iterator["Journal"]:
        """The journal at `path` of what `origin` says, gone on with where it is of the same; removed when the block
        ends well.

        UserError "{doing} by another process: ..." while one has it.
        """
        with write_faults_told(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("a+b")
        with file:
            lock_file(file.fileno(), doing)
            yield cls(file, path, origin)
            path.unlink(missing_ok=True)

    def __len__(self) -> int:
        """How many values there are."""
        return len(self._values)

    def get(self, key: str) -> Any | None:
        """The value that was noted for a key, or None."""
        return self._values.get(key)

    def note(self, key: str, value: Any) -> None:
        """Keep what JSON can hold; numbers come back to the bit."""
        if key not in self._values:
            self._write({"key": key, "value": value})
            self._values[key] = value

    def _begun(self, origin: list[str]) -> dict[str, Any]:
        self._file.seek(0)
        lines = self._file.read().splitlines(keepends=True)
        whole = lines[:-1] if lines and not lines[-1].endswith(b"\n") else lines
        try:
            head, *entries = [parse_json(line) for line in whole]
            values = {entry["key"]: entry["value"] for entry in entries}
            same = head == {"origin": origin}
        except (ValueError, KeyError, TypeError):  # none yet, or no journal of this kind
            same = False
        if same:
            self._file.truncate(sum(map(len, whole)))
            return values
        if lines and not lines[0].startswith(b'{"origin": '):
            raise UserError(f"{self._path} is no journal of a command: move it away, its name is needed for one")
        self._file.truncate(0)
        self._write({"origin": origin})
        return {}

    def _write(self, entry: dict[str, Any]) -> None:
        with write_faults_told(self._path):
            self._file.write(json.dumps(entry).encode() + b"\n")
            self._file.flush()
