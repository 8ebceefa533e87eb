"""Which files here came from which kernel, and whether they are still as they came."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from messy_mashup.errors import UserError
from messy_mashup.files import write_whole
from messy_mashup.own_files import read_object
from messy_mashup.recipe_text import first_fault

if TYPE_CHECKING:
    from requests import Response

RECORD = "fetched.json"
TIME = "Last-Modified"
REMEDY = "remove it, then run the same command again; what was fetched before then counts as your own"
TAGS = ("x-goog-hash", "ETag", TIME)  # of an answer, the best first


@dataclass(frozen=True)
class Offer:
    """What the server says of a file: its checksum, else tag or time ("" if it tells none), and its bytes."""

    content: str
    size: int | None

    @classmethod
    def of(cls, response: "Response") -> "Offer":
        """From the headers of its answer."""
        content = next((f"{tag} {response.headers[tag]}" for tag in TAGS if response.headers.get(tag)), "")
        length = response.headers.get("Content-Length", "")
        told = length.isdecimal() and "Content-Encoding" not in response.headers
        return cls(content, int(length) if told else None)


@dataclass(frozen=True)
class Origin:
    """Where a file came from, what the server said of it then, and what it was here right after."""

    kernel: str
    content: str
    size: int | None
    local_size: int
    mtime_ns: int


class Record:
    """The record of all kernels' files, in one file; its keys are paths relative to runs/."""

    def __init__(self, runs: Path, folder: Path):
        self._runs, self._path = runs, folder / RECORD
        self._origins = self._read()

    def unchanged(self, target: Path) -> Origin | None:
        """Where the file came from; None where it was not fetched, was changed here since, or is gone."""
        origin = self._origins.get(self._key(target))
        if origin is None or not target.is_file():
            return None
        found = target.stat()
        return origin if (found.st_size, found.st_mtime_ns) == (origin.local_size, origin.mtime_ns) else None

    def holds(self, target: Path, kernel: str, offer: Offer) -> bool:
        """Whether what the server has is here already, as far as it tells; a time tells it of the same kernel only."""
        origin = self.unchanged(target)
        if origin is None or not offer.content or (origin.content, origin.size) != (offer.content, offer.size):
            return False
        return origin.kernel == kernel or not offer.content.startswith(TIME)

    def unchanged_below(self, folder: Path) -> list[Path]:
        """The fetched files in `folder` and its folders that are still as they came."""
        within = Path(os.path.normpath(folder))
        paths = (self._runs / key for key in sorted(self._origins))
        below = (path for path in paths if Path(os.path.normpath(path)).is_relative_to(within))
        return [path for path in below if self.unchanged(path)]

    def note(self, target: Path, kernel: str, offer: Offer) -> None:
        """Write down that the file as it is now is what the kernel has."""
        found = target.stat()
        origin = Origin(kernel, offer.content, offer.size, found.st_size, found.st_mtime_ns)
        if self._origins.get(self._key(target)) != origin:
            self._write(self._key(target), origin)

    def remove(self, target: Path) -> None:
        """Remove a file and what is known of it."""
        target.unlink()
        self._write(self._key(target), None)

    def _key(self, target: Path) -> str:
        return Path(os.path.relpath(target, self._runs)).as_posix()

    def _write(self, key: str, origin: Origin | None) -> None:
        self._origins = self._read()  # another fetch may have written since
        self._origins.pop(key, None)
        if origin:
            self._origins[key] = origin
        with write_whole(self._path) as temporary:
            kept = {name: asdict(each) for name, each in self._origins.items()}
            temporary.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", encoding="utf-8")

    def _read(self) -> dict[str, Origin]:
        try:
            found = read_object(self._path, REMEDY) if self._path.exists() else {}
            return TypeAdapter(dict[str, Origin]).validate_python(found)
        except ValidationError as error:
            raise UserError(f"{self._path} is damaged ({first_fault(error)}): {REMEDY}") from error
