"""Tell how good a run or a blend is on held-out songs: figures with intervals, pictures, mistakes to listen to.

    python src/report.py [RUN_OR_BLEND] [--part test] [--runs DIR] [--bank DIR] [--out DIR]

RUN_OR_BLEND is a name below runs/, or a path (runs/NAME, runs/blends/NAME.json); with none, the blend in use is taken.
It writes runs/reports/NAME/: index.html, one page with everything in it, the pictures as PNGs, and the figures as
metrics.json, per_class.csv and folds.csv.
"""

import argparse
from pathlib import Path

from messy_mashup import paths
from messy_mashup.errors import UserError, run_script


def main() -> None:
    """Parse, score, write, print."""
    options = _options()
    from messy_mashup.scoring.ensemble import BLENDS
    from messy_mashup.scoring.repetitions import records, repetition_table
    from messy_mashup.scoring.report_figures import figures, write_figures
    from messy_mashup.scoring.report_mistakes import part_of_mistakes
    from messy_mashup.scoring.report_page import (
        FOLDS_APART,
        SPLITS_MEET,
        part_of_curves,
        parts_of_repetitions,
        parts_of_scores,
        write_report,
    )
    from messy_mashup.scoring.report_study import parts_of_study
    from messy_mashup.training.evaluated import evaluated

    subject = evaluated(options.runs, options.run_or_blend, options.part)
    folder = options.out or options.runs / "reports" / subject.report_name
    told = figures(subject.held_out)
    members = [member.relative_to(options.runs).as_posix() for member in subject.members]
    of = {"name": subject.name, "kind": subject.kind, "part": subject.part, "members": members}
    repetitions = repetition_table(subject.repetitions)
    write_figures(folder, told, of | {"repetitions": records(repetitions)})
    parts = [
        *parts_of_repetitions(repetitions),
        *parts_of_scores(
            folder, told, subject.name, subject.notes, SPLITS_MEET if subject.repetitions else FOLDS_APART
        ),
        *(parts_of_study(options.runs / BLENDS, subject.name) if subject.kind == "blend" else []),
        part_of_curves(folder, subject.curves()),
        part_of_mistakes(subject.held_out, _sound(options, subject)),
    ]
    songs = "test part" if subject.part == "test" else "held-out songs"
    path = write_report(folder, f"{subject.kind.capitalize()} {subject.name}, {songs}", parts)
    for note in subject.notes:
        print(note)
    for row in told.scores.itertuples():
        print(f"{row.score:>18} {row.value:.4f}  ({row.low:.4f} to {row.high:.4f})")
    for row in repetitions[repetitions["score"] != "log loss"].itertuples():
        print(f"{row.part}, {row.repetitions} split{'s' if row.repetitions > 1 else ''}: {row.score} {row.mean:.4f}")
    print(f"macro F1 of the folds: {', '.join(f'{score:.4f}' for score in told.folds['macro_f1'])}")
    print(path)


def _sound(options: argparse.Namespace, subject):
    """How the clips that were predicted are heard, or why they cannot be."""
    from messy_mashup.data.bank import Bank
    from messy_mashup.scoring.report_mistakes import Silence, Sound
    from messy_mashup.training.validation_waves import Validation, bank_of

    member = subject.members[0]
    try:
        bank = Bank.open(options.bank) if options.bank else bank_of(member, options.runs)
        heard = Validation.of(member, bank, options.runs)
        if heard.plan.digest != subject.held_out.origin:
            raise UserError(f"{member} has changed since {subject.name} was scored: run blend.py again")
    except UserError as error:
        print(f"no sound on the page: {error}")
        return Silence(str(error))
    return Sound(heard.wave, heard.made_of, bank.sample_rate_hz)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "run_or_blend", nargs="?", metavar="RUN_OR_BLEND", help="name or path (default: the blend in use)"
    )
    part_help = "of a run whose songs are cut into training, validation and test (default: test, where there is one)"
    parser.add_argument("--part", choices=("validation", "test"), help=part_help)
    parser.add_argument("--runs", type=Path, default=paths.runs(), help="folder of all runs (default: runs/)")
    parser.add_argument("--bank", type=Path, help="folder of the bank to play from (default: the one trained with)")
    parser.add_argument("--out", type=Path, help="folder (default: runs/reports/<name>)")
    return parser.parse_args()


if __name__ == "__main__":
    run_script(main)
