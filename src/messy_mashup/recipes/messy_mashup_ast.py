"""AST on fresh mashups: as its participant published it, improved, and small enough for two cores.

Published (`messy_mashup_ast`; public .8522, private .8650): AST with AudioSet's weights, AdamW at 5e-5, batches of 12,
10 epochs, 16 kHz, stretch .9 to 1.1, noise. What is not published is this project's: the cosine, the noise's level.
"""

from dataclasses import replace

from messy_mashup.recipe import ASTRecipe, MashupRecipe, Recipe, TrainRecipe
from messy_mashup.recipes.tiny_sets import DEMO_FOLDS, DEMO_MASHUPS, MINI_FOLDS, MINI_MASHUPS

AUDIOSET = "MIT/ast-finetuned-audioset-10-10-0.4593"

published = Recipe(
    name="messy_mashup_ast",
    mashup=MashupRecipe(rate=(0.9, 1.1)),
    backbone=ASTRecipe(weights=AUDIOSET),
    train=TrainRecipe(epochs=10, batch_size=12, lr=5e-5),
)

# Patchout makes a step shorter and members more different; the lower layers, which know sounds, move less than the
# head, which knows nothing yet; averaged weights need no choice of an epoch.
patchout = replace(
    published,
    name="messy_mashup_ast_patchout",
    backbone=ASTRecipe(weights=AUDIOSET, patchout=(2, 30)),
    train=TrainRecipe(
        epochs=10,
        mashups_per_epoch=12_000,
        batch_size=24,
        lr=5e-5,
        head_lr=10.0,
        layer_lr=0.8,
        clip_norm=1.0,
        ema=0.999,
    ),
)

# From random weights: patches that do not overlap, a sixth of the width, a third of the layers.
tiny = replace(
    published,
    name="messy_mashup_ast_tiny",
    mashup=MINI_MASHUPS,
    backbone=ASTRecipe(heard_s=1.8, width=128, layers=4, heads=2, stride=(16, 16)),
    train=TrainRecipe(epochs=5, mashups_per_epoch=5120, lr=1e-3, precision="bfloat16"),
    folds=MINI_FOLDS,
)

patchout_tiny = replace(
    tiny,
    name="messy_mashup_ast_patchout_tiny",
    backbone=replace(tiny.backbone, patchout=(1, 2)),
    train=replace(tiny.train, layer_lr=0.8, head_lr=3.0, clip_norm=1.0),
)

# For notebook 03 on the demo: it shows the way, and with so few mashups and no weights it stays behind the ResNet34.
demo = replace(
    published,
    name="messy_mashup_ast_demo",
    mashup=DEMO_MASHUPS,
    backbone=ASTRecipe(heard_s=3.0, width=64, layers=3, heads=2, stride=(16, 16)),
    train=TrainRecipe(epochs=4, mashups_per_epoch=1536, lr=2e-3),
    folds=DEMO_FOLDS,
)
