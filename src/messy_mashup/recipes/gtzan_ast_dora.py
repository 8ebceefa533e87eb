"""AST with DoRA on GTZAN, after a report (validation 87-90 %, test 83-87 %).

Reported: AudioSet's AST, frozen; a head of dropout, 200 hidden units, GELU, dropout; DoRA of rank 2 and alpha 4.247 on
the last linear layer of the feed-forward block of the encoder's layers from 10 on; learning rate 1.32e-4, warm-up .085,
weight decay .0676, batches of 2 accumulated 8 times, 13 epochs; copies of every training song, slower and faster,
through high-pass and low-pass, and with echo, kept for all epochs; for songs from elsewhere the majority of 20 random
chunks of 30 s. Not reported and ours: how far the copies go, the dropout, the cosine, and that songs of one artist,
where artists.csv names them, are never on both sides.
"""

from dataclasses import replace

from messy_mashup.recipe import ASTRecipe, DoRARecipe, FoldRecipe, HeadRecipe, Recipe, ScoringRecipe, TrainRecipe
from messy_mashup.recipes.messy_mashup_ast import AUDIOSET
from messy_mashup.recipes.whole_songs import WHOLE_SONGS
from messy_mashup.training.search_space import Choice, Real, Whole

BUNDLE = ("slower", "faster", "high_pass", "low_pass", "echo")

reported = Recipe(
    name="gtzan_ast_dora",
    corpus="gtzan",
    mashup=replace(WHOLE_SONGS, changes=BUNDLE, copies="kept", rate=(0.8, 1.25)),
    backbone=ASTRecipe(
        weights=AUDIOSET,
        frozen=True,
        head=HeadRecipe(hidden=200, dropout=0.1),
        dora=DoRARecipe(rank=2, alpha=4.247, layers=("feed_forward_out",), first=10),
    ),
    train=TrainRecipe(
        epochs=13, mashups_per_epoch=0, batch_size=16, accumulate=8, lr=1.32e-4, warmup=0.085, weight_decay=0.0676
    ),
    scoring=ScoringRecipe(windows="random", chunks=20, chunk_s=30.0, pooled="majority"),
    folds=FoldRecipe(cut="ratios", ratios=(8, 1, 1), count=5, validation_per_song=1, validation=WHOLE_SONGS),
)

# As the report proposes: a change, or none, drawn anew for every song of every batch. An epoch is then a sixth as long.
fresh = replace(
    reported,
    name="gtzan_ast_dora_fresh",
    mashup=replace(reported.mashup, copies="fresh"),
    train=replace(reported.train, epochs=6 * reported.train.epochs),
)

plain = replace(
    reported,
    name="gtzan_ast_dora_plain",
    mashup=WHOLE_SONGS,
    train=replace(reported.train, epochs=6 * reported.train.epochs),
)

# What the report let Optuna search; src/tune.py does.
SPACE = {
    "train.lr": Real(1e-5, 1e-3, log=True),
    "train.warmup": Real(0.0, 0.2),
    "train.weight_decay": Real(1e-4, 0.1, log=True),
    "train.epochs": Whole(5, 20),
    "train.batch_size": Choice((8, 16, 32)),
    "train.accumulate": Choice((1, 2, 4, 8)),
    "backbone.dora.rank": Choice((1, 2, 4, 8, 16)),
    "backbone.dora.alpha": Real(1.0, 32.0, log=True),
    "backbone.head.hidden": Choice((50, 100, 200, 400)),
}
