"""Messy Mashup: 1,000 songs of ten genres as four stems each, ESC-50 noise, and mashups to be labelled.

Source: Kaggle competition jan-2026-dl-gen-ai-project. The songs are GTZAN's, taken apart; their copyright is with many
owners and GTZAN names no licence, so the data stay out of this repository. ESC-50 (Piczak 2015) is CC BY-NC.

Layout: genres_stems/<genre>/<song>/{drums,vocals,bass,other}.wav, ESC-50-master/{audio,meta/esc50.csv}, mashups/,
test.csv (id, filename), sample_submission.csv.

Quirks: the fourth stem is other.wav in the data and others.wav in the host's text: both are read. Many stems are
silent for seconds, some throughout. Of esc50.csv only `filename` is needed (and `target` held against the name where it
is there), because reduced copies lack the rest; takes of one Freesound recording (the second number of a noise
clip's name) share their group. Test ids are text: 0001 is not 1. Other files beside the stems are left alone.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pandas as pd

from messy_mashup.data.corpora import Broken, Clip, Corpus, corpus_of, named_at_once
from messy_mashup.data.listing import files_in, read_table, subfolders
from messy_mashup.errors import UserError
from messy_mashup.files import path_below
from messy_mashup.own_files import first_twin, shown

GENRES = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")
STEM_FILES = {
    "bass": ("bass.wav",),
    "drums": ("drums.wav",),
    "other": ("other.wav", "others.wav"),
    "vocals": ("vocals.wav",),
}
NOISE_NAME = re.compile(r"\d+-(?P<source>\d+)-[A-Z]+-(?P<target>\d+)\.wav")
STEMS = "genres_stems"
NOISES = "ESC-50-master/audio"
NOISE_TABLE = "ESC-50-master/meta/esc50.csv"
REMEDY = "unpack the stems there"


def looks_like(root: Path) -> bool:
    """Whether the folder holds songs as stems below genre folders."""
    return (root / STEMS).is_dir()


def scan(root: Path) -> Corpus:
    """All stems and noise clips, sorted, and everything that is broken; nothing is decoded."""
    found = [*_songs(root), *_noises(root)]
    classes = genres(root)
    if not classes:
        raise UserError(f"{root / STEMS} holds no genre folder: {REMEDY}")
    return corpus_of("messy_mashup", root, found, classes)


def genres(root: Path) -> tuple[str, ...]:
    """The genre folders, sorted; no song is looked at."""
    return tuple(subfolders(root / STEMS, REMEDY))


def test_clips(root: Path) -> pd.DataFrame:
    """The mashups to be labelled: columns id (text, in the order of test.csv) and path (relative to root)."""
    table = read_table(root / "test.csv", ["id", "filename"])
    if (twin := first_twin(table["id"])) is not None:
        raise UserError(f"{root / 'test.csv'} has the id {shown(twin)} twice: unpack the whole data set again")
    files = [path_below(root, name, root / "test.csv") for name in table["filename"]]
    missing = [f"{file}: listed in test.csv and missing" for file in files if not file.is_file()]
    if missing:
        raise UserError(f"{named_at_once(missing)}\nunpack all mashups, or give another folder with --data")
    return table.rename(columns={"filename": "path"})[["id", "path"]]


def _songs(root: Path) -> Iterator[Clip | Broken]:
    seen: dict[str, str] = {}
    for genre in subfolders(root / STEMS, REMEDY):
        folder = f"{STEMS}/{genre}"
        songs = subfolders(root / folder, REMEDY)
        if not songs:
            yield Broken(folder, f"{root / folder}: the genre holds no song")
        for song in songs:
            if song in seen:
                reason = f"a song of this name is in {root / seen[song]} too"
                yield Broken(f"{folder}/{song}", f"{root / folder / song}: {reason}")
                continue
            seen[song] = folder
            yield from _stems(root, f"{folder}/{song}", song, genre)


def _stems(root: Path, folder: str, song: str, genre: str) -> list[Clip | Broken]:
    """The four stems of a song, or what keeps them from being four."""
    present = {part: [name for name in files if _file(root / folder, name)] for part, files in STEM_FILES.items()}
    missing = [files[0] for part, files in STEM_FILES.items() if not present[part]]
    if missing:
        return [Broken(folder, f"{root / folder}: no {', '.join(missing)}")]
    doubled = [names for names in present.values() if len(names) > 1]
    if doubled:
        return [Broken(folder, f"{root / folder}: both {' and '.join(doubled[0])}: remove one")]
    return [
        Clip(f"{song}/{part}", f"{folder}/{files[0]}", "stem", song, genre, part)
        for part, files in sorted(present.items())
    ]


def _noises(root: Path) -> Iterator[Clip | Broken]:
    if not (root / NOISES).is_dir():
        raise UserError(f"{root / NOISES} is missing: unpack ESC-50 there")
    table = read_table(root / NOISE_TABLE, ["filename"])
    if (twin := first_twin(table["filename"])) is not None:
        raise UserError(f"{root / NOISE_TABLE} lists {shown(twin)} twice: remove a line")
    targets = dict(zip(table["filename"], table.get("target", [None] * len(table)), strict=True))
    files = set(files_in(root / NOISES))
    for name in sorted(files | targets.keys()):
        reason = _noise_fault(name, files, targets)
        if reason:
            yield Broken(f"{NOISES}/{name}", f"{root / NOISES / name}: {reason}")
            continue
        match = NOISE_NAME.fullmatch(name)
        yield Clip(Path(name).stem, f"{NOISES}/{name}", "noise", match["source"], match["target"], "noise")


def _noise_fault(name: str, files: Iterable[str], targets: dict[str, str | None]) -> str | None:
    match = NOISE_NAME.fullmatch(name)
    if not match:
        return "is not named <fold>-<source>-<take>-<target>.wav"
    if name not in files:
        return "listed in esc50.csv and missing"
    if name not in targets:
        return "not listed in esc50.csv"
    if targets[name] not in (None, match["target"]):
        return f"esc50.csv gives target {targets[name]}"
    return None


def _file(folder: Path, name: str) -> bool:
    return (folder / name).is_file()
