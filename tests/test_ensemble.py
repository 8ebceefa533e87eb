"""A blend is the mean of its members' probabilities, of the same clips, or nothing."""

import numpy as np
import pytest

from messy_mashup.errors import UserError
from messy_mashup.scoring import predictions
from messy_mashup.scoring.ensemble import Blend, average, fold_spread, load_blend, out_of_fold, save_blend
from messy_mashup.scoring.metrics import macro_f1, softmax
from messy_mashup.scoring.predictions import Predictions

CLASSES = np.array(["jazz", "pop", "rock"])


def member(fold: int, seed: int, clips: int = 30, origin: str = "plan", hit: float = 2.0) -> Predictions:
    generator = np.random.default_rng(seed)
    label = np.arange(clips) % 3
    logits = generator.normal(size=(clips, 3)).astype(np.float32)
    logits[np.arange(clips), label] += hit
    ids = np.array([f"fold{fold}-{number:03d}" for number in range(clips)])
    return Predictions(ids, CLASSES, logits, np.full(clips, fold), label, origin)


def test_average_is_the_mean_probability():
    one, other = member(0, 1), member(0, 2)
    blended = average([one, other])
    expected = (softmax(one.logits) + softmax(other.logits)) / 2
    np.testing.assert_allclose(np.exp(blended.logits), expected, rtol=1e-5)
    assert blended.id.tolist() == one.id.tolist()


def test_a_certain_member_gives_finite_logits():
    sure = member(0, 1, hit=500.0)
    assert np.isfinite(average([sure, sure]).logits).all()


def test_two_runs_beat_one_and_every_held_out_clip_is_there():
    runs = {name: [member(fold, 10 * seed + fold, 300, hit=1.0) for fold in (0, 1)] for seed, name in enumerate("ab")}
    blended = out_of_fold(runs)
    assert len(blended.id) == 600
    alone = [np.mean([macro_f1(part.label, part.logits) for part in parts]) for parts in runs.values()]
    assert fold_spread(blended).mean > max(alone)


@pytest.mark.parametrize(
    ("runs", "words"),
    [
        ({"a": [member(0, 1)], "b": [member(0, 2, origin="other")]}, "different mashups"),
        ({"a": [member(0, 1), member(1, 2)], "b": [member(0, 3)]}, "different folds"),
        ({"a": []}, "train a fold"),
    ],
)
def test_what_would_make_the_score_mean_nothing_is_refused(runs, words):
    with pytest.raises(UserError, match=words):
        out_of_fold(runs)


def test_members_of_different_classes_are_refused():
    other = member(0, 2)
    renamed = Predictions(other.id, CLASSES[::-1], other.logits, other.fold, other.label, other.origin)
    with pytest.raises(UserError, match="different classes"):
        average([member(0, 1), renamed])


def test_predictions_are_read_back_and_damage_is_named(tmp_path):
    path = tmp_path / "oof.npz"
    predictions.save(member(0, 1), path)
    again = predictions.load(path)
    assert again.origin == "plan"
    np.testing.assert_array_equal(again.logits, member(0, 1).logits)
    bytes_ = path.read_bytes()
    predictions.save(again, path)
    assert path.read_bytes() == bytes_
    for damaged in (bytes_[:200], b"", b"text"):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=r"oof\.npz"):
            predictions.load(path)
    with pytest.raises(UserError, match="missing"):
        predictions.load(tmp_path / "none.npz")


def test_infinite_logits_and_repeated_ids_are_refused():
    part = member(0, 1)
    with pytest.raises(UserError, match="fold0-000"):
        Predictions(part.id, CLASSES, part.logits * np.inf, part.fold, part.label, "")
    with pytest.raises(ValueError, match="twice"):
        Predictions(np.full(30, "x"), CLASSES, part.logits, part.fold, part.label, "")


def test_the_pointer_names_the_blend_that_was_saved_last(tmp_path):
    first = Blend("one", ("run/fold0",), ("ab",), "data", 0.5, 0.01)
    second = Blend("two", ("run/fold0", "run/all"), ("ab", "cd"), "data", 0.6, None)
    save_blend(first, tmp_path)
    save_blend(second, tmp_path)
    assert load_blend(tmp_path) == second
    assert load_blend(tmp_path, "one") == first
    with pytest.raises(UserError, match=r"blend\.py"):
        load_blend(tmp_path / "elsewhere")


@pytest.mark.parametrize("name", ["a+b", "../a", "my blend", ""])
def test_a_name_that_no_file_should_have_is_refused(tmp_path, name):
    with pytest.raises(UserError, match="letters, digits"):
        save_blend(Blend(name, (), (), "", 0.5, None), tmp_path)
