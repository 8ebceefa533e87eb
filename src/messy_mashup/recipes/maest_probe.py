"""A probe of MAEST on GTZAN, or with probe.py --like on the corpus, mashups and folds of any other recipe.

From MAEST's authors: the weights of 30 s with Discogs' 400 styles, frozen; CLS, DIST and the mean of the tokens after
one layer, one after the other; a small perceptron on them. Ours: which layer, the perceptron's width and dropout, and
how it learns. The splits are those of gtzan_ast_dora, so that the two are compared and blended on the same songs.
"""

from messy_mashup.recipe import HeadRecipe, MAESTRecipe, Recipe, TrainRecipe
from messy_mashup.recipes.gtzan_ast_dora import reported as gtzan
from messy_mashup.recipes.whole_songs import WHOLE_SONGS

DISCOGS = "mtg-upf/discogs-maest-30s-pw-129e"

probe = Recipe(
    name="maest_probe",
    corpus="gtzan",
    mashup=WHOLE_SONGS,
    backbone=MAESTRecipe(weights=DISCOGS, frozen=True, layer=7, head=HeadRecipe(hidden=256, dropout=0.3)),
    train=TrainRecipe(epochs=60, mashups_per_epoch=0, batch_size=64, lr=1e-3, weight_decay=0.05, warmup=0.1),
    folds=gtzan.folds,
)
