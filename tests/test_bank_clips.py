"""What a bank holds beside its files: synthetic noise, stretched variants of its stems, and the tempo of its songs."""

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import librosa
import numpy as np
import pandas as pd
import pytest
import soundfile

from example_trees import PARTS, noise_wave, write_messy_mashup, write_wave
from messy_mashup import paths
from messy_mashup.data import bank_build, bank_slot, bank_tempo, synthetic_noise
from messy_mashup.data.audio import read_mono
from messy_mashup.data.bank import FORMAT, SAMPLE_RATE_HZ, TEMPO_COLUMNS, Bank, source_of, stale
from messy_mashup.data.bank_build import skip
from messy_mashup.data.bank_slot import Earlier, Measures, Slot, active_share, fill, quantised
from messy_mashup.data.bank_source import FileSource
from messy_mashup.data.beats import Beats, song_beats
from messy_mashup.data.corpora import BrokenFilesError
from messy_mashup.errors import UserError

CORPUS = "messy_mashup"
RATES = (0.9, 1.25)
STEM = "genres_stems/blues/blues.00000/drums.wav"
TEMPO = list(TEMPO_COLUMNS)
build = partial(bank_build.build, workers=1)  # in this process, which has librosa loaded
# Fills a slot from each file and tells the peak of memory by then; in the end the disk holds no more than 1 MB a file.
FILLS = """
import resource, sys
from pathlib import Path
from messy_mashup.data.audio import audio_length
from messy_mashup.data.bank_slot import Slot, fill
from messy_mashup.data.bank_source import FileSource
def filled(path):
    status, samples = path.stat(), path.with_name("samples.int16")
    samples.touch()
    source = FileSource(path.parent, path.name, status.st_size, status.st_mtime_ns, 1.0)
    fill(Slot("a", source, samples, 0, audio_length(path, 16_000), 16_000))
for name in sys.argv[1:]:
    filled(Path(name))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
try:
    filled(Path(name))
except OSError as error:
    print(type(error).__name__)
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_messy_mashup(tmp_path / "data", seconds=0.3)
    return tmp_path / "data"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "banks" / "data"


def row_of(bank: Bank, name: str) -> int:
    return int(np.flatnonzero(bank.index["clip"] == name)[0])


def sample_bytes(bank: Bank) -> bytes:
    return (bank.root / "samples.int16").read_bytes()


def write_beat(data: Path, tempo_bpm: float, seconds: float) -> None:
    """A beat on the drums of blues.00000, noise as before on its other stems."""
    wave = np.zeros((round(seconds * 44_100), 2))
    click = np.exp(-np.arange(2000) / 300) * np.random.default_rng(0).standard_normal(2000)
    for start in np.arange(0.1, seconds - 0.1, 60 / tempo_bpm):
        wave[int(start * 44_100) :][: len(click)] += click[:, None] / 5
    write_wave(data / STEM, wave)
    for number, part in enumerate(("bass", "other", "vocals")):
        write_wave(data / f"genres_stems/blues/blues.00000/{part}.wav", 0.01 * noise_wave(number, seconds))


def test_synthetic_noise_is_in_every_bank_after_all_files(data: Path, folder: Path) -> None:
    bank = build(CORPUS, data, folder)
    numbers = bank.select("synthetic")
    assert numbers.tolist() == list(range(19, 19 + len(synthetic_noise.CLIPS)))
    clips = bank.index.iloc[numbers]
    assert clips["clip"].tolist() == list(synthetic_noise.CLIPS)
    assert clips["group"].tolist() == clips["clip"].tolist()
    assert set(clips["label"]) == set(synthetic_noise.KINDS)
    assert set(clips["part"]) == {"noise"}
    assert (clips["rate"] == 1).all()
    for number in numbers[::5]:
        made = synthetic_noise.wave(bank.index.at[number, "clip"], SAMPLE_RATE_HZ)
        assert np.abs(bank.wave(number) - made).max() <= 0.51 * bank.index.at[number, "scale"]


def test_variants_are_what_librosa_makes_of_the_stems(data: Path, folder: Path) -> None:
    bank = build(CORPUS, data, folder, stretched=(1.25, 0.9))
    assert len(bank.select("stretched")) == 2 * 16
    for number in bank.select("stretched"):
        row = bank.index.iloc[number]
        stem = bank.index.iloc[row_of(bank, row["clip"].split("@")[0])]
        assert row["clip"] == f"{stem['clip']}@{row['rate']:g}"
        assert (row["path"], row["group"], row["label"], row["part"]) == tuple(stem[["path", "group", "label", "part"]])
        # Through windows as long as librosa's default at 22.05 kHz, the rate of the test mashups
        wave = read_mono(data / row["path"], SAMPLE_RATE_HZ)
        stretched = librosa.effects.time_stretch(wave, rate=row["rate"], n_fft=1486)
        assert row["length"] == len(stretched) == round(stem["length"] / row["rate"])
        assert np.abs(bank.wave(number) - stretched).max() <= 0.51 * row["scale"]
    assert bank.index.loc[bank.select("stretched"), "rate"].tolist() == [0.9] * 16 + [1.25] * 16


def test_variants_come_and_go_and_all_else_is_copied_to_its_place(data: Path, folder: Path, capsys) -> None:
    plain = build(CORPUS, data, folder)
    capsys.readouterr()
    both = build(CORPUS, data, folder, stretched=RATES)
    told = capsys.readouterr().out
    assert "stretched variants there: none; asked for: 0.9, 1.25" in told
    assert "data: " not in told
    assert "43 of 75 clips are there already" in told
    pd.testing.assert_frame_equal(both.index.iloc[:43], plain.index)
    again = build(CORPUS, data, folder, stretched=RATES[::-1])
    assert "nothing has changed" in capsys.readouterr().out
    assert again.digest == both.digest != plain.digest
    assert stale(both, data) is None
    one = build(CORPUS, data, folder, stretched=[1.25])
    assert "59 of 59 clips are there already" in capsys.readouterr().out
    fresh = build(CORPUS, data, folder.with_name("fresh"), stretched=[1.25])
    assert (fresh.digest, sample_bytes(fresh)) == (one.digest, sample_bytes(one))
    without = build(CORPUS, data, folder)
    assert (without.digest, sample_bytes(without)) == (plain.digest, sample_bytes(plain))


def test_the_digest_knows_a_variant_by_its_stem_and_rate(data: Path, folder: Path) -> None:
    """The last bits of a vocoder's sound differ between machines; what they are made of does not."""
    bank = build(CORPUS, data, folder, stretched=[0.9])
    other = build(CORPUS, data, folder.with_name("other"), stretched=[0.91])
    assert other.digest != bank.digest
    write_wave(data / STEM, noise_wave(77, 0.3))
    assert build(CORPUS, data, folder, stretched=[0.9]).digest != bank.digest


