"""From clone to kernel and back, through Kaggle's real client over loopback."""

import json
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
from messy_mashup.competition import data_set, kernel, kernel_session, ledger, live_log
from messy_mashup.competition.client import connect
from messy_mashup.competition.code_version import code_version
from messy_mashup.competition.ledger import LedgerRow
from messy_mashup.errors import run_script
from test_packing import git, notebook

ROOT = Path(__file__).resolve().parents[1]
CODE, AST = data_set.CODE_SET, "messy-mashup-03-train-ast"
BANK = "messy-mashup-02-bank-and-mashups"
TRAINING = notebook("FOLDS = None", "SEEDS = 1")


@pytest.fixture
def repository(tmp_path, monkeypatch):
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


@pytest.fixture
def account(tmp_path, monkeypatch, repository):
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


@pytest.fixture
def command(monkeypatch, capsys):
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


def test_other_content_of_the_same_size_is_noticed_where_the_server_tells(account, command, repository, monkeypatch):
    import zlib

    send = Handler._send

    def tagged(handler, status, content, kind):
        answer = handler.end_headers
        handler.end_headers = lambda: (handler.send_header("ETag", f"{zlib.crc32(content):08x}"), answer())
        send(handler, status, content, kind)
        del handler.end_headers

    monkeypatch.setattr(Handler, "_send", tagged)
    account.kernels[AST] = finished()
    assert command("03", "--fetch")[0] == 0
    assert "0 files fetched, 5 were there" in command("03", "--fetch")[1]
    account.kernels[AST].output["runs/folds/plan.json"] = b"[]"
    assert "differ" in fails(command, "03", "--fetch")
    assert command("03", "--fetch", "--force")[0] == 0
    assert (repository / "runs" / "folds" / "plan.json").read_text() == "[]"
    assert "0 files fetched, 5 were there" in command("03", "--fetch")[1]


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

    def half(handler, status, content, kind):
        if not content.startswith(bytes(range(256))):
            return send(handler, status, content, kind)
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
    assert "leads out of the folder: nothing was fetched" in fails(command, "03", "--fetch")
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
