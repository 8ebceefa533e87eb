"""Writes a whole competition: stems, noises, test mashups and, in a folder of its own, the true labels."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

from messy_mashup.data.demo_music import DONE, host
from messy_mashup.data.demo_music.genres import STEMS
from messy_mashup.data.demo_music.noises import CLASSES, noise_clip
from messy_mashup.data.demo_music.song import song
from messy_mashup.data.demo_music.styles import GENRES
from messy_mashup.data.workers import working
from messy_mashup.errors import UserError
from messy_mashup.files import write_whole

VERSION = 2  # of the music: raise it when the same seed sounds different
BEGUN = "competition.begun.json"


@dataclass(frozen=True)
class Parameters:
    """What a competition is made from; two folders of equal parameters hold equal bytes."""

    genres: tuple[str, ...]
    songs: int
    seconds: float
    noises: int
    mashups: int
    seed: int
    version: int = VERSION
    numbers: host.Numbers = host.NUMBERS


def write_competition(
    root: Path,
    genres: Sequence[str] = tuple(GENRES),
    songs: int = 10,
    seconds: float = 8.0,
    noises: int = 60,
    mashups: int = 100,
    seed: int = 0,
    workers: int | None = None,
    numbers: host.Numbers = host.NUMBERS,
) -> None:
    """Write a competition below `root`; what is already there whole is kept, so an interrupted call can be repeated."""
    parameters = Parameters(tuple(genres), songs, float(seconds), noises, mashups, seed, numbers=numbers)
    _check(parameters)
    if _already_complete(root, parameters):
        return
    table = noise_table(parameters)
    plans = plan_mashups(parameters, list(table["filename"]))
    with working(workers, batch=1, fewer="with nothing else running") as pool:
        pool.do(_write_song, _missing_songs(root, parameters), "songs")
        pool.do(_write_noise, _missing_noises(root, table, seed), "noise clips")
        pool.do(_write_mashup, _missing_mashups(root, plans, parameters), "test mashups")
    _write_tables(root, table, plans, parameters)
    with write_whole(root / DONE) as temporary:
        temporary.write_text(_as_json(parameters))
    (root / BEGUN).unlink(missing_ok=True)


def noise_table(parameters: Parameters) -> pd.DataFrame:
    """ESC-50's table for the clips made here: five folds, some recordings cut into takes A and B of one fold."""
    kinds, rows = list(CLASSES), []
    for number in range(parameters.noises):
        kind, turn = kinds[number % len(kinds)], number // len(kinds)
        target, esc10 = CLASSES[kind]
        shared = turn % 5 == 1 and target % 2 == 0  # the second take of the clip before it
        fold = (turn - shared) % 5 + 1
        source = 100_000 + 977 * ((turn - shared) * len(kinds) + number % len(kinds))
        take = "B" if shared else "A"
        name = f"{fold}-{source}-{take}-{target}.wav"
        rows.append((name, fold, target, kind, esc10, source, take))
    return pd.DataFrame(rows, columns=["filename", "fold", "target", "category", "esc10", "src_file", "take"])


