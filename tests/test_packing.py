"""What a kernel is sent: the code with its commit, wheels, and notebooks with other parameters."""

import ast
import json
import os
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from messy_mashup.competition import packing
from messy_mashup.competition.code_version import code_version
from messy_mashup.competition.notebook_file import parameters, parsed, read_notebook, with_parameters
from messy_mashup.errors import UserError

ROOT = Path(__file__).resolve().parents[1]
# Distributions in Kaggle's image, and what each of those requires
IMAGE = {
    "torch": ("numpy", "sympy", "networkx", "jinja2"),
    "torchvision": ("numpy", "pillow"),
    "transformers": ("huggingface-hub", "safetensors", "tokenizers", "tqdm", "pyyaml", "regex", "requests"),
    "timm": ("huggingface-hub", "safetensors", "torchvision"),
    "librosa": ("soundfile", "soxr", "scipy", "numba", "scikit-learn", "joblib"),
    "albumentations": ("pydantic", "opencv-python-headless", "albucore"),
    "pandas": ("numpy", "python-dateutil"),
    "papermill": ("tqdm", "nbclient", "requests", "pyyaml"),
    "nbconvert": ("ipython", "nbformat"),
    "optuna": ("tqdm", "colorlog"),
    "peft": ("accelerate",),
    "requests": ("urllib3",),  # transformers and papermill require requests itself
    "numpy": (),
    "scipy": (),
    "scikit-learn": ("joblib", "scipy"),
    "soundfile": ("numpy",),
}
ONLY_ELSEWHERE = {
    "kaggle": "submit.py, track.py and push.py talk to Kaggle from one's own machine; notebook 07 runs with internet",
    "kagglesdk": "comes with kaggle",
    "kaggle_secrets": "Kaggle's own, in kernels alone, imported where a kernel was recognised",
    "matplotlib": "every Kaggle notebook's own %matplotlib needs it, though the list that was read does not name it",
    "datasets": "build.py --to-datasets hands a bank to Hugging Face's datasets where they are installed",
    "pyarrow": "comes with datasets",
    "gradio": "the page of app.py is served from one's own machine or a Space",
    "gradio_client": "comes with gradio",
    "starlette": "comes with gradio",
    "onnxruntime": "export.py holds a file against PyTorch on one's own machine",
    "ray": "fleet.py runs on a cluster",
    "demucs": "build.py --separated demucs:FILE, where it is installed; HPSS needs no more than librosa",
    "tensorboard": "learning curves where it is installed; torch imports it, training goes on without",
    "wandb": "only where --wandb asks for it",
    "python_stretch": "the better stretch for listening; without it waves are stretched by librosa",
}


def third_party(sources: Path) -> dict[str, str]:
    """Every package that a file below `sources` imports, at the top or late, with one file that does."""
    own, found = {path.stem for path in sources.glob("*")}, {}
    for path in sorted(sources.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module]
            called = isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module")
            if called and node.args and isinstance(node.args[0], ast.Constant):
                names = [node.args[0].value]
            found |= {name.partition(".")[0]: path.name for name in names}
    return {name: path for name, path in found.items() if name not in own and name not in sys.stdlib_module_names}


