"""The real client signs in, pages and fails in sentences, and no credential is heard or written."""

import socket
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import requests

from kaggle_competition import Competition
from kaggle_loopback import KEY, TOKEN, Loopback, leaks
from messy_mashup.competition.client import SLUG, Refused, connect, told, username
from messy_mashup.competition.submission_list import listed
from messy_mashup.errors import UserError

SOURCES = Path(__file__).resolve().parents[1] / "src"


@pytest.fixture
def loopback(tmp_path, monkeypatch):
    with Loopback() as loopback:
        loopback.join(monkeypatch, tmp_path)
        yield loopback


def test_a_user_name_with_a_key_signs_in(loopback):
    assert username(connect()) == "stub"


def test_a_token_signs_in_and_tells_its_user(loopback, monkeypatch):
    monkeypatch.setenv("KAGGLE_API_TOKEN", TOKEN)
    loopback.accepted.add(None)  # the question whose token it is comes without credentials
    loopback.routes["IntrospectToken"] = lambda body, _: {"active": body["token"] == TOKEN, "username": "tokened"}
    Competition(loopback)
    api = connect()
    loopback.accepted.remove(None)
    assert (username(api), listed(api, SLUG)) == ("tokened", [])


def test_missing_credentials_are_a_sentence(loopback, monkeypatch, capfd):
    monkeypatch.delenv("KAGGLE_KEY")
    with pytest.raises(UserError, match=r"no Kaggle credentials .*KAGGLE_API_TOKEN.*settings/api"):
        connect()
    assert "".join(capfd.readouterr()) == ""


def test_a_token_that_nobody_could_keep_is_not_told(loopback, monkeypatch):
    monkeypatch.setenv("KAGGLE_API_TOKEN", TOKEN * 20)  # too long for a file's name, and the client tries it as one
    with pytest.raises(UserError, match="credentials cannot be read") as caught:
        connect()
    assert leaks(str(caught.value)) == []


@pytest.mark.parametrize("version", ["1.7.4.5", "1.6.17", "2.1.9", "2.0rc1"])
def test_a_client_that_is_too_old_is_refused_before_it_is_used(loopback, monkeypatch, version):
    monkeypatch.setattr(metadata, "version", lambda name: version)
    from kaggle.api.kaggle_api_extended import KaggleApi

    monkeypatch.setattr(KaggleApi, "authenticate", lambda _: pytest.fail("it was used"))
    with pytest.raises(UserError, match=rf'version {version}, at least 2\.2 .*pip install "kaggle>=2\.2" six'):
        connect()


@pytest.mark.parametrize("version", ["2.2.0", "2.10", "3"])
def test_a_client_that_is_newer_signs_in(loopback, monkeypatch, version):
    monkeypatch.setattr(metadata, "version", lambda name: version)
    assert username(connect()) == "stub"


def test_a_client_that_is_missing_is_a_sentence(loopback, monkeypatch):
    def version(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", version)
    with pytest.raises(UserError, match="is not installed: run `pip install"):
        connect()


def test_refused_credentials_are_a_sentence(loopback, monkeypatch):
    Competition(loopback)
    monkeypatch.setenv("KAGGLE_KEY", "wrong")
    with pytest.raises(Refused, match=r"reading the list of submissions .*401.*credentials are refused") as caught:
        listed(connect(), SLUG)
    assert leaks(str(caught.value)) == []


def test_a_wrong_slug_is_a_sentence(loopback):
    Competition(loopback)
    with pytest.raises(Refused, match=r'no-such.* failed: Kaggle answered 404 \("Competition not found"\): .*spelling'):
        listed(connect(), "no-such")


@pytest.mark.parametrize(
    ("answer", "kind", "reason"),
    [
        ((403, {"code": 403, "message": "Accept the rules"}), Refused, r"accept its rules.*competitions/.*/rules"),
        ((200, {"code": 403, "message": "in the body only"}), Refused, r"answered 403 \(\"in the body only\"\)"),
        ((429, {"message": "Too many"}), Refused, r"429.*wait"),
        ((503, {"message": "down"}), UserError, r"503.*the fault is Kaggle's"),
    ],
)  # fmt: skip
def test_refusals_are_sentences(loopback, answer, kind, reason):
    Competition(loopback).refuse["ListSubmissions"] = answer
    with pytest.raises(UserError, match=reason) as caught:
        listed(connect(), SLUG)
    assert type(caught.value) is kind


def test_no_network_is_a_sentence_without_addresses(loopback):
    api = connect()
    loopback.stop()
    with pytest.raises(UserError, match="could not be reached") as caught:
        listed(api, SLUG)
    assert "127.0.0.1" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_connection_that_died_silently_is_noticed(loopback, monkeypatch):
    from urllib3.util import connection

    connect()
    connect()  # asks for nothing twice
    loopback.files["a"] = b""
    monkeypatch.delenv("http_proxy")  # a proxy would be the one to ask
    asked = []
    monkeypatch.setattr(connection, "_set_socket_options", lambda _, options: asked.extend(options))
    requests.get(loopback.file_address("a"), timeout=10)
    assert asked.count((socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)) == 1
    assert (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60) in asked


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (SystemExit(1), "the client gave up"),
        (ValueError("No kernel specified"), "refused it: No kernel specified"),
        (requests.Timeout("X-Signature=planted-signature"), "in time"),
        (requests.exceptions.InvalidURL("X-Signature=planted-signature"), "could not be reached"),
        (ConnectionResetError("X-Signature=planted-signature"), "could not be reached"),
    ],
)
def test_every_failure_is_told(error, reason):
    with pytest.raises(UserError, match=f"^trying failed: .*{reason}") as caught, told("trying"):
        raise error
    assert leaks(str(caught.value)) == []


def test_what_is_no_failure_of_the_client_passes():
    with pytest.raises(UserError, match=r"^mine$"), told("trying"):
        raise UserError("mine")
    with pytest.raises(FileNotFoundError), told("trying"):
        raise FileNotFoundError("a.csv")


def test_all_pages_are_read_oldest_first_and_once(loopback):
    competition = Competition(loopback)
    for number in range(45):
        competition.add(f"{number}.csv")
    assert [one.file for one in listed(connect(), SLUG)] == [f"{number}.csv" for number in range(45)]
    assert [body["page"] for body in loopback.called("ListSubmissions")] == [1, 2, 3, 4]


def test_a_list_that_repeats_itself_ends(loopback):
    competition = Competition(loopback)
    competition.add("a.csv")
    first = competition.ListSubmissions({"page": 1}, loopback)
    loopback.routes["ListSubmissions"] = lambda body, _: first
    assert [(one.ref, one.submitted, one.public) for one in listed(connect(), SLUG)] == [
        ("101", "2027-01-01T09:00:00Z", 0.81234)
    ]


def test_verbose_does_not_make_the_client_print_the_credentials(loopback, tmp_path):
    Competition(loopback)
    code = (
        "from messy_mashup.competition.client import connect, SLUG\n"
        "import os\nprint(connect().competition_submissions(SLUG), os.environ['VERBOSE'])"
    )
    environment = {**loopback.environment(tmp_path), "VERBOSE": "true", "PYTHONPATH": str(SOURCES)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[] true\n", "")
    assert KEY in str(environment)
    assert leaks(done.stdout + done.stderr, tmp_path) == []
