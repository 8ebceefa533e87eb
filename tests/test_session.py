"""What a notebook finds in its first cell, on one's own machine and in a kernel."""

import os
import subprocess
import sys
import types
import zipfile

import pytest

from example_trees import write_messy_mashup
from messy_mashup import paths, recipes
from messy_mashup.competition import ledger
from messy_mashup.competition.code_version import PACKED_FILE
from messy_mashup.competition.ledger import LedgerRow
from messy_mashup.data import bank_build
from messy_mashup.errors import UserError
from messy_mashup.notebooks import session
from messy_mashup.training.run_folder import WEIGHTS, save_weights


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    """A kernel with the competition's data, the packed code and nothing else."""
    monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Batch")
    monkeypatch.setattr(paths, "KAGGLE_INPUT", tmp_path / "input")
    monkeypatch.setattr(paths, "KAGGLE_WORKING", tmp_path / "working")
    monkeypatch.setattr(paths, "REPOSITORY", tmp_path / "input" / "messy-mashup-code")
    paths.REPOSITORY.mkdir(parents=True)
    (paths.REPOSITORY / PACKED_FILE).write_text(f"{'a' * 40} yes\n")
    write_messy_mashup(tmp_path / "input" / "competitions" / "slug" / "messy_mashup", songs=2)
    return tmp_path


def test_it_tells_code_data_and_runs(kernel, capsys):
    here = session.begin()
    assert here.data == kernel / "input" / "competitions" / "slug" / "messy_mashup"
    assert here.runs == kernel / "working" / "runs"
    assert here.submission == kernel / "working" / "submission.csv"
    code, data, runs = capsys.readouterr().out.splitlines()
    assert "aaaaaaaaaaaa:" in code
    assert str(here.data) in data
    assert str(here.runs) in runs


def test_what_an_earlier_notebook_should_have_left_is_named(kernel):
    here = session.begin()
    with pytest.raises(UserError, match=r"no bank .* notebook 02"):
        _ = here.bank
    with pytest.raises(UserError, match="no member of messy_mashup_cnn_tiny: run notebook 03 or 04"):
        here.trained("messy_mashup_cnn")
    bank_build.build(here.corpus, here.data, paths.bank_folder(here.data))
    assert here.bank.corpus == "messy_mashup"


@pytest.mark.parametrize(("seconds", "suffix"), [(30.0, ""), (20.0, ""), (8.0, "_demo"), (2.5, "_tiny")])
def test_the_variant_goes_by_the_length_of_the_songs(seconds, suffix):
    assert recipes.suited("messy_mashup_resnet34", seconds) == f"messy_mashup_resnet34{suffix}"


def test_a_family_without_that_variant_is_refused():
    with pytest.raises(UserError, match="no recipe messy_mashup_ast_patchout_demo"):
        recipes.suited("messy_mashup_ast_patchout", 8.0)


def test_trained_runs_are_those_of_the_recipe_and_its_seeds_attached_ones_too(kernel):
    here = session.begin()
    card = {"recipe": {"train": {"epochs": 0}}, "fold": 0}
    for place in ("working/runs/messy_mashup_cnn_tiny", "input/step-03/runs/messy_mashup_cnn_tiny_seed1",
                  "input/step-03/runs/messy_mashup_cnn_tiny_slower"):  # fmt: skip
        folder = kernel / place / "fold0"
        folder.mkdir(parents=True)
        save_weights(folder / WEIGHTS, {}, card)
    assert here.trained("messy_mashup_cnn") == ["messy_mashup_cnn_tiny", "messy_mashup_cnn_tiny_seed1"]
    assert (here.runs / "messy_mashup_cnn_tiny_slower" / "fold0" / WEIGHTS).exists()
    here.drop_adopted()
    assert [path.parents[1].name for path in here.runs.rglob(WEIGHTS)] == ["messy_mashup_cnn_tiny"]


