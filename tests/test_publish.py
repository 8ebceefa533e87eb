"""Releases by the command a user types, and what a fresh process without this project makes of them."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pytest
import yaml
from onnx import TensorProto, helper

import tiny
from example_trees import tone_wave, write_wave
from hub_loopback import TOKEN, hub
from kill_harness import tree_digests
from messy_mashup.release.model_card import Card
from messy_mashup.release.release_folder import write_release
from messy_mashup.release.released_members import released
from messy_mashup.release.training_data import TrainingData
from messy_mashup.scoring.report_figures import figures
from test_commands import SOURCES, run

SMALL = ("width=32", "layers=2", "heads=2", "stride=(16,16)", "heard_s=0.4")
AST = [word for setting in SMALL for word in ("--set", f"backbone.{setting}")]
NOT_THE_BACKBONE = [
    word for name, value in tiny.SETTINGS.items() if "backbone" not in name for word in ("--set", f"{name}={value}")
]
# Beside a CPU build of torch torchvision's import is broken, which a user's is not
ALONE = """import runpy, sys
spec = __import__("importlib.util").util.spec_from_file_location("torchvision_import", sys.argv[1])
module = __import__("importlib.util").util.module_from_spec(spec)
spec.loader.exec_module(module)
module.import_torchvision()
runpy.run_path("block.py", run_name="__main__")
assert not [name for name in sys.modules if name.startswith("messy_mashup")]
"""


class Studio:
    """A data set, two AST runs and one whose head is hidden, a blend of the two and of all."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.runs = folder, folder / "runs"
        self.data = tiny.write_tiny_corpus(folder / "tiny")
        self.song = folder / "song.wav"
        write_wave(self.song, tone_wave(1, 0, 1.37), 22_050)
        assert run("build", "--data", self.data, "--bank", self.runs / "banks" / "tiny", "--workers", 1) == 0
        self.train("plain")
        self.train("other", "--set", "train.seed=1", "--set", "train.lr=3e-3")
        assert run("blend", "plain", "other", "--runs", self.runs, "--name", "both") == 0
        self.train("hidden", "--set", "backbone.head.hidden=8")
        assert run("blend", "plain", "hidden", "--runs", self.runs, "--name", "mixed") == 0

    def train(self, name: str, *more: object) -> None:
        place = ("--data", self.data, "--runs", self.runs, "--name", name)
        folds = ("--folds", "0,1,all", *NOT_THE_BACKBONE)
        assert run("train", "messy_mashup_ast_demo", *folds, *AST, *place, *more) == 0

    def publish(self, *words: object) -> int:
        return run("publish", *words, "--runs", self.runs, "--submissions", self.folder / "submissions")

    def inferred(self, *words: object, runs: Path | None = None) -> dict[str, float]:
        """The project's own probabilities of the song."""
        table = self.folder / "told.csv"
        assert run("infer", "--runs", runs or self.runs, self.song, "--out", table, *words) == 0
        (row,) = pd.read_csv(table).to_dict("records")
        return {name: row[name] for name in ("blues", "rock")}


@pytest.fixture(scope="module")
def studio(tmp_path_factory) -> Studio:
    return Studio(tmp_path_factory.mktemp("studio"))


@pytest.fixture(scope="module")
def release(studio) -> Path:
    out = studio.folder / "release"
    assert studio.publish("plain", "--out", out) == 0
    return out


def blocks(folder: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.S)


