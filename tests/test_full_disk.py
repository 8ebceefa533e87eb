"""On a full disk the message says so, and the last good state stays: shown on a real small disk."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from messy_mashup import paths

SIZE_KB = 600
MOUNTED = f'mount -t tmpfs -o size={SIZE_KB}k tmpfs "$1" && exec "$2" "$3" "$1"'
FILLS = """
import os, sys
from pathlib import Path
import numpy as np
import torch
from messy_mashup.errors import UserError
from messy_mashup.files import write_whole
from messy_mashup.training.claimed_folder import claimed
from messy_mashup.training.run_folder import State, load_state, save_state

disk = Path(sys.argv[1])
folder = disk / "fold0"
card = {"recipe": {"train": {"epochs": 9}}, "fold": 0}
def state(epoch):
    return State(card, [{"epoch": float(epoch), "val_macro_f1": 0.5}], {"a": torch.full((50_000,), float(epoch))})
def refused(write):
    try:
        write()
    except UserError as error:
        print(error)
    else:
        sys.exit("nothing was refused")
def predictions():
    with write_whole(folder / "oof.npz") as temporary, temporary.open("wb") as file:
        np.savez(file, logits=np.zeros(100_000))
def claim():
    with claimed(disk / "fold1"):
        pass

save_state(folder, state(1))
(disk / "ballast").write_bytes(b"0" * 250_000)
before = {path.name: path.read_bytes() for path in folder.iterdir()}
refused(lambda: save_state(folder, state(2)))
refused(predictions)
assert {path.name for path in folder.iterdir()} == before.keys(), "something half-written stays"
assert (folder / "state.safetensors").read_bytes() == before["state.safetensors"]
assert load_state(folder, card).model["a"][0] == 1
with (disk / "ballast").open("ab", buffering=0) as file:
    try:
        while file.write(b"0" * 4096):
            pass
    except OSError:
        pass
refused(claim)
(disk / "ballast").unlink()
save_state(folder, state(2))
assert load_state(folder, card).model["a"][0] == 2
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory) -> list[str]:
    """What is said on a full disk, a line a refusal."""
    root = tmp_path_factory.mktemp("full")
    (root / "disk").mkdir()
    (root / "fills.py").write_text(FILLS)
    unshared = ["unshare", "--user", "--map-root-user", "--mount"]
    if not sys.platform.startswith("linux") or not _may_mount(unshared, root / "disk"):
        pytest.skip("this machine does not let a test mount a small disk of its own")
    command = [*unshared, "sh", "-ec", MOUNTED, "sh", str(root / "disk"), sys.executable, str(root / "fills.py")]
    environment = {**os.environ, "PYTHONPATH": str(paths.REPOSITORY / "src")}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout.splitlines()


def _may_mount(unshared: list[str], disk: Path) -> bool:
    mount = [*unshared, "mount", "-t", "tmpfs", "tmpfs", str(disk)]
    try:
        return subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def test_the_message_says_that_the_disk_is_full_and_what_stays(told):
    state, predictions, claim = told
    for line in told:
        assert "the disk is full" in line
        assert line.endswith("make room, then run the same command again")
    assert "state.safetensors could not be written, what was whole before still is" in state
    assert "oof.npz could not be written" in predictions
    assert ".claim could not be written" in claim


def test_it_says_how_much_is_free_once_the_half_written_file_is_gone(told):
    free_mb = [float(line.split("used up (")[1].split(" MB")[0]) for line in told]
    # 614 kB less 200 kB of a state and 250 kB of ballast; nothing when the claim is refused
    assert 0.1 <= free_mb[0] <= 0.2
    assert free_mb[1] == free_mb[0]
    assert free_mb[2] == 0
