"""Bytes that are not those that were written: files cut short, and files in which one bit has flipped.

file                  what the user sees                                        the next run
--------------------  --------------------------------------------------------  -------------------------------------
weights.safetensors   the file, "damaged", and what to do (train, infer, blend)   right, once it is removed
state.safetensors     the file, "damaged", and what to do                       right, once it is removed
oof.npz, test.npz     the file, and to remove it                                right, once it is removed
a bank's samples      `build.py --verify` names the clips                       decoded again, to the same bytes
a bank's index, card  the bank is damaged: run build.py again                   built again
a blend               the file is damaged: run blend.py again                   right, once that is done
a study's journal     the file and the line                                     searched again, once it is removed
"""

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from fault_stages import NAME, Stages, stages_fixture  # noqa: F401
from kill_harness import tree_digests
from made_up_runs import parts_of
from messy_mashup.data import bank_build
from messy_mashup.data.bank import Bank
from messy_mashup.errors import UserError
from messy_mashup.scoring import predictions
from messy_mashup.training import study
from messy_mashup.training.run_folder import (
    WEIGHTS,
    State,
    clear_leftovers,
    load_state,
    load_weights,
    save_state,
    save_weights,
)

CARD = {"recipe": {"train": {"lr": 1e-4, "epochs": 3}}, "classes": ["blues"], "fold": 0}
TENSORS = {"a": torch.arange(6.0).view(2, 3).T, "b": torch.tensor(3), "c": torch.ones(3, dtype=torch.bfloat16)}

WRITING = """import sys, torch
from safetensors.torch import save_file
while True:
    save_file({"a": torch.zeros(1 << 24)}, sys.argv[1])
"""


def flip(path: Path, place: int, bit: int = 0) -> None:
    """One bit of a file is another one."""
    content = bytearray(path.read_bytes())
    content[place] ^= 1 << bit
    path.write_bytes(content)


def cut(path: Path, share: float) -> None:
    """The file ends early."""
    content = path.read_bytes()
    path.write_bytes(content[: round(share * len(content))])


def test_what_a_kill_left_half_written_is_cleared_and_nothing_else(tmp_path):
    writing = subprocess.Popen([sys.executable, "-c", WRITING, str(tmp_path / ".weights.safetensors.7.partial")])
    while not any(tmp_path.glob(".tmp*")):  # looked at while it stands still
        writing.send_signal(signal.SIGCONT)
        time.sleep(0.05)
        assert writing.poll() is None
        writing.send_signal(signal.SIGSTOP)
    writing.kill()
    writing.wait()
    assert any(tmp_path.glob(".tmp*"))
    kept = {WEIGHTS, ".claim", ".tmp", "notes.tmp"}
    for name in (*kept, ".weights.safetensors.7.partial"):
        (tmp_path / name).write_text("")
    clear_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == kept


def test_no_flipped_bit_of_weights_is_missed(tmp_path):
    path = tmp_path / "weights.safetensors"
    save_weights(path, TENSORS, CARD)
    written = path.read_bytes()
    for place in range(len(written)):
        path.write_bytes(written)
        flip(path, place, place % 8)
        with pytest.raises(UserError, match=r"weights\.safetensors is damaged .* remove it and train that member"):
            load_weights(path)


def test_no_flipped_bit_of_predictions_changes_them(tmp_path):
    path = tmp_path / "oof.npz"
    (before, *_) = parts_of(1.0, 0, clips=9)
    predictions.save(before, path)
    written, missed = path.read_bytes(), 0
    for place in range(len(written)):
        path.write_bytes(written)
        flip(path, place, place % 8)
        try:
            after = predictions.load(path)
        except UserError as error:
            assert "remove it and score again" in str(error)  # noqa: PT017
        else:  # a date or a right of the archive's
            missed += 1
            assert after.logits.tobytes() == before.logits.tobytes()
            assert after.id.tolist() == before.id.tolist()
            assert (after.classes.tolist(), after.origin) == (before.classes.tolist(), before.origin)
            assert after.label.tolist() == before.label.tolist()
    assert missed < len(written) / 2


def test_files_without_a_digest_are_still_read(tmp_path):
    save_file({"model.a": torch.ones(2)}, tmp_path / "state.safetensors", metadata={"card": json.dumps(header())})
    assert load_state(tmp_path, CARD).model["a"].tolist() == [1, 1]
    save_file({"a": torch.ones(2)}, tmp_path / "weights.safetensors", metadata={"card": json.dumps(CARD)})
    assert load_weights(tmp_path / "weights.safetensors")[1] == CARD


def header() -> dict:
    return {"card": CARD, "rows": [{"epoch": 1.0}], "scaler": {}, "progress": {}}


def test_equal_states_are_equal_files(tmp_path):
    for name in "ab":
        save_state(tmp_path / name, State(CARD, [{"epoch": 1.0}], TENSORS))
    assert len(set(tree_digests(tmp_path).values())) == 2  # the state, and its metrics