def told_alone(folder: Path, block: str, song: Path, scratch: Path) -> dict[str, float]:
    """What a block of the card prints in a fresh process, where nothing of this project can be imported."""
    shutil.copytree(folder, scratch, dirs_exist_ok=True)
    shutil.copyfile(song, scratch / "song.wav")
    (scratch / "block.py").write_text(block)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    words = [sys.executable, "-c", ALONE, str(SOURCES / "messy_mashup" / "torchvision_import.py")]
    done = subprocess.run(words, cwd=scratch, env=environment | {"HF_HUB_OFFLINE": "1"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return {name: float(value) for name, value in map(str.split, done.stdout.splitlines())}


def test_a_fresh_process_hears_a_whole_clip_as_infer_does(studio, release, tmp_path):
    _, whole = blocks(release)
    shutil.copytree(studio.runs / "plain" / "all", tmp_path / "runs" / "plain" / "all")
    expected = studio.inferred("--run", "plain", runs=tmp_path / "runs")
    assert told_alone(release, whole, studio.song, tmp_path / "alone") == pytest.approx(expected, abs=1e-4)


def test_the_pipeline_loads_and_tells_all_classes(studio, release, tmp_path):
    told = told_alone(release, blocks(release)[0], studio.song, tmp_path / "alone")
    assert sorted(told) == ["blues", "rock"]
    assert sum(told.values()) == pytest.approx(1, abs=2e-3)


def test_a_fresh_process_blends_as_infer_does(studio, tmp_path):
    out = tmp_path / "blend"
    assert studio.publish("both", "--out", out) == 0
    assert sorted(path.name for path in (out / "members" / "plain").iterdir()) == ["fold0", "fold1"]
    told = told_alone(out, blocks(out)[-1], studio.song, tmp_path / "alone")
    assert told == pytest.approx(studio.inferred("--blend", "both"), abs=1e-4)
    assert str(studio.folder) not in "".join(path.read_text() for path in out.rglob("*.json"))


def made_up_onnx(path, listeners, blend):
    """A stand-in for the export: a wave in, always the same probabilities out."""
    count = len(listeners[0].classes)
    probabilities = np.arange(1, count + 1, dtype=np.float32) / sum(range(1, count + 1))
    constant = helper.make_tensor("constant", TensorProto.FLOAT, [count], probabilities)
    nodes = [
        helper.make_node("Constant", [], ["fixed"], value=constant),
        helper.make_node("ReduceSum", ["wave"], ["sum"], keepdims=0),
        helper.make_node("Sub", ["sum", "sum"], ["nothing"]),
        helper.make_node("Add", ["fixed", "nothing"], ["probabilities"]),
    ]
    wave = helper.make_tensor_value_info("wave", TensorProto.FLOAT, ["samples"])
    told = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [count])
    graph = helper.make_graph(nodes, "made_up", [wave], [told])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 10
    onnx.save(model, path)


def written_by(write_onnx, studio: Studio, name: str, out: Path) -> Path:
    chosen = released(studio.runs, name)
    data = TrainingData.of(chosen.root.folder, "messy_mashup", studio.runs)
    card = Card(figures(chosen.held_out), data, {member.name: "mit" for member in chosen.members})
    write_release(out, chosen, card, write_onnx)
    return out


def test_what_transformers_does_not_load_is_onnx_and_the_card_uses_it(studio, tmp_path):
    """By a stand-in for the export, which always tells 1/3 and 2/3."""
    out = written_by(made_up_onnx, studio, "hidden", tmp_path / "hidden")
    assert not (out / "model.safetensors").exists()
    (block,) = blocks(out)
    assert told_alone(out, block, studio.song, tmp_path / "alone") == pytest.approx(
        {"blues": 1 / 3, "rock": 2 / 3}, abs=1e-4
    )
    assert yaml.safe_load((out / "README.md").read_text().split("---")[1])["library_name"] == "onnx"


def test_a_blend_of_both_kinds_is_averaged_by_its_card(studio, tmp_path):
    out = written_by(made_up_onnx, studio, "mixed", tmp_path / "mixed")
    assert (out / "config.json").is_file()
    assert (out / "members" / "hidden" / "all" / "model.onnx").is_file()
    plain = studio.inferred("--run", "plain")
    expected = {name: (plain[name] + share) / 2 for name, share in (("blues", 1 / 3), ("rock", 2 / 3))}
    assert told_alone(out, blocks(out)[-1], studio.song, tmp_path / "alone") == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("name", ["hidden", "mixed"])
def test_the_real_export_tells_what_infer_tells(studio, tmp_path, name):
    assert studio.publish(name, "--out", tmp_path / "out", *(["--members"] if name == "hidden" else [])) == 0
    words = ("--run", name) if name == "hidden" else ("--blend", name)
    told = told_alone(tmp_path / "out", blocks(tmp_path / "out")[-1], studio.song, tmp_path / "alone")
    assert told == pytest.approx(studio.inferred(*words), abs=1e-3)


def test_the_card_tells_the_run(studio, release):
    card = (release / "README.md").read_text()
    fields = yaml.safe_load(card.split("---")[1])
    assert (fields["license"], fields["library_name"]) == ("mit", "transformers")
    assert run("report", "plain", "--runs", studio.runs, "--out", studio.folder / "report") == 0
    scores = json.loads((studio.folder / "report" / "metrics.json").read_text())["scores"]
    value = {score["score"]: score["value"] for score in scores}
    (result,) = fields["model-index"][0]["results"]
    assert {one["name"]: one["value"] for one in result["metrics"]} == {
        name: round(value[name], 4) for name in ("macro F1", "accuracy")
    }
    assert f"| log loss | {value['log loss']:.3f} |" in card
    assert "16 songs as 64 clips" in card
    assert "synthetic" not in card
    assert all((release / name).is_file() for name in re.findall(r"\]\(([\w.]+)\)", card))


def test_an_older_release_is_replaced_and_anything_else_is_kept(studio, tmp_path, capfd):
    out = tmp_path / "release"
    assert studio.publish("plain", "--out", out) == 0
    first = tree_digests(out)
    assert studio.publish("plain", "--out", out) == 0
    assert tree_digests(out) == first
    (out / "README.md").write_text("mine")
    assert studio.publish("plain", "--out", out) == 2
    assert "would be lost" in capfd.readouterr().err
    assert (out / "README.md").read_text() == "mine"
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("1")
    assert studio.publish("plain", "--out", tmp_path / "thesis") == 2
    assert "something else than a release" in capfd.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["release", "thesis"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("nobody",), "holds no trained run and no blend nobody"),
        (("plain", "--member", "fold7"), "is none of its members"),
        (("both", "--member", "all"), "means 2 members"),
        (("plain", "--push", "no-owner"), "OWNER/NAME"),
    ],
)
def test_what_cannot_be_released_is_said_in_a_sentence(studio, tmp_path, capfd, words, told):
    assert studio.publish(*words, "--out", tmp_path / "out") == 2
    error = capfd.readouterr().err
    assert told in error
    assert "Traceback" not in error
    assert not (tmp_path / "out").exists()


