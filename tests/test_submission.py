"""A CSV that Kaggle would refuse or misread never leaves the house, and every reason is named."""

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest

from messy_mashup.competition.submission import (
    check,
    problems,
    read_sample,
    read_submission,
    submission_name,
    write_submission,
)
from messy_mashup.errors import UserError

CLASSES = ["blues", "classical", "rock"]
IDS = ["0001", "0002", "0003", "0010"]


def table(ids, genres=None):
    return pd.DataFrame({"id": ids, "genre": genres or ["rock"] * len(ids)}, dtype=object)


@pytest.fixture
def sample(tmp_path):
    (tmp_path / "sample_submission.csv").write_text("id,genre\n" + "".join(f"{clip},blues\n" for clip in IDS))
    return read_sample(tmp_path)


def test_sample_keeps_ids_as_text(sample):
    assert sample["id"].tolist() == IDS


@pytest.mark.parametrize("text", ["", "id,genre\n", "id,label\n0001,a\n", "id,genre\n1,a\n1,a\n", "id,genre\n,a\n"])
def test_broken_sample_is_a_sentence(tmp_path, text):
    (tmp_path / "sample_submission.csv").write_text(text)
    with pytest.raises(UserError, match=r"sample_submission\.csv"):
        read_sample(tmp_path)


def test_missing_sample_names_the_file(tmp_path):
    with pytest.raises(UserError, match=r"sample_submission\.csv is missing"):
        read_sample(tmp_path)


def test_a_good_submission_has_no_problem(sample):
    assert problems(table(IDS), sample, CLASSES) == []


@pytest.mark.parametrize(
    ("submission", "reason"),
    [
        (table(IDS).drop(columns="genre"), r"columns are \['id'\]"),
        (table(IDS).assign(extra="x"), r"columns are .*'extra'"),
        (table(IDS).rename(columns={"genre": "label"}), r"columns are .*'label'"),
        (table(IDS)[["genre", "id"]], r"columns come as \['genre', 'id'\]"),
        (table(IDS[:3]), r"id '0010' is missing: it is row 4 of the sample"),
        (table(IDS[:3]), r"there are 3 rows, there must be 4"),
        (table([*IDS, "0099"]), r"row 5: id '0099' is not in the sample"),
        (table([*IDS[:3], "0001"]), r"row 4: id '0001' is a repeat of row 1"),
        (table(["1", *IDS[1:]]), r"row 1: id '1' must be the text '0001'"),
        (table([1, *IDS[1:]]), r"row 1: id 1 must be the text '0001'"),
        (table([1.0, *IDS[1:]]), r"row 1: id 1\.0 must be the text '0001'"),
        (table([" 0001", *IDS[1:]]), r"row 1: id ' 0001' must be the text '0001'"),
        (table([float("nan"), *IDS[1:]]), r"row 1: id nan is not in the sample"),
        (table(["", *IDS[1:]]), r"row 1: id '' is not in the sample"),
        (table(["0001", "0003", "0002", "0010"]), r"row 2: id '0003' comes where the sample has '0002'"),
        (table(IDS, ["rock", "", "rock", "rock"]), r"row 2 \(id '0002'\): the genre is empty"),
        (table(IDS, ["rock", float("nan"), "rock", "rock"]), r"row 2 \(id '0002'\): the genre is empty"),
        (table(IDS, ["rock", "rock", "Rock", "rock"]), r"row 3 \(id '0003'\): genre 'Rock' is none of blues, "),
        (table(IDS, ["rock", "rock", "rock ", "rock"]), r"genre 'rock ' is none of"),
    ],
)
def test_every_fault_is_named(sample, submission, reason):
    with pytest.raises(UserError, match=reason):
        check(submission, sample, CLASSES, "mine.csv")


@pytest.mark.parametrize("wrong_id", ["1", " 0001", "0099"])
def test_one_wrong_id_is_not_reported_as_a_disorder(sample, wrong_id):
    assert not any("order" in problem for problem in problems(table([wrong_id, *IDS[1:]]), sample, CLASSES))


def test_all_kinds_of_fault_are_reported_at_once(sample):
    found = problems(table(["0002", "1", "0002", "0099", "0010"], ["rock", "rock", "", "pop", "rock"]), sample, CLASSES)
    told = "\n".join(found)
    for part in ("5 rows", "'1' must be", "repeat of row 1", "'0099' is not", "'0003' is missing", "empty", "'pop'"):
        assert part in told
    assert "'0001' is missing" not in told  # it is there, only wrongly written


def test_check_shows_ten_problems_and_counts_all():
    ids = [f"{clip:04d}" for clip in range(1, 41)]
    with pytest.raises(UserError) as caught:
        check(table(ids, ["pop"] * 40), table(ids), CLASSES, "mine.csv")
    message = str(caught.value)
    assert message.startswith("mine.csv")
    assert "40 problems" in message
    assert message.count("row ") == 10
    assert "30 more" in message


def test_written_bytes_are_what_kaggle_reads(tmp_path, sample):
    path = tmp_path / "submissions" / "a.csv"
    genres = np.array(["rock", "blues", "classical", "rock"])
    assert write_submission(path, np.array(IDS), genres, sample, CLASSES) == path
    assert path.read_bytes() == b"id,genre\n0001,rock\n0002,blues\n0003,classical\n0010,rock\n"
    assert problems(read_submission(path), sample, CLASSES) == []


@pytest.mark.parametrize(
    ("ids", "genres"), [(IDS, ["rock"] * 3), (IDS[:3], ["rock"] * 3), (list(range(4)), ["rock"] * 4)]
)
def test_nothing_is_written_when_the_check_fails(tmp_path, sample, ids, genres):
    path = tmp_path / "out" / "a.csv"
    with pytest.raises(UserError, match=r"a\.csv"):
        write_submission(path, ids, genres, sample, CLASSES)
    assert not path.parent.exists()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"id,genre\n0,0001,rock\n1,0002,rock\n", "line 2: 3 cells where the header has 2"),  # an index was written
        (b"id,genre\n0001,rock\n0002\n", "line 3: 1 cells where the header has 2"),
        (b"id,genre\n0001,r\xf6ck\n", "not a CSV in UTF-8"),
        (b"", "is empty"),
    ],
)
def test_a_file_that_is_no_table_is_refused(tmp_path, content, reason):
    path = tmp_path / "theirs.csv"
    path.write_bytes(content)
    with pytest.raises(UserError, match=reason):
        read_submission(path)


def test_words_that_pandas_takes_for_nothing_stay_text(tmp_path):
    path = tmp_path / "theirs.csv"
    path.write_text("id,genre\nNA,null\n007,\n")
    assert read_submission(path).to_numpy().tolist() == [["NA", "null"], ["007", ""]]


def test_submission_name_is_in_utc():
    assert submission_name(datetime(2026, 11, 20, 20, 55, 12, tzinfo=UTC), "equal") == "20261120T205512Z_equal.csv"
    india = timezone(timedelta(hours=5, minutes=30))
    assert submission_name(datetime(2026, 11, 21, 2, 25, 12, tzinfo=india), "a-b") == "20261120T205512Z_a-b.csv"


def test_submission_name_refuses_what_would_leave_the_folder():
    with pytest.raises(UserError, match="use letters, digits"):
        submission_name(datetime(2026, 11, 20, tzinfo=UTC), "../other")
    with pytest.raises(ValueError, match="time zone"):
        submission_name(datetime(2026, 11, 20), "equal")
