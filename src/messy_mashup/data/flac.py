"""FLAC as its headers tell it: whether they agree with the sound, how long a stream without a length is, its digest."""

import hashlib
import os
import re
from functools import cache
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from messy_mashup.data.mp3 import behind_tags
from messy_mashup.errors import UserError

STREAMINFO_BYTES = 34
RATES_HZ = (None, 88_200, 176_400, 192_000, 8000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000)
BITS = (None, 8, 12, None, 16, 20, 24, 32)
BLOCKS = (None, 192, 576, 1152, 2304, 4608, None, None, 256, 512, 1024, 2048, 4096, 8192, 16_384, 32_768)
SYNC = re.compile(rb"\xff[\xf8\xf9]")
LAST_BYTES = 1 << 19  # in which the last frame is looked for
MOST_LAST = 8  # places that look like its header, as hardly any does by accident
FRAME_HEADER_BYTES = 16
ID3V1_BYTES = 128


class Stream(NamedTuple):
    """What STREAMINFO says: bits a sample, MD5 of all samples or zeros, and bytes to be put over a length of 0."""

    bits: int
    md5: bytes
    patches: dict[int, bytes]


class _Info(NamedTuple):
    sample_rate_hz: int
    channels: int
    bits: int
    samples: int
    block: int


class _Frame(NamedTuple):
    """A frame's header; None where it refers to STREAMINFO. number: of the frame, or of its first sample (variable)."""

    sample_rate_hz: int | None
    channels: int
    bits: int | None
    block: int
    number: int
    variable: bool
    bytes: int


def stream_of(descriptor: int, size: int, path: Path) -> Stream | None:
    """The facts of a FLAC file, with tags in front or without; None where it is none.

    UserError where STREAMINFO and the first frame contradict each other, or where a length that was left open cannot
    be told from the last frame.
    """
    begin = behind_tags(descriptor)
    head = os.pread(descriptor, 8 + STREAMINFO_BYTES, begin)
    if head[:4] != b"fLaC" or len(head) < 8 + STREAMINFO_BYTES or head[4] & 0x7F:
        return None
    info, first_at = _info(head[8:]), _behind_blocks(descriptor, begin + 4, size)
    first = _frame(os.pread(descriptor, FRAME_HEADER_BYTES, first_at))
    if first is None:
        raise UserError(f"{path}: is damaged at byte {first_at}, where its first frame should begin: get it again")
    for name in ("sample_rate_hz", "channels", "bits"):
        claimed, framed = getattr(info, name), getattr(first, name)
        if framed not in (None, claimed):
            word = name.removesuffix("_hz").replace("_", " ")
            raise UserError(f"{path}: is damaged: its {word} is {claimed} by its header, {framed} by its sound")
    patches = {}
    if info.samples == 0:
        samples = _samples(descriptor, first_at, size, first, info, path)
        at = begin + 8 + 13  # four bits share their byte with the bits of a sample
        patches = {at: bytes([head[21] & 0xF0 | samples >> 32]) + (samples & 0xFFFFFFFF).to_bytes(4)}
    return Stream(info.bits, head[26:42], patches)


