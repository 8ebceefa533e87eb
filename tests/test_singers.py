"""Singer snippets: both layouts, all that can be wrong with them, and the system by the commands a user types."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from example_trees import SINGERS, noise_wave, write_gtzan, write_singers, write_text, write_wave
from messy_mashup import models, recipes
from messy_mashup.data import corpora
from messy_mashup.data.bank import Bank
from messy_mashup.data.corpora import singers
from messy_mashup.data.folds import dealt
from messy_mashup.data.splits import split_by_ratios
from messy_mashup.errors import UserError
from messy_mashup.features.frame_spec import speech_log_mel
from messy_mashup.features.logmel import padding_value, wave_log_mel
from messy_mashup.mashup.feature_files import write_features
from messy_mashup.scoring import predictions
from messy_mashup.scoring.blend_study import OfNumber
from messy_mashup.scoring.plots_of_blends import draw_numbers
from test_commands import run
from test_splits import index_of

TINY = ("--set", "folds.ratios=(2,1,0)", "--set", "backbone.heard_s=0.5", "--set", "train.epochs=2")
TINY += ("--set", "backbone.widths=(4,4,8,8)")


@pytest.fixture(params=[False, True], ids=["folders", "listed"])
def tree(request, tmp_path: Path) -> Path:
    return write_singers(tmp_path / "singers", clips=2, seconds=0.1, listed=request.param)


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    return write_singers(tmp_path / "singers", clips=2, seconds=0.1)


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    return write_singers(tmp_path / "singers", clips=4, seconds=0.1, listed=True)


def sentences(root: Path) -> str:
    return "\n".join(item.sentence for item in singers.scan(root).broken)


def test_both_layouts_are_read(tree):
    assert corpora.recognise(tree) == "singers"
    corpus = singers.scan(tree)
    assert (corpus.broken, corpus.classes) == ((), SINGERS)
    assert corpus.clips["label"].value_counts().to_dict() == dict.fromkeys(SINGERS, 2)
    assert (corpus.clips["part"] == "mix").all()
    assert corpus.clips["clip"].is_unique
    assert not corpora.is_competition(tree)


def test_snippets_of_a_song_stay_together_where_it_is_known(listed, tmp_path):
    clips = singers.scan(listed).clips
    assert clips["artist"].iloc[0] == "song adele song 0"
    assert clips["group"].nunique() == len(clips)
    folds = dealt(clips, 2, 0, "").set_index("group")["fold"]
    assert (clips.assign(fold=clips["group"].map(folds)).groupby("artist")["fold"].nunique() == 1).all()
    assert (singers.scan(write_singers(tmp_path / "other", 2, seconds=0.1)).clips["artist"] == "").all()


def test_all_that_is_wrong_with_folders_is_named_at_once(folders):
    (folders / "train/elvis").mkdir()
    (folders / "train/cash/cover.jpg").write_bytes(b"\xff\xd8")
    (folders / "train/cash/.DS_Store").write_bytes(b"")
    write_wave(folders / "train/stray.wav", noise_wave(1, 0.1))
    told = sentences(folders)
    for part in (
        "train/elvis: the class holds no audio: fill the folder, or remove it",
        "cash/cover.jpg: is no audio",
        "train/stray.wav: lies in no folder of a class",
    ):
        assert part in told
    assert "DS_Store" not in told


def test_all_that_is_wrong_with_lists_is_named_at_once(listed):
    lines = (listed / "train.csv").read_text().splitlines()
    (listed / "train/readme.txt").write_text("hello")
    write_wave(listed / "train/new.wav", noise_wave(1, 0.1))
    lines[1] = lines[1].replace(",adele,", ",Adele ,")
    lines[2] = lines[2].replace(",adele,", ",,")
    more = ["nowhere.mp3,adele,x", "../test/0000.mp3,adele,x", lines[4], "readme.txt,dion,x"]
    write_text(listed / "train.csv", lines + more)
    write_text(listed / "test.csv", ["id,file,label", "0,0000.mp3,elvis", "1,gone.mp3,", "2,0002.mp3,dion"])
    told = sentences(listed)
    for part in (
        "line 2: adele_000.mp3 has an unknown label: 'Adele', elsewhere written 'adele'",
        "line 3: adele_001.mp3 has no label",
        "nowhere.mp3: listed in",
        "../test/0000.mp3: listed in",
        "line 20: adele_003.mp3 is listed twice",
        "readme.txt: listed in",
        "new.wav: not listed in",
        "0000.mp3 has an unknown label: 'elvis' is none of adele, bowie, cash, dion",
        "gone.mp3: listed in",
        "0001.mp3: not listed in",
    ):
        assert part in told
    assert len(singers.scan(listed).broken) == 10


def test_a_label_that_denies_its_folder_is_named(folders):
    rows = [f"{label}/{clip:03d}.mp3,{label}" for label in SINGERS for clip in range(2)]
    write_text(folders / "train.csv", ["file,label", *rows[:-1], "dion\\001.mp3,cash"])
    assert "labelled 'cash' and lies in the folder 'dion'" in sentences(folders)


def test_one_class_is_none(folders):
    write_text(folders / "train.csv", ["file,label", "adele/000.mp3,adele"])
    with pytest.raises(UserError, match="only the class adele: singers are told apart among two or more"):
        singers.scan(folders)


def test_other_corpora_are_not_taken_for_it(tmp_path):
    assert not singers.looks_like(write_gtzan(tmp_path / "gtzan", clips=1, seconds=0.1))
    (tmp_path / "images/train/cat").mkdir(parents=True)
    (tmp_path / "images/train/cat/1.jpg").write_bytes(b"")
    assert not singers.looks_like(tmp_path / "images")


def test_a_split_of_70_and_30_has_no_test_part():
    index = index_of()
    splits = split_by_ratios(index, (7, 3, 0), 1, seed=8)
    train, validation = splits.split(index, 0)
    assert (len(train), len(validation), len(splits.tested(index, 0))) == (56, 24, 0)
    assert sorted([*train.index, *validation.index]) == list(index.index)
    assert validation["label"].value_counts().to_dict() == {"blues": 12, "rock": 12}


def test_the_recipe_is_the_reported_one():
    recipe = recipes.load("snippets_resnet34")
    spec, train, backbone = models.frame_spec(recipe.backbone), recipe.train, recipe.backbone
    assert (spec.frames_in(backbone.heard_s), spec.mels, spec.fft, spec.hop) == (299, 40, 1024, 160)
    assert (spec.pre_emphasis, spec.window_shape, spec.log) == (0.97, "hamming_symmetric", "natural")
    assert (spec.low_hz, spec.high_hz, spec.separated) == (0, 8000, "hpss")
    assert (backbone.name, backbone.weights, backbone.dropout, backbone.widths) == (
        "resnet34", "", 0.2, (64, 128, 256, 512)
    )  # fmt: skip
    assert (train.lr, train.weight_decay, train.batch_size, train.warmup) == (3e-4, 1e-5, 32, 0)
    assert 10 <= train.epochs <= 20
    assert train.restarts > 0
    assert train.mashups_per_epoch == 0
    assert (recipe.folds.cut, recipe.folds.ratios, recipe.folds.seed, recipe.folds.count) == ("ratios", (7, 3, 0), 8, 1)
    assert recipe.mashup.noisy == recipe.mashup.stretched == recipe.augment.mixup == 0
    with torch.device("meta"):
        network = models.build(backbone, 4)
        assert network(torch.zeros(1, 299, 40)).shape == (1, 4)
    assert sum(weight.numel() for weight in network.parameters()) > 20e6
    cnn = recipes.load("snippets_cnn")
    assert (len(cnn.backbone.widths), models.frame_spec(cnn.backbone)) == (3, spec)


class System:
    """A corpus in the singers' layout, its vocals, and two runs."""

    def __init__(self, folder: Path) -> None:
        self.data, self.runs = write_singers(folder / "singers", clips=6, seconds=0.5), folder / "runs"
        self.bank = self.runs / "banks" / "singers"
        build = ("--data", self.data, "--bank", self.bank, "--workers", 1)
        assert run("build", *build, "--separated", "hpss", "--features", folder / "features") == 0
        for seed in (0, 1):
            name = "members" if seed == 0 else "members_seed1"
            assert self.train("--name", name, *TINY, "--set", f"train.seed={seed}", "--set", "augment.mixup=0.2") == 0
        self.features = folder / "features"

    def train(self, *more: object) -> int:
        return run("train", "snippets_resnet34_tiny", "--data", self.data, "--runs", self.runs, *more)


