"""What fuzzing found in readers of tables, JSON and arrays: each file ends in the right value or in one sentence."""

import io
import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

import fuzz_runs
import fuzz_tables
from fuzzing import feed
from messy_mashup.data.corpora import messy_mashup, singers
from messy_mashup.data.listing import listed_file, read_table
from messy_mashup.errors import UserError
from messy_mashup.own_files import DEEPEST, parse_json, read_arrays, read_bytes, read_json
from messy_mashup.recipe_text import from_json, override
from messy_mashup.scoring import predictions
from messy_mashup.text_table import read_text_table

TARGETS = fuzz_tables.TARGETS | fuzz_runs.TARGETS
NOT_JSON = {
    "deep": b"[" * 100_000,
    "deep but closed": b"[" * 500 + b"]" * 500,
    "not a number": b'{"a": NaN}',
    "beyond a float": b'{"a": 1e999}',
    "too many digits": b"1" * 5000,
    "beyond 64 bits": b'{"a": 18446744073709551616}',
    "a name twice": b'{"a": 1, "a": 2}',
    "half a character": rb'{"a": "\ud800"}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "NUL": b'{"a": 1}\0',
    "nothing": b"",
}
JSON_TARGETS = ("recipe", "values", "space", "notebook", "blend", "fetched", "bank_card", "checkpoint")


@pytest.mark.parametrize("content", NOT_JSON.values(), ids=NOT_JSON)
@pytest.mark.parametrize("name", JSON_TARGETS)
def test_json_that_is_none_is_told(tmp_path, name, content):
    if name == "checkpoint" and content in (NOT_JSON["not a number"], NOT_JSON["beyond a float"]):
        pytest.skip("transformers writes such numbers")
    assert feed(TARGETS[name], tmp_path, content)


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_are_read(tmp_path, name):
    (tmp_path / "seeds").mkdir()
    for content in TARGETS[name].seeds(tmp_path / "seeds"):
        sentence = feed(TARGETS[name], tmp_path, content)
        assert sentence is None or name == "lease", sentence  # a lease that lives is held


def test_json_with_a_mark_of_its_encoding_is_read():
    assert parse_json(b'\xef\xbb\xbf{"a": [1, 2.5, "\\ud83c\\udfb5"]}') == {"a": [1, 2.5, "🎵"]}
    assert parse_json("[" * DEEPEST + "]" * DEEPEST)
    assert parse_json("NaN", finite=False) != parse_json("1")


def test_a_file_without_end_is_not_read(tmp_path):
    (tmp_path / "endless").symlink_to("/dev/zero")
    with pytest.raises(UserError, match=r"endless .*more than 1 MiB|is no file"):
        read_bytes(tmp_path / "endless", "name another", 1 << 20)
    (tmp_path / "long.json").write_bytes(b" " * (2 << 20))
    with pytest.raises(UserError, match=r"long\.json has more than 1 MiB"):
        read_json(tmp_path / "long.json", "name another", most_bytes=1 << 20)


@pytest.mark.parametrize(
    "setting",
    [
        *("train.lr=nan", "train.lr=inf", "mashup.length_s=(nan,nan)", "mashup.bed_snr_db=(-inf,inf)"),
        *("train.lr={[]: 1}", "train.lr=" + "(" * 5000, "train.lr=" + "-" * 50_000 + "1", "name" + "." * 5000 + "=1"),
        *("train.seed=0x" + "f" * 9000, "train.epochs=18446744073709551616"),
    ],
    ids=lambda setting: setting[:24],
)
def test_a_setting_that_is_none_is_a_short_sentence(setting):
    with pytest.raises(UserError) as told:
        override(fuzz_runs.RECIPE, [setting])
    assert len(str(told.value)) < 1000


def test_a_recipe_without_finite_numbers_is_refused(tmp_path):
    (tmp_path / "recipe.json").write_text('{"name": "a", "mashup": {"gain": [0.5, Infinity]}}')
    with pytest.raises(UserError, match=r"recipe\.json"):
        from_json(tmp_path / "recipe.json")


def npy(array: np.ndarray, header: dict | None = None) -> bytes:
    """An array as a file, with a header of one's own choice."""
    file = io.BytesIO()
    if header is None:
        np.save(file, array)
    else:
        np.lib.format.write_array_header_1_0(file, header)
        file.write(array.tobytes())
    return file.getvalue()


