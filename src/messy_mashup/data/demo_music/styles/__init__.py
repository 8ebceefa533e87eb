"""The ten genres of the competition as this synthesiser plays them, one file each."""

from messy_mashup.data.demo_music.styles import (
    blues,
    classical,
    country,
    disco,
    hiphop,
    jazz,
    metal,
    pop,
    reggae,
    rock,
)

GENRES = {
    module.STYLE.name: module.STYLE
    for module in (blues, classical, country, disco, hiphop, jazz, metal, pop, reggae, rock)
}
