"""Pictures of likeness show whose clips are whose, with their medians, and what tells them apart."""

from functools import partial

import numpy as np
import pandas as pd
import pytest

from messy_mashup.calibration.adversary import Features, adversarial_auc
from messy_mashup.scoring.plots_of_likeness import (
    adversaries_picture,
    descriptors_picture,
    draw_adversaries,
    draw_descriptors,
)

NAMES = ("level_db", "centroid_hz", "tempo_bpm", "pulse", "silent_share")


def table(seed: int, shift: float = 0.0) -> pd.DataFrame:
    values = np.random.default_rng(seed).normal(shift, 1, (60, len(NAMES)))
    values[:, -1] = 0
    return pd.DataFrame(values, columns=list(NAMES))


@pytest.fixture(scope="module")
def adversaries():
    folds = np.arange(60) % 3
    return {
        name: adversarial_auc(Features(table(1, shift), folds), Features(table(2), folds))
        for name, shift in (("before", 2.0), ("calibrated", 0.0))
    }


def test_each_descriptor_has_a_panel_with_medians_and_all_its_clips():
    tables = {"before": table(1, 2.0), "calibrated": table(2)}
    figure = draw_descriptors(table(3), tables, "A likeness")
    panels = [axes for axes in figure.axes if axes.axison]
    assert [axes.get_title(loc="left").split(":")[0] for axes in panels] == list(NAMES)
    medians = [frame["level_db"].median() for frame in (table(3), *tables.values())]
    assert panels[0].get_title(loc="left") == "level_db: " + " | ".join(f"{median:.4g}" for median in medians)
    assert [float(line.get_xdata()[0]) for line in panels[0].lines] == pytest.approx(medians)
    assert sum(bar.get_height() for bar in panels[0].containers[0]) == pytest.approx(100)
    (key,) = figure.legends
    assert [text.get_text() for text in key.get_texts()] == [
        "test (60 clips)",
        "before (60 clips)",
        "calibrated (60 clips)",
    ]
    assert key.get_title().get_text().startswith("A likeness")


def test_one_odd_clip_does_not_take_the_axis():
    many = pd.DataFrame({"level_db": np.linspace(0, 1, 400)})
    odd = many.copy()
    odd.iloc[0] = -1000.0
    low, high = draw_descriptors(odd, {"simulated": many}, "").axes[0].get_xlim()
    assert -1 < low < high < 2


def test_curves_name_their_areas_and_bars_the_same_features_for_both(adversaries):
    curve, bars = draw_adversaries(adversaries, "Adversaries").axes
    told = [text.get_text() for text in curve.get_legend().get_texts()]
    for line, (name, adversary) in zip(told, adversaries.items(), strict=False):
        assert line.startswith(f"{name}: AUC {adversary.auc:.3f} (")
    first = adversaries["before"].telling["feature"]
    assert [label.get_text() for label in bars.get_yticklabels()][::-1] == first.tolist()
    widths = [[bar.get_width() for bar in group][::-1] for group in bars.containers]
    assert 0.5 + widths[0][0] == pytest.approx(adversaries["before"].telling["auc"].iat[0])
    calibrated = adversaries["calibrated"].telling.set_index("feature")["auc"]
    assert 0.5 + np.array(widths[1]) == pytest.approx(calibrated[first].to_numpy())
    assert bars.get_title() == 'What gives "before" away'


def test_of_neighbouring_bands_only_the_most_telling_is_shown():
    values, folds = np.random.default_rng(0).normal(size=(60, 3)), np.arange(60) % 3
    names = ["mean_db, 0-100 Hz", "mean_db, 50-150 Hz", "flux_db"]
    simulated, test = (pd.DataFrame(values + shift, columns=names) for shift in ([0, 0, 0], [2, 1, 0.1]))
    told = adversarial_auc(Features(simulated, folds), Features(test, folds))
    _, bars = draw_adversaries({"before": told}, "").axes
    assert [label.get_text() for label in bars.get_yticklabels()] == ["flux_db", "mean_db, 0-100 Hz"]


def test_pictures_are_the_same_bytes_every_time(tmp_path, adversaries):
    drawn = {
        "histograms.png": partial(descriptors_picture, table(3), {"before": table(1)}),
        "adversaries.png": partial(adversaries_picture, adversaries),
    }
    for name, draw in drawn.items():
        for folder in ("once", "again"):
            draw(tmp_path / folder / name, "Likeness")
        assert (tmp_path / "once" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_what_cannot_be_drawn_is_refused(adversaries):
    with pytest.raises(ValueError, match="all filled"):
        draw_descriptors(table(1), {}, "")
    with pytest.raises(ValueError, match="all filled"):
        draw_descriptors(table(1).head(0), {"before": table(2)}, "")
    with pytest.raises(ValueError, match="lack the descriptor pulse"):
        draw_descriptors(table(1), {"before": table(2).drop(columns="pulse")}, "")
    with pytest.raises(ValueError, match="one to 3"):
        draw_adversaries({}, "")
