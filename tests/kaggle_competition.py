"""The competition's side of the loopback: files, uploads, submissions, scores, the day's limit, every way to fail."""

import hashlib
import sys
from pathlib import Path

import pytest
from urllib3.util.retry import Retry

from example_trees import write_messy_mashup, write_text
from kaggle_loopback import Cut, Loopback, leaks
from messy_mashup.competition import ledger, submit
from messy_mashup.competition.client import SLUG
from messy_mashup.competition.ledger import LedgerRow
from test_commands import run

SOURCES = Path(__file__).resolve().parents[1] / "src"
NAME = "20261120T205512Z_equal.csv"
OTHER = "20261121T000000Z_other.csv"
ROUTES = (
    "StartSubmissionUpload", "CreateSubmission", "CreateCodeSubmission", "ListSubmissions", "GetSubmissionLimits",
    "ListDataFiles", "DownloadDataFile",
)  # fmt: skip
REASON = "Evaluation Exception: Submission must have 4 rows"


class Competition:
    """Submissions as Kaggle keeps them; fields are there to be changed by tests."""

    def __init__(self, loopback: Loopback, slug: str = SLUG):
        self.slug = slug
        self.submissions: list[dict] = []  # newest first
        self.uploads: dict[str, str] = {}  # file names by token
        self.limit = 5
        self.total = None  # submissions ever; None: as many as there are
        self.pending_for = 0  # how many looks at the list see a submission pending
        self.scores = {"publicScore": "0.81234", "privateScore": ""}
        self.status = "COMPLETE"
        self.refuse: dict[str, tuple[int, dict]] = {}  # the answer of a method
        self.cut_before: set[str] = set()  # methods whose connection breaks before anything happens
        self.cut_after: set[str] = set()  # methods that do their work and then break
        self.hidden = 0  # looks at the list that do not show the newest
        self.files: dict[str, int] = {}  # the data's files with their sizes as listed, in the list's order
        self.sent_as: dict[str, str] = {}  # names under which the loopback sends them, where that is another
        for name in ROUTES:
            loopback.routes[name] = self._guarded(name, getattr(self, name))

    def add(self, file, description="", minute=None, **more):
        """A submission, made now or elsewhere."""
        ref = 101 + len(self.submissions)
        minute = len(self.submissions) if minute is None else minute
        one = {"ref": ref, "fileName": file, "description": description, "looks": 0, "totalBytes": 1, **more}
        one.setdefault("date", f"2027-01-01T09:{minute:02d}:00.1234567Z")
        self.submissions.insert(0, one)
        return one

    def StartSubmissionUpload(self, body, loopback):  # noqa: N802
        token = f"upload{len(self.uploads)}"
        self.uploads[token] = body["fileName"]
        return {"token": token, "createUrl": loopback.upload_address(token)}

    def CreateSubmission(self, body, loopback):  # noqa: N802
        assert body["blobFileTokens"] in loopback.blobs
        one = self.add(self.uploads[body["blobFileTokens"]], body.get("submissionDescription", ""))
        return {"message": "Successfully submitted", "ref": one["ref"]}

    def CreateCodeSubmission(self, body, loopback):  # noqa: N802
        one = self.add(body["fileName"], body.get("submissionDescription", ""))
        return {"message": "Successfully submitted notebook", "ref": one["ref"]}

    def GetSubmissionLimits(self, body, loopback):  # noqa: N802
        total = len(self.submissions) if self.total is None else self.total
        return {"numToday": total, "numTotal": total, "numAllowedNow": max(self.limit - total, 0)}

    def ListSubmissions(self, body, loopback):  # noqa: N802
        page, size = body.get("page", 1), min(body.get("pageSize", 20), 20)
        shown = self.submissions[1:] if self.hidden else self.submissions
        self.hidden = max(self.hidden - 1, 0)
        return {"submissions": [self._listed(one) for one in shown[(page - 1) * size : page * size]]}

    def ListDataFiles(self, body, loopback):  # noqa: N802
        start, size = int(body.get("pageToken") or 0), min(body.get("pageSize", 20), 200)
        page = list(self.files.items())[start : start + size]
        files = [{"name": name, "totalBytes": size} for name, size in page]
        more = {"nextPageToken": str(start + size)} if start + size < len(self.files) else {}
        return {"files": files, **more}

    def DownloadDataFile(self, body, loopback):  # noqa: N802
        name = body["fileName"]
        return 302, {"location": loopback.file_address(self.sent_as.get(name, name))}

    def _listed(self, one):
        state = {"status": self.status, **(self.scores if self.status == "COMPLETE" else {})}
        if self.status == "ERROR":
            state["errorDescription"] = REASON
        if one["looks"] < self.pending_for:
            state = {"status": "PENDING"}
        one["looks"] += 1
        return {**state, **{name: value for name, value in one.items() if name != "looks"}}

    def _guarded(self, name, method):
        def route(body, loopback):
            if name in self.cut_before:
                raise Cut
            if name in self.refuse:
                return self.refuse[name]
            if body["competitionName"] != self.slug:
                return 404, {"code": 404, "message": "Competition not found"}
            answer = method(body, loopback)
            if name in self.cut_after:
                raise Cut
            return answer

        return route


class House:
    """A data set, a CSV with its row in the ledger, and Kaggle over loopback."""

    def __init__(self, home, loopback):
        self.folder, self.loopback, self.competition = home, loopback, Competition(loopback)
        self.data, self.submissions = home / "data", home / "submissions"
        self.ledger = self.submissions / "scores.csv"
        write_messy_mashup(self.data, songs=1)
        self.csv = self.write(NAME, "rock")
        row = {"file": NAME, "sha256": self.sha256, "oof_macro_f1": 0.9, "oof_spread": 0.01, "note": "mine"}
        ledger.append(self.ledger, LedgerRow(utc="2026-11-20T20:55:12Z", **row))

    def write(self, name, genre):
        path = self.submissions / name
        write_text(path, ["id,genre", f"0001,{genre}", "0002,blues"])
        return path

    @property
    def sha256(self):
        return hashlib.sha256(self.csv.read_bytes()).hexdigest()

    @property
    def place(self):
        return ["--data", self.data, "--submissions", self.submissions]

    def submit(self, *more, csv=None):
        return run("submit", csv or self.csv, "-m", "the  message", *self.place, *more)

    def command(self, *more):
        words = [sys.executable, SOURCES / "submit.py", self.csv, "-m", "the message", *self.place, *more]
        return {"args": list(map(str, words)), "env": self.loopback.environment(self.folder), "cwd": self.folder}

    def cells(self, *columns):
        return ledger.read(self.ledger)[list(columns)].to_numpy().tolist()


@pytest.fixture(name="house")
def house_fixture(tmp_path, monkeypatch):
    monkeypatch.setattr(submit, "LOOKS_S", (0, 0, 0))
    monkeypatch.setattr(submit, "POLL_S", 0)
    monkeypatch.setattr(Retry, "sleep", lambda *_: None)
    with Loopback() as loopback:
        loopback.join(monkeypatch, tmp_path)
        yield House(tmp_path, loopback)
    assert leaks(tmp_path) == []


@pytest.fixture(name="said")
def said_fixture(capfd):
    """What was printed since the last call; no credential may be in it."""

    def read():
        out, error = capfd.readouterr()
        assert leaks(out + error) == []
        assert "Traceback" not in error
        return out + error

    return read
