"""From clone to kernel and back, through Kaggle's real client over loopback."""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from slugify import slugify

import push
from kaggle_kernels import Account, Kernel, Shelf, Version, log_of
from kaggle_loopback import USER, Cut, Handler, Loopback, leaks
from messy_mashup import paths
from messy_mashup.competition import data_set, kernel, kernel_output, kernel_session, ledger, live_log
from messy_mashup.competition.client import connect
from messy_mashup.competition.code_version import code_version
from messy_mashup.competition.ledger import LedgerRow
from messy_mashup.errors import run_script
from test_packing import git, notebook

ROOT = Path(__file__).resolve().parents[1]
CODE, AST = data_set.CODE_SET, "messy-mashup-03-train-ast"
BANK, RESNET34 = "messy-mashup-02-bank-and-mashups", "messy-mashup-04-train-resnet34"
TRAINING = notebook("FOLDS = None", "SEEDS = 1")


@pytest.fixture(name="repository")
def repository_fixture(tmp_path, monkeypatch):
    """A small clean clone with all seven notebooks."""
    root = tmp_path / "repository"
    for folder in ("src/messy_mashup", "notebooks", "input"):
        (root / folder).mkdir(parents=True)
    (root / "src" / "train.py").write_text("print('train')\n")
    (root / "src" / "messy_mashup" / "__init__.py").write_text("")
    (root / ".gitignore").write_text("runs/\ninput/\nsubmissions/\n")
    for step in kernel.STEPS:
        (root / "notebooks" / step.notebook).write_text(json.dumps(TRAINING))
    git(tmp_path, "init", "-q", str(root))
    git(root, "add", ".")
    git(root, "commit", "-qm", "first")
    monkeypatch.setattr(paths, "REPOSITORY", root)
    return root


@pytest.fixture(name="account")
def account_fixture(tmp_path, monkeypatch, repository):
    """An account with the outputs of step 02 and the weights; nothing of a credential may be left anywhere."""
    for module in (data_set, kernel_session):
        monkeypatch.setattr(module, "FIRST_WAIT_S", 0.01)
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    with Loopback() as loopback:
        loopback.join(monkeypatch, tmp_path / "home")
        account = Account(loopback)
        account.loopback = loopback
        account.kernels[BANK] = Kernel({}, states=["COMPLETE"])
        account.data_sets[data_set.WEIGHTS_SET] = Shelf({}, versions=[Version("first", {"a": b"1"})])
        yield account
    assert leaks(tmp_path) == []
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.fixture(name="command")
def command_fixture(monkeypatch, capsys):
    """Run push.py here: its exit status, and all it printed."""

    def run(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["push.py", *words])
        try:
            run_script(push.main)
            status = 0
        except SystemExit as ended:
            status = ended.code
        said = "".join(capsys.readouterr())
        assert leaks(said) == []
        assert "Traceback" not in said
        return status, said

    return run


def fails(command, *words: str) -> str:
    status, said = command(*words)
    assert status == 2, said
    return said


# The steps


@pytest.mark.parametrize("step", kernel.STEPS, ids=lambda step: step.number)
@pytest.mark.parametrize("part", [1, 2])
def test_a_title_becomes_the_slug_and_fits(step, part):
    title, slug = kernel.title(step, part), kernel.slug(step, part)
    assert slugify(title) == slug
    assert 5 <= len(title) <= 50
    assert 5 <= len(slug) <= 50
    assert step.notebook.startswith(step.number)


def test_every_notebook_of_the_project_is_a_step():
    assert [path.name for path in sorted((ROOT / "notebooks").glob("*.ipynb"))] == [
        step.notebook for step in kernel.STEPS
    ]


def test_an_unknown_step_is_told_with_those_there_are(command):
    assert "there is no step 08; there are 01 (01_look_and_listen.ipynb)" in fails(command, "08")


# Pushing


