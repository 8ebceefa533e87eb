"""Blend members, score the blend on held-out songs, and make it the blend in use.

    python src/blend.py [RUN ...] [--name NAME] [--method METHOD] [--match DATA]

RUN is a folder name below runs/, or a pattern such as 'messy_mashup_cnn*'; with none, the run that was trained last
is taken, with all its members. Members that earlier kernels left and that are attached as input are copied first.
All methods are compared on nested folds; equal weights stay unless another one beats them clearly, or is named.
--match adds what match.py found in the test mashups of a data set, which is off unless it is named.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from messy_mashup import paths
from messy_mashup.errors import UserError, run_script
from messy_mashup.files import check_name

if TYPE_CHECKING:
    from messy_mashup.scoring.blending import Method
    from messy_mashup.scoring.ensemble import Blend, HeldOut
    from messy_mashup.scoring.match_folder import Matcher
    from messy_mashup.scoring.predictions import Predictions

BEST, EQUAL = "best", "equal"
METHODS = (BEST, EQUAL, "geometric", "rank", "hill", "stacking")
TEMPERATURES = ("none", "fitted")


def main() -> None:
    """Parse, compare, blend, print."""
    options = _options()
    from messy_mashup.scoring import ensemble
    from messy_mashup.training import members
    from messy_mashup.training.attached import adopt_all

    for folder, source in adopt_all(options.runs).items():
        print(f"{folder}: copied from {source}")
    runs = members.runs_named(options.runs, options.run) or [members.newest_run(options.runs)]
    folders = [folder for run in runs for folder in members.members_of(run)]
    cards = members.blendable(folders)
    held_out = ensemble.held_out_clips(members.held_out_by_run(folders))
    name = check_name(options.name or (f"{runs[0].name}_and_{len(runs) - 1}_more" if len(runs) > 1 else runs[0].name))
    method, blended = _chosen(options, held_out, name)
    matcher, blended = _matched(options, blended)
    blend = replace(_blend(options.runs, folders, cards, held_out, method, blended, name), matcher=matcher)
    path = ensemble.save_blend(blend, options.runs)
    _leave(blended, path)
    _tell(blend, blended)
    print(f"{path}: the blend in use")


def _chosen(options: argparse.Namespace, held_out: "HeldOut", name: str) -> tuple["Method", "Predictions"]:
    """The method to blend by and the honest held-out predictions of it; what was compared is printed and drawn."""
    from messy_mashup.scoring import blend_report, blending
    from messy_mashup.scoring.blend_study import study
    from messy_mashup.scoring.ensemble import BLENDS

    clips, folder = held_out.clips, options.runs / BLENDS
    named = None if options.method == BEST else blending.method(options.method, options.temperatures or "none")
    if len(held_out.runs) == 1 or len(set(clips.fold.tolist())) == 1:
        method = named or blending.method(EQUAL, "none")
        logits = method.nested(held_out.logits, clips.label, clips.fold)
        blend_report.remove_study(folder, name)
        if len(held_out.runs) > 1:
            print("The runs hold out one fold: methods are not compared, which takes two")
            print(blend_report.write_numbers(held_out, folder, name))
    else:
        found, blended = study(held_out)
        print(f"{blend_report.told(found)}\n")
        method = named or next(each for each in blending.METHODS if each.name == found.best)
        if method.name in found.left_out:
            raise UserError(found.left_out[method.name])
        logits = blended[method.name]
        blend_report.write_study(found, folder, name)
    return method, clips if method.name == EQUAL else held_out.blended(logits)


def _matched(options: argparse.Namespace, blended: "Predictions") -> "tuple[Matcher | None, Predictions]":
    """The matcher that was asked for, and the held-out predictions with what it found where songs are kept from it."""
    from messy_mashup.scoring import match_folder
    from messy_mashup.scoring.ensemble import fold_spread

    if not options.match:
        return None, blended
    matcher = match_folder.matcher_named(options.match, options.runs)
    matched = match_folder.with_matches(blended, match_folder.held_out(matcher, options.runs))
    print(
        f"With the stems that {matcher.folder} found, held-out songs kept from it: "
        f"OOF macro F1 {fold_spread(matched).mean:.4f}, without {fold_spread(blended).mean:.4f}"
    )
    return matcher, matched


def _blend(
    runs: Path,
    folders: list[Path],
    cards: list[dict[str, Any]],
    held_out: "HeldOut",
    method: "Method",
    blended: "Predictions",
    name: str,
) -> "Blend":
    from messy_mashup.data.bank import source_of
    from messy_mashup.scoring.ensemble import Blend, fold_spread
    from messy_mashup.training.members import counted_for
    from messy_mashup.training.run_folder import weights_digest

    spread = fold_spread(blended)
    return Blend(
        name=name,
        members=tuple(folder.relative_to(runs).as_posix() for folder in folders),
        weights=tuple(weights_digest(folder) for folder in folders),
        data=source_of(cards[0]["bank"], runs / paths.BANKS),
        oof_macro_f1=round(spread.mean, 5),
        oof_spread=spread.std and round(spread.std, 5),
        counted_for=tuple(counted_for(folders, cards)),
        runs=held_out.runs,
        method=method.name,
        rule=method.fitted(held_out.logits, held_out.clips.label, held_out.clips.fold),
    )


def _leave(blended: "Predictions", path: Path) -> None:
    """The held-out predictions and their confusion beside the blend."""
    from messy_mashup.scoring import metrics, plots, predictions

    predictions.save(blended, path.with_suffix(".oof.npz"))
    confusion, title = metrics.confusion(blended.label, blended.logits), f"{path.stem}, held out"
    plots.confusion_picture(confusion, blended.classes.tolist(), path.with_suffix(".confusion.png"), title)


def _tell(blend: "Blend", blended: "Predictions") -> None:
    from messy_mashup.scoring import ensemble, metrics
    from messy_mashup.scoring.blend_report import rule_told

    spread = ensemble.fold_spread(blended)
    low, high = metrics.bootstrap_interval(metrics.macro_f1, blended.label, blended.logits, seed=0)
    each = ", ".join(f"{score:.4f}" for score in spread.per_fold.values())
    print(f"{len(blend.members)} members, {len(blended.id)} held-out mashups of {len(spread.per_fold)} folds")
    if len(blend.runs) > 1 or blend.method != EQUAL:
        print(f"Blended by {blend.method}: {rule_told(blend.runs, blend.rule)}")
    print(f"OOF macro F1 {spread.mean:.4f} (folds {each}); 95 % interval of the pooled score {low:.4f} to {high:.4f}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", nargs="*", metavar="RUN", help="folder or pattern below runs/ (default: the newest)")
    parser.add_argument("--name", help="name of the blend (default: its runs')")
    method_help = "default: equal weights, unless one of the methods beats them clearly"
    parser.add_argument("--method", choices=METHODS, default=BEST, help=method_help)
    temperatures_help = "with a method: divide each run's logits by a temperature that is fitted (default: none)"
    parser.add_argument("--temperatures", choices=TEMPERATURES, help=temperatures_help)
    match_help = "add the stems that match.py found in the test mashups of this data set (default: they are not used)"
    parser.add_argument("--match", metavar="DATA", help=match_help)
    parser.add_argument("--runs", type=Path, default=paths.runs(), help="folder of all runs (default: runs/)")
    options = parser.parse_args()
    if options.temperatures and options.method == BEST:
        raise UserError("--temperatures goes with a --method: the best one is looked for with and without them")
    return options


if __name__ == "__main__":
    run_script(main)
