"""What the page says when something is wrong, and names that visitors chose as text and nothing else."""

import functools
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from messy_mashup.errors import UserError

FAILED = "something went wrong on the server, which is no fault of yours: try again, or with another file"
MARKUP = "<>&*_`[]()#!|~\\\"'"
Changes = dict[Any, Any]  # what components show from now on
Handler = Callable[..., Changes]


def guarded(refused: Callable[[Any, str], Changes]) -> Callable[[Handler], Handler]:
    """For a tab's handler: show what is wrong as `refused` makes it of the tab and a sentence.

    That is a UserError's own; of anything else it is a general one, with the traceback in the server's log.
    """

    def guard(handler: Handler) -> Handler:
        @functools.wraps(handler)
        def answered(tab: Any, *inputs: Any) -> Changes:
            try:
                return handler(tab, *inputs)
            except UserError as error:
                return refused(tab, wrong(str(error)))
            except Exception:
                logging.exception("the page could not answer (%s)", handler.__name__)
                return refused(tab, wrong(FAILED))

        return answered

    return guard


def wrong(sentence: str) -> str:
    """A sentence about a fault, as HTML."""
    return f'<span class="wrong" role="alert">{plain(sentence)}</span>'


def plain(text: str) -> str:
    """Text of a visitor's own, such as a file's name, as HTML and Markdown that shows just that."""
    return "".join(f"&#{ord(letter)};" if letter in MARKUP else letter for letter in text)


def without_folder(error: UserError, path: Path) -> UserError:
    """The error with a file's name in place of where it lies on the server."""
    return UserError(str(error).replace(str(path), path.name).replace(str(path.parent), ""))
