"""The synthesiser: the competition's layout, the same bytes however it is made, true tempo, labels out of reach."""

import hashlib
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.signal
import soundfile

from messy_mashup.data.demo_music import baseline, competition, drums, host
from messy_mashup.data.demo_music.competition import Parameters, noise_table, plan_mashups, solution, write_competition
from messy_mashup.data.demo_music.drums import KITS
from messy_mashup.data.demo_music.genres import STEMS
from messy_mashup.data.demo_music.host import Burst, MashupPlan, Part, mix_mashup
from messy_mashup.data.demo_music.instruments import POOL, RATE_HZ
from messy_mashup.data.demo_music.noises import CLASSES, noise_clip
from messy_mashup.data.demo_music.song import compose, render, song
from messy_mashup.data.demo_music.styles import GENRES
from messy_mashup.data.demo_music.theory import SCALES, parse_progression
from messy_mashup.data.demo_music.timbres import TIMBRES
from messy_mashup.errors import UserError

TINY = {"genres": ("blues", "metal"), "songs": 4, "seconds": 1.5, "noises": 13, "mashups": 8, "seed": 3}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("demo") / "competition"
    write_competition(root, **TINY, workers=1)
    return root


def digests(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def sound_format(path: Path) -> tuple[int, int, str, str]:
    info = soundfile.info(path)
    return info.samplerate, info.channels, info.subtype, info.format


# --- the layout


def test_stems_lie_as_in_the_competition(tiny: Path) -> None:
    found = sorted(path.relative_to(tiny / "genres_stems").as_posix() for path in tiny.glob("genres_stems/**/*.wav"))
    expected = [f"{genre}/{genre}.{n:05d}/{stem}.wav" for genre in TINY["genres"] for n in range(4) for stem in STEMS]
    assert found == sorted(expected)
    for folder in (path.parent for path in tiny.glob("genres_stems/*/*/drums.wav")):
        lengths_s = {soundfile.info(folder / f"{stem}.wav").duration for stem in STEMS}
        assert len(lengths_s) == 1
        assert lengths_s.pop() == pytest.approx(TINY["seconds"], rel=0.02)
    assert {sound_format(path) for path in tiny.glob("genres_stems/*/*/*.wav")} == {(44_100, 2, "PCM_16", "WAV")}


def test_noises_lie_as_in_esc50(tiny: Path) -> None:
    assert (tiny / "ESC-50-master/meta/esc50.csv").read_text().splitlines()[0] == (
        "filename,fold,target,category,esc10,src_file,take"
    )
    table = pd.read_csv(tiny / "ESC-50-master/meta/esc50.csv")
    assert sorted(table["filename"]) == sorted(path.name for path in tiny.glob("ESC-50-master/audio/*"))
    for row in table.itertuples():
        assert row.filename == f"{row.fold}-{row.src_file}-{row.take}-{row.target}.wav"
        assert CLASSES[row.category] == (row.target, row.esc10)
        path = tiny / "ESC-50-master/audio" / row.filename
        assert sound_format(path) == (44_100, 1, "PCM_16", "WAV")
        assert soundfile.info(path).frames == 5 * 44_100


def test_mashups_and_tables(tiny: Path) -> None:
    test = pd.read_csv(tiny / "test.csv", dtype=str)
    sample = pd.read_csv(tiny / "sample_submission.csv", dtype=str)
    assert list(test["id"]) == list(sample["id"]) == [f"{n:04d}" for n in range(1, 9)]
    assert list(test["filename"]) == [f"mashups/song{id_}.wav" for id_ in test["id"]]
    for name in test["filename"]:
        assert sound_format(tiny / name) == (22_050, 1, "PCM_16", "WAV")
        wave, _ = soundfile.read(tiny / name)
        assert np.abs(wave).max() == pytest.approx(1.0, abs=1e-4)
        assert 0.15 * TINY["seconds"] < len(wave) / 22_050 < 1.15 * TINY["seconds"]


def test_recordings_of_one_source_share_a_fold() -> None:
    table = noise_table(Parameters(tuple(GENRES), 10, 8.0, 200, 1, 0))
    assert table["filename"].is_unique
    assert set(table["fold"]) == {1, 2, 3, 4, 5}
    takes = table.groupby("src_file")["take"].apply("".join)
    assert set(takes) == {"A", "AB"}
    assert (table.groupby("src_file")[["fold", "target"]].nunique() == 1).all(axis=None)


# --- the labels


def test_true_genres_are_known_in_the_hidden_folder_alone(tiny: Path) -> None:
    truth = pd.read_csv(tiny / "hidden/solution.csv", dtype=str)
    made_of = pd.read_csv(tiny / "hidden/mashups.csv", dtype={"id": str})
    assert list(truth.columns) == ["id", "genre", "Usage"]
    assert list(truth["genre"]) == list(made_of["genre"])
    assert list(truth["genre"]) != sorted(truth["genre"])
    assert list(pd.read_csv(tiny / "test.csv").columns) == ["id", "filename"]
    assert pd.read_csv(tiny / "sample_submission.csv")["genre"].nunique() == 1
    texts = [path for path in tiny.rglob("*") if path.suffix in (".csv", ".json") and path.parent.name != "hidden"]
    assert {path.name for path in texts} == {"test.csv", "sample_submission.csv", "esc50.csv", "competition.json"}
    assert json.loads((tiny / "competition.json").read_text())["genres"] == list(TINY["genres"])


def test_public_and_private_hold_the_same_kinds() -> None:
    plans = plan_mashups(Parameters(tuple(GENRES), 10, 8.0, 60, 400, 0), ["1-1-A-0.wav"])
    table = solution(plans).assign(known=[plan.known for plan in plans])
    assert list(table["id"]) == [f"{n:04d}" for n in range(1, 401)]
    share = (table["Usage"] == "Public").groupby([table["genre"], table["known"]]).mean()
    assert len(share) == 20
    assert share.between(0.2, 0.4).all()


def test_new_songs_are_nobodys_training_songs() -> None:
    plans = plan_mashups(Parameters(("pop",), 10, 8.0, 60, 40, 0), ["1-1-A-0.wav"])
    assert sum(plan.known for plan in plans) == 20
    for plan in plans:
        songs = [part.song for part in plan.parts]
        assert len(set(songs)) == 4
        assert all((number < 10) == plan.known for number in songs)


# --- the same bytes, whoever makes them and however often they are stopped


def test_same_bytes_with_two_workers(tiny: Path, tmp_path: Path) -> None:
    write_competition(tmp_path / "two", **TINY, workers=2)
    assert digests(tmp_path / "two") == digests(tiny)


def test_interrupted_and_repeated_it_finishes(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, jobs = tmp_path / "stopped", itertools.count()

    def stopped(*arguments: object) -> None:
        if next(jobs) == 3:
            raise KeyboardInterrupt
        write_song(*arguments)

    write_song = competition._write_song
    monkeypatch.setattr(competition, "_write_song", stopped)
    with pytest.raises(KeyboardInterrupt):
        write_competition(root, **TINY, workers=1)
    assert len(list(root.glob("genres_stems/*/*/*.wav"))) == 12
    monkeypatch.undo()
    (root / "genres_stems/blues/blues.00001/bass.wav").unlink()
    (root / "genres_stems/blues/blues.00001/.bass.wav.77.partial").write_bytes(b"RIFF")
    write_competition(root, **TINY, workers=1)
    assert digests(root) == digests(tiny)


@pytest.mark.slow
def test_killed_it_leaves_no_worker_and_finishes(tiny: Path, tmp_path: Path) -> None:
    call = f"import pathlib; write_competition(pathlib.Path({str(tmp_path / 'killed')!r}), **{TINY!r}, workers=2)"
    script = tmp_path / "call.py"
    script.write_text(
        f"from messy_mashup.data.demo_music.competition import write_competition\n"
        f"if __name__ == '__main__':\n    {call}\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    child = subprocess.Popen([sys.executable, script], env=environment, start_new_session=True, stderr=subprocess.PIPE)
    while not list((tmp_path / "killed").glob("genres_stems/*/*/*.wav")):
        time.sleep(0.02)
        assert child.poll() is None
    child.kill()
    # The pipe ends when the last worker that holds it has gone.
    child.communicate(timeout=20)
    assert child.returncode == -signal.SIGKILL
    write_competition(tmp_path / "killed", **TINY, workers=1)
    assert digests(tmp_path / "killed") == digests(tiny)


def test_complete_it_is_left_alone(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(competition, "working", None)
    write_competition(tiny, **TINY)


@pytest.mark.parametrize("change", [{"seed": 4}, {"songs": 5}, {"seconds": 2.0}, {"genres": ("blues",)}])
def test_other_parameters_are_refused(tiny: Path, change: dict) -> None:
    with pytest.raises(UserError, match="another competition"):
        write_competition(tiny, **(TINY | change))


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("dear to someone")
    with pytest.raises(UserError, match="not empty"):
        write_competition(tmp_path, **TINY)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("change", [{"genres": ("polka",)}, {"songs": 3}, {"seconds": 0.0}, {"noises": 0}])
def test_what_cannot_be_made_is_refused(tmp_path: Path, change: dict) -> None:
    with pytest.raises(UserError):
        write_competition(tmp_path / "none", **(TINY | change))
    assert not (tmp_path / "none").exists()


# --- the music


def test_a_song_on_disk_is_the_song_of_its_number_alone(tiny: Path) -> None:
    for stem, wave in song("metal", TINY["seed"], 2, TINY["seconds"]).items():
        written, _ = soundfile.read(tiny / f"genres_stems/metal/metal.00002/{stem}.wav", dtype="int16")
        np.testing.assert_array_equal(written, wave)


@pytest.mark.parametrize("genre", GENRES)
def test_songs_of_a_genre_differ(genre: str) -> None:
    songs = [song(genre, 0, number, 2.0) for number in range(4)]
    for stem in STEMS:
        sounding = [waves[stem] for waves in songs if np.any(waves[stem])]
        length = min(len(wave) for wave in sounding) if sounding else 0
        assert len({wave[:length].tobytes() for wave in sounding}) == len(sounding)
    assert len({compose(genre, 0, number, 2.0).tempo_bpm for number in range(4)}) == 4
    loudness = [np.abs(waves[stem].astype(float)).max() / 32767 for waves in songs for stem in STEMS]
    assert 0.05 < max(loudness) <= 1.0


def test_tempo_is_in_the_genres_range() -> None:
    for genre in GENRES.values():
        tempi = [compose(genre.name, 0, number, 1.0).tempo_bpm for number in range(5)]
        assert all(genre.tempo_bpm[0] <= tempo <= genre.tempo_bpm[1] for tempo in tempi)


def onset_times_s(wave: np.ndarray) -> np.ndarray:
    """Where the level of (samples, 2) at 44.1 kHz jumps, to 2 ms."""
    hop = 88
    mono = wave.mean(axis=1)[: len(wave) // hop * hop].reshape(-1, hop)
    level = np.sqrt(np.mean(mono**2, axis=1))
    # Against the level just before: a jump, not the beat between a drum and its room.
    before = np.convolve(level, np.ones(25) / 25)[: len(level)]
    before = np.concatenate([np.zeros(2), before[:-2]])
    rise = np.log((level + 0.05 * level.max()) / (before + 0.05 * level.max()))
    return scipy.signal.find_peaks(rise, height=0.9, distance=100)[0] * hop / 44_100


@pytest.mark.parametrize("tempo_scale", [0.9, 1.1, 1.25])
def test_drums_at_another_tempo_are_struck_at_scaled_times(tempo_scale: float) -> None:
    composed = compose("disco", 0, 5, 8.0)
    dry = {"drums": replace(composed.mixes["drums"], wet=0.0)}
    lone = replace(composed, hits=[hit for hit in composed.hits if hit.sound == "kick"], mixes=dry)
    own, other = (render(lone, "drums", scale) for scale in (1.0, tempo_scale))
    assert len(own) / len(other) == pytest.approx(tempo_scale, rel=1e-3)
    written_s = np.array([hit.onset_beat for hit in lone.hits]) * 60 / composed.tempo_bpm
    written_s = written_s[written_s < composed.seconds]
    own_s, other_s = onset_times_s(own), onset_times_s(other) * tempo_scale
    assert len(own_s) == len(other_s) == len(written_s) >= 15
    np.testing.assert_allclose(own_s, written_s, atol=0.006)
    np.testing.assert_allclose(other_s, written_s, atol=0.006)


def test_drums_at_another_tempo_are_the_same_sounds() -> None:
    composed = compose("disco", 0, 5, 8.0)
    # Without the room, whose tail of the stroke before would still be heard.
    dry = {"drums": replace(composed.mixes["drums"], wet=0.0)}
    lone = replace(composed, hits=[hit for hit in composed.hits if hit.sound == "open"], mixes=dry)
    own, faster = (render(lone, "drums", scale).mean(axis=1) for scale in (1.0, 1.1))
    starts_s = [hit.onset_beat * 60 / composed.tempo_bpm for hit in lone.hits]
    starts_s = [start_s for start_s in starts_s if start_s < composed.seconds - 0.1]
    assert len(starts_s) >= 10
    for start_s in starts_s:
        first, second = (round(start_s / scale * 22_050) * 2 for scale in (1.0, 1.1))
        pair = own[first : first + 2000], faster[second : second + 2000]
        assert np.corrcoef(*pair)[0, 1] > 0.9  # the stroke before still rings; noise drawn anew would give 0


@pytest.mark.parametrize("stem", ["vocals", "bass", "other"])
def test_pitched_stems_keep_pitch_and_level_at_another_tempo(stem: str) -> None:
    composed = compose("pop", 0, 3, 6.0)

    def spectrum_db(wave: np.ndarray) -> np.ndarray:
        power = scipy.signal.welch(wave.mean(axis=1), 44_100, nperseg=8192)[1]
        return 10 * np.log10(power[10:1500] + 1e-3)

    own, faster = (spectrum_db(render(composed, stem, scale)) for scale in (1.0, 1.1))
    assert np.any(own > 0)
    assert np.mean(np.abs(own - faster)) < 1.5


def test_rhythms_and_names_in_the_styles_are_sound() -> None:
    for genre in GENRES.values():
        for groove in genre.grooves:
            assert all(len(rhythm) % 4 == 0 for rhythm in groove.strokes.values())
            assert all(set(groove.strokes) <= set(KITS[kit]) for kit in groove.kits)
        for part in (*genre.bass, *genre.comps):
            assert len(part.rhythm) % 4 == 0
        for part in (*genre.tunes, *genre.singing):
            assert all(len(rhythm) % 4 == 0 for rhythm in part.rhythms)
        for part in (*genre.bass, *genre.comps, *genre.tunes):
            assert set(part.timbres) <= set(TIMBRES)
        assert set(genre.scales) <= set(SCALES)
        assert all(parse_progression(text) for text in genre.progressions)


# --- the host's mashups


def plan(**changes: object) -> MashupPlan:
    parts = tuple(Part(number, 1.0, gain) for number, gain in enumerate((1.0, 0.5, 0.7, 0.9)))
    return replace(MashupPlan("0001", "metal", True, parts, 1.0, ()), **changes)


def test_a_mashup_is_the_sum_of_its_parts(tiny: Path) -> None:
    voices = []
    for part, stem in zip(plan().parts, STEMS, strict=True):
        path = tiny / f"genres_stems/metal/metal.{part.song:05d}/{stem}.wav"
        voices.append(part.gain * soundfile.read(path)[0].mean(axis=1))
    music = sum(voice[: min(map(len, voices))] for voice in voices)
    expected = scipy.signal.resample_poly(music, 1, 2)
    mixed = mix_mashup(plan(), tiny, TINY["seed"], TINY["seconds"])
    inner = slice(200, len(mixed) - 200)
    assert np.corrcoef(mixed[inner], expected[: len(mixed)][inner])[0, 1] > 0.999
    assert np.abs(mixed).max() == pytest.approx(1.0)


def test_a_burst_has_its_place_and_its_gain(tiny: Path) -> None:
    noise = pd.read_csv(tiny / "ESC-50-master/meta/esc50.csv")["filename"][1]  # rain: loud throughout
    clean = mix_mashup(plan(), tiny, TINY["seed"], TINY["seconds"])
    noisy = mix_mashup(plan(bursts=(Burst(noise, 0.5, 0.6),)), tiny, TINY["seed"], TINY["seconds"])
    start = len(clean) // 2
    factor = np.dot(clean[:start], noisy[:start]) / np.dot(clean[:start], clean[:start])
    burst = noisy / factor - clean
    assert np.abs(burst[: start - 1]).max() < 1e-4
    heard, _ = soundfile.read(tiny / "ESC-50-master/audio" / noise)
    heard = scipy.signal.resample_poly(0.6 * heard / np.abs(heard).max(), 1, 2)[: len(clean) - start]
    assert np.corrcoef(burst[start : start + len(heard)], heard)[0, 1] > 0.99
    assert np.abs(burst).max() == pytest.approx(np.abs(heard).max(), rel=0.1)


def test_a_stretched_voice_lasts_as_its_rate_says(tiny: Path) -> None:
    slow, fast = (plan(parts=tuple(replace(part, rate=rate) for part in plan().parts)) for rate in (0.9, 1.1))
    lengths = [len(mix_mashup(each, tiny, TINY["seed"], TINY["seconds"])) for each in (slow, plan(), fast)]
    assert lengths[1] / lengths[0] == pytest.approx(0.9, abs=0.01)
    assert lengths[1] / lengths[2] == pytest.approx(1.1, abs=0.01)


def test_plans_keep_to_the_hosts_ranges() -> None:
    rng = np.random.default_rng(0)
    plans = [host.draw_plan(n, "pop", True, range(10), ["a.wav", "b.wav"], rng) for n in range(1000)]
    rates = np.array([part.rate for each in plans for part in each.parts])
    assert 0.45 < np.mean(rates != 1.0) < 0.55
    assert 0.9 <= rates.min() < 0.91 < 1.09 < rates.max() <= 1.1
    gains = np.array([part.gain for each in plans for part in each.parts])
    assert 0.4 <= gains.min() < 0.41 < 0.99 < gains.max() <= 1.0
    assert 0.7 < np.mean([bool(each.bursts) for each in plans]) < 0.9
    assert {len(each.bursts) for each in plans} == {0, 1, 2, 3}
    assert 0.05 < np.mean([each.share < 1 for each in plans]) < 0.15


# --- noises and the yardstick


@pytest.mark.parametrize("kind", CLASSES)
def test_noise_clips_sound_and_differ(kind: str) -> None:
    clips = [noise_clip(kind, 0, number) for number in range(3)]
    assert len({clip.tobytes() for clip in clips}) == 3
    assert all(0.1 < np.abs(clip.astype(float)).max() / 32767 <= 1.0 for clip in clips)


def test_log_mel_of_silence_is_finite() -> None:
    assert np.isfinite(baseline.clip_mean_log_mel(np.zeros(16_000, np.float32))).all()


def test_the_yardstick_needs_songs_enough(tiny: Path) -> None:
    with pytest.raises(UserError, match="8 songs"):
        baseline.logistic_regression_score(tiny)


@pytest.mark.slow
def test_genres_overlap(tmp_path: Path) -> None:
    write_competition(tmp_path / "demo")
    score = baseline.logistic_regression_score(tmp_path / "demo")
    assert 0.3 < score.held_out < 0.7
    assert 0.3 < score.private < 0.75


def test_a_crash_that_rings_longer_than_its_noise_can_be_struck():
    class Ringing:
        """Draws a ring a half longer than the mean."""

        def normal(self, mean, deviations):
            return np.array((0.0, 0.5, 0.0, 0.0))

        def uniform(self, low, high, size):
            return np.zeros(size)

    white = np.random.default_rng(0).standard_normal(POOL, np.float32)
    crash = drums.tune(drums.KITS["acoustic"]["crash"], Ringing(), white)
    track = drums.strike([drums.Hit(0.0, "crash", 1.0, POOL - 1)], {"crash": crash}, 0.5, 8 * RATE_HZ)
    assert np.abs(track[: RATE_HZ // 2]).max() > 0.1
    assert np.isfinite(track).all()
