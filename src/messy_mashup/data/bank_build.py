"""Building a bank: each file decoded once, in parallel, in flat memory, interrupted at any time without loss.

It grows in a partial folder (bank_partial.py) and takes its name only when all is there, so a half-written bank is
never opened. Clips whose sources have not changed are copied from the bank that is being replaced.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from messy_mashup.claim import claimed
from messy_mashup.data import corpora
from messy_mashup.data.bank import (
    CARD,
    FORMAT,
    GUARD,
    INDEX,
    INDEX_TYPES,
    SAMPLE_RATE_HZ,
    SAMPLES,
    Bank,
    changes,
    content_digest,
    write_index,
)
from messy_mashup.data.bank_partial import (
    IDENTITY,
    JOURNAL,
    PLAN,
    Known,
    add_to_journal,
    known_in_bank,
    known_in_partial,
    open_partial,
    outdated_folder,
    partial_folder,
)
from messy_mashup.data.bank_plan import Plan, make_plan, whole_clips
from messy_mashup.data.bank_slot import MEASURES, Measures, Slot
from messy_mashup.data.bank_workers import filled
from messy_mashup.errors import UserError
from messy_mashup.files import write_whole

OnBroken = Callable[[Sequence[corpora.Broken]], None]


def refuse(broken: Sequence[corpora.Broken]) -> None:
    """End with an error that names all broken files."""
    raise corpora.BrokenFilesError(broken, "Mend or remove these, or go on without them with --skip-broken.")


def skip(broken: Sequence[corpora.Broken]) -> None:
    """Go on without the broken files and the songs they belong to, and say which they are."""
    told = corpora.named_at_once([item.sentence for item in broken])
    print(f"{len(broken)} left out, with the songs they belong to (all are listed in {CARD}):\n  {told}")


def build(corpus_name: str, root: Path, folder: Path, workers: int | None = None, on_broken: OnBroken = refuse) -> Bank:
    """Build the bank of the corpus at `root` in `folder`, or go on building it, or open it where nothing has changed.

    on_broken gets everything that is broken at once, when all the rest is decoded: `refuse` or `skip`. The bytes of
    the samples depend neither on the number of workers nor on interruptions.
    """
    root, folder = root.resolve(), folder.absolute()
    with _only_builder(folder):
        plan = make_plan(corpora.load(corpus_name).scan(root))
        old = _old_bank(folder, plan)
        if old is not None and old.listing == plan.digest:
            print("nothing has changed since the bank was built")
            _clear_away(folder)
            if old.skipped:
                on_broken(old.skipped)
            return old
        partial = open_partial(folder, plan)
        known = known_in_partial(outdated_folder(folder))
        known |= known_in_bank(old) if old is not None else {}
        measures, failed = _fill(plan, partial, known | known_in_partial(partial), workers or os.cpu_count() or 1)
        broken = (*plan.broken, *failed)
        if broken:
            on_broken(broken)
        _write_index_and_card(plan, partial, measures, broken)
        _take_place(folder)
        _clear_away(folder)
    return Bank.open(folder)


@contextmanager
def _only_builder(folder: Path) -> Iterator[None]:
    """Hold this bank; UserError names who builds it already."""
    if folder.exists() and not (folder.is_dir() and ((folder / CARD).is_file() or not any(folder.iterdir()))):
        raise UserError(f"{folder} exists and is no bank: name another folder with --bank, or remove it")
    with claimed(folder.with_name(f"{folder.name}.lock"), f"{folder} is being built"):
        yield


def _old_bank(folder: Path, plan: Plan) -> Bank | None:
    """The bank that is there already, having said what has changed since; None where there is none to use."""
    if not (folder / CARD).is_file():
        return None
    try:
        old = Bank.open(folder)
    except UserError as error:
        print(f"building it anew: {error}")
        return None
    if old.listing != plan.digest:
        now = plan.clips[~plan.clips["path"].isin(old.left_out)]
        told = changes(_identities(old.index), _identities(now)) or "what was left out, or the folder of the data"
        print(f"the data are not those of the bank {folder}, which is built again: {told}")
    return old


def _identities(clips: pd.DataFrame) -> dict[str, tuple[int, int]]:
    return dict(zip(clips["path"], zip(clips["size"], clips["mtime_ns"], strict=True), strict=True))


def _fill(plan: Plan, partial: Path, known: Known, workers: int) -> tuple[dict[str, Measures], list[corpora.Broken]]:
    """Fill every slot of the plan; gives the measures by clip, and what proved to be broken, in the plan's order."""
    slots = [_slot(row, plan.corpus.root, partial, known) for row in plan.clips.to_dict("records")]
    ready = sum(slot.earlier is not None for slot in slots)
    if ready:
        print(f"{ready} of {len(slots)} clips are there already")
    if plan.broken:
        print(f"{len(plan.broken)} are broken; they are named when the rest is decoded")
    measures: dict[str, Measures] = {}
    failed: dict[str, corpora.Broken] = {}
    with (
        (partial / JOURNAL).open("a") as journal,
        tqdm(total=len(slots), desc="bank", unit="clip") as bar,
    ):
        for slot, result in filled(slots, workers):
            if isinstance(result, UserError):
                failed[slot.clip] = corpora.Broken(slot.path, str(result))
            else:
                measures[slot.clip] = result
                add_to_journal(journal, slot.clip, result)
            bar.update()
    return measures, [failed[slot.clip] for slot in slots if slot.clip in failed]