@pytest.mark.parametrize(
    ("command", "name", "words"),
    [
        ("infer", "weights.safetensors", "is damaged or was not written here (its bytes are not those"),
        ("blend", "weights.safetensors", "is damaged or was not written here (its bytes are not those"),
        ("blend", "oof.npz", "does not hold predictions"),
    ],
)
def test_a_flipped_byte_is_told_by_the_command_that_reads_it(stages, tmp_path, command, name, words):
    out = stages.begun(command, tmp_path / "out")
    flip(out / "runs" / NAME / "fold0" / name, -5 if name.startswith("weights") else 300)
    status, said = stages.harness(command).session(out)
    assert (status, "Traceback" in said) == (2, False)
    assert f"fold0/{name} {words}" in said


@pytest.mark.parametrize("damage", [lambda path: flip(path, -5), lambda path: cut(path, 0.7)], ids=["flip", "cut"])
def test_training_does_what_it_says_of_damaged_files_and_ends_right(stages, tmp_path, damage):
    out, training = stages.begun("blend", tmp_path / "out"), stages.harness("train")
    folder = out / "runs" / NAME / "fold0"
    for name in ("weights.safetensors", "test.npz"):
        damage(folder / name)
        status, said = training.session(out)
        assert (status, "Traceback" in said) == (2, False)
        assert f"{folder / name} " in said
        assert "remove it" in said
        (folder / name).unlink()
        assert training.session(out)[0] == 0
        assert tree_digests(out, training.ignored) == stages.right("train")


def test_a_damaged_state_is_told_and_removed_it_is_trained_again(stages, tmp_path):
    out, training = stages.begun("train", tmp_path / "out"), stages.harness("train")
    words = ("--hours", "1e-6")
    assert training.session(out, *words)[0] == 75
    state = out / "runs" / NAME / "fold0" / "state.safetensors"
    flip(state, -5)
    status, said = training.session(out)
    assert (status, "Traceback" in said) == (2, False)
    assert f"{state} is damaged" in said
    state.unlink()
    assert training.session(out)[0] == 0
    assert tree_digests(out, training.ignored) == stages.right("train")


def test_a_bank_is_verified_and_what_is_damaged_is_decoded_again(stages, tmp_path, capsys):
    data = stages.data
    bank = Path(shutil.copytree(stages.stage("train") / "runs" / "banks" / data.name, tmp_path / "bank"))
    right = tree_digests(bank)
    index = Bank.open(bank).index
    clip = random.Random(0).randrange(len(index))
    flip(bank / "samples.int16", 2 * (index["offset"].iat[clip] + 5), 3)
    assert Bank.open(bank).damaged() == [index["clip"].iat[clip]]
    bank_build.build("messy_mashup", data, bank, workers=1, verify=True)
    assert f"1 clips are not what was written, first {index['clip'].iat[clip]}" in capsys.readouterr().out
    assert tree_digests(bank) == right
    bank_build.build("messy_mashup", data, bank, workers=1, verify=True)
    assert "nothing has changed" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["index.csv", "bank.json", "samples.int16"])
def test_a_bank_cut_short_is_told_and_built_again(stages, tmp_path, name):
    out, building = stages.begun("train", tmp_path / "out"), stages.harness("build")
    cut(out / "runs" / "banks" / stages.data.name / name, 0.5)
    status, said = stages.harness("train").session(out)
    assert (status, "Traceback" in said) == (2, False)
    assert "the bank is damaged" in said
    assert "run build.py again" in said
    assert building.session(out)[0] == 0
    assert tree_digests(out, building.ignored) == stages.right("build")


@pytest.mark.parametrize("name", ["blends/tiny_blend.json", "blend.json"])
def test_a_blend_cut_short_is_told(stages, tmp_path, name):
    out = stages.begun("infer", tmp_path / "out")
    cut(out / "runs" / name, 0.5)
    status, said = stages.harness("infer").session(out)
    assert (status, "Traceback" in said) == (2, False)
    assert f"{name} is damaged" in said
    assert "run blend.py again" in said


def test_a_journal_of_a_study_with_a_damaged_line_is_told(tmp_path):
    pytest.importorskip("optuna")
    rules = study.Rules("maximize", 0)
    study.Study(tmp_path, {"fold": 0}, {}, rules)
    journal = tmp_path / study.JOURNAL
    content = journal.read_bytes()
    flip(journal, content.index(b'"'), 6)
    with pytest.raises(UserError, match=r"journal\S* is damaged at line 1 \(.*\): put a whole copy in its place"):
        study.Study(tmp_path, {"fold": 0}, {}, rules)
    journal.write_bytes(content)
    study.Study(tmp_path, {"fold": 0}, {}, rules)
