"""Audio files as mono float32 waves at one sample rate; what cannot be read is an error that names the file.

libsndfile decodes, and knows how long most files are. In an MP3 whose encoder noted no length it would stop too early
or too late: the frames of such a file are counted here, and libsndfile is made to go on to the last.
"""

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
import soxr

from messy_mashup.errors import UserError

SUFFIXES = frozenset({".wav", ".flac", ".mp3", ".ogg", ".au"})
BLOCK_FRAMES = 1 << 18
RIFF_HEADER_BYTES = 8
# Some writers miscount their own header; streamed files carry a placeholder of 2 GB or more as their length.
RIFF_TOLERANCE_BYTES = 1024
RIFF_PLACEHOLDER_BYTES = 0x7FFF0000
# Of MPEG audio that is no MP3, libsndfile guesses the length by the first bit rate: off by a frame or two where that is
# constant, and by far where it is not. Then a part is never decoded; tags at the end are smaller than that.
MPEG_TOLERANCE = 2 * 1152
MPEG_UNREAD_SHARE = 0.1
# How the header of an MP3 frame begins: sync, version, layer III, a bit rate and a sample rate that there are.
MP3_HEADER = re.compile(
    rb"\xff[\xe2\xe3\xf2\xf3\xfa\xfb][%b]"
    % re.escape(bytes(byte for byte in range(256) if 0 < byte >> 4 < 15 and byte >> 2 & 3 < 3))
)
MPEG_2_KBPS = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
MPEG_1_KBPS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
MP3_SAMPLES = 576  # in a frame, or twice as many
MP3_ROW, MP3_LONG_ROW = 2, 4  # frames end to end: no accident; more than encoders leave behind the end of the sound
MP3_TAIL_BYTES = 2048  # a frame that is cut, and a tag of 128 bytes
MP3_LOUDEST = 16  # times full scale: no music, but what damaged frames decode to
MP3_JUNK_BYTES = 1 << 16  # before the first frame: as much as libsndfile bears
# Encoders note the count of frames in the first one, as Xing and LAME do or as Fraunhofer does.
MP3_NOTES_BYTES = 64
MP3_NOTES = re.compile(rb"Xing|Info|VBRI")
MP3_LENGTH = re.compile(rb"(?s).{13,38}?(?:Xing|Info)\0{3}[\x01\x03\x05\x07\x09\x0b\x0d\x0f](?!\0{4})")
MP3_FRAUNHOFER_LENGTH = re.compile(rb"(?s).{36}VBRI.{10}(.{4})")
TAGS = (b"TAG", b"APETAGEX", b"LYRICSBEGIN", b"ID3")
CHUNK_BYTES, ENDLESS_BYTES = 1 << 14, 1 << 40
# What libsndfile calls a file that does not exist, and an internal error
DAMAGED = {7: "it begins like an MP3 and is damaged, or none", 29: "its data are damaged: get the file again"}


class AudioHeader(NamedTuple):
    """What a file says about itself: samples a channel, their rate, and channels."""

    frames: int
    sample_rate_hz: int
    channels: int


def find_audio(folder: Path) -> list[Path]:
    """All audio files below `folder`, sorted; hidden ones are left out."""
    found = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and not path.name.startswith("."))
    return sorted((path for path in found if path.is_file()), key=lambda path: path.as_posix())


def audio_named(names: list[Path]) -> list[Path]:
    """Files as they are, folders as the audio below them; UserError for what is not there or holds none."""
    files = []
    for name in names:
        if name.is_dir():
            below = find_audio(name)
            if not below:
                raise UserError(f"{name} holds no audio ({', '.join(sorted(SUFFIXES))}): name another folder or a file")
            files += below
        elif name.exists():
            files.append(name)
        else:
            raise UserError(f"there is no file or folder {name}")
    return files


