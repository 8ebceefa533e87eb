"""AST on ISMIR2004: six unequal classes of whole tracks (reported: 86.15 % accuracy, evaluation loss .6254, AUC .94 to
1.00).

Reported: AudioSet's AST, fine-tuned on the training part of the contest's own split; class weights are named as future
work. Not reported and ours: learning rate, batches and epochs, that a track is heard at a place of its own in every
epoch, and that ten windows of 10.24 s decide.
"""

from dataclasses import replace

from messy_mashup.recipe import ASTRecipe, CNNRecipe, FoldRecipe, Recipe, ScoringRecipe, TrainRecipe
from messy_mashup.recipes.messy_mashup_ast import AUDIOSET
from messy_mashup.recipes.whole_songs import WHOLE_SONGS

reported = Recipe(
    name="ismir2004_ast",
    corpus="ismir2004",
    mashup=WHOLE_SONGS,
    backbone=ASTRecipe(weights=AUDIOSET),
    train=TrainRecipe(epochs=10, mashups_per_epoch=0, batch_size=8, lr=5e-5),
    scoring=ScoringRecipe(windows="random", chunks=10),
    folds=FoldRecipe(cut="given", count=1, validation_per_song=1, validation=WHOLE_SONGS),
)

weighted = replace(reported, name="ismir2004_ast_weighted", train=replace(reported.train, class_weights="balanced"))

# From random weights, for short songs on two cores.
tiny = replace(
    reported,
    name="ismir2004_ast_tiny",
    backbone=ASTRecipe(heard_s=3.0, width=64, layers=3, heads=2, stride=(16, 16)),
    train=TrainRecipe(epochs=12, mashups_per_epoch=0, batch_size=16, lr=2e-3),
    scoring=ScoringRecipe(),
)

# From few songs a small CNN learns more than an AST that knows nothing yet: benchmarks/class_weights.py takes it.
tiny_cnn = replace(
    tiny,
    name="ismir2004_cnn_tiny",
    backbone=CNNRecipe(heard_s=3.0, mels=64, hop=320, widths=(16, 32, 64, 128)),
    train=TrainRecipe(epochs=40, mashups_per_epoch=0, batch_size=16, lr=3e-3),
)
