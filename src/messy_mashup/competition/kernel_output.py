"""A kernel's output, fetched back to where it belongs: runs to runs/, submissions with their rows of the ledger.

The client's own download keeps whatever an address answers, error pages too, in memory and unchecked; here every file
is streamed and takes its place whole, and a member's files take theirs together.
"""

import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from messy_mashup.competition import kernel_session, ledger
from messy_mashup.competition.client import told
from messy_mashup.competition.entry import LEDGER
from messy_mashup.competition.fetched_files import Offer, Record
from messy_mashup.errors import UserError
from messy_mashup.files import file_digest, path_below, refuse_link_out, write_faults_told, write_whole
from messy_mashup.paths import BANK_CARD
from messy_mashup.training.attached import COUNTED
from messy_mashup.training.run_folder import STATE, WEIGHTS

if TYPE_CHECKING:
    from kaggle.api.kaggle_api_extended import KaggleApi
    from requests import Response

RUNS, BANKS, SUBMISSIONS, KERNELS = "runs", "banks", "submissions", "kernels"
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
class Arrival:
    """A listed file, what the server says of it, and whether it lies beside its place, for what is there differs."""

    target: Path
    offer: Offer
    is_new: bool


@dataclass(frozen=True)
class Fetched:
    """How many files came, and how many were there already."""

    new: int
    kept: int


