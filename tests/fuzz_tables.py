"""Readers of CSVs, fed with changed files: what they read has a row for each line, and nothing twice."""

import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np

from banks import bank_of, songs
from fuzzing import Target
from messy_mashup.competition import ledger, submission
from messy_mashup.competition.leaderboard import scores
from messy_mashup.data.bank import Bank, read_index
from messy_mashup.data.corpora import Clip, gtzan, ismir2004, messy_mashup, singers
from messy_mashup.data.folds import open_folds
from messy_mashup.data.splits import open_splits
from messy_mashup.mashup.arrangement import Arrangements
from messy_mashup.mashup.validation import open_plan
from messy_mashup.recipe import FoldRecipe, MashupRecipe
from messy_mashup.search.match_finds import read_portion
from messy_mashup.text_table import read_text_table
from messy_mashup.training.label_table import read_labels
from messy_mashup.training.run_folder import read_metrics

PLAN = FoldRecipe(count=2, validation_per_song=1, validation=MashupRecipe(length_s=(0.1, 0.2), burst_s=(0.1, 0.1)))
CLASSES = ("jazz", "rock")


@cache
def room() -> Path:
    """A folder of this process that holds what readers need beside the file."""
    return Path(tempfile.mkdtemp(prefix="fuzz-tables-"))


@cache
def bank() -> Bank:
    """Two classes of eight songs, four noises."""
    noises = {f"1-{number}-A-{number}": np.full(4000, 0.1, np.float32) for number in range(4)}
    return bank_of(room() / "bank", songs(CLASSES, 8, 0.2) | noises)


