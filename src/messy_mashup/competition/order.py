"""What is to be submitted: a CSV, or the output of a kernel's version, with the words that go with it."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from messy_mashup.competition import submission
from messy_mashup.competition.ledger import LedgerRow
from messy_mashup.errors import UserError

if TYPE_CHECKING:
    from kaggle.api.kaggle_api_extended import KaggleApi

KERNEL = re.compile(r"[\w.-]+/[\w.-]+")
KERNEL_OUTPUT = "submission.csv"


@dataclass(frozen=True)
class Order:
    """A file and its message; `kernel` is OWNER/KERNEL/VERSION where a kernel's output is submitted, else empty.

    path, sha256: of the local file; None and empty where only the kernel has it. again: even after a first time.
    """

    slug: str
    message: str
    path: Path | None
    sha256: str
    kernel: str = ""
    again: bool = False

    @property
    def file(self) -> str:
        """The name of the file as Kaggle will list it."""
        return self.path.name if self.path else KERNEL_OUTPUT

    @property
    def ledger_file(self) -> str:
        """The ledger's name of the file."""
        return self.path.name if self.path else f"{self.kernel}/{KERNEL_OUTPUT}"

    @property
    def description(self) -> str:
        """The message with the marks by which the submission is known again."""
        marks = [f"[kernel:{self.kernel}]"] if self.kernel else []
        marks += [f"[sha256:{self.sha256}]"] if self.sha256 else []
        return " ".join([self.message, *marks])

    @property
    def note(self) -> str:
        """What a row of the ledger says of it."""
        return f"{self.message} [kernel:{self.kernel}]" if self.kernel else self.message

    def rows(self, table: pd.DataFrame) -> pd.Series:
        """Which rows of the ledger are of this file."""
        return table["sha256"] == self.sha256 if self.sha256 else table["file"] == self.ledger_file

    def row(self, utc: str) -> LedgerRow:
        """A row for a file that the ledger does not list."""
        return LedgerRow(utc=utc, file=self.ledger_file, sha256=self.sha256, note=self.note)

    def send(self, api: "KaggleApi") -> tuple[str, str]:
        """Submit it with the real client: Kaggle's number, empty where it gave none, and its message."""
        if not self.kernel:
            answer = api.competition_submit(str(self.path), self.description, self.slug, quiet=True)
        else:
            kernel, version = self.kernel.rsplit("/", 1)
            answer = api.competition_submit_code(
                self.file, self.description, self.slug, kernel, int(version), quiet=True
            )
        return str(answer.ref or ""), answer.message or ""


def order_of(slug: str, message: str, path: Path | None, kernel: str | None, version: int | None, again: bool) -> Order:
    """An order from what a user typed."""
    if (kernel is None) != (version is None):
        raise UserError("a kernel is submitted in one of its versions: give both -k OWNER/KERNEL and -v VERSION")
    if kernel is not None and not KERNEL.fullmatch(kernel):
        raise UserError(f"{kernel!r} names no kernel: give -k OWNER/KERNEL, as in its address")
    if path is None and kernel is None:
        raise UserError("nothing to submit: name a CSV, or a kernel with -k OWNER/KERNEL -v VERSION")
    if not message.strip():
        raise UserError("the message is empty: say with -m what this submission is")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest() if path else ""
    return Order(slug, " ".join(message.split()), path, sha256, f"{kernel}/{version}" if kernel else "", again)


def check_file(path: Path, data: Path) -> None:
    """UserError with the first ten problems where Kaggle would refuse or misread the CSV; `data` is the data set."""
    from messy_mashup.data import corpora

    classes = corpora.load(corpora.recognise(data)).scan(data).classes
    submission.check(submission.read_submission(path), submission.read_sample(data), classes, path.name)
