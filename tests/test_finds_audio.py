"""What changed audio files brought to light, each as a small file that is made here, with the sentence expected; and
files that are odd but whole, which must be read.
"""

import argparse
import io
import os
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

import fuzz_audio as made
from fuzzing import Target, feed
from messy_mashup.data.audio import add_max_hours, audio_named, mono_blocks, read_header, read_mono, refuse_longer
from messy_mashup.errors import UserError

RATE_HZ = 16_000
WAV, FLAC, AU = made.wav_seeds(Path())[0], made.flac_seeds(Path())[0], made.au_seeds(Path())[0]
MP3 = made.noted_mp3_seeds(Path())[0]
RF64 = made.wav_seeds(Path())[5]
VORBIS, OPUS = made.vorbis_seeds(Path())[0], made.opus_seeds(Path())[0]
FLOAT = made.wav_seeds(Path())[2]


def put(content: bytes, place: int, new: bytes) -> bytes:
    """The content with other bytes from a place on."""
    return content[:place] + new + content[place + len(new) :]


def le(value: int, size: int = 4) -> bytes:
    return value.to_bytes(size, "little")


def with_bytes(content: bytes, other: dict[int, int]) -> bytes:
    """The content with other bytes in some places."""
    return bytes(other.get(place, byte) for place, byte in enumerate(content))


def last_page(ogg: bytes) -> int:
    return ogg.rindex(b"OggS")


def second_page_lost(ogg: bytes) -> bytes:
    begin, end = [found.start() for found in re.finditer(b"OggS", ogg)][-2:]
    return ogg[:begin] + ogg[end:]


AVERAGE = made.noted_mp3_seeds(Path())[2]
# Heads of three frames gone, and in place of one that of a frame of another kind: at 48 kHz
OTHER_KIND = with_bytes(AVERAGE, {2558: 12, 2701: 211, 2809: 106, 2853: 255, 2854: 251})