@pytest.fixture(scope="module")
def system(tmp_path_factory) -> System:
    return System(tmp_path_factory.mktemp("singers"))


def test_members_differ_and_are_scored_on_the_same_30_percent(system):
    one, other = (predictions.load(system.runs / name / "fold0/oof.npz") for name in ("members", "members_seed1"))
    assert one.id.tolist() == other.id.tolist()
    assert np.bincount(one.label).tolist() == [2, 2, 2, 2]
    assert not np.array_equal(one.logits, other.logits)
    assert not list(system.runs.rglob("test*.npz"))
    (plan,) = (system.runs / "folds").iterdir()
    assert pd.read_csv(plan / "splits.csv")["split0"].value_counts().to_dict() == {"train": 16, "validation": 8}


def test_the_blend_draws_accuracy_against_members_and_labels_what_is_to_be_predicted(system, tmp_path, capfd):
    assert run("blend", "members*", "--name", "singers", "--method", "equal", "--runs", system.runs) == 0
    assert "Accuracy against number of runs" in capfd.readouterr().out
    assert (system.runs / "blends/singers.members.png").stat().st_size > 10_000
    out = tmp_path / "predicted.csv"
    assert run("infer", system.data / "test", "--runs", system.runs, "--out", out) == 0
    table = pd.read_csv(out)
    assert len(table) == 3
    assert set(table["label"]) <= set(SINGERS)
    assert list(table.columns[-4:]) == list(SINGERS)
    assert run("infer", "--run", "members", "--runs", system.runs, system.data / "test/0001.mp3") == 0
    assert "0001.mp3: " in capfd.readouterr().out
    assert run("infer", "--runs", system.runs, "--data", system.data) == 2
    assert "has no clips to be labelled (singers): name files or folders" in capfd.readouterr().err


