"""What visitors upload: each file in a folder of its own, for as long as it is waited for, and below a size.

Gradio would name a file's folder by the file's content, so that two visitors with the same file would share it.
"""

import logging
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Lock, Thread

import gradio as gr
from gradio.route_utils import GradioMultiPartParser, MultiPartException
from gradio.routes import file_upload_statuses
from gradio_client.utils import strip_invalid_filename_characters
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from messy_mashup.claim import Held, lock_file
from messy_mashup.web.limits import Limits

FOLDER = "GRADIO_TEMP_DIR"  # in the environment: where Gradio keeps files
PREFIX, LOCK = "messy-mashup-page-", ".lock"
ROUTE = re.compile(r"/upload/?")
AROUND_BYTES = 1 << 16  # of a request, around its file
MOST_WAITING = 64  # files, each as large as the limits allow
KEPT_S = 600.0  # a file that nobody asks about; a mashup that was made
SWEPT_EVERY_S = 30.0


@contextmanager
def own_folder() -> Iterator[Path]:
    """A new folder for Gradio's files, removed at the end; first, those that killed servers left are removed."""
    parent = Path(os.environ.get(FOLDER) or tempfile.gettempdir())
    parent.mkdir(parents=True, exist_ok=True)
    _clear_leftovers(parent)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    begun, before = folder / f"{LOCK}.begun", os.environ.get(FOLDER)
    try:
        with begun.open("ab") as lock:
            lock_file(lock.fileno(), f"{folder} is in use")
            begun.rename(folder / LOCK)  # locked from the first moment that it can be found
            os.environ[FOLDER] = str(folder)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.environ.pop(FOLDER)
        os.environ.update({FOLDER: before} if before else {})


def _clear_leftovers(parent: Path) -> None:
    """Remove this user's folders of pages whose process has ended."""
    for lock in parent.glob(f"{PREFIX}*/{LOCK}"):
        with suppress(Held, OSError):
            if lock.parent.is_symlink() or lock.parent.stat().st_uid != os.getuid():
                continue
            with lock.open("ab") as file:
                lock_file(file.fileno(), f"{lock.parent} is in use")
                shutil.rmtree(lock.parent, ignore_errors=True)


class Uploads:
    """The files that wait to be heard, below a folder. Any thread may ask."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.folder, self.limits = folder, limits
        self._lock, self._ended = Lock(), Event()
        self._since: dict[Path, float] = {}  # by a file's own folder: when it was whole; infinite before
        self._owner: dict[Path, str] = {}  # the session that shows it

    def begin(self) -> Path | None:
        """A new folder for one file, or None where too many wait."""
        with self._lock:
            if len(self._since) >= MOST_WAITING:
                return None
            folder = self.folder / secrets.token_hex(16)
            self._since[folder] = float("inf")
        folder.mkdir(mode=0o700)
        return folder

    def whole(self, folder: Path) -> None:
        """The file in that folder is there to its last byte."""
        with self._lock:
            self._since[folder] = time.monotonic()

    def waits(self, path: str | Path) -> bool:
        """Whether that is a file that was uploaded and not yet removed."""
        with self._lock:
            return Path(path).parent in self._since

    def shown(self, path: str | None, session: str) -> None:
        """A session's page shows that file, or none: what it showed before is removed."""
        with self._lock:
            old = [folder for folder, owner in self._owner.items() if owner == session]
            now = Path(path).parent if path else None
            if now in self._since:
                self._owner[now] = session
        for folder in old:
            if folder != now:
                self.remove(folder)

    def remove(self, folder: Path) -> None:
        """Remove a file with its folder; nothing where that is no upload's."""
        with self._lock:
            known = self._since.pop(folder, None) is not None
            self._owner.pop(folder, None)
        if known:
            shutil.rmtree(folder, ignore_errors=True)

    def sweep(self, kept_s: float = KEPT_S) -> None:
        """Remove the files that have waited for longer."""
        with self._lock:
            late = [folder for folder, since in self._since.items() if time.monotonic() - since > kept_s]
        for folder in late:
            self.remove(folder)

    @contextmanager
    def swept(self) -> Iterator[None]:
        """Sweep from time to time, until the block ends."""
        Thread(target=self._sweep_on, daemon=True).start()
        try:
            yield
        finally:
            self._ended.set()

    def _sweep_on(self) -> None:
        while not self._ended.wait(SWEPT_EVERY_S):
            self.sweep()

    async def in_its_place(self, path: str | Path | None) -> str | None:
        """In place of a component's way to files: only an upload is one, and no address of elsewhere is fetched."""
        if path is not None and not self.waits(path):
            raise gr.Error("The file is not here any more: give it again.", print_exception=False)
        return None if path is None else str(path)


