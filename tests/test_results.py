"""What notebooks show of training is what training left."""

import json

import pandas as pd
import pytest

from messy_mashup.errors import UserError
from messy_mashup.notebooks import results
from messy_mashup.recipe import Recipe, TrainRecipe
from messy_mashup.recipe_text import to_json
from messy_mashup.training.run_folder import METRICS, OOF, STATE, TEST, WEIGHTS, save_weights

RECIPE = json.loads(to_json(Recipe("small", train=TrainRecipe(epochs=2))))


@pytest.fixture
def member(tmp_path):
    """A member of fold 0 with one of two epochs done."""
    folder = tmp_path / "runs" / "small" / "fold0"
    folder.mkdir(parents=True)
    save_weights(folder / WEIGHTS, {}, {"recipe": RECIPE, "fold": 0, "plan": "plan", "bank": "bank"})
    columns = ["epoch", "lr", "train_loss", "train_accuracy", "val_loss", "val_macro_f1", "val_accuracy"]
    pd.DataFrame([[1, 0.1, 2.0, 0.3, 1.9, 0.25, 0.5]], columns=columns).to_csv(folder / METRICS, index=False)
    return folder


def test_members_are_told_as_far_as_they_are(member, tmp_path):
    (row,) = results.members(tmp_path / "runs", ["small"]).to_dict("records")
    told = {"run": "small", "member": "fold0", "epochs": 1, "macro F1": 0.25, "accuracy": 0.5, "finished": False}
    assert row == told
    more = pd.concat([pd.read_csv(member / METRICS)] * 2)
    more.to_csv(member / METRICS, index=False)
    (member / OOF).touch()
    (row,) = results.members(tmp_path / "runs", ["small"]).to_dict("records")
    assert not row["finished"], "its test mashups are not predicted yet"
    (member / TEST).touch()
    (row,) = results.members(tmp_path / "runs", ["small"]).to_dict("records")
    assert (row["epochs"], row["finished"]) == (2, True)
    with pytest.raises(UserError, match="no member of other: train one with notebook 03 or 04"):
        results.members(tmp_path / "runs", ["other"])


def test_a_member_that_stopped_in_its_first_epoch_is_told(member, tmp_path):
    for path in member.iterdir():
        path.unlink()
    (member / STATE).touch()
    (row,) = results.members(tmp_path / "runs", ["small"]).to_dict("records")
    assert (row["epochs"], row["finished"]) == (0, False)


def test_curves_of_every_member(member, tmp_path):
    (tmp_path / "runs" / "small" / "fold1").mkdir()
    (tmp_path / "runs" / "small" / "fold1" / STATE).touch()
    curves = results.learning_curves(tmp_path / "runs", ["small", "small_seed*"])
    assert list(curves) == ["small/fold0"]
    assert curves["small/fold0"]._repr_png_().startswith(b"\x89PNG")