def lacking(imports: dict[str, str]) -> dict[str, str]:
    """Those that neither Kaggle's image nor the wheels provide and that a kernel would miss."""
    provided = {*IMAGE, *(name for required in IMAGE.values() for name in required)}
    provided |= {wheel.partition("==")[0].lower() for wheel in packing.WHEELS}
    distributions = packages_distributions()
    names = {name: {each.lower().replace("_", "-") for each in distributions.get(name, [name])} for name in imports}
    return {name: imports[name] for name in imports if name not in ONLY_ELSEWHERE and not names[name] & provided}


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    return subprocess.run(["git", "-C", folder, *identity, *words], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def repository(tmp_path):
    """A small work tree with a commit, something ignored and something compiled."""
    root = tmp_path / "repository"
    (root / "src" / "pack" / "__pycache__").mkdir(parents=True)
    (root / "src" / "train.py").write_text("print('train')\n")
    (root / "src" / "pack" / "__init__.py").write_text("")
    (root / "src" / "pack" / "__pycache__" / "a.pyc").write_bytes(b"\0")
    (root / "src" / "secret.txt").write_text("not for anyone\n")
    (root / ".gitignore").write_text("secret.txt\n__pycache__/\n")
    (root / "README.md").write_text("read\n")
    git(tmp_path, "init", "-q", str(root))
    git(root, "add", ".")
    git(root, "commit", "-qm", "first")
    return root


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_kernel_has_or_is_sent_every_package_that_the_code_imports():
    imports = third_party(ROOT / "src")
    assert {"torch", "timm", "transformers", "kaggle", "albumentations"} <= set(imports)  # late imports too
    assert lacking(imports) == {}


def test_a_package_that_the_image_lacks_is_noticed(tmp_path):
    (tmp_path / "late.py").write_text("def f():\n    import spleeter.separator\n    from torch import nn\n")
    assert lacking(third_party(tmp_path)) == {"spleeter": "late.py"}


def test_the_packed_code_knows_its_commit_and_leaves_out_what_git_ignores(repository, tmp_path):
    version = packing.pack_code(repository, tmp_path / "packed")
    assert version.commit == git(repository, "rev-parse", "HEAD").strip()
    assert names(tmp_path / "packed") == ["commit.txt", "src/pack/__init__.py", "src/train.py"]
    assert code_version(tmp_path / "packed") == version
    assert packing.changes(repository) == []


def test_changed_code_is_packed_as_it_is_and_says_so(repository, tmp_path):
    (repository / "src" / "train.py").write_text("print('other')\n")
    (repository / "src" / "new file.py").write_text("\n")
    (repository / "src" / "pack" / "__init__.py").unlink()
    (repository / "notebooks").mkdir()
    (repository / "notebooks" / "01.ipynb").write_text("{}")
    (repository / "README.md").write_text("other\n")
    version = packing.pack_code(repository, tmp_path / "packed")
    assert version.clean == "no"
    assert names(tmp_path / "packed") == ["commit.txt", "src/new file.py", "src/train.py"]
    assert "other" in (tmp_path / "packed" / "src" / "train.py").read_text()
    changed = ["notebooks/01.ipynb", "src/new file.py", "src/pack/__init__.py", "src/train.py"]
    assert sorted(packing.changes(repository)) == changed


def test_without_git_the_code_is_packed_and_its_commit_stays_unknown(repository, tmp_path):
    for path in sorted((repository / ".git").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (repository / ".git").rmdir()
    version = packing.pack_code(repository, tmp_path / "packed")
    assert (version.commit, version.clean) == ("", "")
    assert "src/train.py" in names(tmp_path / "packed")
    assert not any("pycache" in name for name in names(tmp_path / "packed"))
    assert packing.changes(repository) is None


def test_the_project_s_own_code_runs_from_the_packed_folder(tmp_path):
    version = packing.pack_code(ROOT, tmp_path / "messy-mashup-code")
    program = "from messy_mashup import paths; from messy_mashup.competition.code_version import code_version as v; "
    program += "import messy_mashup.recipes as r; print(paths.REPOSITORY, v(paths.REPOSITORY).commit, len(r.names()))"
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path / "messy-mashup-code" / "src")}
    done = subprocess.run(
        [sys.executable, "-B", "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    folder, *rest = done.stdout.split()
    assert Path(folder) == tmp_path / "messy-mashup-code"
    assert rest[:-1] == [version.commit][: len(rest) - 1]
    assert int(rest[-1]) >= 8


def test_a_folder_that_holds_something_is_not_packed_into(repository, tmp_path):
    with pytest.raises(UserError, match="not empty"):
        packing.pack_code(repository, repository)


def test_the_digest_follows_names_and_contents(tmp_path):
    (tmp_path / "a").write_text("1")
    digests = [packing.folder_digest(tmp_path)]
    (tmp_path / "a").write_text("2")
    digests.append(packing.folder_digest(tmp_path))
    (tmp_path / "a").rename(tmp_path / "b")
    digests.append(packing.folder_digest(tmp_path))
    assert len(set(digests)) == 3
    os.utime(tmp_path / "b", (0, 0))
    assert packing.folder_digest(tmp_path) == digests[-1]


def wheel(folder: Path, tag: str) -> None:
    import zipfile

    path = folder / f"extra-1.0-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("extra.py", "")
        archive.writestr("extra-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: extra\nVersion: 1.0\n")
        archive.writestr("extra-1.0.dist-info/WHEEL", f"Wheel-Version: 1.0\nTag: {tag}\n")
        archive.writestr("extra-1.0.dist-info/RECORD", "")


@pytest.mark.parametrize("tag", ["py3-none-any", "cp312-cp312-manylinux_2_17_x86_64"])
def test_wheels_for_the_image_s_python_are_fetched_by_pip(repository, tmp_path, monkeypatch, tag):
    shop = tmp_path / "shop"
    shop.mkdir()
    wheel(shop, tag)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shop))
    packing.pack_code(repository, tmp_path / "packed", ["extra==1.0"])
    assert names(tmp_path / "packed" / "wheels") == [f"extra-1.0-{tag}.whl"]


def test_a_wheel_that_cannot_be_had_is_a_sentence(repository, tmp_path, monkeypatch):
    shop = tmp_path / "shop"
    shop.mkdir()
    wheel(shop, "cp311-cp311-manylinux_2_17_x86_64")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shop))
    with pytest.raises(UserError, match=r"no wheel of extra==1\.0 for Kaggle's image"):
        packing.pack_code(repository, tmp_path / "packed", ["extra==1.0"])


# Notebooks


def notebook(*lines: str, tags=("parameters",)) -> dict:
    cells = [
        {"cell_type": "markdown", "id": "a", "metadata": {}, "source": "# Title"},
        {
            "cell_type": "code",
            "id": "b",
            "metadata": {"tags": list(tags)},
            "execution_count": None,
            "outputs": [],
            "source": [f"{line}\n" for line in lines],
        },
        {
            "cell_type": "code",
            "id": "c",
            "metadata": {},
            "execution_count": None,
            "outputs": [],
            "source": "print(FOLDS, SEEDS, LR, SETTINGS, NOTE)",
        },
    ]
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


