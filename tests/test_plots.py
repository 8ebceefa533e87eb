"""Pictures show what they were given, with labels, and are the same bytes every time."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from messy_mashup.errors import UserError
from messy_mashup.scoring.plots import (
    confusion_picture,
    draw_confusion,
    draw_differences,
    draw_learning_curves,
    draw_spectrograms,
    learning_curves,
    spectrogram_picture,
)

GENRES = ["blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock"]


@pytest.fixture
def metrics():
    epochs = np.arange(1, 21)
    score = 0.9 - 0.6 * np.exp(-epochs / 5) - 0.004 * np.maximum(epochs - 15, 0) * 5
    return pd.DataFrame(
        {
            "epoch": epochs,
            "lr": 1e-3 * np.cos(epochs / 21 * np.pi / 2),
            "train_loss": 2.3 * np.exp(-epochs / 6),
            "train_accuracy": 1 - 0.8 * np.exp(-epochs / 4),
            "val_loss": 0.4 + 1.9 * np.exp(-epochs / 5),
            "val_macro_f1": score,
            "val_accuracy": score + 0.01,
        }
    )


@pytest.fixture
def matrix():
    return np.random.default_rng(0).integers(0, 12, (10, 10)) + 90 * np.eye(10, dtype=int)


@pytest.fixture
def panels():
    ramp = np.linspace(-8, 2, 128)
    return [("chirp", np.add.outer(np.linspace(0, 1, 300), ramp)), ("short", np.add.outer(np.zeros(100), ramp))]


def legend(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_curves_are_labelled_and_mark_the_best_epoch(metrics):
    losses, scores = draw_learning_curves(metrics).axes
    assert losses.get_xlabel() == scores.get_xlabel() == "epoch"
    assert losses.get_ylabel() == "cross-entropy (nats)"
    assert legend(losses) == ["training", "validation"]
    assert legend(scores) == [
        "training accuracy",
        "macro F1",
        "accuracy",
        f"best: {metrics['val_macro_f1'].max():.3f}, epoch 15",
    ]
    assert losses.lines[0].get_ydata().tolist() == metrics["train_loss"].tolist()


@pytest.mark.parametrize("empty", [np.nan, "", None])
def test_a_member_without_validation_shows_its_training_accuracy(metrics, empty):
    metrics[["val_loss", "val_macro_f1", "val_accuracy"]] = empty
    losses, right = draw_learning_curves(metrics).axes
    assert legend(losses) == ["training"]
    assert right.get_title() == "Score (no validation)"
    assert right.lines[0].get_ydata().tolist() == metrics["train_accuracy"].tolist()


def test_curves_of_a_csv_read_as_text_or_after_one_epoch(metrics):
    _, scores = draw_learning_curves(metrics.astype(str)).axes
    assert scores.lines[1].get_ydata() == pytest.approx(metrics["val_macro_f1"].to_numpy())
    _, scores = draw_learning_curves(metrics.head(1)).axes
    assert "epoch 1" in legend(scores)[-1]
    assert [tick for tick in scores.get_xticks() if 0.5 <= tick <= 1.5] == [1]


def test_metrics_that_lack_something_are_refused(metrics):
    with pytest.raises(UserError, match="no column val_loss"):
        draw_learning_curves(metrics.drop(columns="val_loss"))
    with pytest.raises(UserError, match="no epoch"):
        draw_learning_curves(metrics.head(0))


def test_confusion_shows_counts_and_shares(matrix):
    matrix[3] = 0
    axes, bar = draw_confusion(matrix, GENRES, "Out of fold").axes
    assert axes.get_title() == "Out of fold"
    assert (axes.get_xlabel(), axes.get_ylabel(), bar.get_ylabel()) == ("predicted", "true", "share of the true class")
    assert [label.get_text() for label in axes.get_xticklabels()] == GENRES
    assert [label.get_text() for label in axes.get_yticklabels()] == GENRES
    shown = {
        (round(text.get_position()[1]), round(text.get_position()[0])): int(text.get_text()) for text in axes.texts
    }
    assert shown == {(row, column): matrix[row, column] for row, column in np.argwhere(matrix)}
    shares = axes.images[0].get_array()
    assert np.delete(shares, 3, axis=0).sum(axis=1).tolist() == pytest.approx([1] * 9)
    assert shares[3].sum() == 0


def test_confusion_of_other_classes_is_refused(matrix):
    with pytest.raises(ValueError, match="does not fit 9 classes"):
        draw_confusion(matrix, GENRES[:9], "")


def test_differences_are_shown_with_their_intervals_first_on_top():
    (axes,) = draw_differences([("masks", -0.05, -0.1, -0.01), ("mixup", 0.01, -0.02, 0.03)], "Knobs").axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["mixup", "masks"]
    assert [text.get_text() for text in axes.texts] == ["+0.010", "-0.050"]
    colours = [line.get_color() for line in axes.lines if line.get_marker() == "o"]
    assert colours == ["gray", "tab:blue"]
    with pytest.raises(ValueError, match="at least one"):
        draw_differences([], "Knobs")


def test_spectrograms_share_time_and_scale_and_have_low_bands_below(panels):
    first, second, bar = draw_spectrograms(panels, hop_s=0.01).axes
    assert (first.get_title(loc="left"), second.get_title(loc="left")) == ("chirp", "short")
    assert second.get_xlabel() == "time (s)"
    assert bar.get_ylabel() == "log-mel"
    assert first.get_xlim() == second.get_xlim() == pytest.approx((0, 3.0))
    assert second.images[0].get_extent() == pytest.approx((0, 1.0, 0, 128))
    assert first.images[0].get_clim() == second.images[0].get_clim()
    assert first.images[0].origin == "lower"
    assert first.images[0].get_array().shape == (128, 300)


def test_digital_silence_does_not_take_the_colour_scale(panels):
    silent = ("silent", np.full((900, 128), -100.0))
    low, high = draw_spectrograms([*panels, silent], hop_s=0.01).axes[0].images[0].get_clim()
    assert -8 < low < -7
    assert high == pytest.approx(3)
    draw_spectrograms([silent], hop_s=0.01)


@pytest.mark.parametrize(
    "bad", [[], [("flat", np.zeros(5))], [("none", np.zeros((0, 8)))], [("nan", np.full((4, 8), np.nan))]]
)
def test_what_cannot_be_drawn_is_refused(bad):
    with pytest.raises(ValueError, match="log-mel"):
        draw_spectrograms(bad, 0.01)


def test_pictures_are_the_same_bytes_every_time(tmp_path, metrics, matrix, panels):
    for folder in (tmp_path / "once", tmp_path / "again"):
        learning_curves(metrics, folder / "curves.png")
        confusion_picture(matrix, GENRES, folder / "confusion.png", "Out of fold")
        spectrogram_picture(panels, folder / "mels.png", 0.01)
    for name in ("curves.png", "confusion.png", "mels.png"):
        assert (tmp_path / "once" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
        pixels = imread(tmp_path / "once" / name)
        assert min(pixels.shape[:2]) > 300
        assert pixels[..., :3].std() > 0.05
    assert sorted(path.name for path in (tmp_path / "once").iterdir()) == ["confusion.png", "curves.png", "mels.png"]
