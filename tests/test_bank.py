"""The bank holds what the files hold, says what is wrong with them, and notices when they change."""

import fcntl
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile

from example_trees import noise_wave, write_messy_mashup, write_wave
from messy_mashup import paths
from messy_mashup.data import bank_build
from messy_mashup.data.audio import read_mono
from messy_mashup.data.bank import GUARD, SAMPLE_RATE_HZ, Bank, files_of, stale
from messy_mashup.data.bank_build import skip
from messy_mashup.data.bank_slot import active_share
from messy_mashup.data.corpora import BrokenFilesError
from messy_mashup.data.synthetic_noise import CLIPS
from messy_mashup.errors import UserError

CORPUS = "messy_mashup"
STEM = "genres_stems/blues/blues.00000/drums.wav"
BUILD = paths.REPOSITORY / "src" / "build.py"
build = partial(bank_build.build, workers=1)  # in this process; other tests, and one of these, take more


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_messy_mashup(tmp_path / "data", seconds=0.3)
    return tmp_path / "data"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "banks" / "data"


def clip(bank: Bank, name: str) -> int:
    return int(np.flatnonzero(bank.index["clip"] == name)[0])


def sample_bytes(bank: Bank) -> bytes:
    return (bank.root / "samples.int16").read_bytes()


def run_build(*options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, BUILD, *map(str, options)], capture_output=True, text=True, check=False)


def test_every_clip_comes_back_to_half_a_step(data: Path, folder: Path) -> None:
    bank = build(CORPUS, data, folder)
    assert len(bank.index) == 2 * 2 * 4 + 3 + len(CLIPS)
    assert len(bank.select("stem")) == 16
    for number, row in files_of(bank.index).iterrows():
        wave = read_mono(data / row["path"], SAMPLE_RATE_HZ)
        read = bank.wave(number)
        assert type(read) is np.ndarray
        assert (read.dtype, read.shape) == (np.float32, wave.shape)
        assert np.abs(read - wave).max() <= 0.5 * row["scale"] + row["peak"] * 2**-24  # the last bit of float32
        assert row["peak"] == np.abs(wave).max()
        assert row["rms"] == pytest.approx(np.sqrt(np.mean(wave.astype(np.float64) ** 2)))


def test_a_window_at_a_clips_border_reads_zeros_outside(data: Path, folder: Path) -> None:
    bank = build(CORPUS, data, folder)
    inside = np.zeros(len(bank.samples), bool)
    for offset, length in zip(bank.index["offset"], bank.index["length"], strict=True):
        assert offset >= GUARD
        assert not inside[offset - GUARD : offset + length + GUARD].any()
        assert not bank.samples[offset - GUARD : offset].any()
        assert not bank.samples[offset + length : offset + length + GUARD].any()
        assert len(bank.samples) >= offset + length + GUARD
        inside[offset : offset + length] = True