def plan_mashups(parameters: Parameters, noise_files: list[str]) -> list[host.MashupPlan]:
    """Plans of all test mashups: genres in turn but in a shuffled order, every second one of songs that are new."""
    rng = np.random.default_rng([parameters.seed, 20_000])
    new_songs = range(host.NEW_SONGS, host.NEW_SONGS + max(len(STEMS), parameters.songs // 2))
    order = rng.permutation(parameters.mashups)
    plans = []
    for number, place in enumerate(order, start=1):
        genre = parameters.genres[place % len(parameters.genres)]
        known = place // len(parameters.genres) % 2 == 0
        songs = range(parameters.songs) if known else new_songs
        plans.append(host.draw_plan(number, genre, known, songs, noise_files, rng, parameters.numbers))
    return plans


def _check(parameters: Parameters) -> None:
    unknown = sorted(set(parameters.genres) - set(GENRES))
    if unknown or not parameters.genres:
        raise UserError(f"no such genre: {', '.join(unknown) or 'none named'}; there are {', '.join(GENRES)}")
    if parameters.songs < len(STEMS):
        raise UserError(f"a mashup needs four different songs of a genre: {parameters.songs} songs are too few")
    if parameters.seconds < 1 or parameters.noises < 1 or parameters.mashups < 1:
        raise UserError("a competition needs songs of at least 1 s, one noise clip and one test mashup")


def _already_complete(root: Path, parameters: Parameters) -> bool:
    """Whether all is there; a folder that holds anything else is refused."""
    notes = [root / name for name in (DONE, BEGUN) if (root / name).is_file()]
    if any(note.read_text() != _as_json(parameters) for note in notes):
        raise UserError(f"{root} holds another competition: remove it and the runs made of it, or name another folder")
    if (root / DONE) in notes:
        return True
    for leftover in root.rglob(".*.partial"):  # of a run that was killed
        leftover.unlink()
    if not notes and root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise UserError(f"{root} is not empty and holds no competition made here: name another folder")
    with write_whole(root / BEGUN) as temporary:
        temporary.write_text(_as_json(parameters))
    return False


def _as_json(parameters: Parameters) -> str:
    return json.dumps(asdict(parameters), indent=1) + "\n"


def _stem_file(root: Path, genre: str, index: int, stem: str) -> Path:
    return root / "genres_stems" / genre / f"{genre}.{index:05d}" / f"{stem}.wav"


def _write_wave(path: Path, wave: np.ndarray, rate_hz: int) -> None:
    with write_whole(path) as temporary:
        soundfile.write(temporary, wave, rate_hz, "PCM_16", format="WAV")


def _missing_songs(root: Path, parameters: Parameters) -> list[tuple]:
    return [
        (root, genre, parameters.seed, index, parameters.seconds)
        for genre in parameters.genres
        for index in range(parameters.songs)
        if not all(_stem_file(root, genre, index, stem).is_file() for stem in STEMS)
    ]


def _write_song(root: Path, genre: str, seed: int, index: int, seconds: float) -> None:
    for stem, wave in song(genre, seed, index, seconds).items():
        _write_wave(_stem_file(root, genre, index, stem), wave, host.RATE_HZ)


def _missing_noises(root: Path, table: pd.DataFrame, seed: int) -> list[tuple]:
    audio = root / "ESC-50-master" / "audio"
    rows = zip(table["filename"], table["category"], table.index, strict=True)
    return [(audio / name, kind, seed, int(number)) for name, kind, number in rows if not (audio / name).is_file()]


def _write_noise(path: Path, kind: str, seed: int, number: int) -> None:
    _write_wave(path, noise_clip(kind, seed, number), host.RATE_HZ)


def _missing_mashups(root: Path, plans: Iterable[host.MashupPlan], parameters: Parameters) -> list[tuple]:
    folder = root / "mashups"
    jobs = [(folder / f"song{plan.id}.wav", plan, root, parameters.seed, parameters.seconds) for plan in plans]
    return [job for job in jobs if not job[0].is_file()]


def _write_mashup(path: Path, plan: host.MashupPlan, root: Path, seed: int, seconds: float) -> None:
    wave = host.mix_mashup(plan, root, seed, seconds)
    _write_wave(path, np.round(wave * 32767).astype(np.int16), host.MASHUP_HZ)


def _write_tables(root: Path, noises: pd.DataFrame, plans: list[host.MashupPlan], parameters: Parameters) -> None:
    ids = [plan.id for plan in plans]
    files = [f"mashups/song{id_}.wav" for id_ in ids]
    made_of = [
        {
            "id": plan.id,
            "genre": plan.genre,
            "known": plan.known,
            "parts": json.dumps({stem: asdict(part) for stem, part in zip(STEMS, plan.parts, strict=True)}),
            "share": plan.share,
            "bursts": json.dumps([asdict(burst) for burst in plan.bursts]),
        }
        for plan in plans
    ]
    tables = {
        "ESC-50-master/meta/esc50.csv": noises,
        "test.csv": pd.DataFrame({"id": ids, "filename": files}),
        "sample_submission.csv": pd.DataFrame({"id": ids, "genre": parameters.genres[0]}),
        "hidden/mashups.csv": pd.DataFrame(made_of),
        "hidden/solution.csv": solution(plans),
    }
    for name, table in tables.items():
        with write_whole(root / name) as temporary:
            table.to_csv(temporary, index=False, lineterminator="\n")


def solution(plans: list[host.MashupPlan]) -> pd.DataFrame:
    """True genres, three of ten of every genre and kind Public, the rest Private."""
    table = pd.DataFrame([(plan.id, plan.genre, plan.known) for plan in plans], columns=["id", "genre", "known"])
    by_kind = table.sort_values(["genre", "known", "id"]).index
    place = np.arange(len(table))
    public = np.floor(0.3 * (place + 1)) > np.floor(0.3 * place)
    table.loc[by_kind, "Usage"] = np.where(public, "Public", "Private")
    return table[["id", "genre", "Usage"]]
