"""Bring the ledger up to Kaggle's list of submissions, print it, and draw CV against the leaderboard.

    python src/track.py              needs Kaggle credentials
    python src/track.py --offline    only draws what the ledger has
    python src/track.py --hidden input/demo/hidden --submissions runs/demo/submissions
                                     scores the entries by labels that are at hand: the demo's own leaderboard

Submissions made elsewhere, such as by `kaggle competitions submit`, are found too. The pictures are
submissions/cv_against_leaderboard.png and submissions/history.png.
"""

import argparse
from pathlib import Path

from messy_mashup import paths
from messy_mashup.errors import UserError, run_script


def main() -> None:
    """Pull, print, draw."""
    options = _options()
    from messy_mashup.competition import ledger, score_pictures
    from messy_mashup.competition.entry import LEDGER
    from messy_mashup.competition.tracking import written

    path = options.submissions / LEDGER
    if options.hidden:
        _score(options.hidden, path)
    else:
        if not options.offline:
            _pull(options.competition, path)
        print(written(path))
    table = ledger.read(path)
    for sentence in score_pictures.draw_all(table, options.submissions):
        print(sentence)


def _score(hidden: Path, ledger: Path) -> None:
    from messy_mashup.competition.leaderboard import score_ledger

    if not ledger.is_file():
        raise UserError(f"{ledger} is not there: name the folder of entries that infer.py wrote with --submissions")
    board = score_ledger(ledger, hidden)
    print(board.text)
    for sentence in board.unscored:
        print(f"not scored: {sentence}")


def _pull(slug: str, ledger: Path) -> None:
    from messy_mashup.competition.client import connect
    from messy_mashup.competition.tracking import pull

    submissions = pull(connect(), slug, ledger)
    print(f"Kaggle lists {len(submissions)} submissions to {slug}")
    for one in submissions:
        if one.status == "error":
            print(f"submission {one.ref}, {one.file}, could not be scored: {one.error or 'Kaggle does not say why'}")


def _options() -> argparse.Namespace:
    from messy_mashup.competition.client import SLUG

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--offline", action="store_true", help="ask Kaggle nothing, draw what the ledger has")
    hidden = "score by the labels there instead of asking Kaggle"
    parser.add_argument("--hidden", type=Path, metavar="DIR", help=hidden)
    parser.add_argument("--competition", default=SLUG, metavar="SLUG", help=f"default: {SLUG}")
    parser.add_argument("--submissions", type=Path, default=paths.submissions(), help="default: submissions/")
    return parser.parse_args()


if __name__ == "__main__":
    run_script(main)
