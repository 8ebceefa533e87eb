"""A submission that is made once: refused where it was made before, marked before it is sent, confirmed by the list.

The ledger's row says "unconfirmed" from before the first byte is sent until Kaggle's list shows the submission, so that
whatever happens in between (no network, a kill) leaves a true row, and the same command again looks at the list first.

A user may wait: the client tries an upload that breaks off ten times, for up to six minutes; then the list is looked at
for half a minute (LOOKS_S); a score takes Kaggle some minutes.
"""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from messy_mashup.claim import claimed
from messy_mashup.competition import ledger as ledger_file
from messy_mashup.competition.client import Refused, told, unheard
from messy_mashup.competition.ledger import UNCONFIRMED
from messy_mashup.competition.order import Order, Unsent
from messy_mashup.competition.submission_list import OWN_NAME, Listed
from messy_mashup.competition.tracking import pull
from messy_mashup.errors import UserError

if TYPE_CHECKING:
    from kaggle.api.kaggle_api_extended import KaggleApi

LOCK = ".submit.lock"
LOOKS_S = (1, 4, 10, 15)  # the list may be behind: pauses before each look at it
POLL_S, POLL_MOST_S = 5, 60  # until there is a score
POLL_FAILURES = 5  # in a row; a night's wait need not end with one lost packet
NOTHING_SENT = "Nothing was submitted, the ledger is as it was"
Say = Callable[[str], None]


class SubmittedBefore(UserError):
    """The file was submitted before, as `ref`, which the ledger has with `status`."""

    def __init__(self, sentence: str, ref: str, status: str) -> None:
        super().__init__(sentence)
        self.ref, self.status = ref, status


def submit(api: "KaggleApi", order: Order, ledger: Path, say: Say = print) -> Listed:
    """Submit an order, or find that the last try had arrived; the answer is the submission as Kaggle lists it."""
    with claimed(ledger.with_name(LOCK), f"a submission from {ledger.parent} is being made"):
        arrived = _last_try(api, order, ledger)
        if arrived:
            say(f"the last try had arrived: {order.ledger_file} is submission {arrived.ref}, nothing was sent again")
            return arrived
        if not order.again:
            _refuse_second(order, ledger)
        _check_limit(api, order, say)
        return _send(api, order, ledger, say)


def wait(api: "KaggleApi", slug: str, ref: str, ledger: Path, say: Say = print) -> Listed:
    """Look at the list until submission `ref` is scored, or refused, and keep the ledger up to it."""
    pause_s, failures = POLL_S, 0
    while True:
        try:
            one = next((one for one in pull(api, slug, ledger) if one.ref == ref), None)
            failures = 0
            if one and one.status != "pending":
                return one
        except UserError as error:
            failures += 1
            if failures == POLL_FAILURES:
                raise UserError(f"submission {ref} stands, but {error}; later, run track.py") from None
            say(f"{error} (looking again)")
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, POLL_MOST_S)


def told_score(one: Listed) -> str:
    """A submission's state in a line."""
    scores = [("public", one.public), ("private", one.private)]
    told_ones = [f"{name} {score:.5f}" for name, score in scores if score is not None]
    return f"submission {one.ref}, {one.file}: {', '.join([one.status, *told_ones])}"


def _last_try(api: "KaggleApi", order: Order, ledger: Path) -> Listed | None:
    """The submission for which a row of this order was waiting; the ledger is brought up to the list in any case."""
    table = ledger_file.read(ledger)
    unconfirmed = table["status"] == UNCONFIRMED
    if not (order.rows(table) & unconfirmed).any():
        pull(api, order.slug, ledger)
        return None
    before = set(table.loc[order.rows(table) & ~unconfirmed, "ref"]) - {""}
    for submissions in _looks(api, order, ledger, (0, *LOOKS_S)):
        arrived = _confirmed(order, ledger, submissions, before)
        if arrived:
            return arrived
    return None


def _looks(api: "KaggleApi", order: Order, ledger: Path, pauses_s: tuple[float, ...]) -> Iterator[list[Listed]]:
    for pause_s in pauses_s:
        time.sleep(pause_s)
        yield pull(api, order.slug, ledger)


def _confirmed(order: Order, ledger: Path, submissions: list[Listed], before: set[str]) -> Listed | None:
    """The listed submission that a row of this order has got since `before`."""
    table = ledger_file.read(ledger)
    refs = set(table.loc[order.rows(table) & (table["status"] != UNCONFIRMED), "ref"]) - before - {""}
    return next((one for one in submissions if one.ref in refs), None)


