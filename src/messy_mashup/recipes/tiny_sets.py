"""What the `_tiny` recipes share, so that their members can be blended: real music in clips of 2 to 3 s."""

from messy_mashup.recipe import FoldRecipe, MashupRecipe

MINI_MASHUPS = MashupRecipe(length_s=(1.8, 3.0))
MINI_FOLDS = FoldRecipe(count=5, validation=MINI_MASHUPS)