@cache
def corpus() -> Path:
    """Data sets of empty files: nothing is decoded."""
    root = room() / "data"
    names = ["mashups/0001.wav", "mashups/0002.wav", "train/a/1.mp3", "train/b/2.mp3", "audio/training/x/1.mp3"]
    names += ["genres/blues/blues.00000.wav", "genres/rock/rock.00001.wav", "audio/training/x/2.mp3"]
    names += [f"genres_stems/rock/rock.1/{part}.wav" for part in ("bass", "drums", "other", "vocals")]
    for name in (*names, "ESC-50-master/audio/1-2-A-3.wav", "ESC-50-master/audio/4-5-B-6.wav"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def lines_of(path: Path) -> int | None:
    """The rows of a CSV without quotes: its lines that are not empty, but for the first."""
    content = path.read_bytes()
    return None if b'"' in content else sum(map(bool, content.replace(b"\r", b"\n").split(b"\n"))) - 1


def whole(path: Path, rows: int) -> None:
    """No row may be lost."""
    assert lines_of(path) in (None, rows), f"{rows} rows of {lines_of(path)} lines"


def inside(root: Path, paths: object) -> None:
    """No path may lead elsewhere."""
    assert all((root / path).resolve().is_relative_to(root.resolve()) for path in paths), "a path leads outside"


def as_part_of(place: str, read: Callable[[Path, Path], object]) -> Callable[[Path], object]:
    """A reader of the data set whose file at `place` is the one that is fed; it is told where that lies."""

    def at(path: Path) -> object:
        target = corpus() / place
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        try:
            return read(corpus(), target)
        finally:
            target.unlink()

    return at


def of_test(root: Path, path: Path) -> None:
    clips = messy_mashup.test_clips(root)
    assert clips["id"].is_unique
    whole(path, len(clips))
    inside(root, clips["path"])


def of_corpus(scan: Callable[[Path], object]) -> Callable[[Path, Path], None]:
    def read(root: Path, path: Path) -> None:
        found = scan(root)
        assert found.clips["clip"].is_unique
        assert all(len(item.sentence) < 1000 for item in found.broken), "a sentence is too long"
        inside(root, found.clips["path"])

    return read


def of_ismir_rows(path: Path) -> None:
    for _, row in ismir2004._rows(path):
        item = ismir2004._track(corpus(), "training", corpus() / "audio/training", row, f"{path}")
        assert isinstance(item, Clip) or len(item.sentence) < 1000


def of_sample(path: Path) -> None:
    sample = submission.read_sample_file(path)
    whole(path, len(sample))
    found = submission.problems(sample, sample, ("blues", "rock"))
    assert all("must be" not in told for told in found), found


def of_ledger(path: Path) -> None:
    table = ledger.read(path)
    whole(path, len(table))
    ledger.entries_of(path, ["run/fold0"], 0.5)
    inside(path.parent, table["file"])


def of_board(path: Path) -> None:
    (hidden := room() / "hidden").mkdir(exist_ok=True)
    (hidden / "solution.csv").write_text("id,genre,Usage\n0001,blues,Public\n0002,rock,Private\n")
    assert all(0 <= score <= 1 for score in scores(path, hidden).values())


def of_labels(path: Path) -> None:
    table = read_labels(path, audio=corpus() / "mashups")
    assert table.target.shape == (len(table.id), len(table.labels))
    assert len(set(table.id)) == len(table.id) == len(table.group)
    whole(path, len(table.id))


def of_folds(path: Path) -> None:
    folds = open_folds(path, bank().index, 2, 0)
    sides = [folds.split(bank().index, fold)[1] for fold in range(folds.count)]
    assert sum(map(len, sides)) == len(bank().index), "a clip is held out twice or never"
    whole(path, len(folds.table))


def of_splits(path: Path) -> None:
    splits = open_splits(path, bank().index, (1, 1, 0), 1, 0)
    learnt, validated = splits.split(bank().index, 0)
    assert not set(learnt["clip"]) & set(validated["clip"])
    whole(path, len(splits.table))


@cache
def plan_folder() -> tuple[Path, bytes]:
    """Where a plan's table of mashups lies, and what is in it."""
    open_plan(bank(), PLAN, room() / "plan")
    (table,) = (room() / "plan").glob("*/validation.csv")
    return table, table.read_bytes()


def of_arrangements(path: Path) -> None:
    table, _ = plan_folder()
    shutil.copyfile(path, table)
    plan = open_plan(bank(), PLAN, room() / "plan")
    whole(path, len(plan.validation))
    for fold in range(2):
        ids, mashups = plan.mashups(fold)
        assert isinstance(mashups, Arrangements)
        assert len(set(ids)) == len(ids) == len(mashups)


def of_index(path: Path) -> None:
    index = read_index(path.read_bytes(), path)
    whole(path, len(index))


def of_metrics(path: Path) -> None:
    table = read_metrics(path.parent)
    whole(path, len(table))
    assert np.isreal(table.to_numpy()).all()


def text(*lines: str) -> Callable[[Path], list[bytes]]:
    """One seed, of these lines."""
    return lambda _: ["".join(f"{line}\n" for line in lines).encode()]


def saved(open_it: Callable[[Path], object]) -> Callable[[Path], list[bytes]]:
    """One seed: what a reader writes where nothing is."""

    def seeds(folder: Path) -> list[bytes]:
        open_it(folder / "seed.csv")
        return [(folder / "seed.csv").read_bytes()]

    return seeds


def index_seed(_: Path) -> list[bytes]:
    missing = dict.fromkeys(("path", "listing", "size", "mtime_ns", "source_hz", "active"), 0) | {"sha256": "ab"}
    return [bank().index.assign(**missing).to_csv(index=False, lineterminator="\n").encode()]


LEDGER = "utc,file,sha256,commit,clean,recipes,members,oof_macro_f1,oof_spread,ref,status,submitted,public,private,note"
FINDS = "id,clip,song,part,label,rate,offset_s,correlation,significance,steady,found"
TRACKS = '"rock_pop","An artist","Album","Track",1,"x/1.mp3"', "classical,Bach,b,c,2,x\\2.mp3"

TARGETS = {
    "text_table": Target("table.csv", text("id,x", "1,2", '"a ""b""",c'), lambda p: whole(p, len(read_text_table(p)))),
    "test_csv": Target(
        "test.csv",
        text("id,filename", "0001,mashups/0001.wav", "0002,mashups/0002.wav"),
        as_part_of("test.csv", of_test),
    ),
    "esc50_csv": Target(
        "esc50.csv",
        text("filename,fold,target", "1-2-A-3.wav,1,3", "4-5-B-6.wav,4,6"),
        as_part_of("ESC-50-master/meta/esc50.csv", of_corpus(messy_mashup.scan)),
    ),
    "gtzan_artists": Target(
        "artists.csv",
        text("file,artist", "blues.00000.wav,King", "rock/rock.00001.wav,Queen"),
        as_part_of("artists.csv", of_corpus(gtzan.scan)),
    ),
    "singers_train": Target(
        "train.csv",
        text("file,label,song", "a/1.mp3,a,s", "train/b/2.mp3,b,t"),
        as_part_of("train.csv", of_corpus(singers.scan)),
    ),
    "ismir_tracks": Target("tracklist.csv", text(*TRACKS), of_ismir_rows),
    "sample_submission": Target("sample.csv", text("id,genre", "0001,blues", "0002,blues"), of_sample),
    "submission": Target("made.csv", text("id,genre", "0001,blues", "0002,rock"), of_board),
    "ledger": Target(
        "scores.csv",
        text(LEDGER, "t,a.csv,ab,c,yes,r,run/fold0,0.5,0.1,1,complete,t,0.4,0.3,n", "t,b.csv,,,,,,,,,,,,,"),
        of_ledger,
    ),
    "label_table": Target(
        "moods.csv", lambda f: [b"file,labels\n0001.wav,a|b\n0002.wav,b\n", b"file,x,y\n0001.wav,0,1\n"], of_labels
    ),
    "folds": Target("folds.csv", saved(lambda path: open_folds(path, bank().index, 2, 0)), of_folds),
    "splits": Target("splits.csv", saved(lambda path: open_splits(path, bank().index, (1, 1, 0), 1, 0)), of_splits),
    "arrangements": Target("validation.csv", lambda _: [plan_folder()[1]], of_arrangements),
    "bank_index": Target("index.csv", index_seed, of_index),
    "finds": Target(
        "000000.csv",
        text(FINDS, "1,rock.1/bass,rock.1,bass,rock,1.0,0.5,0.9,7.5,True,False"),
        lambda path: whole(path, len(read_portion(path))),
    ),
    "metrics": Target("metrics.csv", text("epoch,loss,val_macro_f1", "1,0.5,0.3", "2,0.25,"), of_metrics),
}
