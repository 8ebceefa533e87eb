"""Track finds every submission's row, adds those made elsewhere, and draws pictures that can be read."""

import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from kaggle_competition import NAME, OTHER, house_fixture, said_fixture  # noqa: F401
from kaggle_loopback import leaks
from messy_mashup.competition import ledger, score_pictures
from messy_mashup.competition.ledger import LedgerRow
from messy_mashup.competition.score_pictures import draw_cv, draw_history, scored, spread_out
from test_commands import run

PNG = b"\x89PNG"


def track(house, *more):
    return run("track", "--submissions", house.submissions, *more)


def made(file, sha256, **known):
    return LedgerRow(utc="2026-11-20T20:55:12Z", file=file, sha256=sha256, **known)


def test_rows_are_found_by_number_by_digest_and_by_name(house, said):
    for name, digest in (("b.csv", "b"), ("c.csv", "c"), (OTHER, "d"), ("submission.csv", "e")):
        ledger.append(house.ledger, made(name, digest * 64))
    ledger.append(house.ledger, made("numbered.csv", "f" * 64, ref="106"))
    add = house.competition.add
    add(NAME, "by name")
    add("renamed.csv", f"by digest [sha256:{'b' * 64}]")
    add("c.csv", "by a name that only one has")
    add(OTHER, f"other content under that name [sha256:{'9' * 64}]")
    add("submission.csv", "first of two")
    add("whatever.csv", "by number")
    add("submission.csv", "second of two")
    assert track(house) == 0
    assert house.cells("file", "ref", "public", "note") == [
        [NAME, "101", "0.81234", "mine"],
        ["b.csv", "102", "0.81234", ""],
        ["c.csv", "103", "0.81234", ""],
        [OTHER, "", "", ""],
        ["submission.csv", "", "", ""],
        ["numbered.csv", "106", "0.81234", ""],
        [OTHER, "104", "0.81234", "other content under that name"],
        ["submission.csv", "105", "0.81234", "first of two"],
        ["submission.csv", "107", "0.81234", "second of two"],
    ]
    before = house.ledger.read_bytes()
    assert track(house) == 0
    assert house.ledger.read_bytes() == before
    assert "Kaggle lists 7 submissions" in said()


def test_a_file_that_was_made_after_a_submission_of_its_common_name_is_another(house):
    house.competition.add("plain.csv", "early", date="2026-11-01T00:00:00Z")
    ledger.append(house.ledger, made("plain.csv", "a" * 64))
    assert track(house) == 0
    assert house.cells("file", "ref") == [[NAME, ""], ["plain.csv", ""], ["plain.csv", "101"]]


def test_one_file_submitted_twice_elsewhere_gets_two_rows(house):
    for text in ("once", "twice"):
        house.competition.add(NAME, text)
    assert track(house) == 0
    assert house.cells("file", "sha256", "ref", "oof_macro_f1") == [
        [NAME, house.sha256, "101", "0.90000"],
        [NAME, house.sha256, "102", "0.90000"],
    ]


def test_what_the_button_on_a_kernel_s_page_sent_is_made_elsewhere(house):
    for text in ("", "Version 3"):
        house.competition.add("submission.csv", text)
    assert track(house) == 0
    assert house.cells("file", "sha256", "ref", "note")[1:] == [
        ["submission.csv", "", "101", "made elsewhere"],
        ["submission.csv", "", "102", "Version 3"],
    ]


def test_a_kernel_s_output_submitted_from_elsewhere_is_named_by_its_version(house):
    house.competition.add("submission.csv", f"there [kernel:stub/blend/3] [sha256:{'b' * 64}]")
    assert track(house) == 0
    row = ["stub/blend/3/submission.csv", "b" * 64, "101", "there [kernel:stub/blend/3]"]
    assert house.cells("file", "sha256", "ref", "note")[1:] == [row]


def test_every_page_is_read_and_scores_are_renewed(house):
    for number in range(45):
        house.competition.add(f"{number}.csv", f"number {number}")
    house.competition.pending_for = 1
    assert track(house) == 0
    assert house.cells("status", "public")[1:] == [["pending", ""]] * 45
    house.competition.scores = {"publicScore": "0.5", "privateScore": "0.4"}
    assert track(house) == 0
    assert house.cells("status", "public", "private")[1:] == [["complete", "0.50000", "0.40000"]] * 45


def test_a_score_that_could_not_be_made_is_said(house, said):
    house.competition.status = "ERROR"
    house.competition.add(NAME)
    assert track(house) == 0
    told = said()
    assert f"submission 101, {NAME}, could not be scored: Evaluation Exception" in told
    assert "history.png was not drawn: no submission has a leaderboard score yet" in told


def test_the_table_is_printed_with_the_newest_last(house, said):
    house.competition.add("late.csv", "a note,\n" + "long " * 30, minute=30)
    house.competition.add(NAME, minute=1)
    assert track(house) == 0
    lines = said().splitlines()
    heading = next(place for place, line in enumerate(lines) if line.startswith("time "))
    assert lines[heading].split() == ["time", "file", "oof", "public", "private", "status", "note"]
    assert lines[heading + 1].split() == ["2027-01-01T09:01:00Z", NAME, "0.90000", "0.81234", "complete", "mine"]
    assert lines[heading + 2].startswith("2027-01-01T09:30:00Z  late.csv")
    assert lines[heading + 2].endswith("…")


