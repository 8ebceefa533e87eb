"""Targets for the fuzzing of the audio reader: formats with changes anywhere, and cut or damaged files of each.

Where a file is read, an independent reading must give the same samples: plain soundfile of the whole, of WAV the
standard library too. A `cut_` file, a whole one that was cut or whose sound was damaged where a checksum covers it, is
refused or read as the whole.
"""

import io
import random
import sys
import tempfile
import wave
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path

import numpy as np
import soundfile
import soxr

from fuzzing import Target
from messy_mashup.data.audio import AudioHeader, audio_length, read_header, read_mono
from messy_mashup.data.containers import _ogg_checksum

RATE_HZ = 16_000
AU_HEADER_BYTES = 24  # of which the reader believes that a writer may count them as sound


def sound(seed: int, seconds: float, sample_rate_hz: int, channels: int) -> np.ndarray:
    """A tone over noise: (samples, channels)."""
    noise = np.random.default_rng(seed).standard_normal((round(seconds * sample_rate_hz), channels))
    return 0.3 * np.sin(np.arange(len(noise)) * 0.05)[:, None] + 0.05 * noise


def encoded(seed: int, form: str, subtype: str, seconds: float, sample_rate_hz: int, channels: int, **more) -> bytes:
    """A file's bytes as soundfile writes it."""
    file = io.BytesIO()
    wave_in = sound(seed, seconds, sample_rate_hz, channels)
    soundfile.write(file, wave_in, sample_rate_hz, format=form, subtype=subtype, **more)
    return file.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    """A chunk of a RIFF, padded where it is odd."""
    return name + len(content).to_bytes(4, "little") + content + bytes(len(content) % 2)


def with_chunks(wav: bytes, before: bytes = b"", after: bytes = b"") -> bytes:
    """A WAV with other chunks behind its fmt chunk, and behind its sound."""
    at = 20 + int.from_bytes(wav[16:20], "little")
    content = wav[:at] + before + wav[at:] + bytes(len(wav) % 2) + after
    return content[:4] + (len(content) - 8).to_bytes(4, "little") + content[8:]


def id3(content: bytes) -> bytes:
    """An ID3v2 tag with that content."""
    return b"ID3\3\0\0" + bytes(len(content) >> shift & 0x7F for shift in (21, 14, 7, 0)) + content


def without_note(mp3: bytes) -> bytes:
    """An MP3 without its first frame, in which LAME notes the length."""
    return mp3[mp3.index(mp3[:2], 4) :]


def wav_seeds(folder: Path) -> list[bytes]:
    """PCM of all widths, float, extensible, RF64; with other chunks, and with the length left open."""
    plain = encoded(1, "WAV", "PCM_16", 0.3, 22_050, 2)
    seeds = [plain, encoded(2, "WAV", "PCM_24", 0.2, 16_000, 1), encoded(3, "WAV", "FLOAT", 0.2, 16_000, 2)]
    seeds += [encoded(4, "WAVEX", "PCM_16", 0.2, 44_100, 3), encoded(5, "WAVEX", "FLOAT", 0.2, 8000, 1)]
    seeds += [encoded(6, "RF64", "PCM_16", 0.2, 16_000, 1), encoded(7, "WAV", "PCM_U8", 0.3001, 11_025, 1)]
    info = chunk(b"LIST", b"INFO" + chunk(b"INAM", b"a title"))
    seeds += [with_chunks(plain, chunk(b"bext", bytes(603)) + info, info + chunk(b"id3 ", b"odd"))]
    at = plain.index(b"data") + 4
    for length in (b"\xff" * 4, bytes(4)):
        seeds.append(plain[:4] + length + plain[8:at] + length + plain[at + 4 :])
    return seeds


def au_seeds(folder: Path) -> list[bytes]:
    """16 bits, mu-law and float, and with the length left open."""
    seeds = [encoded(1, "AU", "PCM_16", 0.3, 22_050, 1), encoded(2, "AU", "ULAW", 0.3, 8000, 2)]
    seeds.append(encoded(3, "AU", "FLOAT", 0.2, 16_000, 1))
    return [*seeds, seeds[0][:8] + b"\xff" * 4 + seeds[0][12:]]