def test_a_bank_of_whole_clips_is_refused_before_training(system, tmp_path, capfd):
    assert system.train("--name", "other", *TINY, "--set", "backbone.separated=") == 2
    assert "holds the vocals of its clips (hpss 1), the recipe hears clips whole" in capfd.readouterr().err


def test_too_few_clips_for_the_split_are_told(system, capfd):
    assert system.train("--name", "few") == 2
    assert "6 songs, too few for 10 folds: use ratios of smaller numbers" in capfd.readouterr().err


def test_features_are_what_the_network_hears(system, tmp_path, monkeypatch):
    (path,) = system.features.iterdir()
    bank, spec = Bank.open(system.bank), speech_log_mel()
    with np.load(path) as arrays:
        assert {"id", "features", "label", "split", "song", "origin"} == set(arrays.files)
        features, ids, labels = arrays["features"], arrays["id"], arrays["label"]
    assert (features.shape, features.dtype) == ((24, 299, 40), np.float32)
    songs = bank.index.iloc[bank.select("stem")]
    assert ids.tolist() == songs["clip"].tolist()
    assert labels.tolist() == songs["label"].tolist()
    for row, number in enumerate(bank.select("stem")):
        wave = bank.wave(number)
        heard = wave_log_mel(torch.from_numpy(wave / np.abs(wave).max()), spec).numpy()
        assert np.array_equal(features[row, : len(heard)], heard)
        assert (features[row, len(heard) :] == np.float32(padding_value(spec))).all()
    monkeypatch.setattr("messy_mashup.mashup.feature_files.CLIPS_EACH", 10)
    paths = write_features(bank, tmp_path / "features")
    assert [len(np.load(path)["id"]) for path in paths] == [10, 10, 4]
    written = [path.stat().st_mtime_ns for path in paths]
    paths[1].write_bytes(paths[1].read_bytes()[:-1000])  # as a copy that was cut short
    write_features(bank, tmp_path / "features")
    assert [path.stat().st_mtime_ns == before for path, before in zip(paths, written, strict=True)] == [
        True,
        False,
        True,
    ]
    assert np.array_equal(np.concatenate([np.load(path)["features"] for path in paths]), features)
    monkeypatch.setattr("messy_mashup.mashup.feature_files.CLIPS_EACH", 100)
    with pytest.raises(UserError, match=r"holds 2 files of another bank, first features-00001\.npz"):
        write_features(bank, tmp_path / "features")


def test_accuracy_is_drawn_beside_macro_f1():
    numbers = [OfNumber(n, 3, 0.5, 0.4, 0.6, None, (0.6 + n / 100, 0.5, 0.7)) for n in (1, 2)]
    (axes,) = draw_numbers(numbers, "two").axes
    macro_f1, accuracy = (line.get_ydata() for line in axes.lines)
    assert list(macro_f1) == [0.5, 0.5]
    assert list(accuracy) == [0.61, 0.62]
    assert axes.get_ylabel() == "macro F1 and accuracy, held out"
