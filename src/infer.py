"""Predict genres with the blend in use.

    python src/infer.py                              every test mashup, to submissions/<utc>_<blend>.csv
    python src/infer.py FILE_OR_FOLDER ... [--out CSV]   anyone's own wav, flac, mp3 or ogg

Every clip is scored whole, by windows up to its end, and the members are combined as the blend says.
"""

import argparse
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from messy_mashup import paths
from messy_mashup.errors import UserError, run_script

if TYPE_CHECKING:
    from messy_mashup.scoring.ensemble import Blend


def main() -> None:
    """Parse, then the test set or the user's own files."""
    options = _options()
    from messy_mashup.scoring.ensemble import load_blend
    from messy_mashup.training.members import check_weights

    runs = options.runs or paths.find_runs_with_blend()
    blend = load_blend(runs, options.blend)
    folders = [runs / member for member in blend.members]
    check_weights(folders, blend.weights)
    if options.files:
        _own_files(options, folders, blend)
    elif options.out:
        raise UserError("--out is for files of your own: name them, or leave it out to label the test mashups")
    else:
        _test_set(options, runs, folders, blend)


def _test_set(options: argparse.Namespace, runs: Path, folders: list[Path], blend: "Blend") -> None:
    from messy_mashup.competition.entry import write_entry
    from messy_mashup.data import corpora
    from messy_mashup.scoring.blending import EQUAL
    from messy_mashup.scoring.ensemble import combine
    from messy_mashup.scoring.match_folder import found_in_test, with_matches
    from messy_mashup.training.device import best_device
    from messy_mashup.training.run_folder import WEIGHTS, read_card
    from messy_mashup.training.trained import TestClips, score_test

    recipes = [read_card(folder / WEIGHTS)["recipe"] for folder in folders]
    corpus = corpora.load(recipes[0]["corpus"])
    trained_on = Path(blend.data) if blend.data else None
    named = options.data or (trained_on if trained_on and corpus.looks_like(trained_on) else None)
    data = paths.find_data(corpus.looks_like, named)
    _refuse_hours(folders)
    test = TestClips.of(data, corpora.test_clips(recipes[0]["corpus"], data))
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


def _own_files(options: argparse.Namespace, folders: list[Path], blend: "Blend") -> None:
    import pandas as pd
    from tqdm import tqdm

    from messy_mashup.data.audio import audio_named
    from messy_mashup.files import write_whole
    from messy_mashup.recipe_text import override_scoring
    from messy_mashup.scoring.ensemble import combine_members
    from messy_mashup.scoring.predict import classify
    from messy_mashup.training.device import best_device
    from messy_mashup.training.trained import load_member

    files = audio_named(options.files)
    if blend.matcher:
        print("What match.py found is of the test mashups: files of your own are heard by the trained members alone")
    members = [load_member(folder, best_device()) for folder in folders]
    listeners = [replace(one, scoring=override_scoring(one.scoring, options.set)) for one in members]
    classes, rows, broken = listeners[0].classes, [], []
    results = classify(listeners, files, partial(combine_members, blend=blend))
    for file, result in tqdm(results, total=len(files), unit=" files", disable=len(files) == 1):
        if isinstance(result, UserError):
            broken.append(str(result))
            continue
        best = int(result.argmax())
        tqdm.write(f"{file}: {classes[best]} ({result[best]:.1%})")
        rows.append([str(file), classes[best], result[best], *result])
    if options.out and not broken:
        with write_whole(options.out) as temporary:
            table = pd.DataFrame(rows, columns=["file", "genre", "confidence", *classes])
            table.to_csv(temporary, index=False, float_format="%.5f", lineterminator="\n")
        print(f"{len(rows)} files: {options.out}")
    for sentence in broken:
        print(f"error: {sentence}", file=sys.stderr)
    if broken:
        unwritten = f"; {options.out} was not written, since it would lack them" if options.out else ""
        raise UserError(f"{len(broken)} of {len(files)} files could not be classified{unwritten}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE_OR_FOLDER", help="audio; none: the test mashups")
    parser.add_argument("--out", type=Path, metavar="CSV", help="write the files' genres and probabilities there")
    set_help = "how the files are scored, such as scoring.pooled=majority (default: as the members were trained with)"
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help=set_help)
    parser.add_argument("--blend", help="name of a blend (default: the one in use)")
    parser.add_argument("--data", type=Path, help="folder of the data set (default: the one the blend was trained on)")
    parser.add_argument("--runs", type=Path, help="folder of all runs (default: the one that holds a blend)")
    parser.add_argument("--submissions", type=Path, default=paths.submissions(), help="default: submissions/")
    parser.add_argument("--note", default="", help="what to remember about this entry, for the ledger")
    options = parser.parse_args()
    if options.set and not options.files:
        raise UserError("--set is for files of your own: the test mashups are scored as the held-out ones were")
    return options


if __name__ == "__main__":
    run_script(main)
