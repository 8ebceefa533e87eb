"""A report's part on how a blend's runs are combined: from the study that blend.py leaves beside the blend."""

from pathlib import Path
from typing import Any

import pandas as pd

from messy_mashup.errors import UserError
from messy_mashup.own_files import read_object, shortened
from messy_mashup.scoring import page
from messy_mashup.scoring.blend_report import MEMBERS, METHODS, STUDY
from messy_mashup.scoring.blending import EQUAL
from messy_mashup.scoring.report_page import Part

READ_METHODS = (
    "Each dot is a method's pooled macro F1 less that of equal weights, its bar the interval that holds for all "
    "methods together: grey where it reaches zero."
)
READ_MEMBERS = (
    "The score of blends of so many runs: the mean and range over the blends of that size, and the blend to which the "
    "best next run is added, chosen on other folds."
)


def parts_of_study(blends: Path, name: str) -> list[Part]:
    """Methods, runs and score against number of runs; nothing for a blend of one run, which has no study."""
    path = blends / f"{name}{STUDY}"
    if not path.is_file():
        return []
    study = read_object(path, "run blend.py again", finite=False)
    try:
        methods, runs = [page.table(_methods(study["methods"]))], [page.table(_runs(study))]
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} is no study of this version ({shortened(str(error))}): run blend.py again") from error
    for end, body, alt, caption in (
        (METHODS, methods, "differences of the methods' scores from equal weights", READ_METHODS),
        (MEMBERS, runs, "score against the number of runs", READ_MEMBERS),
    ):
        if (blends / f"{name}{end}").is_file():
            body.append(page.figure(blends / f"{name}{end}", alt, caption))
    return [Part("Ways to combine the runs", methods), Part("What each run is worth", runs)]


def _methods(methods: list[dict[str, Any]]) -> pd.DataFrame:
    rows = []
    for method in methods:
        against, figures = method["against_equal"], method["figures"]
        is_equal = method["name"] == EQUAL
        rows.append(
            {
                "method": method["name"],
                "macro F1, pooled": f"{figures['macro_f1']:.4f}",
                "against equal": "" if is_equal else f"{against['difference']:+.4f}",
                "95 % interval": "" if is_equal else f"{against['low']:+.4f} to {against['high']:+.4f}",
                "log loss": f"{figures['log_loss']:.3f}",
                "ECE": f"{figures['ece']:.3f}",
            }
        )
    return pd.DataFrame(rows)


def _runs(study: dict[str, Any]) -> pd.DataFrame:
    rows = []
    for run in study["runs"]:
        by_leaving = run["by_leaving"]
        rows.append(
            {
                "run": run["name"],
                "macro F1 alone": f"{run['alone']['macro_f1']:.4f}",
                "its temperature": f"{run['temperature']:.2f}",
                "gain by leaving it out": f"{by_leaving['difference']:+.4f}",
                "95 % interval": f"{by_leaving['low']:+.4f} to {by_leaving['high']:+.4f}",
                "the run": study["verdicts"][run["name"]],
            }
        )
    return pd.DataFrame(rows)
