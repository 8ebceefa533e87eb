"""Rock: a backbeat with fills, power chords and eighth-note bass, a rough voice."""

from messy_mashup.data.demo_music.genres import BassLine, Comp, Genre, Groove, Singing, Tune
from messy_mashup.data.demo_music.styles.shared import GUITARS, SUNG

STYLE = Genre(
    "rock",
    (92, 152),
    (0.5, 0.53),
    ("minor pentatonic", "mixolydian", "major pentatonic"),
    ("I bVII IV I", "I IV V IV", "i bVI bVII i", "I V vi IV", "I5 I5 IV5 V5"),
    (
        Groove({"kick": "X.....x.x.......", "snare": "....X.......X...", "hat": "x.x.x.x.x.x.x.x."}, fills=0.6),
        Groove({"kick": "X..x....x.x.....", "snare": "....X.......X...", "open": "x...x...x...x..."}, fills=0.6),
        Groove({"kick": "X.x.....X.x.....", "snare": "....X..~....X...", "ride": "x.x.x.x.x.x.x.x."}, fills=0.6),
    ),
    (
        BassLine("x.x.x.x.x.x.x.x.", "1", ("pick bass", "finger bass"), 0.9),
        BassLine("x..x..x.x.x.x.x.", "1 1 1 5 1 1 ^", ("pick bass", "finger bass"), 0.9),
        BassLine("x.....x.x.......", "1 5 1", ("pick bass", "finger bass"), 0.9),
    ),
    (
        Comp("X.x.x.x.X.x.x.x.", ("crunch guitar", "distorted guitar"), "power", 0.8, 43, 0.55, 0.9),
        Comp("X..x..x.X..x..x.", GUITARS, "strum", 0.8, 52, 0.5, 0.6),
        Comp("X...............", ("organ", "crunch guitar"), "drone", 1.0, 55, 0.35, 0.4),
    ),
    (
        Tune(
            ("x.x.x..x..x.....", "x..xx...x.x.....", "xxx.x.x........."),
            ("crunch guitar", "distorted guitar"),
            bend=0.5,
            chance=0.7,
        ),
    ),
    (Singing(SUNG, vibrato_cents=18, breath=0.15, rough=0.3, bend=0.35, rest=0.35, harmony=0.2),),
    rests={"vocals": 0.1},
    absent={"vocals": 0.04},
)
