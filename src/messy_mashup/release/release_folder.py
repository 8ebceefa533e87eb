"""The folder of a release: built beside its place, put there in one step, and never over anything but a release."""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from messy_mashup.errors import UserError
from messy_mashup.files import file_digest, write_faults_told
from messy_mashup.own_files import read_object
from messy_mashup.recipe_text import to_json
from messy_mashup.release import onnx_file, usage
from messy_mashup.release.hub_upload import RELEASE_FILE
from messy_mashup.release.model_card import CONFUSION, Card, card_text, public_recipe
from messy_mashup.release.released_members import Member, Released
from messy_mashup.release.transformers_folder import write_transformers_folder
from messy_mashup.scoring.ensemble import Blend, equal_blend
from messy_mashup.scoring.plots import confusion_picture
from messy_mashup.scoring.predict import Listener
from messy_mashup.training.run_folder import weights_digest
from messy_mashup.training.trained import load_member

FORMAT = 1
ONNX_FILE = "model.onnx"
WriteONNX = Callable[[Path, Sequence[Listener], Blend], None]


@dataclass(frozen=True)
class Written:
    """A release that has been written."""

    folder: Path
    files: tuple[str, ...]
    loads: bool  # whether transformers loads its root


def write_release(out: Path, released: Released, card: Card, write_onnx: WriteONNX = onnx_file.write_onnx) -> Written:
    """Write the release to `out`; an older release there is replaced whole, anything else is refused.

    write_onnx: for members that transformers does not load.
    """
    with _replaced(out) as folder:
        listeners = {}
        for member in released.members:
            listeners[member.name] = _write_member(folder / released.place(member), released, member, write_onnx)
        _write_about(folder, released, card, listeners)
        files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        digests = {name: file_digest(folder / name).hex() for name in files}
        content = {"format": FORMAT, "kind": released.subject.kind, "name": released.subject.name, "files": digests}
        (folder / RELEASE_FILE).write_text(json.dumps(content, indent=1) + "\n")
    return Written(out, (*files, RELEASE_FILE), released.root.is_plain_ast)


def refuse_other(out: Path) -> None:
    """UserError where `out` holds something that is not, to the byte, what a release left there."""
    if not out.exists():
        return
    if not out.is_dir():
        raise UserError(f"--out {out} is a file: name a folder")
    files = {path.relative_to(out).as_posix() for path in out.rglob("*") if not path.is_dir()}
    if not files:
        return
    try:
        digests = read_object(out / RELEASE_FILE, "name another folder")["files"]
        strange = sorted(files - digests.keys() - {RELEASE_FILE})
    except (UserError, KeyError, TypeError, AttributeError):
        raise UserError(f"{out} holds something else than a release: name another folder with --out") from None
    strange += [name for name in sorted(files & digests.keys()) if file_digest(out / name).hex() != digests[name]]
    if strange:
        raise UserError(
            f"{out / strange[0]} was put there or changed since the release was written, and would be lost: move it "
            "away, or name another folder with --out"
        )


@contextmanager
def _replaced(out: Path) -> Iterator[Path]:
    """A folder beside `out` that takes its place when the block ends well, and goes when it does not."""
    refuse_other(out)
    built = out.with_name(f".{out.name}.{os.getpid()}.partial")
    before = out.with_name(f".{out.name}.{os.getpid()}.replaced")
    with write_faults_told(out):
        built.mkdir(parents=True)
        try:
            yield built
            refuse_other(out)
            if out.exists():
                os.replace(out, before)
            os.replace(built, out)
        finally:
            if before.exists() and not out.exists():
                os.replace(before, out)
            shutil.rmtree(built, ignore_errors=True)
            shutil.rmtree(before, ignore_errors=True)


def _write_member(folder: Path, released: Released, member: Member, write_onnx: WriteONNX) -> Listener:
    folder.mkdir(parents=True, exist_ok=True)
    listener = load_member(member.folder, torch.device("cpu"))
    if member.is_plain_ast:
        write_transformers_folder(folder, listener)
        for path in folder.glob("*.safetensors"):
            path.chmod(0o644)  # the library writes them for their owner alone
    else:
        alone = equal_blend(member.run, [member.name], [weights_digest(member.folder)])
        write_onnx(folder / ONNX_FILE, [listener], alone)
        (folder / "labels.json").write_text(usage.labels_text(released.classes))
    (folder / "recipe.json").write_text(to_json(public_recipe(member.recipe)))
    return listener


def _write_about(folder: Path, released: Released, card: Card, listeners: dict[str, Listener]) -> None:
    """The card with its picture, and the rule of a blend."""
    figures = card.figures
    title = f"{released.subject.name}, held-out songs"
    confusion_picture(figures.confusion, released.classes, folder / CONFUSION, title)
    if released.blend:
        (folder / "blend.json").write_text(json.dumps(_public_blend(released, listeners), indent=1) + "\n")
    (folder / "README.md").write_text(card_text(released, card, listeners), encoding="utf-8")


def _public_blend(released: Released, listeners: dict[str, Listener]) -> dict:
    """The rule, and where each member lies; nothing of this machine's folders."""
    blend = released.blend
    counted = dict(zip(blend.members, blend.counted_for, strict=True))
    asts = [listeners[member.name] for member in released.members if member.is_plain_ast]
    members = [
        {
            "folder": released.place(member),
            "format": usage.ast_format(asts, listeners[member.name]) if member.is_plain_ast else "onnx",
            "counted_for": counted[member.name],
        }
        for member in released.members
    ]
    combiner = vars(blend.rule.combiner)
    rule = {"runs": blend.runs, "temperatures": blend.rule.temperatures, "combiner": combiner}
    return {"name": blend.name, "method": blend.method, "labels": released.classes, "members": members} | rule