def test_packed_wheels_can_be_imported_here_and_in_commands(kernel, monkeypatch):
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setattr(sys, "path", [*sys.path])
    wheel = paths.REPOSITORY / "wheels" / "only_in_the_wheel-1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("only_in_the_wheel.py", "ANSWER = 42\n")
        archive.writestr("only_in_the_wheel-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: x\nVersion: 1.0\n")
        tags = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        archive.writestr("only_in_the_wheel-1.0.dist-info/WHEEL", tags)
        archive.writestr("only_in_the_wheel-1.0.dist-info/RECORD", "")
    session.begin()
    import only_in_the_wheel

    assert only_in_the_wheel.ANSWER == 42
    asked = [sys.executable, "-c", "import only_in_the_wheel; print(only_in_the_wheel.ANSWER)"]
    assert subprocess.run(asked, capture_output=True, text=True).stdout == "42\n"


def test_a_broken_wheel_is_named(kernel):
    (paths.REPOSITORY / "wheels").mkdir()
    (paths.REPOSITORY / "wheels" / "broken-1.0-py3-none-any.whl").write_bytes(b"no zip")
    with pytest.raises(UserError, match=r"wheels .* cannot be installed"):
        session.begin()


def test_entries_of_the_kernel_before_are_taken_over_with_their_rows(kernel):
    attached = kernel / "input" / "notebooks" / "me" / "step-06" / "submissions"
    attached.mkdir(parents=True)
    (attached / "20261121T000000Z_x.csv").write_text("id,genre\n")
    ledger.append(attached / "scores.csv", LedgerRow("2026-11-21T00:00:00Z", "20261121T000000Z_x.csv", "ab", note="x"))
    here = session.begin()
    with pytest.raises(UserError, match="no entry: run notebook 06"):
        _ = here.ledger
    here.adopt_entries()
    here.adopt_entries()
    assert here.ledger["note"].tolist() == ["x"]
    assert here.entry()["note"] == here.entry("20261121T000000Z_x.csv")["note"] == "x"
    with pytest.raises(UserError, match=r"no entry y\.csv"):
        here.entry("y.csv")
    ledger.append(here.submissions / "scores.csv", LedgerRow("2026-11-22T00:00:00Z", "made_elsewhere.csv", "", ref="7"))
    assert here.entry()["note"] == "x", "what was made elsewhere is not here"
    assert (paths.submissions() / "20261121T000000Z_x.csv").read_text() == "id,genre\n"


def test_entries_of_the_demo_stay_out_of_the_ledger_of_the_competition(tmp_path, monkeypatch):
    monkeypatch.delenv("KAGGLE_KERNEL_RUN_TYPE", raising=False)
    write_messy_mashup(tmp_path / "data")
    assert session.begin(tmp_path / "data").submissions == paths.submissions()
    (tmp_path / "data" / "competition.json").write_text("{}")
    assert session.begin(tmp_path / "data").submissions == paths.runs() / "demo_submissions"


def test_credentials_come_from_a_kernel_s_secrets(kernel, monkeypatch):
    for name in session.SECRETS:
        monkeypatch.setenv(name, "")  # so that what the kernel sets is taken back at the end
        monkeypatch.delenv(name)
    assert "Add-ons, Secrets" in session.sign_in()
    client = type("UserSecretsClient", (), {"get_secret": lambda self, name: f"the {name}"})
    monkeypatch.setitem(sys.modules, "kaggle_secrets", types.SimpleNamespace(UserSecretsClient=client))
    assert session.sign_in() is None
    assert os.environ["KAGGLE_KEY"] == "the KAGGLE_KEY"


def test_on_one_s_own_machine_what_is_missing_is_a_sentence(monkeypatch, tmp_path):
    for name in ("KAGGLE_KERNEL_RUN_TYPE", "KAGGLE_API_TOKEN", "KAGGLE_CONFIG_DIR", *session.SECRETS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert "no Kaggle credentials" in session.sign_in()
    monkeypatch.setenv("KAGGLE_USERNAME", "ann")
    monkeypatch.setenv("KAGGLE_KEY", "0123")
    assert session.sign_in() is None
