"""The demo's songs as corpora of whole songs: in GTZAN's layout, and in ISMIR2004's, as unequal as that is."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import soundfile
import soxr

from messy_mashup.data.demo_music import host
from messy_mashup.data.demo_music.song import song
from messy_mashup.data.demo_music.styles import GENRES
from messy_mashup.data.workers import working
from messy_mashup.files import write_whole

GTZAN_HZ = 22_050
HEADROOM = 0.9
# The contest's classes, of which genres they are made here, and how many tracks a part of it has
ISMIR2004_GENRES = {
    "classical": ("classical",),
    "electronic": ("disco", "hiphop"),
    "jazz_blues": ("jazz", "blues"),
    "metal_punk": ("metal",),
    "rock_pop": ("rock", "pop"),
    "world": ("reggae", "country"),
}
ISMIR2004_TRACKS = {
    "classical": 320, "electronic": 115, "jazz_blues": 26, "metal_punk": 45, "rock_pop": 101, "world": 122,
}  # fmt: skip
ISMIR2004_PARTS = ("training", "development", "evaluation")
MP3_HZ = (44_100, 22_050, 48_000)  # in turn
NEW_PART = 100_000  # song numbers of a part lie so far from those of the part before


def write_gtzan(root: Path, songs: int, seconds: float, seed: int = 0, workers: int | None = None) -> Path:
    """So many songs of each of the ten genres, 22.05 kHz mono; what is there already is kept."""
    jobs = [
        (root / "genres" / genre / f"{genre}.{number:05d}.wav", genre, seed, number, seconds, GTZAN_HZ)
        for genre in GENRES
        for number in range(songs)
    ]
    with working(workers, batch=1, fewer="with nothing else running") as pool:
        pool.do(_write_song, [job for job in jobs if not job[0].is_file()], "songs")
    return root


def write_ismir2004(root: Path, share: float, seconds: float, seed: int = 0, workers: int | None = None) -> Path:
    """Three parts of this share of the contest's tracks, at least two a class, as mp3 with their tracklists."""
    counts = {label: max(2, round(share * tracks)) for label, tracks in ISMIR2004_TRACKS.items()}
    jobs = [
        job for number, part in enumerate(ISMIR2004_PARTS) for job in _part(root, number, part, counts, seed, seconds)
    ]
    with working(workers, batch=1, fewer="with nothing else running") as pool:
        pool.do(_write_song, [job for job in jobs if not job[0].is_file()], "tracks")
    return root


def _part(root: Path, number: int, part: str, counts: Mapping[str, int], seed: int, seconds: float) -> list[tuple]:
    """The tracks of a part that are to be written; its tracklist is written here."""
    jobs, rows = [], []
    for label, count in counts.items():
        genres = ISMIR2004_GENRES[label]
        for track in range(count):
            index = NEW_PART * (number + 1) + track
            path = f"{label}/{label}_{track:03d}.mp3"
            rate_hz = MP3_HZ[track % len(MP3_HZ)]
            jobs.append((root / "audio" / part / path, genres[track % len(genres)], seed, index, seconds, rate_hz))
            rows.append(f'"{label}","synthesiser {index}","demo","{label} {track}","{track}","{path}"')
    with write_whole(root / "metadata" / part / "tracklist.csv") as temporary:
        temporary.write_text("\n".join(rows) + "\n")
    return jobs


def _write_song(path: Path, genre: str, seed: int, index: int, seconds: float, rate_hz: int) -> None:
    """The four stems together, mono for wav and stereo for mp3, with HEADROOM below full scale."""
    stems = np.sum([wave.astype(np.float32) for wave in song(genre, seed, index, seconds).values()], axis=0)
    mixed = soxr.resample(stems, host.RATE_HZ, rate_hz, quality="HQ")
    mixed *= HEADROOM / np.abs(mixed).max()
    with write_whole(path) as temporary:
        if path.suffix == ".mp3":
            soundfile.write(temporary, mixed, rate_hz, format="MP3", subtype="MPEG_LAYER_III")
        else:
            soundfile.write(temporary, mixed.mean(axis=1), rate_hz, "PCM_16", format="WAV")
