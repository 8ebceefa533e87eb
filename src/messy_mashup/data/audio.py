"""Audio files as mono float32 waves at one sample rate; what cannot be read is an error that names the file.

libsndfile decodes, and knows how long most files are. Of an MP3 whose encoder noted no length the frames are counted by
mp3.py, and libsndfile is made to go on to the last. containers.py finds what libsndfile lets pass: files cut short, and
damaged ones.
"""

import argparse
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
import soxr

from messy_mashup.data import containers, flac, mp3
from messy_mashup.errors import UserError
from messy_mashup.files import files_below

SUFFIXES = frozenset({".wav", ".flac", ".mp3", ".ogg", ".au"})
BLOCK_FRAMES = 1 << 18
BLOCK_CHANNELS = 8  # up to which a block is as long; of more it is shorter, and as large
LOWEST_HZ, HIGHEST_HZ = 1000, 1_000_000  # beyond which a header is wrong, and resampling would swell
MAX_HOURS = 6.0
# Of MPEG audio that is no MP3, libsndfile guesses the length by the first bit rate. Where that is not constant, a part
# is never decoded; tags at the end are smaller than that.
MPEG_UNREAD_SHARE = 0.1
LARGEST = 1e30  # times full scale: of larger ones, that floats can hold, resampling makes infinity
LOUDEST = 16  # times full scale: no music, but what damaged frames of an MP3 decode to
# What libsndfile calls a file that does not exist, an internal error, a place that is not there, and what FLAC's frames
# come to
DATA = "its data are damaged: get the file again"
DAMAGED = {
    7: "it begins like an MP3 and is damaged, or none",
    29: DATA,
    39: "its data end before what its header claims: get the file again",
    **dict.fromkeys((155, 158, 160, 161), DATA),
}


class AudioHeader(NamedTuple):
    """What a file says about itself: samples a channel, their rate, and channels."""

    frames: int
    sample_rate_hz: int
    channels: int


def find_audio(folder: Path) -> list[Path]:
    """All audio files below `folder`, sorted; hidden ones are left out."""
    found = (path for path in files_below(folder) if path.suffix.lower() in SUFFIXES)
    return sorted((path for path in found if not path.name.startswith(".")), key=lambda path: path.as_posix())


def audio_named(names: list[Path], most_hours: float | None = None) -> list[Path]:
    """Files as they are, folders as the audio below them; UserError for what is not there or holds none, and for a file
    that is longer than `most_hours`.
    """
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
    if most_hours is not None:
        for file in files:
            refuse_longer(file, most_hours)
    return files


def read_header(path: Path) -> AudioHeader:
    """The header of an audio file; UserError where it is no audio, empty, or cut short as far as its size tells.

    An MP3 that does not tell its length is read to its end for it, but not decoded.
    """
    with _opened(path) as audio:
        return _checked_header(audio, path)


def audio_fault(path: Path) -> str | None:
    """The sentence that says why a file's header cannot be read, or None where it can."""
    try:
        read_header(path)
    except UserError as error:
        return str(error)
    return None


def refuse_longer(path: Path, most_hours: float) -> None:
    """UserError where a file is longer by its header, beyond which nothing is decoded.

    That a header cannot be read is left to the file's reader, who will say so.
    """
    try:
        header = read_header(path)
    except UserError:
        return
    hours = header.frames / header.sample_rate_hz / 3600
    if hours > most_hours:
        raise UserError(
            f"{path}: is {hours:.3g} h long, and up to {most_hours:g} h are taken: cut out a part, or raise --max-hours"
        )


def add_max_hours(parser: argparse.ArgumentParser) -> None:
    """The option --max-hours, for scripts that take anyone's own files."""
    text = f"refuse files that are longer, before any is heard (default: {MAX_HOURS:g})"
    parser.add_argument("--max-hours", type=_hours, default=MAX_HOURS, metavar="HOURS", help=text)


def _hours(text: str) -> float:
    """A number above 0; any other is an error of the option's."""
    try:
        hours = float(text)
    except ValueError:
        hours = 0.0
    if not hours > 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of hours above 0")
    return hours


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
        for wave in _decoded(audio, path):
            decoded += len(wave)
            peak = np.maximum(peak, np.abs(wave).max())  # NaN stays NaN
            block = resampled(wave)
            given += len(block)
            yield block
        _check_decoded(audio, decoded, path)
        if not peak < LARGEST:
            raise UserError(f"{path}: holds NaN or infinite samples, or all but infinite ones: write the file again")
        if peak > LOUDEST and audio.in_rows:
            raise UserError(f"{path}: is damaged: its peak is {peak:.0f} times full scale: get the file again")
        rest = resampled(np.zeros(0, np.float32), last=True)
        yield _fitted(rest, resampled_length(header, sample_rate_hz) - given)


def _resampler(source_hz: int, sample_rate_hz: int) -> Callable[..., np.ndarray]:
    if source_hz == sample_rate_hz:
        return lambda wave, last=False: wave
    return soxr.ResampleStream(source_hz, sample_rate_hz, num_channels=1, quality="HQ").resample_chunk


