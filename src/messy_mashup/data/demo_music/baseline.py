"""What the colour of the sound alone tells: logistic regression on clip-mean log-mels, a network's yardstick."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

from messy_mashup.compiled import load_librosa
from messy_mashup.data.demo_music.genres import STEMS
from messy_mashup.errors import UserError

RATE_HZ = 16_000
WINDOW, HOP, MELS = 512, 256, 64
SONGS_A_GENRE = 20  # more songs and seconds make it slower, hardly better
SECONDS = 10.0
MIXES_A_GENRE = 20
FOLDS = 2  # a held-out mashup needs four held-out songs


@dataclass(frozen=True)
class BaselineScore:
    """Macro F1 on mashups of held-out songs, and on the test mashups when trained on all songs."""

    held_out: float
    public: float
    private: float


def logistic_regression_score(root: Path, seed: int = 0) -> BaselineScore:
    """Score clip-mean log-mels of the competition at `root`, whose labels must lie in `hidden/`."""
    from sklearn.metrics import f1_score

    stems = _stems_by_genre(root)
    rng = np.random.default_rng([seed, 30_000])
    truths, guesses = [], []
    for train_songs, held_out_songs in _splits(stems, rng):
        labels, features = _mixes(stems, held_out_songs, rng)
        truths += labels
        guesses += list(_fitted(stems, train_songs, rng).predict(features))
    every_song = {genre: np.arange(len(songs)) for genre, songs in stems.items()}
    test = _solution(root)
    clips = [_mono(root / name)[: int(SECONDS * RATE_HZ)] for name in test["filename"]]
    test["guess"] = _fitted(stems, every_song, rng).predict(np.stack([clip_mean_log_mel(clip) for clip in clips]))
    usage = {
        name: float(f1_score(rows["genre"], rows["guess"], average="macro", labels=sorted(stems), zero_division=0))
        for name, rows in test.groupby("Usage")
    }
    held_out = float(f1_score(truths, guesses, average="macro"))
    return BaselineScore(held_out, usage.get("Public", float("nan")), usage.get("Private", float("nan")))


def clip_mean_log_mel(wave: np.ndarray) -> np.ndarray:
    """Mean over time of the log-mel of (samples,) at 16 kHz at peak 1: (MELS,)."""
    peak = np.abs(wave).max(initial=0.0)
    windows = np.lib.stride_tricks.sliding_window_view(wave / (peak or 1.0), WINDOW)[::HOP]
    power = np.abs(np.fft.rfft(windows * np.hanning(WINDOW).astype(np.float32), axis=1)) ** 2
    return np.log(power @ _mel_filters() + 1e-4).mean(axis=0)


@cache
def _mel_filters() -> np.ndarray:
    return load_librosa().filters.mel(sr=RATE_HZ, n_fft=WINDOW, n_mels=MELS).T


def _mono(path: Path) -> np.ndarray:
    import soxr

    wave, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    return soxr.resample(wave.mean(axis=1), rate_hz, RATE_HZ)


def _stems_by_genre(root: Path) -> dict[str, list[dict[str, np.ndarray]]]:
    """genre -> song -> stem -> (samples,) at 16 kHz."""
    genres = sorted(folder for folder in (root / "genres_stems").glob("*") if folder.is_dir())
    if not genres:
        raise UserError(f"{root} holds no genres_stems/<genre>: write a competition there first")
    songs = {genre.name: sorted(genre.iterdir())[:SONGS_A_GENRE] for genre in genres}
    if min(len(folders) for folders in songs.values()) < FOLDS * len(STEMS):
        raise UserError(f"{root}: {FOLDS} folds of four-song mashups need {FOLDS * len(STEMS)} songs in every genre")
    cut = int(SECONDS * RATE_HZ)
    return {
        genre: [{stem: _mono(folder / f"{stem}.wav")[:cut] for stem in STEMS} for folder in folders]
        for genre, folders in songs.items()
    }


def _splits(stems: dict[str, list], rng: np.random.Generator) -> list[tuple[dict, dict]]:
    """Training and held-out song numbers of each genre, for each fold."""
    folds = {genre: np.array_split(rng.permutation(len(songs)), FOLDS) for genre, songs in stems.items()}
    return [
        (
            {
                genre: np.concatenate([part for k, part in enumerate(parts) if k != fold])
                for genre, parts in folds.items()
            },
            {genre: parts[fold] for genre, parts in folds.items()},
        )
        for fold in range(FOLDS)
    ]


def _mixes(
    stems: dict[str, list[dict[str, np.ndarray]]], songs: dict[str, np.ndarray], rng: np.random.Generator
) -> tuple[list[str], np.ndarray]:
    """Labels and features of waveform mashups without noise, each of four of the songs."""
    labels, features = [], []
    for genre, numbers in songs.items():
        for _ in range(MIXES_A_GENRE):
            chosen, gains = rng.choice(numbers, len(STEMS), replace=False), rng.uniform(0.4, 1.0, len(STEMS))
            voices = [stems[genre][song][stem] for song, stem in zip(chosen, STEMS, strict=True)]
            samples = min(len(voice) for voice in voices)
            mix = sum(gain * voice[:samples] for gain, voice in zip(gains, voices, strict=True))
            labels.append(genre)
            features.append(clip_mean_log_mel(mix))
    return labels, np.stack(features)


def _fitted(stems: dict[str, list[dict[str, np.ndarray]]], songs: dict[str, np.ndarray], rng: np.random.Generator):
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    labels, features = _mixes(stems, songs, rng)
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(features, labels)


def _solution(root: Path) -> pd.DataFrame:
    """id, filename, genre, Usage of the test mashups."""
    tables = [pd.read_csv(root / name, dtype=str) for name in ("test.csv", "hidden/solution.csv")]
    return tables[0].merge(tables[1], on="id", validate="one_to_one")
