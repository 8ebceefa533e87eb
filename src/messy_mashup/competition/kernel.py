"""The notebooks as steps on Kaggle: what each needs, what a kernel of it is made of, and how it is pushed."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from messy_mashup.competition import kernel_session
from messy_mashup.competition.client import SITE, SLUG, told, unheard, username
from messy_mashup.competition.outgoing import check_text
from messy_mashup.errors import UserError

if TYPE_CHECKING:
    from kaggle.api.kaggle_api_extended import KaggleApi

METADATA = "kernel-metadata.json"
GPU_SHAPE = "NvidiaTeslaT4"  # Kaggle's name of "GPU T4 x2"
IMAGE = "latest"


class Weights(Enum):
    """Whether the data set of pretrained weights is attached."""

    NONE = "none"
    IF_THERE = "if there"
    NEEDED = "needed"


@dataclass(frozen=True)
class Step:
    """A notebook as a kernel. Of each group in `after` at least one step must have run; all that have are attached."""

    number: str
    notebook: str
    title: str
    gpu: bool = False
    internet: bool = False
    weights: Weights = Weights.NONE
    after: tuple[tuple[str, ...], ...] = ()


STEPS = (
    Step("01", "01_look_and_listen.ipynb", "Messy Mashup 01 Look and listen"),
    Step("02", "02_bank_and_mashups.ipynb", "Messy Mashup 02 Bank and mashups"),
    Step(
        "03",
        "03_train_ast.ipynb",
        "Messy Mashup 03 Train AST",
        gpu=True,
        weights=Weights.NEEDED,
        after=(("02",),),
    ),
    Step(
        "04",
        "04_train_resnet34.ipynb",
        "Messy Mashup 04 Train ResNet34",
        gpu=True,
        weights=Weights.IF_THERE,  # its recipe needs none, its SETTINGS may name ImageNet's
        after=(("02",),),
    ),
    Step("05", "05_evaluate.ipynb", "Messy Mashup 05 Evaluate", after=(("02",), ("03", "04"))),
    Step("06", "06_blend_and_submission.ipynb", "Messy Mashup 06 Blend and submission", after=(("03", "04"),)),
    Step("07", "07_submit_and_track.ipynb", "Messy Mashup 07 Submit and track", internet=True, after=(("06",),)),
)


@dataclass(frozen=True)
class Sources:
    """What is mounted below a kernel's input, beside the competition's data; each as `owner/name`."""

    data_sets: tuple[str, ...] = ()
    kernels: tuple[str, ...] = ()
    models: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pushed:
    """A version of a kernel that Kaggle has taken."""

    url: str
    version: int | None


def step_named(number: str) -> Step:
    """The step of that number, `3` or `03`."""
    for step in STEPS:
        if step.number == number.zfill(2):
            return step
    listed = ", ".join(f"{step.number} ({step.notebook})" for step in STEPS)
    raise UserError(f"there is no step {number}; there are {listed}")


def slug(step: Step, part: int = 1) -> str:
    """The last part of the kernel's address: messy-mashup-03-train-ast, and -part-2 for what goes on from it."""
    name = "messy-mashup-" + Path(step.notebook).stem.replace("_", "-")
    return name if part == 1 else f"{name}-part-{part}"


def title(step: Step, part: int = 1) -> str:
    """Its title, of which Kaggle makes that slug."""
    return step.title if part == 1 else f"{step.title} part {part}"


def metadata(user: str, step: Step, part: int, sources: Sources) -> dict[str, Any]:
    """The fields of kernel-metadata.json."""
    fields = {
        "id": f"{user}/{slug(step, part)}",
        "title": title(step, part),
        "code_file": step.notebook,
        "language": "python",
        "kernel_type": "notebook",
        "is_private": True,
        "enable_gpu": step.gpu,
        "enable_tpu": False,
        "enable_internet": step.internet,
        "docker_image_pinning_type": IMAGE,
        "keywords": [],
        "competition_sources": [SLUG],
        "dataset_sources": list(sources.data_sets),
        "kernel_sources": list(sources.kernels),
        "model_sources": list(sources.models),
    }
    return fields | ({"machine_shape": GPU_SHAPE} if step.gpu else {})