def test_a_push_sends_the_code_and_runs_the_notebook(account, command, repository, tmp_path):
    status, said = command("03", "--set", "FOLDS=0,1", "--set", "SEEDS=2")
    assert status == 0, said
    assert f"{AST}: version 1 runs at https://www.kaggle.com/code/{USER}/{AST}" in said
    request = account.kernels[AST].request
    assert request["slug"] == f"{USER}/{AST}"
    assert request["datasetDataSources"] == [f"{USER}/messy-mashup-code", f"{USER}/messy-mashup-weights"]
    assert request["competitionDataSources"] == ["jan-2026-dl-gen-ai-project"]
    assert request["kernelDataSources"] == [f"{USER}/{BANK}"]
    assert (request["isPrivate"], request["enableGpu"], request["machineShape"]) == (True, True, "NvidiaTeslaT4")
    assert (request["enableInternet"], request.get("enableTpu", False)) == (False, False)
    injected = [
        cell for cell in account.pushed(AST)["cells"] if "injected-parameters" in cell["metadata"].get("tags", [])
    ]
    assert [cell["source"] for cell in injected] == ["# Parameters\nFOLDS = '0,1'\nSEEDS = 2\n"]
    mounted = account.mount(CODE, tmp_path / "mounted")
    assert (mounted / "src" / "train.py").read_text() == "print('train')\n"
    assert code_version(mounted) == code_version(repository)
    assert code_version(mounted).clean == "yes"
    assert account.data_sets[CODE].request["isPrivate"] is True


def test_the_same_code_is_sent_once_and_other_code_as_a_version(account, command, repository):
    assert command("02")[0] == 0
    uploads = len(account.uploads)
    status, said = command("02")
    assert status == 0
    assert f"{USER}/{CODE}: version 1 holds this already" in said
    assert len(account.uploads) == uploads
    (repository / "src" / "train.py").write_text("print('better')\n")
    git(repository, "commit", "-qam", "second")
    assert command("02")[0] == 0
    assert len(account.data_sets[CODE].versions) == 2
    commit = git(repository, "rev-parse", "HEAD").strip()
    assert account.data_sets[CODE].versions[-1].notes.startswith(f"commit {commit} sha256:")
    assert "version 2 holds this already" in command("02")[1]
    git(repository, "checkout", "-q", "HEAD~1")
    assert command("02")[0] == 0  # what an older version holds is not what a kernel would see
    assert len(account.data_sets[CODE].versions) == 3


def test_only_the_last_step_has_the_internet_and_only_training_a_gpu(account, command, tmp_path):
    for name in ("03-train-ast", "06-blend-and-submission"):
        account.kernels[f"messy-mashup-{name}"] = Kernel({}, states=["COMPLETE"])
    machines = {}
    for number in ("01", "02", "03", "04", "05", "06", "07"):
        status, said = command(number, "--stage", str(tmp_path / number))
        assert status == 0, said
        fields = json.loads((tmp_path / number / "kernel" / "kernel-metadata.json").read_text())
        machines[number] = (fields["enable_gpu"], fields["enable_internet"])
    assert {number for number, machine in machines.items() if machine[0]} == {"03", "04"}
    assert {number for number, machine in machines.items() if machine[1]} == {"07"}
    assert "SaveKernel" not in [name for name, _ in account.loopback.requests]
    assert account.uploads == {}
    assert (tmp_path / "07" / "code" / "commit.txt").exists()
    assert command("03", "--no-gpu", "--internet")[0] == 0
    request = account.kernels[AST].request
    assert (request.get("enableGpu", False), request["enableInternet"]) == (False, True)


def test_changes_that_no_commit_holds_are_refused_by_name(account, command, repository):
    (repository / "notebooks" / "03_train_ast.ipynb").write_text(json.dumps(TRAINING) + "\n")
    (repository / "src" / "new.py").write_text("\n")
    said = fails(command, "03")
    assert "2 files differ from the commit" in said
    assert "notebooks/03_train_ast.ipynb" in said
    assert "src/new.py" in said
    assert account.loopback.requests == []
    status, said = command("03", "--dirty")
    assert status == 0, said
    files = account.data_sets[CODE].versions[-1].files
    assert files["commit.txt"].decode().split()[1] == "no"
    assert "src/new.py" in files


def test_an_unknown_parameter_is_refused_before_anything_is_sent(account, command):
    assert "no parameter FOLD: it has FOLDS, SEEDS" in fails(command, "03", "--set", "FOLD=1")
    assert account.loopback.requests == []


def test_a_step_needs_those_before(account, command):
    del account.kernels[BANK]
    said = fails(command, "03")
    assert "step 03 goes on from what is not on Kaggle yet: run `python src/push.py 02` first" in said
    said = fails(command, "06")
    assert "`python src/push.py 03` or `python src/push.py 04` first" in said
    assert account.uploads == {}