def read_header(path: Path) -> AudioHeader:
    """The header of an audio file; UserError where it is no audio, empty, or cut short as far as its size tells.

    An MP3 that does not tell its length is read to its end for it, but not decoded.
    """
    with _opened(path) as audio:
        return _checked_header(audio, path)


def resampled_length(header: AudioHeader, sample_rate_hz: int) -> int:
    """Samples at `sample_rate_hz`: the length rounded half up, in whole numbers, as soxr rounds it."""
    return (2 * header.frames * sample_rate_hz + header.sample_rate_hz) // (2 * header.sample_rate_hz)


def audio_length(path: Path, sample_rate_hz: int) -> int:
    """The number of samples that `read_mono` returns, from the header alone."""
    return resampled_length(read_header(path), sample_rate_hz)


def read_mono(path: Path, sample_rate_hz: int) -> np.ndarray:
    """The mean of a file's channels, resampled by soxr (HQ): float32 (samples,), `audio_length` samples long.

    UserError where the file is no audio, holds no samples, NaN or infinity, or decodes to another length than its
    header claims. Samples beyond full scale, from float files or from resampling, are kept.
    """
    return np.concatenate(list(mono_blocks(path, sample_rate_hz)))


def mono_blocks(path: Path, sample_rate_hz: int) -> Iterator[np.ndarray]:
    """What `read_mono` returns in blocks, float32 (samples,), and in memory that does not grow with the file.

    UserError as there; where a fault shows only at the file's end, it comes in place of the last block.
    """
    with _opened(path) as audio:
        header = _checked_header(audio, path)
        resampled = _resampler(header.sample_rate_hz, sample_rate_hz)
        decoded, given, peak = 0, 0, 0.0
        for wave in _decoded(audio.sound, path):
            decoded += len(wave)
            peak = np.maximum(peak, np.abs(wave).max())  # NaN stays NaN
            block = resampled(wave)
            given += len(block)
            yield block
        _check_decoded(audio, decoded, path)
        if not np.isfinite(peak):
            raise UserError(f"{path}: holds NaN or infinite samples: write the file again")
        if peak > MP3_LOUDEST and audio.in_rows:
            raise UserError(f"{path}: is damaged: its peak is {peak:.0f} times full scale: get the file again")
        rest = resampled(np.zeros(0, np.float32), last=True)
        yield _fitted(rest, resampled_length(header, sample_rate_hz) - given)


def _resampler(source_hz: int, sample_rate_hz: int) -> Callable[..., np.ndarray]:
    if source_hz == sample_rate_hz:
        return lambda wave, last=False: wave
    return soxr.ResampleStream(source_hz, sample_rate_hz, num_channels=1, quality="HQ").resample_chunk


class _Audio(NamedTuple):
    """An open file, the samples a channel that it should hold, and how many fewer it may.

    The descriptor's position tells how far libsndfile has read; in_rows: it reads MP3 frames of a kind known here.
    """

    sound: soundfile.SoundFile
    descriptor: int
    frames: int
    tolerance: int = 0
    in_rows: bool = False


@contextmanager
def _opened(path: Path) -> Iterator[_Audio]:
    if not path.is_file():
        raise UserError(f"{path}: there is no such file")
    try:
        file = path.open("rb", buffering=0)
    except OSError as error:
        raise UserError(f"{path}: cannot be opened ({error.strerror})") from error
    with file:
        try:
            audio = _recognised(file.fileno(), path)
        except soundfile.LibsndfileError as error:
            raise _unreadable(path, error) from error
        with audio.sound:
            yield audio


