"""What a search for stems left, as a folder that a blend takes up: log-likelihoods of genres, and the stems found."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from scipy.special import logsumexp

from messy_mashup.errors import UserError
from messy_mashup.files import file_digest, write_whole
from messy_mashup.scoring import predictions
from messy_mashup.scoring.predictions import Predictions

if TYPE_CHECKING:
    from messy_mashup.scoring.match_job import Outcome

FOLDER = "match"  # below runs/: a folder a data set
OOF, TEST, SURENESS, MATCHES = "oof.npz", "test.npz", "sureness.json", "matches.csv"


@dataclass(frozen=True)
class Matcher:
    """What of a search a blend has taken up."""

    folder: str  # below `runs`
    sha256: str  # of the log-likelihoods of the held-out and the test mashups


def write_outcome(folder: Path, outcome: "Outcome") -> None:
    """Write the log-likelihoods, the sureness and the test's stems; the test's log-likelihoods last."""
    with write_whole(folder / MATCHES) as temporary:
        outcome.test.to_csv(temporary, index=False, lineterminator="\n", float_format="%.6g")
    with write_whole(folder / SURENESS) as temporary:
        temporary.write_text(json.dumps(asdict(outcome.sureness), indent=1) + "\n")
    predictions.save(outcome.oof, folder / OOF)
    predictions.save(outcome.scored, folder / TEST)


def matcher_named(name: str, runs: Path) -> Matcher:
    """What match.py left below `runs` for a data set of that name."""
    folder = runs / FOLDER / name
    if not all((folder / file).is_file() for file in (OOF, TEST)):
        raise UserError(f"{folder} holds no finished search: run match.py first, or leave --match out")
    return Matcher(folder.relative_to(runs).as_posix(), _digest(folder))


def held_out(matcher: Matcher, runs: Path) -> Predictions:
    """The log-likelihoods of the held-out mashups."""
    return predictions.load(_unchanged(matcher, runs) / OOF)


def found_in_test(matcher: Matcher, runs: Path, origin: str) -> Predictions:
    """The log-likelihoods of the test mashups; UserError where they are of others than those of this origin."""
    path = _unchanged(matcher, runs) / TEST
    found = predictions.load(path)
    if found.origin != origin:
        raise UserError(f"{path} is of other test mashups than these: run match.py and blend.py again")
    return found


def with_matches(blended: Predictions, found: Predictions) -> Predictions:
    """The blend's log-probabilities with what was found of the same clips: added, and normalised again.

    What networks hear and which stems are found are different evidence, so probabilities are multiplied. Where nothing
    was found all genres are equally likely, and the blend stays as it is.
    """
    place = pd.Index(found.id).get_indexer(blended.id)
    if (place < 0).any() or found.classes.tolist() != blended.classes.tolist():
        raise UserError(
            "what match.py found is of other mashups or classes than the blend's: run match.py --like one of its runs"
        )
    total = blended.logits + found.logits[place]
    return replace(blended, logits=total - logsumexp(total, axis=1, keepdims=True))


def _unchanged(matcher: Matcher, runs: Path) -> Path:
    folder = runs / matcher.folder
    if _digest(folder) != matcher.sha256:
        raise UserError(f"{folder} has changed since it was blended: run blend.py again")
    return folder


def _digest(folder: Path) -> str:
    missing = [file for file in (OOF, TEST) if not (folder / file).is_file()]
    if missing:
        raise UserError(f"{folder / missing[0]} is missing: run match.py first")
    return (file_digest(folder / OOF) + file_digest(folder / TEST)).hex()