def huge(shape: tuple[int, ...], descr: str = "<f4") -> bytes:
    return npy(np.zeros(4, np.float32), {"descr": descr, "fortran_order": False, "shape": shape})


def predictions_with(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    """A file of predictions, some of whose arrays are others."""
    predictions.save(fuzz_runs.parts_of(1, 0, 6)[0], path)
    with zipfile.ZipFile(path) as whole:
        content = {name: whole.read(name) for name in whole.namelist()}
    with zipfile.ZipFile(path, "w", compression) as changed:
        for name, array in (content | {f"{name}.npy": array for name, array in members.items()}).items():
            changed.writestr(name, array)
    return path


@pytest.mark.parametrize(
    ("members", "compression"),
    [
        ({"logits": huge((25_000_000_000,))}, 0),
        ({"logits": huge((1 << 40, 1 << 40))}, 0),
        ({"logits": huge((-4,))}, 0),
        ({"id": huge((1 << 40,), "<U0")}, 0),
        ({"id": npy(np.array([0x110000, 0x110000], "<u4").view("<U1"))}, 0),
        ({"id": npy(np.array([0xD800, 0x41], "<u4").view("<U1"))}, 0),
        ({"id": npy(np.array(["a", "a"]))}, 0),
        ({"label": npy(np.array([0, 4]))}, 0),
        ({"label": npy(np.array([0, -2]))}, 0),
        ({"classes": npy(np.array(["blues", "jazz", "jazz", "rock"]))}, 0),
        ({"logits": npy(np.full((2, 4), np.nan, np.float32))}, 0),
        ({"logits": npy(np.zeros((2, 4), ">f4"))}, 0),
        ({"logits": npy(np.zeros((2, 4), complex))}, 0),
        ({"logits": b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 65_535}, 0),
        ({"other": npy(np.zeros(1))}, 0),
        ({}, zipfile.ZIP_DEFLATED),
    ],
)
def test_arrays_that_are_not_what_they_claim_are_told(tmp_path, members, compression):
    path = predictions_with(tmp_path / "oof.npz", members, compression)
    assert "remove it and score again" in feed(TARGETS["predictions"], tmp_path, path.read_bytes())


def test_arrays_of_objects_are_never_unpickled(tmp_path):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    np.savez(tmp_path / "a.npz", key=np.array([Trap()], dtype=object))
    with pytest.raises(UserError, match=r"a\.npz"):
        read_arrays(tmp_path / "a.npz", {"key": "U"}, "keys", "remove it")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "card",
    [
        {},
        {"recipe": {}},
        {"recipe": []},
        fuzz_runs.CARD | {"recipe": {"train": {"epochs": "2"}}},
        fuzz_runs.CARD | {"fold": None},
        fuzz_runs.CARD | {"classes": [1]},
        fuzz_runs.CARD | {"fold": True},
        [],
        None,
    ],
)
def test_a_card_that_lacks_something_is_told(tmp_path, card):
    save_file({"a": torch.ones(2)}, tmp_path / "made", metadata={"card": json.dumps(card)})
    assert "damaged or was not written here" in feed(TARGETS["weights"], tmp_path, (tmp_path / "made").read_bytes())


@pytest.mark.parametrize("tensor", ["another.a", "model"])
def test_a_state_of_other_parts_is_told(tmp_path, tensor):
    header = {"card": fuzz_runs.CARD, "rows": [], "scaler": {}, "progress": {}}
    for metadata in (header, {"card": fuzz_runs.CARD}):
        save_file({tensor: torch.ones(2)}, tmp_path / "made", metadata={"card": json.dumps(metadata)})
        if tensor == "another.a" or metadata != header:
            assert feed(TARGETS["state"], tmp_path, (tmp_path / "made").read_bytes())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("members", ["../../etc", "run/fold1"]),
        ("members", ["/etc", "run/fold1"]),
        ("members", ["run/fold0"]),
        ("counted_for", ["run", "walk"]),
        ("rule", {"temperatures": [0.0], "combiner": {"kind": "geometric"}}),
        ("rule", {"temperatures": [1.0, 1.0], "combiner": {"kind": "geometric"}}),
        ("rule", {"temperatures": [1.0], "combiner": {"kind": "mean", "shares": [2.0]}}),
        ("rule", {"temperatures": [1.0], "combiner": {"kind": "mean", "shares": [float("nan")]}}),
        ("rule", {"temperatures": [1.0], "combiner": {"kind": "rank", "temperature": 0}}),
        (
            "rule",
            {
                "temperatures": [1.0],
                "combiner": {"kind": "stack", "coefficients": [[1]], "intercepts": [], "strength": 1},
            },
        ),
    ],
)
def test_a_blend_that_does_not_fit_together_is_told(tmp_path, field, value):
    blend = json.loads(fuzz_runs.blend_seeds(tmp_path)[0])
    assert feed(TARGETS["blend"], tmp_path, json.dumps(blend | {field: value}).encode())


