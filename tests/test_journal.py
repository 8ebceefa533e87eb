"""What was found is kept line by line: after a kill, of another origin, by two at once."""

import json
from contextlib import suppress

import pytest

from messy_mashup.claim import Held
from messy_mashup.errors import UserError
from messy_mashup.scoring.journal import Journal


def open_(path, *origin):
    return Journal.of(path, origin or ("weights",), f"{path.name} is being written")


def broken_off(path, *keys):
    """A journal whose command did not end."""
    with suppress(KeyboardInterrupt), open_(path) as journal:
        for key in keys:
            journal.note(key, [0.1, 1 / 3])
        raise KeyboardInterrupt


def test_what_was_noted_comes_back_to_the_bit_and_goes_with_the_work(tmp_path):
    path = tmp_path / ".a.journal"
    broken_off(path, "one", "two")
    with open_(path) as journal:
        assert (len(journal), journal.get("one"), journal.get("three")) == (2, [0.1, 1 / 3], None)
        journal.note("three", 1)
    assert not path.exists()


@pytest.mark.parametrize("bytes_left", [1, 5, 20])
def test_a_line_that_a_kill_cut_short_does_not_count(tmp_path, bytes_left):
    path = tmp_path / ".a.journal"
    broken_off(path, "one", "two")
    whole = path.read_bytes()
    last = whole.splitlines(keepends=True)[-1]
    path.write_bytes(whole[: -len(last)] + last[:bytes_left])
    with suppress(KeyboardInterrupt), open_(path) as journal:
        assert (journal.get("one"), journal.get("two")) == ([0.1, 1 / 3], None)
        journal.note("two", 2)
        raise KeyboardInterrupt
    assert [json.loads(line).get("key") for line in path.read_text().splitlines()] == [None, "one", "two"]


def test_other_models_begin_anew_and_no_other_file_is_touched(tmp_path):
    path = tmp_path / ".a.journal"
    broken_off(path, "one")
    with open_(path, "other weights") as journal:
        assert len(journal) == 0
    path.write_text("dear diary\n")
    with pytest.raises(UserError, match="no journal of a command"), open_(path):
        pass
    assert path.read_text() == "dear diary\n"


def test_a_second_command_is_told_to_wait(tmp_path):
    path = tmp_path / ".a.journal"
    with open_(path) as journal:
        journal.note("one", 1)
        with pytest.raises(Held, match="is being written by another process"), open_(path):
            pass
        assert journal.get("one") == 1
