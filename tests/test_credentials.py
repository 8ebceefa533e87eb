"""Credentials planted in every way that the clients read them are in nothing that is printed, written or sent."""

import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis.strategies import sampled_from, text
from urllib3.util.retry import Retry

import tiny
from hub_loopback import hub
from kaggle_competition import NAME, Competition, house_fixture, said_fixture  # noqa: F401
from kaggle_kernels import Kernel, log_of
from kaggle_loopback import KEY, TOKEN, USER, leaks
from messy_mashup.competition import ledger
from messy_mashup.competition.live_log import LiveLog
from messy_mashup.credentials import HIDDEN, VARIABLES, scrubbed
from test_commands import run
from test_packing import git
from test_push import AST, CODE, account_fixture, command_fixture, fails, repository_fixture  # noqa: F401

SOURCES = Path(__file__).resolve().parents[1] / "src"
ELSEWHERE = "https://someone:hunter2@example.org/a.git"  # of no user known here


@pytest.fixture
def home(tmp_path_factory, monkeypatch) -> Path:
    """A home without any credential, apart from the folders that are searched for leaks."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    for name in (*VARIABLES, "KAGGLE_USERNAME", "KAGGLE_CONFIG_DIR", "XDG_CONFIG_HOME", "HF_HOME", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    return home


def write(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def as_json(secret: str) -> str:
    return json.dumps({"username": USER, "key": secret})


WAYS = {
    **{name: lambda home, secret, name=name: {name: secret} for name in VARIABLES},
    "token by file": lambda home, secret: {"KAGGLE_API_TOKEN": write(home / "elsewhere", f"{secret}\n")},
    "access_token": lambda home, secret: write(home / ".kaggle" / "access_token", f"{secret}\n"),
    "access_token.txt": lambda home, secret: write(home / ".kaggle" / "access_token.txt", secret),
    "kaggle.json": lambda home, secret: write(home / ".kaggle" / "kaggle.json", as_json(secret)),
    "config": lambda home, secret: write(home / ".config" / "kaggle" / "kaggle.json", as_json(secret)),
    "config dir": lambda home, secret: {
        "KAGGLE_CONFIG_DIR": str(Path(write(home / "other" / "kaggle.json", as_json(secret))).parent)
    },
    "auth login": lambda home, secret: write(home / ".kaggle" / "credentials.json", f'{{"refresh_token": "{secret}"}}'),
    "hub": lambda home, secret: write(home / ".cache" / "huggingface" / "token", secret),
    "hub's home": lambda home, secret: {"HF_HOME": str(Path(write(home / "hub" / "token", secret)).parent)},
    "netrc": lambda home, secret: write(home / ".netrc", f"machine api.wandb.ai\n  login user\n  password {secret}\n"),
}


@pytest.mark.parametrize("way", WAYS)
def test_what_a_client_would_read_is_hidden(home, monkeypatch, way):
    secret = "quite an unlikely secret 0123"
    text = f"401: {secret}, and once more: '{secret}'"
    assert scrubbed(text) == text
    planted = WAYS[way](home, secret.replace(" ", "-"))
    for name, value in planted.items() if isinstance(planted, dict) else ():
        monkeypatch.setenv(name, value)
    assert scrubbed(text.replace(" ", "-")) == f"401:-{HIDDEN},-and-once-more:-'{HIDDEN}'"


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        (ELSEWHERE, "https://[hidden]@example.org/a.git"),
        (f"token KGAT_{'0a' * 16}.", "token [hidden]."),
        (f"'hf_{'aB' * 17}'", "'[hidden]'"),
        ("{'Authorization': 'Bearer abcdefghijklmnopqrstuvwxyz'}", "{'Authorization': 'Bearer [hidden]'}"),
        ("hf_hub_download, https://www.kaggle.com/me@home, Bearer of news", None),
    ],
)
def test_what_is_shaped_like_one_is_hidden_whoever_s_it_is(home, text, hidden):
    assert scrubbed(text) == (hidden or text)


def test_short_words_damaged_and_endless_files_hide_nothing(home, monkeypatch):
    monkeypatch.setenv("KAGGLE_KEY", "rock")
    write(home / ".kaggle" / "kaggle.json", "[" * 30_000)
    write(home / ".kaggle" / "credentials.json", "[1]")
    write(home / ".kaggle" / "access_token", "jazz and blues " * 10_000)
    monkeypatch.setenv("KAGGLE_API_TOKEN", "x" * 5000)
    assert scrubbed("rock, jazz and blues") == "rock, jazz and blues"


@given(text(), text(), sampled_from(["{}", "{0}{0}", "key={}&", "https://me:{}@x.org"]))
def test_whatever_stands_around_it(before, after, form):
    secret = "a/secret+with&signs"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KAGGLE_KEY", secret)
        for written in (secret, quote(secret, safe="")):
            assert written not in scrubbed(before + form.format(written) + after)


def test_the_name_of_a_token_s_file_is_told(home, monkeypatch):
    path = write(home / "elsewhere", "a secret token")
    monkeypatch.setenv("KAGGLE_API_TOKEN", path)
    assert scrubbed(f"{path}: a secret token") == f"{path}: {HIDDEN}"


def test_a_log_that_streams_hides_what_comes_in_pieces(loopback_free_log):
    live = loopback_free_log(["KAGGLE_K", f"EY={KEY[:9]}", f"{KEY[9:]}\nnext", " line"])
    assert live.lines() == [f"KAGGLE_KEY={HIDDEN}"]


@pytest.fixture
def loopback_free_log(home, monkeypatch):
    """A live log of these pieces, of which nothing is read."""
    monkeypatch.setenv("KAGGLE_KEY", KEY)

    def made(pieces: list[str]) -> LiveLog:
        live = LiveLog.__new__(LiveLog)
        live._pieces = pieces
        return live

    return made


# Against a Kaggle that repeats what it was sent

PUSHES = (
    ("03",),
    ("03", "--stage"),
    ("03", "--wait"),
    ("--weights",),
    ("--quota",),
    ("03", "--status"),
    ("03", "--logs"),
    ("03", "--fetch"),
)


@pytest.fixture(params=["key", "kaggle.json", "token", "access_token"])
def signed_in(request, tmp_path_factory, monkeypatch):
    """One of the ways to sign in, with files outside of what is searched for leaks."""
    from kaggle.api.kaggle_api_extended import KaggleApi

    def sign_in() -> None:
        if request.param == "key":
            return
        home = tmp_path_factory.mktemp("home")
        for name in ("KAGGLE_USERNAME", "KAGGLE_KEY"):
            monkeypatch.delenv(name)
        monkeypatch.setenv("HOME", str(home))
        monkeypatch.setattr(KaggleApi, "config_dir", str(home / ".kaggle"))
        monkeypatch.setattr(KaggleApi, "config", str(home / ".kaggle" / "kaggle.json"))
        planted = WAYS[{"token": "KAGGLE_API_TOKEN"}.get(request.param, request.param)](
            home, KEY if request.param == "kaggle.json" else TOKEN
        )
        if isinstance(planted, dict):
            monkeypatch.setenv("KAGGLE_API_TOKEN", TOKEN)

    return sign_in


@pytest.mark.parametrize("status", [401, 403, 500])
def test_a_push_against_a_server_that_repeats_credentials(account, command, signed_in, monkeypatch, tmp_path, status):
    monkeypatch.setattr(Retry, "sleep", lambda *_: None)
    signed_in()
    account.loopback.repeats = status
    for words in PUSHES:
        if status == 403 and words == ("--weights",):
            continue  # nothing of that name is there, so the hub would be asked
        said = fails(command, *words, *([str(tmp_path / "staged")] if words[-1] == "--stage" else []))
        assert status == 403 or HIDDEN in said or "credentials" in said, words


@pytest.mark.parametrize("status", [401, 403, 500])
def test_submit_and_track_against_a_server_that_repeats_credentials(house, said, signed_in, status):
    signed_in()
    house.loopback.repeats = status
    for words in (("submit", house.csv, "-m", "mine", *house.place), ("track", "--submissions", house.submissions)):
        assert run(*words) == 2
        told = said()
        assert HIDDEN in told or "credentials" in told


def test_no_kaggle_that_a_push_could_reach(account, command, signed_in):
    signed_in()
    account.loopback.stop()
    for words in PUSHES[3:]:
        assert "could not be reached" in fails(command, *words)


def test_no_kaggle_that_submit_and_track_could_reach(house, said, signed_in):
    signed_in()
    house.loopback.stop()
    for words in (("submit", house.csv, "-m", "mine", *house.place), ("track", "--submissions", house.submissions)):
        assert run(*words) == 2
        assert "could not be reached" in said()


def test_what_kaggle_keeps_of_a_submission_comes_back_without_credentials(house, said):
    house.competition.status = "ERROR"
    house.competition.add("elsewhere.csv", f"by {KEY}", errorDescription=f"no right for {KEY}")
    assert run("track", "--submissions", house.submissions) == 0
    said()
    assert HIDDEN in ledger.read(house.ledger)["note"].tolist()[-1]


def test_a_kernel_that_prints_its_secrets_leaves_a_log_without_them(account, command, repository):
    output = {"runs/messy_mashup_ast/fold0/metrics.csv": b"epoch\n"}
    lines = log_of("begins", f"environ: KAGGLE_KEY={KEY}", f"origin {ELSEWHERE}")
    account.kernels[AST] = Kernel({}, states=["ERROR"], failure=f"key {KEY}", log=lines, output=output)
    for words in (("--fetch",), ("--logs",), ("--fetch", "--wait"), ("--status",)):
        status, said = command("03", *words)
        assert status == (0 if words == ("--logs",) else 2)
        assert f"KAGGLE_KEY={HIDDEN}" in said
        assert "hunter2" not in said
    log = (repository / "runs" / "kernels" / AST / f"{AST}.log").read_text()
    assert log == f"begins\nenviron: KAGGLE_KEY={HIDDEN}\norigin https://{HIDDEN}@example.org/a.git\n"


def test_what_is_packed_pushed_and_staged_holds_none(account, command, repository, tmp_path):
    """A remote's address with a token in it stays where git keeps it."""
    git(repository, "remote", "add", "origin", f"https://{USER}:{ELSEWHERE[8:23]}@example.org/a.git")
    assert command("03")[0] == 0
    assert command("03", "--stage", str(tmp_path / "staged"))[0] == 0
    sent = account.mount(CODE, tmp_path / "mounted")
    for folder in (sent, tmp_path / "staged"):
        assert not [path for path in folder.rglob("*") if path.is_file() and b"example.org" in path.read_bytes()]
    assert leaks(json.dumps([body for name, body in account.loopback.requests if name != "PUT"])) == []


