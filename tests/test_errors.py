"""Mistakes that one can go and hear: the surest first, and which classes are taken for which."""

import numpy as np
import pytest

from messy_mashup.scoring.errors import confused_pairs, worst, worst_of_pairs
from messy_mashup.scoring.predictions import Predictions

GENRES = np.array(["blues", "jazz", "rock"])
#                            right   sure     right   less sure  least sure
LOGITS = np.log([[.8, .1, .1], [.02, .08, .9], [.1, .8, .1], [.3, .6, .1], [.5, .4, .1]])  # fmt: skip
LABELS = np.array([0, 1, 1, 2, 1])


def held_out(logits=LOGITS, labels=LABELS):
    ids = np.array([f"clip{number}" for number in range(len(logits))])
    return Predictions(ids, GENRES, np.asarray(logits, np.float32), np.arange(len(logits)) % 2, labels, "")


def test_the_surest_mistakes_come_first():
    table = worst(held_out(), 10)
    assert table.columns.tolist() == ["id", "true", "predicted", "p_predicted", "p_true", "fold"]
    assert table["id"].tolist() == ["clip1", "clip3", "clip4"]
    assert table["true"].tolist() == ["jazz", "rock", "jazz"]
    assert table["predicted"].tolist() == ["rock", "jazz", "blues"]
    assert table["p_predicted"].tolist() == pytest.approx([0.9, 0.6, 0.5])
    assert table["p_true"].tolist() == pytest.approx([0.08, 0.1, 0.4])
    assert table["fold"].tolist() == [1, 1, 0]
    assert worst(held_out(), 2).equals(table[:2])


def test_equal_certainty_goes_by_id():
    table = worst(held_out(LOGITS[[1, 1, 1]], np.array([0, 1, 0])), 2)
    assert table["id"].tolist() == ["clip0", "clip1"]


def test_pairs_are_counted_in_both_directions():
    one = held_out(np.eye(3)[[1, 1, 0, 2, 2, 0, 1]] * 5, np.array([0, 0, 1, 1, 2, 0, 1]))
    table = confused_pairs(one)
    assert table.to_numpy().tolist() == [["blues", "jazz", 2, 1, 3], ["jazz", "rock", 1, 0, 1]]
    assert table.columns.tolist() == ["one", "other", "one_as_other", "other_as_one", "together"]


def test_each_pair_has_its_surest_mistakes_of_both_directions():
    logits = np.eye(3)[[1, 1, 0, 2, 2, 0, 1]] * np.array([[2, 4, 3, 5, 1, 1, 1]]).T
    one = held_out(logits, np.array([0, 0, 1, 1, 2, 0, 1]))
    tables = worst_of_pairs(one, confused_pairs(one), 2)
    assert [table["id"].tolist() for table in tables] == [["clip1", "clip2"], ["clip3"]]
    assert worst_of_pairs(one, confused_pairs(one).head(1), 5)[0]["id"].tolist() == ["clip1", "clip2", "clip0"]


def test_no_mistake_is_an_empty_table():
    perfect = held_out(np.eye(3) * 5, np.array([0, 1, 2]))
    assert len(worst(perfect, 5)) == len(confused_pairs(perfect)) == 0
    assert "predicted" in worst(perfect, 5)


def test_clips_without_a_label_are_refused():
    for told in (
        lambda: worst(held_out(labels=np.array([0, 1, -1, 2, 1])), 3),
        lambda: confused_pairs(held_out(labels=LABELS - 1)),
    ):
        with pytest.raises(ValueError, match="labels are known"):
            told()
