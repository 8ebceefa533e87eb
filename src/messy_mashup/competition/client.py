"""Kaggle's own client: signed in, silent, and with every failure told in a sentence.

What the client prints is kept from the terminal: its texts of connection errors hold signed upload addresses, and with
VERBOSE set it prints the credentials. For the same reason an error's text is told only where the server wrote it, and
there without credentials, which a server or what stands before it may repeat.
"""

import errno
import os
import re
import socket
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib import metadata
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from messy_mashup.credentials import scrubbed
from messy_mashup.errors import UserError

if TYPE_CHECKING:
    from kaggle.api.kaggle_api_extended import KaggleApi
    from kagglesdk.competitions.types.competition_api_service import ApiDataFile
    from requests import Response

SLUG = "jan-2026-dl-gen-ai-project"
SITE = "https://www.kaggle.com"
# With any of these the client prints every request, the Authorization header included.
LOUD = ("VERBOSE", "VERBOSE_OUTPUT")
SERVER_LETTERS = 300
NOT_THERE = (403, 404)  # Kaggle forbids what does not exist
FILES_A_PAGE = 200
NO_NAME = (errno.ENAMETOOLONG, errno.EISDIR, errno.ENOTDIR)
UNPACKED_BYTES = 256 << 20  # of a list of ids, at the very most
NEEDED = (2, 2)  # 1.x speaks another protocol and has other signatures
WHERE = (
    "the variable KAGGLE_API_TOKEN or the file .kaggle/access_token in your home; KAGGLE_USERNAME with KAGGLE_KEY, or "
    "kaggle.json in .kaggle or in KAGGLE_CONFIG_DIR; what `kaggle auth login` keeps"
)
TOKEN = f"make a token at {SITE}/settings/api, or run `kaggle auth login`"

Answer = TypeVar("Answer")


class Refused(UserError):
    """Kaggle understood what was asked and did not do it: 4xx, so nothing has happened there."""


def connect() -> "KaggleApi":
    """The real client, signed in. UserError where it is too old, or where credentials are missing or refused.

    An access token is checked here; a user name with a key only by the first call that is made.
    """
    loud = {name: os.environ.pop(name) for name in LOUD if name in os.environ}
    try:
        with told("signing in to Kaggle"), unheard():
            return _signed_in()
    finally:
        os.environ.update(loud)


def username(api: "KaggleApi") -> str:
    """The account's name, as Kaggle's addresses spell it."""
    name = api.get_config_value(api.CONFIG_NAME_USER)
    if not name:
        raise UserError(f"the Kaggle credentials name no user; {TOKEN}")
    return str(name)


def download(api: "KaggleApi", slug: str, ending: str, folder: Path) -> tuple[Path, str]:
    """The competition's file whose name ends so, whole, below the empty `folder`; and Kaggle's name of it."""
    listed = _listed_file(api, slug, ending)
    with told(f"downloading {listed.name} of {slug}"), unheard():
        # the client calls it as its address does, and that is Kaggle's choice
        try:
            api.competition_download_file(slug, listed.name, path=str(folder), quiet=True)
        except OSError as error:
            if error.errno not in NO_NAME:
                raise
            raise ValueError(f"its address ends in a name that no file can have ({error.strerror})") from None
    path = next(path for path in folder.iterdir() if path.is_file())
    sizes = [path.stat().st_size]
    if zipfile.is_zipfile(path):
        path = _unpacked(path, ending)
        sizes.append(path.stat().st_size)
    # Kaggle may count the bytes of the file or those of its zip
    if listed.total_bytes and listed.total_bytes not in sizes:
        raise UserError(f"{listed.name} came as {sizes[-1]} of {listed.total_bytes} bytes: run the same command again")
    return path, listed.name


def if_there(doing: str, ask: Callable[[], Answer]) -> Answer | None:
    """What `ask` gives, a call of the client; None where Kaggle has nothing of that name. Else it fails as `told`."""
    import requests

    with told(doing):
        try:
            with unheard():
                return ask()
        except requests.HTTPError as error:
            if error.response is not None and error.response.status_code in NOT_THERE:
                return None
            raise


@contextmanager
def unheard() -> Iterator[None]:
    """Keep what the client prints from the terminal; put only calls of the client inside."""
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        yield


@contextmanager
def told(doing: str) -> Iterator[None]:
    """Inside it, every failure of the client or the network becomes a UserError: `doing`, why, and what to do."""
    import requests
    from urllib3.exceptions import HTTPError as NetworkError

    try:
        yield
    except requests.HTTPError as error:
        kind = Refused if 400 <= _status(error.response) < 500 else UserError
        raise kind(f"{doing} failed: {_refusal(error.response)}") from None
    except requests.exceptions.JSONDecodeError:
        reason = "the answer was not Kaggle's (a login page of the network?): try again later"
    except (requests.Timeout, TimeoutError):
        reason = "Kaggle did not answer in time: try again"
    except (requests.RequestException, NetworkError, ConnectionError):
        reason = "Kaggle could not be reached, or the connection broke: look at the network and run it again"
    except SystemExit:
        reason = "the client gave up: run the `kaggle` command line to see why"
    except ValueError as error:
        reason = f"the client refused it: {error}"
    else:
        return
    # Not "from error": a traceback would show addresses that hold tokens.
    raise UserError(scrubbed(f"{doing} failed: {reason}")) from None


