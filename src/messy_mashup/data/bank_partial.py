"""The part of a bank that is built so far: a folder beside the bank's place, that can be gone on with after any end.

It holds plan.json (what goes where), samples.int16, and a journal with a line for every clip that is written. A clip
that the journal names is taken over where its bytes still have their hash; whatever else was written is written again.
When the sources change, the folder is set aside as `<bank>.outdated`, and unchanged clips are copied from there.
"""

import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from messy_mashup.data.bank import SAMPLES, Bank
from messy_mashup.data.bank_plan import Plan
from messy_mashup.data.bank_slot import MEASURES, SAMPLE_BYTES, Earlier, Measures
from messy_mashup.errors import UserError
from messy_mashup.files import write_whole

PLAN = "plan.json"
JOURNAL = "journal.jsonl"
IDENTITY = ["path", "size", "mtime_ns", "length", "source_hz"]

Known = dict[tuple[Any, ...], Earlier]


def partial_folder(folder: Path) -> Path:
    """Where the bank grows that will be `folder`."""
    return folder.with_name(f"{folder.name}.partial")


def outdated_folder(folder: Path) -> Path:
    """Where what `folder` or its partial folder was is kept, until a new bank is in its place."""
    return folder.with_name(f"{folder.name}.outdated")


def open_partial(folder: Path, plan: Plan) -> Path:
    """The partial folder of this plan, as it was left or new."""
    partial = partial_folder(folder)
    if _read_plan(partial).get("digest") == plan.digest:
        return partial
    if (partial / PLAN).is_file():
        shutil.rmtree(outdated_folder(folder), ignore_errors=True)
        os.replace(partial, outdated_folder(folder))
    shutil.rmtree(partial, ignore_errors=True)
    _refuse_full_disk(folder.parent, plan.samples * SAMPLE_BYTES)
    partial.mkdir()
    with (partial / SAMPLES).open("wb") as file:
        file.truncate(plan.samples * SAMPLE_BYTES)
    clips = plan.clips[["clip", "offset", *IDENTITY]].to_dict("records")
    with write_whole(partial / PLAN) as temporary:
        temporary.write_text(json.dumps({"digest": plan.digest, "clips": clips}))
    return partial


def add_to_journal(journal: TextIO, clip: str, measures: Measures) -> None:
    """Note that a clip is written; begins a line of its own even after one that was cut short."""
    journal.write("\n" + json.dumps([clip, asdict(measures)]))
    journal.flush()


def known_in_partial(partial: Path) -> Known:
    """Where a partial bank holds which source files, by its journal."""
    rows = {row["clip"]: row for row in _read_plan(partial).get("clips", [])}
    journal = partial / JOURNAL
    known = {}
    for line in journal.read_text().splitlines() if journal.is_file() else []:
        try:
            clip, measures = json.loads(line)
        except ValueError:  # the line at which the build was killed
            continue
        if clip in rows:
            identity = tuple(rows[clip][key] for key in IDENTITY)
            known[identity] = Earlier(partial / SAMPLES, rows[clip]["offset"], Measures(**measures))
    return known


def known_in_bank(bank: Bank) -> Known:
    """Where a finished bank holds which source files."""
    return {
        tuple(row[key] for key in IDENTITY): Earlier(
            bank.root / SAMPLES, row["offset"], Measures(**{key: row[key] for key in MEASURES})
        )
        for row in bank.index.to_dict("records")
    }


def _read_plan(partial: Path) -> dict[str, Any]:
    return json.loads((partial / PLAN).read_text()) if (partial / PLAN).is_file() else {}


def _refuse_full_disk(folder: Path, needed_bytes: int) -> None:
    free_bytes = shutil.disk_usage(folder).free
    if needed_bytes > free_bytes:
        needed_gb, free_gb = needed_bytes / 1e9, free_bytes / 1e9
        raise UserError(f"{folder}: the bank needs {needed_gb:.1f} GB here, {free_gb:.1f} GB are free")
