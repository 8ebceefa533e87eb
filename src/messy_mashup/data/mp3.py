"""MP3 as frames: where a file's first one lies, how many follow, and whether they are one row to the end.

libsndfile decodes MP3; where an encoder noted no length it would stop too early or too late, and where other bytes come
first it would not begin. Frames are walked by their headers here, and nothing is decoded.
"""

import os
import re
import sys
from pathlib import Path
from typing import NamedTuple

from messy_mashup.errors import UserError

# How the header of an MP3 frame begins: sync, version, layer III, a bit rate and a sample rate that there are.
HEADER = re.compile(
    rb"\xff[\xe2\xe3\xf2\xf3\xfa\xfb][%b]"
    % re.escape(bytes(byte for byte in range(256) if 0 < byte >> 4 < 15 and byte >> 2 & 3 < 3))
)
MPEG_2_KBPS = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
MPEG_1_KBPS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
FRAME_SAMPLES = 576  # in a frame, or twice as many
ROW, LONG_ROW = 2, 4  # frames end to end: no accident; more than encoders leave behind the end of the sound
TAIL_BYTES = 2048  # a frame that is cut, and a tag of 128 bytes
MOST_HEADS = 50_000  # in noise, one in 16,000 bytes is the first of one
JUNK_BYTES = 1 << 16  # before the first frame: as much as libsndfile bears
# Encoders note the count of frames in the first one, as Xing and LAME do or as Fraunhofer does.
NOTES_BYTES = 64
NOTES = re.compile(rb"Xing|Info|VBRI")
NOTED_LENGTH = re.compile(rb"(?s).{13,38}?(?:Xing|Info)\0{3}[\x01\x03\x05\x07\x09\x0b\x0d\x0f](?!\0{4})")
FRAUNHOFER_LENGTH = re.compile(rb"(?s).{36}VBRI.{10}(.{4})")
MOST_TAGS = 16  # one after the other
TAGS = (b"TAG", b"APETAGEX", b"LYRICSBEGIN", b"ID3")
CHUNK_BYTES, ENDLESS_BYTES = 1 << 14, 1 << 40
GUESSED_SAMPLES = 2 * 1152  # by which a length may be off that is guessed, or counted in frames


class Row(NamedTuple):
    """Frames that lie end to end: the bytes from `begin` to `end`, and how many samples a channel they hold."""

    begin: int
    end: int
    samples: int


def counted(descriptor: int, begin: int, path: Path) -> Row:
    """The frames of an MP3 that does not tell its length, from its first one on; UserError where they are not one row.

    Such a note as libsndfile does not read is left out.
    """
    first = os.pread(descriptor, NOTES_BYTES, begin)
    frame_bytes, samples, _ = _frame(first)
    frames, end = _row(descriptor, begin)
    if NOTES.search(first):
        frames, begin = frames - 1, begin + frame_bytes
    if told := FRAUNHOFER_LENGTH.match(first):
        refuse_cut(int.from_bytes(told[1]) * samples, frames * samples, GUESSED_SAMPLES, path)
    size = os.fstat(descriptor).st_size
    tagged = os.pread(descriptor, NOTES_BYTES, end).startswith(TAGS)
    if (size - end > TAIL_BYTES and not tagged) or _first_row(descriptor, end, size, ROW) is not None:
        raise UserError(
            f"{path}: is damaged, or joined of parts, at byte {end} of {size}: get the file again, or convert it to wav"
        )
    return Row(begin, end, frames * samples)


def tells_length(descriptor: int, first: int) -> bool:
    """Whether the frame at `first` notes the length, so that libsndfile reads it."""
    return bool(NOTED_LENGTH.match(os.pread(descriptor, NOTES_BYTES, first)))


def first_frame(descriptor: int, frames: int) -> int | None:
    """Where the first one lies of so many end to end: behind the tags, and at most JUNK_BYTES of anything else."""
    begin = behind_tags(descriptor)
    return _first_row(descriptor, begin, begin + JUNK_BYTES, frames)


def goes_on(descriptor: int, begin: int) -> bool:
    """Whether more sound follows from there on: more frames than encoders leave behind its end."""
    return _first_row(descriptor, begin, os.fstat(descriptor).st_size, LONG_ROW) is not None


