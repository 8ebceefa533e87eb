"""Predict genres with the blend in use, or classes with one run.

    python src/infer.py                              every test mashup, to submissions/<utc>_<blend>.csv
    python src/infer.py FILE_OR_FOLDER ... [--out CSV]   anyone's own wav, flac, mp3 or ogg
    python src/infer.py --run RUN FILE_OR_FOLDER ...     the same by the members of one run, in its own classes

Every clip is scored whole, by windows up to its end, or as the members were trained to score, and the members are
combined as the blend says; those of one run are averaged. The table tells the share of a song's chunks that agree.
With --out, the same command goes on where it was broken off. With --labelled the files' folders are named after their
classes, and it is told how many are right. Of a run whose labels are told each by itself, such as styles, the likeliest
ten of a file are printed.
"""

import argparse
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from messy_mashup import paths
from messy_mashup.errors import UserError, run_script

if TYPE_CHECKING:
    from messy_mashup.scoring.ensemble import Blend
    from messy_mashup.scoring.predict import Listener


def main() -> None:
    """Parse, then the test set or the user's own files."""
    options = _options()
    from messy_mashup.training.label_probe import is_multi_label
    from messy_mashup.training.members import check_weights, chosen_blend

    runs, blend = chosen_blend(options.runs, options.run, options.blend)
    folders = [runs / member for member in blend.members]
    check_weights(folders, blend.weights)
    if options.run and is_multi_label(folders[0]):
        _own_labels(options, folders)
    elif options.files:
        _own_files(options, folders, blend)
    elif options.out:
        raise UserError("--out is for files of your own: name them, or leave it out to label the test mashups")
    else:
        _test_set(options, runs, folders, blend)


def _test_set(options: argparse.Namespace, runs: Path, folders: list[Path], blend: "Blend") -> None:
    from messy_mashup.competition.entry import write_entry
    from messy_mashup.competition.outgoing import check_text
    from messy_mashup.data import corpora
    from messy_mashup.scoring.blending import EQUAL
    from messy_mashup.scoring.ensemble import combine
    from messy_mashup.scoring.match_folder import found_in_test, with_matches
    from messy_mashup.training.device import best_device
    from messy_mashup.training.run_folder import WEIGHTS, read_card
    from messy_mashup.training.trained import TestClips, score_test

    check_text(options.note, "--note, which the ledger would keep,")
    recipes = [read_card(folder / WEIGHTS)["recipe"] for folder in folders]
    corpus = corpora.load(recipes[0]["corpus"])
    trained_on = Path(blend.data) if blend.data else None
    named = options.data or (trained_on if trained_on and corpus.looks_like(trained_on) else None)
    data = paths.find_data(corpus.looks_like, named)
    _refuse_hours(folders)
    test = TestClips.of(data, corpora.test_clips(recipes[0]["corpus"], data))
    if not len(test.id):
        raise UserError(f"{data} has no clips to be labelled ({recipes[0]['corpus']}): name files or folders")
    scored = combine([score_test(folder, test, best_device()) for folder in folders], blend)
    ways = [f"blended by {blend.method}"] if blend.method != EQUAL else []
    if blend.matcher:
        scored = with_matches(scored, found_in_test(blend.matcher, runs, test.digest))
        ways.append("with stems found in the test mashups")
    note = f"{options.note} [{'; '.join(ways)}]".lstrip() if ways else options.note
    names = [recipe["name"] for recipe in recipes]
    path = write_entry(scored, blend, names, data, options.submissions, paths.REPOSITORY, note)
    print(f"{len(test.id)} mashups of {data} by {len(folders)} members: {path}")


def _refuse_hours(folders: list[Path]) -> None:
    """A kernel without a GPU would score a network of AST's size until its time is over."""
    from messy_mashup.training.device import best_device
    from messy_mashup.training.run_folder import TEST

    unscored = [f"{folder.parent.name}/{folder.name}" for folder in folders if not (folder / TEST).exists()]
    if unscored and paths.in_kernel() and best_device().type == "cpu":
        raise UserError(
            f"{', '.join(unscored)} stopped before the test mashups were scored, and this kernel has no GPU: "
            "push that training step's next part, then this step again"
        )


