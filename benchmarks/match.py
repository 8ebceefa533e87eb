"""How often are stems found in mashups, by level, rate and lag, how often wrongly, and what does it take?

    python benchmarks/match.py [--stems 400,4000] [--probes 48,12] [--folder DIR] [--picture FILE]

Music is the demo's. A probe is 6 s of four voices, mixed as waveforms apart from the training engine: one is a stem of
the bank, stretched by librosa's vocoder or not, so loud against the other three by RMS; these are of songs that are not
in the bank, and half of them are stretched. All that is found beside the one is a false alarm. Probes of four unknown
voices bound the rate of these. "0, told": voices begin where their stems do, and the search is told so. All levels,
rates, lags and banks share their probes, so their rows vary together and must not be added up; a larger bank is
searched at two levels only, because it takes long. "checked": what the check of waves agrees on as well.
The plain way, for comparison: waves as they are, normalised cross-correlation at every lag, the stem with the highest
peak, if that is above all peaks of the mashups of unknown voices.
Then seconds and multiply-adds by stage, on a sample of 30 s, extrapolated to 3,020 mashups and 4,000 stems.
In --folder lie demo<stems> (the competition), bank<stems>, unknown, long, bank_long, and tables of what was found; what
lies there whole is used again. 4,000 stems are made in half an hour on two cores. The last line is JSON.
"""

import argparse
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import pandas as pd
import torch
from match_cost import cost_table, some_songs
from match_picture import draw
from match_plain import PlainCorrelation
from match_probes import draw_probe, draw_unknown
from match_rates import (
    FIRST,
    FIXED,
    FIXED_SNR_DB,
    RANDOM,
    TOLD,
    UNKNOWN,
    Prepared,
    brief,
    false_alarms,
    rates,
    searched,
    thorough,
)
from match_rates import unknown as nothing_known

from messy_mashup.data import bank_build
from messy_mashup.data.bank import Bank
from messy_mashup.data.demo_music import DONE
from messy_mashup.data.demo_music.competition import write_competition
from messy_mashup.data.demo_music.genres import STEMS
from messy_mashup.data.demo_music.styles import GENRES
from messy_mashup.errors import UserError, run_script
from messy_mashup.files import write_whole
from messy_mashup.search.match_finds import MATCH_VERSION
from messy_mashup.search.voice_catalogue import VoiceCatalogue
from messy_mashup.training.device import best_device

STEMS_A_NUMBER = len(STEMS) * len(GENRES)  # of the songs that have the same number in each genre
SONGS_S, LONG_S = 8.0, 30.0
UNKNOWN_SONGS, LONG_SONGS = 6, 4


def main() -> None:
    """Make what is missing, search, compare, print."""
    options = _options()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="match-") as scratch:
        folder = (options.folder or Path(scratch)).resolve()
        told = _found(Music.made(folder, options.stems[-1]), options)
        if options.long_mashups:
            long = _competition(folder / "long", LONG_SONGS, LONG_S)
            bank = bank_build.build("messy_mashup", long, folder / "bank_long")
            told |= cost_table(bank, long, options.long_songs, options.long_mashups)
    for title, table in told.items():
        print(f"\n{title.replace('_', ' ')}\n{table.to_string(index=False, float_format='{:.4g}'.format)}")
    records = {title: json.loads(table.to_json(orient="records", double_precision=4)) for title, table in told.items()}
    print(json.dumps({"benchmark": "match"} | records))


