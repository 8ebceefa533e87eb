"""Jazz: a swung ride, walking bass, sparse seventh chords, a horn that hardly rests."""

from messy_mashup.data.demo_music.genres import BassLine, Comp, Genre, Groove, Singing, Tune

STYLE = Genre(
    "jazz",
    (92, 190),
    (0.6, 0.68),
    ("bebop", "dorian", "mixolydian"),
    (
        "iim7 V7 Imaj7 VI7",
        "Imaj7,VI7 iim7,V7 iiim7,VI7 iim7,V7",
        "iim7 V7 Imaj7 Imaj7 ivm7 bVII7 Imaj7 VI7",
        "im7 im7 ivm7 im7 iim7 V7 im7 V7",
    ),
    (
        Groove(
            {"ride": "x..x.xx..x.x", "hat": "...x.....x..", "kick": "-..-..-..-..", "snare": "..~..~..~..~"},
            ("brushes", "acoustic"),
        ),
        Groove({"ride": "x..x.xx..x.x", "hat": "...x.....x..", "snare": "~....~..~..."}, ("brushes", "acoustic")),
        Groove({"snare": "x..x.xx..x.x", "hat": "...x.....x..", "kick": "-..........."}, ("brushes",)),
    ),
    (
        BassLine("x..x..x..x..", "1 3 5 ^", ("upright bass",), 0.9),
        BassLine("x..x..x..x.x", "1 5 6 8 ^", ("upright bass",), 0.9),
        BassLine("x..x..x..x..", "1 8 7 ^", ("upright bass", "finger bass"), 0.9),
    ),
    (
        Comp("x....x......", ("piano", "clean guitar", "electric piano"), gate=0.4, register=60, chance=0.8),
        Comp("..x.....x..x", ("piano", "clean guitar"), gate=0.4, register=60, chance=0.6),
        Comp("x..x..x..x..", ("clean guitar", "nylon guitar"), gate=0.5, register=55, level=0.35, chance=0.3),
    ),
    (
        Tune(
            ("x.xx.xx.xx.x", "...x.xx.x...", "x.xx.xx.....", "..x..xx.xx.."),
            ("saxophone", "trumpets", "saxophone", "clarinet"),
            register=68,
            bend=0.25,
            rest=0.2,
            chance=0.95,
        ),
    ),
    (
        Singing(
            ("..x..x..x...", "x....x......", "...x.xx.x..."),
            gate=0.95,
            vibrato_cents=35,
            glide_s=0.07,
            breath=0.25,
            bend=0.4,
            rest=0.4,
        ),
    ),
    waltz=0.12,
    rests={"vocals": 0.1, "drums": 0.05},
    absent={"vocals": 0.3, "drums": 0.03},
)
