"""What keeps a fleet from a cluster is told in a sentence before anything is trained."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

import fleet
from messy_mashup.errors import UserError, run_script

ray = pytest.importorskip("ray", reason="ray is not installed")

from messy_mashup.cluster import connection, tasks  # noqa: E402
from messy_mashup.cluster.crew import Share  # noqa: E402
from messy_mashup.cluster.tasks import Software  # noqa: E402


def node(name: str = "a", **resources: float) -> dict:
    address = {"NodeManagerHostname": name, "NodeManagerAddress": "10.0.0.1", "NodeID": f"{name}12345678"}
    return {"Alive": True, "Resources": resources, **address}


@pytest.fixture
def nodes(monkeypatch) -> list[dict]:
    """The nodes of a cluster that is made up; to be filled."""
    made_up: list[dict] = []
    monkeypatch.setattr(connection, "nodes", lambda: made_up)
    return made_up


def test_without_ray_a_sentence_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setattr(fleet, "find_spec", lambda name: None)
    monkeypatch.setattr(sys, "argv", ["fleet.py", "--recipes", "messy_mashup_cnn"])
    with pytest.raises(SystemExit) as ended:
        run_script(fleet.main)
    assert ended.value.code == 2
    assert "a fleet needs the package ray, which is not installed: pip install ray==" in capsys.readouterr().err


def test_the_version_of_that_sentence_is_the_pinned_one():
    pins = (Path(fleet.__file__).parents[1] / "requirements.txt").read_text()
    assert f"pip install {next(line for line in pins.splitlines() if line.startswith('ray=='))}" in Path(
        fleet.__file__
    ).read_text(encoding="utf-8")


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere.invalid:6379", "127.0.0.1", "127.0.0.1:port", ":"])
def test_an_address_where_nothing_answers(monkeypatch, address):
    monkeypatch.setattr(ray, "init", lambda *_, **__: pytest.fail("Ray would try for minutes"))
    with pytest.raises(UserError, match=rf"no Ray cluster answers at {address} \(.+\): start one"):
        connection.connected(address).__enter__()


@pytest.mark.parametrize("error", [ConnectionError("Could not find any running Ray instance.\nmore"), ValueError("x")])
def test_no_cluster_on_this_machine(monkeypatch, error):
    def init(*_, **__):
        raise error

    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(UserError, match="no Ray cluster answers at auto") as caught, connection.connected("auto"):
        pytest.fail("it is connected")
    assert "more" not in str(caught.value)


def test_a_cluster_of_another_version(monkeypatch):
    def init(*_, **__):
        raise RuntimeError(
            "Version mismatch: The cluster was started with:\n    Ray: 2.9.0\n    Python: 3.12.1\n"
            "This process on node 10.0.0.1 was started with:\n    Ray: 2.60.0\n    Python: 3.11.7\n"
        )

    monkeypatch.setattr(ray, "init", init)
    said = r"the cluster at auto and this machine differ \(.*Ray: 2\.9\.0 Python: 3\.12\.1.*\): install the same Python"
    with pytest.raises(UserError, match=said), connection.connected("auto"):
        pytest.fail("it is connected")


def test_what_fails_inside_is_no_fault_of_the_connection(monkeypatch):
    ended = []
    monkeypatch.setattr(ray, "init", lambda *_, **__: None)
    monkeypatch.setattr(ray, "shutdown", lambda: ended.append(True))
    with pytest.raises(RuntimeError, match=r"^mine$"), connection.connected(None):
        raise RuntimeError("mine")
    assert ended == [True]


@pytest.mark.parametrize(
    ("cpus", "gpus", "said"),
    [
        (8, None, "--cpus 8: no node has more than 4 CPUs"),
        (1, 3, "--gpus 3: no node has more than 2 GPUs"),
        (4, 1, "--cpus 4 --gpus 1: no node has both"),
    ],
)
def test_a_share_that_no_node_has(nodes, cpus, gpus, said):
    nodes += [node("a", CPU=4.0), node("b", CPU=2.0, GPU=2.0)]
    with pytest.raises(UserError, match=f"{said}, so nothing would ever run"):
        connection.share_of(cpus, gpus)


def test_a_share_and_how_many_there_is_room_for(nodes):
    nodes += [node("a", CPU=4.0), node("b", CPU=2.0, GPU=2.0)]
    assert connection.share_of(2, None) == Share(2, 1.0)
    assert connection.share_of(2, 0) == Share(2, 0)
    assert connection.room(Share(2, 0)) == 3
    assert connection.room(Share(1, 0.5)) == 2
    del nodes[1]
    assert connection.share_of(2, None) == Share(2, 0.0)


def test_a_cluster_without_a_node(nodes):
    with pytest.raises(UserError, match="--cpus 1: no node has more than 0 CPUs"):
        connection.share_of(1, None)


def test_nodes_that_lack_something_are_named(nodes, monkeypatch, tmp_path):
    nodes += [node("good"), node("bad"), node("broken")]

    def asked(which, function, *arguments):
        name = which["NodeManagerHostname"]
        if name == "broken":
            raise ray.exceptions.RaySystemError("it\nNo module named torch")
        return "its disk is another" if name == "bad" else function(*arguments)

    monkeypatch.setattr(connection, "_asked", asked)
    with pytest.raises(UserError) as caught:
        connection.check_nodes([tmp_path], tmp_path / "runs")
    lines = str(caught.value).splitlines()
    assert lines[:2] == ["nodes that cannot train what this one can:", "bad (10.0.0.1, bad123): its disk is another"]
    assert lines[2].startswith("broken (10.0.0.1, broken): it cannot run this code (")
    assert "No module named torch" in lines[2]
    assert list((tmp_path / "runs").iterdir()) == []


def test_locks_that_reach_no_other_node(nodes, monkeypatch, tmp_path):
    nodes += [node("here"), node("there")]
    monkeypatch.setattr(connection, "_asked", lambda which, *_: which["NodeManagerHostname"] == "here")
    with pytest.raises(UserError, match=r"do not reach there \(.*mount it so that they do"):
        connection.check_locks(tmp_path)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(connection, "_asked", lambda *_: None)  # gone since
    connection.check_locks(tmp_path)


def test_what_a_node_says_of_itself(tmp_path):
    note, here = tmp_path / "note", Software.here()
    note.write_text("token")
    look = tasks.look
    assert look([str(tmp_path)], str(note), "token", here) == ""
    assert "does not see /no/such" in look(["/no/such", str(tmp_path)], str(note), "token", here)
    for other in (str(tmp_path / "none"), str(note)):
        assert "runs are on storage that all nodes share" in look([], other, "another", here)
    assert "its code below" in look([], str(note), "token", replace(here, code="another"))
    versions = here.versions | {"torch": "1.0"}
    assert f"torch is {here.versions['torch']} there and 1.0 here" in look(
        [], str(note), "token", replace(here, versions=versions)
    )