@pytest.mark.parametrize("pointer", [b'{"blend": "../x"}', b'{"blend": 5}', b"[]", b"{}"])
def test_what_points_to_no_blend_is_told(tmp_path, pointer):
    (tmp_path / "blend.json").write_bytes(pointer)
    with pytest.raises(UserError, match=r"blend\.json"):
        fuzz_runs.load_blend(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        b"id,x\n1,2,3\n",  # was taken for an index
        b"id,x\n1\n",
        b"id,id\n1,2\n",
        b"id,x\n1,\x00\n",
        b"id,x\n1,\xff\n",
        b'id,x\n1,"2\n',
        b"id,x\n1," + b"a" * 200_000 + b"\n",
        "id,x\n1,2\n".encode("utf-16"),
        b"",
        b"," * 100_000 + b"\n",
    ],
)
def test_a_table_that_is_none_is_told(tmp_path, content):
    (tmp_path / "list.csv").write_bytes(content)
    for read in (read_text_table, lambda path: read_table(path, ["id"])):
        with pytest.raises(UserError, match=r"list\.csv"):
            read(tmp_path / "list.csv")


def test_line_ends_are_what_they_are(tmp_path):
    (tmp_path / "list.csv").write_bytes(b'\xef\xbb\xbfid,x\r\n0001,"a\nb"\n\r0002,c\r')
    assert read_text_table(tmp_path / "list.csv").values.tolist() == [["0001", "a\nb"], ["0002", "c"]]


@pytest.mark.parametrize("name", ["../secret.wav", "/etc/passwd", "mashups/../../secret.wav", "a" * 5000, "mashups"])
def test_a_list_reads_nothing_outside_its_data(tmp_path, name):
    (tmp_path / "secret.wav").touch()
    shutil.copytree(fuzz_tables.corpus(), tmp_path / "data")
    (tmp_path / "data" / "test.csv").write_text(f"id,filename\n0001,{name}\n")
    with pytest.raises(UserError, match=r"test\.csv") as told:
        messy_mashup.test_clips(tmp_path / "data")
    assert len(str(told.value)) < 1000
    (tmp_path / "data" / "moods.csv").write_text(f"file,labels\n{name},a\n")
    with pytest.raises(UserError, match=r"moods\.csv"):
        fuzz_tables.read_labels(tmp_path / "data" / "moods.csv")
    (tmp_path / "data" / "test.csv").unlink()
    (tmp_path / "data" / "train.csv").write_text(f"file,label\n{name},a\na/1.mp3,a\nb/2.mp3,b\n")
    assert any(
        "train.csv" in item.sentence and len(item.sentence) < 1000 for item in singers.scan(tmp_path / "data").broken
    )


