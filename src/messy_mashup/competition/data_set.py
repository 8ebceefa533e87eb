"""A folder as a private Kaggle data set: sent whole or not at all, and not sent twice.

The client leaves out a file whose upload failed and makes the version without it, so the count of uploads is held
against the folder before a version is made, and Kaggle's own list of files afterwards.
"""

import json
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from messy_mashup.competition.client import if_there, told, unheard, username
from messy_mashup.competition.packing import folder_digest
from messy_mashup.errors import UserError

if TYPE_CHECKING:
    from kaggle.api.kaggle_api_extended import KaggleApi
    from kagglesdk.datasets.types.dataset_api_service import ApiDataset

CODE_SET, WEIGHTS_SET = "messy-mashup-code", "messy-mashup-weights"
TITLES = {CODE_SET: "Messy Mashup code", WEIGHTS_SET: "Messy Mashup weights"}
METADATA = "dataset-metadata.json"
FAILED = ("FAILED", "DELETED")
PAGE_FILES = 200
# Kaggle unpacks a version in seconds to minutes; its list of files may come a little later
FIRST_WAIT_S, LONGEST_WAIT_S, PATIENCE_S = 2.0, 30.0, 1200.0
LISTINGS = 4


@dataclass(frozen=True)
class DataSet:
    """What Kaggle tells of a data set: its current version and the SHA-256 of what that was made of, "" if unknown."""

    version: int
    digest: str


def reference(api: "KaggleApi", slug: str) -> str:
    """`user/slug` of the account's own data set."""
    return f"{username(api)}/{slug}"


def publish(api: "KaggleApi", folder: Path, slug: str, licence: str, note: str, say: Callable[[str], None]) -> str:
    """Make the folder's content the current version of the account's data set `slug`, and wait until it is ready.

    Gives `user/slug`. Folders in it arrive as folders. The same content as the current version's is not sent again.
    """
    ref, digest = reference(api, slug), folder_digest(folder)
    known = current(api, ref)
    if known and known.digest == digest:
        say(f"{ref}: version {known.version} holds this already")
        _wait(api, ref, known.version)
        return ref
    marked = f"{note} sha256:{digest}"
    fields = {"title": TITLES[slug], "id": ref, "licenses": [{"name": licence}], "description": marked}
    (folder / METADATA).write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")
    size_mb = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
    say(f"{ref}: sending {size_mb:.1f} MB")
    _send(api, folder, ref, marked if known else None)
    version = _wait(api, ref, known.version + 1 if known else 1)
    _check_listing(api, ref, folder)
    say(f"{ref}: version {version} is ready")
    return ref


def current(api: "KaggleApi", ref: str) -> DataSet | None:
    """What Kaggle has of the data set `ref`; None where there is none of that name."""
    from kagglesdk.datasets.types.dataset_api_service import ApiGetDatasetRequest

    request = ApiGetDatasetRequest()
    request.owner_slug, request.dataset_slug = ref.split("/")

    def ask() -> "ApiDataset":
        with api.build_kaggle_client() as kaggle:
            return kaggle.datasets.dataset_api_client.get_dataset(request)

    found = if_there(f"asking Kaggle for the data set {ref}", ask)
    if found is None:
        return None
    version = found.current_version_number or 0
    notes = [each.version_notes or "" for each in found.versions or [] if each.version_number == version]
    # A first version has Kaggle's own note; the description is as new as the version that was sent with it.
    digests = [re.search(r"sha256:([0-9a-f]{64})", text) for text in (*notes, found.description or "")]
    return DataSet(version, next((match[1] for match in digests if match), ""))


def _send(api: "KaggleApi", folder: Path, ref: str, note: str | None) -> None:
    """Upload and make a version with that note; without a note, the first one of a new data set."""
    with told(f"sending the data set {ref}"), unheard(), _scratch(), _whole(api, folder, ref):
        if note is None:
            answer = api.dataset_create_new(str(folder), public=False, quiet=True, dir_mode="zip")
        else:
            answer = api.dataset_create_version(str(folder), note, quiet=True, dir_mode="zip")
    if answer.error or (answer.status or "ok").lower() == "error":
        said = answer.error or "it gives no reason"
        raise UserError(f"Kaggle refuses the data set {ref}: {said}; mend that, then run the same command again")


