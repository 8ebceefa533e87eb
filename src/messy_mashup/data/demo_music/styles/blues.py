"""Blues: a shuffle over twelve bars, boogie bass, bent guitar and harmonica."""

from messy_mashup.data.demo_music.genres import BassLine, Comp, Genre, Groove, Singing, Tune

STYLE = Genre(
    "blues",
    (66, 118),
    (0.62, 0.68),
    ("blues", "minor pentatonic"),
    (
        "I7 I7 I7 I7 IV7 IV7 I7 I7 V7 IV7 I7 V7",
        "I7 IV7 I7 I7 IV7 IV7 I7 VI7 V7 IV7 I7 V7",
        "im7 im7 ivm7 im7 bVI7 V7 im7 V7",
    ),
    (
        Groove({"kick": "X..o..X..o..", "snare": "...X.....X..", "hat": "x.xx.xx.xx.x"}),
        Groove({"kick": "x.....x.x...", "snare": "...X.....X..", "hat": "x.xx.xx.xx.x"}),
        Groove({"kick": "x..x..x..x..", "snare": "...X..~..X.~", "hat": "xxxxxxxxxxxx"}),
    ),
    (
        BassLine("x.xx.xx.xx.x", "1 1 5 5 6 6 5 5", ("finger bass", "pick bass")),
        BassLine("x..x..x..x..", "1 3 5 6", ("finger bass", "pick bass")),
        BassLine("x..x.xx..x.x", "1 1 8 7 5 1", ("finger bass", "pick bass")),
    ),
    (
        Comp("x.xx.xx.xx.x", ("crunch guitar", "clean guitar", "piano"), "shuffle", 0.6, 48, 0.5, 0.9),
        Comp("..x..x..x..x", ("piano", "organ", "clean guitar"), gate=0.5, chance=0.5),
        Comp("X...........", ("organ",), "drone", 1.0, 60, 0.3, 0.4),
    ),
    (
        Tune(
            ("x.xx.xx.....", "...x.xx.xx..", "x..x.xx.x..."),
            ("crunch guitar", "harmonica"),
            bend=0.6,
            chance=0.85,
        ),
    ),
    (Singing(("x.xx.xx.....", "x..x.xx.x...", "..xx.xx....."), bend=0.5, breath=0.15, rough=0.15, rest=0.45),),
    rests={"vocals": 0.1},
    absent={"vocals": 0.06},
)
