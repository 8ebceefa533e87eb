"""ResNet34 on fresh mashups: for the competition, for real music in short clips on two cores, for the demo."""

from dataclasses import replace

from messy_mashup.recipe import AugmentRecipe, Recipe, ResNet34Recipe, TrainRecipe
from messy_mashup.recipes.tiny_sets import DEMO_FOLDS, DEMO_MASHUPS, MINI_FOLDS, MINI_MASHUPS

# The host's clips are 30 s; test mashups last 6 to 30.6 s, 28.7 s in the mean.
competition = Recipe(name="messy_mashup_resnet34")

# Half the widths. No masks and no equaliser, which cost the CNN .05 (README).
tiny = replace(
    competition,
    name="messy_mashup_resnet34_tiny",
    mashup=MINI_MASHUPS,
    backbone=ResNet34Recipe(heard_s=1.8, mels=96, hop=200, widths=(32, 64, 128, 256)),
    train=TrainRecipe(epochs=5, mashups_per_epoch=5120, precision="bfloat16"),
    folds=MINI_FOLDS,
)

# Clips of 8 s and two cores: a quarter of the widths, half the mels, every second frame.
demo = replace(
    competition,
    name="messy_mashup_resnet34_demo",
    mashup=DEMO_MASHUPS,
    backbone=ResNet34Recipe(heard_s=3.0, mels=64, hop=320, widths=(16, 32, 64, 128)),
    augment=AugmentRecipe(masks=1, equaliser_db=3.0),
    train=TrainRecipe(epochs=4, mashups_per_epoch=1536, lr=2e-3),
    folds=DEMO_FOLDS,
)
