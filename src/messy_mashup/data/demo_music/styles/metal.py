"""Metal: double kicks, palm-muted power chords doubled by the bass, growled vocals."""

from messy_mashup.data.demo_music.genres import BassLine, Comp, Genre, Groove, Singing, Tune

STYLE = Genre(
    "metal",
    (96, 176),
    (0.5, 0.5),
    ("phrygian", "harmonic minor", "minor"),
    ("i5 i5 bVI5 bVII5", "i5 bII5 i5 bVII5", "i5 i5 i5 bII5,bIII5", "i5 bVI5 bIII5 bVII5", "i5 #IV5 i5 bII5"),
    (
        Groove({"kick": "xxxxxxxxxxxxxxxx", "snare": "....X.......X...", "crash": "x...o...x...o..."}, ("metal",), 0.6),
        Groove({"kick": "x.xxx.xxx.xxx.xx", "snare": "....X.......X...", "open": "x...x...x...x..."}, ("metal",), 0.6),
        Groove(
            {"kick": "x..x..x.x..x..x.", "snare": "....X.......X...", "ride": "x...x...x...x..."},
            ("metal", "acoustic"),
            0.6,
        ),
    ),
    (
        BassLine("x.xxx.xxx.xxx.xx", "1", ("pick bass",), 0.8),
        BassLine("xxxxxxxxxxxxxxxx", "1", ("pick bass",), 0.8),
        BassLine("x..x..x.x..x..x.", "1 1 1 1 1 ^", ("pick bass", "finger bass"), 0.8),
    ),
    (
        Comp("X-xX-xX-xX-xX-xX", ("distorted guitar",), "power", 0.8, 40, 0.6, 1.0),
        Comp("X---X---X---X---", ("distorted guitar",), "power", 0.9, 40, 0.55, 0.5),
        Comp("X.......X.......", ("distorted guitar",), "power", 1.0, 45, 0.5, 0.4),
    ),
    (
        Tune(
            ("xxxxxxxxxxxxxxxx", "x.x.xxxxx...x..."),
            ("distorted guitar",),
            register=74,
            rest=0.5,
            level=0.4,
            chance=0.5,
        ),
    ),
    (
        Singing(
            ("x...x...x.......", "x.x.x...x...x...", "x.......x.x....."),
            vibrato_cents=10,
            breath=0.3,
            rough=1.0,
            leap=1.0,
            high=-2,
            rest=0.35,
            harmony=0.1,
        ),
    ),
    rests={"vocals": 0.1},
    absent={"vocals": 0.06},
)
