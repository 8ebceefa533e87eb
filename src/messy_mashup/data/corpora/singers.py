"""Singer snippets: clips of 3 s as mp3 in a few classes, the singers (reported: four, 11,886 clips to train on and
2,447 to predict).

Source: a course's own competition; the recordings' copyright is with many owners, so the data stay out of this
repository.

Layouts: train/<singer>/*.mp3, with what is to be predicted in test/; or train.csv (columns file and label, and perhaps
song) beside train/, and test.csv (column file, and perhaps id and label) beside test/. Paths in the lists are relative
to the data set or to the folder of the part, with either slash. What is in test/ is predicted by
`infer.py DATA/test --out CSV`.

Quirks: the classes are exactly those that are found, so that a slip of the pen in a label would be one more; it is
named where it differs from another label by case or spaces alone, or from the folder that the clip lies in. Snippets of
one recording sound alike. Where the column song tells it, they stay on one side of a split (in the field `artist`, by
which clips are kept together); where it does not, they may be on both sides, and a score of random splits is flattered.
Hidden files are left alone; every other file in a class folder has to be audio.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from messy_mashup.data.audio import SUFFIXES, find_audio
from messy_mashup.data.corpora import Broken, Clip, Corpus, corpus_of
from messy_mashup.data.listing import files_in, listed_file, read_table, subfolders
from messy_mashup.errors import UserError
from messy_mashup.files import files_below
from messy_mashup.own_files import shortened, shown

TRAIN, TEST = "train", "test"
LOOKED_AT = 20  # files of a class folder, to recognise it
HEADER_LENGTH = 10_000  # characters of a list's first line, to recognise it


def looks_like(root: Path) -> bool:
    """Whether the folder has a train/ that holds folders of audio, or audio and a list of it."""
    train = root / TRAIN
    if not train.is_dir():
        return False
    if (root / f"{TRAIN}.csv").is_file():
        return {"file", "label"} <= set(_header(root / f"{TRAIN}.csv"))
    classes = (train / name for name in subfolders(train, ""))
    return any(Path(name).suffix.lower() in SUFFIXES for folder in classes for name in files_in(folder)[:LOOKED_AT])


def scan(root: Path) -> Corpus:
    """The clips to train on, in the order of their list or sorted, and all that is broken; nothing is decoded."""
    if (root / f"{TRAIN}.csv").is_file():
        found = list(_listed(root, TRAIN))
    else:
        found = [item for name in subfolders(root / TRAIN, "unpack it") for item in _class_folder(root, name)]
        found += [_misplaced(root, name) for name in files_in(root / TRAIN)]
    classes = sorted({item.label for item in found if isinstance(item, Clip)})
    if len(classes) < 2:
        told = f"only the class {classes[0]}" if classes else "no class"
        raise UserError(f"{root / TRAIN} holds clips of {told}: singers are told apart among two or more")
    if (root / f"{TEST}.csv").is_file():
        found += [item for item in _listed(root, TEST, classes) if isinstance(item, Broken)]
    return corpus_of("singers", root, found, classes)


def _header(path: Path) -> list[str]:
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        return [cell.strip().strip('"') for cell in file.readline(HEADER_LENGTH).split(",")]


def _misplaced(root: Path, name: str) -> Broken:
    return Broken(f"{TRAIN}/{name}", f"{root / TRAIN / name}: lies in no folder of a class: move it, or list it")


def _class_folder(root: Path, label: str) -> Iterator[Clip | Broken]:
    folder = root / TRAIN / label
    audio = set(find_audio(folder))
    if not audio:
        path = folder.relative_to(root).as_posix()
        yield Broken(path, f"{folder}: the class holds no audio: fill the folder, or remove it")
    for file in sorted(files_below(folder), key=lambda file: file.as_posix()):
        if file.name.startswith("."):
            continue
        path = file.relative_to(root).as_posix()
        if file in audio:
            yield _clip(path, label)
        else:
            yield Broken(path, f"{file}: is no audio ({', '.join(sorted(SUFFIXES))}): remove it")


def _clip(path: str, label: str, song: str = "") -> Clip:
    clip = path.removeprefix(f"{TRAIN}/")
    return Clip(clip, path, "stem", clip, label, "mix", song and f"song {song}")


def _listed(root: Path, part: str, classes: list[str] | None = None) -> Iterator[Clip | Broken]:
    """What a list names, and what lies beside it unlisted; `classes`: those that labels may have."""
    path, folder = root / f"{part}.csv", root / part
    table = read_table(path, ["file", "label"] if part == TRAIN else ["file"])
    labels = [text.strip() for text in table["label"]] if "label" in table else [""] * len(table)
    songs = [text.strip() for text in table["song"]] if "song" in table else [""] * len(table)
    seen: set[str] = set()
    for number, (text, label, song) in enumerate(zip(table["file"], labels, songs, strict=True)):
        where, name = f"{path}, line {number + 2}", _listed_name(root, folder, text)
        if name is None:
            yield Broken(text, f"{folder / shortened(text)}: listed in {where} and missing, or elsewhere")
        elif name in seen:
            yield Broken(name, f"{where}: {shortened(text)} is listed twice: remove a line")
        elif Path(name).suffix.lower() not in SUFFIXES:
            yield Broken(name, f"{root / name}: listed in {where}, and no audio ({', '.join(sorted(SUFFIXES))})")
        elif fault := _fault(label, name, labels, classes):
            yield Broken(name, f"{where}: {shortened(text)} {fault}")
        else:
            yield _clip(name, label, song)
        seen.add(name or text)
    for file in find_audio(folder):
        name = file.relative_to(root).as_posix()
        if name not in seen:
            yield Broken(name, f"{file}: not listed in {path}: list it, or remove it")


def _fault(label: str, name: str, labels: list[str], classes: list[str] | None) -> str:
    """What is wrong with a clip's label, or nothing."""
    if classes is not None:
        known = label in ("", *classes)
        return "" if known else f"has an unknown label: {shown(label)} is none of {shortened(', '.join(classes))}"
    if not label:
        return "has no label"
    alike = Counter(other for other in labels if _folded(other) == _folded(label))
    usual = alike.most_common(1)[0][0]
    if label != usual:
        return f"has an unknown label: {shown(label)}, elsewhere written {shown(usual)}"
    within = Path(name).parts[1]
    return f"is labelled {label!r} and lies in the folder {within!r}" if within in {*labels} - {label} else ""


def _folded(label: str) -> str:
    return "".join(label.lower().split())


def _listed_name(root: Path, folder: Path, text: str) -> str | None:
    """The path below `root` of the file that a list means; None where it is missing, or elsewhere than its part."""
    file = listed_file(folder, (folder, root), text)
    return file and file.relative_to(root).as_posix()
