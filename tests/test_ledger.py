"""The ledger loses no row, invents no figure and names the code that made a submission."""

import csv
import multiprocessing
import subprocess
from dataclasses import fields
from pathlib import Path

import pytest

from messy_mashup.competition.code_version import CodeVersion, code_version
from messy_mashup.competition.ledger import STATUSES, LedgerRow, add, append, edited, merge, read, set_scores, take_away
from messy_mashup.errors import UserError

HEADER = "utc,file,sha256,commit,clean,recipes,members,oof_macro_f1,oof_spread,ref,status,submitted,public,private,note"


def row(file="a.csv", sha256="aa", **known):
    return LedgerRow(utc="2026-11-20T20:55:12Z", file=file, sha256=sha256, **known)


def test_columns_and_cells_as_written(tmp_path):
    ledger = tmp_path / "submissions" / "scores.csv"
    append(ledger, row(commit="c0ffee", clean="yes", recipes="r", members="5", oof_macro_f1=2 / 3, oof_spread=1e-7))
    assert [field.name for field in fields(LedgerRow)] == HEADER.split(",")
    assert ledger.read_bytes().decode() == (
        f"{HEADER}\n2026-11-20T20:55:12Z,a.csv,aa,c0ffee,yes,r,5,0.66667,0.00000,,,,,,\n"
    )


def test_unknown_stays_empty_text(tmp_path):
    ledger = tmp_path / "scores.csv"
    append(ledger, row())
    cells = read(ledger).iloc[0]
    assert cells["commit":].tolist() == [""] * 12


def test_ledger_that_does_not_exist_has_no_rows(tmp_path):
    assert read(tmp_path / "scores.csv").empty


@pytest.mark.parametrize("note", ['say "hi", then\ngo', "=1+1;cmd", "ünï,code", " spaces ", "NA"])
def test_a_note_comes_back_as_it_was(tmp_path, note):
    ledger = tmp_path / "scores.csv"
    append(ledger, row(note=note))
    append(ledger, row("b.csv", note="next"))
    assert read(ledger)["note"].tolist() == [note, "next"]
    with ledger.open(newline="", encoding="utf-8") as file:
        assert [len(cells) for cells in csv.reader(file)] == [15, 15, 15]


@pytest.mark.parametrize("line_end", ["\r", "\r\n"])
def test_every_line_end_in_a_note_becomes_the_ledger_s(tmp_path, line_end):
    ledger = tmp_path / "scores.csv"
    append(ledger, row(note=f"one{line_end}two"))
    assert read(ledger)["note"].tolist() == ["one\ntwo"]


def test_the_same_submission_again_changes_nothing(tmp_path):
    ledger = tmp_path / "scores.csv"
    append(ledger, row(note="first"))
    before = ledger.read_bytes()
    append(ledger, row(note="again"))
    assert ledger.read_bytes() == before


def test_a_name_with_other_content_is_refused(tmp_path):
    ledger = tmp_path / "scores.csv"
    append(ledger, row())
    with pytest.raises(UserError, match=r"scores\.csv already lists a\.csv"):
        append(ledger, row(sha256="bb"))
    assert read(ledger)["sha256"].tolist() == ["aa"]


def test_scores_are_filled_for_one_file(tmp_path):
    ledger = tmp_path / "scores.csv"
    append(ledger, row("a.csv", "aa"))
    append(ledger, row("b.csv", "bb"))
    set_scores(ledger, "b.csv", 0.95, None)
    set_scores(ledger, "b.csv", None, 0.9412345)
    assert read(ledger)[["file", "public", "private"]].to_numpy().tolist() == [
        ["a.csv", "", ""],
        ["b.csv", "0.95000", "0.94123"],
    ]
    with pytest.raises(UserError, match=r"does not list c\.csv"):
        set_scores(ledger, "c.csv", 0.9, 0.9)


@pytest.mark.parametrize("score", [float("nan"), float("inf"), -0.1, 95.2])
def test_what_is_no_score_is_refused(tmp_path, score):
    ledger = tmp_path / "scores.csv"
    with pytest.raises(UserError, match="oof_macro_f1"):
        append(ledger, row(oof_macro_f1=score))
    append(ledger, row())
    with pytest.raises(UserError, match="public"):
        set_scores(ledger, "a.csv", score, None)


@pytest.mark.parametrize("text", ["", "utc,file\n", f"{HEADER},more\n", f"{HEADER}\n<<<<<<< HEAD\n"])
def test_a_broken_ledger_is_named_and_left_alone(tmp_path, text):
    ledger = tmp_path / "scores.csv"
    ledger.write_text(text)
    with pytest.raises(UserError, match=r"scores\.csv"):
        append(ledger, row())
    assert ledger.read_text() == text


