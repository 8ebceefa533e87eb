"""The rehearsal: notebooks 01 to 06 one after another, each in a kernel of its own, on a small demo competition."""

import base64
import hashlib
import io
import json
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import matplotlib.image
import pytest

import kernel_sandbox
from kernel_sandbox import Mount, run_notebook
from messy_mashup.competition import ledger, submission
from messy_mashup.competition.client import SLUG
from messy_mashup.competition.code_version import CodeVersion
from messy_mashup.competition.kernel import STEPS, Step, slug
from messy_mashup.competition.notebook_file import read_notebook, with_parameters
from messy_mashup.competition.packing import pack_code
from messy_mashup.data.corpora.messy_mashup import GENRES
from messy_mashup.data.demo_music.competition import write_competition
from messy_mashup.files import file_digest
from messy_mashup.paths import REPOSITORY
from messy_mashup.training.run_folder import WEIGHTS

pytestmark = pytest.mark.skipif(kernel_sandbox.missing() is not None, reason=str(kernel_sandbox.missing()))

USER = "ann"
SECONDS = 240  # a bound for a notebook that hangs, not a measure of speed
# Two folds need four songs of a genre to train on and four to validate on; the recipes for the demo need 5 s.
MUSIC = {"genres": ("blues", "jazz", "rock"), "songs": 8, "seconds": 5.5, "noises": 24, "mashups": 12}
TRAINING = ["train.epochs=1", "train.mashups_per_epoch=64", "train.batch_size=16", "folds.validation_per_song=1"]
PARAMETERS = {
    "02": {"COUNT": 6},
    "03": {"SETTINGS": [*TRAINING, "backbone.width=32", "backbone.layers=1"]},
    "04": {"SETTINGS": [*TRAINING, "backbone.widths=(4,4,8,8)"]},
    "06": {"NOTE": "rehearsal"},
}
DRAWS = re.compile(r"\bdraw_\w+\(|\.plot\.\w+\(|\bImage\(|\blearning_curves\(")
LEAST_PIXELS = 100  # of a picture's side


@dataclass(frozen=True)
class Rehearsal:
    """What six kernels showed and left, by the notebook's number."""

    data: Path
    version: CodeVersion
    shown: dict[str, dict]
    left: dict[str, Path]


@pytest.fixture(scope="module")
def competition(tmp_path_factory) -> Path:
    """The data as Kaggle would mount them: without the labels."""
    root = tmp_path_factory.mktemp("competition")
    write_competition(root / "messy_mashup", **MUSIC, workers=1)
    shutil.rmtree(root / "messy_mashup" / "hidden")
    return root


@pytest.fixture(scope="module", params=["old", "new"])
def rehearsal(request, tmp_path_factory, competition) -> Rehearsal:
    """All notebooks but the one that needs the internet, each from what the ones before it left."""
    folder = tmp_path_factory.mktemp(request.param)
    version = pack_code(REPOSITORY, folder / "code")
    warm = tmp_path_factory.getbasetemp() / "warm"
    given = [Mount("competition", "", SLUG, competition), Mount("dataset", USER, "messy-mashup-code", folder / "code")]
    done = Rehearsal(competition / "messy_mashup", version, {}, {})
    for step in STEPS:
        if not step.internet:
            working = folder / slug(step)
            working.mkdir()
            notebook = _pushed(step, folder)
            begun_s = time.monotonic()
            shown = run_notebook(notebook, [*given, *_outputs(step, done)], working, request.param, SECONDS, warm)
            print(f"{notebook.name}: {time.monotonic() - begun_s:.1f} s")
            notebook.with_suffix(".executed.ipynb").write_text(json.dumps(shown), encoding="utf-8")
            done.shown[step.number], done.left[step.number] = shown, working
    return done


def _outputs(step: Step, done: Rehearsal) -> list[Mount]:
    """The outputs that push.py attaches to a step."""
    before = [earlier for earlier in STEPS if any(earlier.number in group for group in step.after)]
    return [Mount("notebook", USER, slug(earlier), done.left[earlier.number]) for earlier in before]


def _pushed(step: Step, folder: Path) -> Path:
    """A step's notebook as push.py uploads it, with parameters that make it quick."""
    notebook = read_notebook(REPOSITORY / "notebooks" / step.notebook)
    path = folder / step.notebook
    path.write_text(json.dumps(with_parameters(notebook, PARAMETERS.get(step.number, {}))), encoding="utf-8")
    return path


def test_the_last_kernel_leaves_what_kaggle_accepts(rehearsal):
    entry = submission.read_submission(rehearsal.left["06"] / "submission.csv")
    sample = submission.read_sample(rehearsal.data)
    assert len(sample) == MUSIC["mashups"]
    submission.check(entry, sample, GENRES, "submission.csv")


def test_the_ledger_knows_the_file_its_members_and_the_code_that_was_packed(rehearsal):
    folder = rehearsal.left["06"]
    ((_, row),) = ledger.read(folder / "submissions" / "scores.csv").iterrows()
    assert (row["commit"], row["clean"]) == (rehearsal.version.commit, rehearsal.version.clean)
    assert row["sha256"] == hashlib.sha256((folder / "submission.csv").read_bytes()).hexdigest()
    assert row["recipes"] == "messy_mashup_ast_demo messy_mashup_resnet34_demo"
    assert len(row["members"].split()) == 6
    assert row["note"] == "rehearsal"
    assert 0 <= float(row["oof_macro_f1"]) <= 1


def test_members_are_those_of_the_kernels_before(rehearsal):
    for number, run in (("03", "messy_mashup_ast_demo"), ("04", "messy_mashup_resnet34_demo")):
        trained = sorted(rehearsal.left[number].glob(f"runs/{run}/*/{WEIGHTS}"))
        assert [path.parent.name for path in trained] == ["all", "fold0", "fold1"]
        for path in trained:
            taken = rehearsal.left["06"] / path.relative_to(rehearsal.left[number])
            assert file_digest(taken) == file_digest(path)


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
