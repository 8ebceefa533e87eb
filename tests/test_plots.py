"""Pictures show what they were given, with labels, and are the same bytes every time."""

import io

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from messy_mashup.errors import UserError
from messy_mashup.scoring.metrics import roc
from messy_mashup.scoring.plots import (
    confusion_picture,
    draw_confusion,
    draw_confusion_shares,
    draw_differences,
    draw_learning_curves,
    draw_predictions,
    draw_roc,
    draw_spectrograms,
    learning_curves,
    spectrogram_picture,
)
from messy_mashup.scoring.plots_of_clips import draw_band_levels, draw_lengths, draw_silence, draw_wave

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


def test_normalised_confusion_tells_per_cent_of_the_true_class(matrix):
    matrix[3], matrix[4] = 0, [1] + [0] * 3 + [300] + [0] * 5
    axes = draw_confusion_shares(matrix, GENRES, "Out of fold").axes[0]
    assert axes.get_title() == "Out of fold (% of the true class)"
    rows = [round(text.get_position()[1]) for text in axes.texts]
    assert 3 not in rows, "a class without clips"
    assert [text.get_text() for text in axes.texts if round(text.get_position()[1]) == 4] == ["100"], "not 0 %"
    for row in (0, 9):
        total = sum(int(text.get_text()) for text in axes.texts if round(text.get_position()[1]) == row)
        assert total == pytest.approx(100, abs=5)


def test_confusion_of_other_classes_is_refused(matrix):
    with pytest.raises(ValueError, match="does not fit 9 classes"):
        draw_confusion_shares(matrix, GENRES[:9], "")
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


def test_roc_shows_each_class_worst_first_and_its_corner():
    generator = np.random.default_rng(0)
    labels = np.arange(300) % 10
    logits = generator.normal(size=(300, 10)) + np.eye(10)[labels] * np.linspace(1, 4, 10)
    curves = roc(labels, logits)
    figure = draw_roc(curves, GENRES, "Held out")
    whole, corner = figure.axes
    assert whole.get_title() == "Held out"
    (box,) = figure.legends
    told = [text.get_text() for text in box.get_texts()]
    assert told == [f"{GENRES[number]} {curves.auc[number]:.3f}" for number in np.argsort(curves.auc)]
    assert f"{curves.macro:.3f}" in box.get_title().get_text()
    worst = curves.points[curves.auc.argmin()]
    for axes in (whole, corner):
        assert np.array_equal(axes.lines[0].get_xydata().T, worst)
        assert len({line.get_color() for line in axes.lines[:10]}) == 10
    assert corner.get_xlim() == pytest.approx((0, 0.3))
    with pytest.raises(ValueError, match="10 ROC curves do not fit 9 classes"):
        draw_roc(curves, GENRES[:9], "")


def test_lengths_share_an_axis_and_single_files_are_marked():
    lengths_s = np.append(np.full(100, 5.0), [3.6, 7.2])
    figure = draw_lengths([("stems", np.linspace(2, 3, 40)), ("noise clips", lengths_s)])
    stems, noises = figure.axes
    assert stems.get_title(loc="left") == "stems: 40, 2.0 to 3.0 s, median 2.5 s"
    assert noises.get_title(loc="left") == "noise clips: 102, 3.6 to 7.2 s, median 5.0 s"
    assert noises.get_xlabel() == "length (s)"
    assert stems.get_xlim() == noises.get_xlim()
    figure.draw_without_rendering()
    heights = [axes.get_window_extent().height for axes in figure.axes]
    assert min(heights) > 0.5 * figure.bbox.height / 2
    assert sum(bar.get_height() for bar in noises.patches) == 102
    assert sorted(noises.lines[0].get_xdata()) == [3.6, 7.2]
    for empty in ([], [("stems", np.zeros(0))]):
        with pytest.raises(ValueError, match="lengths"):
            draw_lengths(empty)