@pytest.mark.parametrize("content", [f'{{"username": "{USER}", "key": "{KEY}"}}', f"TOKEN = '{KEY}'\n"])
def test_a_file_that_holds_one_is_not_packed(account, command, repository, content):
    path = repository / "src" / "kaggle.json"
    path.write_text(content)
    said = fails(command, "03", "--dirty")
    assert f"{path} would be sent and holds one of your credentials" in said
    assert CODE not in account.data_sets
    assert account.loopback.called("StartBlobUpload") == []
    path.unlink()


@pytest.mark.parametrize("secret", [KEY, ELSEWHERE])
def test_no_setting_may_hold_one(account, command, secret):
    assert "holds a credential" in fails(command, "03", "--set", f"FOLDS={secret}")
    assert AST not in account.kernels


@pytest.mark.parametrize("secret", [KEY, ELSEWHERE])
def test_no_message_may_hold_one(house, said, secret):
    assert run("submit", house.csv, "-m", f"mine {secret}", *house.place) == 2
    assert "the message, which Kaggle and the ledger would keep, holds a credential" in said()
    assert house.competition.submissions == []


# In all that a training leaves


def test_training_reporting_and_publishing_leave_none(home, monkeypatch, tmp_path, capfd):
    write(home / ".kaggle" / "kaggle.json", as_json(KEY))
    write(home / ".cache" / "huggingface" / "token", TOKEN)
    for name, value in ({name: KEY for name in VARIABLES} | {"KAGGLE_USERNAME": USER, "HF_TOKEN": TOKEN}).items():
        monkeypatch.setenv(name, value)
    data, runs = tiny.write_tiny_corpus(tmp_path / "tiny"), tmp_path / "runs"
    place = ["--data", data, "--runs", runs]
    commands = (
        (0, ["build", "--data", data, "--bank", runs / "banks" / "tiny", "--workers", 1]),
        (0, ["train", tiny.RECIPE, "--folds", "0,1", *tiny.settings(), *place]),
        (0, ["report", tiny.RECIPE, "--runs", runs]),
        (0, ["publish", tiny.RECIPE, "--member", "fold0", "--out", tmp_path / "release", *place]),
        (2, ["train", tiny.RECIPE, "--folds", "9", *tiny.settings(), *place]),
        (2, ["train", tiny.RECIPE, "--set", f"train.lr={KEY}", *place]),
    )
    for status, words in commands:
        assert run(*words) == status
        assert leaks("".join(capfd.readouterr())) == []
    assert list(runs.rglob("events*"))
    assert leaks(tmp_path) == []


