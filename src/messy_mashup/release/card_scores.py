"""The part of a model card that tells scores: what they are, how they were measured, where the model is weak."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from messy_mashup.release.released_members import Released
from messy_mashup.scoring.report_figures import Figures

SPREAD = ("macro F1", "accuracy", "log loss", "ECE")


@dataclass(frozen=True)
class LeaderboardScore:
    """What an entry of just these members scored, as the ledger has it; None where that is not known."""

    file: str
    public: float | None
    private: float | None


def results_section(
    released: Released,
    figures: Figures,
    root_figures: Figures | None,
    leaderboard: tuple[LeaderboardScore, ...],
    picture: str,
) -> str:
    """Scores with intervals, folds, classes, confusion."""
    parts = ["## How good it is", _how_measured(released, figures), _scores(figures)]
    if root_figures is not None:
        value = root_figures.scores.set_index("score").loc["macro F1"]
        parts.append(
            f"The run of the model in the root alone (`{released.root.run}`): macro F1 {value.value:.3f} "
            f"({value.low:.3f} to {value.high:.3f})."
        )
    parts += [_folds(released, figures), _classes(figures)]
    parts.append(f"![Rows: true class, columns: predicted class, counts of held-out clips]({picture})")
    parts.append(_leaderboard(leaderboard))
    return "\n\n".join(part for part in parts if part)


def most_confused(figures: Figures, count: int = 3) -> list[tuple[str, str, int, int]]:
    """The pairs that are mistaken most, by the share of the true class: true, taken for, clips, of so many."""
    names, matrix = figures.classes["class"].tolist(), figures.confusion
    wrong = matrix.copy()
    np.fill_diagonal(wrong, 0)
    shares = wrong / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    order = np.argsort(-shares, axis=None, kind="stable")[:count]
    places = [np.unravel_index(place, shares.shape) for place in order]
    return [
        (names[row], names[column], int(wrong[row, column]), int(matrix[row].sum()))
        for row, column in places
        if wrong[row, column]
    ]


def weakest_classes(figures: Figures, count: int = 3) -> pd.DataFrame:
    """The classes of the lowest F1 among those that have clips, lowest first."""
    return figures.classes[figures.classes["clips"] > 0].nsmallest(count, "f1")


def _how_measured(released: Released, figures: Figures) -> str:
    folds, held_out = released.root.recipe.folds, released.held_out
    scored = len(figures.folds)
    cut = {
        "folds": f"{folds.count} folds by song and by noise recording",
        "ratios": f"{folds.count} random cuts by song and by noise recording, {':'.join(map(str, folds.ratios))}",
        "given": "the parts that the corpus itself names",
    }[folds.cut]
    mashups = (
        f"{len(held_out.id)} clips that were made of held-out songs and held-out noise alone"
        if len(released.root.recipe.mashup.parts) > 1
        else f"{len(held_out.id)} clips of held-out songs"
    )
    told = (
        f"Measured on {mashups} ({cut}; {scored} of them scored; the {released.subject.part} part). Each clip was "
        "predicted by members that had not heard its songs, whole, at peak 1, with the weights after the last epoch. "
        "Intervals are of 95 %, over 1,000 draws of the clips with replacement: they tell what other clips of these "
        "songs would do, not what other songs, other trainings or other kinds of music would."
    )
    if released.blend and released.subject.kind == "blend":
        told += f" What the blend's rule ({released.blend.method}) was fitted on is never what it was scored on."
    notes = [note for note in released.subject.notes if not note.startswith("With the stems")]
    return " ".join([told, *notes])


def _scores(figures: Figures) -> str:
    rows = ["| score | value | 95 % interval |", "|---|---|---|"]
    for row in figures.scores.itertuples():
        if row.score in SPREAD:
            rows.append(f"| {row.score} | {row.value:.3f} | {row.low:.3f} to {row.high:.3f} |")
    median, high = figures.calibrated_ece
    told = (
        "ECE is the mean difference between confidence and accuracy, over bins of confidence. A model that is "
        "perfectly "
        f"calibrated would show {median:.3f} on so many clips, and less than {high:.3f} in 95 of 100 cases."
    )
    return "\n".join(rows) + f"\n\n{told}"


def _folds(released: Released, figures: Figures) -> str:
    rows = ["| fold | clips | macro F1 | accuracy | log loss |", "|---|---|---|---|---|"]
    for row in figures.folds.itertuples():
        rows.append(f"| {row.fold} | {row.clips} | {row.macro_f1:.3f} | {row.accuracy:.3f} | {row.log_loss:.3f} |")
    return "\n".join(rows)


def _classes(figures: Figures) -> str:
    rows = ["| class | precision | recall | F1 | 95 % interval of F1 | clips |", "|---|---|---|---|---|---|"]
    for _, row in figures.classes.iterrows():
        interval = f"{row['f1_low']:.2f} to {row['f1_high']:.2f}"
        scores = f"{row['precision']:.2f} | {row['recall']:.2f} | {row['f1']:.2f} | {interval}"
        rows.append(f"| {row['class']} | {scores} | {int(row['clips'])} |")
    return "\n".join(rows)


def _leaderboard(scores: tuple[LeaderboardScore, ...]) -> str:
    if not scores:
        return "No score of the competition's own test set is known for just these members."
    rows = ["| entry | public | private |", "|---|---|---|"]
    for score in scores:
        rows.append(f"| {score.file} | {_told(score.public)} | {_told(score.private)} |")
    note = (
        "Scores of the test set, of all members of the run or blend together, from the ledger. Songs of the test "
        "set may "
        "be among those that were trained on, so they say less about new music than the held-out score does."
    )
    return "\n".join(rows) + f"\n\n{note}"


def _told(score: float | None) -> str:
    return "not known" if score is None else f"{score:.3f}"