def test_silence_is_a_dot_a_stem_with_its_part_s_median():
    table = pd.DataFrame(
        {
            "part": ["vocals", "drums", "vocals", "vocals"],
            "silent_share": [0.5, 0.0, 0.7, 1.0],
            "longest_silence_s": [2.0, 0.0, 3.0, 8.0],
        }
    )
    shares, longest = draw_silence(table).axes
    assert [label.get_text() for label in shares.get_xticklabels()] == ["drums", "vocals"]
    assert [line.get_ydata().tolist() for line in shares.lines] == [[0], [0, 0], [50, 70, 100], [70, 70]]
    assert [line.get_ydata().tolist() for line in longest.lines] == [[0], [0, 0], [2, 3, 8], [3, 3]]
    assert longest.get_ylim()[1] > 8
    assert draw_silence(table[1:2]).axes[1].get_ylim()[1] > 1
    with pytest.raises(ValueError, match="at least one stem"):
        draw_silence(table[:0])


def test_a_wave_shows_every_peak_and_its_noise():
    wave = np.zeros(160_000, np.float32)
    wave[[12_345, 150_000]] = 0.9, -0.7
    figure = draw_wave(wave, 16_000, "A mashup", [("dog", 1.0, 2.5), ("rain", 2.0, 4.0)])
    (axes,) = figure.axes
    ends = np.array([segment[:, 1] for segment in axes.collections[0].get_segments()])
    assert (ends.min(), ends.max()) == pytest.approx((-0.7, 0.9))
    loudest = axes.collections[0].get_segments()[ends[:, 1].argmax()]
    assert loudest[0, 0] == pytest.approx(12_345 / 16_000, abs=0.01)
    assert axes.get_xlim() == (0, 10)
    strips = [strip.get_paths()[0].get_extents() for strip in axes.collections[1:]]
    assert [(strip.x0, strip.x1) for strip in strips] == [(1, 2.5), (2, 4)]
    assert 1 < strips[0].y0 < strips[0].y1 < strips[1].y0 < strips[1].y1 < axes.get_ylim()[1]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["rain", "dog"]
    assert draw_wave(wave[:7], 16_000, "Short").legends == []
    for bad in (np.zeros(0), np.zeros((2, 5))):
        with pytest.raises(ValueError, match="waveform"):
            draw_wave(bad, 16_000, "")


def test_a_notebook_gets_a_picture_without_pyplot(tmp_path, matrix):
    figure = draw_confusion(matrix, GENRES, "Out of fold")
    png = figure._repr_png_()
    assert imread(io.BytesIO(png)).shape[0] > 300
    confusion_picture(matrix, GENRES, tmp_path / "confusion.png", "Out of fold")
    assert (tmp_path / "confusion.png").read_bytes() == png


def test_predictions_are_counted_in_the_order_of_the_classes_and_beside_their_certainty():
    figure = draw_predictions(["pop", "jazz", "pop"], np.array([0.9, 0.5, 0.52]), ["jazz", "pop", "rock"])
    counted, sure = figure.axes
    assert [bar.get_height() for bar in counted.patches] == [1, 2, 0]
    assert counted.lines[0].get_ydata()[0] == 1, "the dashed line is a third of three"
    assert [bar.get_height() for bar in sure.patches if bar.get_height()] == [2, 1]
    with pytest.raises(ValueError, match="no predictions"):
        draw_predictions(["pop"], np.array([0.9, 0.5]), ["jazz", "pop"])


def test_band_levels_are_means_over_all_frames_whatever_the_clips_lengths():
    quiet, loud = np.zeros((3, 4)), np.full((1, 4), 8.0)
    axes = draw_band_levels({"made here": [quiet, loud], "test": [loud]}).axes[0]
    made, test = axes.lines
    assert made.get_ydata().tolist() == [2.0] * 4
    assert test.get_ydata().tolist() == [8.0] * 4
    assert legend(axes) == ["made here (2 clips)", "test (1 clips)"]
    with pytest.raises(ValueError, match="at least one"):
        draw_band_levels({"made here": []})