def test_a_submission_made_elsewhere_under_that_name_is_no_other_content(tmp_path):
    ledger = tmp_path / "scores.csv"
    append(ledger, row("a.csv", "", ref="101"))
    append(ledger, row("a.csv", "aa"))
    assert read(ledger)["sha256"].tolist() == ["", "aa"]


def test_a_failed_edit_writes_nothing(tmp_path):
    ledger = tmp_path / "scores.csv"
    append(ledger, row())
    before = ledger.read_bytes()
    with pytest.raises(UserError, match="oof_macro_f1"), edited(ledger) as table:
        add(table, row("b.csv")) and add(table, row("c.csv", oof_macro_f1=2.0))
    assert ledger.read_bytes() == before


def test_an_edit_can_add_change_and_take_away(tmp_path):
    ledger = tmp_path / "scores.csv"
    for name in "abc":
        append(ledger, row(f"{name}.csv", name))
    with edited(ledger) as table:
        take_away(table, 2)
        table.at[add(table, row("d.csv", ref="7")), "status"] = "pending"
    cells = read(ledger)[["file", "ref", "status"]].to_numpy().tolist()
    assert cells == [["a.csv", "", ""], ["b.csv", "", ""], ["d.csv", "7", "pending"]]


def test_the_ledger_of_this_repository_has_these_columns():
    table = read(Path(__file__).resolve().parents[1] / "submissions" / "scores.csv")
    assert not table.empty
    assert set(table["status"]) <= set(STATUSES)


def append_many(ledger, writer, rows):
    for number in range(rows):
        append(ledger, row(f"{writer}_{number}.csv"))


def test_processes_that_write_at_once_lose_no_row(tmp_path):
    ledger = tmp_path / "scores.csv"
    fork = multiprocessing.get_context("fork")
    writers = [fork.Process(target=append_many, args=(ledger, writer, 15)) for writer in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0] * 4
    assert sorted(read(ledger)["file"]) == sorted(f"{w}_{n}.csv" for w in range(4) for n in range(15))
    assert [path.name for path in tmp_path.iterdir()] == ["scores.csv"]


def git(root, *arguments):
    command = ["git", "-C", str(root), "-c", "user.name=t", "-c", "user.email=t@example.org", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path):
    for name in ("src/train.py", "submissions/scores.csv"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("one\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "one")
    return tmp_path


def test_commit_of_a_clean_tree(repository):
    assert code_version(repository) == CodeVersion(git(repository, "rev-parse", "HEAD"), "yes")


@pytest.mark.parametrize(
    ("changed", "clean"), [("src/train.py", "no"), ("submissions/scores.csv", "yes"), ("new.py", "yes")]
)
def test_only_changed_tracked_code_makes_a_tree_dirty(repository, changed, clean):
    (repository / changed).write_text("two\n")
    assert code_version(repository).clean == clean
    git(repository, "add", "submissions", "src")
    assert code_version(repository).clean == clean


def test_another_repository_around_the_code_is_not_its_version(repository):
    assert code_version(repository / "src") == CodeVersion()


def test_a_folder_that_only_looks_like_a_repository_has_no_version(repository):
    (repository / "src" / ".git").mkdir()
    assert code_version(repository / "src") == CodeVersion()


def test_a_hook_s_repository_is_not_taken_for_this_one(repository, tmp_path_factory, monkeypatch):
    monkeypatch.setenv("GIT_DIR", str(repository / ".git"))
    assert code_version(tmp_path_factory.mktemp("elsewhere")) == CodeVersion()


def test_without_a_commit_nothing_is_guessed(tmp_path):
    git(tmp_path, "init", "-q")
    assert code_version(tmp_path) == CodeVersion()


@pytest.mark.parametrize(("packed", "version"), [("abc yes\n", ("abc", "yes")), ("abc", ("abc", "")), ("", ("", ""))])
def test_a_kernel_reads_the_packed_version(tmp_path, packed, version):
    (tmp_path / "commit.txt").write_text(packed)
    assert code_version(tmp_path) == CodeVersion(*version)


def test_a_kernel_s_variable_comes_before_the_packed_file(tmp_path, monkeypatch):
    (tmp_path / "commit.txt").write_text("abc yes")
    monkeypatch.setenv("MESSY_MASHUP_COMMIT", "def no")
    assert code_version(tmp_path) == CodeVersion("def", "no")


def test_another_ledger_s_rows_are_added_once_as_they_stand(tmp_path):
    own, other = tmp_path / "own.csv", tmp_path / "other.csv"
    append(own, row())
    append(other, row())
    append(other, row(file="b.csv", sha256="02", note="made, elsewhere", oof_macro_f1=0.5))
    assert merge(own, other) == 1
    assert merge(own, other) == 0
    assert read(own).iloc[-1].to_dict() == read(other).iloc[-1].to_dict()
    append(tmp_path / "third.csv", row(sha256="03"))
    with pytest.raises(UserError, match="with other content"):
        merge(own, tmp_path / "third.csv")