REFUSED = {
    "wav, its sound cut by a byte": (WAV[:-1], "is cut short: 1 of the bytes"),
    "wav, cut behind its header": (WAV[:1000], r"is cut short: \d+ of the bytes"),
    "wav, a length beyond what it says of itself": (put(WAV, 40, le(0xE923675C)), "is cut short"),
    "wav, its sound told as shorter": (put(WAV, 40, le(1000)), r"goes on for \d+ bytes behind the sound"),
    "wav, told as shorter than its sound": (put(WAV, 4, le(0xA4)), "is damaged: it ends at byte 172 by its header"),
    "wav, two chunks of sound": (WAV + made.chunk(b"data", bytes(8000)), "goes on for"),
    "wav, 24 bits in four bytes": (put(WAV, 32, le(8, 2) + le(24, 2)), "2 channels of 24 bits, and 8 bytes for all"),
    "wav, 1 Hz": (put(WAV, 24, le(1)), "claims 1 samples a second, and 1000 to 1000000 are read"),
    "wav, 2 GHz": (put(WAV, 24, le(0x7FFFFFFF)), "claims 2147483647 samples a second"),
    "wav, 4 GHz": (put(WAV, 24, le(0xFFFFFFFF)), "cannot be read as audio"),
    "wav, no channel": (put(WAV, 22, le(0, 2)), "0 channels of 16 bits, and 4 bytes"),
    "wav, 65,535 channels": (put(WAV, 22, le(0xFFFF, 2)), "65535 channels of 16 bits, and 4 bytes for all"),
    "wav, 100,000 chunks": (WAV[:36] + b"JUNK\0\0\0\0" * 100_000 + WAV[36:], "chunks and no sound"),
    "wav, floats all but infinite": (put(FLOAT, len(FLOAT) - 80, b"\xff\xff\x7f\x7f" * 20), "all but infinite"),
    "rf64, without its long lengths": (RF64.replace(b"ds64", b"d364"), "its data are damaged"),
    "au, cut": (AU[:-100], "is cut short: 100 of the bytes"),
    "au, sound within its header": (put(AU, 4, bytes(4)), "its sound begins within its header"),
    "au, told as shorter": (put(AU, 8, (1000).to_bytes(4)), "goes on for"),
    "au, 100 hours": (put(AU, 8, (0xF0000000).to_bytes(4)), "is cut short"),
    "flac, another rate than its frames": (put(FLAC, 18, b"\x04"), "its sample rate is 17954 by its header, 22050 by"),
    "flac, another channel count than its frames": (put(FLAC, 20, bytes([FLAC[20] ^ 2])), "its channels is 1 by its"),
    "flac, told as shorter": (put(FLAC, 22, (5000).to_bytes(4)), "samples are not those that its checksum"),
    "flac, 2^36 samples": (put(FLAC, 21, b"\xff\xff\xff\xff\xff"), "its data end before what its header"),
    "flac, a frame's byte": (put(FLAC, 20_000, bytes([FLAC[20_000] ^ 1])), "its data are damaged: get the file again"),
    "flac, its noted checksum": (put(FLAC, 26, bytes(15) + b"\1"), "samples are not those that its checksum"),
    "flac, open length and cut": (made.open_length(FLAC)[:-5], "does not tell its length, and its end is no whole"),
    "flac, open length and no frame": (made.open_length(FLAC)[:86], "its first frame should begin"),
    "flac, nothing but its name": (b"fLaC", "cannot be read as audio"),
    "ogg, cut at a page's border": (VORBIS[: last_page(VORBIS)], "last page is not marked as the end: encode it again"),
    "ogg, cut within a page": (VORBIS[:-10], "last page is not marked as the end"),
    "ogg, a byte of a page": (put(VORBIS, 9000, bytes([VORBIS[9000] ^ 1])), r"is damaged at byte \d+ of"),
    "ogg, a page lost": (second_page_lost(made.vorbis_pages()), "where pages are missing"),
    "ogg, two songs": (VORBIS + VORBIS, "holds more than one stream"),
    "ogg, sound of two kinds in turns": (OPUS[: OPUS.index(b"OggS", 4)] + VORBIS, "holds more than one stream"),
    "ogg, 100 hours": (
        made.with_checksums(put(VORBIS, last_page(VORBIS) + 6, le(100 * 3600 * 44_100, 8))),
        "claims 15876000000 samples, 26496 decode",
    ),
    "opus, cut": (OPUS[: last_page(OPUS)], "last page is not marked as the end"),
    "opus, a byte of a page": (put(OPUS, 5000, bytes([OPUS[5000] ^ 1])), r"is damaged at byte \d+ of"),
    "mp3, a frame of another kind": (OTHER_KIND, r"is damaged: \d+ samples decode, and it should hold 9600"),
    "mp3, headers behind its end": (MP3 + b"\xff\xfb\x90\x64" * 250_000, "does not tell its length: convert it"),
    "mp3, 100 hours noted": (put(MP3, MP3.index(b"Xing") + 8, (13_781_250).to_bytes(4)), "is cut short"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_find_is_refused_with_its_sentence(tmp_path: Path, name: str) -> None:
    content, sentence = REFUSED[name]
    assert re.search(sentence, feed(made.TARGETS["wav"], tmp_path, content) or "it is read")


def wide(wave: np.ndarray, **options) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, wave, RATE_HZ, **options)
    return file.getvalue()


RAMP = np.arange(4000, dtype=np.int16) * 7
PLAIN = wide(RAMP, format="WAV")
INFO = made.chunk(b"LIST", b"INFO" + made.chunk(b"INAM", b"an odd one"))
READ = {
    "with other chunks, odd ones among them": made.with_chunks(PLAIN, made.chunk(b"bext", bytes(603)) + INFO, INFO),
    "its last chunk cut": made.with_chunks(PLAIN, b"", INFO)[:-3],
    "a tag behind its sound": PLAIN + b"TAG" + bytes(125),
    "as ffmpeg writes to a pipe": put(put(PLAIN, 4, b"\xff" * 4), 40, b"\xff" * 4),
    "lengths of 0, to its end": put(put(PLAIN, 4, bytes(4)), 40, bytes(4)),
    "a header never gone back to": put(put(PLAIN, 4, le(36)), 40, bytes(4)),
    "as sox writes to a pipe": put(put(PLAIN, 4, le(0x7FFFFFFF)), 40, le(0x7FFFFFFF - 36)),
    "a RIFF that is eight bytes too long": put(PLAIN, 4, le(len(PLAIN))),
    "rf64": wide(RAMP, format="RF64"),
    "au": wide(RAMP, format="AU"),
    "au of an open length": put(wide(RAMP, format="AU"), 8, b"\xff" * 4),
    "au that counts its header as sound": put(wide(RAMP, format="AU"), 8, (8024).to_bytes(4)),
    "flac": wide(RAMP, format="FLAC"),
    "flac behind a tag": made.id3(bytes(300)) + wide(RAMP, format="FLAC"),
    "flac before a tag": wide(RAMP, format="FLAC") + b"TAG" + bytes(125),
    "flac as a streaming encoder writes it": made.open_length(wide(RAMP, format="FLAC"), md5=False),
    "flac of an open length, with tags": (
        made.id3(bytes(300)) + made.open_length(wide(RAMP, format="FLAC")) + b"TAG" + bytes(125)
    ),
}


@pytest.mark.parametrize("name", READ)
def test_odd_files_are_read_whole(tmp_path: Path, name: str) -> None:
    (tmp_path / "odd.wav").write_bytes(READ[name])
    np.testing.assert_array_equal(read_mono(tmp_path / "odd.wav", RATE_HZ) * 32_768, RAMP)
    assert read_header(tmp_path / "odd.wav") == (len(RAMP), RATE_HZ, 1)


@pytest.mark.parametrize("name", made.TARGETS)
def test_all_files_that_changes_begin_with_are_read(tmp_path: Path, name: str) -> None:
    seeds = made.TARGETS[name].seeds(tmp_path)
    assert [feed(made.TARGETS[name], tmp_path, seed) for seed in seeds] == [None] * len(seeds)


@pytest.mark.parametrize("subtype", ["PCM_S8", "PCM_16", "PCM_24"])
@pytest.mark.parametrize("seconds", [0.1, 1.3, 4.0])
def test_flac_of_an_open_length_is_as_long_as_it_was(tmp_path: Path, subtype: str, seconds: float) -> None:
    """From its last frame, which may be short, and whose number takes one byte or two."""
    whole = made.encoded(9, "FLAC", subtype, seconds, 48_000, 2)
    (tmp_path / "whole.flac").write_bytes(whole)
    (tmp_path / "open.flac").write_bytes(made.open_length(whole))
    assert read_header(tmp_path / "open.flac") == read_header(tmp_path / "whole.flac")
    read = [read_mono(tmp_path / name, RATE_HZ) for name in ("open.flac", "whole.flac")]
    np.testing.assert_array_equal(*read)


def test_ogg_goes_on_to_tags_behind_its_end(tmp_path: Path) -> None:
    (tmp_path / "a.ogg").write_bytes(VORBIS)
    (tmp_path / "b.ogg").write_bytes(VORBIS + b"TAG" + bytes(125))
    np.testing.assert_array_equal(read_mono(tmp_path / "a.ogg", RATE_HZ), read_mono(tmp_path / "b.ogg", RATE_HZ))


def test_a_thousand_channels_take_no_more_memory_than_eight(tmp_path: Path) -> None:
    content = wide(np.zeros((10_000, 1024), np.int16), format="WAV")
    assert feed(Target("many.wav", made.wav_seeds, _blocks, most_mib=30), tmp_path, content) is None


def _blocks(path: Path) -> None:
    for _ in mono_blocks(path, RATE_HZ):
        pass


def test_files_longer_than_is_taken_are_refused_by_their_header(tmp_path: Path) -> None:
    """A WAV of seven hours that takes no room, and a FLAC of silence, that swells a thousandfold."""
    samples = 7 * 3600 * 8000
    wav = wide(np.zeros(0, np.int16), format="WAV")
    wav = put(put(put(wav, 24, le(8000) + le(16_000)), 4, le(36 + 2 * samples)), 40, le(2 * samples))
    (tmp_path / "long.wav").write_bytes(wav)
    os.truncate(tmp_path / "long.wav", len(wav) + 2 * samples)
    with pytest.raises(UserError, match=r"long\.wav: is 7 h long, and up to 6 h are taken: cut out a part"):
        audio_named([tmp_path], 6)
    assert audio_named([tmp_path], 7.5) == audio_named([tmp_path]) == [tmp_path / "long.wav"]
    soundfile.write(tmp_path / "bomb.flac", np.zeros(8000 * 360, np.int16), 8000)
    assert (tmp_path / "bomb.flac").stat().st_size < 20_000
    with pytest.raises(UserError, match=r"bomb\.flac: is 0\.1 h long, and up to 0\.05 h are taken"):
        refuse_longer(tmp_path / "bomb.flac", 0.05)
    (tmp_path / "none.wav").write_bytes(b"no audio")
    refuse_longer(tmp_path / "none.wav", 1)


@pytest.mark.parametrize("text", ["0", "-1", "nan", "long"])
def test_hours_are_a_number_above_zero(capsys: pytest.CaptureFixture, text: str) -> None:
    parser = argparse.ArgumentParser()
    add_max_hours(parser)
    assert parser.parse_args([]).max_hours == 6
    with pytest.raises(SystemExit):
        parser.parse_args([f"--max-hours={text}"])
    assert f"argument --max-hours: '{text}' is no number of hours above 0" in capsys.readouterr().err