@dataclass(frozen=True)
class Music:
    """The songs that are looked for, their bank, and songs that nobody knows; folders of competitions."""

    folder: Path
    known: Path
    unknown: Path
    bank: Bank

    @classmethod
    def made(cls, folder: Path, stems: int) -> "Music":
        """What is not yet there is made."""
        known = _competition(folder / f"demo{stems}", stems // STEMS_A_NUMBER, SONGS_S)
        unknown = folder / "unknown"
        write_competition(unknown, songs=UNKNOWN_SONGS, seconds=SONGS_S, noises=1, mashups=1, seed=1)
        return cls(folder, known, unknown, bank_build.build("messy_mashup", known, folder / f"bank{stems}"))

    def probes(self, count: int, stems: int) -> list[Prepared]:
        """Each holds one of the first so many stems."""
        songs = stems // STEMS_A_NUMBER
        return [Prepared.of(draw_probe(number, self.known, songs, self.unknown)) for number in range(count)]

    def unknown_probes(self, count: int) -> list[Prepared]:
        """They hold no stem of any bank."""
        return [Prepared.of(draw_unknown(number, self.unknown)) for number in range(count)]

    def catalogue(self, stems: int) -> VoiceCatalogue:
        """The first so many stems."""
        return VoiceCatalogue(some_songs(self.bank, stems // STEMS_A_NUMBER), best_device())


def _found(music: Music, options: argparse.Namespace) -> dict[str, pd.DataFrame]:
    """How often stems are found in banks of every size, and by the plain way in the smallest."""
    few = options.stems[0]
    sizes = zip(options.stems, options.probes, strict=True)
    rows = pd.concat([_kept(music, few, stems, probes) for stems, probes in sizes], ignore_index=True)
    ways = rows[~rows["played"].isin([UNKNOWN, FIXED])]
    fixed, nothing = rows[rows["played"] == FIXED], rows[rows["played"] == UNKNOWN]
    told = {
        "rates": rates(ways, ["stems", "lag", "played", "snr_db"]),
        "fixed_rates": rates(fixed, ["stems", "rate"]),
        "parts": rates(ways[(ways["lag"] == RANDOM) & (ways["snr_db"] == FIXED_SNR_DB)], ["stems", "played", "part"]),
        "false_alarms": false_alarms(nothing),
        "plain": _plain(music, few, options.probes[0]),
    }
    if options.picture:
        draw(told, options.picture)
    return told


def _kept(music: Music, few: int, stems: int, probes: int) -> pd.DataFrame:
    """A row a probe in a bank of so many stems, as an earlier call has kept them, or new."""
    path = music.folder / f"found_{stems}_of_{few}_{probes}_{music.bank.digest[:8]}_{MATCH_VERSION}.csv"
    if not path.is_file():
        known, nothing = music.probes(probes, few), music.unknown_probes(2 * probes)
        chosen, catalogue, rows = thorough() if stems == few else brief(), music.catalogue(stems), []
        for lags in ((RANDOM, FIRST), (TOLD,)):  # what is searched in the same way, together
            pairs = [(one, condition) for condition in chosen if condition.lag in lags for one in known]
            rows += searched(pairs + [(one, nothing_known(lags[0])) for one in nothing], catalogue)
        with write_whole(path) as temporary:
            pd.DataFrame(rows).assign(stems=stems).to_csv(temporary, index=False, lineterminator="\n")
    return pd.read_csv(path)


def _plain(music: Music, stems: int, probes: int) -> pd.DataFrame:
    """At the levels of `brief`, because it takes as long as the search."""
    path = music.folder / f"plain_{stems}_{probes}_{music.bank.digest[:8]}.csv"
    if not path.is_file():
        known, correlation = music.probes(probes, stems), PlainCorrelation(music.catalogue(stems))
        threshold = correlation.highest(music.unknown_probes(2 * probes))
        chosen = [condition for condition in brief() if condition.lag == RANDOM]
        rows = [{"threshold": threshold} | correlation.found(known, condition, threshold) for condition in chosen]
        with write_whole(path) as temporary:
            pd.DataFrame(rows).to_csv(temporary, index=False, lineterminator="\n")
    return pd.read_csv(path)


def _competition(folder: Path, songs: int, seconds: float) -> Path:
    """One that is there already is taken whatever its test mashups."""
    if not (folder / DONE).is_file():
        write_competition(folder, songs=songs, seconds=seconds, noises=1, mashups=1)
    return folder


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--stems", type=_numbers, default=[400, 4000], help="banks' sizes (default: 400,4000)")
    parser.add_argument("--probes", type=_numbers, default=[48, 12], help="of a condition, by bank (default: 48,12)")
    songs = f"of a genre, of stems of 30 s, on which the time is measured: {LONG_SONGS} at most, an even number"
    parser.add_argument("--long-songs", type=int, default=LONG_SONGS, metavar="N", help=songs)
    long = "of 28.7 s, on which the time is measured; 0: it is not (default: 4)"
    parser.add_argument("--long-mashups", type=int, default=4, metavar="N", help=long)
    parser.add_argument("--folder", type=Path, help="keep music, banks and what was found here, and go on from there")
    parser.add_argument("--picture", type=Path, help="PNG of the rates")
    options = parser.parse_args()
    if len(options.stems) != len(options.probes) or options.stems != sorted(options.stems):
        raise UserError("--stems and --probes are lists of the same length, --stems in ascending order")
    if any(stems % STEMS_A_NUMBER or stems < 4 * STEMS_A_NUMBER for stems in options.stems):
        raise UserError(f"--stems are multiples of {STEMS_A_NUMBER}, four songs of each genre at least")
    return options


if __name__ == "__main__":
    run_script(main)