TRAINING = notebook('NOTE = "a"', "FOLDS = None  # all", "SEEDS: int = 1", "LR = 1e-4", "SETTINGS = []", "FAST = False")


def test_parameters_are_read_with_their_values():
    values = {"NOTE": "a", "FOLDS": None, "SEEDS": 1, "LR": 1e-4, "SETTINGS": [], "FAST": False}
    assert parameters(TRAINING) == values


def test_a_cell_is_injected_behind_the_parameters_and_decides():
    changed = with_parameters(TRAINING, {"FOLDS": "0,1", "SETTINGS": ["train.lr=3e-5"], "NOTE": 'a "b"\n'})
    assert [cell["metadata"].get("tags") for cell in changed["cells"]] == [
        None,
        ["parameters"],
        ["injected-parameters"],
        None,
    ]
    assert len(TRAINING["cells"]) == 3
    space: dict = {}
    for cell in changed["cells"][1:3]:
        exec("".join(cell["source"]), space)
    assert (space["FOLDS"], space["SETTINGS"], space["NOTE"], space["SEEDS"]) == (
        "0,1",
        ["train.lr=3e-5"],
        'a "b"\n',
        1,
    )
    again = with_parameters(changed, {"SEEDS": 3})
    assert [cell["source"] for cell in again["cells"][1:3]][1] == ["# Parameters\n", "SEEDS = 3\n"]
    assert len(again["cells"]) == 4


def test_an_injected_notebook_is_a_valid_one():
    nbformat = pytest.importorskip("nbformat")
    nbformat.validate(nbformat.from_dict(with_parameters(TRAINING, {"SEEDS": 2})))


def test_without_values_a_notebook_stays_as_it_is():
    assert with_parameters(TRAINING, {}) == TRAINING


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("FOLDS=0,1", "0,1"),
        ("FOLDS=0", "0"),  # the number would read as "none" in `FOLDS or all`
        ("FOLDS=0,all", "0,all"),
        ("FOLDS=(3)", 3),
        ("FOLDS=[0, 1]", [0, 1]),
        ("FOLDS=None", None),
        ("NOTE=3", "3"),
        ("NOTE='3'", "3"),
        ("NOTE=a=b", "a=b"),
        ("SEEDS=20", 20),
        ("LR=1", 1),
        ("SETTINGS=['a']", ["a"]),
        ("FAST=True", True),
    ],
)
def test_a_value_is_a_literal_or_text_as_the_notebook_s_own(word, value):
    name = word.partition("=")[0]
    (found,) = parsed([word], TRAINING).values()
    assert (type(found), found) == (type(value), value)
    assert parsed([word], TRAINING).keys() == {name}


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("FOLD=1", "no parameter FOLD: it has NOTE, FOLDS, SEEDS"),
        ("SEEDS=many", "a whole number, such as 1"),
        ("SEEDS=True", "a whole number"),
        ("SETTINGS=a", "a list"),
        ("FAST=yes", "True or False"),
        ("SEEDS", "NAME=VALUE"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(word, said):
    with pytest.raises(UserError, match=said):
        parsed([word], TRAINING)


def test_a_notebook_without_parameters_takes_none():
    with pytest.raises(UserError, match='no cell tagged "parameters"'):
        with_parameters(notebook("A = 1", tags=()), {"A": 2})
    with pytest.raises(UserError, match="NAME = literal"):
        parameters(notebook("A = print()"))


@pytest.mark.parametrize(
    "line",
    ["A, B = 1, 2", "A = B = 1", "A: int", "A += 1", "A.b = 1", "import os", "A = -x", "if 1: A = 2", "A = {[]}"],
)
def test_a_line_that_is_no_parameter_is_refused_and_not_skipped(line):
    with pytest.raises(UserError, match=r"NAME = literal only, and not `" + re.escape(line.split()[0])):
        parameters(notebook("SEEDS = 1", line))


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem[:2])
def test_every_name_of_a_real_notebook_s_tagged_cell_is_a_parameter(path):
    real = read_notebook(path)
    (source,) = ["".join(cell["source"]) for cell in real["cells"] if "parameters" in cell["metadata"].get("tags", [])]
    nodes = ast.walk(ast.parse(source))
    assigned = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    assert assigned == parameters(real).keys() != set()


@pytest.mark.parametrize("content", ["", "[1]", '{"a": 1}'])
def test_what_is_no_notebook_is_told(tmp_path, content):
    path = tmp_path / "a.ipynb"
    with pytest.raises(UserError, match="is missing"):
        read_notebook(path)
    path.write_text(content)
    with pytest.raises(UserError, match=r"a\.ipynb is .*(notebook|JSON)"):
        read_notebook(path)
    path.write_text(json.dumps(TRAINING))
    assert read_notebook(path) == TRAINING