def _recognised(descriptor: int, path: Path) -> _Audio:
    """The file as libsndfile takes it; where that would go wrong, its MP3 frames alone."""
    try:
        sound, failure = soundfile.SoundFile(descriptor, closefd=False), None
    except soundfile.LibsndfileError as error:
        sound, failure = None, error
    if sound is not None and not sound.subtype.startswith("MPEG"):
        return _Audio(sound, descriptor, sound.frames)
    begin = _behind_tags(descriptor)
    first = _first_row(descriptor, begin, begin + MP3_JUNK_BYTES, MP3_LONG_ROW if sound is None else MP3_ROW)
    if first is None:
        if failure is not None:
            raise failure
        return _Audio(sound, descriptor, sound.frames, MPEG_TOLERANCE)
    if not MP3_LENGTH.match(os.pread(descriptor, MP3_NOTES_BYTES, first)):
        return _counted(descriptor, first, path)
    if sound is None or sound.format != "MP3":  # behind other bytes, or in a WAV
        sound = soundfile.SoundFile(_Part(descriptor, first, os.fstat(descriptor).st_size))
    # Encoders that note their delay count samples; those that do not count frames, and some the notes among them.
    tolerance = 0 if sound.frames % MP3_SAMPLES else MPEG_TOLERANCE
    return _Audio(sound, descriptor, sound.frames, tolerance, in_rows=True)


def _counted(descriptor: int, begin: int, path: Path) -> _Audio:
    """An MP3 that does not tell its length, from its first frame on; UserError where its frames are not one row."""
    first = os.pread(descriptor, MP3_NOTES_BYTES, begin)
    frame_bytes, samples, _ = _frame(first)
    frames, end = _row(descriptor, begin)
    if MP3_NOTES.search(first):
        frames, begin = frames - 1, begin + frame_bytes
    if told := MP3_FRAUNHOFER_LENGTH.match(first):
        _check_whole(int.from_bytes(told[1]) * samples, frames * samples, MPEG_TOLERANCE, path)
    size = os.fstat(descriptor).st_size
    tagged = os.pread(descriptor, MP3_NOTES_BYTES, end).startswith(TAGS)
    if (size - end > MP3_TAIL_BYTES and not tagged) or _first_row(descriptor, end, size, MP3_ROW) is not None:
        raise UserError(
            f"{path}: is damaged, or joined of parts, at byte {end} of {size}: get the file again, or convert it to wav"
        )
    sound = soundfile.SoundFile(_Part(descriptor, begin, end, ENDLESS_BYTES))
    return _Audio(sound, descriptor, frames * samples, in_rows=True)


class _Part:
    """The bytes of an open file from `begin` to `end`, as a file that claims to be longer by `claimed_bytes`.

    libsndfile stops where it guesses the end by the size; behind the true one it finds nothing, and ends there.
    """

    def __init__(self, descriptor: int, begin: int, end: int, claimed_bytes: int = 0) -> None:
        self.descriptor, self.begin, self.bytes, self.claimed_bytes = descriptor, begin, end - begin, claimed_bytes
        self.at = 0

    def tell(self) -> int:
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


def _behind_tags(descriptor: int) -> int:
    """Where the ID3v2 tags end that the file begins with; they hold pictures, in which anything may be found."""
    at = 0
    while (head := os.pread(descriptor, 10, at)).startswith(b"ID3") and len(head) == 10:
        length = sum((byte & 0x7F) << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True))
        at += 10 + length + (10 if head[5] & 0x10 else 0)  # with a footer
    return at


def _first_row(descriptor: int, begin: int, stop: int, frames: int) -> int | None:
    """Where so many frames lie end to end first, at `begin` or later but before `stop`."""
    for at in range(begin, stop, CHUNK_BYTES):
        chunk = os.pread(descriptor, min(CHUNK_BYTES, stop - at) + 2, at)
        for found in MP3_HEADER.finditer(chunk):
            if _row(descriptor, at + found.start(), frames)[0] == frames:
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
        if len(head) < 4 or not MP3_HEADER.match(head):
            break
        frame_bytes, _, kind = _frame(head)
        if at + frame_bytes > size or kind != (first := first or kind):
            break
        frames, at = frames + 1, at + frame_bytes
    return frames, at


