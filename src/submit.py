"""Submit a CSV, or a kernel's output, to the competition, once; the ledger says what became of it.

    python src/submit.py submissions/X.csv -m "what it is" [--wait] [--again]
    python src/submit.py [X.csv] -m "what it is" -k OWNER/KERNEL -v VERSION

The CSV is checked first, against the sample_submission.csv of --sample, of the data set, or else of Kaggle, which needs
no data set here. With a kernel the CSV is the copy of its output that was fetched; --output where the kernel's file is
not called submission.csv. Where the network goes in between, run the same command again: it looks at Kaggle's list
first. An upload that breaks off is tried for up to six minutes.
"""

import argparse
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from messy_mashup import paths
from messy_mashup.errors import UserError, run_script

if TYPE_CHECKING:
    from messy_mashup.competition.submission_list import Listed


def main() -> None:
    """Check, submit, and with --wait stay until there is a score."""
    options = _options()
    from messy_mashup.competition import submit
    from messy_mashup.competition.client import connect
    from messy_mashup.competition.entry import LEDGER
    from messy_mashup.competition.ledger import UNCONFIRMED
    from messy_mashup.competition.order import check_file, find_reference, order_of

    signed_in = cache(connect)
    slug, kernel = options.competition, (options.kernel, options.kernel_version)
    order = order_of(slug, options.message, options.csv, *kernel, options.again, options.output)
    if options.csv:
        reference = find_reference(slug, options.sample, options.data, signed_in)
        print(f"sample: {reference.source}", flush=True)
        check_file(options.csv, reference)
    ledger = options.submissions / LEDGER
    api = signed_in()
    try:
        one = submit.submit(api, order, ledger)
        ref, scored = one.ref, one.status in ("complete", "error")
    except submit.SubmittedBefore as error:
        # with --wait, a second call goes on with the waiting of the first
        if not options.wait or error.status not in ("pending", UNCONFIRMED):
            raise
        ref, scored = error.ref, False
    if options.wait and not scored:
        print(f"waiting for the score of submission {ref}; Ctrl-C ends only the waiting", flush=True)
        one = submit.wait(api, options.competition, ref, ledger)
    _tell(one)


def _tell(one: "Listed") -> None:
    from messy_mashup.competition.submit import told_score

    if one.status == "error":
        raise UserError(f"Kaggle could not score {told_score(one)}: {one.error or 'it does not say why'}")
    if one.status == "complete":
        print(told_score(one))


def _options() -> argparse.Namespace:
    from messy_mashup.competition.client import SLUG

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("csv", nargs="?", type=Path, metavar="CSV", help="as infer.py writes it")
    parser.add_argument("-m", "--message", required=True, help="what this submission is; Kaggle shows it")
    parser.add_argument("-k", "--kernel", metavar="OWNER/KERNEL", help="submit the output of this kernel")
    parser.add_argument("-v", "--version", dest="kernel_version", type=int, help="the kernel's version")
    parser.add_argument("--output", metavar="NAME", help="the kernel's file (default: submission.csv)")
    parser.add_argument("--wait", action="store_true", help="until there is a score")
    parser.add_argument("--again", action="store_true", help="even if this file was submitted before")
    parser.add_argument("--competition", default=SLUG, metavar="SLUG", help=f"default: {SLUG}")
    parser.add_argument("--sample", type=Path, metavar="FILE", help="the sample_submission.csv to check against")
    parser.add_argument("--data", type=Path, help="folder of the data set, or of its sample (default: below input/)")
    parser.add_argument("--submissions", type=Path, default=paths.submissions(), help="default: submissions/")
    return parser.parse_args()


if __name__ == "__main__":
    run_script(main)
