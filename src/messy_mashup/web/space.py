"""The page as a Hugging Face Space: a folder that a Space runs as it is."""

import re
import shutil
from pathlib import Path

from messy_mashup.data.bank import Bank
from messy_mashup.errors import UserError
from messy_mashup.files import write_faults_told
from messy_mashup.paths import BANKS, REPOSITORY
from messy_mashup.scoring.ensemble import Blend, save_blend
from messy_mashup.training.run_folder import RECIPE, WEIGHTS

REQUIREMENTS = "requirements.txt"
# What predicts and draws; Gradio comes with the Space, in the version that its README names
NEEDED = (
    "torch",
    "torchvision",
    "timm",
    "transformers",
    "safetensors",
    "numpy",
    "pandas",
    "scikit-learn",
    "librosa",
    "soundfile",
    "soxr",
    "pydantic",
    "matplotlib",
    "tqdm",
    "peft",
    "pillow",
)
MARK = "app_file: src/app.py"
README = """---
title: Messy Mashup
sdk: gradio
sdk_version: {gradio}
{mark}
python_version: "3.12"
---

Music genre classification of noisy mashups: `src/app.py` with the blend `{blend}`, {members} members{stems}.
"""


def write_space(out: Path, runs: Path, blend: Blend, bank: Bank | None) -> None:
    """Write code, blend, members and bank; UserError where the folder holds anything else than such a Space."""
    if out.exists() and any(out.iterdir()) and MARK not in _text(out / "README.md"):
        raise UserError(f"{out} is not empty, and no Space of this page: name another folder, or remove it")
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    with write_faults_told(out):
        try:
            _fill(partial, runs, blend, bank)
            shutil.rmtree(out, ignore_errors=True)
            partial.replace(out)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def _fill(folder: Path, runs: Path, blend: Blend, bank: Bank | None) -> None:
    hidden = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")
    shutil.copytree(REPOSITORY / "src", folder / "src", ignore=hidden)
    for member in blend.members:
        to = folder / "runs" / member
        to.mkdir(parents=True)
        for name in (RECIPE, WEIGHTS):
            shutil.copy2(runs / member / name, to / name)
    save_blend(blend, folder / "runs")
    if bank:
        shutil.copytree(bank.root, folder / "runs" / BANKS / bank.root.name, ignore=hidden)
    versions = _versions()
    (folder / REQUIREMENTS).write_text("".join(f"{name}=={versions[name]}\n" for name in NEEDED))
    stems = f", and a bank of {len(bank.select('stem'))} stems" if bank else ""
    about = {"gradio": versions["gradio"], "mark": MARK, "blend": blend.name, "members": len(blend.members)}
    (folder / "README.md").write_text(README.format(**about, stems=stems))


def _versions() -> dict[str, str]:
    """The versions that the repository's own requirements pin."""
    pins = re.findall(r"^([\w-]+)==([\w.]+)", (REPOSITORY / REQUIREMENTS).read_text(), re.M)
    return dict(pins)


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.is_file() else ""
