"""The part of a bank that is built so far: a folder beside the bank's place, that can be gone on with after any end.

It holds plan.json (what goes where), samples.int16, and a journal with a line for every clip that is written, and
another for the tempo of songs (bank_tempo.py). A clip that the journal names is taken over where its bytes still have
their hash; whatever else was written is written again.
When the sources change, the folder is set aside as `<bank>.outdated`, and unchanged clips are copied from there.
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from messy_mashup.data.bank import FORMAT, SAMPLES, SEPARATED, Bank
from messy_mashup.data.bank_plan import Plan
from messy_mashup.data.bank_slot import MEASURES, SAMPLE_BYTES, Earlier, Measures
from messy_mashup.errors import UserError
from messy_mashup.files import write_whole
from messy_mashup.own_files import LARGE_BYTES, parse_json, read_bytes, read_object

PLAN = "plan.json"
JOURNAL = "journal.jsonl"
IDENTITY = ["clip", "path", "size", "mtime_ns", "length", "source_hz", "rate"]

Known = dict[tuple[Any, ...], Earlier]


def identity_of(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """What a clip's samples depend on: the same in an earlier bank, they are copied from there."""
    return (*(row[key] for key in IDENTITY), row.get(SEPARATED, ""))


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
    columns = [name for name in ("offset", *IDENTITY, SEPARATED) if name in plan.clips]
    clips = plan.clips[columns].to_dict("records")
    with write_whole(partial / PLAN) as temporary:
        temporary.write_text(json.dumps({"format": FORMAT, "digest": plan.digest, "clips": clips}))
    return partial


def add_to_journal(journal: TextIO, entry: list[Any]) -> None:
    """Note what is done; begins a line of its own even after one that was cut short."""
    journal.write("\n" + json.dumps(entry))
    journal.flush()


def journal_entries(partial: Path, name: str) -> Iterator[list[Any]]:
    """What a journal of a partial bank says; nothing where it is not there or of another version."""
    journal = partial / name
    lines = (
        read_bytes(journal, f"remove {partial}", LARGE_BYTES).splitlines()
        if _read_plan(partial) and journal.is_file()
        else []
    )
    for line in lines:
        with suppress(ValueError):  # of the line at which the build was killed
            if isinstance(entry := parse_json(line), list) and len(entry) == 2:
                yield entry


def slot_entry(clip: str, measures: Measures) -> list[Any]:
    """A journal's line for a clip that is written."""
    return [clip, asdict(measures)]


def known_clips(folder: Path, bank: Bank | None) -> Known:
    """What of a bank to be built in `folder` is there already: in what was set aside, in the bank that is, so far."""
    known = _known_in_partial(outdated_folder(folder))
    known |= _known_in_bank(bank) if bank is not None else {}
    return known | _known_in_partial(partial_folder(folder))


def _known_in_partial(partial: Path) -> Known:
    """Where a partial bank holds which clips, by its journal."""
    known = {}
    with suppress(KeyError, TypeError, AttributeError):  # what is no plan or journal of a bank is built again
        rows = {row["clip"]: row for row in _read_plan(partial).get("clips", [])}
        for clip, measures in journal_entries(partial, JOURNAL):
            if clip in rows:
                known[identity_of(rows[clip])] = Earlier(partial / SAMPLES, rows[clip]["offset"], Measures(**measures))
    return known


def _known_in_bank(bank: Bank) -> Known:
    """Where a finished bank holds which clips."""
    return {
        identity_of(row): Earlier(bank.root / SAMPLES, row["offset"], Measures(**{key: row[key] for key in MEASURES}))
        for row in bank.index.to_dict("records")
    }


def _read_plan(partial: Path) -> dict[str, Any]:
    """The plan of a partial bank; empty where there is none or it is of another version."""
    try:
        plan = read_object(partial / PLAN, "it is written again", most_bytes=LARGE_BYTES)
    except UserError:
        return {}
    return plan if plan.get("format") == FORMAT else {}


def _refuse_full_disk(folder: Path, needed_bytes: int) -> None:
    free_bytes = shutil.disk_usage(folder).free
    if needed_bytes > free_bytes:
        needed_mb, free_mb = needed_bytes / 1e6, free_bytes / 1e6
        raise UserError(
            f"{folder}: the bank needs {needed_mb:.1f} MB here, {free_mb:.1f} MB are free: make room, or name another "
            "folder with --bank"
        )
