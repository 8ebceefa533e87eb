"""Classical: strings, arpeggios and a flute or clarinet, an operatic voice, timpani at most."""

from messy_mashup.data.demo_music.genres import BassLine, Comp, Genre, Groove, Singing, Tune

STYLE = Genre(
    "classical",
    (56, 132),
    (0.5, 0.5),
    ("major", "harmonic minor"),
    (
        "I IV V I vi ii V I",
        "I vi IV ii V V7 I I",
        "i iv V i bVI iv V7 i",
        "I,V vi,iii IV,I IV,V",
        "i V i bIII bVI iv V i",
    ),
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
