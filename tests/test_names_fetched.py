"""What Kaggle sends (a kernel's output, a file of the data, a zip) is written where it belongs and nowhere else."""

import io
import json
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest

from kaggle_competition import house_fixture, said_fixture  # noqa: F401
from kaggle_kernels import Kernel
from messy_mashup.competition import client
from messy_mashup.competition.client import SLUG, connect, download
from messy_mashup.competition.fetched_files import Offer, Record
from messy_mashup.errors import UserError
from messy_mashup.files import refuse_link_out
from test_names import NO_NAMES, OUT
from test_push import AST, account_fixture, command_fixture, fails, finished, repository_fixture  # noqa: F401


def outside(repository: Path) -> list[str]:
    """What lies in the repository elsewhere than where it belongs."""
    kept = (repository / name for name in ("src", "notebooks", "input", ".git", ".gitignore"))
    return sorted({str(path) for path in repository.iterdir()} - set(map(str, kept)))


@pytest.mark.parametrize("name", [*OUT, *NO_NAMES[:2], "x" * 256, "a\\b", "a:b", "runs/../../x"])
def test_an_output_that_would_lie_elsewhere(account, command, repository, name):
    account.kernels[AST] = finished()
    account.kernels[AST].output[name] = b"evil"
    said = fails(command, "03", "--fetch")
    assert f"{AST} names " in said
    assert "nothing was fetched" in said
    assert not (repository / "runs").exists()
    assert outside(repository) == []


@pytest.mark.parametrize("other", ["./runs/a.csv", "runs//a.csv", "runs/./a.csv"])
def test_two_files_for_one_place(account, command, repository, other):
    account.kernels[AST] = Kernel({}, states=["COMPLETE"], output={"runs/a.csv": b"1", other: b"2"})
    assert "has several files for one place" in fails(command, "03", "--fetch")
    assert not (repository / "runs").exists()


def test_a_file_where_another_needs_a_folder(account, command, repository):
    account.kernels[AST] = Kernel({}, states=["COMPLETE"], output={"runs/a": b"1", "runs/a/b": b"2"})
    assert "is in the way" in fails(command, "03", "--fetch")
    assert (repository / "runs" / "a").read_bytes() == b"1"


def test_a_file_where_a_folder_is(account, command, repository):
    (repository / "runs" / "a").mkdir(parents=True)
    account.kernels[AST] = Kernel({}, states=["COMPLETE"], output={"runs/a": b"1"})
    for more in ((), ("--force",)):
        assert f"left as they are: {repository / 'runs' / 'a'}" in fails(command, "03", "--fetch", *more)
    assert list((repository / "runs" / "a").iterdir()) == []


def test_the_record_of_what_was_fetched_is_no_kernel_s_to_write(account, command, repository):
    account.kernels[AST] = Kernel({}, states=["COMPLETE"], output={"runs/kernels/fetched.json": b"{}", "runs/a": b"1"})
    assert command("03", "--fetch")[0] == 0
    record = json.loads((repository / "runs" / "kernels" / "fetched.json").read_text())
    assert "a" in record
    assert (repository / "runs" / "kernels" / AST / "runs" / "kernels" / "fetched.json").read_bytes() == b"{}"


def test_a_record_that_names_files_elsewhere_removes_none(tmp_path):
    runs, member = tmp_path / "runs", tmp_path / "runs" / "cnn" / "fold0"
    precious = tmp_path / "precious.txt"
    precious.write_text("1")
    record = Record(runs, runs / "kernels")
    record.note(precious, "kernel", Offer("", None))
    path = runs / "kernels" / "fetched.json"
    path.write_text(path.read_text().replace('"../precious.txt"', '"cnn/fold0/../../../precious.txt"'))
    assert Record(runs, runs / "kernels").unchanged_below(member) == []


@pytest.mark.parametrize("place", ["runs/cnn", "runs/cnn/fold0"])
def test_a_link_out_of_the_runs_is_not_followed(account, command, repository, tmp_path, place):
    (tmp_path / "elsewhere").mkdir()
    (repository / place).parent.mkdir(parents=True, exist_ok=True)
    (repository / place).symlink_to(tmp_path / "elsewhere")
    account.kernels[AST] = Kernel({}, states=["COMPLETE"], output={"runs/cnn/fold0/oof.npz": b"1"})
    assert "leads by a link out of" in fails(command, "03", "--fetch")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_link_in_the_place_of_a_file_is_not_written_through(account, command, repository, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    (repository / "runs").mkdir()
    (repository / "runs" / "a.csv").symlink_to(tmp_path / "mine.txt")
    account.kernels[AST] = Kernel({}, states=["COMPLETE"], output={"runs/a.csv": b"theirs"})
    command("03", "--fetch", "--force")
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_runs_that_are_a_link_themselves_are_written_to(account, command, repository, tmp_path):
    (tmp_path / "disk").mkdir()
    (repository / "runs").symlink_to(tmp_path / "disk")
    refuse_link_out(repository / "runs" / "new" / "a", repository / "runs")
    account.kernels[AST] = Kernel({}, states=["COMPLETE"], output={"runs/cnn/a.csv": b"1"})
    assert command("03", "--fetch")[0] == 0
    assert (tmp_path / "disk" / "cnn" / "a.csv").read_bytes() == b"1"


def zipped(**contents: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return file.getvalue()


@pytest.mark.parametrize("name", ["../../../sample.csv", "/tmp/sample.csv", "a\\..\\sample.csv"])
def test_an_archive_s_names_are_not_paths(house, tmp_path, name):
    house.competition.files["x/sample.csv"] = 0
    house.loopback.files["x/sample.csv"] = zipped(**{name: b"id,genre\n"})
    folder = tmp_path / "deep" / "er" / "folder"
    folder.mkdir(parents=True)
    before = {path for path in tmp_path.rglob("*") if not path.is_relative_to(folder)}
    path, _ = download(connect(), SLUG, "sample.csv", folder)
    assert path == folder / "unpacked" / "sample.csv"
    assert before == {path for path in tmp_path.rglob("*") if not path.is_relative_to(folder)}


def test_an_archive_that_swells_is_refused(house, tmp_path, monkeypatch):
    monkeypatch.setattr(client, "UNPACKED_BYTES", 1 << 20)
    house.competition.files["x/sample.csv"] = 0
    house.loopback.files["x/sample.csv"] = zipped(**{"sample.csv": bytes(2 << 20)})
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError, match="1 MiB"):
        download(connect(), SLUG, "sample.csv", tmp_path / "folder")


@pytest.mark.parametrize("name", ["..", "../../x.csv", "/", "x" * 300])
def test_an_address_with_a_name_that_leads_elsewhere(house, tmp_path, monkeypatch, name):
    monkeypatch.setattr("time.sleep", lambda _: None)  # the client tries again
    house.competition.files["sample.csv"] = 0
    house.competition.sent_as["sample.csv"] = name
    house.loopback.files[name] = b"id,genre\n"
    folder = tmp_path / "deep" / "er" / "folder"
    folder.mkdir(parents=True)
    before = {path for path in tmp_path.rglob("*") if not path.is_relative_to(folder)}
    with suppress(UserError):
        download(connect(), SLUG, "sample.csv", folder)
    assert before == {path for path in tmp_path.rglob("*") if not path.is_relative_to(folder)}
