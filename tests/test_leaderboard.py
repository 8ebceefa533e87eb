"""The simulated leaderboard: right scores in the ledger, once, and nothing scored that it cannot judge."""

import hashlib
from pathlib import Path

import pandas as pd
import pytest
from sklearn.metrics import f1_score

from messy_mashup.competition import ledger
from messy_mashup.competition.leaderboard import score_ledger, scores
from messy_mashup.competition.ledger import LedgerRow
from messy_mashup.errors import UserError
from test_commands import run

IDS = [f"{number:04d}" for number in range(1, 13)]
GENRE = ["blues", "rock", "jazz"] * 4
USAGE = ["Public"] * 6 + ["Private"] * 6
KNOWN = [str(number % 2 == 0) for number in range(12)]
WRONG_AT = {"first.csv": [0, 7], "second.csv": [1, 2, 8, 9]}


class Demo:
    """Labels, and a folder of entries with their ledger."""

    def __init__(self, folder: Path) -> None:
        self.hidden, self.entries = folder / "hidden", folder / "entries"
        self.ledger = self.entries / "scores.csv"
        for place in (self.hidden, self.entries):
            place.mkdir()
        self.write(self.hidden / "solution.csv", id=IDS, genre=GENRE, Usage=USAGE)
        self.write(self.hidden / "mashups.csv", id=IDS, genre=GENRE, known=KNOWN, share=["1.0"] * 12)
        for name in WRONG_AT:
            self.enter(name, self.predicted(name))

    def write(self, path: Path, **columns: list[str]) -> Path:
        pd.DataFrame(columns).to_csv(path, index=False)
        return path

    def predicted(self, name: str) -> list[str]:
        other = {"blues": "rock", "rock": "blues", "jazz": "blues"}
        return [other[genre] if place in WRONG_AT[name] else genre for place, genre in enumerate(GENRE)]

    def enter(self, name: str, predicted: list[str], **known: str | float) -> Path:
        path = self.write(self.entries / name, id=IDS[: len(predicted)], genre=predicted)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        row = {"utc": "2026-11-20T20:55:12Z", "file": name, "sha256": digest, "oof_macro_f1": 0.7, **known}
        ledger.append(self.ledger, LedgerRow(**row))
        return path

    def cells(self, *columns: str) -> list[list[str]]:
        return ledger.read(self.ledger)[list(columns)].to_numpy().tolist()

    def track(self) -> int:
        return run("track", "--hidden", self.hidden, "--submissions", self.entries)


@pytest.fixture
def demo(tmp_path) -> Demo:
    return Demo(tmp_path)


def f1_by_hand(predicted: list[str], rows: list[bool]) -> float:
    pairs = [(genre, guess) for genre, guess, taken in zip(GENRE, predicted, rows, strict=True) if taken]
    return f1_score(*zip(*pairs, strict=True), average="macro", labels=["blues", "jazz", "rock"])


def test_scores_are_macro_f1_of_each_part(demo):
    predicted = demo.predicted("second.csv")
    told = scores(demo.entries / "second.csv", demo.hidden)
    wanted = {
        "public": [usage == "Public" for usage in USAGE],
        "private": [usage == "Private" for usage in USAGE],
        "known_songs": [known == "True" for known in KNOWN],
        "new_songs": [known == "False" for known in KNOWN],
    }
    assert told == pytest.approx({name: f1_by_hand(predicted, rows) for name, rows in wanted.items()})
    (demo.hidden / "mashups.csv").unlink()
    assert set(scores(demo.entries / "second.csv", demo.hidden)) == {"public", "private"}


def test_every_entry_gets_its_scores_and_a_second_call_changes_nothing(demo):
    board = score_ledger(demo.ledger, demo.hidden)
    assert board.unscored == []
    for name, row in zip(WRONG_AT, board.table.to_dict("records"), strict=True):
        told = scores(demo.entries / name, demo.hidden)
        assert row["file"] == name
        assert {key: row[key] for key in told} == pytest.approx(told, abs=1e-5)
        assert row["oof"] == 0.7
    before = demo.ledger.read_bytes()
    again = score_ledger(demo.ledger, demo.hidden)
    assert demo.ledger.read_bytes() == before
    pd.testing.assert_frame_equal(again.table, board.table)
    assert [line.split()[0] for line in board.text.splitlines()] == ["file", "first.csv", "second.csv"]