def with_hub(words: list, address: str, home: Path, token: str = TOKEN):
    """A Python process of its own, which has no login but this and no hub but that."""
    environment = os.environ | {"HF_ENDPOINT": address, "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(home)}
    environment = {name: value for name, value in environment.items() if name not in ("HF_HUB_OFFLINE", "HF_TOKEN")}
    environment |= {"HF_TOKEN": token} if token else {}
    words = [sys.executable, *map(str, words)]
    return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=120)


def test_a_push_sends_every_byte_and_takes_away_what_is_gone(studio, tmp_path):
    with hub("me/genres") as server:
        server.files = {".gitattributes": b"", "release.json": b"{}", "old.onnx": b"1"}
        words = [SOURCES / "publish.py", "plain", "--out", tmp_path / "out", "--runs", studio.runs]
        words += ["--push", "me/genres", "--submissions", studio.folder / "submissions"]
        done = with_hub(words, server.address, tmp_path / "home")
        assert done.returncode == 0, done.stderr[-2000:]
        sent = {name: content for name, content in server.files.items() if name != ".gitattributes"}
    out = tmp_path / "out"
    here = {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert sent == here
    assert server.created["visibility"] == "private"
    assert f"{server.address}/me/genres" in done.stdout
    assert f"Bearer {TOKEN}" in server.tokens
    assert TOKEN not in done.stdout + done.stderr
    assert 'model="me/genres"' in (out / "README.md").read_text()


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ({"files": {"thesis.pdf": b"1"}}, "holds something else than a release (thesis.pdf)"),
        ({"status": 403}, "the hub refused me/genres"),
        ({"token": ""}, "not logged in"),
        ({"address": "http://127.0.0.1:9"}, "the hub cannot be reached"),
    ],
)
def test_a_push_that_fails_is_one_sentence(release, tmp_path, state, told):
    upload = f"""import sys
sys.path.insert(0, {str(SOURCES)!r})
from pathlib import Path
from messy_mashup.errors import run_script
from messy_mashup.release.hub_upload import upload
run_script(lambda: upload(Path({str(release)!r}), "me/genres", False))
"""
    before = tree_digests(release)
    with hub("me/genres") as server:
        server.files, server.status = state.get("files", {}), state.get("status", 0)
        held = dict(server.files)
        address = state.get("address", server.address)
        done = with_hub(["-c", upload], address, tmp_path / "home", state.get("token", TOKEN))
        assert server.files == held
    assert done.returncode == 2, done.stderr[-2000:]
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert TOKEN not in done.stdout + done.stderr
    assert tree_digests(release) == before
