"""What is to leave for Kaggle, or to stay in the ledger, is refused where it holds one of the user's credentials."""

from collections.abc import Iterable
from pathlib import Path

from messy_mashup.credentials import holds_secret, scrubbed
from messy_mashup.errors import UserError


def check_text(text: str, what: str) -> None:
    """UserError where a text holds a credential, or an address with a password in it; `what` names the text."""
    if scrubbed(text) != text:
        raise UserError(f"{what} holds a credential (a token, a key, or an address with a password): take it out")


def check_files(root: Path, files: Iterable[Path]) -> None:
    """UserError where one of the files, relative to `root`, holds a credential of this user."""
    holding = [str(root / path) for path in files if holds_secret((root / path).read_bytes())]
    if holding:
        raise UserError(
            f"{', '.join(holding)} would be sent and holds one of your credentials: move it away from there, and keep "
            "credentials where their clients look for them"
        )
