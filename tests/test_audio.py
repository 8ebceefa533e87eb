"""Audio files as mono waves, and the sentences for those that are none."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from example_trees import noise_wave
from messy_mashup.data.audio import audio_length, find_audio, mono_blocks, read_mono
from messy_mashup.errors import UserError

RATE_HZ = 16_000


def tone(frequency_hz: float, sample_rate_hz: int = 44_100, seconds: float = 1.0) -> np.ndarray:
    return np.sin(2 * np.pi * frequency_hz * np.arange(round(seconds * sample_rate_hz)) / sample_rate_hz)


def level_db(wave: np.ndarray) -> float:
    """Level against a full-scale sine, away from the edges."""
    return float(10 * np.log10(2 * np.mean(wave[2000:-2000].astype(np.float64) ** 2) + 1e-20))


def write(path: Path, wave: np.ndarray, sample_rate_hz: int = 44_100, **options) -> Path:
    soundfile.write(path, wave, sample_rate_hz, **options)
    return path


@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3", "ogg", "au"])
@pytest.mark.parametrize("source_hz", [44_100, 22_050, 16_000, 48_000])
def test_length_from_the_header_is_the_length_that_decodes(tmp_path: Path, suffix: str, source_hz: int) -> None:
    for samples in (source_hz // 3, 12_345, 11):
        path = write(tmp_path / f"a{samples}.{suffix}", noise_wave(1, 1, source_hz)[:samples], source_hz)
        wave = read_mono(path, RATE_HZ)
        assert wave.dtype == np.float32
        assert wave.shape == (audio_length(path, RATE_HZ),)
        assert abs(len(wave) - soundfile.info(path).frames * RATE_HZ / source_hz) <= 0.5


def test_channels_are_averaged(tmp_path: Path) -> None:
    wave = noise_wave(1, 0.1, RATE_HZ, channels=3)
    read = read_mono(write(tmp_path / "a.wav", wave, RATE_HZ, subtype="FLOAT"), RATE_HZ)
    np.testing.assert_allclose(read, wave.mean(axis=1), atol=1e-7)


def test_resampling_keeps_what_fits_and_removes_what_does_not(tmp_path: Path) -> None:
    kept = read_mono(write(tmp_path / "kept.wav", tone(7000), subtype="FLOAT"), RATE_HZ)
    gone = read_mono(write(tmp_path / "gone.wav", tone(12_000), subtype="FLOAT"), RATE_HZ)
    assert abs(level_db(kept)) < 0.05
    assert level_db(gone) < -80


def test_long_file_is_read_over_block_borders(tmp_path: Path) -> None:
    wave = noise_wave(3, 15, RATE_HZ * 2, channels=2)
    assert len(wave) > 1 << 18
    read = read_mono(write(tmp_path / "a.wav", wave, RATE_HZ, subtype="FLOAT"), RATE_HZ)
    np.testing.assert_allclose(read, wave.mean(axis=1), atol=1e-7)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_one_bad_sample_is_an_error(tmp_path: Path, value: float) -> None:
    wave = tone(440)
    wave[20_000] = value
    path = write(tmp_path / "bad.wav", wave, subtype="FLOAT")
    with pytest.raises(UserError, match=r"bad\.wav: holds NaN or infinite"):
        read_mono(path, RATE_HZ)


@pytest.mark.parametrize("content", [b"", b"this is no audio\n" * 100])
@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg"])
def test_what_is_no_audio_is_an_error_in_header_and_whole(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"text.{suffix}"
    path.write_bytes(content)
    for read in (read_mono, audio_length):
        with pytest.raises(UserError, match=rf"text\.{suffix}: cannot be read as audio"):
            read(path, RATE_HZ)


def test_no_samples_and_no_file_are_errors(tmp_path: Path) -> None:
    empty = write(tmp_path / "empty.wav", np.zeros(0))
    for path, sentence in ((empty, "empty.wav: holds no samples"), (tmp_path / "none.wav", "none.wav: there is no")):
        for read in (read_mono, audio_length):
            with pytest.raises(UserError, match=sentence):
                read(path, RATE_HZ)


@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3"])
def test_file_cut_short_is_an_error(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"cut.{suffix}", noise_wave(2, 2, 44_100))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UserError, match=rf"cut\.{suffix}"):
        read_mono(path, RATE_HZ)


@pytest.mark.parametrize("placeholder", [b"\xff\xff\xff\xff", b"\x00\x00\x00\x00"])
def test_streamed_wav_without_a_length_is_read(tmp_path: Path, placeholder: bytes) -> None:
    path = write(tmp_path / "streamed.wav", tone(440, RATE_HZ), RATE_HZ)
    content = bytearray(path.read_bytes())
    content[4:8] = placeholder
    path.write_bytes(content)
    assert len(read_mono(path, RATE_HZ)) == RATE_HZ


def test_audio_is_found_at_any_depth_in_order(tmp_path: Path) -> None:
    names = ["b/c.FLAC", "a.wav", "b/a.mp3", "z.ogg"]
    for name in [*names, "a.txt", ".hidden.wav", "b/._a.mp3", "folder.wav/x.au"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = [path.relative_to(tmp_path).as_posix() for path in find_audio(tmp_path)]
    assert found == sorted([*names, "folder.wav/x.au"])


@pytest.mark.parametrize("source_hz", [44_100, 22_050, 16_000, 11_025])
def test_blocks_are_what_one_resampling_of_the_whole_gives_to_the_bit(tmp_path: Path, source_hz: int) -> None:
    """Resampling in parts must not show at their borders, whose place no file should feel."""
    wave = noise_wave(5, 600_000 / source_hz, source_hz, channels=2)
    path = write(tmp_path / "a.wav", wave, source_hz, subtype="FLOAT")
    blocks = list(mono_blocks(path, RATE_HZ))
    mixed = sum(wave.T) / 2
    whole = mixed if source_hz == RATE_HZ else soxr.resample(mixed, source_hz, RATE_HZ, quality="HQ")
    assert len(blocks) > 2
    assert max(map(len, blocks)) < 400_000
    assert all(block.dtype == np.float32 for block in blocks)
    np.testing.assert_array_equal(np.concatenate(blocks), whole)
    np.testing.assert_array_equal(read_mono(path, RATE_HZ), whole)


def test_what_is_wrong_comes_before_the_last_block(tmp_path: Path) -> None:
    """Who takes blocks as they come must not have had them all when the file proves to be broken."""
    wave = noise_wave(6, 15, 44_100)
    cut = write(tmp_path / "cut.flac", wave)
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size * 9 // 10])
    wave[1000] = np.nan
    for path in (cut, write(tmp_path / "nan.wav", wave, subtype="FLOAT")):
        given = []
        with pytest.raises(UserError, match=rf"{path.name}: "):
            given.extend(mono_blocks(path, RATE_HZ))
        assert 0 < sum(map(len, given)) < audio_length(path, RATE_HZ)