def _frame(head: bytes) -> tuple[int, int, tuple[int, int, bool]]:
    """Bytes and samples of the frame with that header, and what all of an MP3 share: version, sample rate, mono."""
    version, rate, padding = head[1] >> 3 & 3, head[2] >> 2 & 3, head[2] >> 1 & 1
    samples, kbps = (2 * MP3_SAMPLES, MPEG_1_KBPS) if version == 3 else (MP3_SAMPLES, MPEG_2_KBPS)
    sample_rate_hz = (44_100, 48_000, 32_000)[rate] >> {3: 0, 2: 1, 0: 2}[version]
    frame_bytes = samples // 8 * 1000 * kbps[(head[2] >> 4) - 1] // sample_rate_hz + padding
    return frame_bytes, samples, (version, rate, head[3] >> 6 == 3)


def _checked_header(audio: _Audio, path: Path) -> AudioHeader:
    if audio.frames == 0:
        raise UserError(f"{path}: holds no samples")
    missing_bytes = _missing_riff_bytes(audio.descriptor)
    if missing_bytes:
        raise UserError(f"{path}: is cut short: {missing_bytes} of the bytes that its header claims are missing")
    return AudioHeader(audio.frames, audio.sound.samplerate, audio.sound.channels)


def _missing_riff_bytes(descriptor: int) -> int:
    """Bytes that a WAV file's header claims and its size denies; libsndfile would read such a file as a shorter one."""
    head = os.pread(descriptor, RIFF_HEADER_BYTES, 0)
    claimed_bytes = int.from_bytes(head[4:8], "little") + RIFF_HEADER_BYTES
    missing_bytes = claimed_bytes - os.fstat(descriptor).st_size
    believable = head[:4] == b"RIFF" and claimed_bytes < RIFF_PLACEHOLDER_BYTES
    return missing_bytes if believable and missing_bytes > RIFF_TOLERANCE_BYTES else 0


def _decoded(sound: soundfile.SoundFile, path: Path) -> Iterator[np.ndarray]:
    try:
        # Block by block, so that only one block ever holds all channels. mean(axis=1) would be ten times slower.
        while len(block := sound.read(BLOCK_FRAMES, dtype="float32", always_2d=True)):
            yield sum(block.T) / sound.channels
    except soundfile.LibsndfileError as error:
        raise _unreadable(path, error) from error


def _check_decoded(audio: _Audio, decoded: int, path: Path) -> None:
    """UserError where that many samples are not what the file should hold, or where it goes on behind them."""
    if not audio.sound.subtype.startswith("MPEG"):
        if decoded != audio.frames:
            raise UserError(f"{path}: its header claims {audio.frames} samples, {decoded} decode: get the file again")
        return
    position, size = os.lseek(audio.descriptor, 0, os.SEEK_CUR), os.fstat(audio.descriptor).st_size
    if audio.in_rows:
        goes_on = _first_row(audio.descriptor, position, size, MP3_LONG_ROW) is not None
    else:
        goes_on = size - position > MPEG_UNREAD_SHARE * size
    if goes_on:
        raise UserError(f"{path}: its header does not tell its length: convert it to wav or flac")
    _check_whole(audio.frames, decoded, audio.tolerance, path)


def _check_whole(frames: int, there: int, tolerance: int, path: Path) -> None:
    if there < frames - tolerance:
        raise UserError(
            f"{path}: is cut short: {frames - there} of its {frames} samples are missing: get the file again"
        )


def _fitted(wave: np.ndarray, length: int) -> np.ndarray:
    """Cut or padded at its end to the length its header promised: it matters to some MP3s only."""
    return np.pad(wave[:length], (0, max(0, length - len(wave)))).astype(np.float32, copy=False)


def _unreadable(path: Path, error: soundfile.LibsndfileError) -> UserError:
    reason = DAMAGED.get(error.code, error.error_string.rstrip("."))
    return UserError(f"{path}: cannot be read as audio ({reason})")