class Digest:
    """The MD5 of what decodes, as FLAC's encoders note it: whole numbers of as many bytes as the bits need."""

    def __init__(self, stream: Stream) -> None:
        self.noted, self.bits, self.md5 = stream.md5, stream.bits, hashlib.md5(usedforsecurity=False)

    def update(self, block: np.ndarray) -> None:
        """Take samples further: float32 (samples, channels) of full scale 1."""
        width = -(-self.bits // 8)
        whole = (block * np.float32(1 << (self.bits - 1))).astype({1: "<i1", 2: "<i2"}.get(width, "<i4"))
        self.md5.update(whole.view(np.uint8).reshape(-1, 4)[:, :3].tobytes() if width == 3 else whole.data)

    def refuse(self, path: Path) -> None:
        """UserError where it is not the one that the encoder noted."""
        if self.md5.digest() != self.noted:
            raise UserError(
                f"{path}: is damaged: its samples are not those that its checksum was made of: get the file again, or "
                "encode it again if it sounds as it should"
            )


def digest_of(stream: Stream | None) -> Digest | None:
    """A digest to be held against the noted one; None where there is none, or where float32 cannot hold the samples."""
    return Digest(stream) if stream is not None and any(stream.md5) and stream.bits <= 24 else None


def _info(block: bytes) -> _Info:
    packed = int.from_bytes(block[10:18])
    rate, channels, bits = packed >> 44, (packed >> 41 & 7) + 1, (packed >> 36 & 31) + 1
    return _Info(rate, channels, bits, packed & (1 << 36) - 1, int.from_bytes(block[:2]))


def _behind_blocks(descriptor: int, at: int, size: int) -> int:
    """Where the first frame lies: behind STREAMINFO, which is at `at`, tags and pictures."""
    last = False
    while not last and at < size:
        head = os.pread(descriptor, 4, at).ljust(4, b"\0")
        last, at = bool(head[0] & 0x80), at + 4 + int.from_bytes(head[1:])
    return at


def _frame(head: bytes) -> _Frame | None:
    """The header of the frame that begins so; None where it is none, as its checksum tells."""
    if len(head) < 6 or not SYNC.match(head):
        return None
    block_code, rate_code, channel_code, bits_code = head[2] >> 4, head[2] & 15, head[3] >> 4, head[3] >> 1 & 7
    more = max(0, 7 - (~head[4] & 0xFF).bit_length())  # bytes that follow the first one of the number
    at = 5 + more
    number = head[4] & (0x7F if not more else 0x3F >> more)
    for byte in head[5:at]:
        number = number << 6 | byte & 0x3F
    block, rate = BLOCKS[block_code], RATES_HZ[rate_code] if rate_code < 12 else None
    if block_code in (6, 7):
        block, at = int.from_bytes(head[at : at + block_code - 5]) + 1, at + block_code - 5
    if rate_code in (12, 13, 14):
        width = 1 if rate_code == 12 else 2
        rate = int.from_bytes(head[at : at + width]) * (1000, 1, 10)[rate_code - 12]
        at += width
    if at >= len(head) or block is None or rate_code == 15 or channel_code > 10 or _crc(head[:at], 8, 0x07) != head[at]:
        return None
    channels = channel_code + 1 if channel_code < 8 else 2
    return _Frame(rate, channels, BITS[bits_code], block, number, bool(head[1] & 1), at + 1)


def _samples(descriptor: int, begin: int, size: int, first: _Frame, info: _Info, path: Path) -> int:
    """How long a stream is whose header does not tell: its last frame has a number, and a checksum at its end."""
    start = max(begin, size - LAST_BYTES)
    content = os.pread(descriptor, size - start, start)
    if content[-ID3V1_BYTES:].startswith(b"TAG"):
        content = content[:-ID3V1_BYTES]
    places = (found.start() for found in reversed(list(SYNC.finditer(content))))
    frames = ((place, _frame(content[place : place + FRAME_HEADER_BYTES])) for place in places)
    kind = (first.channels, first.variable)
    alike = ((place, one) for place, one in frames if one and (one.channels, one.variable) == kind)
    for place, frame in islice(alike, MOST_LAST):
        if _crc(content[place:-2], 16, 0x8005) == int.from_bytes(content[-2:]):
            return (frame.number if frame.variable else frame.number * info.block) + frame.block
    raise UserError(f"{path}: does not tell its length, and its end is no whole frame: encode it again, as flac or wav")


def _crc(content: bytes, bits: int, polynomial: int) -> int:
    """A checksum that begins with 0 and takes the highest bit first."""
    table, remainder, mask = _table(bits, polynomial), 0, (1 << bits) - 1
    for byte in content:
        remainder = (remainder << 8 & mask) ^ table[remainder >> bits - 8 ^ byte]
    return remainder


@cache
def _table(bits: int, polynomial: int) -> list[int]:
    """The remainder of each byte."""
    remainders = []
    for byte in range(256):
        remainder = byte << bits - 8
        for _ in range(8):
            carried = remainder >> bits - 1
            remainder = (remainder << 1 & (1 << bits) - 1) ^ (polynomial if carried else 0)
        remainders.append(remainder)
    return remainders
