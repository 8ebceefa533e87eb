"""The picture of score against number of runs shows what was measured."""

import pytest

from messy_mashup.scoring.blend_study import OfNumber
from messy_mashup.scoring.plots_of_blends import draw_numbers, numbers_picture

NUMBERS = [
    OfNumber(1, 3, 0.5, 0.4, 0.6, 0.55),
    OfNumber(2, 3, 0.6, 0.55, 0.65, 0.63),
    OfNumber(3, 1, 0.64, 0.64, 0.64, 0.64),
]


def test_mean_range_and_greedy_sets_are_drawn():
    (axes,) = draw_numbers(NUMBERS, "three").axes
    mean, greedy = (line.get_ydata() for line in axes.lines)
    assert list(mean) == [0.5, 0.6, 0.64]
    assert list(greedy) == [0.55, 0.63, 0.64]
    (band,) = axes.collections
    heights = band.get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == (0.4, 0.65)
    assert [tick for tick in axes.get_xticks() if 1 <= tick <= 3] == [1, 2, 3]
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert "macro F1, mean over sets of runs (all: 0.640)" in labels
    with pytest.raises(ValueError, match="at least one"):
        draw_numbers([], "none")


def test_it_is_the_same_bytes_every_time(tmp_path):
    for name in ("a.png", "b.png"):
        numbers_picture(NUMBERS, tmp_path / name, "three")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
