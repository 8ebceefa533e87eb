"""The commands of src/, run from Python with their output as it comes: by the notebooks and by the demo."""

import codecs
import os
import subprocess
import sys
from pathlib import Path

from messy_mashup.errors import INTERRUPTED_STATUS, STOPPED_STATUS, UserError

SOURCES = Path(__file__).resolve().parents[2]
SECONDS_A_BAR = "10"  # a progress bar that is not on a terminal leaves a line each time it moves
TOLD_AT_MOST = 2000  # characters


def run(script: str, *words: str | Path) -> bool:
    """Run `python src/<script> <words>`. False where it stopped in time with work left (its output says what).

    UserError, with the command's own sentence, where it failed.
    """
    arguments = [str(word) for word in words]
    print(f"$ python src/{script} {' '.join(arguments)}", flush=True)
    command = [sys.executable, str(SOURCES / script), *arguments]
    status, told = _on_terminal(command) if sys.stdout.isatty() else _forwarded(command)
    if status in (-2, INTERRUPTED_STATUS):
        raise KeyboardInterrupt
    if status not in (0, STOPPED_STATUS):
        raise UserError(f"src/{script} ended with status {status}{told}")
    return status == 0


def _on_terminal(command: list[str]) -> tuple[int, str]:
    return subprocess.run(command).returncode, ": see its message above"


def _forwarded(command: list[str]) -> tuple[int, str]:
    """Through Python's own stdout, which a notebook shows; the status and the last lines."""
    environment = {"TQDM_MININTERVAL": SECONDS_A_BAR} | os.environ | {"PYTHONUNBUFFERED": "1"}
    told, decoder = "", codecs.getincrementaldecoder("utf-8")(errors="replace")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment) as running:
        while piece := os.read(running.stdout.fileno(), 1 << 16):
            text = decoder.decode(piece)
            sys.stdout.write(text)
            sys.stdout.flush()
            told = (told + text)[-TOLD_AT_MOST:]
    errors = [line for line in told.splitlines() if line.startswith("error: ")]
    return running.returncode, f": {errors[-1].removeprefix('error: ')}" if errors else ": see its message above"
