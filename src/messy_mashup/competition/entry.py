"""An entry to the competition: a blend's predictions as a checked CSV, with its row in the ledger."""

import hashlib
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from messy_mashup.competition import ledger, submission
from messy_mashup.competition.code_version import code_version
from messy_mashup.competition.ledger import LedgerRow
from messy_mashup.scoring.ensemble import Blend
from messy_mashup.scoring.predictions import Predictions

LEDGER = "scores.csv"


def write_entry(
    scored: Predictions, blend: Blend, recipes: Iterable[str], data: Path, folder: Path, repository: Path, note: str
) -> Path:
    """Write `<utc>_<blend>.csv` and its ledger row into `folder`; nothing is written where Kaggle would refuse it."""
    path, now = _new_name(folder, blend.name)
    sample = submission.read_sample(data)
    genre = dict(zip(scored.id.tolist(), scored.classes[scored.logits.argmax(axis=1)].tolist(), strict=True))
    # In the sample's order where all its ids are there; where not, the check says which are missing or unknown.
    ids = list(sample["id"]) if set(sample["id"]) == set(genre) else list(genre)
    submission.write_submission(path, ids, [genre[id_] for id_ in ids], sample, scored.classes.tolist())
    version = code_version(repository)
    row = LedgerRow(
        utc=f"{now:%Y-%m-%dT%H:%M:%SZ}",
        file=path.name,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        commit=version.commit,
        clean=version.clean,
        recipes=" ".join(sorted(set(recipes))),
        members=" ".join(blend.members),
        oof_macro_f1=blend.oof_macro_f1,
        oof_spread=blend.oof_spread,
        note=note,
    )
    ledger.append(folder / LEDGER, row)
    return path


def _new_name(folder: Path, blend: str) -> tuple[Path, datetime]:
    """A name that no entry has; names tell the second, so two entries of one second wait for each other."""
    while True:
        now = datetime.now(UTC)
        path = folder / submission.submission_name(now, blend)
        if not path.exists():
            return path, now
        time.sleep(0.1)
