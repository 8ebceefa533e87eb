"""The ten genres of the competition as this synthesiser plays them."""

from messy_mashup.data.demo_music.genres import BassLine, Comp, Genre, Groove, Singing, Tune

_GUITARS = ("clean guitar", "crunch guitar", "steel guitar")
_KEYS = ("piano", "organ", "electric piano")
_BASSES = ("finger bass", "pick bass", "upright bass")
_SUNG = ("x.x.x.x.x...x...", "x..xx.x.x.......", "..x.x.x.x..x....", "x...x.x.x...x...", "x.xxx.x.....x.x.")

BLUES = Genre(
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

CLASSICAL = Genre(
    "classical",
    (56, 132),
    (0.5, 0.5),
    ("major", "harmonic minor"),
    ("I IV V I vi ii V I", "I vi IV ii V V7 I I", "i iv V i bVI iv V7 i", "I,V vi,iii IV,I IV,V", "i V i bIII bVI iv V i"),
    (
        Groove({"timpani": "X.......o...o..."}, fills=0.1),
        Groove({"timpani": "x...........xxxx", "crash": "o..............."}, fills=0.0),
        Groove({"timpani": "x.............-x"}, fills=0.0),
    ),
    (
        BassLine("x...............", "1", ("cello section",), 1.0),
        BassLine("x.......x.......", "1 5", ("cello section", "upright bass"), 1.0),
        BassLine("x...x...x...x...", "1 3 5 3", ("cello section", "upright bass"), 0.7),
    ),
    (
        Comp("x.x.x.x.x.x.x.x.", ("piano", "harpsichord", "nylon guitar"), "arpeggio", 1.5, 60, 0.5, 0.6),
        Comp("x...............", ("violins", "cello section"), "drone", 1.0, 60, 0.4, 0.9),
        Comp("xxxxxxxxxxxxxxxx", ("violins", "piano", "harpsichord"), "arpeggio", 0.8, 64, 0.4, 0.35),
    ),
    (
        Tune(
            ("x...x.x.x.......", "x.......x...x...", "x.x.x.x.x...x...", "xxxxxxxxx...x..."),
            ("violins", "flute", "violins", "clarinet"),
            gate=1.0,
            rest=0.1,
            chance=0.95,
        ),
    ),
    (
        Singing(
            ("x.......x.......", "x...........x...", "x...x...x.......", "x.......x.x.x.x."),
            gate=1.0,
            vibrato_cents=85,
            glide_s=0.08,
            breath=0.05,
            ring=1.0,
            high=4,
            rest=0.15,
        ),
    ),
    waltz=0.4,
    rests={"drums": 0.4, "vocals": 0.15, "bass": 0.1},
    absent={"drums": 0.5, "vocals": 0.3, "bass": 0.04},
    room_s=(0.7, 1.8),
)

COUNTRY = Genre(
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
        BassLine("x.......x.......", "1 5", _BASSES, 0.8),
        BassLine("x...x...x...x...", "1 3 5 ^", _BASSES, 0.8),
        BassLine("x.......x...x...", "1 5 ^", _BASSES, 0.8),
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
            ("x.x.x.x.x.......", "x...x.x.x.......", "..x.x.x.x...x..."), bend=0.45, vibrato_cents=18, breath=0.08, rest=0.3
        ),
    ),
    waltz=0.2,
    rests={"vocals": 0.1},
    absent={"drums": 0.03},
)

