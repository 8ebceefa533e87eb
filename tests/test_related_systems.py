"""The systems of whole songs from raw files to a report and to anyone's own songs, by the commands a user types."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file

from example_trees import tone_wave, write_gtzan, write_ismir2004, write_mp3, write_wave
from kill_harness import tree_digests
from messy_mashup.scoring import predictions
from messy_mashup.torchvision_import import import_torchvision
from messy_mashup.training.run_folder import read_card
from test_commands import run

GENRES = ("blues", "metal", "rock")
SMALL = {
    "backbone.width": "32",
    "backbone.layers": "2",
    "backbone.heads": "2",
    "backbone.stride": "(16,16)",
    "backbone.heard_s": "0.4",
    "train.epochs": "3",
    "train.batch_size": "8",
    "train.lr": "3e-3",
}
ADAPTED = {"backbone.head.hidden": "8", "backbone.dora.first": "1", "folds.ratios": "(2,1,1)", "folds.count": "2"}


def words(settings: dict[str, str]) -> list[str]:
    return [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]


def write_checkpoint(folder: Path) -> Path:
    """An AST with random weights as the hub has it."""
    import_torchvision()
    from transformers import ASTConfig, ASTFeatureExtractor, ASTForAudioClassification

    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 128}
    config = ASTConfig(**sizes, frequency_stride=16, time_stride=16, max_length=98, num_labels=7)
    ASTForAudioClassification(config).save_pretrained(folder)
    ASTFeatureExtractor(max_length=98).save_pretrained(folder)
    return folder


class Gtzan:
    """A corpus in GTZAN's layout, a checkpoint, and a run of two repetitions."""

    def __init__(self, folder: Path) -> None:
        self.data, self.runs = write_gtzan(folder / "Data", GENRES, place="genres_original"), folder / "runs"
        self.checkpoint = write_checkpoint(folder / "checkpoint")
        self.settings = words(SMALL | ADAPTED | {"backbone.weights": str(self.checkpoint)})
        assert run("build", "--data", self.data, "--bank", self.runs / "banks" / "Data", "--workers", 1) == 0
        assert self.train("--folds", "0,1,all") == 0

    def train(self, *more: object) -> int:
        return run("train", "gtzan_ast_dora", "--data", self.data, "--runs", self.runs, *self.settings, *more)

    def infer(self, *more: object) -> int:
        return run("infer", "--run", "gtzan_ast_dora", "--runs", self.runs, *more)


@pytest.fixture(scope="module")
def gtzan(tmp_path_factory) -> Gtzan:
    return Gtzan(tmp_path_factory.mktemp("gtzan"))


@pytest.fixture
def songs(tmp_path) -> Path:
    """Songs from elsewhere, much longer than the training's, in folders of their classes."""
    for number, genre in enumerate(GENRES):
        for song in range(2):
            wave = tone_wave(number, 500 + song, 6.0, 44_100)
            path = tmp_path / "songs" / genre / f"{song}"
            path.parent.mkdir(parents=True, exist_ok=True)
            if song:
                write_mp3(path.with_suffix(".mp3"), wave, 44_100)
            else:
                write_wave(path.with_suffix(".wav"), wave)
    return tmp_path / "songs"


def test_a_member_is_adapter_and_head_alone(gtzan):
    path = gtzan.runs / "gtzan_ast_dora" / "fold0" / "weights.safetensors"
    names = set(load_file(path))
    assert {name for name in names if ".lora_" in name} == {
        f"audio_spectrogram_transformer.encoder.layer.1.output.dense.{part}.default.weight"
        for part in ("lora_A", "lora_B", "lora_magnitude_vector")
    }
    assert {name for name in names if ".lora_" not in name} == {
        f"classifier.{layer}.{kind}" for layer in ("hidden", "dense") for kind in ("weight", "bias")
    }
    assert len(read_card(path)["base"]) == 64
    assert path.stat().st_size < 0.2 * (gtzan.checkpoint / "model.safetensors").stat().st_size


