"""Files that are written whole or not at all, and what they hold in 32 bytes."""

import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from safetensors import SafetensorError

from messy_mashup.errors import FULL_DISK, NO_FOLDER, UNWRITABLE, UserError, unwritable

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
SYSTEM_ERROR = re.compile(r"\(os error (\d+)\)")  # how Rust ends the message of one


@contextmanager
def write_whole(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; when the block ends well, it takes `path`'s place in one step.

    A reader sees the old file or the new one, never a part. When the block raises, the temporary file goes; on a full
    or read-only disk it raises UserError.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with write_faults_told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def write_faults_told(path: Path) -> Iterator[None]:
    """UserError where the block fails to write `path`: the disk is full (and how much is free), may not be written, or
    has a file where a folder belongs.
    """
    try:
        yield
    except (OSError, SafetensorError) as error:
        number = _system_error(error)
        if number in UNWRITABLE or number in NO_FOLDER:
            raise UserError(f"{unwritable(path, error)}; what was whole before still is") from error
        if number not in FULL_DISK:
            raise
        free_mb = shutil.disk_usage(_nearest_folder(path)).free / 1e6
        raise UserError(
            f"the disk is full, or your share of it is used up ({free_mb:.1f} MB are free): {path} could not be "
            "written, what was whole before still is; make room, then run the same command again"
        ) from error


def read_ahead(path: Path) -> None:
    """Let the system fetch a file's bytes while others are worked on; that there is none is its reader's to tell."""
    if not hasattr(os, "posix_fadvise"):
        return
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return
    try:
        with suppress(OSError):  # of what is no file
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_WILLNEED)
    finally:
        os.close(descriptor)


def check_name(name: str) -> str:
    """The name of a run or a blend; UserError where it could not be a part of file names."""
    if not NAME.fullmatch(name):
        raise UserError(f"name {name!r}: use letters, digits, dot, dash and underscore only")
    return name


def file_digest(path: Path) -> bytes:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _system_error(error: OSError | SafetensorError) -> int | None:
    """The number of the system's error."""
    if isinstance(error, OSError):
        return error.errno
    told = SYSTEM_ERROR.search(str(error))
    return int(told[1]) if told else None


def _nearest_folder(path: Path) -> Path:
    return next(folder for folder in path.absolute().parents if folder.is_dir())
