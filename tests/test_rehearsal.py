"""The rehearsal, from clone to score: notebooks 01 to 06 pushed by the real client, each run in a kernel of its own
from what its push names, and fetched; the entry submitted and tracked by notebook 07. The competition is a small demo.
"""

import base64
import hashlib
import io
import json
import re
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import matplotlib.image
import nbformat
import pytest
from nbclient import NotebookClient

import kernel_sandbox
import push
from kaggle_competition import Competition
from kaggle_kernels import Account, Shelf, Version
from kaggle_loopback import Loopback, leaks
from kernel_sandbox import Mount, run_notebook
from messy_mashup import paths
from messy_mashup.competition import data_set, kernel_session, leaderboard, ledger, submission
from messy_mashup.competition.code_version import CodeVersion
from messy_mashup.competition.data_set import WEIGHTS_SET
from messy_mashup.competition.kernel import STEPS, slug
from messy_mashup.competition.notebook_file import read_notebook, with_parameters
from messy_mashup.competition.packing import pack_code
from messy_mashup.data.corpora.messy_mashup import GENRES
from messy_mashup.data.demo_music import DONE
from messy_mashup.data.demo_music.competition import write_competition
from messy_mashup.paths import REPOSITORY
from messy_mashup.scoring.ensemble import load_blend
from messy_mashup.training.run_folder import WEIGHTS, weights_digest

# The older layout of mounts takes as long again. Where no sandbox can be had, the notebooks still run, as on one's own
# machine.
PLACES = (pytest.param("old", marks=pytest.mark.slow), "new") if kernel_sandbox.missing() is None else ("home",)
SECONDS = 240  # a bound for a notebook that hangs, not a measure of speed
# Two folds need four songs of a genre to train on and four to validate on; the recipes for the demo need 5 s.
MUSIC = {"genres": ("blues", "jazz", "rock"), "songs": 8, "seconds": 5.5, "noises": 24, "mashups": 12}
TRAINING = ["train.epochs=1", "train.mashups_per_epoch=64", "train.batch_size=16", "folds.validation_per_song=1"]
PARAMETERS = {
    "02": {"COUNT": 6},
    "03": {"DEVICES": "cpu", "SETTINGS": [*TRAINING, "backbone.width=32", "backbone.layers=1"]},
    "04": {"DEVICES": "cpu", "SETTINGS": [*TRAINING, "backbone.widths=(4,4,8,8)"]},
    "06": {"NOTE": "rehearsal"},
}
DRAWS = re.compile(r"\bdraw_\w+\(|\.plot\.\w+\(|\bImage\(|\blearning_curves\(")
LEAST_PIXELS = 100  # of a picture's side


class LocalKaggle:
    """Kaggle on this machine: what is pushed runs in the sandbox, with what its request names and nothing else."""

    def __init__(self, loopback: Loopback, folder: Path, layout: kernel_sandbox.Layout, competition: Path) -> None:
        self.folder, self.layout, self.competition = folder, layout, competition
        self.account = Account(loopback)
        # The recipes for the demo begin from random weights, yet step 03 asks for the data set of pretrained ones.
        self.account.data_sets[WEIGHTS_SET] = Shelf({}, versions=[Version("first", {"other/config.json": b"{}"})])
        self.left: dict[str, Path] = {}

    def run(self, name: str, warm: Path) -> dict:
        """Run the kernel of that name; its files become its output."""
        kernel = self.account.kernels[name]
        request, working = kernel.request, self.folder / "working" / name
        working.mkdir(parents=True)
        assert request["enableInternet"] is False
        notebook = self.folder / f"{name}.ipynb"
        notebook.write_text(request["text"], encoding="utf-8")
        begun_s = time.monotonic()
        shown = run_notebook(notebook, self._mounts(request), working, self.layout, SECONDS, warm)
        print(f"{name}: {time.monotonic() - begun_s:.1f} s")
        files = (path for path in working.rglob("*") if path.is_file())
        kernel.output = {path.relative_to(working).as_posix(): path.read_bytes() for path in files}
        kernel.states, self.left[name] = ["COMPLETE"], working
        return shown

    def _mounts(self, request: dict) -> list[Mount]:
        mounts = [Mount("competition", "", slug, self.competition) for slug in request["competitionDataSources"]]
        for owner, name in (source.split("/") for source in request.get("datasetDataSources", [])):
            place = self.account.mount(name, self.folder / "data_sets" / name)
            mounts.append(Mount("dataset", owner, name, place))
        for owner, name in (source.split("/") for source in request.get("kernelDataSources", [])):
            mounts.append(Mount("notebook", owner, name, self.left[name]))
        return mounts


