"""A kernel's output, fetched back to where it belongs: runs to runs/, submissions with their rows of the ledger.

The client's own download keeps whatever an address answers, error pages too, in memory and unchecked; here every file
is streamed and takes its place whole.
"""

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from messy_mashup.competition import kernel_session, ledger
from messy_mashup.competition.client import told
from messy_mashup.competition.entry import LEDGER
from messy_mashup.errors import UserError
from messy_mashup.files import write_whole

if TYPE_CHECKING:
    from kaggle.api.kaggle_api_extended import KaggleApi
    from requests import Response

RUNS, BANKS, SUBMISSIONS, KERNELS = "runs", "banks", "submissions", "kernels"
RECORD = ".fetched.json"  # what the server said of each file's content when it was fetched
TIMEOUT_S = (20, 120)  # to connect, and between two pieces
PIECE_BYTES = 1 << 20


@dataclass(frozen=True)
class Places:
    """The folders that an output is fetched into."""

    runs: Path
    submissions: Path

    def kernel(self, slug: str) -> Path:
        """The folder for what is neither a run nor a submission."""
        return self.runs / KERNELS / slug


@dataclass(frozen=True)
class Wanted:
    """What to fetch, and whether a file of one's own may be replaced by the kernel's."""

    banks: bool = False
    replace: bool = False


@dataclass(frozen=True)
class Fetched:
    """How many files came, and how many were there already."""

    new: int
    kept: int


def fetch(
    api: "KaggleApi", slug: str, places: Places, wanted: Wanted = Wanted(), say: Callable[[str], None] = print
) -> Fetched:
    """Fetch all files of the kernel's latest run, and its log.

    Broken off, it goes on when it is run again. UserError names local files that differ and were left as they are,
    and refuses an output with a name that would lead elsewhere.
    """
    addresses, log = _listed(api, slug)
    targets = {name: _target(name, slug, places) for name in addresses}
    targets = {name: target for name, target in targets.items() if not _left_there(name, wanted)}
    folder = places.kernel(slug)
    record = _read_record(folder / RECORD)
    new, differing = 0, []
    for name, target in sorted(targets.items(), key=lambda item: (_is_ledger(item[0]), item[0])):
        with told(f"fetching {name} of {slug}"):
            if _is_ledger(name):
                say(f"{LEDGER}: new rows: {_merge_ledger(addresses[name], places.submissions / LEDGER)}")
                continue
            came = _fetch_file(addresses[name], target, name, record, wanted)
        if came is None:
            differing.append(str(target))
        elif came:
            new += 1
            _write(folder / RECORD, json.dumps(record, indent=1, sort_keys=True))
            say(f"{target}")
    if log:
        _write(folder / f"{slug}.log", "\n".join(kernel_session.log_lines(log)) + "\n")
    if differing:
        raise UserError(
            f"{len(differing)} files here differ from those of {slug} and were left as they are: "
            f"{', '.join(differing)}; move them away, or take the kernel's with --force"
        )
    return Fetched(new, len(targets) - new)


def _listed(api: "KaggleApi", slug: str) -> tuple[dict[str, str], str]:
    """Addresses by name, from all pages, and the log."""
    page = kernel_session.output_page(api, slug)
    log, addresses = page.log or "", {}
    while True:
        addresses |= {file.file_name: file.url for file in page.files or []}
        if not page.next_page_token:
            return addresses, log
        page = kernel_session.output_page(api, slug, page.next_page_token)


def _target(name: str, slug: str, places: Places) -> Path:
    """Where the file of that name goes; UserError where it would lead out of the folders."""
    path = PurePosixPath(name)
    if not name or path.is_absolute() or ".." in path.parts or not path.parts or any(c in name for c in "\\:\0"):
        raise UserError(f"{slug} has a file named {name!r}, which leads out of the folder: nothing was fetched")
    if path.parts[0] == RUNS and len(path.parts) > 1:
        return places.runs.joinpath(*path.parts[1:])
    if path.parts[0] == SUBMISSIONS and len(path.parts) == 2 and path.suffix == ".csv":
        return places.submissions / path.name
    return places.kernel(slug).joinpath(*path.parts)


def _left_there(name: str, wanted: Wanted) -> bool:
    """Banks, unless they are wanted, and what belonged to the kernel's processes alone."""
    path = PurePosixPath(name)
    return path.name.startswith(".") or (path.parts[:2] == (RUNS, BANKS) and not wanted.banks)


def _is_ledger(name: str) -> bool:
    return PurePosixPath(name).parts == (SUBMISSIONS, LEDGER)


def _fetch_file(address: str, target: Path, name: str, record: dict[str, str], wanted: Wanted) -> bool | None:
    """Whether the file came (True) or was there (False); None where another one is there and was left.

    A file of the same size is the same, unless the server has said of the one before that its content was another.
    """
    with _opened(address) as response:
        size, content = _size(response), _content(response)
        if target.exists():
            known = record.get(name, content)
            if target.is_file() and target.stat().st_size == size and known == content:
                return False
            if not wanted.replace or not target.is_file():
                return None
        with write_whole(target) as temporary:
            _stream(response, temporary, name, size)
    record[name] = content
    return True


def _opened(address: str) -> "Response":
    import requests

    response = requests.get(address, stream=True, timeout=TIMEOUT_S, headers={"Accept-Encoding": "identity"})
    response.raise_for_status()
    return response


def _size(response: "Response") -> int | None:
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() and "Content-Encoding" not in response.headers else None


def _content(response: "Response") -> str:
    """What the server says of the file's content: its checksum, else its tag or its time."""
    named = (response.headers.get(name) for name in ("x-goog-hash", "ETag", "Last-Modified"))
    return next((value for value in named if value), "")


def _stream(response: "Response", path: Path, name: str, size: int | None) -> None:
    with path.open("wb") as file:
        for piece in response.iter_content(PIECE_BYTES):
            file.write(piece)
    if size is not None and path.stat().st_size != size:
        raise UserError(f"{name} came as {path.stat().st_size} of {size} bytes: run the same command again")


def _merge_ledger(address: str, own: Path) -> int:
    """Add the rows of the kernel's ledger that the own one lacks; gives their number."""
    with tempfile.TemporaryDirectory() as folder, _opened(address) as response:
        path = Path(folder) / LEDGER
        _stream(response, path, LEDGER, _size(response))
        return ledger.merge(own, path)


def _read_record(path: Path) -> dict[str, str]:
    try:
        record = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except ValueError as error:
        raise UserError(f"{path} is damaged ({error}): remove it, then run the same command again") from error
    return {str(name): str(content) for name, content in record.items()}


def _write(path: Path, text: str) -> None:
    with write_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
