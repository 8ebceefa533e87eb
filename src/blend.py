"""Average members into a blend, score it on held-out songs, and make it the blend in use.

    python src/blend.py [RUN ...] [--name NAME]

RUN is a folder name below runs/, or a pattern such as 'messy_mashup_cnn*'; with none, the run that was trained last
is taken, with all its members. Members that earlier kernels left and that are attached as input are copied first.
"""

import argparse
from pathlib import Path

from messy_mashup import paths
from messy_mashup.errors import run_script


def main() -> None:
    """Parse, average, print."""
    options = _options()
    from messy_mashup.data.bank import source_of
    from messy_mashup.scoring import ensemble, metrics, plots, predictions
    from messy_mashup.training import members
    from messy_mashup.training.attached import adopt_all
    from messy_mashup.training.run_folder import weights_digest

    for folder, source in adopt_all(options.runs).items():
        print(f"{folder}: copied from {source}")
    runs = members.runs_named(options.runs, options.run) or [members.newest_run(options.runs)]
    folders = [folder for run in runs for folder in members.members_of(run)]
    cards = members.blendable(folders)
    held_out = ensemble.out_of_fold(members.held_out_by_run(folders))
    spread = ensemble.fold_spread(held_out)
    name = options.name or (f"{runs[0].name}_and_{len(runs) - 1}_more" if len(runs) > 1 else runs[0].name)
    blend = ensemble.Blend(
        name,
        tuple(folder.relative_to(options.runs).as_posix() for folder in folders),
        tuple(weights_digest(folder) for folder in folders),
        source_of(cards[0]["bank"], options.runs / paths.BANKS),
        round(spread.mean, 5),
        spread.std and round(spread.std, 5),
    )
    path = ensemble.save_blend(blend, options.runs)
    predictions.save(held_out, path.with_name(f"{name}.oof.npz"))
    confusion = metrics.confusion(held_out.label, held_out.logits)
    classes = held_out.classes.tolist()
    plots.confusion_picture(confusion, classes, path.with_name(f"{name}.confusion.png"), f"{name}, held out")
    low, high = metrics.bootstrap_interval(metrics.macro_f1, held_out.label, held_out.logits, seed=0)
    each = ", ".join(f"{score:.4f}" for score in spread.per_fold.values())
    print(f"{len(folders)} members, {len(held_out.id)} held-out mashups of {len(spread.per_fold)} folds")
    print(f"OOF macro F1 {spread.mean:.4f} (folds {each}); 95 % interval of the pooled score {low:.4f} to {high:.4f}")
    print(f"{path}: the blend in use")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", nargs="*", metavar="RUN", help="folder or pattern below runs/ (default: the newest)")
    parser.add_argument("--name", help="name of the blend (default: its runs')")
    parser.add_argument("--runs", type=Path, default=paths.runs(), help="folder of all runs (default: runs/)")
    return parser.parse_args()


if __name__ == "__main__":
    run_script(main)
