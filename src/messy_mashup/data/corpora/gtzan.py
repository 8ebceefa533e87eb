"""GTZAN: 1,000 excerpts of 30 s in ten genres of 100 each, 22.05 kHz mono.

Source: Tzanetakis and Cook, IEEE Trans. Speech and Audio Processing 10(5), 2002; the copyright of the songs is with
many owners and there is no licence, so the data stay out of this repository.

Layout: genres/<genre>/<genre>.00000.au as the author's archive unpacks, or with .wav; on Kaggle
Data/genres_original/<genre>/<genre>.00000.wav, of which the folder Data is the data set.

Quirks (Sturm, "The GTZAN dataset: its contents, its faults", 2013): in Kaggle's copy jazz.00054 cannot be decoded; the
bank is then built with --skip-broken. Dozens of excerpts are repeated, and single artists have up to a third of a
genre, so that a random split flatters a model. Beside the genre folders may therefore lie:

- artists.csv (columns file and artist): songs of one artist, and recordings listed under one name, stay on one side;
- train_filtered.txt, valid_filtered.txt and test_filtered.txt (Kereliuk, Sturm and Larsen 2015), a line a file: a split
  whose parts share no artist, without the repeated and distorted excerpts. It is used by --set folds.cut=given.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from messy_mashup.data.corpora import Broken, Clip, Corpus, corpus_of
from messy_mashup.data.listing import files_in, read_table, subfolders
from messy_mashup.errors import UserError
from messy_mashup.own_files import first_twin, read_bytes, shortened, shown

GENRES = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")
PLACES = ("genres", "genres_original")
NAME = re.compile(r"(?P<clip>(?P<genre>[a-z]+)\.\d{5})\.(?:wav|au)")
ARTISTS = "artists.csv"
FILTERED = {"train": "train_filtered.txt", "validation": "valid_filtered.txt", "test": "test_filtered.txt"}
REMEDY = "unpack GTZAN's genre folders there"


def looks_like(root: Path) -> bool:
    """Whether the folder holds a folder of genres with excerpts that are named as GTZAN's."""
    return any(_holds_excerpts(root / place) for place in PLACES)


def scan(root: Path) -> Corpus:
    """All excerpts, sorted, with what the lists beside them say, and everything that is broken; nothing is decoded."""
    place = next(place for place in PLACES if (root / place).is_dir())
    genres = subfolders(root / place, REMEDY)
    found = [item for genre in genres for item in _excerpts(root, f"{place}/{genre}", genre)]
    clips = {item.clip for item in found if isinstance(item, Clip)}
    artists, splits = _artists(root, clips), _splits(root, clips)
    told = [
        item._replace(artist=artists.get(item.clip, ""), split=splits.get(item.clip, ""))
        if isinstance(item, Clip)
        else item
        for item in found
    ]
    return corpus_of("gtzan", root, told, [genre for genre in genres if genre in GENRES])


def _holds_excerpts(place: Path) -> bool:
    return any(
        NAME.fullmatch(name) for genre in GENRES if (place / genre).is_dir() for name in files_in(place / genre)[:20]
    )


def _excerpts(root: Path, folder: str, genre: str) -> Iterator[Clip | Broken]:
    if genre not in GENRES:
        yield Broken(folder, f"{root / folder}: {genre} is none of GTZAN's genres ({', '.join(GENRES)})")
        return
    names = files_in(root / folder)
    if not names:
        yield Broken(folder, f"{root / folder}: the genre holds no excerpt")
    seen: dict[str, str] = {}
    for name in names:
        path, match = f"{folder}/{name}", NAME.fullmatch(name)
        if not match or match["genre"] != genre:
            yield Broken(path, f"{root / path}: is not named {genre}.<five digits>.wav or .au")
        elif match["clip"] in seen:
            yield Broken(path, f"{root / path}: {seen[match['clip']]} beside it is the same excerpt: remove one")
        else:
            seen[match["clip"]] = name
            yield Clip(match["clip"], path, "stem", match["clip"], genre, "mix")


def _artists(root: Path, clips: set[str]) -> Mapping[str, str]:
    """The artist of each clip that the list names, where there is one."""
    path = root / ARTISTS
    if not path.exists():
        return {}
    table = read_table(path, ["file", "artist"])
    names = [_listed(path, text, clips) for text in table["file"]]
    if (twin := first_twin(names)) is not None:
        raise UserError(f"{path} lists {twin} twice: remove a line")
    return dict(zip(names, table["artist"].str.strip(), strict=True))


def _splits(root: Path, clips: set[str]) -> Mapping[str, str]:
    """The part of each clip that the filtered lists name, where they are there."""
    present = [name for name in FILTERED.values() if (root / name).exists()]
    if not present:
        return {}
    if len(present) < len(FILTERED):
        missing = sorted(set(FILTERED.values()) - set(present))
        raise UserError(f"{root} has {', '.join(present)} and lacks {', '.join(missing)}: a split needs all three")
    splits: dict[str, str] = {}
    for split, name in FILTERED.items():
        for line in filter(None, map(str.strip, _text(root / name).splitlines())):
            clip = _listed(root / name, line, clips)
            if clip in splits:
                told = f"{shortened(line)} is in {FILTERED[splits[clip]]}, too"
                raise UserError(f"{root / name}: {told}: get the lists again")
            splits[clip] = split
    return splits


def _text(path: Path) -> str:
    try:
        return read_bytes(path, "get the lists again").decode()
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is no text in UTF-8 ({error.reason}): get the lists again") from error


def _listed(path: Path, text: str, clips: set[str]) -> str:
    """The clip that a list means, whatever the folder and the ending it gives."""
    name = PurePosixPath(text.strip().replace("\\", "/")).name
    match = NAME.fullmatch(name)
    clip = match["clip"] if match else name
    if clip not in clips and not re.fullmatch(r"[a-z]+\.\d{5}", clip):
        raise UserError(f"{path}: {shown(text)} is no excerpt of GTZAN: write it as blues/blues.00000.wav")
    return clip