def test_what_cannot_be_judged_is_named_and_nothing_of_it_is_lost(demo):
    demo.enter("short.csv", ["rock"] * 11, note="of another data set")
    demo.enter("gone.csv", ["rock"] * 12).unlink()
    demo.enter("changed.csv", ["rock"] * 12).write_text("id,genre\n")
    demo.enter("sent.csv", ["rock"] * 12, ref="106", status="pending")
    demo.enter("known.csv", ["rock"] * 12, public=0.5)
    (demo.entries / "columns.csv").write_text("a,b\n1,2\n")
    ledger.append(demo.ledger, LedgerRow(utc="2026-11-20T20:55:12Z", file="columns.csv", sha256=""))
    before = demo.cells(*ledger.COLUMNS)
    board = score_ledger(demo.ledger, demo.hidden)
    told = "\n".join(board.unscored)
    for words in ("short.csv is of another data set", "gone.csv is not there", "changed.csv is not the file",
                  "sent.csv was sent to Kaggle (pending)", "columns.csv has columns"):  # fmt: skip
        assert words in told
    assert len(board.unscored) == 5
    after = demo.cells(*ledger.COLUMNS)
    assert [row[2:-3] for row in after] == [row[2:-3] for row in before]
    public = dict(demo.cells("file", "public"))
    assert [public[name] for name in ("short.csv", "gone.csv", "changed.csv", "sent.csv")] == [""] * 4
    assert public["known.csv"] == "0.50000"
    assert dict(demo.cells("file", "private"))["known.csv"] != ""


def test_an_id_twice_is_no_submission(demo):
    demo.write(demo.entries / "twice.csv", id=[*IDS, IDS[3]], genre=[*GENRE, "rock"])
    with pytest.raises(UserError, match="'0004' twice"):
        scores(demo.entries / "twice.csv", demo.hidden)


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("solution.csv", None, "is not there: name the folder"),
        ("solution.csv", "", "is empty"),
        ("solution.csv", "id,genre\n0001,rock\n", "no column Usage"),
        ("solution.csv", "id,genre,Usage\n0001,rock,Public\n0001,rock,Private\n", "one id twice"),
        ("solution.csv", "id,genre,Usage\n0001,rock,Public\n", "each at least once"),
        ("mashups.csv", "id,known\n0001,True\n", "does not tell known"),
        ("mashups.csv", "id,genre\n0001,rock\n", "no column known"),
    ],
)
def test_bad_labels_are_a_sentence_and_nothing_is_scored(demo, capsys, file, content, told):
    before = demo.ledger.read_bytes()
    if content is None:
        (demo.hidden / file).unlink()
    else:
        (demo.hidden / file).write_text(content)
    assert demo.track() == 2
    error = capsys.readouterr().err
    assert told in error
    assert str(demo.hidden / file) in error
    assert demo.ledger.read_bytes() == before


def test_track_prints_and_draws_it_and_asks_nobody(demo, capsys):
    demo.enter("short.csv", ["rock"] * 11)
    assert demo.track() == 0
    told = capsys.readouterr().out
    heading = next(line for line in told.splitlines() if line.startswith("file "))
    assert heading.split() == ["file", "oof", "public", "private", "known_songs", "new_songs"]
    assert "not scored: " in told
    assert "Kaggle lists" not in told
    for name in ("cv_against_leaderboard.png", "history.png"):
        assert (demo.entries / name).read_bytes().startswith(b"\x89PNG")


def test_no_ledger_and_an_empty_one_are_said(demo, capsys):
    demo.ledger.write_text(",".join(ledger.COLUMNS) + "\n")
    assert demo.track() == 0
    assert "lists nothing yet" in capsys.readouterr().out
    demo.ledger.unlink()
    assert demo.track() == 2
    assert "scores.csv is not there" in capsys.readouterr().err
