"""Audio files as mono float32 waves at one sample rate; what cannot be read is an error that names the file."""

import os
from collections.abc import Iterator
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
# An MP3 without a length of its own is given one by its first bit rate: off by a frame or two where that is constant,
# and by far where it is not. Then a part is never decoded; tags at the end are smaller than that.
MP3_TOLERANCE_FRAMES = 2 * 1152
MP3_UNREAD_SHARE = 0.1


class AudioHeader(NamedTuple):
    """What a file says about itself: samples a channel, their rate, and channels."""

    frames: int
    sample_rate_hz: int
    channels: int


def find_audio(folder: Path) -> list[Path]:
    """All audio files below `folder`, sorted; hidden ones are left out."""
    found = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and not path.name.startswith("."))
    return sorted((path for path in found if path.is_file()), key=lambda path: path.as_posix())


def read_header(path: Path) -> AudioHeader:
    """The header of an audio file; UserError where it is no audio, empty, or cut short as far as its size tells."""
    with _opened(path) as (sound, descriptor):
        return _checked_header(sound, descriptor, path)


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
    with _opened(path) as (sound, descriptor):
        header = _checked_header(sound, descriptor, path)
        wave = _decoded(sound, path)
        unread_bytes = os.fstat(descriptor).st_size - os.lseek(descriptor, 0, os.SEEK_CUR)
        estimated = sound.format == "MP3"
    if estimated and unread_bytes > MP3_UNREAD_SHARE * path.stat().st_size:
        raise UserError(f"{path}: its header does not tell its length: convert it to wav or flac")
    if abs(len(wave) - header.frames) > (MP3_TOLERANCE_FRAMES if estimated else 0):
        raise UserError(f"{path}: its header claims {header.frames} samples, {len(wave)} decode: get the file again")
    if not np.isfinite(wave).all():
        raise UserError(f"{path}: holds NaN or infinite samples: write the file again")
    return _fitted(_resampled(wave, header.sample_rate_hz, sample_rate_hz), resampled_length(header, sample_rate_hz))


@contextmanager
def _opened(path: Path) -> Iterator[tuple[soundfile.SoundFile, int]]:
    """The open file and its descriptor, whose position tells how far libsndfile has read."""
    if not path.is_file():
        raise UserError(f"{path}: there is no such file")
    try:
        file = path.open("rb", buffering=0)
    except OSError as error:
        raise UserError(f"{path}: cannot be opened ({error.strerror})") from error
    with file:
        try:
            sound = soundfile.SoundFile(file.fileno(), closefd=False)
        except soundfile.LibsndfileError as error:
            raise _unreadable(path, error) from error
        with sound:
            yield sound, file.fileno()


def _checked_header(sound: soundfile.SoundFile, descriptor: int, path: Path) -> AudioHeader:
    if sound.frames == 0:
        raise UserError(f"{path}: holds no samples")
    missing_bytes = _missing_riff_bytes(descriptor)
    if missing_bytes:
        raise UserError(f"{path}: is cut short: {missing_bytes} of the bytes that its header claims are missing")
    return AudioHeader(sound.frames, sound.samplerate, sound.channels)


def _missing_riff_bytes(descriptor: int) -> int:
    """Bytes that a WAV file's header claims and its size denies; libsndfile would read such a file as a shorter one."""
    head = os.pread(descriptor, RIFF_HEADER_BYTES, 0)
    claimed_bytes = int.from_bytes(head[4:8], "little") + RIFF_HEADER_BYTES
    missing_bytes = claimed_bytes - os.fstat(descriptor).st_size
    believable = head[:4] == b"RIFF" and claimed_bytes < RIFF_PLACEHOLDER_BYTES
    return missing_bytes if believable and missing_bytes > RIFF_TOLERANCE_BYTES else 0


def _decoded(sound: soundfile.SoundFile, path: Path) -> np.ndarray:
    blocks = []
    try:
        # Block by block, so that only one block ever holds all channels. mean(axis=1) would be ten times slower.
        while len(block := sound.read(BLOCK_FRAMES, dtype="float32", always_2d=True)):
            blocks.append(sum(block.T) / sound.channels)
    except soundfile.LibsndfileError as error:
        raise _unreadable(path, error) from error
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)


def _resampled(wave: np.ndarray, source_hz: int, sample_rate_hz: int) -> np.ndarray:
    return wave if source_hz == sample_rate_hz else soxr.resample(wave, source_hz, sample_rate_hz, quality="HQ")


def _fitted(wave: np.ndarray, length: int) -> np.ndarray:
    """Cut or padded at its end to the length its header promised: it matters to some MP3s only."""
    return np.pad(wave[:length], (0, max(0, length - len(wave)))).astype(np.float32, copy=False)


def _unreadable(path: Path, error: soundfile.LibsndfileError) -> UserError:
    return UserError(f"{path}: cannot be read as audio ({error.error_string.rstrip('.')})")


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
