"""Building a bank: each file decoded once, in parallel, in flat memory, interrupted at any time without loss.

It grows in a partial folder (bank_partial.py) and takes its name only when all is there, so a half-written bank is
never opened. Clips whose sources have not changed are copied from the bank that is being replaced.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from messy_mashup.claim import claimed
from messy_mashup.data import bank_tempo, corpora
from messy_mashup.data.bank import (
    CARD,
    FORMAT,
    GUARD,
    INDEX,
    SAMPLE_RATE_HZ,
    SAMPLES,
    SEPARATED,
    Bank,
    changes,
    content_digest,
    files_of,
    types_of,
    write_index,
)
from messy_mashup.data.bank_partial import (
    JOURNAL,
    PLAN,
    Known,
    add_to_journal,
    identity_of,
    known_clips,
    open_partial,
    outdated_folder,
    partial_folder,
    slot_entry,
)
from messy_mashup.data.bank_plan import Plan, make_plan, whole_clips
from messy_mashup.data.bank_slot import MEASURES, Measures, Slot, fill
from messy_mashup.data.bank_source import check_rates, source_of
from messy_mashup.data.bank_tempo import TEMPO_JOURNAL, KnownTempi, songs_of
from messy_mashup.data.beats import Beats
from messy_mashup.data.separation import absolute, identity
from messy_mashup.data.workers import Workers, working
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


def build(
    corpus_name: str,
    root: Path,
    folder: Path,
    workers: int | None = None,
    on_broken: OnBroken = refuse,
    stretched: Sequence[float] = (),
    separated: str = "",
    verify: bool = False,
) -> Bank:
    """Build the bank of the corpus at `root` in `folder`, or go on building it, or open it where nothing has changed.

    on_broken gets everything that is broken at once, when all the rest is decoded: `refuse` or `skip`. stretched: the
    rates at which the bank shall hold every stem stretched; variants at others are dropped. separated: what takes the
    vocals out of songs, which the bank then holds in their place. verify: every sample of a bank that is there is read,
    and clips whose bytes have changed are decoded again. The bytes of the samples depend neither on the number of
    workers nor on interruptions.
    """
    root, folder, rates = root.resolve(), folder.absolute(), check_rates(stretched)
    with _only_builder(folder):
        plan = make_plan(corpora.load(corpus_name).scan(root), rates, absolute(separated))
        old = _old_bank(folder, plan)
        if old is not None and old.listing == plan.digest and not (verify and _is_damaged(old)):
            print("nothing has changed since the bank was built")
            _clear_away(folder)
            if old.skipped:
                on_broken(old.skipped)
            return old
        partial = open_partial(folder, plan)
        with working(workers) as pool:
            measures, failed = _fill(plan, partial, known_clips(folder, old), pool)
            broken = (*plan.broken, *failed)
            if broken:
                on_broken(broken)
            clips = _measured(plan, measures, broken)
            beats = _measure_tempo(clips, partial, bank_tempo.known_tempi(folder, old), pool)
        _write_index_and_card(plan, partial, bank_tempo.with_tempo(clips, beats), broken)
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
        told = [f"data: {files}"] if (files := changes(_identities(old.index), _identities(now))) else []
        if (held := _rates(old.index)) != (asked := _rates(now)):
            told.append(f"stretched variants there: {held}; asked for: {asked}")
        if old.separated != (wanted := identity(plan.separated)):
            told.append(f"vocals there: {old.separated or 'not taken out'}; asked for: {wanted or 'none taken out'}")
        told = told or ["what was left out, or the folder of the data, differs"]
        print(f"{folder} is not the bank that is asked for and is built again: {'; '.join(told)}")
    return old


def _is_damaged(bank: Bank) -> bool:
    """Whether samples have changed, having said of which clips."""
    if damaged := bank.damaged():
        print(f"{bank.root}: {len(damaged)} clips are not what was written, first {damaged[0]}: decoded again")
    return bool(damaged)


def _identities(clips: pd.DataFrame) -> dict[str, tuple[int, int]]:
    files = files_of(clips)
    return dict(zip(files["path"], zip(files["size"], files["mtime_ns"], strict=True), strict=True))


def _rates(clips: pd.DataFrame) -> str:
    rates = sorted(clips.loc[clips["kind"] == "stretched", "rate"].unique())
    return ", ".join(f"{rate:g}" for rate in rates) or "none"


def _fill(plan: Plan, partial: Path, known: Known, pool: Workers) -> tuple[dict[str, Measures], list[corpora.Broken]]:
    """Fill every slot of the plan; gives the measures by clip, and what proved to be broken, in the plan's order."""
    slots = [_slot(row, plan, partial, known) for row in plan.clips.to_dict("records")]
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
        for slot, result in pool.results(fill, slots):
            if isinstance(result, UserError):
                failed[slot.source.path] = corpora.Broken(slot.source.path, str(result))
            else:
                measures[slot.clip] = result
                add_to_journal(journal, slot_entry(slot.clip, result))
            bar.update()
    return measures, [failed[path] for path in plan.clips["path"].unique() if path in failed]


def _slot(row: dict, plan: Plan, partial: Path, known: Known) -> Slot:
    return Slot(
        source=source_of(row, plan.corpus.root, plan.separated),
        samples=partial / SAMPLES,
        sample_rate_hz=SAMPLE_RATE_HZ,
        earlier=known.get(identity_of(row)),
        **{key: row[key] for key in ("clip", "offset", "length")},
    )


def _measured(plan: Plan, measures: dict[str, Measures], broken: Iterable[corpora.Broken]) -> pd.DataFrame:
    """The clips that are whole, with their measures."""
    clips = whole_clips(plan.clips, {item.path for item in broken})
    _refuse_lost_classes(plan, clips)
    columns = pd.DataFrame([asdict(measures[clip]) for clip in clips["clip"]], columns=list(MEASURES))
    return pd.concat([clips, columns], axis=1)


def _measure_tempo(clips: pd.DataFrame, partial: Path, known: KnownTempi, pool: Workers) -> dict[str, Beats]:
    """The tempo of every song, measured where it is not known."""
    songs = songs_of(clips, partial / SAMPLES)
    beats = {song.group: known[song.key] for song in songs if song.key in known}
    new = [song for song in songs if song.group not in beats]
    with (
        (partial / TEMPO_JOURNAL).open("a") as journal,
        tqdm(total=len(new), desc="tempo", unit="song", disable=not new) as bar,
    ):
        for song, result in pool.results(bank_tempo.measured_beats, new):
            if isinstance(result, UserError):
                raise result
            beats[song.group] = result
            add_to_journal(journal, bank_tempo.tempo_entry(song, result))
            bar.update()
    return beats


def _write_index_and_card(plan: Plan, partial: Path, clips: pd.DataFrame, broken: Sequence[corpora.Broken]) -> None:
    types = types_of(clips)
    index = clips[list(types)].astype(types)
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
    if plan.separated:
        card[SEPARATED] = identity(plan.separated)
    with write_whole(partial / CARD) as temporary:
        temporary.write_text(json.dumps(card, indent=1))


def _refuse_lost_classes(plan: Plan, clips: pd.DataFrame) -> None:
    lost = sorted(set(plan.corpus.classes) - set(clips.loc[clips["kind"] == "stem", "label"]))
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
    for name in (PLAN, JOURNAL, TEMPO_JOURNAL):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(outdated_folder(folder), ignore_errors=True)
    shutil.rmtree(partial_folder(folder), ignore_errors=True)
