"""What holds the sound: RIFF, AU, FLAC and Ogg, checked where libsndfile would read a damaged file as a shorter one.

Headers are read, and of Ogg all pages, for each has a checksum. Nothing is decoded.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from messy_mashup.data import flac
from messy_mashup.errors import UserError

HEAD_BYTES = 512
RIFF_HEADER_BYTES = 8
# Some writers miscount their own header; streamed files carry a placeholder of 2 GB or more as their length.
RIFF_TOLERANCE_BYTES = 1024
RIFF_PLACEHOLDER_BYTES = 0x7FFF0000
MOST_CHUNKS = 10_000  # before the sound
UNKNOWN = 0xFFFFFFFF
PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
PLAIN_WAV = struct.Struct("<4sI12sHH8xHH4sI")
FMT_BYTES = 26  # as far as the kind of an extensible one
AU_HEADER_BYTES = 24
TAGS = (b"TAG", b"ID3", b"APET")
OGG_HEAD_BYTES, OGG_FIRST, OGG_LAST = 27, 2, 4
REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class Opening(NamedTuple):
    """How libsndfile is to be given a file: with other bytes in some places, and held against a FLAC's own facts.

    patches: offset -> bytes, empty for nearly all.
    """

    patches: dict[int, bytes]
    stream: flac.Stream | None = None


PLAIN = Opening({})


def checked(descriptor: int, path: Path) -> Opening:
    """How the open file is to be read; UserError where its structure says that it is damaged, cut short or ambiguous.

    What is none of these containers is left to libsndfile.
    """
    head, size = os.pread(descriptor, HEAD_BYTES, 0), os.fstat(descriptor).st_size
    if _is_plain_wav(head, size):
        return PLAIN
    if head[:4] in (b"RIFF", b"RIFX", b"RF64") and head[8:12] == b"WAVE":
        return _riff(descriptor, head, size, path)
    if head[:4] == b".snd":
        return _au(head, size, path)
    if head[:4] == b"OggS":
        return _ogg(descriptor, size, path)
    if head[:4] == b"fLaC" or head[:3] == b"ID3":
        stream = flac.stream_of(descriptor, size, path)
        return PLAIN if stream is None else Opening(stream.patches, stream)
    return PLAIN


def _is_plain_wav(head: bytes, size: int) -> bool:
    """Whether a file is a WAV of two chunks whose lengths agree with its size, as nearly all are: told fast."""
    if len(head) < PLAIN_WAV.size:
        return False
    riff, riff_bytes, form, kind, channels, align, bits, data, length = PLAIN_WAV.unpack_from(head)
    named = riff == b"RIFF" and form == b"WAVEfmt \x10\0\0\0" and kind == PCM and data == b"data"
    return named and length == size - PLAIN_WAV.size == riff_bytes - 36 and align * 8 == channels * bits


class Patched:
    """The bytes of an open file, some of them replaced: a file as soundfile takes one."""

    def __init__(self, descriptor: int, patches: dict[int, bytes]) -> None:
        self.descriptor, self.patches, self.at = descriptor, patches, 0

    def tell(self) -> int:
        """As of any file, and so the others."""
        return self.at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self.at = offset + (0, self.at, os.fstat(self.descriptor).st_size)[whence]
        return self.at

    def readinto(self, buffer: memoryview) -> int:
        content = bytearray(os.pread(self.descriptor, len(buffer), self.at))
        for offset, patch in self.patches.items():
            for place, byte in enumerate(patch, offset - self.at):
                if 0 <= place < len(content):
                    content[place] = byte
        buffer[: len(content)] = content
        self.at += len(content)
        return len(content)


def _chunks(descriptor: int, head: bytes, size: int, order: str, path: Path) -> Iterator[tuple[bytes, int, int]]:
    """Chunks up to the end of the file: name, where the content begins, how many bytes it claims; an odd one is
    followed by a byte of padding.
    """
    at = 12
    for _ in range(MOST_CHUNKS):
        if at + 8 > size:
            return
        eight = _part(descriptor, head, at, 8)
        length = int.from_bytes(eight[4:], order)
        yield eight[:4], at + 8, length
        at += 8 + length + length % 2
    raise UserError(f"{path}: has {MOST_CHUNKS} chunks and no sound: get the file again")


def _part(descriptor: int, head: bytes, at: int, count: int) -> bytes:
    """Some bytes of a file whose first ones are at hand."""
    return head[at : at + count] if at + count <= len(head) else os.pread(descriptor, count, at)


def _riff(descriptor: int, head: bytes, size: int, path: Path) -> Opening:
    """A WAV: its chunks lie in the file, and one of them holds the sound, to the end that it claims."""
    order = "big" if head[:4] == b"RIFX" else "little"
    riff_end = int.from_bytes(head[4:8], order) + RIFF_HEADER_BYTES
    believed = head[:4] != b"RF64" and RIFF_HEADER_BYTES < riff_end < RIFF_PLACEHOLDER_BYTES
    if believed and riff_end - size > RIFF_TOLERANCE_BYTES:
        raise _cut(path, riff_end - size)
    form, long_bytes = b"", None
    for name, begin, length in _chunks(descriptor, head, size, order, path):
        if name == b"ds64" and head[:4] == b"RF64":
            long_bytes = int.from_bytes(os.pread(descriptor, 8, begin + 8), order)
        elif name == b"fmt ":
            form = _part(descriptor, head, begin, min(length, FMT_BYTES))
        elif name == b"data":
            _check_form(form, order, path)
            known = length == UNKNOWN and long_bytes is not None
            return _sound(
                descriptor, begin, long_bytes if known else length, size, riff_end if believed else None, path
            )
    return PLAIN  # without sound, and libsndfile says so


def _check_form(form: bytes, order: str, path: Path) -> None:
    """UserError where a sample takes other bytes than libsndfile thinks, which goes by its bits alone."""
    if len(form) < 16:
        return
    kind, channels, align, bits = struct.unpack(">HH8xHH" if order == "big" else "<HH8xHH", form[:16])
    if kind == EXTENSIBLE:
        kind = int.from_bytes(form[24:26], order)
    if kind in (PCM, FLOAT) and align != channels * -(-bits // 8):
        raise UserError(
            f"{path}: its header says {channels} channels of {bits} bits, and {align} bytes for all of them: "
            "convert it to 16 or 24 bits"
        )


def _sound(descriptor: int, begin: int, length: int, size: int, riff_end: int | None, path: Path) -> Opening:
    """How the chunk with the sound is read: to its end, or to the file's where a streaming writer left it open.

    `riff_end`: None where that is left open too.
    """
    end = begin + length
    if end > size:
        if riff_end is None and length >= RIFF_PLACEHOLDER_BYTES:
            return PLAIN
        raise _cut(path, end - size)
    if riff_end is not None and end > riff_end + RIFF_TOLERANCE_BYTES:
        raise UserError(
            f"{path}: is damaged: it ends at byte {riff_end} by its header, its sound at {end}: get the file again"
        )
    behind = end + length % 2
    following = os.pread(descriptor, 4, behind)
    if length == 0 and following and not _is_name(following):
        return Opening({begin - 4: UNKNOWN.to_bytes(4, "little")})
    more = (size if riff_end is None else min(size, riff_end)) - behind
    if following in (b"data", b"fmt ") or (more > RIFF_TOLERANCE_BYTES and not _is_name(following)):
        raise UserError(f"{path}: goes on for {more} bytes behind the sound whose length it tells: get the file again")
    return PLAIN


def _is_name(four: bytes) -> bool:
    """Whether a chunk, or a tag, may begin so."""
    return four.startswith(TAGS) or (len(four) == 4 and all(32 <= byte < 127 for byte in four))


def _au(head: bytes, size: int, path: Path) -> Opening:
    """An AU file: its sound lies in it to the end that it claims, unless that is left open."""
    begin, length = int.from_bytes(head[4:8]), int.from_bytes(head[8:12])
    if begin < AU_HEADER_BYTES:
        raise UserError(f"{path}: is damaged: its sound begins within its header: get the file again")
    if length == UNKNOWN:
        return PLAIN
    missing, more = begin + length - size, size - begin - length
    if missing > 0 and missing != begin:  # a writer that counts its header as sound
        raise _cut(path, missing)
    if more > RIFF_TOLERANCE_BYTES:
        raise UserError(f"{path}: goes on for {more} bytes behind the sound whose length it tells: get the file again")
    return PLAIN


def _ogg(descriptor: int, size: int, path: Path) -> Opening:
    """An Ogg file: one stream, every page whole and in its turn, and an end that is marked."""
    at, serial, number, ended = 0, None, 0, False
    while not ended:
        page = os.pread(descriptor, OGG_HEAD_BYTES + 255, at)
        segments = page[26] if len(page) >= OGG_HEAD_BYTES else 0
        begin = at + OGG_HEAD_BYTES + segments
        length = sum(page[OGG_HEAD_BYTES : OGG_HEAD_BYTES + segments])
        if at >= size or begin + length > size:
            raise UserError(f"{path}: is cut short: its last page is not marked as the end: encode it again")
        whole = page[: OGG_HEAD_BYTES + segments] + os.pread(descriptor, length, begin)
        if page[:5] != b"OggS\0" or _ogg_checksum(whole) != int.from_bytes(page[22:26], "little"):
            raise UserError(f"{path}: is damaged at byte {at} of {size}: get the file again")
        stream, order = page[14:18], int.from_bytes(page[18:22], "little")
        if serial not in (None, stream) or (serial is not None and page[5] & OGG_FIRST):
            raise _several(path)
        if order != number:
            raise UserError(f"{path}: is damaged at byte {at} of {size}, where pages are missing: get the file again")
        serial, number, ended, at = stream, number + 1, bool(page[5] & OGG_LAST), begin + length
    if os.pread(descriptor, 4, at) == b"OggS":
        raise _several(path)
    return PLAIN


def _several(path: Path) -> UserError:
    return UserError(f"{path}: holds more than one stream: save each as a file of its own")


def _ogg_checksum(page: bytes) -> int:
    """Ogg's CRC-32 of a page, its own field taken as 0: zlib's, begun and ended with 0, of bytes with bits reversed."""
    content = (page[:22] + bytes(4) + page[26:]).translate(REVERSED)
    backwards = zlib.crc32(content, 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int.from_bytes(backwards.to_bytes(4, "little").translate(REVERSED))


def _cut(path: Path, missing_bytes: int) -> UserError:
    return UserError(f"{path}: is cut short: {missing_bytes} of the bytes that its header claims are missing")
