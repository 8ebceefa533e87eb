"""The page as a Hugging Face Space: a folder that a Space runs as it is, and that names no place of this machine."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from messy_mashup.data.bank import Bank
from messy_mashup.errors import UserError
from messy_mashup.files import write_faults_told
from messy_mashup.paths import BANKS, REPOSITORY
from messy_mashup.scoring.ensemble import Blend, save_blend
from messy_mashup.training.run_folder import RECIPE, WEIGHTS, load_weights, save_weights, weights_digest

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
CARD = "README.md"
SKIPPED = "skipped"  # in a bank's card
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
    """Write code, blend, members and bank; UserError where the folder holds anything else than such a Space.

    A Space is a git repository: what git keeps in the folder stays.
    """
    out = out.resolve()
    _refuse(out, [REPOSITORY, runs, *([bank.root] if bank else [])])
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    with write_faults_told(out):
        try:
            _fill(partial, runs, blend, bank)
            _take_place(partial, out)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def _refuse(out: Path, sources: list[Path]) -> None:
    """UserError where the folder is no Space of this page, nor empty, or is what the Space is written from."""
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file: name a folder for the Space")
    if any(source.resolve().is_relative_to(out) for source in sources):
        raise UserError(f"{out} holds what the Space is made of: name another folder")
    if out.exists() and any(not _is_gits(path) for path in out.iterdir()) and MARK not in _text(out / CARD):
        raise UserError(f"{out} is not empty, and no Space of this page: name another folder, or remove it")


def _take_place(partial: Path, out: Path) -> None:
    """Put what was written in the place of what is there. The card, which tells a Space, goes last and is never away,
    so that this can be done again after a kill.
    """
    out.mkdir(parents=True, exist_ok=True)
    for path in out.iterdir():
        if path.name != CARD and not _is_gits(path):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    if not (out / CARD).exists():
        (out / CARD).write_text(MARK)
    for path in sorted(partial.iterdir(), key=lambda path: path.name == CARD):
        path.replace(out / path.name)


def _is_gits(path: Path) -> bool:
    """.git, and what tells git how to keep files."""
    return path.name in (".git", ".gitattributes", ".gitignore")


def _fill(folder: Path, runs: Path, blend: Blend, bank: Bank | None) -> None:
    hidden = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")
    shutil.copytree(REPOSITORY / "src", folder / "src", ignore=hidden)
    for member in blend.members:
        _copy_member(runs / member, folder / "runs" / member)
    weights = tuple(weights_digest(folder / "runs" / member) for member in blend.members)
    save_blend(replace(blend, weights=weights), folder / "runs")
    if bank:
        shutil.copytree(bank.root, folder / "runs" / BANKS / bank.root.name, ignore=hidden)
    for path in (folder / "runs").rglob("*.json"):
        path.write_text(json.dumps(_without_places(json.loads(path.read_text())), indent=1))
    versions = _versions()
    (folder / REQUIREMENTS).write_text("".join(f"{name}=={versions[name]}\n" for name in NEEDED))
    stems = f", and a bank of {len(bank.select('stem'))} stems" if bank else ""
    about = {"gradio": versions["gradio"], "mark": MARK, "blend": blend.name, "members": len(blend.members)}
    (folder / CARD).write_text(README.format(**about, stems=stems))


def _copy_member(member: Path, to: Path) -> None:
    """A member's recipe and weights, whose card names its recipe too."""
    to.mkdir(parents=True)
    shutil.copy2(member / RECIPE, to / RECIPE)
    tensors, card = load_weights(member / WEIGHTS)
    if _without_places(card) == card:
        shutil.copy2(member / WEIGHTS, to / WEIGHTS)
    else:
        save_weights(to / WEIGHTS, tensors, _without_places(card))


def _without_places(content: Any) -> Any:
    """What a JSON file holds, with the last part of every absolute path in place of the whole, and without a bank's
    sentences about the files that it lacks, which name them.
    """
    if isinstance(content, dict):
        return {key: [] if key == SKIPPED else _without_places(value) for key, value in content.items()}
    if isinstance(content, list):
        return [_without_places(value) for value in content]
    return Path(content).name if isinstance(content, str) and Path(content).expanduser().is_absolute() else content


def _versions() -> dict[str, str]:
    """The versions that the repository's own requirements pin."""
    pins = re.findall(r"^([\w-]+)==([\w.]+)", (REPOSITORY / REQUIREMENTS).read_text(), re.M)
    return dict(pins)


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.is_file() else ""
