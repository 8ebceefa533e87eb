"""The hub's side of a push on this machine: what the client sends is kept, small files plain and others by LFS."""

import base64
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = "hf_secretsecretsecret"
API = "/api/models/"


class Handler(BaseHTTPRequestHandler):
    """As much of the hub as create_repo, list_repo_files and upload_folder ask for."""

    def log_message(self, *_):
        pass

    def answer(self, content: object, status: int = 200) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def refused(self) -> bool:
        self.server.tokens.append(self.headers.get("Authorization"))
        if self.server.status:
            self.answer({"error": self.server.said}, self.server.status)
        return bool(self.server.status)

    def do_GET(self):
        if self.refused():
            return
        path = self.path.partition("?")[0]
        if "/tree/" in path:
            found = [{"type": "file", "path": name, "size": 1, "oid": "0" * 40} for name in self.server.files]
            self.answer(found)
        else:
            siblings = [{"rfilename": name} for name in self.server.files]
            self.answer({"id": self.server.name, "sha": "0" * 40, "siblings": siblings, "private": True, "tags": []})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        if self.refused():
            return
        path = self.path.partition("?")[0]
        if path == "/api/repos/create":
            self.server.created = json.loads(body)
            self.answer({"url": f"{self.server.address}/{self.server.name}"})
        elif path == "/api/validate-yaml":
            self.server.validated.append(json.loads(body)["content"])
            self.answer({"errors": [], "warnings": []})
        elif "/preupload/" in path:
            modes = [
                {"path": file["path"], "uploadMode": "lfs" if file["path"].endswith(".safetensors") else "regular"}
                for file in json.loads(body)["files"]
            ]
            self.answer({"files": [mode | {"shouldIgnore": False, "oid": None} for mode in modes]})
        elif path.endswith("/info/lfs/objects/batch"):
            actions = [
                one | {"actions": {"upload": {"href": f"{self.server.address}/lfs/{one['oid']}"}}}
                for one in json.loads(body)["objects"]
            ]
            self.answer({"transfer": "basic", "objects": actions})
        else:
            self.commit([json.loads(line) for line in body.splitlines()])

    def do_PUT(self):
        self.server.objects[self.path.rpartition("/")[2]] = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer({})

    def commit(self, lines: list[dict]) -> None:
        for line in lines:
            value = line["value"]
            match line["key"]:
                case "file":
                    self.server.files[value["path"]] = base64.b64decode(value["content"])
                case "lfsFile":
                    self.server.files[value["path"]] = self.server.objects[value["oid"]]
                case "deletedFile":
                    self.server.files.pop(value["path"])
        self.answer({"commitUrl": f"{self.server.address}/{self.server.name}/commit/1", "commitOid": "1" * 40})


@contextmanager
def hub(name: str):
    """A hub whose one repository is `name`; `files` is what it holds, `status` an error that it answers with."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.name, server.address = name, f"http://127.0.0.1:{server.server_port}"
    server.files, server.objects, server.created = {}, {}, None
    server.status, server.tokens, server.validated = 0, [], []
    server.said = "you may not write there"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
