"""What is to be submitted: a CSV, or the output of a kernel's version, with the words that go with it.

A CSV is checked here first, and that takes the sample submission alone, not the competition's gigabytes: where no data
set is at hand, the sample is fetched from Kaggle into a temporary folder.
"""

import hashlib
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from messy_mashup import paths
from messy_mashup.competition import submission
from messy_mashup.competition.client import download, told, unheard
from messy_mashup.competition.ledger import LedgerRow
from messy_mashup.competition.outgoing import check_text
from messy_mashup.competition.submission import SAMPLE_FILE
from messy_mashup.data import corpora
from messy_mashup.data.corpora import messy_mashup
from messy_mashup.data.demo_music import is_demo
from messy_mashup.errors import UserError

if TYPE_CHECKING:
    from kaggle.api.kaggle_api_extended import KaggleApi

KERNEL = re.compile(r"[\w.-]+/[\w.-]+")
KERNEL_OUTPUT = "submission.csv"


class Unsent(UserError):
    """It broke off before the client asked for the submission itself: none can have been made."""


@dataclass(frozen=True)
class Reference:
    """What a CSV is checked against: the sample, the genres there are, and whose sample it is."""

    sample: pd.DataFrame
    classes: tuple[str, ...]
    source: str


@dataclass(frozen=True)
class Order:
    """A file and its message; `kernel` is OWNER/KERNEL/VERSION where a kernel's output is submitted, else empty.

    path, sha256: of the local file; None and empty where only the kernel has it. again: even after a first time.
    output: the kernel's name of the file.
    """

    slug: str
    message: str
    path: Path | None
    sha256: str
    kernel: str = ""
    again: bool = False
    output: str = KERNEL_OUTPUT

    @property
    def ledger_file(self) -> str:
        """The ledger's name of the file; Kaggle lists a kernel's by the name that the kernel gave it."""
        return self.path.name if self.path else f"{self.kernel}/{self.output}"

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

    def send(self, api: "KaggleApi") -> str:
        """Submit it with the real client: Kaggle's number, empty where it gave none; Unsent where that is certain."""
        if not self.kernel:
            return self._send_file(api)
        kernel, version = self.kernel.rsplit("/", 1)
        with told(f"submitting {self.ledger_file}"), unheard():
            answer = api.competition_submit_code(
                self.output, self.description, self.slug, kernel, int(version), quiet=True
            )
        return str(answer.ref or "")

    def _send_file(self, api: "KaggleApi") -> str:
        """The client starts an upload, uploads, and only then asks for the submission."""
        upload, uploaded = api.upload_complete, []

        def noted(*arguments: object, **named: object) -> object:
            result = upload(*arguments, **named)
            uploaded.append(result)
            return result

        api.upload_complete = noted
        try:
            with told(f"submitting {self.ledger_file}"), unheard():
                answer = api.competition_submit(str(self.path), self.description, self.slug, quiet=True)
        except UserError as error:
            if uploaded:
                raise
            raise Unsent(str(error)) from None
        finally:
            del api.upload_complete
        if answer.message == api.COMPETITION_SUBMIT_UPLOAD_FAILED_MESSAGE:
            raise Unsent(
                f"the upload of {self.path.name} broke off: look at the network, then run the same command again"
            )
        return str(answer.ref or "")


def order_of(
    slug: str,
    message: str,
    path: Path | None,
    kernel: str | None,
    version: int | None,
    again: bool,
    output: str | None = None,
) -> Order:
    """An order from what a user typed."""
    if (kernel is None) != (version is None):
        raise UserError("a kernel is submitted in one of its versions: give both -k OWNER/KERNEL and -v VERSION")
    if kernel is not None and not KERNEL.fullmatch(kernel):
        raise UserError(f"{kernel!r} names no kernel: give -k OWNER/KERNEL, as in its address")
    if output is not None and (kernel is None or not output.strip()):
        raise UserError("--output is the name of a kernel's file: give it with -k OWNER/KERNEL and -v VERSION, or not")
    if path is None and kernel is None:
        raise UserError("nothing to submit: name a CSV, or a kernel with -k OWNER/KERNEL -v VERSION")
    if not message.strip():
        raise UserError("the message is empty: say with -m what this submission is")
    check_text(message, "the message, which Kaggle and the ledger would keep,")
    kernel_version = f"{kernel}/{version}" if kernel else ""
    return Order(slug, " ".join(message.split()), path, _digest(path), kernel_version, again, output or KERNEL_OUTPUT)


def check_file(path: Path, reference: Reference) -> None:
    """UserError with the first ten problems where Kaggle would refuse or misread the CSV."""
    submission.check(submission.read_submission(path), reference.sample, reference.classes, path.name)


def find_reference(slug: str, sample: Path | None, data: Path | None, connect: Callable[[], "KaggleApi"]) -> Reference:
    """The sample that was named; that of the data set named or found; else Kaggle's own, for which it connects."""
    root, why_none = _data_set(data)
    classes = (messy_mashup.genres(root) if root and corpora.is_competition(root) else ()) or messy_mashup.GENRES
    if sample:
        return Reference(submission.read_sample_file(sample), classes, str(sample))
    if root:
        return Reference(submission.read_sample(root), classes, str(root / SAMPLE_FILE))
    try:
        table, name = _kaggles_sample(connect(), slug)
    except UserError as error:
        raise UserError(
            f"{error}. The CSV was not checked and nothing was sent ({why_none}): a sample that is at hand is taken "
            "with --sample FILE"
        ) from None
    return Reference(table, classes, f"Kaggle's {name} ({why_none})")


def _digest(path: Path | None) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() if path else ""
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error


def _data_set(named: Path | None) -> tuple[Path | None, str]:
    """The folder with the sample in it, or why there is none; a named one need hold nothing else."""
    if named:
        return paths.find_data(lambda root: (root / SAMPLE_FILE).is_file() or corpora.is_competition(root), named), ""
    found = paths.data_sets(corpora.is_competition, paths.inputs())
    if len(found) > 1:
        return None, f"{len(found)} data sets are in {paths.inputs()} and none is named with --data"
    if not found:
        return None, f"no data set is in {paths.inputs()}"
    if is_demo(found[0]):  # a competition of its own, which Kaggle does not know
        return None, f"only the demo is in {paths.inputs()}"
    if not (found[0] / SAMPLE_FILE).is_file():
        return None, f"{found[0]} has none"
    return found[0], ""


def _kaggles_sample(api: "KaggleApi", slug: str) -> tuple[pd.DataFrame, str]:
    """The competition's sample, downloaded and read, and Kaggle's name of it."""
    with tempfile.TemporaryDirectory() as folder:
        path, name = download(api, slug, SAMPLE_FILE, Path(folder))
        try:
            return submission.read_sample_file(path), name
        except UserError as error:
            raise UserError(str(error).replace(str(path), f"Kaggle's {name}")) from None
