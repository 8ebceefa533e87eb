"""What a calibration came to, as a page of tables and pictures, and as PNGs beside it."""

from pathlib import Path

import pandas as pd

from messy_mashup.calibration.fit import Calibration
from messy_mashup.scoring import page
from messy_mashup.scoring.calibration_job import Comparison
from messy_mashup.scoring.plots_of_likeness import adversaries_picture, descriptors_picture

PAGE, DESCRIPTORS, ADVERSARIES = "calibration.html", "descriptors.png", "adversaries.png"
BEFORE, AFTER = "the recipe as it was", "calibrated"


def told(figures: pd.DataFrame) -> pd.DataFrame:
    """The figures as a person reads them: three digits, an interval in one column, and what could not be identified."""
    ends = zip(figures["low"], figures["high"], strict=True)
    interval = [f"{low:.3g} to {high:.3g}" if low <= high else "" for low, high in ends]
    return pd.DataFrame(
        {
            "number": figures["number"],
            "was": figures["was"].map("{:.3g}".format),
            "fitted": figures["fitted"].map("{:.3g}".format),
            "90 % interval": interval,
            "finds": figures["evidence"],
            "": ["" if is_known else "not identified: kept as it was" for is_known in figures["identified"]],
        }
    )


def write_calibration_page(folder: Path, fitted: Calibration, before: Comparison, after: Comparison) -> None:
    """Write the page and its pictures into `folder`."""
    simulated = {BEFORE: before.simulated, AFTER: after.simulated}
    descriptors_picture(before.test, simulated, folder / DESCRIPTORS, "Test mashups and simulated ones")
    adversaries = {BEFORE: before.likeness.without_length, AFTER: after.likeness.without_length}
    adversaries_picture(adversaries, folder / ADVERSARIES, "Test against simulated, at equal lengths")
    recipe = fitted.recipe
    parts = [
        page.paragraph(
            "The numbers of the mashup recipe, fitted to what was found in the unlabelled test mashups. An interval is "
            "from 200 bootstrap samples of the mashups; lengths are read off and have none. What cannot be identified "
            "keeps the recipe's value."
        ),
        page.table(told(fitted.figures)),
        page.paragraph(
            f"A burst's gain multiplies what burst_level={recipe.burst_level} says; bursts "
            f"{'end with their mashup at the latest' if recipe.inside else 'may be cut by the end of their mashup'}."
        ),
        page.heading("Descriptors"),
        page.table(_medians(before, after)),
        page.picture(folder / DESCRIPTORS, "histograms of descriptors of test and simulated mashups"),
        page.heading("Can they be told apart?"),
        page.paragraph(
            "A classifier that has learnt from mashups of other songs tells simulated from test mashups. AUC .5 is "
            "chance. Songs of the test that are not in the data set, and test mashups that share songs, lift it "
            "whatever the recipe does."
        ),
        page.table(_areas({BEFORE: before, AFTER: after})),
        page.picture(folder / ADVERSARIES, "ROC curves of the adversary before and after, and the features that tell"),
    ]
    page.write_page(folder / PAGE, "Calibration against the test mashups", parts)


def _medians(before: Comparison, after: Comparison) -> pd.DataFrame:
    sides = {"test": before.test, BEFORE: before.simulated, AFTER: after.simulated}
    medians = pd.DataFrame({name: table.median() for name, table in sides.items()})
    return medians.map("{:.4g}".format).rename_axis("median of").reset_index()


def _areas(sides: dict[str, Comparison]) -> pd.DataFrame:
    rows = []
    for name, side in sides.items():
        for kind, told_apart in zip(("with length", "at equal lengths"), side.likeness, strict=True):
            low, high = told_apart.interval
            rows.append(
                {"recipe": name, "features": kind, "AUC": f"{told_apart.auc:.3f}", "95 %": f"{low:.3f} to {high:.3f}"}
            )
    return pd.DataFrame(rows)