def stage(folder: Path, notebook: dict[str, Any], fields: dict[str, Any]) -> None:
    """Write the two files that the client pushes: the notebook, which may hold no credential, and its metadata."""
    text = json.dumps(notebook, indent=1, ensure_ascii=False)
    check_text(text, f"the notebook {fields['code_file']}, or what --set puts into it,")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / fields["code_file"]).write_text(json.dumps(notebook, indent=1) + "\n", encoding="utf-8")
    (folder / METADATA).write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")


def kernels_before(api: "KaggleApi", step: Step, part: int, say: Callable[[str], None]) -> tuple[str, ...]:
    """`user/slug` of every part of the steps before and of the step's own earlier parts, as far as Kaggle has them.

    What is missing, still runs or has failed is said; UserError where nothing can be gone on from.
    """
    found, earlier = [], {}
    for number in dict.fromkeys(number for group in step.after for number in group):
        earlier[number] = _parts(api, step_named(number), None, say)
        found += earlier[number]
        if not earlier[number]:
            say(f"{slug(step_named(number))} is not on Kaggle, so it is not attached")
    for group in step.after:
        if not any(earlier[number] for number in group):
            commands = " or ".join(f"`python src/push.py {number}`" for number in group)
            raise UserError(f"step {step.number} goes on from what is not on Kaggle yet: run {commands} first")
    own = _parts(api, step, part, say) if part > 1 else []
    if len(own) < part - 1:
        raise UserError(f"part {part} goes on from {slug(step, len(own) + 1)}, which is not on Kaggle: push that first")
    return (*found, *own)


def left_out(kernels: Sequence[str], without: Sequence[str]) -> tuple[str, ...]:
    """The kernels but those of `without`, each `user/slug` or slug; UserError for one that is not among them."""
    unknown = [name for name in without if not any(_is_called(kernel, name) for kernel in kernels)]
    if unknown:
        known = f"only {', '.join(kernels)}" if kernels else "none is"
        raise UserError(f"--without {', '.join(unknown)}: no kernel of that name is attached; {known}")
    return tuple(kernel for kernel in kernels if not any(_is_called(kernel, name) for name in without))


def push(api: "KaggleApi", folder: Path) -> Pushed:
    """Push what `stage` wrote; UserError where Kaggle refuses it or does not know one of its sources."""
    fields = json.loads((folder / METADATA).read_text(encoding="utf-8"))
    with told(f"pushing {fields['id']}"), unheard():
        answer = api.kernels_push(str(folder))
    if answer.error:
        raise UserError(f"Kaggle refuses {fields['id']}: {answer.error}; mend that, then push again")
    invalid = {
        "data sets": answer.invalid_dataset_sources,
        "competitions": answer.invalid_competition_sources,
        "kernels": answer.invalid_kernel_sources,
        "models": answer.invalid_model_sources,
    }
    said = "; ".join(f"{kind} {', '.join(names)}" for kind, names in invalid.items() if names)
    if said:
        raise UserError(
            f"Kaggle saved {fields['id']} and left out sources that it does not know or that this account may not "
            f"use: {said}. See that they exist (and that the competition's rules are accepted), then push again"
        )
    return Pushed(answer.url or f"{SITE}/code/{fields['id']}", answer.version_number)


def changed_step(step: Step, gpu: bool | None, internet: bool | None) -> Step:
    """The step with another machine than its own; None leaves what it has."""
    step = step if gpu is None else replace(step, gpu=gpu)
    return step if internet is None else replace(step, internet=internet)


def _is_called(kernel: str, name: str) -> bool:
    return name in (kernel, kernel.rsplit("/", 1)[-1])


def _parts(api: "KaggleApi", step: Step, before: int | None, say: Callable[[str], None]) -> Sequence[str]:
    """The parts that Kaggle has, from the first to that before `before`, or to the last."""
    found: list[str] = []
    while before is None or len(found) + 1 < before:
        name = slug(step, len(found) + 1)
        session = kernel_session.session(api, name)
        if session is None:
            break
        if not session.ended:
            say(f"{name} is {session.state}: what it has yet to write will not be there; push again when it is done")
        elif session.failed:
            say(f"{name} has failed ({session.state}): what it left is attached")
        found.append(f"{username(api)}/{name}")
    return found
