"""A loopback server that speaks enough of Kaggle's protocol for the real client, its uploads and its downloads.

The client sends absolute-form requests to its http_proxy, which is this server; a dead https_proxy makes any call to
the real Kaggle fail. Routes are filled in by kaggle_competition.py and others.
"""

import json
import os
import threading
from base64 import b64decode, b64encode
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

USER = "stub"
KEY = "planted-key-0123456789abcdef"  # tests search all output and files for it
TOKEN = "KGAT_planted-token-0123456789abcdef"
UPLOAD_SECRET = "X-Signature=planted-signature"  # part of every upload address, as a signed one has
SECRETS = (KEY, TOKEN, UPLOAD_SECRET, b64encode(f"{USER}:{KEY}".encode()).decode())
OTHER_CREDENTIALS = ("KAGGLE_API_TOKEN", "KAGGLE_CONFIG_DIR", "KAGGLE_KERNEL_RUN_TYPE", "XDG_CONFIG_HOME")

Route = Callable[[dict, "Loopback"], "dict | tuple[int, dict]"]


class Cut(Exception):
    """Raised by a route or by `put`: the connection breaks without an answer."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        method, loopback = urlsplit(self.path).path.rsplit("/", 1)[-1], self.server.loopback
        text = self._body()
        body = json.loads(text) if text else {}
        loopback.requests.append((method, body))
        if loopback.repeats:
            return self._answer(loopback.repeats, {"code": loopback.repeats, "message": self._repeated(text)})
        if self.headers.get("Authorization") not in loopback.accepted:
            return self._answer(401, {"code": 401, "message": "Unauthenticated"})
        route = loopback.routes.get(method)
        if route is None:
            return self._answer(404, {"code": 404, "message": f"the loopback has no {method}"})
        try:
            answer = route(body, loopback)
        except Cut:
            return self._break()
        status, reply = answer if isinstance(answer, tuple) else (200, answer)
        return self._answer(status, reply, reply.get("location") if status == 302 else None)

    def _repeated(self, text):
        """What the caller sent, its credentials as they came and, where they are encoded, as they were."""
        kind, _, sent = (self.headers.get("Authorization") or "none ").partition(" ")
        plain = b64decode(sent).decode() if kind == "Basic" else ""
        filling = "x" * (295 - len(sent) - len(plain))  # so that a sentence that is cut would be cut within the last
        return f"{sent} {plain} {filling} {sent} {text.decode()}"

    def do_PUT(self):
        token, loopback = urlsplit(self.path).path.rsplit("/", 1)[-1], self.server.loopback
        if (self.headers.get("Content-Range") or "").startswith("bytes */"):  # "how much have you got?"
            return self._answer(200 if token in loopback.blobs else 308, {})
        try:
            body = self._body()
            loopback.requests.append(("PUT", {"token": token, "bytes": len(body)}))
            status = loopback.put(token, body)
        except Cut:
            return self._break()
        if status in (200, 201):
            loopback.blobs[token] = body
        return self._answer(status, {})

    def do_GET(self):
        name, loopback = unquote(urlsplit(self.path).path).removeprefix("/file/"), self.server.loopback
        loopback.requests.append(("GET", {"name": name}))
        if name in loopback.file_status:
            return self._answer(loopback.file_status[name], {"message": "an error page, not the file"})
        if name not in loopback.files:
            return self._answer(404, {"message": f"no file {name}"})
        if loopback.file_cuts.get(name):
            loopback.file_cuts[name] -= 1
            self._send(200, loopback.files[name], "application/octet-stream", sent=len(loopback.files[name]) // 2)
            return self._break()
        return self._send(200, loopback.files[name], "application/octet-stream")

    def _body(self):
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().strip(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _answer(self, status, reply, location=None):
        self._send(status, json.dumps(reply).encode(), "application/json", location=location)

    def _send(self, status, content, kind, location=None, sent=None):
        self.send_response(status)
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[:sent])

    def _break(self):
        self.close_connection = True
        self.connection.shutdown(2)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A client that was killed is no news; what a route raises, its test shall see."""
        import sys

        error = sys.exception()
        if not isinstance(error, OSError):
            self.loopback.faults.append(error)


class Loopback:
    """The server in a thread; `with Loopback() as loopback`, then fill `loopback.routes`."""

    def __init__(self):
        self.routes: dict[str, Route] = {}
        self.requests: list[tuple[str, dict]] = []
        self.blobs: dict[str, bytes] = {}
        self.files: dict[str, bytes] = {}
        self.file_status: dict[str, int] = {}  # names whose GET fails with that status
        self.file_cuts: dict[str, int] = {}  # names whose GET breaks half-way, so many times
        self.put: Callable[[str, bytes], int] = lambda token, body: 200  # the status of an upload, or raise Cut
        self.repeats = 0  # the status of a server that answers everything by repeating the caller's credentials
        self.faults: list[BaseException] = []  # a route's own mistakes
        self.accepted = {f"Basic {SECRETS[-1]}", f"Bearer {TOKEN}"}
        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.loopback = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.stop()
        assert self.faults == []

    def stop(self):
        """Refuse every connection from now on: the network is gone."""
        self._server.shutdown()
        self._server.server_close()

    def upload_address(self, token: str) -> str:
        return f"{self.address}/blob/{token}?{UPLOAD_SECRET}"

    def file_address(self, name: str) -> str:
        return f"{self.address}/file/{quote(name)}?{UPLOAD_SECRET}"

    def called(self, method: str) -> list[dict]:
        """The bodies of all calls of a method, in order."""
        return [body for name, body in self.requests if name == method]

    def variables(self, home: Path) -> dict[str, str]:
        """What points the client here and nowhere else."""
        return {
            "HOME": str(home),
            "KAGGLE_USERNAME": USER,
            "KAGGLE_KEY": KEY,
            "KAGGLE_API_ENVIRONMENT": "LOCALHOST",
            "http_proxy": self.address,
            "https_proxy": "http://127.0.0.1:9",
        }

    def environment(self, home: Path) -> dict[str, str]:
        """The whole environment of a subprocess."""
        return {"PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1", **self.variables(home)}

    def join(self, monkeypatch, home: Path) -> None:
        """Point the client in this process here, however early it was imported."""
        for name in (*OTHER_CREDENTIALS, "no_proxy", "NO_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.delenv(name, raising=False)
        for name, value in self.variables(home).items():
            monkeypatch.setenv(name, value)
        from kaggle.api.kaggle_api_extended import KaggleApi

        monkeypatch.setattr(KaggleApi, "args", ["--local"])
        monkeypatch.setattr(KaggleApi, "config_dir", str(home / ".kaggle"))
        monkeypatch.setattr(KaggleApi, "config", str(home / ".kaggle" / "kaggle.json"))


def leaks(*places: "Path | str") -> list[str]:
    """Where a planted secret can be read: names of files below folders, or the text itself."""
    found = []
    for place in places:
        if isinstance(place, str):
            found += [f"text: {secret}" for secret in SECRETS if secret in place]
            continue
        for path in sorted(path for path in place.rglob("*") if path.is_file()):
            content = path.read_bytes()
            found += [str(path) for secret in SECRETS if secret.encode() in content]
    return found
