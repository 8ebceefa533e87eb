"""Pictures of scores show the figures they were given."""

import numpy as np
import pandas as pd
import pytest

from messy_mashup.errors import UserError
from messy_mashup.scoring.plots import write_png
from messy_mashup.scoring.plots_of_scores import draw_class_scores, draw_reliability, draw_run_curves
from messy_mashup.scoring.reliability import ece, reliability


def legend(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def curves(score, validated=True, epochs=3):
    numbers = np.arange(1, epochs + 1)
    return pd.DataFrame(
        {
            "epoch": numbers,
            "lr": 0.1,
            "train_loss": 3.0 - score * numbers,
            "train_accuracy": score * numbers,
            "val_loss": 4.0 - score * numbers if validated else np.nan,
            "val_macro_f1": score * numbers / 2 if validated else np.nan,
            "val_accuracy": score * numbers / 2 if validated else np.nan,
        }
    )


def test_reliability_shows_each_bin_and_how_many_clips_it_has():
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 2, (300, 3))
    labels = generator.integers(3, size=300)
    table = reliability(labels, logits)
    curve, counts = draw_reliability(table, ece(labels, logits), "A run").axes
    points = next(line for line in curve.lines if line.get_marker() == "o")
    assert points.get_xdata().tolist() == table["confidence"].tolist()
    assert points.get_ydata().tolist() == table["accuracy"].tolist()
    (whiskers,) = curve.collections
    for row, segment in zip(table.itertuples(), whiskers.get_segments(), strict=True):
        assert segment[0, 1] - 1e-9 <= row.accuracy <= segment[1, 1] + 1e-9
    assert [bar.get_height() for bar in counts.patches] == table["clips"].tolist()
    assert f"ECE {ece(labels, logits):.3f}" in legend(curve)[-1]
    assert legend(counts)[1] == f"accuracy {(logits.argmax(axis=1) == labels).mean():.3f}"
    with pytest.raises(ValueError, match="at least one bin"):
        draw_reliability(table[:0], 0.0, "")


def test_classes_stand_worst_on_top_with_their_intervals():
    intervals = np.array([[0.4, 0.1, 0.8], [0.6, 0.3, 1.0]])
    (axes,) = draw_class_scores(["blues", "jazz", "rock"], np.array([0.5, 0.2, 0.9]), intervals, "F1").axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["rock", "blues", "jazz"]
    assert axes.get_ylim()[1] > axes.get_ylim()[0]
    assert [bar.get_width() for bar in axes.patches] == [0.9, 0.5, 0.2]
    assert [segment[:, 0].tolist() for segment in axes.collections[0].get_segments()] == [
        [0.8, 1],
        [0.4, 0.6],
        [0.1, 0.3],
    ]
    assert [text.get_text() for text in axes.texts] == ["0.90", "0.50", "0.20"]
    assert "0.533" in axes.get_title()
    with pytest.raises(ValueError, match="do not fit 2 classes"):
        draw_class_scores(["blues", "jazz"], np.zeros(3), intervals, "")


def test_a_run_s_curves_are_a_line_a_member_and_their_mean():
    losses, scores = draw_run_curves({"fold0": curves(0.1), "fold1": curves(0.2)}, "run").axes
    assert legend(losses) == ["training, mean of 2", "validation, mean of 2"]
    assert len(losses.lines) == 6
    assert losses.lines[2].get_ydata().tolist() == pytest.approx([2.85, 2.7, 2.55])
    assert losses.lines[2].get_linewidth() > 2 * losses.lines[0].get_linewidth()
    assert legend(scores)[-1] == "validation macro F1, mean of 2"
    assert scores.get_title() == "run: score"


def test_the_mean_goes_as_far_as_all_members_and_a_member_of_all_songs_has_no_validation():
    losses, scores = draw_run_curves({"all": curves(0.1, validated=False), "fold0": curves(0.2, epochs=1)}, "run").axes
    assert legend(losses) == ["training, mean of 2", "validation, one member"]
    assert losses.lines[2].get_xdata().tolist() == [1]
    assert losses.lines[2].get_marker() == "o", "a line of one epoch could not be seen"
    assert legend(scores) == [
        "training accuracy, mean of 2",
        "validation accuracy, one member",
        "validation macro F1, one member",
    ]


def test_curves_that_cannot_be_drawn_are_refused():
    with pytest.raises(ValueError, match="at least one member"):
        draw_run_curves({}, "run")
    with pytest.raises(UserError, match="no column val_loss"):
        draw_run_curves({"fold0": curves(0.1).drop(columns="val_loss")}, "run")


def test_a_png_is_the_same_bytes_every_time(tmp_path):
    once = write_png(draw_run_curves({"fold0": curves(0.1)}, "run"), tmp_path / "a.png")
    again = write_png(draw_run_curves({"fold0": curves(0.1)}, "run"), tmp_path / "b.png")
    assert once.read_bytes() == again.read_bytes()
    assert once.read_bytes().startswith(b"\x89PNG")
