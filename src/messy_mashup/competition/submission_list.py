"""Kaggle's own list of submissions: the only word that is trusted on what was submitted and what it scored."""

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from messy_mashup.competition.client import told, unheard
from messy_mashup.credentials import scrubbed
from messy_mashup.errors import UserError

if TYPE_CHECKING:
    from kaggle.api.kaggle_api_extended import KaggleApi
    from kagglesdk.competitions.types.competition_api_service import ApiSubmission

SHA256 = re.compile(r"\[sha256:([0-9a-f]{64})\]")
KERNEL = re.compile(r"\[kernel:([\w.-]+/[\w.-]+/\d+)\]")
OWN_NAME = re.compile(r"\d{8}T\d{6}Z_")  # submission.submission_name's: no two files share one
PAGES = 500


@dataclass(frozen=True)
class Listed:
    """A submission as Kaggle lists it; `status` is pending, complete or error."""

    ref: str
    file: str
    submitted: str
    description: str
    status: str
    public: float | None = None
    private: float | None = None
    error: str = ""

    @property
    def sha256(self) -> str:
        """The file's digest, where the description has it."""
        return (SHA256.findall(self.description) or [""])[-1]

    @property
    def kernel(self) -> str:
        """OWNER/KERNEL/VERSION, where the description has it."""
        return (KERNEL.findall(self.description) or [""])[-1]

    @property
    def ledger_file(self) -> str:
        """The ledger's name of the file: a kernel's output alone would be submission.csv every time."""
        return f"{self.kernel}/{self.file}" if self.kernel else self.file

    @property
    def message(self) -> str:
        """The description without the marks that submit.py puts there."""
        return " ".join(SHA256.sub("", self.description).split())


def listed(api: "KaggleApi", slug: str) -> list[Listed]:
    """All submissions of this account's team, oldest first, from every page."""
    found: dict[str, Listed] = {}
    for page in range(1, PAGES + 1):
        with told(f"reading the list of submissions to {slug}"), unheard():
            answer = api.competition_submissions(slug, page_number=page)
        new = [one for one in map(_listed, filter(None, answer or [])) if one.ref not in found]
        if not new:
            return sorted(found.values(), key=lambda one: (one.submitted, int(one.ref)))
        found |= {one.ref: one for one in new}
    raise UserError(f"the list of submissions to {slug} has no end: try again later")


def _listed(submission: "ApiSubmission") -> Listed:
    return Listed(
        ref=str(submission.ref),
        file=submission.file_name or "",
        submitted=_utc(submission.date),
        description=scrubbed(submission.description or ""),
        status=submission.status.name.lower(),
        public=_score(submission.public_score),
        private=_score(submission.private_score),
        error=" ".join(scrubbed(submission.error_description or "").split()),
    )


def _utc(date: datetime | None) -> str:
    """Kaggle's times are UTC; the client drops their zone."""
    if date is None:
        return ""
    aware = date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
    return f"{aware:%Y-%m-%dT%H:%M:%SZ}"


def _score(text: str | None) -> float | None:
    try:
        score = float(text or "")
    except ValueError:
        return None
    return score if math.isfinite(score) else None
