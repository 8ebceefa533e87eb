"""ResNet34 from scratch on fresh mashups: for the competition, for the demo, for the mini set."""

from dataclasses import replace

from messy_mashup.recipe import AugmentRecipe, FoldRecipe, MashupRecipe, Recipe, ResNet34Recipe, TrainRecipe

# The host's clips are 30 s; test mashups last 6 to 30.6 s, 28.7 s in the mean.
competition = Recipe(name="messy_mashup_resnet34")

# Clips of 8 s and two cores: a quarter of the widths, half the mels, every second frame.
demo = replace(
    competition,
    name="messy_mashup_resnet34_demo",
    mashup=MashupRecipe(length_s=(4.0, 8.0)),
    backbone=ResNet34Recipe(heard_s=3.0, mels=64, hop=320, widths=(16, 32, 64, 128)),
    augment=AugmentRecipe(masks=1, equaliser_db=3.0),
    train=TrainRecipe(epochs=4, mashups_per_epoch=1536, lr=2e-3),
    folds=FoldRecipe(count=2, validation=MashupRecipe(length_s=(3.0, 8.0))),
)

# Real music in clips of 2 to 3 s, on two cores whose processor has bfloat16. 400 songs are few: without the
# augmentation the network knows the songs that it has heard and little else.
mini = replace(
    competition,
    name="messy_mashup_resnet34_mini",
    mashup=MashupRecipe(length_s=(1.8, 3.0)),
    backbone=ResNet34Recipe(heard_s=1.8, mels=96, hop=200, widths=(32, 64, 128, 256)),
    augment=AugmentRecipe(masks=1, equaliser_db=3.0),
    train=TrainRecipe(epochs=8, mashups_per_epoch=5120, precision="bfloat16"),
    folds=FoldRecipe(count=5, validation=MashupRecipe(length_s=(1.8, 3.0))),
)
