"""Write mashups as WAV files, with what each is made of: to listen to, or to train and test other systems with.

    python src/mashup.py --count 20 --out DIR [--recipe NAME] [--set mashup.noisy=1] [--seed 0] [--rate 22050]

They are those that train.py's member of all songs hears first, with the same recipe and seed. The same command gives
the same bytes, and goes on where it was interrupted; other settings want another folder.
"""

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from messy_mashup import paths
from messy_mashup.errors import UserError, run_script

if TYPE_CHECKING:
    from messy_mashup.data.bank import Bank
    from messy_mashup.recipe import MashupRecipe

FAMILY = "messy_mashup_resnet34"
RATES_HZ = (44_100, 22_050, 16_000)
STRETCHES = {"signalsmith": "Signalsmith Stretch", "librosa": "librosa's phase vocoder"}


def main() -> None:
    """Parse, write, print."""
    options = _options()
    from messy_mashup.mashup.stretch import DEFAULT_STRETCH, best_installed
    from messy_mashup.mashup.wav_folder import TABLE, Draft, write_mashups

    bank = _bank(options)
    stretch = options.stretch or DEFAULT_STRETCH
    better = "" if best_installed() == "signalsmith" else " (pip install python-stretch for a better one)"
    print(f"Voices at another tempo are stretched by {STRETCHES[stretch]}{better}")
    draft = Draft(bank, _recipe(options, bank), options.seed, options.count, options.rate, stretch)
    begun_s = time.perf_counter()
    written = write_mashups(draft, options.out)
    spent_s = time.perf_counter() - begun_s
    print(f"{options.count} mashups, {written} of them written now in {spent_s:.1f} s, and {TABLE}: {options.out}")


def _bank(options: argparse.Namespace) -> "Bank":
    """The bank, whose data set is where it is now; a bank that is named alone may do without its data set."""
    from messy_mashup.data import corpora
    from messy_mashup.data.bank import Bank, open_of

    if options.bank and not options.data:
        return Bank.open(options.bank)
    data = paths.find_data(corpora.is_competition, options.data)
    return open_of(options.bank or paths.find_bank(data), data)


def _recipe(options: argparse.Namespace, bank: "Bank") -> "MashupRecipe":
    from messy_mashup import recipes
    from messy_mashup.recipe_text import override

    for setting in options.set:
        if not setting.startswith(("mashup.", "mashup=")):
            raise UserError(f"--set {setting}: only mashup.<field> and mashup=@<file> say what mashups are like")
    return override(recipes.load(options.recipe or recipes.suited(FAMILY, bank.song_s)), options.set).mashup


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=_whole_number, required=True, metavar="N", help="how many mashups")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write, new or empty")
    parser.add_argument("--recipe", help=f"whose mashups (default: {FAMILY}, its variant for songs of this length)")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="change a field of mashup.")
    parser.add_argument("--seed", type=_whole_number, default=0, help="other mashups of the same kind (default: 0)")
    rate = "sample rate in Hz (default: 22050, the test's); at 16000 the bank is enough"
    parser.add_argument("--rate", type=int, choices=RATES_HZ, default=22_050, help=rate)
    stretch = "how tempo is changed (default: signalsmith where it is installed)"
    parser.add_argument("--stretch", choices=STRETCHES, help=stretch)
    parser.add_argument("--data", type=Path, help="folder of the data set (default: the one found below input/)")
    parser.add_argument("--bank", type=Path, help="folder of its bank (default: the one that build.py makes)")
    options = parser.parse_args()
    if options.count < 1:
        parser.error("--count: give the number of mashups, 1 or more")
    return options


def _whole_number(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


if __name__ == "__main__":
    run_script(main)
