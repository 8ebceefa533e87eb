"""A small CNN on fresh mashups: the baseline of one participant; by itself another's .985 when mashups were many."""

from dataclasses import replace

from messy_mashup.recipe import CNNRecipe, Recipe, TrainRecipe
from messy_mashup.recipes.tiny_sets import DEMO_FOLDS, DEMO_MASHUPS, MINI_FOLDS, MINI_MASHUPS

competition = Recipe(
    name="messy_mashup_cnn",
    backbone=CNNRecipe(),
    train=TrainRecipe(epochs=12, mashups_per_epoch=10_000, batch_size=64, lr=2e-3),
)

tiny = replace(
    competition,
    name="messy_mashup_cnn_tiny",
    mashup=MINI_MASHUPS,
    backbone=CNNRecipe(heard_s=1.8, mels=96, hop=200, widths=(32, 64, 128, 256)),
    train=TrainRecipe(epochs=8, mashups_per_epoch=5120, lr=3e-3, precision="bfloat16"),
    folds=MINI_FOLDS,
)

# Clips of 8 s and two cores: half the widths and mels, every second frame.
demo = replace(
    competition,
    name="messy_mashup_cnn_demo",
    mashup=DEMO_MASHUPS,
    backbone=CNNRecipe(heard_s=3.0, mels=64, hop=320, widths=(16, 32, 64, 128)),
    train=TrainRecipe(epochs=4, mashups_per_epoch=1536, lr=3e-3),
    folds=DEMO_FOLDS,
)
