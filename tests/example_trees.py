"""Small corpora in the layout of the real ones, written by the tests."""

from pathlib import Path

import numpy as np
import soundfile

PARTS = ("bass", "drums", "other", "vocals")
NOISES = ("1-100032-A-0", "1-100032-B-0", "2-5555-A-10")


def noise_wave(seed: int, seconds: float, sample_rate_hz: int = 44_100, channels: int = 2) -> np.ndarray:
    """Low-passed noise at a level of its own, (samples, channels), never beyond full scale."""
    generator = np.random.default_rng(seed)
    steps = generator.standard_normal((round(seconds * sample_rate_hz), channels))
    wave = np.cumsum(steps, axis=0) % 2 - 1
    return (wave * generator.uniform(0.05, 0.9)).astype(np.float32)


def write_messy_mashup(root: Path, genres: tuple[str, ...] = ("blues", "rock"), songs: int = 2, seconds: float = 0.4):
    """A whole messy_mashup corpus: songs as stems, three noise clips of two sources, two mashups and their tables."""
    seed = 0
    for genre in genres:
        for number in range(songs):
            for part in PARTS:
                seed += 1
                write_wave(root / f"genres_stems/{genre}/{genre}.{number:05d}/{part}.wav", noise_wave(seed, seconds))
    for name in NOISES:
        seed += 1
        write_wave(root / f"ESC-50-master/audio/{name}.wav", noise_wave(seed, seconds / 2, channels=1))
    rows = [f"{name}.wav,{name[0]},{name.rsplit('-')[-1]},{name.rsplit('-')[-2]}" for name in NOISES]
    write_text(root / "ESC-50-master/meta/esc50.csv", ["filename,fold,target,take", *rows])
    for number in (1, 2):
        write_wave(root / f"mashups/song{number:04d}.wav", noise_wave(900 + number, seconds, 22_050, 1), 22_050)
    write_text(root / "test.csv", ["id,filename", "0001,mashups/song0001.wav", "0002,mashups/song0002.wav"])
    write_text(root / "sample_submission.csv", ["id,genre", f"0001,{genres[0]}", f"0002,{genres[0]}"])


def tone_wave(number: int, seed: int, seconds: float, sample_rate_hz: int = 22_050) -> np.ndarray:
    """A tone that tells its class, softly noisy: (samples,), never beyond full scale."""
    generator = np.random.default_rng(seed)
    time_s = np.arange(round(seconds * sample_rate_hz)) / sample_rate_hz
    pitch_hz = 300.0 * 1.5**number * generator.uniform(0.97, 1.03)
    wave = 0.4 * np.sin(2 * np.pi * pitch_hz * time_s) + 0.02 * generator.standard_normal(len(time_s))
    return wave.astype(np.float32)


def write_gtzan(
    root: Path,
    genres: tuple[str, ...] = ("blues", "rock"),
    clips: int = 8,
    seconds: float = 0.8,
    place: str = "genres",
    ending: str = "wav",
) -> Path:
    """GTZAN's layout: excerpts at 22.05 kHz mono in genre folders; each genre is a tone of its own."""
    for number, genre in enumerate(genres):
        for clip in range(clips):
            path = root / place / genre / f"{genre}.{clip:05d}.{ending}"
            path.parent.mkdir(parents=True, exist_ok=True)
            wave = tone_wave(number, 100 * number + clip, seconds)
            soundfile.write(path, wave, 22_050, subtype="PCM_16", format=ending.upper())
    return root


ISMIR2004_COUNTS = {"classical": 6, "electronic": 3, "jazz_blues": 2}


def write_ismir2004(root: Path, counts: dict[str, int] | None = None, seconds: float = 0.8) -> Path:
    """ISMIR2004's layout: mp3 at several rates, mono and stereo, in three parts with a tracklist each; the folders of
    the training part are of genres, those of the others hold all tracks.
    """
    for part, name in enumerate(("training", "development", "evaluation")):
        rows = []
        for number, (label, count) in enumerate((counts or ISMIR2004_COUNTS).items()):
            for track in range(count):
                rate_hz = (44_100, 22_050, 48_000)[track % 3]
                wave = tone_wave(number, 1000 * part + 100 * number + track, seconds * (1 + 0.1 * track), rate_hz)
                folder = f"{label}/artist_{track // 2}/album" if part == 0 else "tracks"
                path = f"{folder}/{track:02d}_{label}.mp3"
                write_mp3(root / "audio" / name / path, wave if track % 2 else np.stack([wave, wave], axis=1), rate_hz)
                cells = [label, f"artist {track // 2}", "album", f"track {track}", str(track), path]
                rows.append(",".join(f'"{cell}"' for cell in ([*cells, "17"] if part == 2 else cells)))
        write_text(root / "metadata" / name / "tracklist.csv", rows)
    return root


def write_mp3(path: Path, wave: np.ndarray, sample_rate_hz: int) -> None:
    """An mp3, its folder included."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, wave, sample_rate_hz, format="MP3", subtype="MPEG_LAYER_III")


def write_wave(path: Path, wave: np.ndarray, sample_rate_hz: int = 44_100) -> None:
    """A 16-bit file, its folder included."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, wave, sample_rate_hz, subtype="PCM_16")


def write_text(path: Path, lines: list[str]) -> None:
    """A text file, its folder included."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


SINGERS = ("adele", "bowie", "cash", "dion")


def write_singers(root: Path, clips: int = 8, to_predict: int = 3, seconds: float = 0.8, listed: bool = False) -> Path:
    """The singers' layout: short mp3 at several rates, mono and stereo, in class folders, or in one with a list; each
    class has a vibrato tone of its own over a steady one that all share.
    """
    rows, predicted = ["file,label,song"], ["id,file"]
    for number, singer in enumerate(SINGERS):
        for clip in range(clips):
            name = f"{singer}_{clip:03d}.mp3" if listed else f"{singer}/{clip:03d}.mp3"
            _write_snippet(root / "train" / name, number, clip, seconds)
            rows.append(f"{name},{singer},{singer} song {clip // 2}")
    for clip in range(to_predict):
        _write_snippet(root / "test" / f"{clip:04d}.mp3", clip % len(SINGERS), 100 + clip, seconds)
        predicted.append(f"{clip:04d},{clip:04d}.mp3")
    if listed:
        write_text(root / "train.csv", rows)
        write_text(root / "test.csv", predicted)
    return root


def _write_snippet(path: Path, number: int, seed: int, seconds: float) -> None:
    rate_hz = (44_100, 22_050, 48_000)[seed % 3]
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    sung = 0.3 * np.sin(2 * np.pi * 300 * 1.5**number * time_s + 8 * np.sin(2 * np.pi * 6 * time_s))
    wave = tone_wave(1, 100 * number + seed, seconds, rate_hz) / 2 + sung.astype(np.float32)
    write_mp3(path, wave if seed % 2 else np.stack([wave, wave], axis=1), rate_hz)
