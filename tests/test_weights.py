"""Pretrained weights from the hub to a kernel: the real hub client, a small hub, Kaggle's real client over loopback."""

import hashlib
import json
import sys
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
import torch
from safetensors.torch import save_file

import push
from kaggle_kernels import Account
from kaggle_loopback import Loopback, leaks
from messy_mashup import models, paths
from messy_mashup.competition import data_set, weights
from messy_mashup.competition.data_set import WEIGHTS_SET
from messy_mashup.competition.weights import RESNET34, Source
from messy_mashup.errors import UserError, run_script
from messy_mashup.recipe import ASTRecipe, ResNet34Recipe
from messy_mashup.torchvision_import import import_torchvision

AST = "MIT/ast-finetuned-audioset-10-10-0.4593"
WIDTHS = (8, 8, 16, 16)
SOURCES = (
    Source(AST, ASTRecipe(heard_s=2.0, width=48, layers=2, heads=4)),
    Source(RESNET34, ResNet34Recipe(widths=WIDTHS)),
)
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(BaseHTTPRequestHandler):
    """The calls of snapshot_download: what a model has, and a file of it."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.answer()

    def do_GET(self):
        self.answer()

    def answer(self):
        path = urlsplit(self.path).path
        self.server.asked.append(path)
        if path.startswith("/api/models/"):
            name = "/".join(path.split("/")[3:5])
            files = self.server.files.get(name)
            body = {"id": name, "sha": COMMIT, "siblings": [{"rfilename": file} for file in files or ()]}
            if "/tree/" in path:
                sizes = {file: len(content) for file, content in (files or {}).items()}
                body = [{"type": "file", "path": file, "size": size, "oid": COMMIT} for file, size in sizes.items()]
            return self.send(200 if files else 404, json.dumps(body).encode())
        name, _, rest = path.lstrip("/").partition("/resolve/")
        content = self.server.files.get(name, {}).get(rest.partition("/")[2])
        return self.send(404 if content is None else 200, content or b"")

    def send(self, status, content):
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        if status == 404:
            self.send_header("X-Error-Code", "EntryNotFound")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """Both models as their authors publish them, with more files than are needed: bytes by hub id and name."""
    import_torchvision()
    import timm
    from transformers import ASTConfig, ASTFeatureExtractor, ASTForAudioClassification

    torch.manual_seed(0)
    ast, resnet = tmp_path_factory.mktemp("ast"), tmp_path_factory.mktemp("resnet")
    sizes = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 192}
    ASTForAudioClassification(ASTConfig(**sizes, max_length=200, num_labels=527)).save_pretrained(ast)
    ASTFeatureExtractor(max_length=200).save_pretrained(ast)
    save_file(timm.create_model("resnet34", channels=WIDTHS, stem_width=8).state_dict(), resnet / "model.safetensors")
    (resnet / "config.json").write_text(json.dumps({"architecture": "resnet34", "num_classes": 1000}))
    more = {"pytorch_model.bin": b"a pickle", "README.md": b"read", ".gitattributes": b"x"}
    folders = {AST: ast, RESNET34: resnet}
    return {
        name: {path.name: path.read_bytes() for path in folder.iterdir()} | more for name, folder in folders.items()
    }


@pytest.fixture
def hub(published):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.files, server.asked = {name: dict(files) for name, files in published.items()}, []
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def account(tmp_path, hub, monkeypatch, capfd):
    """An account, and `run`, which is `push.py --weights` with small networks in place of the published ones."""
    from huggingface_hub import close_session, constants

    root = tmp_path / "repository"
    (root / "input").mkdir(parents=True)
    monkeypatch.setattr(paths, "REPOSITORY", root)
    monkeypatch.setattr(data_set, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(push, "_weight_sources", lambda: SOURCES)
    monkeypatch.setattr(sys, "argv", ["push.py", "--weights"])
    # what HF_ENDPOINT sets, which is read at import
    address = f"http://127.0.0.1:{hub.server_port}"
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, address)
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    with Loopback() as loopback:
        loopback.join(monkeypatch, tmp_path / "home")
        monkeypatch.setenv("no_proxy", "127.0.0.1")  # Kaggle's address is localhost, the hub's is not
        close_session()  # one that was opened with another proxy

        def run() -> tuple[int, str]:
            try:
                run_script(push.main)
                status = 0
            except SystemExit as ended:
                status = ended.code
            said = "".join(capfd.readouterr())
            assert leaks(said) == []
            return status, said

        account = Account(loopback)
        yield SimpleNamespace(run=run, input=root / "input", shelf=account, loopback=loopback)
        close_session()
    assert leaks(tmp_path) == []


def changed_by_weights(source: Source) -> bool:
    """Whether a recipe that names the hub's id gets tensors of it, looked for as a kernel does."""
    recipe = replace(source.backbone, weights=source.name)
    model = models.build(recipe, 10)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    models.load_pretrained(model, recipe)
    return sum(not before[name].equal(tensor) for name, tensor in model.state_dict().items()) > 10