@dataclass(frozen=True)
class Rehearsal:
    """What the notebooks showed, by number; what kernels left, by number; and one's own copy of the repository."""

    place: str
    data: Path
    version: CodeVersion
    shown: dict[str, dict]
    left: dict[str, Path]
    home: Path
    scores: dict[str, float]  # of the entry, as the hidden labels have it

    @property
    def entry(self) -> Path:
        """What notebook 06 left for Kaggle."""
        return self.left["06"] / ("runs/submission.csv" if self.place == "home" else "submission.csv")


@pytest.fixture(scope="module")
def competition(tmp_path_factory) -> tuple[Path, Path]:
    """The data as Kaggle would mount them, and the labels that it hides."""
    root = tmp_path_factory.mktemp("competition")
    write_competition(root / "messy_mashup", **MUSIC, workers=1)
    (root / "messy_mashup" / DONE).unlink()
    hidden = (root / "messy_mashup" / "hidden").rename(tmp_path_factory.mktemp("labels") / "hidden")
    return root, hidden


@pytest.fixture(scope="module", params=PLACES)
def rehearsal(request, tmp_path_factory, competition) -> Rehearsal:
    """From clone to score: each notebook pushed, run and fetched, the entry submitted by the last one."""
    root, hidden = competition
    folder, warm = tmp_path_factory.mktemp(request.param), tmp_path_factory.getbasetemp() / "warm"
    home, shown = folder / "home", {}
    (folder / "user").mkdir()
    version = pack_code(REPOSITORY, home)
    shutil.copytree(REPOSITORY / "notebooks", home / "notebooks")
    with pytest.MonkeyPatch.context() as patch, Loopback() as loopback:
        loopback.join(patch, folder / "user")
        patch.setattr(paths, "runs", lambda: home / "runs")
        patch.setattr(paths, "submissions", lambda: home / "submissions")
        for module in (data_set, kernel_session):
            patch.setattr(module, "FIRST_WAIT_S", 0.01)
        kaggle, environment = LocalKaggle(loopback, folder, request.param, root), loopback.environment(folder / "user")
        for step in STEPS[:-1]:
            if request.param == "home":
                values = {"DATA": str(root)} | PARAMETERS.get(step.number, {})
                shown[step.number] = _at_home(home / "notebooks" / step.notebook, values, environment)
                continue
            _push(patch, step.number, "--dirty", *_settings(step.number))
            shown[step.number] = kaggle.run(slug(step), warm)
            _push(patch, step.number, "--fetch")
        (entry,) = (home / "submissions").glob("*_ast_resnet34.csv")
        scores = leaderboard.scores(entry, hidden)
        server = Competition(loopback)
        server.scores = {"publicScore": f"{scores['public']:.5f}", "privateScore": f"{scores['private']:.5f}"}
        values = {"DATA": str(root), "MESSAGE": "rehearsal", "SUBMIT": True}
        shown["07"] = _at_home(home / "notebooks" / STEPS[-1].notebook, values, environment)
    left = {step.number: kaggle.left.get(slug(step), home) for step in STEPS[:-1]}
    return Rehearsal(request.param, root / "messy_mashup", version, shown, left, home, scores)


in_kernels = pytest.mark.skipif(PLACES == ("home",), reason=str(kernel_sandbox.missing()))


def _push(patch: pytest.MonkeyPatch, *words: str) -> None:
    patch.setattr(sys, "argv", ["push.py", *words])
    push.main()


def _settings(number: str) -> list[str]:
    """Parameters that make a notebook quick, as words of push.py."""
    return [word for name, value in PARAMETERS.get(number, {}).items() for word in ("--set", f"{name}={value!r}")]


