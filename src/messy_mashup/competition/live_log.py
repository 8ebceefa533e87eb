"""The log of a kernel while it runs: Kaggle streams it, and lists it with the output only when the run has ended."""

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from messy_mashup.competition.client import username
from messy_mashup.credentials import scrubbed

if TYPE_CHECKING:
    from kaggle.api.kaggle_api_extended import KaggleApi

AGAIN_S = 10.0


class LiveLog:
    """What the stream has brought so far; `with LiveLog(api, slug) as live`.

    A thread reads, since a stream may be silent for hours. A stream that breaks or does not exist is tried again and
    never told: the whole log follows at the end of the run.
    """

    def __init__(self, api: "KaggleApi", slug: str) -> None:
        self._api, self._kernel = api, f"{username(api)}/{slug}"
        self._pieces: list[str] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> "LiveLog":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()

    def lines(self) -> list[str]:
        """The lines that are whole, without credentials."""
        text = "".join(self._pieces)
        return scrubbed(text[: text.rfind("\n") + 1]).splitlines()

    def _follow(self) -> None:
        import requests
        from urllib3.exceptions import HTTPError as NetworkError

        while not self._ended.is_set():
            with suppress(requests.RequestException, NetworkError, ValueError, OSError):
                self._read()
            self._ended.wait(AGAIN_S)

    def _read(self) -> None:
        """Take what is new: every stream begins with the first piece."""
        for number, event in enumerate(self._api.kernels_logs_stream(self._kernel)):
            if number >= len(self._pieces):
                self._pieces.append(str(event.get("data", "")))
            if self._ended.is_set():
                return