def test_a_folder_named_by_a_way_round_still_holds_its_files(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.wav").touch()
    folder = tmp_path / "data" / ".." / "data"
    assert listed_file(folder, (folder,), "a.wav") == folder / "a.wav"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("gtzan_artists", b"file,artist\nblues.00000.wav,King\nblues/blues.00000.wav,Queen\n"),
        ("esc50_csv", b"filename,target\n1-2-A-3.wav,3\n1-2-A-3.wav,4\n4-5-B-6.wav,6\n"),
        ("test_csv", b"id,filename\n0001,mashups/0001.wav\n0001,mashups/0002.wav\n"),
        ("ledger", f"{fuzz_tables.LEDGER}\nt,a.csv,,,,,,much,,,,,,,\n".encode()),
        ("ledger", f"{fuzz_tables.LEDGER}\nt,a.csv,,,,,,,,,,,nan,,\n".encode()),
        ("ledger", f"{fuzz_tables.LEDGER}\nt,../../a.csv,,,,,,,,,,,,,\n".encode()),
        ("metrics", b"epoch,loss\n1,0.5,7\n"),
        ("metrics", b"epoch,loss\none,0.5\n"),
        ("metrics", b"loss\n0.5\n"),
        ("finds", fuzz_tables.FINDS.encode() + b"\n1,a,a,bass,rock,fast,0.5,0.9,7.5,True,False\n"),
        ("finds", fuzz_tables.FINDS.encode() + b"\n1,a,a,bass,rock,1.0,0.5,0.9,7.5,true,False\n"),
        ("study", b'{"op_code": 99, "worker_id": "a"}\n'),
        ("study", b"[]\n"),
        ("study", b"[" * 100_000 + b"\n"),
        ("notebook", b'{"cells": [1]}'),
        ("notebook", b'{"cells": [{"metadata": [], "source": ""}]}'),
        ("notebook", b'{"cells": [{"metadata": {"tags": 5}}]}'),
        ("notebook", b'{"cells": [{"source": [1]}]}'),
        ("fetched", b'{"a": {"kernel": "k"}}'),
        ("embeddings", b"PK\x05\x06" + bytes(18)),
    ],
)
def test_a_find_is_told(tmp_path, name, content):
    assert feed(TARGETS[name], tmp_path, content)


@pytest.mark.parametrize("change", [("fold", "2"), ("fold", "0.5"), ("fold", ""), ("group", "jazz.00000")])
def test_folds_that_hold_a_song_twice_or_never_are_refused(tmp_path, change):
    column, value = change
    (seed,) = TARGETS["folds"].seeds(tmp_path)
    table = pd.read_csv(io.BytesIO(seed), dtype=str)
    table.loc[1, column] = value
    assert "remove it, and the runs that used it" in feed(
        TARGETS["folds"], tmp_path, table.to_csv(index=False).encode()
    )


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("voice0_gain", "nan"),
        ("voice0_gain", "loud"),
        ("voice0_clip", "x/bass"),
        ("label", "pop"),
        ("id", "fold0-00001"),
    ],
)
def test_mashups_of_another_bank_are_refused(tmp_path, column, value):
    (seed,) = TARGETS["arrangements"].seeds(tmp_path)
    table = pd.read_csv(io.BytesIO(seed), dtype=str, keep_default_na=False)
    table.loc[0, column] = value
    assert "remove it" in feed(TARGETS["arrangements"], tmp_path, table.to_csv(index=False).encode())


@pytest.mark.parametrize(
    "line", [b"5", b'{"key": [], "value": 1}', b'{"key": "a", "value": [[[null, 1], [1, 0], 1]]}', b"[" * 100_000]
)
def test_a_journal_s_line_that_is_none_is_begun_anew(tmp_path, line):
    assert feed(TARGETS["journal"], tmp_path, b'{"origin": ["m"]}\n' + line + b"\n") is None


@pytest.mark.parametrize("content", [b"5", b"{}", b"[]", b"[" * 100_000, b'{"format": 3, "clips": [5]}', b"\xff"])
def test_what_is_no_plan_of_a_bank_or_no_lease_is_as_if_it_were_not_there(tmp_path, content):
    assert feed(TARGETS["bank_plan"], tmp_path, content) is None
    assert feed(TARGETS["lease"], tmp_path, content) is None
    assert feed(TARGETS["kernel_log"], tmp_path, content) is None


@pytest.mark.parametrize(
    "change", [{"samples": -1}, {"skipped": [5]}, {"left_out": None}, {"index_sha256": 5}, {"corpus": []}]
)
def test_a_bank_s_card_that_is_none_is_told(tmp_path, change):
    card = json.loads(fuzz_runs.bank_parts()[0]) | change
    assert "run build.py again" in feed(TARGETS["bank_card"], tmp_path, json.dumps(card).encode())


@pytest.mark.parametrize("card", ["[]", "3", '{"of":"that"}'])
def test_a_study_of_another_card_is_told(tmp_path, card):
    (journal,) = TARGETS["study"].seeds(tmp_path)
    told = feed(TARGETS["study"], tmp_path, journal.replace(b'{"of":"this"}', card.encode()))
    assert "is of a study of another of: give this one another --study name" in told