def _at_home(path: Path, values: dict, environment: dict[str, str]) -> dict:
    """A notebook as one runs it on one's own machine: beside src/, with the internet, which is the loopback."""
    text = json.dumps(with_parameters(read_notebook(path), values))
    notebook = nbformat.reads(text, as_version=4)
    client = NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}})
    client.execute(env=environment)
    return json.loads(json.dumps(notebook))


def test_the_last_kernel_leaves_what_kaggle_accepts(rehearsal):
    entry = submission.read_submission(rehearsal.entry)
    sample = submission.read_sample(rehearsal.data)
    assert len(sample) == MUSIC["mashups"]
    submission.check(entry, sample, GENRES, "submission.csv")


def test_the_ledger_knows_the_file_its_members_and_the_code_that_was_packed(rehearsal):
    folder = rehearsal.left["06"]
    ((_, row),) = ledger.read(folder / "submissions" / "scores.csv").iterrows()
    assert (row["commit"], row["clean"]) == (rehearsal.version.commit, rehearsal.version.clean)
    assert row["sha256"] == hashlib.sha256(rehearsal.entry.read_bytes()).hexdigest()
    assert row["recipes"] == "messy_mashup_ast_demo messy_mashup_resnet34_demo"
    assert len(row["members"].split()) == 6
    assert row["note"].startswith("rehearsal")  # and how its runs were blended, where that is not by equal weights
    assert 0 <= float(row["oof_macro_f1"]) <= 1


def test_the_score_is_in_one_s_own_ledger_beside_what_made_it(rehearsal):
    ((_, row),) = ledger.read(rehearsal.home / "submissions" / "scores.csv").iterrows()
    assert (row["commit"], row["clean"]) == (rehearsal.version.commit, rehearsal.version.clean)
    assert (row["ref"], row["status"]) == ("101", "complete")
    assert float(row["public"]) == pytest.approx(rehearsal.scores["public"], abs=1e-5)
    assert float(row["private"]) == pytest.approx(rehearsal.scores["private"], abs=1e-5)


def test_no_credential_is_anywhere(rehearsal):
    assert leaks(rehearsal.home.parent) == []
    assert leaks(json.dumps(rehearsal.shown)) == []


@in_kernels
def test_members_are_those_of_the_kernels_before_and_stay_in_their_outputs(rehearsal):
    trained = []
    for number, run in (("03", "messy_mashup_ast_demo"), ("04", "messy_mashup_resnet34_demo")):
        folders = sorted(path.parent for path in rehearsal.left[number].glob(f"runs/{run}/*/{WEIGHTS}"))
        assert [folder.name for folder in folders] == ["all", "fold0", "fold1"]
        trained += [weights_digest(folder) for folder in folders]
    assert sorted(load_blend(rehearsal.left["06"] / "runs").weights) == sorted(trained)
    assert not [path for number in ("05", "06") for path in rehearsal.left[number].rglob(WEIGHTS)]


@in_kernels
def test_the_bank_is_built_once(rehearsal):
    assert [number for number, folder in rehearsal.left.items() if any(folder.glob("runs/banks/*"))] == ["02"]


def test_no_cell_fails_and_every_picture_is_there(rehearsal):
    drawn = 0
    for number, notebook in rehearsal.shown.items():
        for cell in notebook["cells"]:
            outputs, source = cell.get("outputs", []), "".join(cell["source"])
            assert not [output for output in outputs if output["output_type"] == "error"]
            if cell["cell_type"] == "code" and DRAWS.search(source):
                assert _pictures(outputs), f"notebook {number} shows no picture for\n{source}"
                drawn += 1
    assert drawn >= len(rehearsal.shown)


def _pictures(outputs: list[dict]) -> int:
    """How many pictures a cell shows; none of them may be blank."""
    codes = [output["data"]["image/png"] for output in outputs if "image/png" in output.get("data", {})]
    for code in codes:
        pixels = matplotlib.image.imread(io.BytesIO(base64.b64decode("".join(code))))
        assert min(pixels.shape[:2]) >= LEAST_PIXELS
        assert pixels[..., :3].std() > 0
    return len(codes)
