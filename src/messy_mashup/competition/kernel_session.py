"""A kernel's latest run on Kaggle: its state, its log, and waiting for its end."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from messy_mashup.competition.client import if_there, told, unheard, username
from messy_mashup.competition.live_log import LiveLog
from messy_mashup.credentials import scrubbed
from messy_mashup.errors import UserError
from messy_mashup.own_files import parse_json

if TYPE_CHECKING:
    from kaggle.api.kaggle_api_extended import KaggleApi
    from kagglesdk.kernels.types.kernels_api_service import (
        ApiGetKernelSessionStatusResponse,
        ApiListKernelSessionOutputResponse,
    )

ENDED = ("complete", "error", "cancel acknowledged")
FIRST_WAIT_S, LONGEST_WAIT_S = 5.0, 60.0
FAILED_POLLS = 10  # in a row: a network may be gone for some minutes of the hours that a kernel runs
LAST_LINES = 20
PAGE_FILES = 100


@dataclass(frozen=True)
class Session:
    """How far a run is, in Kaggle's words: queued, running, complete, error, cancel requested, cancel acknowledged."""

    state: str
    failure: str = ""

    @property
    def ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self.state in ENDED

    @property
    def failed(self) -> bool:
        """Whether it ended otherwise than well."""
        return self.ended and self.state != "complete"


def session(api: "KaggleApi", slug: str) -> Session | None:
    """The latest run of the account's kernel; None where there is no kernel of that name."""
    from kagglesdk.kernels.types.kernels_api_service import ApiGetKernelSessionStatusRequest

    request = ApiGetKernelSessionStatusRequest()
    request.user_name, request.kernel_slug = username(api), slug

    def ask() -> "ApiGetKernelSessionStatusResponse":
        with api.build_kaggle_client() as kaggle:
            return kaggle.kernels.kernels_api_client.get_kernel_session_status(request)

    answer = if_there(f"asking for the state of {slug}", ask)
    if answer is None:
        return None
    return Session(answer.status.name.lower().replace("_", " "), scrubbed(answer.failure_message or ""))


def existing_session(api: "KaggleApi", slug: str) -> Session:
    """The latest run; UserError where there is no kernel of that name."""
    found = session(api, slug)
    if found is None:
        raise UserError(f"there is no kernel {username(api)}/{slug} on Kaggle: push it first")
    return found


def output_page(api: "KaggleApi", slug: str, token: str | None = None) -> "ApiListKernelSessionOutputResponse":
    """A page of the latest run's files, with its log."""
    from kagglesdk.kernels.types.kernels_api_service import ApiListKernelSessionOutputRequest

    request = ApiListKernelSessionOutputRequest()
    request.user_name, request.kernel_slug, request.page_size = username(api), slug, PAGE_FILES
    if token:
        request.page_token = token
    with told(f"asking for the output of {slug}"), unheard(), api.build_kaggle_client() as kaggle:
        return kaggle.kernels.kernels_api_client.list_kernel_session_output(request)


def log_lines(log: str) -> list[str]:
    """A log's lines, without credentials that a kernel printed; Kaggle sends a JSON list of pieces, or text."""
    try:
        pieces = parse_json(log) if log else []
        text = "".join(str(piece["data"]) for piece in pieces)
    except (ValueError, TypeError, KeyError):
        text = log
    return scrubbed(text).splitlines()


def failure(slug: str, ended: Session, lines: list[str]) -> UserError:
    """What to say of a run that failed: why, and the end of its log."""
    said = f": {ended.failure}" if ended.failure else ""
    tail = "".join(f"\n  {line}" for line in lines[-LAST_LINES:]) or "\n  (it has no log)"
    return UserError(f"{slug} has failed ({ended.state}){said}; the end of its log:{tail}")


def quota_lines(api: "KaggleApi") -> list[str]:
    """The accelerator hours that the account has used and has left this week, and when they begin anew."""
    with told("asking for the quota"), unheard():
        answer = api.quota_view()
    quotas = {"GPU": answer.gpu_quota, "TPU": answer.tpu_quota}
    lines = []
    for name, quota in quotas.items():
        if quota:
            used, total = (span.total_seconds() / 3600 for span in (quota.time_used, quota.total_time_allowed))
            lines.append(f"{name}: {used:.1f} of {total:.1f} hours used, {max(0.0, total - used):.1f} left")
    if not lines:
        raise UserError("Kaggle tells no quota of this account: verify its phone number, then ask again")
    if answer.quota_refresh_time:
        lines.append(f"begins anew {answer.quota_refresh_time:%Y-%m-%d %H:%M} UTC")
    return lines


def wait(api: "KaggleApi", slug: str, say: Callable[[str], None]) -> Session:
    """Wait for the run's end; every change of its state and every new line of its log is said."""
    wait_s, shown, state, misses = FIRST_WAIT_S, 0, "", 0
    with LiveLog(api, slug) as live:
        while True:
            time.sleep(wait_s)
            try:
                now = existing_session(api, slug)
                lines = log_lines(output_page(api, slug).log or "") if now.ended else live.lines()
            except UserError as error:
                misses += 1
                if misses == FAILED_POLLS:
                    raise
                say(f"{error} (asked again in {wait_s:.0f} s)")
                continue
            misses = 0
            changed = now.state != state or len(lines) > shown
            for line in lines[shown:]:
                say(line)
            if now.state != state:
                say(f"{slug}: {now.state}")
            shown, state = max(shown, len(lines)), now.state
            if now.ended:
                return now
            wait_s = FIRST_WAIT_S if changed else min(1.5 * wait_s, LONGEST_WAIT_S)
