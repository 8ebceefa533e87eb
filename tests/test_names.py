"""Names that others wrote (in CSVs, ledgers, blends, banks, attached runs) read nothing elsewhere."""

import hashlib
import json
import os
import random
from contextlib import suppress
from pathlib import Path, PureWindowsPath

import pandas as pd
import pytest
from hypothesis import given
from hypothesis.strategies import lists, sampled_from, text

from banks import bank_of, songs
from example_trees import write_messy_mashup, write_singers, write_text
from kaggle_competition import house_fixture, said_fixture  # noqa: F401
from messy_mashup import files, paths
from messy_mashup.competition import ledger
from messy_mashup.competition.leaderboard import score_ledger
from messy_mashup.competition.ledger import LedgerRow
from messy_mashup.data import corpora
from messy_mashup.data.audio import audio_named, find_audio
from messy_mashup.data.bank import CARD, FORMAT, GUARD, INDEX, INDEX_TYPES, Bank, write_index
from messy_mashup.data.corpora import messy_mashup, singers
from messy_mashup.errors import UserError
from messy_mashup.files import DEEPEST, files_below, path_below
from messy_mashup.notebooks.session import Session
from messy_mashup.scoring.ensemble import equal_blend, load_blend, save_blend
from messy_mashup.training.attached import adopt_all
from messy_mashup.training.label_table import read_labels
from test_attached import write_member
from test_push import AST, account_fixture, command_fixture, fails, finished, repository_fixture  # noqa: F401

OUT = [
    "../secret.wav", "../../../secret.wav", "/etc/passwd", "mashups/../../secret.wav", "..", "mashups/..",
    "..\\secret.wav", "mashups\\..\\..\\secret.wav", "C:\\secret.wav", "c:secret.wav", "\\\\host\\share\\secret.wav",
    "//host/share", "/dev/zero", "",
]  # fmt: skip
NO_NAMES = ["a\nb.wav", "a\x1b[2J.wav", "a\0.wav", "\ud800.wav", "x" * 256 + ".wav", "x/" + "y" * 300, "x/" * 600]


@pytest.mark.parametrize("name", ["a.wav", "a/b c/d.wav", "...", "..a/b..", "a..b", "ä/ü.wav", "ab:c", "~/a", "./a//b"])
def test_a_name_within_is_a_path_below(tmp_path, name):
    path = path_below(tmp_path, name, "a list")
    assert path == tmp_path / name
    assert path.resolve().is_relative_to(tmp_path.resolve())


@pytest.mark.parametrize("name", OUT + NO_NAMES)
def test_a_name_that_leads_elsewhere_is_refused_with_its_list(tmp_path, name):
    with pytest.raises(UserError, match=r"^the list names .*(leads out of|cannot be a file's name)") as caught:
        path_below(tmp_path, name, "the list")
    assert len(str(caught.value)) < 400 + len(str(tmp_path))
    assert str(caught.value).isprintable()


@given(text() | lists(sampled_from(["..", "a", "/", "\\", "C:", "~", ".", "\0", " ", "x" * 200])).map("".join))
def test_no_name_at_all_leads_out(name):
    folder = Path("somewhere").resolve()
    with suppress(UserError):
        path = path_below(folder, name, "a list")
        assert Path(os.path.normpath(path)).is_relative_to(folder)
        assert path != folder
        assert not PureWindowsPath(name).drive
        assert ".." not in PureWindowsPath(name).parts


# Lists of a data set


@pytest.fixture
def data(tmp_path) -> Path:
    """A data set below a folder that holds a file which is nobody's business."""
    write_text(tmp_path / "secret.wav", ["a secret"])
    return write_data(tmp_path / "folder" / "data")


def write_data(root: Path) -> Path:
    write_messy_mashup(root, songs=1, seconds=0.02)
    return root


@pytest.mark.parametrize("name", [*OUT, "x" * 300])
def test_the_list_of_test_mashups(data, name):
    table = pd.read_csv(data / "test.csv", dtype=str)
    table.loc[0, "filename"] = name
    table.to_csv(data / "test.csv", index=False)
    with pytest.raises(UserError, match=r"test\.csv names"):
        messy_mashup.test_clips(data)