def test_a_traceback_hides_them(tmp_path):
    code = (
        "import os\nfrom messy_mashup.errors import run_script\n"
        "def main():\n    raise RuntimeError(f\"no: {os.environ['KAGGLE_KEY']} {os.environ['WANDB_API_KEY']}\")\n"
        "run_script(main)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(SOURCES), "KAGGLE_KEY": KEY, "WANDB_API_KEY": TOKEN}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.endswith(f"RuntimeError: no: {HIDDEN} {HIDDEN}\n")
    assert "Traceback" in done.stderr


@pytest.mark.parametrize("status", [401, 403, 500])
def test_a_hub_that_repeats_the_token(tmp_path, home, status):
    """What the hub says of a refused release, and of weights that it does not give."""
    write(home / ".cache" / "huggingface" / "token", TOKEN)
    code = f"""from pathlib import Path
from messy_mashup.errors import run_script
from messy_mashup.models.hub import from_hub
from messy_mashup.release.hub_upload import upload
for ask in (lambda: upload(Path({str(tmp_path)!r}), "me/genres", False), lambda: from_hub("me/genres", ["a"])):
    try:
        run_script(ask)
    except SystemExit as ended:
        print(ended.code)
"""
    (tmp_path / "release.json").write_text("{}")
    with hub("me/genres") as server:
        server.status, server.said = status, f"no right for {TOKEN}, Bearer {TOKEN}"
        kept = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"}
        environment = kept | {"HF_ENDPOINT": server.address, "HF_HUB_DISABLE_XET": "1", "PYTHONPATH": str(SOURCES)}
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, cwd=tmp_path)
        assert f"Bearer {TOKEN}" in server.tokens
    assert done.stdout.split() == ["2", "2"], done.stderr
    assert "the hub refused me/genres" in done.stderr
    assert leaks(done.stdout + done.stderr, tmp_path) == []
