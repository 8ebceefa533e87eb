"""A blend is made of members that predicted the same clips, by its rule, or not at all."""

import numpy as np
import pytest

from messy_mashup.errors import UserError
from messy_mashup.scoring import predictions
from messy_mashup.scoring.blending import EQUAL, FITS, Mean, Rule, method
from messy_mashup.scoring.ensemble import (
    Blend,
    average,
    combine,
    combine_members,
    fold_spread,
    held_out_clips,
    load_blend,
    out_of_fold,
    save_blend,
)
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


def blend_of(counted_for: list[str], rule: Rule, name: str = "one") -> Blend:
    """A blend with a member for each run in `counted_for`."""
    members = tuple(f"{run}/fold{number}" for number, run in enumerate(counted_for))
    runs = tuple(sorted(set(counted_for)))
    digests = ("ab",) * len(members)
    return Blend(name, members, digests, "data", 0.5, 0.01, tuple(counted_for), runs, EQUAL, rule)


def equal_rule(runs: int) -> Rule:
    return Rule((1.0,) * runs, Mean((1 / runs,) * runs))


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


def test_runs_side_by_side_have_their_clips_in_one_order():
    parts = {name: [member(fold, 10 * seed + fold) for fold in (0, 1)] for seed, name in enumerate("ab")}
    held_out = held_out_clips({"a": parts["a"], "none": [], "b": parts["b"][::-1]})
    assert held_out.runs == ("a", "b")
    for logits, name in zip(held_out.logits, "ab", strict=True):
        np.testing.assert_array_equal(logits, np.concatenate([part.logits for part in parts[name]]))
    assert held_out.clips.id.tolist() == [id_ for part in parts["a"] for id_ in part.id]
    blended = held_out.blended(held_out.logits[0])
    np.testing.assert_array_equal(blended.logits, held_out.logits[0])
    assert blended.label.tolist() == held_out.clips.label.tolist()
    shorter = Predictions(*[getattr(parts["b"][1], name)[:20] if name != "classes" else CLASSES
                            for name in ("id", "classes", "logits", "fold", "label")], "plan")  # fmt: skip
    with pytest.raises(UserError, match="b lacks held-out mashups"):
        held_out_clips({"a": parts["a"], "b": [parts["b"][0], shorter]})


def test_runs_of_equal_size_at_equal_weights_are_the_mean_of_all_members():
    members = [member(0, seed) for seed in range(4)]
    blended = combine(members, blend_of(["a", "b", "b", "a"], equal_rule(2)))
    np.testing.assert_allclose(blended.logits, average(members).logits, rtol=1e-5, atol=1e-6)
    assert blended.logits.dtype == np.float32
    assert blended.id.tolist() == members[0].id.tolist()


def test_a_run_s_share_is_that_of_all_its_members_together():
    logits = np.stack([member(0, seed).logits for seed in range(3)])
    blend = blend_of(["b", "a", "b"], Rule((1.0, 1.0), Mean((0.8, 0.2))))
    p = np.stack([softmax(each) for each in logits])
    expected = 0.8 * p[1] + 0.2 * (p[0] + p[2]) / 2
    np.testing.assert_allclose(np.exp(combine_members(logits, blend)), expected, rtol=1e-5)
    with pytest.raises(ValueError, match="2 members for a blend of 3"):
        combine_members(logits[:2], blend)


def test_temperatures_come_before_the_mean_over_a_run_s_members():
    logits = np.stack([member(0, seed).logits for seed in range(2)])
    blended = combine_members(logits, blend_of(["a", "a"], Rule((2.0,), Mean((1.0,)))))
    expected = (softmax(logits[0] / 2) + softmax(logits[1] / 2)) / 2
    np.testing.assert_allclose(np.exp(blended), expected, rtol=1e-5)


def test_one_clip_is_blended_like_many():
    logits = np.stack([member(0, seed).logits for seed in range(2)])
    blend = blend_of(["a", "b"], Rule((1.0, 3.0), Mean((0.5, 0.5))))
    many = combine_members(logits, blend)
    np.testing.assert_allclose(combine_members(logits[:, 4:5], blend), many[4:5], rtol=1e-6)


def test_members_of_other_clips_are_not_combined():
    blend = blend_of(["a", "b"], equal_rule(2))
    with pytest.raises(UserError, match="other clips"):
        combine([member(0, 1), member(1, 2)], blend)


def test_the_pointer_names_the_blend_that_was_saved_last(tmp_path):
    first, second = blend_of(["a"], equal_rule(1)), blend_of(["a", "a"], equal_rule(1), "two")
    save_blend(first, tmp_path)
    save_blend(second, tmp_path)
    assert load_blend(tmp_path) == second
    assert load_blend(tmp_path, "one") == first
    with pytest.raises(UserError, match=r"blend\.py"):
        load_blend(tmp_path / "elsewhere")


@pytest.mark.parametrize("name", FITS)
def test_every_rule_is_read_back_as_it_was_written(tmp_path, name):
    parts = {run: [member(fold, 10 * seed + fold) for fold in (0, 1)] for seed, run in enumerate("ab")}
    held_out = held_out_clips(parts)
    rule = method(name, "fitted").fitted(held_out.logits, held_out.clips.label, held_out.clips.fold)
    blend = blend_of(["a", "b"], rule)
    save_blend(blend, tmp_path)
    assert load_blend(tmp_path) == blend


def test_a_blend_of_another_version_is_told(tmp_path):
    path = save_blend(blend_of(["a"], equal_rule(1)), tmp_path)
    for old, new in (('"rule"', '"rules"'), ('"mean"', '"median"'), ("{", "")):
        text = path.read_text()
        path.write_text(text.replace(old, new))
        with pytest.raises(UserError, match=r"one\.json.*run blend\.py again"):
            load_blend(tmp_path)
        path.write_text(text)


@pytest.mark.parametrize("name", ["a+b", "../a", "my blend", ""])
def test_a_name_that_no_file_should_have_is_refused(tmp_path, name):
    with pytest.raises(UserError, match="letters, digits"):
        save_blend(blend_of([], equal_rule(1), name), tmp_path)
