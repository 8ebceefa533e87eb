"""The report of a blend tells how its runs are combined, and says nothing where there is no study."""

from made_up_runs import held_out
from messy_mashup.scoring.blend_report import write_study
from messy_mashup.scoring.blend_study import study
from messy_mashup.scoring.report_study import parts_of_study


def test_methods_and_runs_are_told_with_their_pictures(tmp_path):
    found, _ = study(held_out([1.0, 1.2, 0.8]))
    write_study(found, tmp_path, "mix")
    methods, runs = parts_of_study(tmp_path, "mix")
    assert methods.title == "Ways to combine the runs"
    text = "".join(methods.body)
    for name in ("equal", "geometric", "rank", "hill", "stacking", "hill, tempered"):
        assert f"<td>{name}</td>" in text
    assert text.count("data:image/png;base64,") == 1
    told = "".join(runs.body)
    assert all(f"<td>run{number}</td>" in told for number in range(3))
    assert any(f"<td>{run.verdict}</td>" in told for run in found.runs)
    assert told.count("data:image/png;base64,") == 1


def test_a_blend_of_one_run_has_no_study(tmp_path):
    assert parts_of_study(tmp_path, "one") == []