def test_validation_and_test_parts_are_predicted_once_each_and_share_no_song(gtzan):
    (plan,) = (gtzan.runs / "folds").iterdir()
    sides = pd.read_csv(plan / "splits.csv").set_index("group")
    for fold in (0, 1):
        folder = gtzan.runs / "gtzan_ast_dora" / f"fold{fold}"
        for name, side, table in (("oof", "validation", "validation.csv"), ("tested", "test", "test.csv")):
            told, rows = predictions.load(folder / f"{name}.npz"), pd.read_csv(plan / table, dtype={"id": str})
            rows = rows[rows["fold"] == fold]
            assert told.id.tolist() == rows["id"].tolist()
            assert told.classes[told.label].tolist() == rows["label"].tolist()
            assert set(sides.loc[rows["voice0_clip"], f"split{fold}"]) == {side}
            assert len(rows) == 6
    assert not (gtzan.runs / "gtzan_ast_dora" / "all" / "tested.npz").exists()
    assert not list(gtzan.runs.rglob("test.npz"))  # GTZAN has no clips to be labelled


def test_broken_off_it_goes_on_to_the_same_bits(gtzan):
    assert gtzan.train("--name", "again", "--folds", "0", "--hours", "1e-6") == 75
    assert gtzan.train("--name", "again", "--folds", "0") == 0
    for name in ("weights.safetensors", "oof.npz", "tested.npz", "metrics.csv"):
        straight, resumed = (gtzan.runs / each / "fold0" / name for each in ("gtzan_ast_dora", "again"))
        assert straight.read_bytes() == resumed.read_bytes(), name


def test_other_pretrained_weights_than_a_member_s_own_are_told(gtzan, songs, capfd):
    path = gtzan.checkpoint / "model.safetensors"
    kept = path.read_bytes()
    tensors = load_file(path)
    save_file({name: tensor + 0.01 for name, tensor in tensors.items()}, path, metadata={"format": "pt"})
    try:
        assert gtzan.infer(songs) == 2
        assert "was trained on other weights" in capfd.readouterr().err
        assert gtzan.train("--folds", "0") == 2
        assert "trained with another base" in capfd.readouterr().err
    finally:
        path.write_bytes(kept)
    hidden = path.rename(path.with_suffix(".hidden"))
    try:
        assert gtzan.infer(songs) == 2
        assert "model.safetensors is missing" in capfd.readouterr().err
    finally:
        hidden.rename(path)


def test_songs_from_elsewhere_are_decided_by_chunks(gtzan, songs, tmp_path, capfd):
    out = tmp_path / "genres.csv"
    more = ("--set", "scoring.chunk_s=1.5", "--set", "scoring.chunks=9")
    assert gtzan.infer(songs, "--out", out, "--labelled", *more) == 0
    table = pd.read_csv(out)
    assert list(table.columns) == ["file", "label", "confidence", "votes", "chunks", *GENRES, "true"]
    assert len(table) == 6
    assert (table["chunks"] == 9).all()
    assert table["true"].tolist() == [genre for genre in GENRES for _ in range(2)]
    np.testing.assert_allclose(table[list(GENRES)].sum(axis=1), 1, atol=1e-4)
    np.testing.assert_allclose(table["confidence"], table[list(GENRES)].max(axis=1))
    votes = table["votes"] * 9 * 3  # of three members
    np.testing.assert_allclose(votes, votes.round(), atol=1e-3)
    told = capfd.readouterr().out
    right = int((table["label"] == table["true"]).sum())
    assert f"{right} of 6" in told
    assert "of 9 chunks" in told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "--run and --labelled are for files of your own"),
        (("--blend", "x", "file.wav"), "name one of them"),
        (("no/such.wav",), "there is no file or folder"),
    ],
)
def test_infer_says_what_is_wrong(gtzan, capfd, arguments, told):
    assert gtzan.infer(*arguments) == 2
    assert told in capfd.readouterr().err


def test_folders_that_are_no_classes_are_told(gtzan, songs, capfd):
    (songs / "rock").rename(songs / "polka")
    assert gtzan.infer(songs, "--labelled") == 2
    assert "the folders polka are no classes of this model" in capfd.readouterr().err
    assert run("infer", "--run", "nothing", "--runs", gtzan.runs, songs) == 2
    assert "no trained run nothing" in capfd.readouterr().err