def test_a_song_falls_with_all_its_variants_and_is_named_once(data: Path, folder: Path) -> None:
    shutil.copytree(data / "genres_stems/rock/rock.00000", data / "genres_stems/rock/rock.00002")
    soundfile.write(
        data / "genres_stems/rock/rock.00002/bass.wav", np.full((13_230, 2), np.nan), 44_100, subtype="FLOAT"
    )
    with pytest.raises(BrokenFilesError, match="holds NaN") as caught:
        build(CORPUS, data, folder, stretched=RATES)
    assert len(caught.value.broken) == 1
    bank = build(CORPUS, data, folder, on_broken=skip, stretched=RATES)
    assert "rock.00002" not in set(bank.index["group"])
    assert len(bank.select("stretched")) == 2 * 16
    assert stale(bank, data) is None
    assert build(CORPUS, data, folder, on_broken=skip, stretched=RATES).listing == bank.listing


@pytest.mark.parametrize(
    ("rates", "sentence"),
    [
        ((0.4, 0.9), "at 0.4: give rates from 0.5 to 2"),
        ((1.0,), "at 1: give rates"),
        ((float("nan"),), "at nan: give rates"),
        ((0.9, 0.90), "twice at one rate"),
    ],
)
def test_rates_that_cannot_be_are_a_sentence(data: Path, folder: Path, rates, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        build(CORPUS, data, folder, stretched=rates)


def test_the_script_takes_rates(data: Path, folder: Path) -> None:
    command = [sys.executable, paths.REPOSITORY / "src/build.py", "--data", data, "--bank", folder, "--workers", "1"]
    done = subprocess.run([*command, "--stretched", "1.1"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "59 clips (16 stem, 3 noise, 24 synthetic, 16 stretched)" in done.stdout
    refused = subprocess.run([*command, "--stretched", "fast"], capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "'fast' are no rates" in refused.stderr


def test_a_song_has_one_tempo_and_a_variant_the_tempo_it_plays_at(data: Path, folder: Path) -> None:
    write_beat(data, 120, 4)
    bank = build(CORPUS, data, folder, stretched=RATES)
    stems = bank.index[(bank.index["group"] == "blues.00000") & (bank.index["kind"] == "stem")]
    assert len(stems[TEMPO].drop_duplicates()) == 1
    waves = {part: bank.wave(row_of(bank, f"blues.00000/{part}")) for part in PARTS}
    beats = song_beats(waves, SAMPLE_RATE_HZ)
    assert tuple(stems[TEMPO].iloc[0]) == tuple(asdict(beats).values())
    assert beats.tempo_bpm / 60 == pytest.approx(round(beats.tempo_bpm / 60), abs=0.02)
    for rate in RATES:
        played = bank.index.iloc[row_of(bank, f"blues.00000/bass@{rate:g}")]
        assert played["tempo_bpm"] == pytest.approx(beats.tempo_bpm * rate)
        assert (played["beat_s"], played["bar_s"]) == pytest.approx((beats.beat_s / rate, beats.bar_s / rate))
    others = bank.index[bank.index["group"] != "blues.00000"]  # songs too short for a tempo, and noise
    assert not others[TEMPO].to_numpy().any()


def test_a_song_that_sounds_as_before_is_not_measured_again(data: Path, folder: Path, capfd, monkeypatch) -> None:
    first = build(CORPUS, data, folder)
    assert "4/4" in tempo_bar(capfd)
    (data / "genres_stems/rock/rock.00001/bass.wav").write_bytes((data / STEM).read_bytes())
    second = build(CORPUS, data, folder, stretched=[1.25])
    assert "1/1" in tempo_bar(capfd)
    assert second.digest != first.digest


def tempo_bar(capfd: pytest.CaptureFixture[str]) -> str:
    return next(line for line in reversed(capfd.readouterr().err.splitlines()) if line.startswith("tempo:"))


def test_a_build_that_ended_while_tempo_was_measured_goes_on(data: Path, folder: Path, capfd, monkeypatch) -> None:
    entry, seen = bank_tempo.tempo_entry, []

    def interrupted(song, beats):
        seen.append(song.group)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return entry(song, beats)

    monkeypatch.setattr(bank_tempo, "tempo_entry", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build(CORPUS, data, folder)
    monkeypatch.undo()
    journal = folder.with_name("data.partial") / "tempo.jsonl"
    lines = journal.read_text().splitlines()
    key, beats = json.loads(lines[1])
    lines[1] = json.dumps([key, {**beats, "tempo_bpm": 77.0}])  # taken over, and so to be seen in the bank
    journal.write_text("\n".join(lines) + "\n[torn")
    capfd.readouterr()
    bank = build(CORPUS, data, folder)
    assert "2/2" in tempo_bar(capfd)
    assert (bank.index["tempo_bpm"] == 77).sum() == 4
    assert {path.name for path in folder.iterdir()} == {"bank.json", "index.csv", "samples.int16"}


def test_a_bank_of_another_version_is_told_and_built_anew(data: Path, folder: Path, capsys) -> None:
    bank = build(CORPUS, data, folder)
    card = json.loads((folder / "bank.json").read_text())
    (folder / "bank.json").write_text(json.dumps({**card, "format": 1}))
    with pytest.raises(UserError, match=rf"another version \(format 1, not {FORMAT}\): run build.py again"):
        Bank.open(folder)
    assert build(CORPUS, data, folder).digest == bank.digest
    assert "building it anew" in capsys.readouterr().out


def test_a_bank_of_another_version_does_not_hide_the_source_of_the_others(data: Path, folder: Path) -> None:
    bank = build(CORPUS, data, folder)
    (folder.with_name("old")).mkdir()
    (folder.with_name("old") / "bank.json").write_text('{"format": 1, "digest": "other"}')
    assert source_of(bank.digest, folder.parent) == str(data)
    assert source_of("unknown", folder.parent) == ""


def test_noise_of_another_version_is_made_anew(data: Path, folder: Path, capsys, monkeypatch) -> None:
    first = build(CORPUS, data, folder)
    capsys.readouterr()
    monkeypatch.setattr(synthetic_noise, "VERSION", synthetic_noise.VERSION + 1)
    second = build(CORPUS, data, folder)
    assert "19 of 43 clips are there already" in capsys.readouterr().out
    assert second.digest == first.digest


def test_beats_go_into_the_index_in_this_order() -> None:
    assert list(asdict(Beats(1, 2, 3, 4, 5))) == ["tempo_bpm", "beat_s", "bar_s", "confidence", "bar_confidence"]


def test_memory_does_not_grow_with_a_clip_and_a_full_disk_is_an_os_error(tmp_path: Path) -> None:
    """Of 20 minutes instead of 2 the wave takes 69 MB more; made at once and measured, it took 330 MB more."""
    minute = noise_wave(0, 60, 8000, channels=1)
    mp3 = io.BytesIO()
    soundfile.write(mp3, minute, 8000, format="MP3", bitrate_mode="CONSTANT", compression_level=0.99)
    for minutes in (2, 20):
        soundfile.write(tmp_path / f"{minutes}.wav", np.tile(minute, (minutes, 1)), 8000)
        (tmp_path / f"{minutes}.mp3").write_bytes(mp3.getvalue() * minutes)  # it holds no length of its own
    files = [tmp_path / name for name in ("2.wav", "2.mp3", "20.wav", "20.mp3")]
    command = [sys.executable, "-c", FILLS, *files]
    environment = {**os.environ, "PYTHONPATH": str(paths.REPOSITORY / "src")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    *peaks_mb, error = done.stdout.split()
    assert float(peaks_mb[3]) - float(peaks_mb[1]) < 20
    assert error == "OSError"


def long_slot(folder: Path, seconds: float) -> Slot:
    """A slot for a file of that length, not at the start of the samples."""
    wave = noise_wave(9, seconds, SAMPLE_RATE_HZ, channels=1)
    wave[len(wave) // 3 : len(wave) // 2] *= 1e-4
    wave[-1000] = 0.99  # the scale is known at the end only
    soundfile.write(folder / "long.wav", wave, SAMPLE_RATE_HZ, subtype="FLOAT")
    status = (folder / "long.wav").stat()
    (folder / "samples").write_bytes(b"\1" * 2 * (len(wave) + 20))
    source = FileSource(folder, "long.wav", status.st_size, status.st_mtime_ns, 1.0)
    return Slot("long", source, folder / "samples", 10, len(wave), SAMPLE_RATE_HZ)


def whole_measures(wave: np.ndarray, codes: np.ndarray, scale: float) -> Measures:
    """What there is to measure, measured on the clip as a whole."""
    power = np.square(wave, dtype=np.float64)
    active = active_share(power, SAMPLE_RATE_HZ)
    sha256 = hashlib.sha256(codes.astype("<i2").tobytes()).hexdigest()
    return Measures(scale, float(np.abs(wave).max()), float(np.sqrt(power.mean())), active, sha256)


@pytest.mark.parametrize("spooled_bytes", [1 << 24, 1000])
@pytest.mark.parametrize("seconds", [1.37, 50.98, 51.2, 51.22, 130.03])
def test_a_clip_of_any_length_is_measured_as_a_whole(
    tmp_path: Path, seconds: float, spooled_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bank_slot, "SPOOLED_BYTES", spooled_bytes)
    slot = long_slot(tmp_path, seconds)
    measures = fill(slot)
    wave, held = read_mono(tmp_path / "long.wav", SAMPLE_RATE_HZ), np.fromfile(tmp_path / "samples", "<i2")
    codes = held[10:-10]
    assert (held[:10] == 257).all()
    assert (held[-10:] == 257).all()
    assert np.abs(codes * measures.scale - wave.astype(np.float64)).max() <= 0.5 * measures.scale * (1 + 1e-6)
    assert np.abs(codes).max() == 32767
    whole = whole_measures(wave, codes, float(np.float32(measures.peak / 32767)))
    # Beyond a portion, the sum of the power is one of sums.
    assert asdict(measures) == asdict(whole) | ({} if seconds <= 51.2 else {"rms": pytest.approx(whole.rms, rel=1e-12)})
    assert 0.8 < measures.active < 0.9
    assert sorted(path.name for path in tmp_path.iterdir()) == ["long.wav", "samples"]


@pytest.mark.parametrize("damage", ["none", "a byte near the end", "cut short"])
def test_a_long_clip_is_copied_if_its_copy_is_whole(tmp_path: Path, damage: str, monkeypatch) -> None:
    slot = long_slot(tmp_path, 70)
    measures, content = fill(slot), (tmp_path / "samples").read_bytes()
    copy = bytearray(b"ab" * 77 + content[20:-20] + b"behind")
    if damage == "a byte near the end":
        copy[-20] ^= 1
    (tmp_path / "earlier").write_bytes(copy[:-100] if damage == "cut short" else copy)
    (tmp_path / "samples").write_bytes(b"\1" * len(content))
    decoded = []
    monkeypatch.setattr(bank_slot, "quantised", lambda *given: decoded.append(1) or quantised(*given))
    assert fill(replace(slot, earlier=Earlier(tmp_path / "earlier", 77, measures))) == measures
    assert (tmp_path / "samples").read_bytes() == content
    assert bool(decoded) == (damage != "none")
