"""What systems share whose songs are not taken apart: a mashup is then one song, heard as it is."""

from messy_mashup.recipe import MashupRecipe

WHOLE_SONGS = MashupRecipe(
    parts=("mix",), drawn="songs", whole=1.0, gain=(1.0, 1.0), tempo="random", stretched=0.0, noisy=0.0
)