def test_all_parts_there_are_are_attached_and_their_state_is_told(account, command):
    account.kernels[AST] = Kernel({}, states=["COMPLETE"])
    account.kernels[f"{AST}-part-2"] = Kernel({}, states=["RUNNING"])
    account.kernels["messy-mashup-04-train-resnet34"] = Kernel({}, states=["ERROR"])
    status, said = command("05")
    assert status == 0, said
    assert f"{AST}-part-2 is running" in said
    assert "messy-mashup-04-train-resnet34 has failed (error): what it left is attached" in said
    attached = account.kernels["messy-mashup-05-evaluate"].request["kernelDataSources"]
    kernels = (BANK, AST, f"{AST}-part-2", "messy-mashup-04-train-resnet34")
    assert attached == [f"{USER}/{name}" for name in kernels]


def test_a_part_goes_on_from_the_parts_before(account, command):
    assert f"part 2 goes on from {AST}, which is not on Kaggle" in fails(command, "03", "--part", "2")
    account.kernels[AST] = Kernel({}, states=["COMPLETE"])
    assert command("03", "--part", "2")[0] == 0
    request = account.kernels[f"{AST}-part-2"].request
    assert request["kernelDataSources"] == [f"{USER}/{BANK}", f"{USER}/{AST}"]
    assert request["newTitle"] == "Messy Mashup 03 Train AST part 2"


def test_without_weights_the_step_that_needs_them_is_not_pushed(account, command):
    del account.data_sets[data_set.WEIGHTS_SET]
    assert "run `python src/push.py --weights` once" in fails(command, "03")
    model = "someone/ast/pyTorch/audioset/1"
    assert command("03", "--model", model)[0] == 0
    assert account.kernels[AST].request["modelDataSources"] == [model]
    assert command("04")[0] == 0
    assert account.kernels[RESNET34].request["datasetDataSources"] == [f"{USER}/{CODE}"]


def test_a_step_takes_the_weights_that_it_may_need_where_they_are_there(account, command):
    assert command("04")[0] == 0
    assert account.kernels[RESNET34].request["datasetDataSources"][1:] == [f"{USER}/{data_set.WEIGHTS_SET}"]
    assert command("02")[0] == 0
    assert account.kernels[BANK].request["datasetDataSources"] == [f"{USER}/{CODE}"]


@pytest.mark.parametrize("user", ["", f"{USER}/"])
def test_kernels_are_left_out_by_name_and_the_others_told(account, command, user):
    account.kernels[AST] = Kernel({}, states=["COMPLETE"])
    account.kernels[RESNET34] = Kernel({}, states=["COMPLETE"])
    assert f"attached kernels: {USER}/{BANK}, {USER}/{AST}, {USER}/{RESNET34}\n" in command("05")[1]
    status, said = command("05", "--without", user + BANK, "--without", user + AST)
    assert status == 0, said
    assert f"attached kernels: {USER}/{RESNET34}\n" in said
    assert account.kernels["messy-mashup-05-evaluate"].request["kernelDataSources"] == [f"{USER}/{RESNET34}"]
    assert "attached kernels: none\n" in command("01")[1]


def test_a_kernel_that_would_not_be_attached_cannot_be_left_out(account, command):
    said = fails(command, "03", "--without", BANK, "--without", "someone/else")
    assert f"--without someone/else: no kernel of that name is attached; only {USER}/{BANK}" in said
    assert "none is" in fails(command, "01", "--without", BANK)
    assert account.uploads == {}


# What may fail on the way


def test_an_upload_that_fails_makes_no_version(account, command):
    account.loopback.put = lambda token, body: 500 if account.uploads[token] == "src.zip" else 200
    said = fails(command, "02")
    assert f"sending the data set {USER}/{CODE} failed: of commit.txt, src only 1 could be uploaded" in said
    assert CODE not in account.data_sets
    assert "messy-mashup-02" not in str(account.loopback.called("SaveKernel"))
    account.loopback.put = lambda token, body: 200
    assert command("02")[0] == 0


def test_a_version_that_lacks_a_file_is_noticed(account, command, monkeypatch):
    unpacked = account._unpacked
    monkeypatch.setattr(account, "_unpacked", lambda files: unpacked(files[:1]))
    said = fails(command, "02")
    assert "is not what was sent: it lacks" in said
    assert account.loopback.called("SaveKernel") == []