def flac_seeds(folder: Path) -> list[bytes]:
    """16, 24 and 8 bits, with a tag in front, with the length left open, and as Ogg holds it no more."""
    seeds = [encoded(1, "FLAC", "PCM_16", 0.4, 22_050, 2), encoded(2, "FLAC", "PCM_24", 0.3, 16_000, 1)]
    seeds += [encoded(3, "FLAC", "PCM_S8", 0.5, 44_100, 1), id3(bytes(200)) + seeds[0]]
    return [*seeds, open_length(seeds[0]), open_length(seeds[1], md5=False)]


def open_length(flac: bytes, md5: bool = True) -> bytes:
    """A FLAC as a streaming encoder leaves it: without the count of samples, and perhaps without MD5."""
    return flac[:21] + bytes([flac[21] & 0xF0]) + bytes(4) + (flac[26:42] if md5 else bytes(16)) + flac[42:]


def mp3_seeds(folder: Path) -> list[bytes]:
    """Constant, average and variable bit rates, without the length noted, with tags."""
    write = partial(encoded, form="MP3", subtype="MPEG_LAYER_III", seconds=0.6)
    noted = noted_mp3_seeds(folder)
    bare = [without_note(noted[0]), without_note(noted[1])]
    low = write(4, sample_rate_hz=8000, channels=1, bitrate_mode="CONSTANT", compression_level=0.99)
    return [*noted, *bare, low, id3(bytes(300)) + bare[0] + b"TAG" + bytes(125)]


def noted_mp3_seeds(folder: Path) -> list[bytes]:
    """In whose first frame LAME notes how long they are."""
    write = partial(encoded, form="MP3", subtype="MPEG_LAYER_III", seconds=0.6)
    return [
        write(1, sample_rate_hz=44_100, channels=2, bitrate_mode="CONSTANT"),
        write(2, sample_rate_hz=22_050, channels=1, bitrate_mode="VARIABLE"),
        write(3, sample_rate_hz=16_000, channels=1, bitrate_mode="AVERAGE"),
    ]


def vorbis_seeds(folder: Path) -> list[bytes]:
    """Of several pages."""
    return [encoded(1, "OGG", "VORBIS", 0.6, 44_100, 2), encoded(2, "OGG", "VORBIS", 0.8, 16_000, 1)]


def vorbis_pages() -> bytes:
    """Of so many seconds that pages of sound follow each other."""
    return encoded(3, "OGG", "VORBIS", 1.5, 44_100, 2)


def opus_seeds(folder: Path) -> list[bytes]:
    """At the rates that Opus knows."""
    return [encoded(1, "OGG", "OPUS", 0.6, 48_000, 2), encoded(2, "OGG", "OPUS", 1, 16_000, 1)]


def read(path: Path) -> np.ndarray:
    """A file as the reader under test gives it, held against its header and what an independent reading gives."""
    header, length = read_header(path), audio_length(path, RATE_HZ)
    heard = read_mono(path, RATE_HZ)
    assert heard.dtype == np.float32, heard.dtype
    assert heard.shape == (length,), f"{heard.shape}, {length} by its header"
    assert np.isfinite(heard).all(), "not finite"
    plain = _plain(path)
    if plain is not None:
        samples, rate_hz = plain
        assert (rate_hz, samples.shape[1]) == header[1:], f"{rate_hz} Hz, {samples.shape[1]} channels; {header}"
        mixed = sum(samples.T) / samples.shape[1]
        alone = mixed if rate_hz == RATE_HZ else soxr.resample(mixed, rate_hz, RATE_HZ, quality="HQ")
        assert len(samples) == header.frames, f"plain soundfile reads {len(samples)}, {header}"
        # MP3s are padded to what they promise
        assert np.array_equal(heard[: len(alone)], alone[: len(heard)]), "other samples than plain soundfile"
    _same_as_wave(path, header)
    return heard


def _plain(path: Path) -> tuple[np.ndarray, int] | None:
    """Samples (frames, channels) as soundfile alone reads them, and their rate; None where that cannot be: it refuses
    the file, knows no length, or guesses one as of MP3s.
    """
    try:
        with soundfile.SoundFile(path) as file:
            if file.subtype.startswith("MPEG") or not 0 < file.frames < sys.maxsize:
                return None
            return file.read(dtype="float32", always_2d=True), file.samplerate
    except soundfile.LibsndfileError:  # an MP3 behind other bytes
        return None


