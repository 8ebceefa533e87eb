"""MP3s of every kind are read right or named: what comes out is held against the wave that went in."""

import io
import os
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from messy_mashup.data.audio import read_header, read_mono
from messy_mashup.errors import UserError

RATE_HZ = 44_100
FRAME = 1152
DELAY = 1105  # samples that LAME and the decoder put before the sound, where no note tells to drop them
JPEG = b"\xff\xd8\xff\xe0\0\x10JFIF\0"


def music(sample_rate_hz: int, seconds: float, channels: int = 1) -> np.ndarray:
    """A gliding tone over noise that comes and goes, loud, then soft: no two moments are alike; (samples, channels)."""
    time_s = np.arange(round(seconds * sample_rate_hz)) / sample_rate_hz
    glide = np.cumsum(300 + 100 * np.sin(2 * np.pi * 0.7 * time_s) + 60 * time_s) / sample_rate_hz
    tone = np.sin(2 * np.pi * glide) + 0.05 * np.random.default_rng(0).standard_normal(len(time_s))
    wave = 0.4 * tone * (0.6 + 0.4 * np.sin(2 * np.pi * 1.3 * time_s))
    wave[len(wave) // 2 :] *= 0.05
    return np.stack([wave * (1 - 0.3 * channel) for channel in range(channels)], axis=1)


def encoded(wave: np.ndarray, sample_rate_hz: int = RATE_HZ, mode: str = "VARIABLE", level: float = 0.5) -> bytes:
    file = io.BytesIO()
    options = {"format": "MP3", "subtype": "MPEG_LAYER_III", "bitrate_mode": mode, "compression_level": level}
    soundfile.write(file, wave, sample_rate_hz, **options)
    return file.getvalue()


def frame_places(mp3: bytes) -> list[int]:
    """Where the frames of an MPEG 1 file at 44.1 kHz begin, and where the last one ends."""
    kbps, places = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320), [0]
    while places[-1] < len(mp3):
        head = mp3[places[-1] :][:4]
        assert head[:2] in (b"\xff\xfb", b"\xff\xfa")
        places.append(places[-1] + 144_000 * kbps[head[2] >> 4] // RATE_HZ + (head[2] >> 1 & 1))
    return places


def without_note(mp3: bytes) -> bytes:
    """Without its first frame, in which the encoder noted the length."""
    assert re.search(rb"Xing|Info", mp3[:64])
    return mp3[frame_places(mp3)[1] :]


def lag_and_likeness(read: np.ndarray, wave: np.ndarray) -> tuple[int, float]:
    """By how many samples `read` is late against `wave`, and their correlation there."""
    size = 1 << int(np.ceil(np.log2(len(read) + len(wave))))
    against = np.fft.irfft(np.fft.rfft(read, size) * np.conj(np.fft.rfft(wave, size)), size)
    lag = int(np.argmax(against[: size // 2]))
    common = min(len(read) - lag, len(wave))
    return lag, float(np.corrcoef(read[lag : lag + common], wave[:common])[0, 1])


WAVE = music(RATE_HZ, 4, channels=2)
MIXED = WAVE.mean(axis=1)
NOTED = {mode: encoded(WAVE, mode=mode) for mode in ("CONSTANT", "VARIABLE", "AVERAGE")}
BARE = {mode: without_note(mp3) for mode, mp3 in NOTED.items()}
BOTH = pytest.mark.parametrize("mp3", [NOTED["VARIABLE"], BARE["VARIABLE"], BARE["CONSTANT"]], ids=["noted", "v", "c"])


def read(folder: Path, content: bytes, name: str = "a.mp3") -> np.ndarray:
    """What is read of a file with that content, as long as its header says."""
    path = folder / name
    path.write_bytes(content)
    wave = read_mono(path, RATE_HZ)
    assert len(wave) == read_header(path).frames
    return wave


def id3v2(size: int, version: int = 3) -> bytes:
    """A tag with a picture of that many bytes, in which headers of MP3 frames occur."""
    picture = np.random.default_rng(0).bytes(size - 8) + b"\xff\xfb\x90\x64" * 2
    frame = b"APIC" + size.to_bytes(4) + b"\0\0" + picture
    length = bytes(len(frame) >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3" + bytes([version, 0, 0]) + length + frame


def apev2(size: int) -> bytes:
    item = size.to_bytes(4, "little") + bytes(4) + b"Comment\0" + b"x" * size
    ends = [
        b"APETAGEX" + b"".join(value.to_bytes(4, "little") for value in (2000, len(item) + 32, 1, flags)) + bytes(8)
        for flags in (0xA0000000, 0x80000000)
    ]
    return ends[0] + item + ends[1]


ID3V1 = b"TAG" + b"a title".ljust(125, b"\0")


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("source_hz", [8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000])
@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE", "AVERAGE"])
def test_every_rate_and_mode_comes_back_to_the_sample(tmp_path: Path, mode: str, source_hz: int, channels: int) -> None:
    wave = music(source_hz, 0.7, channels)
    (tmp_path / "a.mp3").write_bytes(encoded(wave, source_hz, mode))
    heard = read_mono(tmp_path / "a.mp3", source_hz)
    assert read_header(tmp_path / "a.mp3") == (len(wave), source_hz, channels)
    lag, likeness = lag_and_likeness(heard, wave.mean(axis=1))
    assert (len(heard), lag) == (len(wave), 0)
    assert likeness > 0.98


@pytest.mark.parametrize("source_hz", [8000, 11_025, 22_050, 32_000, 44_100])
def test_frames_too_small_for_a_note_are_counted(tmp_path: Path, source_hz: int) -> None:
    """At the lowest bit rate the encoder finds no room for the length."""
    wave = music(source_hz, 2)
    mp3 = encoded(wave, source_hz, "CONSTANT", 0.99)
    assert not re.search(rb"Xing|Info", mp3[:64])
    (tmp_path / "a.mp3").write_bytes(mp3)
    heard, frame = read_mono(tmp_path / "a.mp3", source_hz), FRAME if source_hz >= 32_000 else FRAME // 2
    lag, likeness = lag_and_likeness(heard, wave[:, 0])
    assert len(heard) == read_header(tmp_path / "a.mp3").frames
    assert len(heard) % frame == 0
    assert len(wave) + lag <= len(heard) <= len(wave) + lag + 2 * frame
    assert 0 < lag < 3 * frame
    assert likeness > 0.95


@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE", "AVERAGE"])
def test_without_a_note_it_is_as_long_as_its_frames(tmp_path: Path, mode: str) -> None:
    bare, noted = read(tmp_path, BARE[mode]), read(tmp_path, NOTED[mode])
    assert len(bare) == FRAME * (len(frame_places(BARE[mode])) - 1)
    assert len(noted) == len(WAVE)
    np.testing.assert_array_equal(bare[DELAY:][: len(noted)], noted)
    lag, likeness = lag_and_likeness(bare, MIXED)
    assert lag == DELAY
    assert likeness > 0.99


@BOTH
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (id3v2(300_000), b""),
        (id3v2(300_000, version=4) + id3v2(1000), ID3V1),
        (b"", ID3V1),
        (b"", apev2(2000) + ID3V1),
        (b"", apev2(300_000)),
        (b"", b"LYRICSBEGIN" + b"la " * 1000 + b"LYRICS200" + ID3V1),
        (b"", bytes(1000)),
        (bytes(5000), b""),
        (np.random.default_rng(1).bytes(30_000), b""),
        (id3v2(2000) + bytes(3000), b""),
        (apev2(2000), apev2(2000)),
    ],
    ids=["id3v2", "two", "id3v1", "apev2", "big apev2", "lyrics", "zeros", "zeros first", "junk", "padded", "apev2s"],
)
def test_tags_and_junk_at_either_end_change_nothing(tmp_path: Path, mp3: bytes, before: bytes, after: bytes) -> None:
    np.testing.assert_array_equal(read(tmp_path, before + mp3 + after), read(tmp_path, mp3))


@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.995])
def test_cut_short_of_what_it_notes_it_is_named(tmp_path: Path, mode: str, kept: float) -> None:
    cut = NOTED[mode][: int(kept * len(NOTED[mode]))]
    with pytest.raises(UserError, match=rf"a\.mp3: is cut short: \d+ of its {len(WAVE)} samples are missing"):
        read(tmp_path, cut)
    with pytest.raises(UserError, match=r"a\.mp3: (is cut short|cannot be read as audio \(its data are damaged)"):
        read(tmp_path, cut + ID3V1)


@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
def test_cut_without_a_note_its_whole_frames_are_read(tmp_path: Path, mode: str) -> None:
    mp3, places = BARE[mode], frame_places(BARE[mode])
    whole = read(tmp_path, mp3)
    for frames, more in ((40, 0), (77, 1), (77, 5), (77, 100)):
        for tag in (b"", ID3V1):
            cut = read(tmp_path, mp3[: places[frames] + more] + tag)
            assert len(cut) == FRAME * frames
            np.testing.assert_array_equal(cut, whole[: len(cut)])


@BOTH
def test_a_few_wrong_bytes_within_a_frame_stay_within_it(tmp_path: Path, mp3: bytes) -> None:
    places = frame_places(mp3)
    at = places[20] + 60
    heard, whole = read(tmp_path, mp3[:at] + b"\xaa" * 30 + mp3[at + 30 :]), read(tmp_path, mp3)
    differ = np.flatnonzero(np.abs(heard - whole) > 1e-6)
    assert len(heard) == len(whole)
    assert 19 * FRAME - DELAY < differ[0] < differ[-1] < 24 * FRAME


@BOTH
def test_a_frame_that_decodes_to_a_bang_is_named_for_it_would_drown_the_rest(tmp_path: Path, mp3: bytes) -> None:
    bang, at = bytearray(mp3), frame_places(mp3)[20]
    bang[at + 9] |= 0x7F  # the gain of its first channel, at its most
    bang[at + 10] |= 0x80
    with pytest.raises(UserError, match=r"a\.mp3: is damaged: its peak is \d+ times full scale"):
        read(tmp_path, bytes(bang))


@BOTH
@pytest.mark.parametrize("length", [4, 2000, 12_000])
def test_lost_frames_are_named_and_not_closed_up(tmp_path: Path, mp3: bytes, length: int) -> None:
    at = frame_places(mp3)[20]
    assert at + length < len(mp3) - 5000
    with pytest.raises(
        UserError, match=r"a\.mp3: (is cut short|is damaged|cannot be read as audio \(its data are dam)"
    ):
        read(tmp_path, mp3[:at] + bytes(length) + mp3[at + length :])


@BOTH
def test_zeros_in_place_of_the_end_are_named(tmp_path: Path, mp3: bytes) -> None:
    """As downloads leave them that took their place on the disk first and were broken off."""
    half = len(mp3) // 2
    with pytest.raises(
        UserError, match=r"a\.mp3: (is cut short|is damaged|cannot be read as audio \(its data are dam)"
    ):
        read(tmp_path, mp3[:half] + bytes(len(mp3) - half))


def test_a_file_that_goes_on_behind_the_length_it_notes_is_named(tmp_path: Path) -> None:
    for second in (NOTED["CONSTANT"], id3v2(100_000) + BARE["VARIABLE"]):
        with pytest.raises(UserError, match=r"a\.mp3: its header does not tell its length: convert it"):
            read(tmp_path, NOTED["VARIABLE"] + second)


def test_parts_without_notes_are_read_where_they_join_and_named_where_they_do_not(tmp_path: Path) -> None:
    joined = read(tmp_path, BARE["VARIABLE"] + BARE["CONSTANT"])
    assert len(joined) == FRAME * (len(frame_places(BARE["VARIABLE"] + BARE["CONSTANT"])) - 1)
    np.testing.assert_array_equal(joined[: len(joined) // 2 - FRAME], read(tmp_path, BARE["VARIABLE"])[:-FRAME])
    mono = without_note(encoded(WAVE[:, :1]))
    for between, second in ((b"", mono), (id3v2(100_000), BARE["VARIABLE"])):
        with pytest.raises(UserError, match=rf"is damaged, or joined of parts, at byte {len(BARE['VARIABLE'])} of"):
            read(tmp_path, BARE["VARIABLE"] + between + second)


def test_the_note_of_fraunhofers_encoder_is_no_sound_and_counts(tmp_path: Path) -> None:
    mp3, frames = NOTED["VARIABLE"], len(frame_places(NOTED["VARIABLE"])) - 2
    note = b"VBRI" + bytes([0, 1, 0, 0, 0, 75]) + len(mp3).to_bytes(4) + frames.to_bytes(4)
    first = frame_places(mp3)[1]
    mp3 = (mp3[:4] + bytes(32) + note).ljust(first, b"\0") + mp3[first:]
    np.testing.assert_array_equal(read(tmp_path, mp3), read(tmp_path, BARE["VARIABLE"]))
    (tmp_path / "a.mp3").write_bytes(mp3[: len(mp3) // 2])
    with pytest.raises(UserError, match=rf"is cut short: \d+ of its {frames * FRAME} samples are missing"):
        read_header(tmp_path / "a.mp3")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"this is no audio\n" * 1000,
        b"<!DOCTYPE html><html><title>404</title><p>Not found</p></html>" * 200,
        ("hello, world " * 5000).encode("utf-16"),
        JPEG + np.random.default_rng(2).bytes(50_000),
        np.random.default_rng(3).bytes(100_000),
        b"\xff\xfb\x90\x64" + np.random.default_rng(4).bytes(100_000),
        b"".join(b"\xff\xf1\x50\x80\x25\x9f\xfc" + np.random.default_rng(seed).bytes(293) for seed in range(300)),
        bytes(50_000),
        id3v2(300_000),
        id3v2(300_000)[:1000],
        BARE["CONSTANT"][:300],
        BARE["CONSTANT"][: frame_places(BARE["CONSTANT"])[1]],
    ],
    ids=["empty", "text", "html", "utf16", "jpeg", "noise", "begins well", "aac", "zeros", "tag", "cut", "cut2", "one"],
)
def test_what_is_no_mp3_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.mp3").write_bytes(content)
    for look in (read_header, lambda path: read_mono(path, RATE_HZ)):
        with pytest.raises(UserError, match=r"a\.mp3: cannot be read as audio \((?!File does not exist)"):
            look(tmp_path / "a.mp3")


@BOTH
def test_content_decides_and_not_the_ending(tmp_path: Path, mp3: bytes) -> None:
    for name in ("a.wav", "a.flac", "a.txt"):
        np.testing.assert_array_equal(read(tmp_path, mp3, name), read(tmp_path, mp3))
    wav = io.BytesIO()
    soundfile.write(wav, WAVE, RATE_HZ, format="WAV", subtype="FLOAT")
    np.testing.assert_array_equal(read(tmp_path, wav.getvalue()), (WAVE.astype(np.float32).sum(axis=1)) / 2)


@BOTH
def test_an_mp3_in_a_wav_is_the_mp3(tmp_path: Path, mp3: bytes) -> None:
    numbers = (
        (0x55, 2),
        (2, 2),
        (RATE_HZ, 4),
        (16_000, 4),
        (1, 2),
        (0, 2),
        (12, 2),
        (1, 2),
        (2, 4),
        (417, 2),
        (1, 2),
        (1393, 2),
    )
    form = b"".join(value.to_bytes(size, "little") for value, size in numbers)
    parts = ((b"fmt ", form), (b"fact", len(WAVE).to_bytes(4, "little")), (b"data", mp3 + bytes(len(mp3) % 2)))
    chunks = b"".join(name + len(part).to_bytes(4, "little") + part for name, part in parts)
    wav = b"RIFF" + (len(chunks) + 4).to_bytes(4, "little") + b"WAVE" + chunks
    np.testing.assert_array_equal(read(tmp_path, wav, "a.wav"), read(tmp_path, mp3))
    with pytest.raises(UserError, match=r"a\.wav: is cut short"):
        read(tmp_path, wav[: len(wav) // 2], "a.wav")


def test_mpeg_audio_of_another_layer_is_read_where_its_bit_rate_is_constant(tmp_path: Path) -> None:
    """Frames of layer II, silent, at 128 and at 384 kbit/s."""
    slow, fast = b"\xff\xfd\x80\x04".ljust(417, b"\0"), b"\xff\xfd\xe0\x04".ljust(1253, b"\0")
    heard = read(tmp_path, slow * 100)
    assert len(heard) == pytest.approx(100 * FRAME, abs=2 * FRAME)
    assert not heard.any()
    with pytest.raises(UserError, match=r"a\.mp3: its header does not tell its length"):
        read(tmp_path, fast * 10 + slow * 100)


def test_a_noted_length_is_told_from_the_first_bytes(tmp_path: Path) -> None:
    """Of 64 GB, which nothing could read in the time of a test."""
    (tmp_path / "a.mp3").write_bytes(id3v2(300_000) + NOTED["VARIABLE"])
    os.truncate(tmp_path / "a.mp3", 1 << 36)
    assert read_header(tmp_path / "a.mp3").frames == len(WAVE)