@contextmanager
def _whole(api: "KaggleApi", folder: Path, ref: str) -> Iterator[None]:
    """Inside it the client makes no version while one of the folder's entries is not uploaded."""
    wanted = sorted(path.name for path in folder.iterdir() if path.name != METADATA)
    upload = api.upload_files

    def upload_all(request: Any, *given: Any, **named: Any) -> None:
        upload(request, *given, **named)
        sent = [file for file in request.files or [] if file.token]
        if len(sent) != len(wanted):
            raise UserError(
                f"sending the data set {ref} failed: of {', '.join(wanted)} only {len(sent)} could be uploaded, so no "
                "version was made; look at the network, then run the same command again"
            )

    api.upload_files = upload_all
    try:
        yield
    finally:
        del api.upload_files


@contextmanager
def _scratch() -> Iterator[None]:
    """What the client keeps for a resume goes when the block ends, for it holds signed addresses."""
    before = tempfile.tempdir
    with tempfile.TemporaryDirectory() as folder:
        tempfile.tempdir = folder
        try:
            yield
        finally:
            tempfile.tempdir = before


def _wait(api: "KaggleApi", ref: str, version: int) -> int:
    """Wait until that version or a later one is the current one and ready; gives its number."""
    wait_s, end_s = FIRST_WAIT_S, time.monotonic() + PATIENCE_S
    while True:
        status, known = _status(api, ref), current(api, ref)
        if status in FAILED:
            raise UserError(
                f"Kaggle could not unpack the data set {ref} ({status}): run the same command again, and see its page"
            )
        if status == "READY" and known and known.version >= version:
            return known.version
        if time.monotonic() > end_s:
            raise UserError(
                f"the data set {ref} is not ready after {PATIENCE_S / 60:.0f} minutes (it is {status}): run the same "
                "command again later"
            )
        time.sleep(wait_s)
        wait_s = min(1.5 * wait_s, LONGEST_WAIT_S)


def _status(api: "KaggleApi", ref: str) -> str:
    status = if_there(f"asking whether the data set {ref} is ready", lambda: api.dataset_status(ref))
    # A new data set may take a moment to be known.
    return "not known yet" if status is None else str(status).upper()


def _check_listing(api: "KaggleApi", ref: str, folder: Path) -> None:
    """Every entry of the folder is in Kaggle's list, and every file that is in both has one size."""
    sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    tops = {path.name for path in folder.iterdir()} - {METADATA}
    for attempt in range(LISTINGS):
        listed = _listing(api, ref)
        present = {name.partition("/")[0] for name in listed} | {name.removesuffix(".zip") for name in listed}
        wrong = sorted(tops - present)
        wrong += sorted(name for name in listed if name in sizes and listed[name] not in (None, sizes[name]))
        if not wrong:
            return
        if attempt + 1 < LISTINGS:
            time.sleep(FIRST_WAIT_S)
    raise UserError(
        f"Kaggle's version of the data set {ref} is not what was sent: it lacks, or has in another size, "
        f"{', '.join(wrong[:3])}; delete the data set on its page, then run the same command again"
    )


def _listing(api: "KaggleApi", ref: str) -> dict[str, int | None]:
    """Sizes of the data set's files by name; None where Kaggle tells no size."""
    listed: dict[str, int | None] = {}
    token = None
    while True:
        with told(f"listing the data set {ref}"), unheard():
            page = api.dataset_list_files(ref, page_token=token, page_size=PAGE_FILES)
        if page.error_message:
            raise UserError(f"listing the data set {ref} failed: {page.error_message}; run the same command again")
        listed |= {file.name.lstrip("/"): file.total_bytes or None for file in page.files or []}
        token = page.next_page_token
        if not token:
            return listed