def _same_as_wave(path: Path, header: AudioHeader) -> None:
    """Held against the standard library, where that reads a file, which tells its length; how long it says that the
    whole RIFF is may be a bit wrong, and is put right.
    """
    content = path.read_bytes()
    try:
        with wave.open(io.BytesIO(content[:4] + (len(content) - 8).to_bytes(4, "little") + content[8:])) as file:
            told, rate_hz, channels = file.getnframes(), file.getframerate(), file.getnchannels()
            width, content = file.getsampwidth(), file.readframes(min(told, len(content)))
    except (wave.Error, EOFError, RuntimeError):
        return
    found = len(content) // (channels * width)
    assert told == 0 or (found, rate_hz, channels) == header, f"wave: {found}, {rate_hz} Hz, {channels}; {header}"
    if told and width == 2:
        whole = np.frombuffer(content[: found * channels * width], "<i2").reshape(found, channels) / np.float32(1 << 15)
        assert np.array_equal(whole, soundfile.read(path, dtype="float32", always_2d=True)[0]), "other than wave's"


def read_whole(path: Path, seeds: Callable[[Path], list[bytes]]) -> None:
    """A cut or damaged file: read as one of the seeds is, or not at all."""
    heard = read(path)
    assert heard.tobytes() in _readings(seeds), f"{len(heard)} samples, as no whole file"


@cache
def _readings(seeds: Callable[[Path], list[bytes]]) -> set[bytes]:
    found = set()
    with tempfile.TemporaryDirectory() as folder:
        for content in seeds(Path(folder)):
            path = Path(folder, "whole")
            path.write_bytes(content)
            found.add(read_mono(path, RATE_HZ).tobytes())
    return found


def cut(chance: random.Random, seeds: Sequence[bytes]) -> bytes:
    """A seed that ends too early, anywhere."""
    content = chance.choice(seeds)
    near = chance.random() < 0.3
    left = len(content) - chance.randrange(1, 200) if near else chance.randrange(len(content))
    counted_in = content[:4] == b".snd" and len(content) - left == AU_HEADER_BYTES
    return content[: left - counted_in]


def cut_or_flipped(chance: random.Random, seeds: Sequence[bytes]) -> bytes:
    """A seed that ends too early, or has a byte changed anywhere."""
    if chance.random() < 0.5:
        return cut(chance, seeds)
    content = bytearray(chance.choice(seeds))
    content[chance.randrange(len(content))] ^= chance.randrange(1, 256)
    return bytes(content)


def with_checksums(ogg: bytes) -> bytes:
    """An Ogg file with the checksum of every page put right, so that changes reach what lies behind it."""
    content, at = bytearray(ogg), 0
    while (at := content.find(b"OggS", at)) >= 0 and at + 27 <= len(content):
        end = at + 27 + content[at + 26]
        end += sum(content[at + 27 : end])
        page = bytes(content[at:end])
        if len(page) >= 27:
            content[at + 22 : at + 26] = _ogg_checksum(page).to_bytes(4, "little")
        at += 4
    return bytes(content)


def whole(name: str, seeds: Callable[[Path], list[bytes]], change: Callable = cut, **more) -> Target:
    """The target of cut and damaged files of a format."""
    return Target(name, seeds, partial(read_whole, seeds=seeds), changed=change, **more)


def closed_wav_seeds(folder: Path) -> list[bytes]:
    """Those that tell their length: a stream without one may end anywhere."""
    return wav_seeds(folder)[:-2]


def closed_au_seeds(folder: Path) -> list[bytes]:
    """Those that tell their length."""
    return au_seeds(folder)[:-1]


TARGETS = {
    "wav": Target("a.wav", wav_seeds, read),
    "au": Target("a.au", au_seeds, read),
    "flac": Target("a.flac", flac_seeds, read),
    "mp3": Target("a.mp3", mp3_seeds, read),
    "vorbis": Target("a.ogg", vorbis_seeds, read),
    "vorbis_checksums": Target("a.ogg", vorbis_seeds, read, mended=with_checksums),
    "opus": Target("a.ogg", opus_seeds, read),
    "opus_checksums": Target("a.ogg", opus_seeds, read, mended=with_checksums),
    "cut_wav": whole("a.wav", closed_wav_seeds),
    "cut_au": whole("a.au", closed_au_seeds),
    "cut_flac": whole("a.flac", flac_seeds, cut_or_flipped),
    "cut_mp3": whole("a.mp3", noted_mp3_seeds),
    "cut_vorbis": whole("a.ogg", vorbis_seeds, cut_or_flipped),
    "cut_opus": whole("a.ogg", opus_seeds, cut_or_flipped),
}