def test_the_plain_client_submits_and_track_finds_it(house, said):
    program = shutil.which("kaggle", path=str(Path(sys.executable).parent))
    words = [program, "competitions", "submit", "-c", house.competition.slug, "-f", str(house.csv), "-m", "by hand"]
    environment = house.loopback.environment(house.folder)
    done = subprocess.run(words, env=environment, capture_output=True, text=True, cwd=house.folder, timeout=60)
    assert "Successfully submitted" in done.stdout, done.stderr
    assert track(house) == 0
    assert house.cells("file", "ref", "status", "public", "note") == [[NAME, "101", "complete", "0.81234", "mine"]]
    assert house.submit() == 2
    assert "was submitted before (ref 101" in said()


def test_offline_asks_nobody(house, said, monkeypatch):
    ledger.set_scores(house.ledger, NAME, 0.8)
    monkeypatch.delenv("KAGGLE_KEY")
    assert track(house, "--offline") == 0
    assert "only 1 submission has a leaderboard score" in said()
    assert house.loopback.requests == []
    for name in ("cv_against_leaderboard.png", "history.png"):
        assert (house.submissions / name).read_bytes().startswith(PNG)


def test_without_credentials_or_network_track_is_a_sentence(house, said, monkeypatch):
    house.loopback.stop()
    assert track(house) == 2
    assert "Kaggle could not be reached" in said()
    monkeypatch.delenv("KAGGLE_KEY")
    assert track(house) == 2
    assert "no Kaggle credentials" in said()


def test_an_empty_ledger_is_said(tmp_path, capsys):
    assert run("track", "--offline", "--submissions", tmp_path) == 0
    told = capsys.readouterr().out
    assert "lists nothing yet" in told
    assert "cv_against_leaderboard.png was not drawn" in told


def table(count, seed=0):
    """A ledger's cells: `count` submissions close together, some without a private score, some made elsewhere."""
    generator = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        oof = 0.85 + 0.02 * generator.standard_normal()
        row = {
            "utc": f"2027-01-{1 + number // 4:02d}T{5 * (number % 4):02d}:00:00Z",
            "file": f"202701{1 + number // 4:02d}T0{number % 4}0000Z_blend_of_many_members_{number}.csv",
            "oof_macro_f1": f"{oof:.5f}" if number % 5 else "",
            "oof_spread": f"{0.01 + 0.01 * generator.random():.5f}" if number % 5 else "",
            "public": f"{oof - 0.03 + 0.01 * generator.standard_normal():.5f}",
            "private": f"{oof - 0.035 + 0.01 * generator.standard_normal():.5f}" if number % 3 else "",
        }
        rows.append({**dict.fromkeys(ledger.COLUMNS, ""), **row})
    return pd.DataFrame(rows, columns=ledger.COLUMNS, dtype=object)


def test_scored_rows_are_numbers_in_order_of_time():
    cells = table(4)
    cells.loc[0, "submitted"] = "2027-02-01T00:00:00Z"
    cells.loc[1, ["public", "private"]] = ""
    rows = scored(cells)
    assert [label[-1] for label in rows["label"]] == ["2", "3", "0"]
    assert rows["oof"].tolist()[:2] == [float(cells.at[2, "oof_macro_f1"]), float(cells.at[3, "oof_macro_f1"])]
    assert np.isnan(rows["oof"].iloc[-1])


@pytest.mark.parametrize("count", [2, 12, 60])
def test_labels_do_not_overlap_and_stay_in_the_picture(count):
    figure = draw_cv(scored(table(count)).dropna(subset=["oof"]))
    FigureCanvasAgg(figure).draw()
    (axes,) = figure.axes
    boxes = [Text.get_window_extent(text) for text in axes.texts]  # an annotation's own has its line too
    assert len(boxes) == count - (count + 4) // 5
    tops = sorted((box.y0, box.y1) for box in boxes)
    assert all(upper[0] >= lower[1] - 0.5 for lower, upper in pairwise(tops))
    width, height = figure.canvas.get_width_height()
    assert all(box.x1 <= width and box.y0 >= 0 and box.y1 <= height for box in boxes)
    assert min(box.x0 for box in boxes) > axes.get_window_extent().x1


def test_points_stand_where_their_scores_are():
    cells = table(7)
    rows = scored(cells).dropna(subset=["oof"])
    (axes,) = draw_cv(rows).axes
    public = next(container for container in axes.containers if container.get_label() == "public score")
    assert public[0].get_xydata().tolist() == rows[["oof", "public"]].to_numpy().tolist()
    (bars,) = public[2]
    left, right = np.array([segment[:, 0] for segment in bars.get_segments()]).T
    np.testing.assert_allclose((right - left) / 2, rows["spread"])
    (axes,) = draw_history(scored(cells)).axes
    best = next(line for line in axes.get_lines() if line.get_label() == "best public")
    assert best.get_ydata().tolist() == np.maximum.accumulate(pd.to_numeric(cells["public"])).tolist()


def test_spreading_keeps_the_order_the_gap_and_the_bounds():
    places = spread_out([0.0, 0.5, 0.5, 0.5, 0.98, 1.0], 0.1, 0.0, 1.0)
    assert (np.diff(places) >= 0.1 - 1e-9).all()
    assert (min(places), max(places)) == (0.0, 1.0)
    assert spread_out([0.2, 0.6], 0.1, 0.0, 1.0) == [0.2, 0.6]


def test_the_same_ledger_gives_the_same_picture(tmp_path):
    drawn = []
    for name in "ab":
        score_pictures.draw_all(table(9), tmp_path / name)
        drawn.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert drawn[0] == drawn[1]
    assert len(drawn[0]) == 2
    assert leaks(tmp_path) == []
