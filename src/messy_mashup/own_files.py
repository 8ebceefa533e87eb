"""JSON and arrays of files that another machine or hand may have written: read whole, bounded and never unpickled.

Each reader gives a value or a UserError that names the file, what is wrong with it, and the remedy it was given.
"""

import codecs
import json
import math
import struct
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from messy_mashup.errors import UserError

MIB = 1 << 20
MOST_BYTES = 16 * MIB  # of a JSON file; as values it takes up to some 20 times as much memory
LARGE_BYTES = 512 * MIB  # of what grows with the number of clips
DEEPEST = 100  # lists and objects within each other
SHOWN = 100  # characters of a wrong value in a sentence
ZIP_FAULTS = (OSError, ValueError, KeyError, EOFError, TypeError, RuntimeError, OverflowError, MemoryError, SyntaxError)
ZIP_FAULTS += (struct.error, zipfile.BadZipFile, zlib.error)
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def read_bytes(path: Path, remedy: str, most_bytes: int = MOST_BYTES) -> bytes:
    """A file's bytes; UserError where it is missing, no file, or has more than `most_bytes`."""
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise UserError(f"{path} is no file: {remedy}")
        with path.open("rb") as file:
            content = bytearray()  # in parts: room for all that one call may read is taken before it reads
            while len(content) <= most_bytes and (part := file.read(MIB)):
                content += part
    except FileNotFoundError:
        raise UserError(f"{path} is missing: {remedy}") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): {remedy}") from error
    if len(content) > most_bytes:
        raise UserError(f"{path} has more than {most_bytes / MIB:.0f} MiB, too many for what it is: {remedy}")
    return bytes(content)


def read_json(path: Path, remedy: str, finite: bool = True, most_bytes: int = MOST_BYTES) -> Any:
    """The value in a JSON file, by the rules of `parse_json`."""
    return json_of(read_bytes(path, remedy, most_bytes), path, remedy, finite)


def json_of(content: bytes, path: Path, remedy: str, finite: bool = True) -> Any:
    """The value in the bytes of the JSON file at `path`, by the rules of `parse_json`."""
    try:
        return parse_json(content, finite)
    except ValueError as error:
        raise UserError(f"{path} is damaged: it is not JSON ({shortened(str(error))}): {remedy}") from error


def read_object(path: Path, remedy: str, finite: bool = True, most_bytes: int = MOST_BYTES) -> dict[str, Any]:
    """The object in a JSON file, by the rules of `parse_json`."""
    value = read_json(path, remedy, finite, most_bytes)
    if not isinstance(value, dict):
        raise UserError(f"{path} is damaged: it holds no JSON object: {remedy}")
    return value


def parse_json(content: bytes | str, finite: bool = True) -> Any:
    """The value of JSON in UTF-8; ValueError says what is wrong.

    Refused beside what is no JSON: a name that is twice in an object, text that is none, whole numbers beyond 64 bits,
    more than DEEPEST levels and, where `finite`, NaN and numbers beyond a float's range.
    """
    text = content.removeprefix(codecs.BOM_UTF8).decode() if isinstance(content, bytes) else content
    try:
        value = json.loads(text, object_pairs_hook=_object)
    except RecursionError:
        raise ValueError(f"it is nested more than {DEEPEST} levels deep") from None
    _check(value, finite)
    return value


def read_arrays(
    path: Path, kinds: Mapping[str, str], what: str, remedy: str, others: bool = False
) -> dict[str, np.ndarray]:
    """The arrays of an .npz that NumPy wrote without compression, so that they take no more memory than its bytes.

    kinds: the arrays' names, and NumPy's letter for what each holds: "U" text, "f" real, "i" whole numbers, "b" bool.
    what: they are, in words. others: whether it may hold more, which is then not read.
    """
    try:
        if path.exists() and not path.is_file():
            raise ValueError("it is no file")
        with zipfile.ZipFile(path) as archive:
            entries = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
            if len(entries) < len(archive.infolist()) or not (kinds.keys() <= entries.keys()):
                raise ValueError("its arrays are not those that were written")
            if not others and (strange := sorted(entries.keys() - kinds.keys())):
                raise ValueError(f"it holds {shown(strange[0])}, too")
            return {name: _array(archive, entries[name], kind) for name, kind in kinds.items()}
    except FileNotFoundError:
        raise UserError(f"{path} is missing: {remedy}") from None
    except ZIP_FAULTS as error:
        raise UserError(f"{path} does not hold {what} ({shortened(str(error))}): {remedy}") from error


def shown(value: object) -> str:
    """A value as a sentence shows it, whatever it is."""
    try:
        return shortened(repr(value))
    except (ValueError, RecursionError):  # a number of too many digits, or lists in lists
        return f"a very large {type(value).__name__}"


def shortened(text: str, most: int = SHOWN) -> str:
    """Text in one line, its middle left out where it has more than `most` characters."""
    text = " ".join(text.split())
    return text if len(text) <= most else f"{text[: most - 30]}…{text[-29:]}"


def first_twin(names: Iterable[str]) -> str | None:
    """The first name that comes a second time, or None."""
    met: set[str] = set()
    return next((name for name in names if name in met or met.add(name)), None)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if (twin := first_twin(name for name, _ in pairs)) is not None:
        raise ValueError(f"{shown(twin)} is there twice")
    return dict(pairs)


def _check(value: Any, finite: bool) -> None:
    level = [value]
    for _ in range(DEEPEST + 1):
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                below += item.keys()
                below += item.values()
            elif isinstance(item, list):
                below += item
            else:
                _check_plain(item, finite)
        if not below:
            return
        level = below
    raise ValueError(f"it is nested more than {DEEPEST} levels deep")


def _check_plain(item: Any, finite: bool) -> None:
    if isinstance(item, str):
        item.encode()  # half a surrogate pair is no text; UnicodeEncodeError is a ValueError
    elif isinstance(item, float) and finite and not math.isfinite(item):
        raise ValueError(f"{item} is no number")
    elif isinstance(item, int) and not -(1 << 63) <= item < 1 << 64:
        raise ValueError("a whole number is beyond 64 bits")


def _array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, kind: str) -> np.ndarray:
    """An array of exactly the bytes that its header claims: read only when they are there."""
    if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
        raise ValueError(f"{shown(entry.filename)} is compressed")
    with archive.open(entry) as file:
        shape, _, dtype = HEADERS[np.lib.format.read_magic(file)](file)
        size = math.prod(shape) * dtype.itemsize
        if dtype.kind != kind or not dtype.isnative or not dtype.itemsize or min(shape, default=0) < 0:
            raise ValueError(f"{shown(entry.filename)} is of type {shown(dtype.str)}")
        if size != entry.file_size - file.tell():
            raise ValueError(f"{shown(entry.filename)} claims {size} bytes and has {entry.file_size - file.tell()}")
    with archive.open(entry) as file:
        array = np.lib.format.read_array(file, allow_pickle=False)
    if kind == "U":
        points = np.ascontiguousarray(array).reshape(-1).view(np.uint32)
        if ((points > 0x10FFFF) | ((points >= 0xD800) & (points < 0xE000))).any():
            raise ValueError(f"{shown(entry.filename)} holds what is no text")
    return array
