"""Pictures of found stems: drawn for what was found and for nothing, with the figures that were given."""

import numpy as np
import pandas as pd

from messy_mashup.scoring.match_likelihood import Sureness
from messy_mashup.scoring.plots_of_matches import draw_found_counts, draw_significance, draw_stems, lanes_told

COLUMNS = ["song", "part", "rate", "offset_s", "significance", "probability", "steady"]
MATCHES = pd.DataFrame(
    [
        ["rock.00001", "drums", 1.0, 0.25, 40.0, 0.999, True],
        ["rock.00002", "bass", 0.95, 1.5, 7.0, 0.9, False],
    ],
    columns=COLUMNS,
)


def words(figure) -> str:
    return " | ".join(text.get_text() for axes in figure.axes for text in axes.texts)


def test_a_lane_for_each_found_stem_says_where_in_its_song_it_is_heard():
    figure = draw_stems(np.zeros((100, 32)), MATCHES, 10.0, "song0001.wav: rock")
    told = words(figure)
    assert "drums of rock.00001, 0.25 to 10.25 s, as it is, 40 deviations, 99.9%" in told
    assert "bass of rock.00002, 1.50 to 11.00 s, rate 0.950, 7 deviations, 90.0%" in told
    assert len(figure.axes[1].patches) == 2
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_nothing_found_is_said():
    figure = draw_stems(np.zeros((100, 32)), MATCHES[:0], 10.0, "song0002.wav: no stem found")
    assert "no stem of the data set was found" in words(figure)


def test_shares_are_of_each_group_s_mashups():
    figure = draw_found_counts({"test": np.array([0, 0, 2, 4]), "probes": np.array([4])})
    heights = [[bar.get_height() for bar in bars] for bars in figure.axes[0].containers]
    assert heights == [[0.5, 0, 0.25, 0, 0.25], [0, 0, 0, 0, 1.0]]


def test_significances_out_of_range_are_drawn_at_its_ends():
    groups = {"right": np.array([5.0, 900.0]), "wrong": np.array([-3.0, 0.5])}
    figure = draw_significance(groups, Sureness(-8.0, 5.0, 0.99), 6.0)
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert labels == ["right (2)", "wrong (2)"]
    curve = figure.axes[1].lines[0].get_ydata()
    assert (np.diff(curve) >= 0).all()
    assert curve.max() == 0.99


def test_lines_name_part_song_place_and_sureness():
    assert lanes_told(MATCHES)[1].split() == (
        ["bass", "rock.00002", "from", "1.50", "s,", "rate", "0.950,", "7.0", "deviations", "above", "chance,", "90.0%"]
    )
