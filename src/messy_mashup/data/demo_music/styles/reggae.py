"""Reggae: the third beat of one-drop drums, chords off the beat, a melodic bass with holes."""

from messy_mashup.data.demo_music.genres import BassLine, Comp, Genre, Groove, Singing, Tune
from messy_mashup.data.demo_music.styles.shared import SUNG

STYLE = Genre(
    "reggae",
    (66, 92),
    (0.5, 0.6),
    ("minor pentatonic", "dorian", "major pentatonic"),
    ("i bVII i bVII", "I IV I IV", "I V vi IV", "i iv i iv", "ii V I I"),
    (
        Groove({"kick": "........X.......", "rim": "........X.......", "hat": "x.x.x.x.x.x.x.x."}),
        Groove({"kick": "X...X...X...X...", "rim": "........x.......", "hat": "..x...x...x...x."}),
        Groove(
            {
                "kick": "..o.....X.......",
                "snare": "........X.....o.",
                "hat": "x-x-x-x-x-x-x-x-",
                "open": "......o.........",
            }
        ),
    ),
    (
        BassLine("x..x..x.....x.x.", "1 1 3 5 5", ("finger bass", "sub bass"), 0.7),
        BassLine("..x.x.x...x.x...", "1 3 5 8 5", ("finger bass", "sub bass"), 0.75),
        BassLine("x.....x.x...x.x.", "1 5 8 5 3", ("finger bass", "sub bass"), 0.7),
    ),
    (
        Comp("....X.......X...", ("clean guitar", "organ"), gate=0.15, register=64, level=0.7, chance=1.0),
        Comp("..x...x...x...x.", ("organ", "clean guitar"), gate=0.3, register=60, level=0.4, chance=0.8),
        Comp("....X--.....X--.", ("organ", "piano"), gate=0.3, register=60, level=0.4, chance=0.4),
    ),
    (Tune(("x..x..x.........", "x.x.x.....x....."), ("trumpets", "organ"), rest=0.5, chance=0.5),),
    (Singing(SUNG, vibrato_cents=18, breath=0.15, bend=0.3, rest=0.4, harmony=0.3),),
    rests={"vocals": 0.1, "other": 0.05},
)
