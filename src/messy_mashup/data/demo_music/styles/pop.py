"""Pop: claps and shakers, four chords on pads and plucks, a sung hook with a second voice."""

from messy_mashup.data.demo_music.genres import BassLine, Comp, Genre, Groove, Singing, Tune
from messy_mashup.data.demo_music.styles.shared import SUNG

STYLE = Genre(
    "pop",
    (88, 128),
    (0.5, 0.54),
    ("major", "major pentatonic", "minor"),
    ("I V vi IV", "vi IV I V", "I vi IV V", "IV I V vi", "i bVI bIII bVII"),
    (
        Groove(
            {"kick": "X.....x.x.......", "clap": "....X.......X...", "shaker": "x-x-x-x-x-x-x-x-"},
            ("machine", "acoustic"),
        ),
        Groove(
            {"kick": "X..x..x.X..x....", "clap": "....X.......X...", "shaker": "xxxxxxxxxxxxxxxx"},
            ("machine", "acoustic"),
        ),
        Groove({"kick": "X...X...X...X...", "clap": "....X.......X...", "shaker": "xxxxxxxxxxxxxxxx"}, ("machine",)),
    ),
    (
        BassLine("x..x..x.x..x..x.", "1", ("synth bass", "finger bass"), 0.85),
        BassLine("x.x.x.x.x.x.x.x.", "1", ("synth bass", "finger bass", "pick bass"), 0.8),
        BassLine("x.......x.......", "1 5", ("synth bass", "sub bass"), 1.0),
    ),
    (
        Comp("x...............", ("synth pad", "piano", "violins"), "drone", 1.0, 64, 0.4, 0.9),
        Comp("x..x..x.x..x..x.", ("synth pluck", "piano", "bells", "steel guitar"), "arpeggio", 0.9, 68, 0.5, 0.65),
        Comp("x..x..x...x.x...", ("piano", "synth pluck", "steel guitar"), gate=0.7, chance=0.5),
    ),
    (
        Tune(
            ("x..x..x.x.......", "x.x.x..x..x....."),
            ("synth lead", "synth pluck", "bells"),
            register=76,
            rest=0.5,
            chance=0.5,
        ),
    ),
    (
        Singing(SUNG, vibrato_cents=20, glide_s=0.03, breath=0.2, high=3, rest=0.22, harmony=0.5, bend=0.15),
        Singing(
            ("x.xxx.x.x.x.x...", "x.x.xxx.x.......", "..x.xxx.x.x....."), breath=0.2, high=3, rest=0.25, harmony=0.4
        ),
    ),
    rests={"drums": 0.1, "bass": 0.1},
)
