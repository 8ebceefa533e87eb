"""Embed files by a layer of MAEST: CLS, DIST and the mean of the patches, in the mean over a file's windows.

    python src/embed.py FILE_OR_FOLDER ... --out NPZ [--weights NAME] [--layer 7]

The NPZ holds id (the files), embedding (files, 3 * width), layer and weights (their digest). What was embedded before,
by these weights and this layer, is taken from runs/embeddings; interrupted, the same command goes on.
"""

import argparse
from pathlib import Path

from messy_mashup import paths
from messy_mashup.errors import UserError, run_script


def main() -> None:
    """Parse, embed, write, print."""
    options = _options()
    import numpy as np

    from messy_mashup.data.audio import audio_named
    from messy_mashup.files import write_whole
    from messy_mashup.models.maest import recipe_of
    from messy_mashup.recipe import Recipe
    from messy_mashup.recipe_text import override_scoring
    from messy_mashup.training.device import best_device
    from messy_mashup.training.embedded_clips import file_clips
    from messy_mashup.training.embeddings import FOLDER
    from messy_mashup.training.probe import embeddings_of
    from messy_mashup.training.stop import Stop

    files = audio_named(options.files, options.max_hours)
    scoring = override_scoring(Recipe(name="embed").scoring, options.set)
    recipe = Recipe(name="embed", backbone=recipe_of(options.weights, layer=options.layer), scoring=scoring)
    embeddings = embeddings_of(recipe, options.runs / FOLDER, best_device())
    with Stop() as stop:
        embedded = embeddings.of(file_clips(files, embeddings.spec), "files", stop)
    means, names = np.stack([clip.mean for clip in embedded]), np.array([str(file) for file in files])
    with write_whole(options.out) as temporary, temporary.open("wb") as file:
        np.savez(file, id=names, embedding=means, layer=options.layer, weights=embeddings.about["weights"])
    print(f"{len(files)} files, {means.shape[1]} numbers each: {options.out}")


def _options() -> argparse.Namespace:
    from messy_mashup.data.audio import add_max_hours
    from messy_mashup.recipes.maest_probe import DISCOGS

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE_OR_FOLDER", help="audio")
    parser.add_argument("--out", type=Path, required=True, metavar="NPZ", help="where the embeddings go")
    parser.add_argument("--weights", default=DISCOGS, metavar="NAME", help=f"of MAEST (default: {DISCOGS})")
    parser.add_argument("--layer", type=int, default=7, help="transformer layer, counted from 1 (default: 7)")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="such as scoring.overlap=0")
    add_max_hours(parser)
    parser.add_argument("--runs", type=Path, default=paths.runs(), help="folder of all runs (default: runs/)")
    options = parser.parse_args()
    if options.layer < 1:
        raise UserError(f"--layer {options.layer}: layers are counted from 1")
    return options


if __name__ == "__main__":
    run_script(main)