def test_a_report_tells_both_parts_and_their_repetitions(gtzan, capfd):
    assert run("report", "gtzan_ast_dora", "--runs", gtzan.runs) == 0
    folder = gtzan.runs / "reports" / "gtzan_ast_dora"
    told = json.loads((folder / "metrics.json").read_text())
    assert told["part"] == "test"
    assert [(row["part"], row["repetitions"]) for row in told["repetitions"]] == [("validation", 2)] * 3 + [
        ("test", 2)
    ] * 3
    tested = [predictions.load(gtzan.runs / "gtzan_ast_dora" / f"fold{fold}" / "tested.npz") for fold in (0, 1)]
    right = [float((one.logits.argmax(1) == one.label).mean()) for one in tested]
    row = next(row for row in told["repetitions"] if (row["part"], row["score"]) == ("test", "accuracy"))
    assert row["mean"] == pytest.approx(np.mean(right))
    scores = {row["score"]: row["value"] for row in told["scores"]}
    assert {"weighted precision", "macro recall", "weighted F1"} <= scores.keys()
    page = (folder / "index.html").read_text()
    assert "Validation and test" in page
    assert "<audio" in page
    assert run("report", "gtzan_ast_dora", "--part", "validation", "--runs", gtzan.runs) == 0
    assert json.loads((folder / "metrics.json").read_text())["part"] == "validation"


def test_a_run_is_blended_by_its_validation_part(gtzan, capfd):
    assert run("blend", "gtzan_ast_dora", "--runs", gtzan.runs) == 0
    assert "12 held-out mashups of 2 folds" in capfd.readouterr().out
    assert run("infer", "--runs", gtzan.runs, "--data", gtzan.data) == 2
    assert "has no clips to be labelled (gtzan): name files or folders" in capfd.readouterr().err


def test_a_genre_without_enough_songs_is_told(tmp_path, capfd):
    data = write_gtzan(tmp_path / "few", clips=3, seconds=0.2)
    bank = tmp_path / "runs/banks/few"
    assert run("build", "--data", data, "--bank", bank, "--workers", 1) == 0
    settings = words({"backbone.weights": str(tmp_path)})
    assert run("train", "gtzan_ast_dora", "--data", data, "--runs", tmp_path / "runs", *settings) == 2
    assert "3 songs, too few for 10 folds: use ratios of smaller numbers" in capfd.readouterr().err


@pytest.fixture(scope="module")
def ismir(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("ismir")
    data, runs = (
        write_ismir2004(folder / "ismir04_genre", {"classical": 8, "electronic": 4, "world": 2}),
        folder / "runs",
    )
    place = ("--data", data, "--runs", runs)
    assert run("build", "--data", data, "--bank", runs / "banks" / data.name, "--workers", 1) == 0
    assert run("train", "ismir2004_ast_tiny", *place, *words(SMALL)) == 0
    weighted = words(SMALL | {"train.class_weights": "balanced"})
    assert run("train", "ismir2004_ast_tiny", "--name", "weighted", *place, *weighted) == 0
    return runs


def test_the_contest_s_own_split_is_used(ismir):
    (plan,) = (ismir / "folds").iterdir()
    assert plan.name.startswith("ismir2004-1given")
    validated, tested = (
        predictions.load(ismir / "ismir2004_ast_tiny/fold0" / f"{name}.npz") for name in ("oof", "tested")
    )
    for told, part in ((validated, "development"), (tested, "evaluation")):
        assert told.classes.tolist() == ["classical", "electronic", "world"]
        assert np.bincount(told.label).tolist() == [8, 4, 2]
        table = pd.read_csv(plan / ("validation.csv" if part == "development" else "test.csv"))
        assert table["voice0_clip"].str.startswith(f"{part}/").all()
        assert (table["voice0_rate"] == 1).all()


def test_class_weights_change_what_is_learnt(ismir):
    plain, weighted = (
        load_file(ismir / name / "fold0/weights.safetensors") for name in ("ismir2004_ast_tiny", "weighted")
    )
    assert not torch.equal(plain["classifier.dense.bias"], weighted["classifier.dense.bias"])


def test_the_report_has_roc_and_both_confusions_of_one_split(ismir):
    assert run("report", "ismir2004_ast_tiny", "--runs", ismir) == 0
    folder = ismir / "reports" / "ismir2004_ast_tiny"
    assert {"roc.png", "confusion.png", "confusion_normalised.png", "index.html"} <= set(tree_digests(folder))
    told = json.loads((folder / "metrics.json").read_text())
    assert 0 <= told["macro_auc"] <= 1
    assert told["repetitions"][0]["low"] is None
    assert "There is one split only" in (folder / "index.html").read_text()
    per_class = pd.read_csv(folder / "per_class.csv")
    assert per_class["auc"].between(0, 1).all()
