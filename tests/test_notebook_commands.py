"""Commands that notebooks start: their output is shown as it comes, their failures and stops are told."""

import signal
import sys

import pytest

from messy_mashup.errors import STOPPED_STATUS, UserError
from messy_mashup.notebooks import commands


@pytest.fixture
def script(tmp_path, monkeypatch):
    """Writes src/<name> for a test and gives its name."""
    monkeypatch.setattr(commands, "SOURCES", tmp_path)

    def write(body: str) -> str:
        (tmp_path / "task.py").write_text(body)
        return "task.py"

    return write


def test_words_go_in_and_both_streams_come_out_as_text(script, capsys):
    name = script("import sys\nprint('heard', sys.argv[1:])\nprint('naïve ♪', file=sys.stderr)\n")
    assert commands.run(name, "--folds", 3, "a b") is True
    told = capsys.readouterr().out
    assert told.splitlines()[0] == "$ python src/task.py --folds 3 a b"
    assert "heard ['--folds', '3', 'a b']" in told
    assert "naïve ♪" in told


def test_a_failure_is_the_command_s_own_sentence(script):
    name = script("import sys\nprint('error: no bank: run build.py', file=sys.stderr)\nsys.exit(2)\n")
    with pytest.raises(UserError, match=r"src/task.py ended with status 2: no bank: run build\.py$"):
        commands.run(name)


def test_a_stop_in_time_is_no_failure(script):
    assert commands.run(script(f"raise SystemExit({STOPPED_STATUS})")) is False


@pytest.mark.parametrize("ending", ["raise SystemExit(130)", f"import os; os.kill(os.getpid(), {int(signal.SIGINT)})"])
def test_an_interrupt_is_one_here_too(script, ending):
    handled = "import signal; signal.signal(signal.SIGINT, signal.SIG_DFL)\n"
    with pytest.raises(KeyboardInterrupt):
        commands.run(script(handled + ending))


def test_bars_move_seldom_where_nobody_sees_them_move(script, capsys):
    name = script("import os\nprint(os.environ['TQDM_MININTERVAL'])")
    commands.run(name)
    assert commands.SECONDS_A_BAR in capsys.readouterr().out
    assert sys.stdout.isatty() is False
