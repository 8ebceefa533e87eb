"""From clone to Kaggle: push a notebook with the code it needs, follow it, fetch what it left.

    python src/push.py 03 [--set FOLDS=0,1] [--part 2] [--wait]    pack src/, send it, run notebook 03 as a kernel
    python src/push.py 03 --status | --logs | --fetch [--wait]     how far it is, its log, its output into runs/
    python src/push.py --weights                                   once: pretrained weights as a data set
    python src/push.py --quota                                     GPU hours used and left

The steps are 01 to 07, as the notebooks are. A kernel gets the code as the data set <user>/messy-mashup-code, with
its commit, the weights as <user>/messy-mashup-weights, and the output of the steps before and of its own earlier
parts, but for kernels that --without names. `--part 2` goes on where a session ended. Changes that no commit holds are
refused, unless --dirty. With `--stage DIR` everything is written there and nothing is sent. When Kaggle cannot be
reached, a command may take minutes before it says so.
"""

import argparse
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from messy_mashup import paths
from messy_mashup.errors import Stopped, UserError, run_script

if TYPE_CHECKING:
    from kaggle.api.kaggle_api_extended import KaggleApi

    from messy_mashup.competition.kernel import Sources, Step
    from messy_mashup.competition.kernel_session import Session
    from messy_mashup.competition.weights import Source

NOTEBOOKS = "notebooks"
CHANGES_SHOWN = 10
say = partial(print, flush=True)


def main() -> None:
    """Parse, then the one thing that is asked for."""
    options = _options()
    from messy_mashup.competition.client import connect
    from messy_mashup.competition.kernel import slug, step_named
    from messy_mashup.competition.kernel_session import quota_lines

    if options.quota:
        say("\n".join(quota_lines(connect())))
        return
    if options.weights:
        _send_weights(_weight_sources())
        return
    step = step_named(options.step)
    name = slug(step, options.part)
    if options.status:
        _print_status(connect(), name)
    elif options.logs:
        _print_log(connect(), name, options)
    elif options.fetch:
        _fetch(connect(), name, options)
    else:
        _push(options, step, name)


def _push(options: argparse.Namespace, step: "Step", name: str) -> None:
    from messy_mashup.competition import kernel, notebook_file, packing
    from messy_mashup.competition.client import connect, username

    root = paths.REPOSITORY
    notebook = notebook_file.read_notebook(root / NOTEBOOKS / step.notebook)
    notebook = notebook_file.with_parameters(notebook, notebook_file.parsed(options.set, notebook))
    if not options.dirty:
        _refuse_changes(packing.changes(root))
    step = kernel.changed_step(step, options.gpu, options.internet)
    api = connect()
    sources = _sources(api, step, options)
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.stage or Path(scratch)
        code, files = folder / "code", folder / "kernel"
        version = packing.pack_code(root, code, (*packing.WHEELS, *options.wheel))
        kernel.stage(files, notebook, kernel.metadata(username(api), step, options.part, sources))
        if options.stage:
            say(f"{folder}: written, nothing was sent")
            return
        _send_code(api, code, version.commit, version.clean)
        pushed = kernel.push(api, files)
    say(f"{name}: version {pushed.version} runs at {pushed.url}")
    if options.wait:
        _wait(api, name, options)


def _refuse_changes(changes: list[str] | None) -> None:
    if changes is None:
        raise UserError("git knows no commit of this code, so a score could not be traced to it: commit, or --dirty")
    if changes:
        listed = "".join(f"\n  {change}" for change in changes[:CHANGES_SHOWN])
        more = f"\n  … and {len(changes) - CHANGES_SHOWN} more" if len(changes) > CHANGES_SHOWN else ""
        raise UserError(
            f"{len(changes)} files differ from the commit: commit them, or push with --dirty:{listed}{more}"
        )


def _sources(api: "KaggleApi", step: "Step", options: argparse.Namespace) -> "Sources":
    """Everything the kernel is given; UserError where something it needs is not on Kaggle."""
    from messy_mashup.competition import data_set, kernel

    sets = [data_set.reference(api, data_set.CODE_SET), *options.dataset]
    if step.weights is not kernel.Weights.NONE:
        weights = data_set.reference(api, data_set.WEIGHTS_SET)
        if data_set.current(api, weights):
            sets.append(weights)
        elif step.weights is kernel.Weights.NEEDED and not options.model and not options.dataset:
            raise UserError(
                f"step {step.number} needs pretrained weights, and there is no data set {weights}: run `python "
                "src/push.py --weights` once, or attach some with --model or --dataset"
            )
    before = kernel.left_out(kernel.kernels_before(api, step, options.part, say), options.without)
    say(f"attached kernels: {', '.join(before) or 'none'}")
    return kernel.Sources(tuple(sets), before, tuple(options.model))


def _send_code(api: "KaggleApi", folder: Path, commit: str, clean: str) -> None:
    from messy_mashup.competition import data_set

    state = {"yes": "", "no": " with changes"}.get(clean, " (unknown)")
    data_set.publish(api, folder, data_set.CODE_SET, "MIT", f"commit {commit or 'unknown'}{state}", say)


def _wait(api: "KaggleApi", name: str, options: argparse.Namespace) -> None:
    from messy_mashup.competition import kernel_session

    try:
        ended = kernel_session.wait(api, name, say)
    except KeyboardInterrupt:
        raise Stopped(
            f"no longer waiting; {name} runs on. Wait again with `{_again(options)} --fetch --wait`"
        ) from None
    _fetch_ended(api, name, ended, options)