def test_a_version_that_kaggle_cannot_unpack_is_told(account, command):
    account.status = "FAILED"
    assert "could not unpack the data set" in fails(command, "02")
    assert account.loopback.called("SaveKernel") == []


def test_a_version_that_never_gets_ready_is_told(account, command, monkeypatch):
    account.busy = 10_000
    monkeypatch.setattr(data_set, "PATIENCE_S", 0.05)
    assert "is not ready after" in fails(command, "02")


def test_the_version_before_being_ready_is_not_enough(account, command, repository):
    assert command("02")[0] == 0
    (repository / "src" / "train.py").write_text("print('better')\n")
    git(repository, "commit", "-qam", "second")
    account.busy, asked = 3, len(account.loopback.requests)

    def ready(body, loopback):
        account._left = max(0, account._left - 1)
        return {"status": "READY"}

    account.loopback.routes["GetDatasetStatus"] = ready
    assert command("02")[0] == 0
    called = [name for name, _ in account.loopback.requests[asked:]]
    assert called.count("GetDatasetStatus") == 3
    assert called.index("SaveKernel") > called.index("ListDatasetFiles")


def test_a_data_set_that_is_refused_is_told_in_kaggle_s_words(account, command):
    account.loopback.routes["CreateDataset"] = lambda body, loopback: {"status": "error", "error": "quota exceeded"}
    assert "Kaggle refuses the data set stub/messy-mashup-code: quota exceeded" in fails(command, "02")
    account.loopback.routes["CreateDataset"] = lambda body, loopback: (400, {"code": 400, "message": "bad licence"})
    assert "bad licence" in fails(command, "02")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"error": "Maximum weekly GPU quota reached"}, "refuses stub/messy-mashup-02.*: Maximum weekly GPU quota"),
        ((403, {"code": 403, "message": "verify your phone"}), "verify your phone"),
        ((503, {"code": 503, "message": "busy"}), "fault is Kaggle's"),
        (
            {"versionNumber": 1, "invalidKernelSources": ["a/b"], "invalidCompetitionSources": ["c"]},
            "left out sources .*competitions c; kernels a/b",
        ),
    ],
)
def test_a_kernel_that_is_refused_is_told(account, command, answer, said):
    account.loopback.routes["SaveKernel"] = lambda body, loopback: answer
    assert re.search(said, fails(command, "02"))


def test_a_network_that_breaks_while_pushing_is_told(account, command):
    def cut(body, loopback):
        raise Cut

    account.loopback.routes["SaveKernel"] = cut
    assert "could not be reached, or the connection broke" in fails(command, "02")


def test_a_state_that_cannot_be_had_is_told(account, command):
    account.loopback.routes["GetKernelSessionStatus"] = lambda body, loopback: (500, {"code": 500, "message": "oh"})
    assert "asking for the state of messy-mashup-02-bank-and-mashups failed" in fails(command, "02", "--status")
    assert "asking for the state" in fails(command, "03")


def test_without_credentials_it_is_a_sentence(account, command, monkeypatch):
    for name in ("KAGGLE_USERNAME", "KAGGLE_KEY"):
        monkeypatch.delenv(name)
    assert "no Kaggle credentials" in fails(command, "02")


