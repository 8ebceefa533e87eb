"""Which members a blend has, and in whose share each of them has part."""

import pytest

from made_up_runs import parts_of, write_run
from messy_mashup.errors import UserError
from messy_mashup.training.members import blendable, counted_for, held_out_by_run, members_of, runs_named


@pytest.fixture
def runs(tmp_path):
    """Two seeds with folds, one of them with a member of all songs; three more seeds of all songs; another recipe."""
    write_run(tmp_path, "net", parts_of(1.0, 0))
    write_run(tmp_path, "net", [])
    write_run(tmp_path, "net_seed1", parts_of(1.0, 1), seed=1)
    for seed in (2, 3, 4):
        write_run(tmp_path, f"net_seed{seed}", [], seed=seed)
    write_run(tmp_path, "slow", parts_of(1.0, 5), lr=0.01)
    return tmp_path


def members(runs, *names):
    return [folder for run in runs_named(runs, names) for folder in members_of(run)]


def joined(folders):
    return {
        f"{f.parent.name}/{f.name}": run
        for f, run in zip(folders, counted_for(folders, blendable(folders)), strict=True)
    }


def test_members_with_folds_count_for_their_own_run(runs):
    found = joined(members(runs, "net", "slow"))
    assert found == {name: name.split("/")[0] for name in found}
    assert len(found) == 7


def test_runs_of_all_songs_join_their_recipe_where_members_are_fewest(runs):
    found = joined(members(runs, "net_seed*", "net", "slow"))
    assert found["net_seed2/all"] == "net_seed1"  # three members against four
    assert found["net_seed3/all"] == "net_seed1"  # four each: the first
    assert found["net_seed4/all"] == "net"
    assert "slow" not in {found[f"net_seed{seed}/all"] for seed in (2, 3, 4)}
    assert list(held_out_by_run(members(runs, "net_seed*", "net"))) == ["net_seed1", "net"]


def test_a_run_of_all_songs_without_its_recipe_s_folds_is_refused(runs):
    with pytest.raises(UserError, match="its score is not known"):
        blendable(members(runs, "slow", "net_seed2"))
