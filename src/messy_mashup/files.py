"""Files that are written whole or not at all, what they hold in 32 bytes, and names that stay within a folder."""

import errno
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from safetensors import SafetensorError

from messy_mashup.errors import FULL_DISK, NO_FOLDER, UNWRITABLE, UserError, unwritable

LEADS_OUT = re.compile(r"^[/\\]|^[A-Za-z]:|(?:^|[/\\])\.\.(?:[/\\]|$)")  # absolute, of a drive, or with a step up
NAME_BYTES, PATH_BYTES = 255, 1024  # of a file or folder, and of a name with its folders, in every file system
DEEPEST, MOST_ENTRIES = 64, 1_000_000  # folders in each other, and files and folders in all, that are walked through
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


def path_below(folder: Path, name: str, listed_in: object) -> Path:
    """The path below `folder` that somebody else's list calls `name`; UserError, with the list's name, where it is
    absolute, leads up by `..`, or could not be a file's.

    Links on the way are followed: data may be mounted by them.
    """
    parts = PurePosixPath(name).parts
    if LEADS_OUT.search(name) or not parts:
        raise UserError(
            f"{listed_in} names {name[:80]!r}, which leads out of {folder}: a name is relative to it, without .."
        )
    nameable = name.isprintable() and len(name.encode()) <= PATH_BYTES
    if not nameable or max(len(part.encode()) for part in parts) > NAME_BYTES:
        raise UserError(f"{listed_in} names {name[:80]!r}, which cannot be a file's name: mend it there")
    return folder.joinpath(*parts)


def refuse_link_out(path: Path, folder: Path) -> None:
    """UserError where a link makes `path`, which need not be there yet, lie elsewhere than in or below `folder`."""
    if not path.resolve().is_relative_to(folder.resolve()):
        raise UserError(
            f"{path} leads by a link out of {folder}, to {path.resolve()}: put a file or a folder in the link's place"
        )


def files_below(folder: Path) -> Iterator[Path]:
    """The files below `folder`, in no order, links to files among them.

    Links to folders are not entered, so that every walk ends. UserError where folders lie too deep in each other, or
    files and folders are too many.
    """
    waiting, entries = [(folder, 0)], 0
    while waiting:
        current, depth = waiting.pop()
        try:
            listed = list(os.scandir(current))
        except PermissionError:
            continue
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            depth = DEEPEST + 1
        if depth > DEEPEST:
            raise UserError(f"{folder} has folders too deep in each other, as {str(current)[:200]}...: move them up")
        if (entries := entries + len(listed)) > MOST_ENTRIES:
            raise UserError(f"{folder} holds more than {MOST_ENTRIES} files and folders: name a part of them")
        for entry in listed:
            if entry.is_dir(follow_symlinks=False):
                waiting.append((current / entry.name, depth + 1))
            elif _is_file(entry):
                yield current / entry.name


def file_digest(path: Path) -> bytes:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link in a circle
        return False


def _system_error(error: OSError | SafetensorError) -> int | None:
    """The number of the system's error."""
    if isinstance(error, OSError):
        return error.errno
    told = SYSTEM_ERROR.search(str(error))
    return int(told[1]) if told else None


def _nearest_folder(path: Path) -> Path:
    return next(folder for folder in path.absolute().parents if folder.is_dir())
