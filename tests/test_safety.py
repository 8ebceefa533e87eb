"""No file that is read can run code: pickles are refused wherever one could be handed in, and src/ loads none."""

import ast
import importlib
import io
import pickle
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from maests import write_maest
from messy_mashup import models, recipe
from messy_mashup.competition import weights
from messy_mashup.data import demucs_vocals
from messy_mashup.errors import UserError
from messy_mashup.mashup import feature_files
from messy_mashup.models import resnet34
from messy_mashup.models.ast_checkpoint import _read_tensors
from messy_mashup.models.maest_checkpoint import convert
from messy_mashup.paths import REPOSITORY
from messy_mashup.scoring import predictions
from messy_mashup.training import embeddings, run_folder
from messy_mashup.training.search_space import Real
from messy_mashup.training.study import JOURNAL, Rules, Study

SOURCES = sorted(path for room in ("src", "benchmarks") for path in (REPOSITORY / room).rglob("*.py"))


class Bomb:
    """What is unpickled makes a folder."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return Path.mkdir, (self.marker,)


def by_torch(bomb: Bomb, **how: bool) -> bytes:
    file = io.BytesIO()
    torch.save({"weight": torch.zeros(2), "more": bomb}, file, **how)
    return file.getvalue()


def by_numpy(bomb: Bomb) -> bytes:
    file, names = io.BytesIO(), ("id", "classes", "logits", "key", "count", "windows", "chunk", "origin")
    np.savez(file, **dict.fromkeys(names, np.array([bomb], object)))
    return file.getvalue()


def one_array(bomb: Bomb) -> bytes:
    file = io.BytesIO()
    np.save(file, np.array([bomb], object), allow_pickle=True)
    return file.getvalue()


MADE: dict[str, Callable[[Bomb], bytes]] = {
    "plain": pickle.dumps,
    "text": lambda bomb: pickle.dumps(bomb, protocol=0),
    "torch": by_torch,
    "old torch": lambda bomb: by_torch(bomb, _use_new_zipfile_serialization=False),
    "npz": by_numpy,
    "npy": one_array,
}


def set_off(content: bytes) -> None:
    """What an unwary reader would do."""
    if zipfile.is_zipfile(io.BytesIO(content)):
        archive = zipfile.ZipFile(io.BytesIO(content))
        if any(name.endswith("data.pkl") for name in archive.namelist()):
            torch.load(io.BytesIO(content), weights_only=False)
        else:
            np.load(io.BytesIO(content), allow_pickle=True)["id"]
    elif content.startswith(b"\x93NUMPY"):
        np.load(io.BytesIO(content), allow_pickle=True)
    else:
        try:
            pickle.loads(content)
        except (pickle.UnpicklingError, AttributeError, EOFError):
            torch.load(io.BytesIO(content), weights_only=False)
        else:
            if content.startswith(b"\x80\x02\x8a\nl\xfc"):  # torch's old magic number comes first
                torch.load(io.BytesIO(content), weights_only=False)


@pytest.fixture(params=MADE)
def bomb(request, tmp_path) -> Iterator[bytes]:
    """The bytes of a file that makes a folder when it is unpickled, which nothing but the test itself may do."""
    content = MADE[request.param](Bomb(tmp_path / "marker"))
    yield content
    assert not (tmp_path / "marker").exists(), "code of the file was run"
    set_off(content)
    assert (tmp_path / "marker").exists(), "the file would not have run anything"


def placed(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin", "weights.pth", "a.pt"])
def test_weights_of_a_resnet34(bomb, tmp_path, name):
    path = placed(tmp_path / "weights" / name, bomb)
    for weights_name in (path, path.parent):
        backbone = recipe.ResNet34Recipe(weights=str(weights_name), widths=(4, 4, 8, 8))
        with pytest.raises(UserError, match=name):
            resnet34.load_pretrained(models.build(backbone, 2), backbone)


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_weights_of_an_ast_and_those_that_are_sent_to_kaggle(bomb, tmp_path, name):
    write_maest(tmp_path / "weights")
    (tmp_path / "weights" / "model.safetensors").unlink()
    path = placed(tmp_path / "weights" / name, bomb)
    with pytest.raises(UserError, match=r"model\.safetensors"):
        _read_tensors(path.with_name("model.safetensors"))
    source = weights.Source("me/weights", recipe.ResNet34Recipe(weights="", widths=(4, 4, 8, 8)))
    with pytest.raises(UserError, match=name):
        weights.check(path.parent, source)


@pytest.mark.parametrize("name", ["a.ckpt", "a.pt", "a.safetensors"])
def test_an_original_checkpoint_of_maest(bomb, tmp_path, name):
    with pytest.raises(UserError, match=name):
        convert(placed(tmp_path / name, bomb), tmp_path / "hub")
    assert not (tmp_path / "hub").exists()


@pytest.mark.parametrize("name", ["a.th", "a.pt", "a.pth", "a.safetensors", "a"])
def test_weights_of_demucs(bomb, tmp_path, monkeypatch, name):
    networks = ModuleType("demucs")
    vars(networks).update({network: type(network, (torch.nn.Module,), {}) for network in demucs_vocals.NETWORKS})
    monkeypatch.setattr(demucs_vocals, "_imported", lambda module: networks)
    with pytest.raises(UserError, match=rf"{name} is no"):
        demucs_vocals.loaded(placed(tmp_path / name, bomb))


def test_files_of_a_run(bomb, tmp_path):
    folder = tmp_path / "runs" / "fold0"
    for name in (run_folder.WEIGHTS, run_folder.STATE, run_folder.OOF):
        placed(folder / name, bomb)
    for read in (
        lambda: run_folder.load_weights(folder / run_folder.WEIGHTS),
        lambda: run_folder.read_card(folder / run_folder.WEIGHTS),
        lambda: run_folder.load_state(folder, {}),
        lambda: predictions.load(folder / run_folder.OOF),
    ):
        with pytest.raises(UserError, match=r"fold0.(weights|state|oof)"):
            read()


def test_embeddings_and_log_mels(bomb, tmp_path):
    path = placed(tmp_path / "features-00000.npz", bomb)
    with pytest.raises(UserError, match="does not hold embeddings"):
        embeddings._read(path, 8)
    assert feature_files._origin(path) == ""


def test_the_journal_of_a_study(bomb, tmp_path):
    pytest.importorskip("optuna")
    placed(tmp_path / "study" / JOURNAL, bomb + b"\n")
    with pytest.raises(UserError, match=f"{JOURNAL} is damaged at line 1"):
        Study(tmp_path / "study", {}, {"train.lr": Real(0.1, 1.0)}, Rules("maximize"))


# No way to it in the code

FORBIDDEN = {
    "eval", "exec", "compile", "__import__", "pickle.load", "pickle.loads", "pickle.Unpickler", "marshal.load",
    "marshal.loads", "shelve.open", "joblib.load", "dill.load", "dill.loads", "cloudpickle.load", "cloudpickle.loads",
    "yaml.load", "yaml.unsafe_load", "os.system", "os.popen", "torch.hub.load", "torch.jit.load", "pd.read_pickle",
    "pd.read_hdf", "pd.eval", "pandas.read_pickle", "shutil.unpack_archive", "tempfile.mktemp",
}  # fmt: skip
UNPACKS = {"extract", "extractall"}
NEEDED = {
    "torch.load": ("weights_only", True),
    "np.load": ("allow_pickle", False),
    "numpy.load": ("allow_pickle", False),
    "requests.get": ("timeout", None),  # of any length
}


def unsafe_calls(source: str) -> list[str]:
    """Calls that could run what a file holds, write where an archive says, or wait for ever; with their lines."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        given = {word.arg: getattr(word.value, "value", ...) for word in node.keywords}
        wanted = NEEDED.get(name)
        lacks = wanted and (wanted[0] not in given or (wanted[1] is not None and given[wanted[0]] is not wanted[1]))
        unpacks = isinstance(node.func, ast.Attribute) and node.func.attr in UNPACKS and not name.startswith("self.")
        trusting = given.get("shell", False) is not False or given.get("trust_remote_code", False) is not False
        if name in FORBIDDEN or lacks or unpacks or trusting:
            found.append(f"line {node.lineno}: {name}")
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(REPOSITORY).as_posix())
def test_nothing_runs_what_a_file_holds(path):
    assert unsafe_calls(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "call",
    [
        "eval(text)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "torch.load(path, weights_only=trusted)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "pickle.loads(content)",
        "subprocess.run(command, shell=True)",
        "AutoModel.from_pretrained(name, trust_remote_code=True)",
        "archive.extractall(folder)",
        "requests.get(address)",
    ],
)
def test_a_planted_call_is_caught(call):
    assert unsafe_calls(f"def late():\n    return {call}") == [f"line 2: {call.partition('(')[0]}"]


