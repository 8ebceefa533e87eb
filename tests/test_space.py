"""The page as a Space: it runs from its folder, names no place of this machine, and git's part of the folder stays."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from example_trees import tone_wave
from served_page import process_of, written
from test_commands import run

pytest.importorskip("gradio")
from messy_mashup.scoring.ensemble import load_blend, save_blend
from messy_mashup.training.members import check_weights
from messy_mashup.training.run_folder import WEIGHTS, load_weights, save_weights, weights_digest
from messy_mashup.web.space import write_space

gradio_client = pytest.importorskip("gradio_client")


def text_of(path: Path) -> bytes:
    """A file's bytes without the bank's samples, which are sound."""
    return b"" if path.suffix == ".int16" else path.read_bytes()


@pytest.fixture(scope="module")
def space(served, tmp_path_factory) -> Path:
    """A Space of a bank whose card tells of a broken file, written twice, the second time over a git repository."""
    card = served.runs / "banks" / "data" / "bank.json"
    broken = {"path": "a.wav", "sentence": f"{served.data}/a.wav: is cut short"}
    card.write_text(json.dumps(json.loads(card.read_text()) | {"skipped": [broken]}))
    space = tmp_path_factory.mktemp("hub") / "space"
    (space / ".git").mkdir(parents=True)
    (space / ".git" / "HEAD").write_text("ref: refs/heads/main")
    (space / ".gitattributes").write_text("*.safetensors filter=lfs")
    for _ in range(2):
        assert run("app", "--runs", served.runs, "--space", space) == 0
        (space / "runs" / "old").mkdir()
    assert run("app", "--runs", served.runs, "--space", space) == 0
    return space


def test_what_git_keeps_stays_and_what_is_old_goes(space):
    assert (space / ".git" / "HEAD").read_text() == "ref: refs/heads/main"
    assert (space / ".gitattributes").read_text() == "*.safetensors filter=lfs"
    assert not (space / "runs" / "old").exists()
    assert "sdk: gradio" in (space / "README.md").read_text()
    assert [path.name for path in space.parent.iterdir()] == ["space"]


def test_it_names_no_place_of_this_machine(space, served):
    source = (served.runs / "blends" / "tiny.json").read_text() + (served.runs / "banks/data/bank.json").read_text()
    assert str(served.data) in source  # there is something to be found
    here = {str(place).encode() for place in (served.data, served.runs, served.data.parent, space, Path.cwd())}
    here |= {str(Path.home()).encode() + b"/"}
    files = [path for path in space.rglob("*") if path.is_file()]
    assert len(files) > 100
    found = [(path, place) for path in files for place in here if place in text_of(path)]
    assert [one for one in found if one[0].suffix != ".py"] == []
    assert [one for one in found if one[1] != b"/root/"] == []  # which code may name


def test_it_runs_from_its_folder(space, tmp_path):
    with process_of(space / "src" / "app.py", [], tmp_path / "log") as address:
        client = gradio_client.Client(address, verbose=False, download_files=False)
        song = written(tmp_path / "song.wav", tone_wave(2, 3, 3.0))
        told, *_ = client.predict(gradio_client.handle_file(song), True, api_name="/listen")
        assert re.match(r"\*\*(blues|rock)\*\*", told)
        assert "found in the first 12 s" in client.predict(api_name="/stems")[0]
    assert "no bank" not in (tmp_path / "log").read_text()


def test_weights_that_name_a_place_of_this_machine_are_written_anew(served, tmp_path):
    runs = tmp_path / "runs"
    shutil.copytree(served.runs, runs)
    blend = load_blend(runs)
    member = runs / blend.members[0]
    tensors, card = load_weights(member / WEIGHTS)
    save_weights(member / WEIGHTS, tensors, card | {"from": f"{tmp_path}/pretrained"})
    blend = replace(blend, weights=(weights_digest(member),))
    save_blend(blend, runs)
    write_space(tmp_path / "space", runs, blend, None)
    written_runs = tmp_path / "space" / "runs"
    assert load_weights(written_runs / blend.members[0] / WEIGHTS)[1]["from"] == "pretrained"
    check_weights([written_runs / blend.members[0]], load_blend(written_runs).weights)


def test_what_is_no_space_is_refused(served, tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    assert run("app", "--runs", served.runs, "--space", tmp_path / "mine") == 2
    assert "is not empty, and no Space of this page" in capsys.readouterr().err
    assert (tmp_path / "mine" / "letter.txt").exists()
    assert run("app", "--runs", served.runs, "--space", tmp_path / "mine" / "letter.txt") == 2
    assert "is a file" in capsys.readouterr().err
    assert run("app", "--runs", served.runs, "--space", served.runs) == 2
    assert "holds what the Space is made of" in capsys.readouterr().err
