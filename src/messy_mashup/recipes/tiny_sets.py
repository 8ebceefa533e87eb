"""What small variants share, so that their members can be blended: `_tiny` for real music in clips of 2 to 3 s, `_demo`
for the demo's songs of 8 s.
"""

from messy_mashup.recipe import FoldRecipe, MashupRecipe

MINI_MASHUPS = MashupRecipe(length_s=(1.8, 3.0))
MINI_FOLDS = FoldRecipe(count=5, validation=MINI_MASHUPS)

DEMO_MASHUPS = MashupRecipe(length_s=(4.0, 8.0))
DEMO_FOLDS = FoldRecipe(count=2, validation=MashupRecipe(length_s=(3.0, 8.0)))