def test_the_usual_calls_pass():
    calls = (
        "model.eval()\nre.compile(word)\ntorch.load(path, weights_only=True)\nsubprocess.run(command, shell=False)\n"
    )
    calls += "np.load(path, allow_pickle=False)\nrequests.get(address, timeout=3)\nast.literal_eval(text)"
    assert unsafe_calls(calls) == []


def test_only_names_that_are_known_are_imported():
    """A corpus or a backbone that a file names is looked up before it is imported."""
    corpora = importlib.import_module("messy_mashup.data.corpora")
    for name in ("os", "..errors", "gtzan.os", "", "../gtzan"):
        with pytest.raises(UserError, match="there is no corpus"):
            corpora.load(name)


# Packages


def test_every_package_is_pinned_exactly():
    lines = (REPOSITORY / "requirements.txt").read_text().splitlines()
    pins = [line.partition(";")[0].strip() for line in lines if line.strip() and not line.startswith("#")]
    loose = [pin for pin in pins if len(pin.split("==")) != 2 or any(letter in pin for letter in "*<>~!,@ ")]
    assert loose == []
    names = [pin.split("==")[0].lower() for pin in pins]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize(
    ("log", "table", "fails", "status", "said"),
    [
        ("No known vulnerabilities found", "", 0, 0, "No known vulnerabilities found"),
        ("Found 1 known vulnerability in 1 package", "six 1.17.0 PYSEC-1", 1, 2, "the packages above have known"),
        ("six: Dependency not found on PyPI and could not be audited", "", 1, 2, "nothing is known of vulnerabilities"),
        ("ConnectionError: pypi.org", "", 1, 2, "nothing is known of vulnerabilities"),
    ],
)
def test_an_audit_that_could_not_ask_says_so(tmp_path, log, table, fails, status, said):
    """make's own status is 2 whatever fails; the program is played here, for it needs the internet."""
    program = tmp_path / "audit" / "bin" / "pip-audit"
    program.parent.mkdir(parents=True)
    words = ["#!/bin/sh", 'case "$*" in *--strict*--path*site-packages*--output*) ;; *) exit 9;; esac']
    words += [f"test -z '{table}' || echo '{table}' > {tmp_path}/audit/found.txt", f"echo '{log}' >&2", f"exit {fails}"]
    program.write_text("\n".join(words) + "\n")
    program.chmod(0o755)
    (tmp_path / "audit" / "found.txt").write_text("of an earlier audit")
    command = ["make", "-o", "setup", "audit", f"AUDIT={tmp_path}/audit"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    assert done.returncode == status, done.stderr
    assert said in done.stdout
    assert table in done.stdout
    assert "of an earlier audit" not in done.stdout
