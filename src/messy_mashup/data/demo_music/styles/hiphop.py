"""Hip-hop: slow machine drums, deep gliding bass, a sampled loop, rapped syllables."""

from messy_mashup.data.demo_music.genres import BassLine, Comp, Genre, Groove, Singing, Tune

STYLE = Genre(
    "hiphop",
    (78, 102),
    (0.5, 0.6),
    ("minor", "minor pentatonic", "dorian"),
    ("i i i i", "i bVI i bVI", "im7 ivm7 im7 ivm7", "i bVI bVII i", "im9 bVImaj7 im9 V7"),
    (
        Groove(
            {"kick": "X......x..X.....", "snare": "....X.......X...", "hat": "x.x.x.x.x.x.x.x."},
            ("machine", "acoustic"),
            0.1,
        ),
        Groove(
            {"kick": "X..x......Xo....", "clap": "....X.......X...", "hat": "xxxxx.xxxxxxx~~x"},
            ("machine", "machine"),
            0.1,
        ),
        Groove(
            {
                "kick": "X.o.......x..x..",
                "snare": "....X..~.~..X...",
                "hat": "x-x-x-x-x-x-x-x-",
                "open": "..............o.",
            },
            ("machine", "acoustic"),
            0.1,
        ),
    ),
    (
        BassLine("x......x..x.....", "1 1 g1", ("sub bass", "synth bass"), 0.95),
        BassLine("x.........x.....", "1 g1", ("sub bass",), 1.0),
        BassLine("x..x......x..x..", "1 1 7 ^", ("sub bass", "finger bass"), 0.8),
    ),
    (
        Comp("x.....x.....x...", ("electric piano", "piano", "bells"), gate=0.8, register=62, chance=0.85),
        Comp("x...............", ("synth pad", "violins"), "drone", 1.0, 60, 0.3, 0.5),
        Comp("x..x..x.x..x..x.", ("bells", "synth pluck", "piano", "nylon guitar"), "arpeggio", 0.9, 70, 0.4, 0.5),
    ),
    (Tune(("x..x..x.........", "x.....x...x....."), ("synth lead", "bells"), rest=0.4, chance=0.4),),
    (
        Singing(
            ("x.xxx.xxx.xxx.x.", "xxx.x.xxx.x.xx..", "x.xx.xx.xxx.x...", "..xxx.xxx.xxx.xx"),
            gate=0.7,
            vibrato_cents=0,
            breath=0.2,
            spoken=1.0,
            leap=1.0,
            bend=0.0,
            high=-4,
            rest=0.12,
            harmony=0.1,
        ),
    ),
    rests={"other": 0.1, "bass": 0.1},
)
