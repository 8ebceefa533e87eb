"""A blend's study told: tables for the screen, figures as JSON, pictures."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from messy_mashup.files import write_whole
from messy_mashup.scoring.blend_study import Study, numbers_at_equal_weights
from messy_mashup.scoring.blending import EQUAL, Mean, Rule
from messy_mashup.scoring.ensemble import HeldOut
from messy_mashup.scoring.paired_bootstrap import Difference
from messy_mashup.scoring.plots import differences_picture
from messy_mashup.scoring.plots_of_blends import numbers_picture
from messy_mashup.scoring.stacking import Stack

STUDY, MEMBERS, METHODS = ".study.json", ".members.png", ".methods.png"


def write_study(study: Study, folder: Path, name: str) -> None:
    """Write the figures and the two pictures of a blend of this name."""
    verdicts = {run.name: run.verdict for run in study.runs}
    with write_whole(folder / f"{name}{STUDY}") as temporary:
        content = asdict(study) | {"best": study.best, "verdicts": verdicts}
        temporary.write_text(json.dumps(content, indent=2) + "\n")
    numbers_picture(study.numbers, folder / f"{name}{MEMBERS}", f"{name}: score against number of runs")
    rows = [
        (method.name, method.against_equal.difference, method.against_equal.low, method.against_equal.high)
        for method in study.methods
        if method.name != EQUAL
    ]
    title = f"{name}: methods against equal weights, on nested folds"
    differences_picture(rows, folder / f"{name}{METHODS}", title)


def write_numbers(held_out: HeldOut, folder: Path, name: str) -> str:
    """Of runs that hold out one fold: draw the score against their number, and tell the accuracy as a table."""
    numbers, path = numbers_at_equal_weights(held_out), folder / f"{name}{MEMBERS}"
    numbers_picture(numbers, path, f"{name}: score against number of runs")
    rows = [[str(each.runs), *(f"{value:.4f}" for value in each.accuracy)] for each in numbers]
    heading = f"Accuracy against number of runs at equal weights, drawn with macro F1 in {path}:"
    return "\n".join([heading, *_table(["runs", "mean", "worst set", "best set"], rows)])


def remove_study(folder: Path, name: str) -> None:
    """Remove what an earlier blend of this name left: it would be taken for this one's."""
    for end in (STUDY, MEMBERS, METHODS):
        (folder / f"{name}{end}").unlink(missing_ok=True)


def told(study: Study) -> str:
    """The study as tables with a sentence each."""
    return "\n\n".join([_methods(study), _runs(study), _leaving(study), _order(study)])


def rule_told(runs: Sequence[str], rule: Rule) -> str:
    """What a rule does with each run, in words and numbers."""
    match rule.combiner:
        case Mean(shares) if len(set(shares)) > 1:
            parts = "shares of " + _listed(runs, shares)
        case Stack(coefficients):
            # a class's coefficient on its own log-probability, in the mean over the classes
            each = np.array(coefficients).reshape(-1, len(runs), len(coefficients))
            own = each[np.arange(len(coefficients)), :, np.arange(len(coefficients))].mean(axis=0)
            parts = "mean coefficients of " + _listed(runs, own)
        case _:
            parts = "all runs alike"
    if set(rule.temperatures) == {1.0}:
        return parts
    return f"{parts}; temperatures of {_listed(runs, rule.temperatures)}"


def _methods(study: Study) -> str:
    rows = [
        [
            method.name,
            f"{method.figures.macro_f1:.4f}",
            *(["", ""] if method.name == EQUAL else _difference(method.against_equal)),
            f"{method.figures.log_loss:.3f}",
            f"{method.figures.ece:.3f}",
        ]
        for method in study.methods
    ]
    header = ["method", "macro F1", "against equal", "95 % interval", "log loss", "ECE"]
    count = len(study.methods) - 1
    if study.best == EQUAL:
        verdict = f"None of {count} methods beats equal weights clearly, so equal weights are the best choice."
    else:
        verdict = f"{study.best} beats equal weights clearly, also where {count} methods were tried."
    sentences = [f"{name} was left out: {reason}" for name, reason in study.left_out.items()]
    heading = f"Methods, each clip by a rule fitted on the other folds; intervals hold for all {count} together:"
    return "\n".join([heading, *_table(header, rows), verdict, *sentences])


def _runs(study: Study) -> str:
    rows = [
        [
            run.name,
            f"{run.alone.macro_f1:.4f}",
            f"{run.temperature:.2f}",
            f"{run.alone.log_loss:.3f} -> {run.tempered.log_loss:.3f}",
            f"{run.alone.ece:.3f} -> {run.tempered.ece:.3f}",
        ]
        for run in study.runs
    ]
    header = ["run", "macro F1", "temperature", "log loss", "ECE"]
    return "\n".join(["Each run alone, without and with the temperature of the other folds:", *_table(header, rows)])


def _leaving(study: Study) -> str:
    rows = [[run.name, f"{run.macro_f1_without:.4f}", *_difference(run.by_leaving), run.verdict] for run in study.runs]
    header = ["without", "macro F1", "gain", "95 % interval", "the run"]
    heading = f"Equal weights without one of the runs; intervals hold for all {len(study.runs)} together:"
    return "\n".join([heading, *_table(header, rows)])


def _order(study: Study) -> str:
    first, last = study.numbers[0], study.numbers[-1]
    best = max(study.numbers, key=lambda each: each.greedy)
    scores = f"One run scores {first.low:.4f} to {first.high:.4f}, all {last.runs} together {last.mean:.4f}."
    greedy = f"Added one by one, chosen on other folds, the first {best.runs} score most: {best.greedy:.4f}."
    return "\n".join([scores, greedy, "The order in which they are added:", *(f"  {run}" for run in study.order)])


def _listed(runs: Sequence[str], numbers: Iterable[float]) -> str:
    return ", ".join(f"{number:.2f} ({run})" for run, number in zip(runs, numbers, strict=True))


def _difference(against: Difference) -> list[str]:
    return [f"{against.difference:+.4f}", f"{against.low:+.4f} to {against.high:+.4f}"]


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return [
        "  " + "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip() for line in lines
    ]