def test_weights_go_from_the_hub_to_a_kernel_that_finds_them(account, hub, published, tmp_path, monkeypatch):
    status, said = account.run()
    assert status == 0, said
    fetched = {path.relative_to(account.input).as_posix() for path in account.input.rglob("*") if path.is_file()}
    ast, resnet = "weights/ast-finetuned-audioset-10-10-0.4593", "weights/resnet34.a1_in1k"
    needed = {f"{ast}/{name}" for name in ("config.json", "model.safetensors", "preprocessor_config.json")}
    assert fetched == needed | {f"{resnet}/{name}" for name in ("config.json", "model.safetensors")}
    assert not any("pytorch_model.bin" in path for path in hub.asked)
    mounted = tmp_path / "kernel" / "datasets" / "stub" / WEIGHTS_SET
    account.shelf.mount(WEIGHTS_SET, mounted)
    assert (mounted / "resnet34.a1_in1k" / "model.safetensors").read_bytes() == published[RESNET34]["model.safetensors"]
    with monkeypatch.context() as in_kernel:
        in_kernel.setattr(paths, "inputs", lambda: tmp_path / "kernel")
        in_kernel.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "empty"))
        in_kernel.setattr(hub, "files", {})
        assert [changed_by_weights(source) for source in SOURCES] == [True, True]
    asked = len(hub.asked)
    status, said = account.run()
    assert status == 0, said
    assert "there already, and it loads" in said
    assert "version 1 holds this already" in said
    assert len(hub.asked) == asked


def test_weights_that_do_not_load_are_neither_kept_nor_sent(account, hub):
    content = hub.files[AST]["model.safetensors"]
    hub.files[AST]["model.safetensors"] = content[: len(content) // 2]
    status, said = account.run()
    assert status == 2
    assert "model.safetensors is damaged or half a file" in said
    assert not (account.input / "weights").exists()
    assert account.shelf.uploads == {}


def test_a_hub_that_lacks_a_model_is_a_sentence(account, hub):
    del hub.files[RESNET34]
    status, said = account.run()
    assert status == 2
    assert f"no weights {RESNET34}" in said
    assert account.shelf.uploads == {}


def test_an_upload_that_fails_is_told_and_goes_on_from_what_was_fetched(account, hub):
    account.loopback.put = lambda token, body: 500
    status, said = account.run()
    assert status == 2
    assert "could be uploaded, so no version was made" in said
    asked = len(hub.asked)
    account.loopback.put = lambda token, body: 200
    assert account.run()[0] == 0
    assert len(hub.asked) == asked


def test_without_credentials_nothing_is_fetched(account, hub):
    account.loopback.accepted.clear()
    status, said = account.run()
    assert status == 2
    assert "credentials are refused" in said
    assert hub.asked == []


def test_the_sources_are_the_recipe_s_and_timm_s_own():
    import_torchvision()
    import timm

    ast, resnet = push._weight_sources()
    assert (ast.name, ast.folder) == (AST, "ast-finetuned-audioset-10-10-0.4593")
    assert (ast.backbone.width, ast.backbone.layers) == (768, 12)
    assert resnet.name == timm.get_pretrained_cfg("resnet34").hf_hub_id
    assert resnet.backbone.widths == (64, 128, 256, 512)


def test_a_folder_of_other_weights_is_refused(tmp_path):
    (tmp_path / "resnet34.a1_in1k").mkdir()
    save_file({"a": torch.ones(1)}, tmp_path / "resnet34.a1_in1k" / "model.safetensors")
    with pytest.raises(UserError, match="does not fit this ResNet34"):
        weights.fetch(SOURCES[1:], tmp_path)