@pytest.mark.parametrize("name", ["../../../../secret.wav", "/etc/passwd", "1-2-A-3.wav/../../../../secret.wav"])
def test_the_list_of_noises(data, name):
    path = data / "ESC-50-master" / "meta" / "esc50.csv"
    path.write_text(path.read_text() + f"{name},1,0,dog\n")
    broken = corpora.load("messy_mashup").scan(data).broken
    assert [item.sentence.rpartition("is not ")[2] for item in broken] == ["named <fold>-<source>-<take>-<target>.wav"]


@pytest.mark.parametrize("name", [*OUT, "x" * 300 + ".mp3"])
def test_a_list_of_snippets(tmp_path, name):
    root = write_singers(tmp_path / "folder" / "data", clips=2, to_predict=1, seconds=0.1, listed=True)
    write_text(tmp_path / "secret.wav", ["a secret"])
    table = pd.read_csv(root / "train.csv", dtype=str)
    table.loc[len(table)] = {"file": name, "label": table["label"][0]}
    table.to_csv(root / "train.csv", index=False)
    found = singers.scan(root)
    assert len(found.broken) == 1
    assert all((root / path).resolve().is_relative_to(root.resolve()) for path in found.clips["path"])


@pytest.mark.parametrize("name", OUT[:-1])
def test_a_table_of_labels(data, name):
    path = data / "labels.csv"
    pd.DataFrame({"file": [name, "a.wav"], "labels": ["calm", "loud"]}).to_csv(path, index=False)
    with pytest.raises(UserError, match=r"labels\.csv names"):
        read_labels(path)


def test_a_bank_s_index(tmp_path):
    bank = bank_of(tmp_path / "bank", songs(("blues", "rock"), 1, 0.1))
    paths = ["../../secret.wav", *(f"{row}.wav" for row in bank.index.index[1:])]
    index = write_index(bank.index.reindex(columns=[*INDEX_TYPES], fill_value=0).assign(path=paths))
    card = {"format": FORMAT, "guard": GUARD, "index_sha256": hashlib.sha256(index).hexdigest()}
    card |= {"samples": len(bank.samples), "sample_rate_hz": 16_000, "skipped": [], "left_out": []}
    card |= dict.fromkeys(("corpus", "source", "digest", "listing"), "")
    (tmp_path / "bank" / INDEX).write_bytes(index)
    (tmp_path / "bank" / CARD).write_text(json.dumps(card))
    with pytest.raises(UserError, match=r"'../../secret\.wav', which leads out of its data set"):
        Bank.open(tmp_path / "bank")


def test_data_that_are_mounted_by_links_are_read_as_they_are(data, tmp_path):
    apart = tmp_path / "disk"
    apart.mkdir()
    for name in ("mashups", "genres_stems"):
        (data / name).rename(apart / name)
        (data / name).symlink_to(apart / name)
    (tmp_path / "mounted").symlink_to(data)
    plain = write_data(tmp_path / "plain")
    for read in (messy_mashup.test_clips, lambda root: corpora.load("messy_mashup").scan(root).clips):
        pd.testing.assert_frame_equal(read(tmp_path / "mounted"), read(plain))


# Folders of anyone's files


def test_a_walk_finds_what_globbing_finds(tmp_path):
    chance = random.Random(0)
    for number in range(200):
        folder = tmp_path / Path(*(chance.choice("abc.d") for _ in range(chance.randrange(5))))
        folder.mkdir(parents=True, exist_ok=True)
        if not (path := folder / f"{number}{chance.choice(('.wav', '.MP3', '.txt', ''))}").exists():
            path.write_bytes(b"1")
    (tmp_path / "a" / "link.wav").symlink_to(next(tmp_path.glob("*/*.wav")))
    (tmp_path / "a" / "nowhere.wav").symlink_to("gone")
    (tmp_path / "a" / "circle.wav").symlink_to("circle.wav")
    (tmp_path / "a" / "folder.wav").mkdir()
    assert sorted(files_below(tmp_path)) == sorted(path for path in tmp_path.rglob("*") if is_file(path))
    assert (tmp_path / "a" / "link.wav") in find_audio(tmp_path)


def is_file(path: Path) -> bool:
    return not path.name.startswith("circle") and path.is_file()


def test_folders_that_hold_themselves_end(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "song.wav").write_bytes(b"1")
    (tmp_path / "a" / "again").symlink_to(tmp_path)
    (tmp_path / "a" / "root").symlink_to("/")
    (tmp_path / "loop").symlink_to("loop")
    assert audio_named([tmp_path]) == [tmp_path / "a" / "song.wav"]


