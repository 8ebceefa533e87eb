"""Serve a web page: audio is heard, its genre shown over time, and mashups are made by hand.

    python src/app.py [--blend NAME | --run RUN] [--runs DIR] [--data DIR] [--port 7860]
    python src/app.py --space DIR     the same as a folder that a Hugging Face Space runs

The blend in use hears. Where the bank of its data set is found, known stems can be looked for, and mashups be made of
them. On a Hugging Face Space the page serves everybody, elsewhere this machine alone.
"""

import argparse
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from messy_mashup import paths
from messy_mashup.errors import UserError, run_script

if TYPE_CHECKING:
    from messy_mashup.data.bank import Bank
    from messy_mashup.scoring.ensemble import Blend

SPACE = "SPACE_ID"  # in the environment of a Space


def main() -> None:
    """Load, serve until interrupted."""
    options = _options()
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    from messy_mashup.training.members import chosen_blend
    from messy_mashup.web.found_stems import Matcher
    from messy_mashup.web.hearing import Ears
    from messy_mashup.web.limits import Limits
    from messy_mashup.web.mashup_by_hand import Desk
    from messy_mashup.web.page import Page, served
    from messy_mashup.web.space import write_space

    runs, blend = chosen_blend(options.runs, options.run, options.blend)
    ears, bank = Ears.of(runs, blend), _bank(options, runs, blend)
    if options.space:
        write_space(options.space, runs, blend, bank)
        print(f"{options.space}: upload it to a Space of your own, or run `python src/app.py` in it")
        return
    limits = Limits(options.max_mb, options.max_minutes)
    page = Page(ears, limits, Desk(bank) if bank else None, Matcher(bank) if bank else None)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does, and leaves no uploads
    with served(page, options.host, options.port) as (blocks, address):
        print(f"{blend.name}, {len(blend.members)} members: {address} (Ctrl-C ends it)", flush=True)
        blocks.block_thread()


def _bank(options: argparse.Namespace, runs: Path, blend: "Blend") -> "Bank | None":
    """The bank of the data that was named, or that the members were trained on; None where it is not here."""
    from messy_mashup.data.bank import Bank
    from messy_mashup.training.validation_waves import bank_of

    if options.bank:
        return Bank.open(options.bank)
    if options.data:
        return Bank.open(paths.find_bank(options.data, runs))
    try:
        return bank_of(runs / blend.members[0], runs)
    except UserError as error:
        print(f"no bank, so no stems: {error}")
        return None


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--blend", help="name of a blend (default: the one in use)")
    chosen.add_argument("--run", help="name of a run, in place of a blend")
    parser.add_argument("--runs", type=Path, help="folder of all runs (default: the one that holds a blend)")
    parser.add_argument("--data", type=Path, help="folder of a data set whose bank gives the stems")
    parser.add_argument("--bank", type=Path, help="that bank itself")
    parser.add_argument("--host", default="0.0.0.0" if SPACE in os.environ else "127.0.0.1", help="address to serve at")
    parser.add_argument("--port", type=int, default=7860, help="default: 7860")
    parser.add_argument("--max-mb", type=float, default=20, help="largest upload (default: 20)")
    parser.add_argument("--max-minutes", type=float, default=10, help="longest upload (default: 10)")
    space_help = "write the page with its model and stems to this folder, as a Hugging Face Space, and serve nothing"
    parser.add_argument("--space", type=Path, metavar="DIR", help=space_help)
    return parser.parse_args()


if __name__ == "__main__":
    run_script(main)
