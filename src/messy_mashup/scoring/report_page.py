"""The page of a report: figures first, then a part a picture, then the mistakes, which can be played.

A page is a list of parts, each a title and its HTML, so that a caller can add parts of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from messy_mashup.scoring import page
from messy_mashup.scoring.plots import draw_confusion, draw_confusion_shares, draw_roc, write_png
from messy_mashup.scoring.plots_of_scores import draw_class_scores, draw_reliability, draw_run_curves
from messy_mashup.scoring.reliability import BINS
from messy_mashup.scoring.report_figures import Figures

PAGE = "index.html"
MOST_CURVES = 10  # runs whose curves are on the page: it shall stay small enough to be sent
HELD_OUT = (
    "Every clip was predicted by members that had never met its songs. Intervals are of 95 %, from 1,000 draws of the "
    "clips with replacement. Clips that share songs are not independent, so for other songs the intervals are too "
    "narrow, and they say nothing of other seeds."
)


FOLDS_APART = "Each fold's songs are met by no other fold. The SD (n - 1) is that of single folds, not of their mean."
SPLITS_MEET = (
    "A fold is a split of its own, drawn from all songs: a song may be in several, and intervals over clips on this "
    "page are too narrow. The SD (n - 1) is that of single splits."
)


@dataclass(frozen=True)
class Part:
    """A part of the page; `body` is HTML, as the functions of page.py make it."""

    title: str
    body: Sequence[str]


def write_report(folder: Path, title: str, parts: Sequence[Part]) -> Path:
    """Write the page of these parts into `folder`, and give its path."""
    body = [piece for part in parts for piece in (page.heading(part.title), *part.body)]
    page.write_page(folder / PAGE, title, body)
    return folder / PAGE


def parts_of_scores(
    folder: Path, told: Figures, name: str, notes: Sequence[str], folds_note: str = FOLDS_APART
) -> list[Part]:
    """Summary, folds, classes, confusion, calibration and ROC; pictures are written into `folder`."""
    return [
        _summary(told, notes),
        _folds(told.folds, folds_note),
        _classes(folder, told, name),
        _confusion(folder, told, name),
        _calibration(folder, told, name),
        _roc(folder, told, name),
    ]


def parts_of_repetitions(table: pd.DataFrame) -> list[Part]:
    """The scores of a split's parts in the mean over its repetitions, from `repetition_table`; none without rows."""
    if table.empty:
        return []
    several = table["repetitions"].max() > 1
    rows = table.assign(mean=table["mean"].map("{:.3f}".format))
    if several:
        rows = rows.assign(SD=table["sd"].map("{:.3f}".format))
        rows["95 % interval"] = _intervals(table["low"], table["high"])
    text = (
        "Intervals are of the mean over random splits, widened because the splits share most of their training songs "
        "(Nadeau and Bengio 2003). The test part was predicted once, by the last weights."
        if several
        else "There is one split only, so nothing can be said of the spread over splits."
    )
    return [Part("Validation and test", [page.table(rows.drop(columns=["sd", "low", "high"])), page.paragraph(text)])]


def part_of_curves(folder: Path, curves: Mapping[str, Mapping[str, pd.DataFrame]]) -> Part:
    """The learning curves, a picture a run, written into `folder`."""
    if not curves:
        return Part(
            "Learning curves", [page.paragraph("No member has its metrics.csv any more: nothing can be drawn.")]
        )
    body = []
    for number, (run, members) in enumerate(curves.items()):
        png = write_png(draw_run_curves(members, run), folder / f"curves_{run}.png")
        if number < MOST_CURVES:
            caption = f"{run}: a thin line a member ({', '.join(members)}), the thick line their mean."
            body.append(page.figure(png, f"learning curves of the run {run}", caption))
    body.append(
        page.paragraph(
            "Where the validation loss rises while the training loss falls, the network learns its training clips by "
            "heart. Training clips may be augmented, so their score can lie below the validation's."
        )
    )
    if len(curves) > MOST_CURVES:
        body.append(page.paragraph(f"The curves of {len(curves) - MOST_CURVES} more runs are PNGs beside this page."))
    return Part("Learning curves", body)


def _summary(told: Figures, notes: Sequence[str]) -> Part:
    rows = told.scores.assign(
        **{
            "": told.scores["score"],
            "value": told.scores["value"].map("{:.3f}".format),
            "95 % interval": _intervals(told.scores["low"], told.scores["high"]),
            "better": [
                "lower" if name in ("log loss", "Brier score", "ECE") else "higher" for name in told.scores["score"]
            ],
        }
    )[["", "value", "95 % interval", "better"]]
    clips, folds = int(told.folds["clips"].sum()), len(told.folds)
    first = f"{clips} held-out clips of {len(told.classes)} classes in {folds} fold{'s' if folds > 1 else ''}, pooled."
    absent = [f"No clip is of {', '.join(told.absent)}: in macro F1 such a class counts as 0."] if told.absent else []
    sentences = [first, *absent, *notes]
    return Part("Summary", [page.paragraph(" ".join(sentences)), page.table(rows), page.paragraph(HELD_OUT)])


