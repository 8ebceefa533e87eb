"""Files are labelled by members whose labels are told each by itself: styles of pretrained weights, or a probe's."""

from collections.abc import Sequence
from pathlib import Path

import torch

from messy_mashup import models
from messy_mashup.data.folds import ALL
from messy_mashup.errors import UserError
from messy_mashup.models.maest import MAEST, styles_of
from messy_mashup.recipe import Recipe
from messy_mashup.scoring.file_labels import journal_for, labelled, write_table
from messy_mashup.scoring.predict import Listener
from messy_mashup.scoring.top_labels import label_files, told, top_rows, whole_table
from messy_mashup.training import run_folder
from messy_mashup.training.label_probe import label_card
from messy_mashup.training.probe import write_member
from messy_mashup.training.run_folder import fold_name
from messy_mashup.training.trained import listener_of


def style_listener(recipe: Recipe, device: torch.device) -> Listener:
    """The recipe's weights with their own head, ready to tell their styles."""
    styles = styles_of(recipe.backbone.weights)
    return listener_of(_with_head(recipe, len(styles)), recipe, styles, device)


def write_style_run(run: Path, recipe: Recipe) -> None:
    """Make a run of the recipe's weights: their head as the one member, on themselves. One of others is refused."""
    styles = styles_of(recipe.backbone.weights)
    folder = run / fold_name(ALL)
    card = label_card(recipe, styles, models.base_digest(recipe.backbone))
    if (folder / run_folder.WEIGHTS).exists():
        run_folder.refuse_another(folder, run_folder.read_card(folder / run_folder.WEIGHTS), card)
    head = _with_head(recipe, len(styles)).learnt()
    write_member(folder, recipe, [{"epoch": 1}])
    run_folder.save_weights(folder / run_folder.WEIGHTS, head, card)


def label_and_tell(listeners: Sequence[Listener], files: Sequence[Path], count: int, out: Path | None = None) -> None:
    """Print the `count` likeliest labels of every file; `out` takes a table of all.

    UserError at the end, and no table, where files could not be labelled.
    """
    labels = listeners[0].classes
    with journal_for(out, listeners) as journal:
        results = label_files(listeners, files, journal)
        done = labelled(results, len(files), lambda file, result: told(top_rows(file, result, labels, count)), out)
        if out:
            write_table(whole_table([file for file, _ in done], [result for _, result in done], labels), out)


def _with_head(recipe: Recipe, styles: int) -> MAEST:
    """The network with the head of its weights; a checkpoint without one is refused."""
    model = models.build(recipe.backbone, styles)
    drawn = model.classifier.dense.weight.detach().clone()
    models.load_pretrained(model, recipe.backbone)
    if torch.equal(model.classifier.dense.weight, drawn):
        raise UserError(
            f"the weights {recipe.backbone.weights} bring no head of {styles} styles: name those of a classifier"
        )
    return model