def _own_labels(options: argparse.Namespace, folders: list[Path]) -> None:
    """By a run whose labels are told each by itself, such as styles: the likeliest ten of a file."""
    from messy_mashup.data.audio import audio_named
    from messy_mashup.training.labelling import label_and_tell

    if options.labelled:
        raise UserError(f"--labelled is for runs of one class a file: {options.run} tells any number of labels")
    files = audio_named(options.files, options.max_hours)
    label_and_tell(_listeners(options, folders), files, 10, options.out)


def _own_files(options: argparse.Namespace, folders: list[Path], blend: "Blend") -> None:
    import pandas as pd

    from messy_mashup.data.audio import audio_named
    from messy_mashup.scoring.ensemble import combine_members
    from messy_mashup.scoring.file_labels import journal_for, labelled, write_table
    from messy_mashup.scoring.verdicts import TRUE, classify, labels_of, sentence, told_scores, verdict_row

    files = audio_named(options.files, options.max_hours)
    if blend.matcher:
        print("What match.py found is of the test mashups: files of your own are heard by the trained members alone")
    listeners = _listeners(options, folders)
    classes = listeners[0].classes
    truth = labels_of(files, classes) if options.labelled else []
    with journal_for(options.out, listeners) as journal:
        results = classify(listeners, files, partial(combine_members, blend=blend), journal)
        told = labelled(results, len(files), lambda *one: sentence(verdict_row(*one, classes)), options.out)
        table = pd.DataFrame([verdict_row(file, verdict, classes) for file, verdict in told])
        if truth:
            table[TRUE] = truth
        if options.out:
            write_table(table, options.out)
    if truth:
        print(told_scores(table))


def _listeners(options: argparse.Namespace, folders: list[Path]) -> list["Listener"]:
    """The members, loaded, with the scoring and the numbers that were asked for."""
    from messy_mashup.recipe_text import override_scoring
    from messy_mashup.scoring.int8 import int8_listener
    from messy_mashup.training.device import best_device
    from messy_mashup.training.trained import load_member

    members = [load_member(folder, best_device()) for folder in folders]
    listeners = [replace(one, scoring=override_scoring(one.scoring, options.set)) for one in members]
    return [int8_listener(one) for one in listeners] if options.int8 else listeners


def _options() -> argparse.Namespace:
    from messy_mashup.data.audio import add_max_hours

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE_OR_FOLDER", help="audio; none: the test mashups")
    parser.add_argument("--out", type=Path, metavar="CSV", help="write the files' genres and probabilities there")
    set_help = "how the files are scored, such as scoring.pooled=majority (default: as the members were trained with)"
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help=set_help)
    int8_help = "on a processor: the linear layers of transformers in 8 bits, faster and nearly as good (README)"
    parser.add_argument("--int8", action="store_true", help=int8_help)
    add_max_hours(parser)
    parser.add_argument("--blend", help="name of a blend (default: the one in use)")
    parser.add_argument("--run", help="name of a run whose members label the files, in place of a blend")
    parser.add_argument("--labelled", action="store_true", help="the files' folders are named after their classes")
    parser.add_argument("--data", type=Path, help="folder of the data set (default: the one the blend was trained on)")
    parser.add_argument("--runs", type=Path, help="folder of all runs (default: the one that holds a blend)")
    parser.add_argument("--submissions", type=Path, default=paths.submissions(), help="default: submissions/")
    parser.add_argument("--note", default="", help="what to remember about this entry, for the ledger")
    options = parser.parse_args()
    if (options.set or options.int8) and not options.files:
        raise UserError(
            "--set and --int8 are for files of your own: the test mashups are scored as the held-out ones were"
        )
    if (options.run or options.labelled) and not options.files:
        raise UserError("--run and --labelled are for files of your own: name some, or blend the run with blend.py")
    if options.run and options.blend:
        raise UserError("--run and --blend: name one of them")
    return options


if __name__ == "__main__":
    run_script(main)