def _folds(folds: pd.DataFrame, note: str) -> Part:
    scores = ["macro_f1", "accuracy", "log_loss"]
    rows = folds.assign(fold=folds["fold"].astype(str), **{name: folds[name].map("{:.3f}".format) for name in scores})
    last = [{"fold": "mean", "clips": ""} | {name: f"{folds[name].mean():.3f}" for name in scores}]
    if len(folds) > 1:
        last.append({"fold": "SD", "clips": ""} | {name: f"{folds[name].std():.3f}" for name in scores})
    else:
        note = "There is one fold only, so nothing can be said of the spread over folds."
    rows = pd.concat([rows.astype(str), pd.DataFrame(last)], ignore_index=True)
    rows = rows.rename(columns={"macro_f1": "macro F1", "log_loss": "log loss"})
    return Part("Folds", [page.table(rows), page.paragraph(note)])


def _classes(folder: Path, told: Figures, name: str) -> Part:
    table = told.classes
    intervals = table[["f1_low", "f1_high"]].to_numpy().T
    drawn = draw_class_scores(table["class"].tolist(), table["f1"].to_numpy(), intervals, f"{name}: F1 of each class")
    rows = pd.DataFrame(
        {
            "class": table["class"],
            **{column: table[column].map("{:.3f}".format) for column in ("precision", "recall")},
            "F1": table["f1"].map("{:.3f}".format),
            "95 % interval of F1": _intervals(table["f1_low"], table["f1_high"]),
            "AUC": table["auc"].map(lambda area: "" if pd.isna(area) else f"{area:.3f}"),
            "clips": table["clips"],
        }
    )
    caption = "The worst class is on top. Where the lines of two classes overlap widely, their order is chance."
    picture = page.figure(write_png(drawn, folder / "classes.png"), "bars of the F1 of each class", caption)
    reading = "Precision: of the clips called so, the share that is. Recall: of the clips that are so, the share found."
    return Part("Classes", [picture, page.table(rows), page.paragraph(reading)])


def _confusion(folder: Path, told: Figures, name: str) -> Part:
    classes = told.classes["class"].tolist()
    counts = write_png(draw_confusion(told.confusion, classes, f"{name}: clips"), folder / "confusion.png")
    shares = draw_confusion_shares(told.confusion, classes, name)
    shares_png = write_png(shares, folder / "confusion_normalised.png")
    return Part(
        "Confusion",
        [
            page.figure(
                counts, "confusion matrix in counts", "A row is what clips are, a column what they were called."
            ),
            page.figure(
                shares_png,
                "confusion matrix, each row in per cent",
                "The same, each row in per cent of its class: the diagonal is the recall. Less than 0.5 % is blank.",
            ),
        ],
    )


def _calibration(folder: Path, told: Figures, name: str) -> Part:
    scores = told.scores.set_index("score")
    error = scores.loc["ECE", "value"]
    png = write_png(draw_reliability(told.bins, error, f"{name}: reliability"), folder / "reliability.png")
    middle, high = told.calibrated_ece
    beyond = "more than chance explains" if error > high else "no more than chance explains"
    text = (
        f"ECE {error:.3f}: the mean distance between confidence and accuracy, over {BINS} bins of equal width, each "
        "weighted by its clips (Guo et al., ICML 2017). With as few clips a perfectly calibrated model would show "
        f"{middle:.3f}, and at most {high:.3f} in 95 % of draws: this is {beyond}. Draws add noise, so the interval "
        "of ECE lies somewhat high."
    )
    caption = (
        "A point below the dashed line: the model is right less often than it says. The lower panel tells how many "
        "clips stand behind each point."
    )
    picture = page.figure(png, "reliability diagram with a histogram of the confidence", caption)
    return Part("Calibration", [picture, page.paragraph(text)])


def _roc(folder: Path, told: Figures, name: str) -> Part:
    title = "Each class against the rest"
    if not told.roc:
        return Part(title, [page.paragraph("All clips are of one class, so there is no ROC curve.")])
    png = write_png(
        draw_roc(told.roc, told.roc_classes, f"{name}: ROC, each class against the rest"), folder / "roc.png"
    )
    caption = (
        f"Macro AUC {told.roc.macro:.3f}, the mean of the classes. A curve close to the upper left corner, of a class "
        "whose F1 is poor: the order of the clips is right, and only the choice among classes is not. A flat curve: "
        "the sound is not told apart."
    )
    body = [page.figure(png, "ROC curves with the AUC of each class", caption)]
    if told.absent:
        body.append(page.paragraph(f"Without clips there is no curve: {', '.join(told.absent)}."))
    return Part(title, body)


def _intervals(low: pd.Series, high: pd.Series) -> list[str]:
    return [f"{one:.3f} to {other:.3f}" for one, other in zip(low, high, strict=True)]