def test_overshoot_of_resampling_is_not_clipped(data: Path, folder: Path) -> None:
    square = np.where(np.arange(13_230) // 100 % 2, 1.0, -1.0)
    for part in ("bass", "drums", "other", "vocals"):
        soundfile.write(data / f"genres_stems/blues/blues.00000/{part}.wav", square, 44_100, subtype="FLOAT")
    bank = build(CORPUS, data, folder)
    number = clip(bank, "blues.00000/drums")
    assert bank.index.at[number, "peak"] > 1.1
    assert np.abs(bank.wave(number)).max() == pytest.approx(bank.index.at[number, "peak"], rel=1e-6)


@pytest.mark.parametrize("level", [0.0, 1e-30])
def test_silence_is_finite_zeros(data: Path, folder: Path, level: float) -> None:
    soundfile.write(data / STEM, np.full((13_230, 2), level), 44_100, subtype="FLOAT")
    bank = build(CORPUS, data, folder)
    row = bank.index.iloc[clip(bank, "blues.00000/drums")]
    assert row["scale"] == np.float32(1 / 32767)
    assert row["active"] == 0
    assert not bank.wave(clip(bank, "blues.00000/drums")).any()


def test_active_share_counts_blocks_above_minus_60_db() -> None:
    loud, soft = np.full(800, 2e-3), np.full(800, 0.5e-3)
    assert active_share(np.concatenate([loud, soft, soft, loud[:100]]) ** 2, SAMPLE_RATE_HZ) == 0.5


def test_contents_do_not_depend_on_workers_dates_or_place(data: Path, folder: Path, tmp_path: Path) -> None:
    first = build(CORPUS, data, folder, workers=1)
    shutil.copytree(data, tmp_path / "copy", copy_function=shutil.copyfile)
    os.utime(tmp_path / "copy" / STEM, ns=(1, 1))
    second = build(CORPUS, tmp_path / "copy", tmp_path / "second", workers=3)
    assert first.digest == second.digest
    assert first.listing != second.listing
    assert sample_bytes(first) == sample_bytes(second)
    soundfile.write(tmp_path / "copy" / STEM, noise_wave(1, 0.3) * 0.5, 44_100)
    assert build(CORPUS, tmp_path / "copy", tmp_path / "second").digest != first.digest


def test_reopened_bank_is_the_bank_that_was_built(data: Path, folder: Path) -> None:
    built, opened = build(CORPUS, data, folder), Bank.open(folder)
    assert built.index.equals(opened.index)
    assert opened.index["label"].map(type).eq(str).all()
    assert (opened.corpus, opened.source, opened.sample_rate_hz) == (CORPUS, str(data), SAMPLE_RATE_HZ)
    assert sorted(path.name for path in folder.iterdir()) == ["bank.json", "index.csv", "samples.int16"]


def test_unchanged_data_are_not_read_again(data: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build(CORPUS, data, folder)
    written_ns = (folder / "bank.json").stat().st_mtime_ns
    build(CORPUS, data, folder)
    assert (folder / "bank.json").stat().st_mtime_ns == written_ns
    assert "nothing has changed" in capsys.readouterr().out


def test_changed_added_and_removed_files_are_noticed(data: Path, folder: Path, capsys) -> None:
    first = build(CORPUS, data, folder)
    write_wave(data / STEM, noise_wave(77, 0.3))
    shutil.rmtree(data / "genres_stems/blues/blues.00001")
    for part in ("bass", "drums", "other", "vocals"):
        write_wave(data / f"genres_stems/rock/rock.00002/{part}.wav", noise_wave(78, 0.2))
    capsys.readouterr()
    second = build(CORPUS, data, folder)
    told = capsys.readouterr().out
    assert "4 added, first genres_stems/rock/rock.00002/bass.wav" in told
    assert "4 removed, first genres_stems/blues/blues.00001/bass.wav" in told
    assert f"1 changed, first {STEM}" in told
    assert f"{14 + len(CLIPS)} of {19 + len(CLIPS)} clips are there already" in told
    assert second.digest != first.digest
    fresh = build(CORPUS, data, folder.with_name("fresh"))
    assert (fresh.digest, sample_bytes(fresh)) == (second.digest, sample_bytes(second))
    assert not folder.with_name("data.outdated").exists()


def test_a_change_of_date_alone_is_decoded_again_and_sounds_the_same(data: Path, folder: Path, capsys) -> None:
    first = build(CORPUS, data, folder)
    os.utime(data / STEM, ns=(1, 1))
    second = build(CORPUS, data, folder)
    assert f"1 changed, first {STEM}" in capsys.readouterr().out
    assert second.digest == first.digest


def test_stale_looks_at_names_and_sizes_not_at_dates(data: Path, folder: Path) -> None:
    bank = build(CORPUS, data, folder)
    os.utime(data / STEM, ns=(1, 1))
    assert stale(bank, data) is None
    write_wave(data / STEM, noise_wave(1, 0.31))
    (data / "ESC-50-master/audio/2-5555-A-10.wav").unlink()
    told = stale(bank, data)
    assert "1 removed, first ESC-50-master/audio/2-5555-A-10.wav" in told
    assert f"1 changed, first {STEM}" in told


@pytest.fixture
def broken_data(data: Path) -> Path:
    """One sound song of either genre and one sound noise are left."""
    rock = data / "genres_stems/rock"
    shutil.copytree(rock / "rock.00000", rock / "rock.00002")
    shutil.copytree(rock / "rock.00000", rock / "rock.00003")
    (data / STEM).write_text("I am no drum")
    (rock / "rock.00001/vocals.wav").unlink()
    write_wave(rock / "rock.00002/bass.wav", noise_wave(5, 0.36))
    soundfile.write(rock / "rock.00003/bass.wav", np.full((13_230, 2), np.nan), 44_100, subtype="FLOAT")
    (data / "ESC-50-master/audio/1-100032-A-0.wav").write_bytes(b"")
    noise = data / "ESC-50-master/audio/1-100032-B-0.wav"
    noise.write_bytes(noise.read_bytes()[:5000])
    return data


BROKEN = (
    "blues.00000/drums.wav: cannot be read as audio",
    "rock.00001: no vocals.wav",
    "rock.00002: its stems differ in length: bass 0.36 s, drums 0.30 s",
    "rock.00003/bass.wav: holds NaN",
    "1-100032-A-0.wav: cannot be read as audio",
    "1-100032-B-0.wav: is cut short",
)


def test_all_broken_files_are_named_in_one_error(broken_data: Path, folder: Path) -> None:
    with pytest.raises(BrokenFilesError) as caught:
        build(CORPUS, broken_data, folder)
    assert len(caught.value.broken) == len(BROKEN)
    for sentence in BROKEN:
        assert sentence in str(caught.value)
    with pytest.raises(UserError, match="no finished bank"):
        Bank.open(folder)


def test_skipping_leaves_out_the_songs_and_lists_them(broken_data: Path, folder: Path, capsys) -> None:
    bank = build(CORPUS, broken_data, folder, on_broken=skip)
    told = capsys.readouterr().out
    listed = [item.sentence for item in Bank.open(folder).skipped]
    assert all(any(sentence in item for item in listed) and sentence in told for sentence in BROKEN)
    assert set(files_of(bank.index)["group"]) == {"blues.00001", "rock.00000", "5555"}
    assert stale(bank, broken_data) is None
    assert build(CORPUS, broken_data, folder, on_broken=skip).listing == bank.listing
    with pytest.raises(BrokenFilesError, match="holds NaN"):
        build(CORPUS, broken_data, folder)


def test_mended_files_are_taken_in(broken_data: Path, folder: Path, capsys) -> None:
    build(CORPUS, broken_data, folder, on_broken=skip)
    shutil.copyfile(
        broken_data / "genres_stems/rock/rock.00000/bass.wav", broken_data / "genres_stems/rock/rock.00003/bass.wav"
    )
    bank = build(CORPUS, broken_data, folder, on_broken=skip)
    assert "rock.00003" in set(bank.index["group"])
    assert f"{9 + len(CLIPS)} of {13 + len(CLIPS)} clips are there already" in capsys.readouterr().out


def test_more_than_twenty_are_counted(data: Path, folder: Path) -> None:
    for path in (data / "genres_stems").rglob("*.wav"):
        path.write_text("text")
    for number in range(30):
        (data / f"genres_stems/rock/rock.001{number:02d}").mkdir()
    with pytest.raises(BrokenFilesError, match=r"\.\.\. and 26 more") as caught:
        build(CORPUS, data, folder)
    assert len(caught.value.broken) == 46
    with pytest.raises(UserError, match="no whole song is left of blues, rock"):
        build(CORPUS, data, folder, on_broken=skip)


def test_a_damaged_bank_is_never_opened_and_is_built_again(data: Path, folder: Path) -> None:
    first = build(CORPUS, data, folder)
    content = sample_bytes(first)
    for name in ("samples.int16", "index.csv", "bank.json"):
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(whole[:-100])
        with pytest.raises(UserError, match="damaged"):
            Bank.open(folder)
        assert sample_bytes(build(CORPUS, data, folder)) == content


def test_a_folder_of_something_else_is_left_alone(data: Path, tmp_path: Path) -> None:
    (tmp_path / "music").mkdir()
    (tmp_path / "music" / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="is no bank"):
        build(CORPUS, data, tmp_path / "music")
    assert (tmp_path / "music" / "mine.txt").read_text() == "mine"


def test_a_second_build_says_who_holds_the_bank(data: Path, folder: Path) -> None:
    folder.parent.mkdir(parents=True)
    with folder.with_name("data.lock").open("w") as lock:
        lock.write("process 123 on that machine")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="is being built by process 123 on that machine"):
            build(CORPUS, data, folder)
    build(CORPUS, data, folder)


def test_script_builds_reports_and_ends_with_a_sentence(broken_data: Path, folder: Path) -> None:
    refused = run_build("--data", broken_data, "--bank", folder, "--workers", 1)
    assert refused.returncode == 2
    assert "Traceback" not in refused.stderr
    assert all(sentence in refused.stderr for sentence in (*BROKEN, "--skip-broken"))
    done = run_build("--data", broken_data.parent, "--bank", folder, "--workers", 1, "--skip-broken")
    assert done.returncode == 0, done.stderr
    assert "33 clips (8 stem, 1 noise, 24 synthetic), 4.0 minutes of audio, in " in done.stdout
    assert "a minute of audio" in done.stdout
    nothing = run_build("--data", broken_data / "mashups")
    assert nothing.returncode == 2
    assert "no data set found" in nothing.stderr
