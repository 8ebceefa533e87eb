"""Kaggle's data sets and kernels for the loopback: what is uploaded is unpacked, listed and mounted as Kaggle does."""

import io
import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

from slugify import slugify

from kaggle_loopback import USER, Loopback

PAGE = 3  # files a page, of data sets and of outputs: small, so that every listing has several


@dataclass
class Version:
    """A version of a data set; `files` as Kaggle unpacks them."""

    notes: str
    files: dict[str, bytes]


@dataclass
class Shelf:
    """A data set with all its versions."""

    request: dict
    description: str = ""
    versions: list[Version] = field(default_factory=list)


@dataclass
class Kernel:
    """A kernel with what was pushed last and what its latest run left."""

    request: dict
    version: int = 1
    states: list[str] = field(
        default_factory=lambda: ["QUEUED", "RUNNING", "COMPLETE"]
    )  # one an enquiry; the last stays
    failure: str = ""
    log: str = ""
    output: dict[str, bytes] = field(default_factory=dict)


class Account:
    """One user's data sets and kernels behind a loopback."""

    def __init__(self, loopback: Loopback):
        self.data_sets: dict[str, Shelf] = {}
        self.kernels: dict[str, Kernel] = {}
        self.busy = 1  # enquiries after each new version that find it not ready
        self.status = "READY"  # what a version becomes
        self.uploads: dict[str, str] = {}  # names by token
        self._left = 0
        self._loopback = loopback
        loopback.routes |= {
            "StartBlobUpload": self._start,
            "CreateDataset": self._create,
            "CreateDatasetVersion": self._create_version,
            "GetDataset": self._data_set,
            "GetDatasetStatus": self._data_set_status,
            "ListDatasetFiles": self._data_set_files,
            "SaveKernel": self._save,
            "GetKernelSessionStatus": self._session,
            "ListKernelSessionOutput": self._output,
            "GetAcceleratorQuotaStatistics": lambda body, loopback: {
                "gpuQuota": {"timeUsed": "5400s", "totalTimeAllowed": "108000s"},
                "quotaRefreshTime": "2026-11-28T00:00:00Z",
            },
        }

    def mount(self, slug: str, folder: Path) -> Path:
        """Write the current version of a data set below `folder`, as a kernel sees it."""
        for name, content in self.data_sets[slug].versions[-1].files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return folder

    def pushed(self, slug: str) -> dict:
        """The notebook of a kernel."""
        return json.loads(self.kernels[slug].request["text"])

    def _start(self, body, loopback):
        token = f"blob{len(self.uploads)}"
        self.uploads[token] = body["name"]
        return {"token": token, "createUrl": loopback.upload_address(token)}

    def _unpacked(self, files: list[dict]) -> dict[str, bytes]:
        """The files of a version; a token that names no uploaded blob gives none, and a zip becomes its folder."""
        found = {}
        for token in (file["token"] for file in files):
            name, content = self.uploads.get(token, ""), self._loopback.blobs.get(token)
            if content is None:
                continue
            if not name.endswith(".zip"):
                found[name] = content
                continue
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                members = [member for member in archive.namelist() if not member.endswith("/")]
                found |= {f"{name.removesuffix('.zip')}/{member}": archive.read(member) for member in members}
        return found

    def _create(self, body, loopback):
        if body["slug"] in self.data_sets:
            return {"status": "error", "error": "The requested title is already in use"}
        shelf = self.data_sets[body["slug"]] = Shelf(body)
        return self._add(shelf, body, "Initial release")

    def _create_version(self, body, loopback):
        return self._add(self.data_sets[body["datasetSlug"]], body["body"], body["body"]["versionNotes"])

    def _add(self, shelf: Shelf, body: dict, notes: str) -> dict:
        shelf.description = body.get("description") or shelf.description
        shelf.versions.append(Version(notes, self._unpacked(body["files"])))
        self._left = self.busy
        return {"status": "ok", "ref": f"{USER}/data", "url": "http://localhost/data"}

    def _data_set(self, body, loopback):
        shelf = self.data_sets.get(body["datasetSlug"])
        if shelf is None:
            return 403, {"code": 403, "message": "Permission 'datasets.get' was denied"}
        current = len(shelf.versions) - bool(self._left)
        versions = [{"versionNumber": n, "versionNotes": each.notes} for n, each in enumerate(shelf.versions, start=1)]
        return {"description": shelf.description, "currentVersionNumber": current, "versions": versions[:current]}

    def _data_set_status(self, body, loopback):
        if body["datasetSlug"] not in self.data_sets:
            return 404, {"code": 404, "message": "not found"}
        self._left, left = max(0, self._left - 1), self._left
        return {"status": "BLOBS_RECEIVED" if left else self.status}

    def _data_set_files(self, body, loopback):
        files = self.data_sets[body["datasetSlug"]].versions[-1].files
        page, token = _page(sorted(files), body.get("pageToken"))
        listed = [{"name": name, "totalBytes": len(files[name])} for name in page]
        return {"datasetFiles": listed, "nextPageToken": token}

    def _save(self, body, loopback):
        slug = body["slug"].removeprefix(f"{USER}/")
        if slugify(body["newTitle"]) != slug:
            return {"error": "the title does not resolve to the slug"}
        known = {f"{USER}/{name}" for name in (*self.data_sets, *self.kernels)}
        before = self.kernels.get(slug)
        self.kernels[slug] = Kernel(body, before.version + 1 if before else 1)
        return {
            "ref": f"/code/{USER}/{slug}",
            "url": f"https://www.kaggle.com/code/{USER}/{slug}",
            "versionNumber": self.kernels[slug].version,
            "invalidDatasetSources": [name for name in body.get("datasetDataSources") or [] if name not in known],
            "invalidKernelSources": [name for name in body.get("kernelDataSources") or [] if name not in known],
        }

    def _session(self, body, loopback):
        kernel = self.kernels.get(body["kernelSlug"])
        if kernel is None:
            return 403, {"code": 403, "message": "Permission 'kernels.get' was denied"}
        state = kernel.states.pop(0) if len(kernel.states) > 1 else kernel.states[0]
        return {"status": state, "failureMessage": kernel.failure}

    def _output(self, body, loopback):
        slug = body["kernelSlug"]
        kernel = self.kernels[slug]
        page, token = _page(sorted(kernel.output), body.get("pageToken"))
        loopback.files |= {f"{slug}/{name}": kernel.output[name] for name in page}
        files = [{"fileName": name, "url": loopback.file_address(f"{slug}/{name}")} for name in page]
        return {"files": files, "log": kernel.log, "nextPageToken": token}


def log_of(*lines: str) -> str:
    """A log as Kaggle sends it: pieces that need not be lines."""
    text = "".join(f"{line}\n" for line in lines)
    pieces = [text[start : start + 7] for start in range(0, len(text), 7)]
    return json.dumps([{"stream_name": "stdout", "time": 0.1 * n, "data": piece} for n, piece in enumerate(pieces)])


def _page(names: list[str], token: str | None) -> tuple[list[str], str]:
    start = int(token or 0)
    return names[start : start + PAGE], str(start + PAGE) if start + PAGE < len(names) else ""