class UploadLayer:
    """ASGI: takes what is uploaded, and passes everything else on."""

    def __init__(self, app: ASGIApp, uploads: Uploads) -> None:
        self.app, self.uploads = app, uploads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http" or scope["method"] != "POST" or not self._is_upload(scope):
            await self.app(scope, receive, send)
            return
        with suppress(ClientDisconnect):
            response = await self._taken(Request(scope, receive))
            await response(scope, receive, send)

    def _is_upload(self, scope: Scope) -> bool:
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        return ROUTE.fullmatch(path.removeprefix(gr.route_utils.API_PREFIX)) is not None

    async def _taken(self, request: Request) -> Response:
        """The path of the file, in a list as Gradio's own, or a sentence."""
        most_bytes = self.uploads.limits.most_bytes + AROUND_BYTES
        claimed = request.headers.get("content-length", "0")
        if claimed.isdecimal() and int(claimed) > most_bytes:
            return self._too_large()
        folder = self.uploads.begin()
        if folder is None:
            return PlainTextResponse("Many files wait to be heard: try again in some minutes.", 503)
        try:
            path = await self._written(request, folder, most_bytes)
            self.uploads.whole(folder)
            return JSONResponse([str(path)])
        except MultiPartException as error:
            self.uploads.remove(folder)
            too_large = "maximum allowed size" in error.message
            return self._too_large() if too_large else PlainTextResponse("That is no upload of one file.", 400)
        except BaseException as error:  # also when the visitor breaks it off
            self.uploads.remove(folder)
            if not isinstance(error, OSError):
                raise
            logging.exception("an upload failed")
            return PlainTextResponse("The file could not be taken, which is the server's fault: try later.", 500)

    async def _written(self, request: Request, folder: Path, most_bytes: int) -> Path:
        """The file that the request holds, in that folder; MultiPartException where it is too large or not one."""
        upload_id = request.query_params.get("upload_id")
        if "boundary=" not in request.headers.get("content-type", ""):
            raise MultiPartException("no form")
        parser = GradioMultiPartParser(
            request.headers,
            _bounded(request.stream(), most_bytes),
            max_files=1,
            max_fields=8,
            upload_dir=folder,
            upload_id=upload_id,
            upload_progress=file_upload_statuses if upload_id else None,
            max_file_size=self.uploads.limits.most_bytes,
        )
        if upload_id:
            file_upload_statuses.track(upload_id)
        given = (await parser.parse()).get("files")
        if given is None or isinstance(given, str):
            raise MultiPartException("no file")
        await given.close()
        name = strip_invalid_filename_characters(Path(given.filename or "").name).strip(". ")
        return Path(given.file.name).rename(folder / (name or "upload"))

    def _too_large(self) -> Response:
        return PlainTextResponse(f"The file is too large: this page takes {self.uploads.limits.told_mb}.", 413)


async def _bounded(stream: AsyncIterator[bytes], most_bytes: int) -> AsyncIterator[bytes]:
    """The stream; MultiPartException as soon as it is longer."""
    taken = 0
    async for chunk in stream:
        taken += len(chunk)
        if taken > most_bytes:
            raise MultiPartException("maximum allowed size")
        yield chunk