def _refuse_second(order: Order, ledger: Path) -> None:
    """Raise SubmittedBefore where the ledger, now up to Kaggle's list, has a submission of this very file."""
    table = ledger_file.read(ledger)
    rows = order.rows(table)
    if OWN_NAME.match(order.ledger_file):
        rows |= table["file"] == order.ledger_file
    if order.kernel:  # with a copy of its file or without: it is one output
        rows |= table["note"].str.contains(f"[kernel:{order.kernel}]", regex=False)
    found = table[rows & (table["ref"] != "")]
    if found.empty:
        return
    last = found.iloc[-1]
    states = [last["status"], *(f"{name} {last[name]}" for name in ("public", "private") if last[name])]
    known = f"ref {last['ref']}, {last['submitted'] or 'not listed yet'}, {', '.join(states)}"
    sentence = f"{order.ledger_file} was submitted before ({known}): give --again to submit it once more"
    raise SubmittedBefore(sentence, last["ref"], last["status"])


def _check_limit(api: "KaggleApi", order: Order, say: Say) -> None:
    try:
        with told("asking for the day's limit"), unheard():
            limits = api.competition_get_submission_limits(order.slug)
    except UserError as error:
        say(f"the day's limit is not known: {error}")
        return
    say(f"submitted today: {limits.num_today}, left: {limits.num_allowed_now}")
    if limits.num_allowed_now > 0:
        return
    if not limits.num_total:
        raise UserError(
            f"Kaggle allows no submission to {order.slug} and counts none: join the competition and accept its rules"
        )
    until = "for good" if limits.limited_by_total else "until midnight UTC"
    raise UserError(f"the limit is reached {until}: {limits.num_today} submitted today; nothing was sent")


def _send(api: "KaggleApi", order: Order, ledger: Path, say: Say) -> Listed:
    """Mark the row, send, and believe the list alone."""
    restore, before = _mark(order, ledger)
    refusal = doubt = ""
    try:
        _acknowledge(order, ledger, order.send(api))
    except Unsent as error:
        restore()
        raise UserError(f"{error}. {NOTHING_SENT}") from None
    except Refused as error:
        refusal = str(error)
    except UserError as error:
        doubt = str(error)
    try:
        for submissions in _looks(api, order, ledger, LOOKS_S[:1] if refusal else LOOKS_S):
            found = _confirmed(order, ledger, submissions, before)
            if found:
                say(f"submitted: {told_score(found)}")
                return found
    except UserError as error:
        refusal, doubt = "", "; ".join(filter(None, [refusal or doubt, str(error)]))
    if refusal:
        restore()
        raise UserError(f"{refusal}. {NOTHING_SENT}")
    raise UserError(
        f"{doubt or 'Kaggle took the file but its list does not show it yet'}. Whether {order.ledger_file} was "
        f"submitted is not known; its row in {ledger} says {UNCONFIRMED}. Run the same command again: it looks at "
        "Kaggle's list first and submits nothing twice"
    )


def _mark(order: Order, ledger: Path) -> tuple[Callable[[], None], set[str]]:
    """Write "unconfirmed" into the order's row; the answers are how to take that back and the refs known before."""
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    with ledger_file.edited(ledger) as table:
        rows = order.rows(table)
        refs = set(table.loc[rows, "ref"]) - {""}
        others = table[(table["file"] == order.ledger_file) & ~table["sha256"].isin(["", order.sha256])]
        if not others.empty and not rows.any():
            raise UserError(f"{ledger} lists {order.ledger_file} with other content: submit the CSV under a new name")
        free = rows & (table["ref"] == "")
        old = table.loc[free.idxmax()].copy() if free.any() else None
        place = int(free.idxmax()) if free.any() else _row_again(table, order, rows, now)
        table.loc[place, ["status", "submitted"]] = [UNCONFIRMED, now]
        if order.kernel and order.kernel not in table.at[place, "note"]:
            table.at[place, "note"] = f"{table.at[place, 'note']} [kernel:{order.kernel}]".strip()

    def restore() -> None:
        with ledger_file.edited(ledger) as table:
            mine = order.rows(table) & (table["status"] == UNCONFIRMED) & (table["submitted"] == now)
            if mine.any() and old is not None:
                table.loc[mine.idxmax()] = old
            elif mine.any():
                ledger_file.take_away(table, int(mine.idxmax()))

    return restore, refs


def _row_again(table: pd.DataFrame, order: Order, rows: pd.Series, now: str) -> int:
    """A new row; what made a file that was submitted before is copied from there."""
    if not rows.any():
        return ledger_file.add(table, order.row(now))
    place = len(table)
    table.loc[place] = table.loc[rows.idxmax()]
    table.loc[place, ["ref", "status", "submitted", "public", "private"]] = ""
    return place


def _acknowledge(order: Order, ledger: Path, ref: str) -> None:
    """Kaggle's answer had a number: keep it, it finds the submission even where its description was cut."""
    with ledger_file.edited(ledger) as table:
        mine = order.rows(table) & (table["status"] == UNCONFIRMED) & (table["ref"] == "")
        if ref and mine.any() and not (table["ref"] == ref).any():
            table.at[mine.idxmax(), "ref"] = ref
