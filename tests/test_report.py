"""The figures, parts and files of a report, also of clips that lack a class, a fold or a mistake."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from messy_mashup.errors import UserError
from messy_mashup.scoring import metrics, page
from messy_mashup.scoring.averages import averages
from messy_mashup.scoring.predictions import Predictions
from messy_mashup.scoring.reliability import ece
from messy_mashup.scoring.report_figures import figures, write_figures
from messy_mashup.scoring.report_mistakes import Silence, Sound, part_of_mistakes
from messy_mashup.scoring.report_page import Part, part_of_curves, parts_of_scores, write_report

CLASSES = np.array(["blues", "jazz", "rock"])
CURVES = pd.DataFrame(
    [[1, 0.1, 2.0, 0.3, 1.9, 0.25, 0.5], [2, 0.1, 1.5, 0.5, 1.8, 0.4, 0.5]],
    columns=["epoch", "lr", "train_loss", "train_accuracy", "val_loss", "val_macro_f1", "val_accuracy"],
)


def held_out(labels, hit=1.0, folds=2):
    logits = np.random.default_rng(0).normal(size=(len(labels), 3)).astype(np.float32)
    logits[np.arange(len(labels)), labels] += hit
    ids = np.array([f"clip{number:03d}" for number in range(len(labels))])
    return Predictions(ids, CLASSES, logits, np.arange(len(labels)) % folds, np.asarray(labels), "plan")


@pytest.fixture(scope="module")
def clips():
    return held_out(np.arange(120) % 3)


@pytest.fixture(scope="module")
def told(clips):
    return figures(clips)


def body(part):
    return "\n".join(part.body)


def text_of(parts):
    return re.sub(r"<[^>]+>", " ", "\n".join(map(body, parts)))


def test_every_score_has_its_value_within_its_interval(clips, told):
    truth = clips.label, clips.logits
    scores = told.scores.set_index("score")
    assert scores["value"].to_dict() == {
        "macro F1": metrics.macro_f1(*truth),
        "accuracy": metrics.accuracy(*truth),
        "log loss": metrics.log_loss(*truth),
        "Brier score": metrics.brier(*truth),
        "ECE": ece(*truth),
        **{name: score for name, score in averages(*truth).items() if name != "macro F1"},
    }
    unbiased = scores.drop(index="ECE")
    assert (unbiased["low"] < unbiased["value"]).all()
    assert (unbiased["value"] < unbiased["high"]).all()
    assert told.classes["f1"].mean() == pytest.approx(scores.loc["macro F1", "value"])
    assert told.classes["auc"].mean() == pytest.approx(told.roc.macro)


def test_the_files_hold_the_figures(told, tmp_path):
    write_figures(tmp_path, told, {"name": "cnn"})
    content = json.loads((tmp_path / "metrics.json").read_text())
    assert content["name"] == "cnn"
    assert content["scores"] == told.scores.to_dict("records")
    assert content["macro_auc"] == told.roc.macro
    assert np.sum(content["confusion"]["counts"]) == 120
    written = pd.read_csv(tmp_path / "per_class.csv")
    assert written.columns.tolist() == ["class", "precision", "recall", "f1", "f1_low", "f1_high", "auc", "clips"]
    assert written["f1"].tolist() == pytest.approx(told.classes["f1"].tolist())
    assert pd.read_csv(tmp_path / "folds.csv")["clips"].tolist() == [60, 60]


def test_the_page_has_every_part_and_every_picture(clips, told, tmp_path):
    parts = [
        *parts_of_scores(tmp_path, told, "cnn", ["A note."]),
        part_of_curves(tmp_path, {"cnn": {"fold0": CURVES, "fold1": CURVES}}),
        part_of_mistakes(clips, Silence("the bank is gone")),
        Part("One of the caller's", [page.paragraph("more")]),
    ]
    written = write_report(tmp_path, "Run cnn", parts).read_text()
    titles = re.findall("<h2>(.*?)</h2>", written)
    assert titles[0] == "Summary"
    assert titles[-1] == "One of the caller&#x27;s"
    pictures = sorted(path.name for path in tmp_path.glob("*.png"))
    assert pictures == [
        "classes.png",
        "confusion.png",
        "confusion_normalised.png",
        "curves_cnn.png",
        "reliability.png",
        "roc.png",
    ]
    assert written.count("data:image/png;base64,") == len(pictures)
    assert len(re.findall('<img [^>]*alt="[^"]{10,}"', written)) == len(pictures)
    assert written.count("<figcaption>") == len(pictures)
    told_text = text_of(parts)
    assert "120 held-out clips of 3 classes in 2 folds, pooled. A note." in told_text
    assert f"{told.scores['value'][0]:.3f}" in told_text
    assert "cannot be played here: the bank is gone" in told_text


def test_a_class_without_clips_has_no_curve_and_is_told(tmp_path):
    told = figures(held_out(np.arange(80) % 2))
    assert told.absent == ["rock"]
    assert told.roc_classes == ("blues", "jazz")
    assert np.isnan(told.classes["auc"]).tolist() == [False, False, True]
    parts = parts_of_scores(tmp_path, told, "cnn", [])
    assert "No clip is of rock: in macro F1 such a class counts as 0." in text_of(parts)
    assert "Without clips there is no curve: rock." in body(parts[-1])
    write_figures(tmp_path, told, {})
    assert pd.read_csv(tmp_path / "per_class.csv")["auc"].isna().tolist() == [False, False, True]


def test_one_fold_or_one_class_leave_out_what_cannot_be_told(tmp_path):
    told = figures(held_out(np.zeros(30, int), folds=1))
    parts = parts_of_scores(tmp_path, told, "cnn", [])
    assert "in 1 fold, pooled" in text_of(parts)
    assert "nothing can be said of the spread" in body(parts[1])
    assert "SD" not in body(parts[1])
    assert "there is no ROC curve" in body(parts[-1])
    assert not (tmp_path / "roc.png").exists()
    write_figures(tmp_path, told, {})
    assert json.loads((tmp_path / "metrics.json").read_text())["macro_auc"] is None


def test_no_clip_is_refused():
    with pytest.raises(UserError, match="no held-out clip"):
        figures(held_out(np.zeros(0, int)))


def test_calibration_says_whether_chance_explains_it(tmp_path):
    sure = held_out(np.arange(300) % 3)
    too_sure = Predictions(sure.id, CLASSES, sure.logits * 6, sure.fold, sure.label, "")
    assert "more than chance explains" in body(parts_of_scores(tmp_path, figures(too_sure), "cnn", [])[4])
    right = held_out(np.arange(300) % 3, hit=30.0)
    assert "no more than chance explains" in body(parts_of_scores(tmp_path, figures(right), "cnn", [])[4])


def test_curves_of_many_runs_are_not_all_on_the_page(tmp_path):
    part = part_of_curves(tmp_path, {f"run{number}": {"fold0": CURVES} for number in range(12)})
    assert body(part).count("<img ") == 10
    assert "The curves of 2 more runs are PNGs" in body(part)
    assert len(list(tmp_path.glob("curves_*.png"))) == 12
    assert "nothing can be drawn" in body(part_of_curves(tmp_path, {}))


def test_mistakes_can_be_played_and_are_linked(clips):
    asked = []

    def wave(id_):
        asked.append(id_)
        return np.zeros(16_000 * 12)

    part = part_of_mistakes(clips, Sound(wave, lambda id_: f"songs of {id_}", 16_000))
    written = body(part)
    assert len(asked) == len(set(asked)) == written.count("<audio ") == 12
    assert all(f"{id_}: songs of {id_}" in written for id_ in asked)
    for target in re.findall('href="#([^"]+)"', written):
        assert written.count(f'id="{target}"') == 1
    first = re.search(r'<a href="#pair0">(\w+) and (\w+)</a></td>\s*<td>(\d+)</td>\s*<td>(\d+)</td>', written)
    one, other = (CLASSES.tolist().index(name) for name in first.groups()[:2])
    counts = metrics.confusion(clips.label, clips.logits)
    assert [int(count) for count in first.groups()[2:]] == [counts[one, other], counts[other, one]]


def test_a_clip_is_cut_to_ten_seconds_and_told(clips, monkeypatch):
    lengths = []
    monkeypatch.setattr(page, "ogg", lambda wave, rate_hz: lengths.append(len(wave)) or b"sound")
    sound = Sound(lambda id_: np.zeros(16_000 * (12 if id_ > "clip060" else 3)), str, 16_000)
    assert "At most 10 s of each" in body(part_of_mistakes(clips, sound))
    assert set(lengths) <= {160_000, 48_000}


def test_no_mistake_is_told():
    assert "There is none" in body(part_of_mistakes(held_out(np.arange(9) % 3, hit=50.0), Silence("")))
