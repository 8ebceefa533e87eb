"""Disco: four on the floor with open hats between, octave bass, scratched guitar, strings."""

from messy_mashup.data.demo_music.genres import BassLine, Comp, Genre, Groove, Singing, Tune
from messy_mashup.data.demo_music.styles.shared import SUNG

STYLE = Genre(
    "disco",
    (108, 130),
    (0.5, 0.53),
    ("dorian", "minor", "major pentatonic"),
    ("im7 im7 ivm7 ivm7", "im7 bVII im7 bVII", "iim7 V7 Imaj7 VI7", "im7 bIIImaj7 bVI bVII", "Imaj7 vim7 iim7 V7"),
    (
        Groove({"kick": "X...X...X...X...", "open": "..x...x...x...x.", "snare": "....x.......x..."}),
        Groove(
            {
                "kick": "X...X...X...X...",
                "open": "..x...x...x...x.",
                "clap": "....x.......x...",
                "conga": "..o.o.xo..o.x.o.",
            }
        ),
        Groove(
            {
                "kick": "X...X...X...X...",
                "open": "..x...x...x...x.",
                "hat": "x..xx..xx..xx..x",
                "snare": "....x.......x.o.",
            }
        ),
    ),
    (
        BassLine("x.x.x.x.x.x.x.x.", "1 8", ("finger bass", "synth bass", "pick bass"), 0.7),
        BassLine("x.xxx.xxx.xxx.xx", "1 8 8", ("finger bass", "synth bass"), 0.6),
        BassLine("x..x..x.x.x.x.xx", "1 8 7 8 1 3 5 8", ("finger bass", "synth bass"), 0.7),
    ),
    (
        Comp("x-xx-xx-x-xx-xx-", ("clean guitar",), gate=0.35, register=64, level=0.45, chance=0.95),
        Comp("x...............", ("violins", "synth pad"), "drone", 1.0, 72, 0.35, 0.85),
        Comp("X.....X...X.....", ("trumpets", "electric piano"), gate=0.35, register=65, chance=0.5),
    ),
    (
        Tune(
            ("x.x.x.xxx.......", "xxxxxxxxx.......", "x..x..x.x......."),
            ("violins", "trumpets"),
            register=76,
            rest=0.5,
            chance=0.6,
        ),
    ),
    (Singing(SUNG, vibrato_cents=25, breath=0.12, high=3, rest=0.3, harmony=0.5),),
    rests={"vocals": 0.1},
)