class _Audio(NamedTuple):
    """An open file, the samples a channel that it should hold, and how many fewer it may.

    The descriptor's position tells how far libsndfile has read; in_rows: it reads MP3 frames of a kind known here;
    digest: of a FLAC that notes one.
    """

    sound: soundfile.SoundFile
    descriptor: int
    frames: int
    tolerance: int = 0
    in_rows: bool = False
    digest: flac.Digest | None = None


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
    """The file as libsndfile takes it; where that would go wrong, its MP3 frames alone, or with its length put in."""
    opening = containers.checked(descriptor, path)
    file = containers.Patched(descriptor, opening.patches) if opening.patches else descriptor
    try:
        sound, failure = soundfile.SoundFile(file, closefd=False), None
    except soundfile.LibsndfileError as error:
        sound, failure = None, error
    if sound is not None and not sound.subtype.startswith("MPEG"):
        return _Audio(sound, descriptor, sound.frames, digest=flac.digest_of(opening.stream))
    first = mp3.first_frame(descriptor, mp3.LONG_ROW if sound is None else mp3.ROW)
    if first is None:
        if failure is not None:
            raise failure
        return _Audio(sound, descriptor, sound.frames, mp3.GUESSED_SAMPLES)
    if not mp3.tells_length(descriptor, first):
        row = mp3.counted(descriptor, first, path)
        sound = soundfile.SoundFile(mp3.Part(descriptor, row.begin, row.end, mp3.ENDLESS_BYTES))
        return _Audio(sound, descriptor, row.samples, in_rows=True)
    if sound is None or sound.format != "MP3":  # behind other bytes, or in a WAV
        sound = soundfile.SoundFile(mp3.Part(descriptor, first, os.fstat(descriptor).st_size))
    # Encoders that note their delay count samples; those that do not count frames, and some the notes among them.
    tolerance = 0 if sound.frames % mp3.FRAME_SAMPLES else mp3.GUESSED_SAMPLES
    return _Audio(sound, descriptor, sound.frames, tolerance, in_rows=True)


def _checked_header(audio: _Audio, path: Path) -> AudioHeader:
    if audio.frames == 0:
        raise UserError(f"{path}: holds no samples")
    rate_hz = audio.sound.samplerate
    if not LOWEST_HZ <= rate_hz <= HIGHEST_HZ:
        raise UserError(
            f"{path}: its header claims {rate_hz} samples a second, and {LOWEST_HZ} to {HIGHEST_HZ} are read: get the "
            "file again"
        )
    return AudioHeader(audio.frames, rate_hz, audio.sound.channels)


def _decoded(audio: _Audio, path: Path) -> Iterator[np.ndarray]:
    sound = audio.sound
    frames = BLOCK_FRAMES * BLOCK_CHANNELS // max(BLOCK_CHANNELS, sound.channels)
    try:
        # Block by block, so that only one block ever holds all channels. mean(axis=1) would be ten times slower.
        while len(block := sound.read(frames, dtype="float32", always_2d=True)):
            if audio.digest:
                audio.digest.update(block)
            with np.errstate(over="ignore", invalid="ignore"):  # told by the peak
                wave = sum(block.T) / sound.channels
            yield wave
    except soundfile.LibsndfileError as error:
        raise _unreadable(path, error) from error


def _check_decoded(audio: _Audio, decoded: int, path: Path) -> None:
    """UserError where that many samples are not what the file should hold, or where it goes on behind them."""
    if not audio.sound.subtype.startswith("MPEG"):
        if decoded != audio.frames:
            raise UserError(f"{path}: its header claims {audio.frames} samples, {decoded} decode: get the file again")
        if audio.digest:
            audio.digest.refuse(path)
        return
    position, size = os.lseek(audio.descriptor, 0, os.SEEK_CUR), os.fstat(audio.descriptor).st_size
    if mp3.goes_on(audio.descriptor, position) if audio.in_rows else size - position > MPEG_UNREAD_SHARE * size:
        raise UserError(f"{path}: its header does not tell its length: convert it to wav or flac")
    mp3.refuse_cut(audio.frames, decoded, audio.tolerance, path)
    if decoded > audio.frames:  # a frame of another kind makes libsndfile begin anew
        raise UserError(
            f"{path}: is damaged: {decoded} samples decode, and it should hold {audio.frames}: get the file again"
        )


def _fitted(wave: np.ndarray, length: int) -> np.ndarray:
    """Cut or padded at its end to the length its header promised: it matters to some MP3s only."""
    return np.pad(wave[:length], (0, max(0, length - len(wave)))).astype(np.float32, copy=False)


def _unreadable(path: Path, error: soundfile.LibsndfileError) -> UserError:
    reason = DAMAGED.get(error.code, error.error_string.rstrip("."))
    return UserError(f"{path}: cannot be read as audio ({reason})")
