"""Export a run or a blend as ONNX: a wave goes in, probabilities come out.

    python src/export.py RUN_OR_BLEND [--out FILE.onnx] [--member fold0] [--clips FILE_OR_FOLDER ...]

Peak, log-mel, windows, members and their combination are in the file, for mono waves of any length. It is run by ONNX
Runtime on real clips, the data set's own test mashups or those that are named, and kept only if it agrees with PyTorch.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from messy_mashup import paths
from messy_mashup.errors import UserError, run_script

if TYPE_CHECKING:
    from messy_mashup.scoring.ensemble import Blend

CLIPS = 20  # of the data set that are heard


def main() -> None:
    """Load, export, compare, print."""
    options = _options()
    import torch

    from messy_mashup.data.audio import audio_named
    from messy_mashup.recipe_text import override_scoring
    from messy_mashup.release.onnx_file import AGREES, agreement, write_onnx
    from messy_mashup.training.members import check_weights
    from messy_mashup.training.trained import load_member

    blend, runs = _subject(options), options.runs
    folders = [runs / member for member in blend.members]
    check_weights(folders, blend.weights)
    clips = audio_named(options.clips) if options.clips else _clips_of(blend, folders)
    members = [load_member(folder, torch.device("cpu")) for folder in folders]
    listeners = [replace(one, scoring=override_scoring(one.scoring, options.set)) for one in members]
    out = options.out or runs / "exported" / f"{blend.name}.onnx"
    candidate = out.with_name(f".{out.name}.candidate.onnx")
    try:
        write_onnx(candidate, listeners, blend)
        found = agreement(candidate, listeners, blend, clips)
        if not found.largest <= AGREES:
            raise UserError(
                f"{out} was not kept: on {found.clips} clips its probabilities are up to {found.largest:.2g} off "
                "those of PyTorch; report the recipe and the versions of torch and onnxruntime"
            )
        candidate.replace(out)
    finally:
        candidate.unlink(missing_ok=True)
    told = {"members": len(folders), "bytes": out.stat().st_size, "clips": found.clips, "same_class": found.same_class}
    print(f"{out}: {found.clips} clips heard, probabilities within {found.largest:.1e} of PyTorch's")
    print(json.dumps(told | {"largest_difference": found.largest}))


def _subject(options: argparse.Namespace) -> "Blend":
    """The blend of that name, or the run's members, equally weighted; of either, one member where it is named."""
    from messy_mashup.scoring.ensemble import BLENDS, equal_blend, load_blend
    from messy_mashup.training.members import members_of, run_blend
    from messy_mashup.training.run_folder import weights_digest

    runs, name = options.runs, options.run_or_blend
    is_blend = (runs / BLENDS / f"{name}.json").is_file()
    blend = load_blend(runs, name) if is_blend else run_blend(runs, name)
    if not options.member:
        return blend
    if is_blend:
        raise UserError(f"--member is for a run, and {name} is a blend: name one of {', '.join(blend.runs)}")
    folders = [folder for folder in members_of(runs / name) if folder.name == options.member]
    if not folders:
        raise UserError(f"{runs / name} has no member {options.member}: it has {', '.join(blend.members)}")
    return equal_blend(name, [f"{name}/{options.member}"], [weights_digest(folders[0])])


def _clips_of(blend: "Blend", folders: Sequence[Path]) -> list[Path]:
    """Test mashups of the data set that the members were trained on, or other clips of it."""
    from messy_mashup.data import corpora
    from messy_mashup.data.audio import find_audio
    from messy_mashup.data.bank import source_of
    from messy_mashup.training.run_folder import WEIGHTS, read_card

    card = read_card(folders[0] / WEIGHTS)
    source = blend.data or source_of(card["bank"], folders[0].parents[1] / paths.BANKS)
    data = Path(source) if source else None
    if data is None or not data.is_dir():
        raise UserError("the data set that it was trained on is not here: name clips to compare on with --clips")
    test = corpora.test_clips(card["recipe"]["corpus"], data)
    return [data / name for name in test["path"]][:CLIPS] or find_audio(data)[:CLIPS]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run_or_blend", metavar="RUN_OR_BLEND", help="name of a run or of a blend below --runs")
    parser.add_argument("--out", type=Path, metavar="ONNX", help="file (default: <runs>/exported/<name>.onnx)")
    parser.add_argument("--member", metavar="FOLD", help="only this member of the run, such as fold0 or all")
    parser.add_argument("--clips", nargs="+", type=Path, default=[], metavar="FILE_OR_FOLDER", help="compared on")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="such as scoring.overlap=0")
    parser.add_argument("--runs", type=Path, default=paths.runs(), help="folder of all runs (default: runs/)")
    return parser.parse_args()


if __name__ == "__main__":
    run_script(main)
