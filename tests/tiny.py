"""A corpus and a recipe so small that a member is trained in a second, shared by the tests that train."""

from pathlib import Path

from example_trees import write_messy_mashup

SETTINGS = {
    "backbone.widths": "(4,4,8,8)",
    "backbone.heard_s": "0.4",
    "mashup.length_s": "(0.4,0.6)",
    "folds.validation.length_s": "(0.4,0.8)",
    "folds.validation_per_song": "1",
    "train.epochs": "2",
    "train.mashups_per_epoch": "16",
    "train.batch_size": "8",
}
RECIPE = "messy_mashup_resnet34_demo"
PRELOAD = ("slow_imports",)


def write_tiny_corpus(root: Path) -> Path:
    """Two genres of eight songs, three noise clips, two test mashups."""
    write_messy_mashup(root, genres=("blues", "rock"), songs=8, seconds=0.8)
    return root


def settings() -> list[str]:
    """The tiny recipe's settings as arguments of train.py."""
    return [word for name, value in SETTINGS.items() for word in ("--set", f"{name}={value}")]