def _fetch(api: "KaggleApi", name: str, options: argparse.Namespace) -> None:
    from messy_mashup.competition import kernel_session

    if options.wait:
        _wait(api, name, options)
        return
    found = kernel_session.existing_session(api, name)
    if not found.ended:
        raise UserError(f"{name} is {found.state}: fetch its output when it has ended, or add --wait")
    _fetch_ended(api, name, found, options)


def _fetch_ended(api: "KaggleApi", name: str, ended: "Session", options: argparse.Namespace) -> None:
    """Fetch what the run left, also where it failed, which is then said."""
    from messy_mashup.competition import kernel_output, kernel_session

    places = kernel_output.Places(paths.runs(), paths.submissions())
    wanted = kernel_output.Wanted(banks=options.banks, replace=options.force)
    fetched = kernel_output.fetch(api, name, places, wanted, say)
    say(f"{name}: {fetched.new} files fetched, {fetched.kept} were there")
    if ended.failed:
        raise kernel_session.failure(name, ended, _log(api, name))


def _again(options: argparse.Namespace) -> str:
    """The command that names the same kernel."""
    return f"python src/push.py {options.step}" + (f" --part {options.part}" if options.part > 1 else "")


def _print_status(api: "KaggleApi", name: str) -> None:
    from messy_mashup.competition import kernel_session

    found = kernel_session.existing_session(api, name)
    if found.failed:
        raise kernel_session.failure(name, found, _log(api, name))
    say(f"{name}: {found.state}")


def _print_log(api: "KaggleApi", name: str, options: argparse.Namespace) -> None:
    from messy_mashup.competition import kernel_session

    found = kernel_session.existing_session(api, name)
    lines = _log(api, name)
    say(
        "\n".join(lines)
        if lines
        else f"{name} is {found.state} and has no log here yet: {_again(options)} --fetch --wait shows it as it comes"
    )


def _log(api: "KaggleApi", name: str) -> list[str]:
    from messy_mashup.competition import kernel_session

    return kernel_session.log_lines(kernel_session.output_page(api, name).log or "")


def _weight_sources() -> "Sequence[Source]":
    from messy_mashup import recipes
    from messy_mashup.competition.weights import RESNET34, Source

    ast, resnet34 = (recipes.load(f"messy_mashup_{name}").backbone for name in ("ast", "resnet34"))
    return (Source(ast.weights, ast), Source(RESNET34, resnet34))


def _send_weights(sources: "Sequence[Source]") -> None:
    from messy_mashup.competition import data_set, weights
    from messy_mashup.competition.client import connect

    api = connect()
    data_set.current(api, data_set.reference(api, data_set.WEIGHTS_SET))  # credentials that are refused end it here
    fetched = weights.fetch(sources, paths.inputs() / weights.FOLDER, say)
    with tempfile.TemporaryDirectory() as scratch:
        weights.pack_weights(fetched, Path(scratch))
        names = ", ".join(source.name for source in sources)
        data_set.publish(api, Path(scratch), data_set.WEIGHTS_SET, "other", names, say)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("step", nargs="?", metavar="STEP", help="number of a notebook, 01 to 07")
    parser.add_argument("--part", type=int, default=1, metavar="N", help="a kernel of its own that goes on from N - 1")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="change a parameter")
    parser.add_argument("--dirty", action="store_true", help="push changes that no commit holds")
    parser.add_argument("--wait", action="store_true", help="show the log until it ends, then fetch the output")
    parser.add_argument("--stage", type=Path, metavar="DIR", help="write what would be sent into DIR, send nothing")
    parser.add_argument("--gpu", action=argparse.BooleanOptionalAction, help="GPU T4 x2 (default: what the step needs)")
    parser.add_argument("--internet", action=argparse.BooleanOptionalAction, help="default: only step 07")
    parser.add_argument("--wheel", action="append", default=[], metavar="NAME==VERSION", help="pack this wheel too")
    parser.add_argument("--dataset", action="append", default=[], metavar="OWNER/NAME", help="attach this data set too")
    without = "do not attach this kernel of a step before"
    parser.add_argument("--without", action="append", default=[], metavar="KERNEL", help=without)
    model = "attach this model: OWNER/MODEL/FRAMEWORK/VARIATION/VERSION"
    parser.add_argument("--model", action="append", default=[], metavar="MODEL", help=model)
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--status", action="store_true", help="how far the step's kernel is")
    action.add_argument("--logs", action="store_true", help="its log")
    action.add_argument("--fetch", action="store_true", help="its output, into runs/ and submissions/")
    action.add_argument("--quota", action="store_true", help="accelerator hours used and left this week")
    action.add_argument("--weights", action="store_true", help="fetch pretrained weights and send them as a data set")
    parser.add_argument("--force", action="store_true", help="fetching: replace files here that differ")
    parser.add_argument("--banks", action="store_true", help="fetching: banks too, which are large")
    options = parser.parse_args()
    if bool(options.step) == (options.quota or options.weights):
        parser.error("name one step, 01 to 07, or ask for --quota or --weights")
    if options.part < 1:
        parser.error("--part: give the number of the part, 1 or more")
    return options


if __name__ == "__main__":
    run_script(main)
