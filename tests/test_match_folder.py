"""What was found joins a blend's log-probabilities clip by clip, and changes nothing where nothing was found."""

import numpy as np
import pytest
from scipy.special import log_softmax

from messy_mashup.errors import UserError
from messy_mashup.scoring import match_folder, predictions
from messy_mashup.scoring.match_folder import OOF, TEST, Matcher, with_matches
from messy_mashup.scoring.metrics import softmax
from messy_mashup.scoring.predictions import NO_LABEL, Predictions

CLASSES = np.array(["jazz", "pop", "rock"])


def of(ids: list[str], logits: np.ndarray, origin: str = "test") -> Predictions:
    count = len(ids)
    return Predictions(np.array(ids), CLASSES, logits, np.full(count, -1), np.full(count, NO_LABEL), origin)


def blended() -> Predictions:
    logits = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    return of(["a", "b", "c", "d"], log_softmax(logits, axis=1))


def test_nothing_found_changes_nothing_and_evidence_multiplies():
    found = of(["d", "c", "b", "a"], np.full((4, 3), -np.log(3), np.float32))
    found.logits[1] = np.log([0.98, 0.01, 0.01])  # c is jazz
    matched = with_matches(blended(), found)
    before, after = softmax(blended().logits), softmax(matched.logits)
    np.testing.assert_allclose(after[[0, 1, 3]], before[[0, 1, 3]], atol=1e-6)
    expected = before[2] * [0.98, 0.01, 0.01]
    np.testing.assert_allclose(after[2], expected / expected.sum(), atol=1e-6)
    np.testing.assert_allclose(np.exp(matched.logits).sum(axis=1), 1, atol=1e-6)
    assert matched.id.tolist() == ["a", "b", "c", "d"]


def test_other_mashups_or_classes_are_refused():
    with pytest.raises(UserError, match="of other mashups or classes"):
        with_matches(blended(), of(["a", "b", "c"], np.zeros((3, 3), np.float32)))
    other = Predictions(blended().id, CLASSES[::-1], blended().logits, blended().fold, blended().label, "test")
    with pytest.raises(UserError, match="of other mashups or classes"):
        with_matches(blended(), other)


@pytest.fixture
def runs(tmp_path):
    folder = tmp_path / "match" / "mini"
    for name in (OOF, TEST):
        predictions.save(blended(), folder / name)
    return tmp_path


def test_what_a_blend_took_up_is_read_only_while_it_is_unchanged(runs):
    matcher = match_folder.matcher_named("mini", runs)
    assert matcher.folder == "match/mini"
    assert match_folder.held_out(matcher, runs).id.tolist() == ["a", "b", "c", "d"]
    assert match_folder.found_in_test(matcher, runs, "test").origin == "test"
    with pytest.raises(UserError, match="of other test mashups than these"):
        match_folder.found_in_test(matcher, runs, "other files")
    with pytest.raises(UserError, match="has changed since it was blended"):
        match_folder.held_out(Matcher(matcher.folder, "0" * 128), runs)
    (runs / "match" / "mini" / TEST).unlink()
    with pytest.raises(UserError, match=r"test\.npz is missing: run match\.py"):
        match_folder.held_out(matcher, runs)
    with pytest.raises(UserError, match="holds no finished search"):
        match_folder.matcher_named("mini", runs)