def fetch(
    api: "KaggleApi", slug: str, places: Places, wanted: Wanted = Wanted(), say: Callable[[str], None] = print
) -> Fetched:
    """Fetch all files of the kernel's latest run, and its log.

    Broken off, it goes on when it is run again. What an earlier fetch brought, of whatever kernel, gives way unless it
    was changed here. UserError names one's own files that differ and were left as they are, and refuses an output
    with a name that would lead elsewhere.
    """
    addresses, log = _listed(api, slug)
    targets = _targets(addresses, slug, places)
    targets = {name: target for name, target in targets.items() if not _left_there(name, wanted)}
    record, new, differing = Record(places.runs, places.runs / KERNELS), 0, []
    for folder, names in _together(targets, places):
        try:
            arrivals = [_arrival(name, addresses[name], targets[name], slug, record) for name in names]
            left = _left(arrivals, folder, record, wanted)
            differing += left
            new += 0 if left else _place(arrivals, folder, record, slug, say)
        finally:
            for name in names:
                _staging(targets[name]).unlink(missing_ok=True)
    for name in filter(_is_ledger, targets):
        with told(f"fetching {name} of {slug}"):
            say(f"{LEDGER}: new rows: {_merge_ledger(addresses[name], places.submissions / LEDGER)}")
    if log:
        with write_whole(places.kernel(slug) / f"{slug}.log") as temporary:
            temporary.write_text("\n".join(kernel_session.log_lines(log)) + "\n", encoding="utf-8")
    if differing:
        or_force = "" if wanted.replace else ", or take the kernel's with --force"
        raise UserError(
            f"{len(differing)} files here differ from those of {slug} and were left as they are: "
            f"{', '.join(map(str, differing))}; move them away{or_force}"
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


def _targets(names: Iterable[str], slug: str, places: Places) -> dict[str, Path]:
    """Where each file goes, by its name; UserError where one would lead out of the folders, or two go to one place."""
    targets: dict[str, Path] = {}
    for name in names:
        try:
            targets[name] = _target(name, slug, places)
        except UserError as error:
            raise UserError(f"{error}; nothing was fetched") from None
    if len(set(targets.values())) < len(targets):
        places_of = Counter(targets.values())
        twice = [name for name, target in targets.items() if places_of[target] > 1]
        raise UserError(f"{slug} has several files for one place, {', '.join(twice[:3])}: nothing was fetched")
    return targets


def _target(name: str, slug: str, places: Places) -> Path:
    parts = path_below(places.runs, name, slug).relative_to(places.runs).parts
    if ":" in name or "\\" in name:  # which would mean other folders on other systems
        raise UserError(f"{slug} names {name!r}, which not every system can have as a file: rename it there")
    if parts[0] == RUNS and len(parts) > 1 and parts[1] != KERNELS:  # where the record of all fetches is
        folder, target = places.runs, places.runs.joinpath(*parts[1:])
    elif parts[0] == SUBMISSIONS and len(parts) == 2 and parts[1].endswith(".csv"):
        folder, target = places.submissions, places.submissions / parts[1]
    else:
        folder, target = places.runs, places.kernel(slug).joinpath(*parts)
    refuse_link_out(target.parent, folder)  # a link in the place of the file itself is replaced, not followed
    return target


def _left_there(name: str, wanted: Wanted) -> bool:
    """Banks, unless they are wanted, and what belonged to the kernel's processes alone."""
    path = PurePosixPath(name)
    return path.name.startswith(".") or (path.parts[:2] == (RUNS, BANKS) and not wanted.banks)


def _is_ledger(name: str) -> bool:
    return PurePosixPath(name).parts == (SUBMISSIONS, LEDGER)


def _together(targets: dict[str, Path], places: Places) -> list[tuple[Path | None, list[str]]]:
    """Names in the order in which they come: a member's with its folder, for they belong to one epoch, others alone."""
    names = sorted((name for name in targets if not _is_ledger(name)), key=lambda name: _placed_when(targets[name]))
    members = {targets[name].parent for name in names if targets[name].name in COUNTED}
    members = {folder for folder in members if folder.parent.parent == places.runs}
    groups: dict[Path, list[str]] = {}
    for name in names:
        member = next((folder for folder in targets[name].parents if folder in members), None)
        groups.setdefault(member or targets[name], []).append(name)
    return [(folder if folder in members else None, together) for folder, together in groups.items()]


def _placed_when(target: Path) -> tuple[int, Path]:
    """What a bank or a member is known by comes last, so that nothing half is taken for one."""
    last = (BANK_CARD, *COUNTED)
    return (last.index(target.name) + 1 if target.name in last else 0), target


def _staging(target: Path) -> Path:
    """Where a file lies, beside its place, until it takes that."""
    return target.with_name(f".{target.name}.fetched.partial")


def _arrival(name: str, address: str, target: Path, slug: str, record: Record) -> Arrival:
    """Download the file beside its place, unless the record or its bytes say that it is there."""
    with told(f"fetching {name} of {slug}"), _opened(address) as response:
        offer = Offer.of(response)
        if record.holds(target, slug, offer):
            return Arrival(target, offer, is_new=False)
        with write_faults_told(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            _stream(response, _staging(target), name, offer.size)
    if not target.is_file() or not _equal(target, _staging(target)):
        return Arrival(target, offer, is_new=True)
    record.note(target, slug, offer)
    return Arrival(target, offer, is_new=False)


def _left(arrivals: list[Arrival], folder: Path | None, record: Record, wanted: Wanted) -> list[Path]:
    """One's own files that are in the way of what arrived; a member of which there are any is left whole."""
    new = {arrival.target for arrival in arrivals if arrival.is_new}
    own = [target for target in sorted(new) if target.exists() and not record.unchanged(target)]
    left = [target for target in own if not (wanted.replace and target.is_file())]
    # A state of one's own beside the kernel's weights would be gone on from
    if folder and folder / WEIGHTS in new and folder / STATE not in {arrival.target for arrival in arrivals}:
        own_state = (folder / STATE).exists() and not record.unchanged(folder / STATE)
        left += [folder / STATE] if own_state else []
    return left


def _place(arrivals: list[Arrival], folder: Path | None, record: Record, slug: str, say: Callable[[str], None]) -> int:
    """Give each file that arrived its place; gives their number.

    In a member's folder what it is known by goes first, so that at no time files of two epochs pass for a member.
    """
    new = [arrival.target for arrival in arrivals if arrival.is_new]
    if folder:
        moved = [target for target in new if target.name in COUNTED]
        for target in moved:
            target.unlink(missing_ok=True)
        listed = [arrival.target for arrival in arrivals]
        for path in record.unchanged_below(folder):
            if path not in listed and (moved or path.name == STATE):
                record.remove(path)
                say(f"{path}: removed, for {slug} has none")
    for arrival in arrivals:
        if arrival.is_new:
            os.replace(_staging(arrival.target), arrival.target)
            say(f"{arrival.target}")
        record.note(arrival.target, slug, arrival.offer)
    return len(new)


def _equal(one: Path, other: Path) -> bool:
    return one.stat().st_size == other.stat().st_size and file_digest(one) == file_digest(other)


def _opened(address: str) -> "Response":
    import requests

    response = requests.get(address, stream=True, timeout=TIMEOUT_S, headers={"Accept-Encoding": "identity"})
    response.raise_for_status()
    return response


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
        _stream(response, path, LEDGER, Offer.of(response).size)
        return ledger.merge(own, path)