def _signed_in() -> "KaggleApi":
    _check_version()
    from kaggle.api.kaggle_api_extended import KaggleApi
    from requests import RequestException

    _notice_dead_connections()
    api = KaggleApi()
    try:
        api.authenticate()
    except RequestException:
        raise
    except OSError as error:
        # its text can hold the token itself, which is tried as a file's name
        raise UserError(f"the Kaggle credentials cannot be read ({error.strerror}; looked at: {WHERE})") from None
    except (SystemExit, NameError):  # it calls exit(), which a notebook does not have
        raise UserError(f"no Kaggle credentials that are valid were found (looked at: {WHERE}); {TOKEN}") from None
    return api


def _listed_file(api: "KaggleApi", slug: str, ending: str) -> "ApiDataFile":
    """It may lie in any folder, and the list is as long as the data set: looked through until it is found."""
    token, seen = None, {""}
    while token not in seen:
        seen.add(token)
        with told(f"looking for {ending} among the files of {slug}"), unheard():
            page = api.competition_list_files(slug, page_token=token, page_size=FILES_A_PAGE)
        found = [file for file in page.files or [] if file and file.name.endswith(ending)]
        if len(found) > 1:
            raise UserError(f"Kaggle lists several files of {slug}: {', '.join(file.name for file in found)}")
        if found:
            return found[0]
        token = page.next_page_token
    raise UserError(f"Kaggle lists no {ending} among the files of {slug}")


def _unpacked(archive: Path, ending: str) -> Path:
    try:
        with zipfile.ZipFile(archive) as opened:
            inside = [member for member in opened.namelist() if member.endswith(ending)]
            if len(inside) != 1:
                raise UserError(f"Kaggle sent a zip in which {len(inside)} files are called {ending}")
            if opened.getinfo(inside[0]).file_size > UNPACKED_BYTES:
                raise UserError(
                    f"Kaggle sent a zip whose {ending} would unpack to more than {UNPACKED_BYTES >> 20} MiB"
                )
            content = opened.read(inside[0])
    except (zipfile.BadZipFile, zlib.error):
        raise UserError(f"Kaggle sent a broken zip of {ending}: run the same command again") from None
    path = archive.parent / "unpacked" / ending
    path.parent.mkdir()
    path.write_bytes(content)
    return path


def _check_version() -> None:
    """UserError where the client is missing or too old; asked before an old one is imported, which signs in at once."""
    needed = ".".join(map(str, NEEDED))
    install = f'run `pip install "kaggle>={needed}" six`'
    try:
        found = metadata.version("kaggle")
    except metadata.PackageNotFoundError:
        raise UserError(f"the Kaggle client is not installed: {install}") from None
    if tuple(map(int, re.findall(r"\d+", found)[:2])) < NEEDED:
        raise UserError(
            f"the Kaggle client is version {found}, at least {needed} is needed: {install} (in a notebook, restart it "
            "then)"
        )


def _notice_dead_connections() -> None:
    """Have the system ask after silent connections: the client would wait for ever for one that no longer exists."""
    from urllib3.connection import HTTPConnection

    wanted = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}  # two minutes
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    # macOS and Windows lack some of the names
    options += [
        (socket.IPPROTO_TCP, getattr(socket, name), value) for name, value in wanted.items() if hasattr(socket, name)
    ]
    new = [option for option in options if option not in HTTPConnection.default_socket_options]
    HTTPConnection.default_socket_options += new  # in place: this very list is the default of its constructor


def _status(response: "Response | None") -> int:
    """The answer's status; Kaggle may send 200 with the true one in the body. 0 without an answer."""
    code = _body(response).get("code")
    status = 0 if response is None else response.status_code
    return code if status < 400 and isinstance(code, int) else status


def _body(response: "Response | None") -> dict[str, object]:
    """A JSON answer; empty for any other page."""
    try:
        body = {} if response is None else response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _refusal(response: "Response | None") -> str:
    """Why the server refused, in its own words where it sent any, and what to do."""
    status, message = _status(response), _body(response).get("message")
    # Scrubbed before it is cut, which could leave a half of a credential
    told = " ".join(scrubbed(message).split())[:SERVER_LETTERS] if isinstance(message, str) else ""
    said = f' ("{told}")' if told else ""
    advice = {
        400: "see what it says",
        401: f"the credentials are refused ({WHERE}); {TOKEN}",
        403: f"it is forbidden: join the competition and accept its rules at {SITE}/competitions/{SLUG}/rules, verify "
        "the account's phone number, and see that the account owns what is named",
        404: "there is nothing of that name, or this account may not see it: look at the spelling",
        429: "too many requests, or the limit is reached: wait, then run it again",
    }.get(status, "the fault is Kaggle's: try again in some minutes" if status >= 500 else "see what it says")
    return f"Kaggle answered {status or 'nothing'}{said}: {advice}"
