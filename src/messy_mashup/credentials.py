"""The user's credentials, looked up only to keep them out of what is printed, written and sent."""

import json
import os
import re
import sys
import traceback
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

HIDDEN = "[hidden]"
SHORTEST = 8  # letters: what is shorter is no secret, and would be found in any text
LARGEST_BYTES = 1 << 16  # of a file of credentials
VARIABLES = (
    "KAGGLE_API_TOKEN",
    "KAGGLE_KEY",
    "HF_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
    "HUGGINGFACEHUB_API_TOKEN",
    "WANDB_API_KEY",
    "GITHUB_TOKEN",
    "GH_TOKEN",
)
FIELDS = ("key", "access_token", "refresh_token")  # of a JSON file
PASSWORD = re.compile(r"\bpassword\s+(\S+)")  # of a .netrc, where wandb and git keep theirs
# Tokens whose makers gave them a shape, what stands before the @ of an address, and what a header carries
SHAPES = re.compile(
    r"\bKGAT_[0-9A-Za-z]{20,}|\bhf_[0-9A-Za-z]{30,}|\bgh[pousr]_[0-9A-Za-z]{30,}|\bgithub_pat_\w{30,}"
    r"|(?<=://)[^/\s@]+(?=@)|(?<=Bearer )[\w.~+/=-]{20,}"
)


def scrubbed(text: str) -> str:
    """The text with [hidden] in place of every credential of this user, and of whatever is shaped like one."""
    for secret in sorted(_secrets(), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return SHAPES.sub(HIDDEN, text)


def holds_secret(content: bytes) -> bool:
    """Whether the bytes of a file hold a credential of this user; shapes alone do not count, for code may name them."""
    return any(secret.encode() in content for secret in _secrets())


def hide_in_tracebacks() -> None:
    """From now on the traceback of an error that ends this process is printed without credentials."""
    sys.excepthook = _print_scrubbed


def _print_scrubbed(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    print(scrubbed("".join(traceback.format_exception(kind, error, trace))), end="", file=sys.stderr)


def _secrets() -> set[str]:
    """The credentials as they are now: a notebook may set variables late."""
    found = {os.environ.get(name, "").strip() for name in VARIABLES}
    found -= {name for name in found if _read(Path(name))}  # the name of a file that holds it
    keys = {os.environ.get("KAGGLE_KEY", "")}
    users = {os.environ.get("KAGGLE_USERNAME", "")}
    for path in _files():
        text = _read(path)
        if path.suffix != ".json":
            found |= set(PASSWORD.findall(text)) if path.name.endswith("netrc") else {text.strip()}
            continue
        fields = _fields(text)
        found |= {fields.get(name, "") for name in FIELDS}
        keys.add(fields.get("key", ""))
        users.add(fields.get("username", ""))
    # As the header carries them
    found |= {b64encode(f"{user}:{key}".encode()).decode() for user in users - {""} for key in keys - {""}}
    found |= {quote(secret, safe="") for secret in found}  # and addresses
    return {secret for secret in found if len(secret) >= SHORTEST}


def _files() -> Iterator[Path]:
    """Where the clients of Kaggle, the hub and wandb keep what they are given."""
    home, named = Path.home(), os.environ.get
    kaggle = {home / ".kaggle", home / ".config" / "kaggle"}
    kaggle |= {Path(folder) for folder in (named("KAGGLE_CONFIG_DIR"),) if folder}
    kaggle |= {Path(folder) / "kaggle" for folder in (named("XDG_CONFIG_HOME"),) if folder}
    for folder in kaggle:
        yield from (folder / name for name in ("kaggle.json", "credentials.json", "access_token", "access_token.txt"))
    yield Path(named("HF_HOME") or home / ".cache" / "huggingface") / "token"
    yield home / ".netrc"
    # A variable may name a file that holds the token
    for name in ("KAGGLE_API_TOKEN", "KAGGLE_API_V1_TOKEN_PATH", "HF_TOKEN_PATH", "NETRC"):
        if path := named(name):
            yield Path(path)


def _read(path: Path) -> str:
    try:
        if not path.is_file() or path.stat().st_size > LARGEST_BYTES:
            return ""
        return path.read_text(encoding="utf-8", errors="replace")
    except (OSError, ValueError):  # a token is tried as a file's name, which may be too long for one
        return ""


def _fields(text: str) -> dict[str, str]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return {name: value for name, value in found.items() if isinstance(value, str)} if isinstance(found, dict) else {}