@pytest.mark.parametrize(("name", "depth"), [("d", DEEPEST + 1), ("d" * 200, 25)])
def test_folders_too_deep_are_told(tmp_path, name, depth):
    here = os.getcwd()
    os.chdir(tmp_path)
    try:  # deeper than a path can be long
        for _ in range(depth):
            os.mkdir(name)
            os.chdir(name)
    finally:
        os.chdir(here)
    with pytest.raises(UserError, match="has folders too deep in each other"):
        audio_named([tmp_path])


def test_files_too_many_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MOST_ENTRIES", 3)
    for number in range(4):
        (tmp_path / f"{number}.wav").write_bytes(b"1")
    with pytest.raises(UserError, match="holds more than 3 files and folders"):
        audio_named([tmp_path])


# What earlier kernels and other machines left


@pytest.mark.parametrize("name", ["../../elsewhere/fold0", "/etc", "tiny/../../x"])
def test_a_blend_s_members(tmp_path, name):
    save_blend(equal_blend("tiny", [f"tiny/fold{number}" for number in range(2)], ["a", "b"]), tmp_path)
    path = tmp_path / "blends" / "tiny.json"
    path.write_text(path.read_text().replace("tiny/fold1", name))
    with pytest.raises(UserError, match=r"tiny\.json names .*which leads out of"):
        load_blend(tmp_path)


@pytest.mark.parametrize("name", ["../../secret", "/etc/secret"])
def test_the_blend_in_use(tmp_path, name):
    (tmp_path / "secret.json").write_text('{"secret": 1}')
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / paths.BLEND_POINTER).write_text(json.dumps({"blend": name}))
    with pytest.raises(UserError, match="which leads out of"):
        load_blend(tmp_path / "runs")


def test_a_row_of_a_ledger_that_was_merged(tmp_path):
    write_text(tmp_path / "secret.csv", ["the secret,is this"])
    write_text(tmp_path / "hidden" / "solution.csv", ["id,genre,Usage", "1,rock,Public", "2,rock,Private"])
    path = tmp_path / "submissions" / "scores.csv"
    ledger.append(path, LedgerRow(utc="2026-11-20T20:55:12Z", file="../secret.csv", sha256=""))
    with pytest.raises(UserError, match=r"scores\.csv: '\.\./secret\.csv' leads out of its folder"):
        score_ledger(path, tmp_path / "hidden")


def test_a_link_in_an_attached_member_is_not_copied(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "inputs", lambda: tmp_path / "input")
    member = write_member(tmp_path / "input" / "archive" / "runs" / "cnn" / "fold0", epochs=1)
    (tmp_path / "secret").write_text("a secret")
    (member / "notes.txt").symlink_to(tmp_path / "secret")
    with pytest.raises(UserError, match=r"notes\.txt leads by a link out of"):
        adopt_all(tmp_path / "runs")
    assert not list((tmp_path / "runs").rglob("notes.txt"))
    (member / "notes.txt").unlink()
    (member / "same.csv").symlink_to("metrics.csv")
    # a member's whole folder may lie elsewhere
    member.rename(tmp_path / "fold0")
    member.symlink_to(tmp_path / "fold0")
    assert list(adopt_all(tmp_path / "runs")) == [tmp_path / "runs" / "cnn" / "fold0"]
    assert (tmp_path / "runs" / "cnn" / "fold0" / "same.csv").read_text().startswith("epoch")


def test_a_link_in_attached_entries_is_not_copied(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "inputs", lambda: tmp_path / "input")
    monkeypatch.setattr(paths, "submissions", lambda: tmp_path / "submissions")
    folder = tmp_path / "input" / "kernel" / "submissions"
    ledger.append(folder / "scores.csv", LedgerRow(utc="2026-11-20T20:55:12Z", file="a.csv", sha256=""))
    (tmp_path / "secret").write_text("a secret")
    (folder / "a.csv").symlink_to(tmp_path / "secret")
    with pytest.raises(UserError, match=r"a\.csv leads by a link out of"):
        Session(tmp_path / "data", "messy_mashup", tmp_path / "runs").adopt_entries()
    assert not (tmp_path / "submissions" / "a.csv").exists()