def _slot(row: dict, root: Path, partial: Path, known: Known) -> Slot:
    return Slot(
        root=root,
        samples=partial / SAMPLES,
        sample_rate_hz=SAMPLE_RATE_HZ,
        earlier=known.get(tuple(row[key] for key in IDENTITY)),
        **{key: row[key] for key in ("clip", "path", "size", "mtime_ns", "offset", "length")},
    )


def _write_index_and_card(
    plan: Plan, partial: Path, measures: dict[str, Measures], broken: Sequence[corpora.Broken]
) -> None:
    clips = whole_clips(plan.clips, {item.path for item in broken})
    measured = pd.DataFrame([asdict(measures[clip]) for clip in clips["clip"]], columns=list(MEASURES))
    index = pd.concat([clips, measured], axis=1)[list(INDEX_TYPES)].astype(INDEX_TYPES)
    _refuse_lost_classes(plan, index)
    with (partial / SAMPLES).open("rb") as samples:
        os.fsync(samples.fileno())
    table = write_index(index)
    with write_whole(partial / INDEX) as temporary:
        temporary.write_bytes(table)
    card = {
        "format": FORMAT,
        "corpus": plan.corpus.name,
        "source": str(plan.corpus.root),
        "sample_rate_hz": SAMPLE_RATE_HZ,
        "guard": GUARD,
        "samples": plan.samples,
        "digest": content_digest(index, SAMPLE_RATE_HZ),
        "index_sha256": hashlib.sha256(table).hexdigest(),
        "listing": plan.digest,
        "skipped": [asdict(item) for item in broken],
        "left_out": sorted(set(plan.corpus.clips["path"]) - set(index["path"])),
    }
    with write_whole(partial / CARD) as temporary:
        temporary.write_text(json.dumps(card, indent=1))


def _refuse_lost_classes(plan: Plan, index: pd.DataFrame) -> None:
    lost = sorted(set(plan.corpus.classes) - set(index.loc[index["kind"] != "noise", "label"]))
    if lost:
        raise UserError(
            f"{plan.corpus.root}: no whole song is left of {', '.join(lost)}: mend some, or remove the class"
        )


def _take_place(folder: Path) -> None:
    """Give the finished partial folder its name; killed at any point in here, the next build does the rest."""
    shutil.rmtree(outdated_folder(folder), ignore_errors=True)
    if folder.exists():
        os.replace(folder, outdated_folder(folder))
    os.replace(partial_folder(folder), folder)


def _clear_away(folder: Path) -> None:
    """Remove what only building needed."""
    for name in (PLAN, JOURNAL):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(outdated_folder(folder), ignore_errors=True)
    shutil.rmtree(partial_folder(folder), ignore_errors=True)
