"""A run or a blend is found by name or path, with its held-out predictions, and what is left out is told."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from messy_mashup.errors import UserError
from messy_mashup.scoring import predictions
from messy_mashup.scoring.ensemble import BLENDS
from messy_mashup.scoring.predictions import Predictions
from messy_mashup.training import evaluated as module
from messy_mashup.training.evaluated import evaluated
from messy_mashup.training.run_folder import METRICS, OOF, WEIGHTS, save_weights


def held_out(fold, clips=6, seed=0, label=None):
    labels = np.arange(clips) % 3 if label is None else np.full(clips, label)
    logits = np.random.default_rng(seed).normal(size=(clips, 3)).astype(np.float32)
    ids = np.array([f"fold{fold}-{number}" for number in range(clips)])
    return Predictions(ids, np.array(["a", "b", "c"]), logits, np.full(clips, fold), labels, "plan")


def write_member(run, fold, epochs=1, label=None):
    """A member that has done one epoch of `epochs`."""
    folder = run / f"fold{fold}"
    folder.mkdir(parents=True)
    save_weights(folder / WEIGHTS, {}, {"recipe": {"train": {"epochs": epochs}, "folds": {"count": 3}}, "fold": fold})
    pd.DataFrame({"epoch": [1], "train_loss": [fold]}).to_csv(folder / METRICS, index=False)
    predictions.save(held_out(fold, label=label), folder / OOF)


@pytest.fixture
def runs(tmp_path):
    for fold in (0, 1, 2):
        write_member(tmp_path / "cnn", fold)
    return tmp_path


@pytest.fixture
def blend(runs, monkeypatch):
    """A blend of two members, the one in use."""
    found = SimpleNamespace(name="mix", members=("cnn/fold0", "gone/fold0"), matcher=None)
    monkeypatch.setattr(module, "load_blend", lambda runs, name=None: found)
    (runs / BLENDS).mkdir()
    (runs / BLENDS / "mix.json").touch()
    predictions.save(held_out(0, seed=5), runs / BLENDS / "mix.oof.npz")
    return found


def test_a_run_is_its_folds_put_together(runs):
    for named in ("cnn", str(runs / "cnn"), f"{runs}/cnn/"):
        found = evaluated(runs, named)
        assert (found.name, found.kind, found.report_name) == ("cnn", "run", "cnn")
        assert [folder.name for folder in found.members] == ["fold0", "fold1", "fold2"]
        assert found.held_out.fold.tolist() == [0] * 6 + [1] * 6 + [2] * 6
        assert found.notes == ()
    assert {run: list(members) for run, members in found.curves().items()} == {"cnn": ["fold0", "fold1", "fold2"]}
    assert found.curves()["cnn"]["fold2"]["train_loss"].tolist() == [2]


def test_what_is_not_finished_is_left_out_and_told(tmp_path):
    write_member(tmp_path / "cnn", 0)
    write_member(tmp_path / "cnn", 1, epochs=2)
    found = evaluated(tmp_path, "cnn")
    assert set(found.held_out.fold.tolist()) == {0}
    assert found.notes == ("Not finished, so left out: fold1.", "Of the 3 folds, 1 predicted their clips: 0.")


def test_a_blend_is_what_blend_py_wrote_and_the_default(runs, blend):
    for named in ("mix", str(runs / BLENDS / "mix.json"), None):
        found = evaluated(runs, named)
        assert (found.name, found.kind, found.report_name) == ("mix", "blend", "mix")
        assert np.array_equal(found.held_out.logits, held_out(0, seed=5).logits)
        assert list(found.curves()) == ["cnn"]
        assert "1 of its 2 members are not there any more, first" in found.notes[0]
    (runs / BLENDS / "mix.oof.npz").unlink()
    with pytest.raises(UserError, match=r"mix\.oof\.npz is missing: run blend\.py again"):
        evaluated(runs, "mix")


def test_a_run_and_a_blend_of_one_name_want_a_path_and_have_reports_of_their_own(runs, blend):
    write_member(runs / "mix", 0)
    with pytest.raises(UserError, match=r"mix is a run and a blend: name .*mix for the run, .*mix\.json for the blend"):
        evaluated(runs, "mix")
    assert evaluated(runs, str(runs / "mix")).report_name == "mix_run"
    assert evaluated(runs, str(runs / BLENDS / "mix.json")).report_name == "mix_blend"


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ("other", "no trained run and no blend other"),
        ("elsewhere/cnn", "directly below .*: name the folder of its runs with --runs"),
        ("cnn*", "letters, digits"),
        ("", "letters, digits"),
    ],
)
def test_what_is_not_there_is_told(runs, named, words):
    with pytest.raises(UserError, match=words):
        evaluated(runs, named)


def test_a_run_without_a_finished_fold_or_labels_is_told(tmp_path):
    write_member(tmp_path / "young", 0, epochs=2)
    with pytest.raises(UserError, match=r"no finished fold \(oof\.npz\)"):
        evaluated(tmp_path, "young")
    write_member(tmp_path / "unknown", 0, label=-1)
    with pytest.raises(UserError, match="without a label"):
        evaluated(tmp_path, "unknown")