def behind_tags(descriptor: int) -> int:
    """Where the ID3v2 tags end that the file begins with; they hold pictures, in which anything may be found."""
    at = 0
    for _ in range(MOST_TAGS):
        head = os.pread(descriptor, 10, at)
        if not head.startswith(b"ID3") or len(head) < 10:
            break
        length = sum((byte & 0x7F) << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True))
        at += 10 + length + (10 if head[5] & 0x10 else 0)  # with a footer
    return at


class Part:
    """The bytes of an open file from `begin` to `end`, as a file that claims to be longer by `claimed_bytes`.

    libsndfile stops where it guesses the end by the size; behind the true one it finds nothing, and ends there.
    """

    def __init__(self, descriptor: int, begin: int, end: int, claimed_bytes: int = 0) -> None:
        self.descriptor, self.begin, self.bytes, self.claimed_bytes = descriptor, begin, end - begin, claimed_bytes
        self.at = 0

    def tell(self) -> int:
        """As of any file, and so the others."""
        return self.at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self.at = offset + (0, self.at, self.bytes + self.claimed_bytes)[whence]
        return self.at

    def readinto(self, buffer: memoryview) -> int:
        if self.at > self.bytes:  # at the end that is claimed: libsndfile looks for a tag there, and must read
            buffer[:] = bytes(len(buffer))
            return len(buffer)
        os.lseek(self.descriptor, self.begin + self.at, os.SEEK_SET)
        count = os.readv(self.descriptor, [memoryview(buffer)[: self.bytes - self.at]])
        self.at += count
        return count


def refuse_cut(frames: int, there: int, tolerance: int, path: Path) -> None:
    """UserError where so many samples are there of so many that there should be."""
    if there < frames - tolerance:
        raise UserError(
            f"{path}: is cut short: {frames - there} of its {frames} samples are missing: get the file again"
        )


def _first_row(descriptor: int, begin: int, stop: int, frames: int) -> int | None:
    """Where so many frames lie end to end first, at `begin` or later but before `stop`.

    So many headers without frames as are in no tag or picture are taken for some, lest a made-up file take minutes.
    """
    heads = 0
    for at in range(begin, stop, CHUNK_BYTES):
        chunk = os.pread(descriptor, min(CHUNK_BYTES, stop - at) + 2, at)
        for found in HEADER.finditer(chunk):
            heads += 1
            if heads > MOST_HEADS or _row(descriptor, at + found.start(), frames)[0] == frames:
                return at + found.start()
    return None


def _row(descriptor: int, begin: int, most: int = sys.maxsize) -> tuple[int, int]:
    """How many whole frames of one kind lie end to end from `begin` on, up to `most`, and where the last one ends."""
    size, frames, at = os.fstat(descriptor).st_size, 0, begin
    chunk, chunk_at, first = b"", begin, None
    while frames < most:
        if at + 4 > chunk_at + len(chunk):
            chunk, chunk_at = os.pread(descriptor, CHUNK_BYTES, at), at
        head = chunk[at - chunk_at : at - chunk_at + 4]
        if len(head) < 4 or not HEADER.match(head):
            break
        frame_bytes, _, kind = _frame(head)
        if at + frame_bytes > size or kind != (first := first or kind):
            break
        frames, at = frames + 1, at + frame_bytes
    return frames, at


def _frame(head: bytes) -> tuple[int, int, tuple[int, int, bool]]:
    """Bytes and samples of the frame with that header, and what all of an MP3 share: version, sample rate, mono."""
    version, rate, padding = head[1] >> 3 & 3, head[2] >> 2 & 3, head[2] >> 1 & 1
    samples, kbps = (2 * FRAME_SAMPLES, MPEG_1_KBPS) if version == 3 else (FRAME_SAMPLES, MPEG_2_KBPS)
    sample_rate_hz = (44_100, 48_000, 32_000)[rate] >> {3: 0, 2: 1, 0: 2}[version]
    frame_bytes = samples // 8 * 1000 * kbps[(head[2] >> 4) - 1] // sample_rate_hz + padding
    return frame_bytes, samples, (version, rate, head[3] >> 6 == 3)