DISCO = Genre(
    "disco",
    (108, 130),
    (0.5, 0.53),
    ("dorian", "minor", "major pentatonic"),
    ("im7 im7 ivm7 ivm7", "im7 bVII im7 bVII", "iim7 V7 Imaj7 VI7", "im7 bIIImaj7 bVI bVII", "Imaj7 vim7 iim7 V7"),
    (
        Groove({"kick": "X...X...X...X...", "open": "..x...x...x...x.", "snare": "....x.......x..."}),
        Groove({"kick": "X...X...X...X...", "open": "..x...x...x...x.", "clap": "....x.......x...", "conga": "..o.o.xo..o.x.o."}),
        Groove({"kick": "X...X...X...X...", "open": "..x...x...x...x.", "hat": "x..xx..xx..xx..x", "snare": "....x.......x.o."}),
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
    (Singing(_SUNG, vibrato_cents=25, breath=0.12, high=3, rest=0.3, harmony=0.5),),
    rests={"vocals": 0.1},
)

HIPHOP = Genre(
    "hiphop",
    (78, 102),
    (0.5, 0.6),
    ("minor", "minor pentatonic", "dorian"),
    ("i i i i", "i bVI i bVI", "im7 ivm7 im7 ivm7", "i bVI bVII i", "im9 bVImaj7 im9 V7"),
    (
        Groove({"kick": "X......x..X.....", "snare": "....X.......X...", "hat": "x.x.x.x.x.x.x.x."}, ("machine", "acoustic"), 0.1),
        Groove(
            {"kick": "X..x......Xo....", "clap": "....X.......X...", "hat": "xxxxx.xxxxxxx~~x"}, ("machine", "machine"), 0.1
        ),
        Groove(
            {"kick": "X.o.......x..x..", "snare": "....X..~.~..X...", "hat": "x-x-x-x-x-x-x-x-", "open": "..............o."},
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

JAZZ = Genre(
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
        Groove({"ride": "x..x.xx..x.x", "hat": "...x.....x..", "kick": "-..-..-..-..", "snare": "..~..~..~..~"}, ("brushes", "acoustic")),
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
            ("..x..x..x...", "x....x......", "...x.xx.x..."), gate=0.95, vibrato_cents=35, glide_s=0.07, breath=0.25, bend=0.4, rest=0.4
        ),
    ),
    waltz=0.12,
    rests={"vocals": 0.1, "drums": 0.05},
    absent={"vocals": 0.3, "drums": 0.03},
)

METAL = Genre(
    "metal",
    (96, 176),
    (0.5, 0.5),
    ("phrygian", "harmonic minor", "minor"),
    ("i5 i5 bVI5 bVII5", "i5 bII5 i5 bVII5", "i5 i5 i5 bII5,bIII5", "i5 bVI5 bIII5 bVII5", "i5 #IV5 i5 bII5"),
    (
        Groove({"kick": "xxxxxxxxxxxxxxxx", "snare": "....X.......X...", "crash": "x...o...x...o..."}, ("metal",), 0.6),
        Groove({"kick": "x.xxx.xxx.xxx.xx", "snare": "....X.......X...", "open": "x...x...x...x..."}, ("metal",), 0.6),
        Groove({"kick": "x..x..x.x..x..x.", "snare": "....X.......X...", "ride": "x...x...x...x..."}, ("metal", "acoustic"), 0.6),
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
    (Tune(("xxxxxxxxxxxxxxxx", "x.x.xxxxx...x..."), ("distorted guitar",), register=74, rest=0.5, level=0.4, chance=0.5),),
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

POP = Genre(
    "pop",
    (88, 128),
    (0.5, 0.54),
    ("major", "major pentatonic", "minor"),
    ("I V vi IV", "vi IV I V", "I vi IV V", "IV I V vi", "i bVI bIII bVII"),
    (
        Groove({"kick": "X.....x.x.......", "clap": "....X.......X...", "shaker": "x-x-x-x-x-x-x-x-"}, ("machine", "acoustic")),
        Groove({"kick": "X..x..x.X..x....", "clap": "....X.......X...", "shaker": "xxxxxxxxxxxxxxxx"}, ("machine", "acoustic")),
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
    (Tune(("x..x..x.x.......", "x.x.x..x..x....."), ("synth lead", "synth pluck", "bells"), register=76, rest=0.5, chance=0.5),),
    (
        Singing(_SUNG, vibrato_cents=20, glide_s=0.03, breath=0.2, high=3, rest=0.22, harmony=0.5, bend=0.15),
        Singing(("x.xxx.x.x.x.x...", "x.x.xxx.x.......", "..x.xxx.x.x....."), breath=0.2, high=3, rest=0.25, harmony=0.4),
    ),
    rests={"drums": 0.1, "bass": 0.1},
)

REGGAE = Genre(
    "reggae",
    (66, 92),
    (0.5, 0.6),
    ("minor pentatonic", "dorian", "major pentatonic"),
    ("i bVII i bVII", "I IV I IV", "I V vi IV", "i iv i iv", "ii V I I"),
    (
        Groove({"kick": "........X.......", "rim": "........X.......", "hat": "x.x.x.x.x.x.x.x."}),
        Groove({"kick": "X...X...X...X...", "rim": "........x.......", "hat": "..x...x...x...x."}),
        Groove({"kick": "..o.....X.......", "snare": "........X.....o.", "hat": "x-x-x-x-x-x-x-x-", "open": "......o........."}),
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
    (Singing(_SUNG, vibrato_cents=18, breath=0.15, bend=0.3, rest=0.4, harmony=0.3),),
    rests={"vocals": 0.1, "other": 0.05},
)

ROCK = Genre(
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
        Comp("X..x..x.X..x..x.", _GUITARS, "strum", 0.8, 52, 0.5, 0.6),
        Comp("X...............", ("organ", "crunch guitar"), "drone", 1.0, 55, 0.35, 0.4),
    ),
    (Tune(("x.x.x..x..x.....", "x..xx...x.x.....", "xxx.x.x........."), ("crunch guitar", "distorted guitar"), bend=0.5, chance=0.7),),
    (Singing(_SUNG, vibrato_cents=18, breath=0.15, rough=0.3, bend=0.35, rest=0.35, harmony=0.2),),
    rests={"vocals": 0.1},
    absent={"vocals": 0.04},
)

GENRES = {genre.name: genre for genre in (BLUES, CLASSICAL, COUNTRY, DISCO, HIPHOP, JAZZ, METAL, POP, REGGAE, ROCK)}
