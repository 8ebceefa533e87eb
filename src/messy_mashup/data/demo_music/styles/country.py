"""Country: a train beat, root and fifth, strummed steel strings, banjo, fiddle and pedal steel."""

from messy_mashup.data.demo_music.genres import BassLine, Comp, Genre, Groove, Singing, Tune
from messy_mashup.data.demo_music.styles.shared import BASSES

STYLE = Genre(
    "country",
    (84, 138),
    (0.5, 0.58),
    ("major", "major pentatonic"),
    ("I I IV I I V V7 I", "I IV I V I IV V I", "I V vi IV I V I I", "I I V V IV IV V I"),
    (
        Groove({"kick": "x...o...x...o...", "snare": "--X---X---X---X-"}, ("acoustic", "brushes")),
        Groove({"kick": "x.......x.......", "snare": "--X---X---X--~X-"}, ("acoustic", "brushes")),
        Groove({"kick": "x.......x.......", "snare": "-.X-..X--.X-..X-", "shaker": "x-x-x-x-x-x-x-x-"}),
    ),
    (
        BassLine("x.......x.......", "1 5", BASSES, 0.8),
        BassLine("x...x...x...x...", "1 3 5 ^", BASSES, 0.8),
        BassLine("x.......x...x...", "1 5 ^", BASSES, 0.8),
    ),
    (
        Comp("....x.x.....x.x.", ("steel guitar",), "strum", 0.7, 55, 0.5, 1.0),
        Comp("x.xxx.xxx.xxx.xx", ("banjo", "steel guitar"), "arpeggio", 1.0, 62, 0.5, 0.7),
        Comp("x...............", ("pedal steel", "violins"), "drone", 1.0, 64, 0.35, 0.4),
    ),
    (
        Tune(
            ("x.x.x...x.x.....", "x...x.x.x.......", "xxx.x.x.x......."),
            ("fiddle", "pedal steel"),
            bend=0.5,
            chance=0.8,
        ),
    ),
    (
        Singing(
            ("x.x.x.x.x.......", "x...x.x.x.......", "..x.x.x.x...x..."),
            bend=0.45,
            vibrato_cents=18,
            breath=0.08,
            rest=0.3,
        ),
    ),
    waltz=0.2,
    rests={"vocals": 0.1},
    absent={"drums": 0.03},
)
