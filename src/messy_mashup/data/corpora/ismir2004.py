"""ISMIR2004 Genre: 2,187 whole tracks of Magnatune as mp3, three parts of 729, in six very unequal classes.

Source: Cano et al., ISMIR 2004 audio description contest, MTG-TR-2006-02 (Zenodo record 1302992); CC BY-NC-SA 1.0.
Training and development each: classical 320, electronic 115, jazz_blues 26, metal_punk 45, rock_pop 101, world 122.

Layout: audio/{training,development,evaluation}/... and metadata/{training,development,evaluation}/tracklist.csv; or
each tracklist.csv in the folder of its part. Its columns are class, artist, album, track, track number and file path,
in the evaluation part also an id, mostly without a header.

Quirks: the class is the tracklist's, never the folder's, for some folders are of the eight genres that the six classes
were joined from. The development part is anonymous, so that only training songs have an artist. Paths are relative to
the folder of the part or to audio/, with either slash. Files that are no audio (licences, covers) are left alone; audio
that no tracklist names is an error, since its class is not known.
"""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from messy_mashup.data.audio import find_audio
from messy_mashup.data.corpora import Broken, Clip, Corpus, corpus_of
from messy_mashup.data.listing import listed_file
from messy_mashup.errors import UserError
from messy_mashup.own_files import read_bytes, shortened, shown

CLASSES = ("classical", "electronic", "jazz_blues", "metal_punk", "rock_pop", "world")
PARTS = {"training": "train", "development": "validation", "evaluation": "test"}
LIST = "tracklist.csv"
LIST_PLACES = ("metadata/{part}", "audio/{part}", "{part}")
AUDIO_PLACES = ("audio/{part}", "{part}")
FEWEST_COLUMNS = 6


def looks_like(root: Path) -> bool:
    """Whether the folder has a tracklist of a training part."""
    return _place(root, "training", LIST_PLACES, LIST) is not None


def scan(root: Path) -> Corpus:
    """The tracks of all parts that are there, in the order of their lists, and everything that is broken; nothing is
    decoded.
    """
    found = [item for part in PARTS for item in _tracks(root, part)]
    present = {item.label for item in found if isinstance(item, Clip)}
    trained = {item.label for item in found if isinstance(item, Clip) and item.split == "train"}
    if untrained := sorted(present - trained):
        raise UserError(f"{root}: the training part has no track of {', '.join(untrained)}: unpack all of it")
    return corpus_of("ismir2004", root, found, sorted(present))


def _place(root: Path, part: str, places: tuple[str, ...], holding: str = "") -> Path | None:
    """The first of the places of a part that is there, and holds that file."""
    folders = (root / place.format(part=part) for place in places)
    return next((folder for folder in folders if folder.is_dir() and (folder / holding).exists()), None)


def _tracks(root: Path, part: str) -> Iterator[Clip | Broken]:
    lists, audio = _place(root, part, LIST_PLACES, LIST), _place(root, part, AUDIO_PLACES)
    if audio is None and lists is None:
        return
    if audio is None or lists is None:
        missing = "its audio" if audio is None else LIST
        raise UserError(f"{root}: of the {part} part {missing} is missing: unpack it, or remove all of that part")
    unlisted = {path.relative_to(audio).as_posix() for path in find_audio(audio)}
    seen: set[str] = set()
    for line, row in _rows(lists / LIST):
        item = _track(root, part, audio, row, f"{lists / LIST}, line {line}")
        name = item.path if isinstance(item, Broken) else (root / item.path).relative_to(audio).as_posix()
        if name in seen:
            yield Broken(name, f"{lists / LIST}, line {line}: {name} is listed twice: remove a line")
            continue
        seen.add(name)
        unlisted.discard(name)
        yield item
    for name in sorted(unlisted):
        path = (audio / name).relative_to(root).as_posix()
        yield Broken(path, f"{audio / name}: not listed in {lists / LIST}, so its class is not known")


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The lines of a tracklist with their numbers, a header left out."""
    content = read_bytes(path, "get the tracklist again")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")  # names of artists, as of 2004
    reader = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True)
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells) and cells[0].lower() != "class":
                yield reader.line_num, cells
    except csv.Error as error:
        raise UserError(f"{path}, line {reader.line_num}: {shortened(str(error))}: get the tracklist again") from error


def _track(root: Path, part: str, audio: Path, row: list[str], where: str) -> Clip | Broken:
    if len(row) < FEWEST_COLUMNS:
        return Broken(
            f"{part}: {row}", f"{where}: has {len(row)} columns, not class, artist, album, track, number, path"
        )
    label, artist, path = row[0].lower().replace("-", "_").replace(" ", "_"), row[1], row[5].replace("\\", "/")
    if label not in CLASSES:
        return Broken(path, f"{where}: {shown(row[0])} is none of the classes {', '.join(CLASSES)}")
    file = listed_file(audio, (audio, audio.parent), path)
    if file is None:
        return Broken(path, f"{audio / shortened(path)}: listed in {where} and missing")
    name = file.relative_to(audio).as_posix()
    clip, relative = f"{part}/{name.rpartition('.')[0]}", file.relative_to(root).as_posix()
    known = artist if part != "development" else ""  # anonymous: one name for all
    return Clip(clip, relative, "stem", clip, label, "mix", known, PARTS[part])