def test_the_script_itself_in_a_process_of_its_own(account, tmp_path):
    environment = account.loopback.environment(tmp_path / "home")
    command = [sys.executable, str(ROOT / "src" / "push.py"), "--quota"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "GPU: 1.5 of 30.0 hours used, 28.5 left\nbegins anew 2026-11-28 00:00 UTC\n"


# Following and fetching


def finished(states=("COMPLETE",), **changes) -> Kernel:
    output = {
        "runs/messy_mashup_ast/fold0/oof.npz": b"oof" * 1000,
        "runs/messy_mashup_ast/fold0/weights.safetensors": bytes(range(256)) * 5000,
        "runs/folds/plan.json": b"{}",
        "runs/banks/data/audio.bin": b"large",
        "figure.png": b"png",
        "submission.csv": b"id,genre\n",
    }
    settings = {"output": output, "log": log_of("first line", "second line"), "states": list(states)} | changes
    return Kernel({}, **settings)


def test_waiting_tells_changes_and_new_lines_and_then_fetches(account, command, repository):
    save = account.loopback.routes["SaveKernel"]

    def pushed(body, loopback):
        answer = save(body, loopback)
        account.kernels[AST] = finished(("QUEUED", "RUNNING", "RUNNING", "COMPLETE"))
        return answer

    account.loopback.routes["SaveKernel"] = pushed
    status, said = command("03", "--wait")
    assert status == 0, said
    told = [line for line in said.splitlines() if line.startswith((f"{AST}: ", "first", "second"))]
    assert told[1:6] == [f"{AST}: queued", f"{AST}: running", "first line", "second line", f"{AST}: complete"]
    assert "5 files fetched, 0 were there" in said
    runs = repository / "runs"
    assert (runs / "messy_mashup_ast" / "fold0" / "oof.npz").read_bytes() == b"oof" * 1000
    assert (runs / "kernels" / AST / "submission.csv").exists()
    assert (runs / "kernels" / AST / f"{AST}.log").read_text() == "first line\nsecond line\n"
    assert not (runs / "banks").exists()
    assert list(repository.rglob("*.partial")) == []


def test_waiting_that_is_interrupted_can_be_taken_up_again(account, command, monkeypatch):
    account.kernels[AST] = finished(("RUNNING",))
    with monkeypatch.context() as interrupted:

        def interrupt(*_):
            raise KeyboardInterrupt

        interrupted.setattr(kernel_session, "existing_session", interrupt)
        status, said = command("03", "--fetch", "--wait")
    assert status == 75
    assert f"{AST} runs on. Wait again with `python src/push.py 03 --fetch --wait`" in said
    account.kernels[AST].states = ["RUNNING", "COMPLETE"]
    assert "5 files fetched" in command("03", "--fetch", "--wait")[1]


def test_lines_are_told_while_the_kernel_runs_and_once(account, monkeypatch):
    monkeypatch.setattr(live_log, "AGAIN_S", 0.01)
    account.kernels[AST] = finished(("RUNNING",), log=log_of("one", "two", "three"))
    stream = f"/api/v1/kernels/logs/stream/{USER}/{AST}"  # not there at first
    said = []

    def say(line):
        said.append(line)
        if line == f"{AST}: running":
            account.loopback.files[stream] = log_of("one", "two").encode()[:-1] + b', {"data": "half a li"}]'
        if line == "two":
            assert said[-2:] == ["one", "two"]
            account.kernels[AST].states = ["COMPLETE"]

    assert kernel_session.wait(connect(), AST, say).state == "complete"
    assert said == [f"{AST}: running", "one", "two", "three", f"{AST}: complete"]


def test_waiting_outlives_a_network_that_is_gone_for_a_while(account, command, monkeypatch):
    account.kernels[BANK] = finished(("RUNNING", "COMPLETE"))
    often = [True] * (kernel_session.FAILED_POLLS - 1)
    session, misses = account.loopback.routes["GetKernelSessionStatus"], iter([*often, False, *often])

    def gone(body, loopback):
        return (502, {"code": 502, "message": "bad gateway"}) if next(misses, False) else session(body, loopback)

    account.loopback.routes["GetKernelSessionStatus"] = gone
    said = []
    assert kernel_session.wait(connect(), BANK, said.append).state == "complete"
    assert sum("asked again" in line for line in said) == 2 * len(often)
    account.loopback.routes["GetKernelSessionStatus"] = lambda body, loopback: (502, {"code": 502, "message": "gone"})
    with pytest.raises(kernel_session.UserError, match="gone"):
        kernel_session.wait(connect(), BANK, said.append)


def test_a_failed_run_is_fetched_and_told_with_the_end_of_its_log(account, command, repository):
    log = log_of(*(f"line {n}" for n in range(50)), "KeyError: 'genre'")
    account.kernels[AST] = finished(("ERROR",), failure="a cell failed", log=log)
    said = fails(command, "03", "--fetch")
    assert f"{AST} has failed (error): a cell failed; the end of its log:" in said
    assert "KeyError: 'genre'" in said
    assert "line 40" in said
    assert "line 10\n" not in said
    assert (repository / "runs" / "folds" / "plan.json").exists()
    assert "a cell failed" in fails(command, "03", "--status")


def test_state_and_log_are_printed(account, command):
    account.kernels[AST] = finished(("RUNNING",))
    assert command("03", "--status") == (0, f"{AST}: running\n")
    assert command("03", "--logs") == (0, "first line\nsecond line\n")
    assert "is running: fetch its output when it has ended" in fails(command, "03", "--fetch")
    account.kernels[AST].log = "plain\ntext"
    assert command("03", "--logs") == (0, "plain\ntext\n")
    account.kernels[AST].log = ""
    assert f"{AST} is running and has no log here yet" in command("03", "--logs")[1]
    assert f"there is no kernel {USER}/messy-mashup-04-train-resnet34 on Kaggle" in fails(command, "04", "--status")


def test_fetching_again_fetches_what_is_new(account, command, repository):
    account.kernels[AST] = finished()
    assert "5 files fetched, 0 were there" in command("03", "--fetch")[1]
    (repository / "runs" / "folds" / "plan.json").unlink()
    account.kernels[AST].output["runs/messy_mashup_ast/fold1/oof.npz"] = b"new"
    assert "2 files fetched, 4 were there" in command("03", "--fetch")[1]
    assert "1 files fetched, 6 were there" in command("03", "--fetch", "--banks")[1]
    assert (repository / "runs" / "banks" / "data" / "audio.bin").read_bytes() == b"large"


def test_a_local_file_that_differs_is_kept_and_named(account, command, repository):
    account.kernels[AST] = finished()
    own = repository / "runs" / "folds" / "plan.json"
    own.parent.mkdir(parents=True)
    own.write_text("my own")
    said = fails(command, "03", "--fetch")
    assert f"1 files here differ from those of {AST} and were left as they are: {own}" in said
    assert own.read_text() == "my own"
    assert (repository / "runs" / "messy_mashup_ast" / "fold0" / "oof.npz").exists()
    assert command("03", "--fetch", "--force")[0] == 0
    assert own.read_text() == "{}"


def tag_by(monkeypatch, tag: str) -> list[int]:
    """Have the server send a checksum (ETag), one time for all (Last-Modified), or nothing (""); lists sizes read."""
    import zlib

    send, stream, read = Handler._send, kernel_output._stream, []

    def tagged(handler, status, content, kind, **more):
        answer = handler.end_headers
        value = f"{zlib.crc32(content):08x}" if tag == "ETag" else "Sat, 21 Nov 2026 01:00:00 GMT"
        handler.end_headers = lambda: (tag and handler.send_header(tag, value), answer())
        send(handler, status, content, kind, **more)
        del handler.end_headers

    def streamed(response, path, name, size):
        read.append(size)
        stream(response, path, name, size)

    monkeypatch.setattr(Handler, "_send", tagged)
    monkeypatch.setattr(kernel_output, "_stream", streamed)
    return read


TAGS = pytest.mark.parametrize("tag", ["", "ETag", "Last-Modified"])


@TAGS
def test_what_the_kernel_has_anew_replaces_its_own_older_copy(account, command, repository, monkeypatch, tag):
    read = tag_by(monkeypatch, tag)
    account.kernels[AST] = finished()
    assert command("03", "--fetch")[0] == 0
    times = {path: path.stat().st_mtime_ns for path in repository.rglob("runs/*/fold0/*")}
    read.clear()
    assert "0 files fetched, 5 were there" in command("03", "--fetch")[1]
    assert len(read) == (0 if tag else 5)
    assert times == {path: path.stat().st_mtime_ns for path in times}
    account.kernels[AST].output["runs/folds/plan.json"] = b"[1]"
    assert "1 files fetched, 4 were there" in command("03", "--fetch")[1]
    assert (repository / "runs" / "folds" / "plan.json").read_text() == "[1]"
    assert "0 files fetched, 5 were there" in command("03", "--fetch")[1]


MEMBER = "runs/messy_mashup_ast/fold0"
PART_1 = {"weights.safetensors": b"half w", "oof.npz": b"half o", "state.safetensors": b"state", "metrics.csv": b"1"}
PART_1 |= {"tensorboard/events1": b"curve"}
PART_2 = {"weights.safetensors": b"done w", "oof.npz": b"done o", "metrics.csv": b"1234", "tensorboard/events2": b"two"}


def member(files: dict[str, bytes], states=("COMPLETE",)) -> Kernel:
    return Kernel({}, states=list(states), output={f"{MEMBER}/{name}": content for name, content in files.items()})


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture
def two_parts(account, command, repository):
    """Part 1 with an unfinished member, fetched; part 2 with the same member, finished. Gives its folder here."""
    account.kernels[AST], account.kernels[f"{AST}-part-2"] = member(PART_1), member(PART_2)
    assert command("03", "--fetch")[0] == 0
    assert contents(repository / MEMBER) == PART_1
    return repository / MEMBER


@TAGS
def test_a_later_part_takes_the_place_of_an_unfinished_member(account, command, two_parts, monkeypatch, tag):
    tag_by(monkeypatch, tag)
    assert command("03", "--fetch")[0] == 0
    status, said = command("03", "--part", "2", "--fetch")
    assert status == 0, said
    assert contents(two_parts) == PART_2
    assert f"{two_parts / 'state.safetensors'}: removed, for {AST}-part-2 has none" in said
    assert "0 files fetched, 4 were there" in command("03", "--part", "2", "--fetch")[1]
    # and asked for by name, the earlier one comes back whole
    assert command("03", "--fetch")[0] == 0
    assert contents(two_parts) == PART_1


def test_a_finished_member_loses_its_state_and_keeps_what_fits_its_weights(account, command, repository):
    account.kernels[AST] = member(PART_2 | {"state.safetensors": b"the last", "test.npz": b"scored"})
    account.kernels[f"{AST}-part-2"] = member(PART_2)
    assert command("03", "--fetch")[0] == 0
    assert command("03", "--part", "2", "--fetch")[0] == 0
    assert contents(repository / MEMBER) == PART_2 | {"test.npz": b"scored"}


@pytest.mark.parametrize("name", ["oof.npz", "state.safetensors"])
def test_a_member_that_was_changed_here_is_left_whole(account, command, two_parts, name):
    (two_parts / name).write_bytes(b"my own")
    mine = contents(two_parts)
    said = fails(command, "03", "--part", "2", "--fetch")
    assert f"1 files here differ from those of {AST}-part-2 and were left as they are: {two_parts / name}" in said
    assert contents(two_parts) == mine
    status, said = command("03", "--part", "2", "--fetch", "--force")
    if name == "oof.npz":
        assert status == 0, said
    else:  # nothing of the kernel's could take its place, and nothing of one's own is ever removed
        assert (status, said.strip().endswith("move them away")) == (2, True)
        (two_parts / name).unlink()
        assert command("03", "--part", "2", "--fetch")[0] == 0
    assert contents(two_parts) == PART_2


def test_nothing_that_was_not_fetched_is_removed(account, command, two_parts):
    (two_parts / "test.npz").write_bytes(b"my own")
    assert command("03", "--part", "2", "--fetch")[0] == 0
    assert contents(two_parts) == PART_2 | {"test.npz": b"my own"}


def test_a_file_that_was_there_and_is_equal_is_the_kernel_s_from_then_on(account, command, repository):
    (repository / MEMBER).mkdir(parents=True)
    for name in ("weights.safetensors", "state.safetensors"):
        (repository / MEMBER / name).write_bytes(PART_1[name])
    account.kernels[AST], account.kernels[f"{AST}-part-2"] = member(PART_1), member(PART_2)
    assert "3 files fetched, 2 were there" in command("03", "--fetch")[1]
    assert command("03", "--part", "2", "--fetch")[0] == 0
    assert contents(repository / MEMBER) == PART_2


@pytest.mark.parametrize("killed_at", range(24))
def test_killed_in_between_it_is_never_half_a_member_and_fetched_again(
    account, command, two_parts, monkeypatch, killed_at
):
    calls = []
    with monkeypatch.context() as fatal:

        def until(does):
            def step(*given, **named):
                calls.append(given)
                if len(calls) > killed_at:
                    raise KeyboardInterrupt
                return does(*given, **named)

            return step

        fatal.setattr(os, "replace", until(os.replace))
        fatal.setattr(Path, "unlink", until(Path.unlink))
        assert command("03", "--part", "2", "--fetch")[0] == (130 if killed_at < 23 else 0)  # it takes 23 steps
    found = contents(two_parts)
    if "weights.safetensors" in found:
        unfinished = {name: found.get(name) for name in PART_1} == PART_1
        assert unfinished or found.items() >= PART_2.items()
    if "state.safetensors" in found:  # it may be gone on from, so nothing of another epoch is there yet
        assert {name for name in PART_1 if found.get(name) != PART_1[name]} <= {"weights.safetensors"}
    status, said = command("03", "--part", "2", "--fetch")
    assert status == 0, said
    assert contents(two_parts) == PART_2


@TAGS
def test_equal_copies_in_another_kernel_s_output_are_not_members_again(account, command, repository, monkeypatch, tag):
    read = tag_by(monkeypatch, tag)
    account.kernels[AST], name = member(PART_2), "messy-mashup-06-blend-and-submission"
    account.kernels[name] = member(PART_2)
    account.kernels[name].output["submission.csv"] = b"id,genre\n"
    assert command("03", "--fetch")[0] == 0
    times = {path: path.stat().st_mtime_ns for path in (repository / MEMBER).rglob("*.*")}
    read.clear()
    assert "1 files fetched, 4 were there" in command("06", "--fetch")[1]
    assert len(read) == (1 if tag == "ETag" else 5)  # a time says nothing of another kernel's file
    assert times == {path: path.stat().st_mtime_ns for path in times}


def test_a_damaged_record_is_told(account, command, repository):
    account.kernels[AST] = finished()
    assert command("03", "--fetch")[0] == 0
    record = repository / "runs" / "kernels" / "fetched.json"
    assert sorted(json.loads(record.read_text()))[-2:] == [
        "messy_mashup_ast/fold0/oof.npz",
        "messy_mashup_ast/fold0/weights.safetensors",
    ]
    record.write_text("[")
    assert f"{record} is damaged" in fails(command, "03", "--fetch")


def test_an_error_page_never_becomes_a_file(account, command, repository):
    account.kernels[AST] = finished()
    name = "runs/messy_mashup_ast/fold0/oof.npz"
    account.loopback.file_status[f"{AST}/{name}"] = 500
    said = fails(command, "03", "--fetch")
    assert f"fetching {name} of {AST} failed: Kaggle answered 500" in said
    assert not (repository / name).exists()
    assert list(repository.rglob("*.partial")) == []
    account.loopback.file_status.clear()
    assert command("03", "--fetch")[0] == 0
    assert (repository / name).read_bytes() == b"oof" * 1000


def test_a_download_that_breaks_leaves_no_part(account, command, repository, monkeypatch):
    account.kernels[AST] = finished()
    send = Handler._send

    def half(handler, status, content, kind, **more):
        if not content.startswith(bytes(range(256))):
            return send(handler, status, content, kind, **more)
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content[: len(content) // 2])
        handler.wfile.flush()
        return handler._break()

    monkeypatch.setattr(Handler, "_send", half)
    assert "weights.safetensors" in fails(command, "03", "--fetch")
    assert not (repository / "runs" / "messy_mashup_ast" / "fold0" / "weights.safetensors").exists()
    monkeypatch.setattr(Handler, "_send", send)
    assert command("03", "--fetch")[0] == 0


@pytest.mark.parametrize("name", ["../x", "/x", "runs/../../x", "runs/..", "a\\..\\..\\x", "C:x", "."])
def test_a_name_that_leads_elsewhere_is_refused(account, command, repository, name):
    account.kernels[AST] = finished()
    account.kernels[AST].output[name] = b"evil"
    assert "nothing was fetched" in fails(command, "03", "--fetch")
    assert not (repository / "runs").exists()


def test_entries_come_with_their_rows_of_the_ledger(account, command, repository, tmp_path):
    theirs, own = tmp_path / "theirs" / "scores.csv", repository / "submissions" / "scores.csv"
    row = LedgerRow(utc="2026-11-21T01:00:00Z", file="a.csv", sha256="1" * 64, oof_macro_f1=0.81234, note="b, c")
    ledger.append(theirs, row)
    ledger.append(own, LedgerRow(utc="2026-11-20T01:00:00Z", file="old.csv", sha256="2" * 64, public=0.5))
    output = {"submissions/scores.csv": theirs.read_bytes(), "submissions/a.csv": b"id,genre\n1,rock\n"}
    name = "messy-mashup-06-blend-and-submission"
    account.kernels[name] = finished(output=output)
    status, said = command("06", "--fetch")
    assert status == 0, said
    assert "scores.csv: new rows: 1" in said
    table = ledger.read(own)
    assert table["file"].tolist() == ["old.csv", "a.csv"]
    assert table.iloc[1].tolist() == ledger.read(theirs).iloc[0].tolist()
    assert (repository / "submissions" / "a.csv").read_bytes() == output["submissions/a.csv"]
    assert "new rows: 0" in command("06", "--fetch")[1]
    assert len(ledger.read(own)) == 2
