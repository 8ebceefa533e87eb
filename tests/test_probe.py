"""Probes: embeddings that are kept by content, heads fold by fold, and labels of which a clip has any number."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from sklearn.metrics import average_precision_score, roc_auc_score

from example_trees import tone_wave, write_gtzan, write_messy_mashup, write_wave
from kill_harness import tree_digests
from maests import WIDTH, write_maest
from messy_mashup import models
from messy_mashup.data.bank import Bank
from messy_mashup.errors import Stopped, UserError
from messy_mashup.mashup.arrangement import draw
from messy_mashup.mashup.frames import MashupPlayer
from messy_mashup.mashup.validation import open_plan
from messy_mashup.models.maest import embedder, recipe_of
from messy_mashup.recipe import ScoringRecipe
from messy_mashup.recipe_text import from_json
from messy_mashup.scoring import predictions
from messy_mashup.scoring.label_scores import label_scores, summary, told_labels
from messy_mashup.scoring.predict import file_log_mel, windows_of
from messy_mashup.training import run_folder
from messy_mashup.training.embedded_clips import bank_clips, file_clips, mashup_clips
from messy_mashup.training.embeddings import Embeddings
from messy_mashup.training.label_table import read_labels
from messy_mashup.training.stop import Stop
from messy_mashup.training.trained import load_member
from test_commands import run

GENRES = ("blues", "metal", "rock")
CPU = torch.device("cpu")


def words(settings: dict[str, object]) -> list[str]:
    return [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]


def settings(weights: Path) -> dict[str, object]:
    return {
        "backbone.weights": weights,
        "backbone.width": 32,
        "backbone.layers": 2,
        "backbone.heads": 2,
        "backbone.heard_s": 0.72,
        "backbone.layer": 1,
        "backbone.head.hidden": 16,
        "train.epochs": 40,
        "train.batch_size": 8,
        "train.lr": "3e-3",
    }


class Gtzan:
    """A corpus in GTZAN's layout, weights, and a run of two repetitions and of all songs."""

    def __init__(self, folder: Path) -> None:
        self.data, self.runs = write_gtzan(folder / "Data", GENRES, seconds=1.2), folder / "runs"
        self.weights = folder / "maest"
        write_maest(self.weights)
        self.place = ("--data", self.data, "--runs", self.runs)
        assert run("build", "--data", self.data, "--bank", self.runs / "banks" / "Data", "--workers", 1) == 0
        assert self.probe("--folds", "0,1,all") == 0
        self.bank = Bank.open(self.runs / "banks" / "Data")

    def probe(self, *more: object) -> int:
        splits = {"folds.ratios": "(2,1,1)", "folds.count": 2}
        return run("probe", *self.place, *words(settings(self.weights) | splits), *more)


@pytest.fixture(scope="module")
def gtzan(tmp_path_factory) -> Gtzan:
    return Gtzan(tmp_path_factory.mktemp("gtzan"))


@pytest.fixture
def songs(tmp_path) -> Path:
    for number, genre in enumerate(GENRES):
        path = tmp_path / "songs" / genre / "song.wav"
        path.parent.mkdir(parents=True)
        write_wave(path, tone_wave(number, 500, 3.0, 44_100), 44_100)
    return tmp_path / "songs"


def forward_is_forbidden(monkeypatch) -> None:
    def refuse(*_):
        raise AssertionError("a clip was heard again")

    monkeypatch.setattr("messy_mashup.training.embeddings.embedder", refuse)


# Embeddings


@pytest.fixture
def embeddings(gtzan, tmp_path) -> Embeddings:
    return Embeddings(recipe_of(str(gtzan.weights), layer=1), ScoringRecipe(), tmp_path / "embeddings", CPU)


def test_embeddings_are_the_network_s_own_and_the_mean_is_over_windows(embeddings, songs):
    files = sorted(songs.rglob("*.wav"))
    embedded = embeddings.of(file_clips(files, embeddings.spec), "songs")
    network, frames = embedder(embeddings.recipe), embeddings.spec.frames_in(embeddings.recipe.heard_s)
    for file, found in zip(files, embedded, strict=True):
        log_mel = file_log_mel(file, embeddings.spec)
        unheard = network.unheard_frames(frames)
        windows = torch.stack([w for _, w in windows_of(log_mel, frames, embeddings.spec, ScoringRecipe(), unheard)])
        assert len(windows) > 4
        with torch.no_grad():
            expected = network.embed(windows).numpy()
        np.testing.assert_allclose(found.windows, expected, atol=1e-5)
        np.testing.assert_allclose(found.mean, expected.mean(0), atol=1e-5)
        assert found.mean.shape == (3 * WIDTH,)


def test_chunks_count_alike_however_many_windows_they_have(gtzan, songs, tmp_path):
    scoring = ScoringRecipe(windows="random", chunks=3, chunk_s=1.5)
    embeddings = Embeddings(recipe_of(str(gtzan.weights), layer=2), scoring, tmp_path / "embeddings", CPU)
    (found,) = embeddings.of(file_clips([next(songs.rglob("*.wav"))], embeddings.spec), "song")
    assert sorted(set(found.chunk.tolist())) == [0, 1, 2]
    means = [found.windows[found.chunk == chunk].mean(0) for chunk in range(3)]
    np.testing.assert_allclose(found.mean, np.mean(means, axis=0), atol=1e-5)


def test_what_is_known_is_not_heard_again_and_what_has_changed_is(embeddings, songs, gtzan, monkeypatch):
    files = sorted(songs.rglob("*.wav"))
    first = embeddings.of(file_clips(files, embeddings.spec), "songs")
    with monkeypatch.context() as patched:
        forward_is_forbidden(patched)
        again = Embeddings(embeddings.recipe, embeddings.scoring, embeddings.root, CPU)
        assert again.folder == embeddings.folder
        for one, other in zip(first, again.of(file_clips(files, embeddings.spec), "songs"), strict=True):
            assert np.array_equal(one.windows, other.windows)
        write_wave(files[1], tone_wave(1, 7, 1.0, 44_100), 44_100)
        with pytest.raises(AssertionError, match="heard again"):
            again.of(file_clips(files, embeddings.spec), "songs")
        for changed in (
            replace(again, recipe=replace(again.recipe, layer=2)),
            replace(again, scoring=ScoringRecipe(overlap=0.25)),
            replace(again, dtype=torch.bfloat16),
        ):
            assert changed.folder != embeddings.folder
            assert changed.known == {}
        same = replace(again, scoring=ScoringRecipe(pooled="majority"))  # of what becomes of the windows' logits
        assert same.folder == embeddings.folder
    path = gtzan.weights / "model.safetensors"
    kept = path.read_bytes()
    try:
        path.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
        assert Embeddings(embeddings.recipe, embeddings.scoring, embeddings.root, CPU).known == {}
    finally:
        path.write_bytes(kept)


def test_interrupted_it_keeps_what_it_has(embeddings, songs, monkeypatch):
    monkeypatch.setattr("messy_mashup.training.embeddings.WINDOWS_AT_ONCE", 1)
    clips = file_clips(sorted(songs.rglob("*.wav")), embeddings.spec)
    stop = Stop()
    monkeypatch.setattr(stop, "reason", lambda: "time is over" if len(embeddings.known) + heard[0] > 1 else None)
    heard = [0]

    def counted(clip):
        heard[0] += 1
        return clip.log_mel()

    counting = [clip._replace(log_mel=lambda clip=clip: counted(clip)) for clip in clips]
    with pytest.raises(Stopped, match="time is over; 2 of 3 clips are embedded"):
        embeddings.of(counting, "songs", stop)
    again = Embeddings(embeddings.recipe, embeddings.scoring, embeddings.root, CPU)
    assert set(again.known) == {clip.key for clip in clips[:2]}
    again.of(counting, "songs")
    assert heard == [3]


def test_damaged_shards_are_named(embeddings, songs):
    embeddings.of(file_clips(sorted(songs.rglob("*.wav")), embeddings.spec), "songs")
    (shard,) = embeddings.folder.glob("*.npz")
    shard.write_bytes(shard.read_bytes()[:200])
    with pytest.raises(UserError, match=r"does not hold embeddings .*remove that file"):
        Embeddings(embeddings.recipe, embeddings.scoring, embeddings.root, CPU)


def test_a_mashup_is_known_by_what_is_heard_of_it(gtzan, tmp_path):
    """A song is embedded once, on whichever side of whichever cut; a burst that is absent changes nothing."""
    recipe = from_json(gtzan.runs / "maest_probe" / "fold0" / "recipe.json")
    plan = open_plan(gtzan.bank, recipe.folds, gtzan.runs / "folds")
    player = MashupPlayer(gtzan.bank, models.frame_spec(recipe.backbone))

    def keys(mashups, level="peak"):
        return [clip.key for clip in mashup_clips(mashups, gtzan.bank, player, level)]

    drawn = draw(plan.pool(gtzan.bank, -1, ("mix",)), recipe.mashup, (3, 0, 0), 0, 24)
    everything = set(keys(drawn))
    assert len(everything) == 24
    assert keys(drawn, "raw") == keys(drawn)  # no burst whose level that could be
    for fold in (0, 1):
        assert set(keys(plan.mashups(fold)[1])) <= everything
        assert set(keys(plan.test_mashups(fold)[1])) <= everything
    faster = replace(drawn, voice_rate=drawn.voice_rate * 1.1)
    noisy = replace(drawn, burst_clip=np.zeros_like(drawn.burst_clip))
    assert not (set(keys(faster)) | set(keys(noisy))) & everything
    assert keys(noisy) != keys(noisy, "raw")
    assert len({clip.key for clip in bank_clips(gtzan.bank, range(24), player.spec)}) == 24


# Fold by fold


def test_tones_are_told_apart_and_what_was_kept_is_what_the_network_hears(gtzan):
    for fold in (0, 1):
        folder = gtzan.runs / "maest_probe" / f"fold{fold}"
        for name in ("oof", "tested"):
            told = predictions.load(folder / f"{name}.npz")
            assert len(told.id) == 6
            assert (told.logits.argmax(1) == told.label).mean() > 0.6  # by chance 1/3
        recipe = from_json(folder / "recipe.json")
        listener, plan = load_member(folder, CPU), open_plan(gtzan.bank, recipe.folds, gtzan.runs / "folds")
        ids, mashups = plan.mashups(fold)
        player = MashupPlayer(gtzan.bank, listener.spec)
        log_mels = [player.whole_log_mel(mashups[row : row + 1], "peak") for row in range(len(mashups))]
        oof = predictions.load(folder / "oof.npz")
        assert oof.id.tolist() == ids.tolist()
        np.testing.assert_allclose(listener.logits(log_mels), oof.logits, atol=1e-4)


def test_a_member_is_a_head_with_the_statistics_of_its_training_songs(gtzan):
    folder = gtzan.runs / "maest_probe" / "fold0"
    tensors = load_file(folder / "weights.safetensors")
    assert all(name.startswith("classifier.") for name in tensors)
    recipe = from_json(folder / "recipe.json")
    card = run_folder.read_card(folder / "weights.safetensors")
    assert card["base"] == models.base_digest(recipe.backbone)
    rows = pd.read_csv(folder / "metrics.csv")
    assert len(rows) == recipe.train.epochs
    assert rows["train_loss"].iloc[-1] < rows["train_loss"].iloc[0]
    oof = predictions.load(folder / "oof.npz")
    assert rows["val_accuracy"].iloc[-1] == pytest.approx((oof.logits.argmax(1) == oof.label).mean())
    plan = open_plan(gtzan.bank, recipe.folds, gtzan.runs / "folds")
    pool = plan.pool(gtzan.bank, 0, ("mix",))
    songs = pool.songs[pool.songs >= 0]
    embeddings = Embeddings(recipe.backbone, recipe.scoring, gtzan.runs / "embeddings", CPU)
    windows = np.concatenate([one.windows for one in embeddings.of(bank_clips(gtzan.bank, songs, embeddings.spec), "")])
    np.testing.assert_allclose(tensors["classifier.standardised.mean"], windows.mean(0), atol=1e-3)
    np.testing.assert_allclose(tensors["classifier.standardised.deviation"], windows.std(0), atol=1e-3)


def test_again_it_is_left_as_it_is_and_anew_it_ends_in_the_same_bits_without_hearing_anything(gtzan, monkeypatch):
    forward_is_forbidden(monkeypatch)
    before = tree_digests(gtzan.runs / "maest_probe")
    assert gtzan.probe("--folds", "0,1,all") == 0
    assert tree_digests(gtzan.runs / "maest_probe") == before
    assert gtzan.probe("--folds", "0", "--name", "again") == 0
    for name in ("weights.safetensors", "oof.npz", "tested.npz", "metrics.csv"):
        one, other = (gtzan.runs / each / "fold0" / name for each in ("maest_probe", "again"))
        assert one.read_bytes() == other.read_bytes(), name


def test_a_probe_is_a_run_like_any_other(gtzan, songs, tmp_path, capfd):
    out = tmp_path / "genres.csv"
    place = ("--runs", gtzan.runs)
    assert run("infer", "--run", "maest_probe", songs, "--labelled", "--out", out, *place) == 0
    table = pd.read_csv(out)
    assert list(table.columns) == ["file", "label", "confidence", "votes", "chunks", *GENRES, "true"]
    assert (table["label"] == table["true"]).sum() >= 2
    assert run("report", "maest_probe", *place) == 0
    assert run("blend", "maest_probe", *place, "--method", "equal") == 0
    assert "12 held-out mashups of 2 folds" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--set", "train.lr=1e-2"), "trained with another recipe"),
        (("--set", "backbone.layer=0", "--name", "a"), "set backbone.layer from 1 to 2"),
        (("--set", "backbone.layer=5", "--name", "a"), "the network has 2 layers"),
        (("--set", "backbone.dora.rank=2", "--name", "a"), "without adapters"),
        (("messy_mashup_resnet34",), "what is probed is a maest"),
        (("--folds", "7"), "none of the recipe's folds"),
        (("--audio", "x"), "name the CSV, too"),
        (("--labels", "no.csv", "--folds", "0"), "cut by folds.count"),
        (("--labels", "no.csv"), "no.csv is missing"),
    ],
)
def test_bad_input_gets_a_sentence(gtzan, capfd, arguments, told):
    recipe = [word for word in arguments if word.startswith("messy")]
    more = [word for word in arguments if word not in recipe]
    given = words({} if recipe else settings(gtzan.weights) | {"folds.ratios": "(2,1,1)", "folds.count": 2})
    assert run("probe", *recipe, *gtzan.place, *given, *more) == 2
    assert told in capfd.readouterr().err


def test_mashups_are_probed_on_the_plan_of_another_recipe_and_label_the_test_mashups(tmp_path, gtzan, capfd):
    data, runs = tmp_path / "mashups", tmp_path / "runs"
    write_messy_mashup(data, songs=8, seconds=0.8)
    place = ("--data", data, "--runs", runs)
    assert run("build", "--data", data, "--bank", runs / "banks" / "mashups", "--workers", 1) == 0
    small = {
        "mashup.length_s": "(0.4,0.6)",
        "folds.validation.length_s": "(0.4,0.8)",
        "folds.validation_per_song": 1,
        "train.mashups_per_epoch": 12,
        "train.epochs": 3,
    }
    like = ("--like", "messy_mashup_resnet34_demo", "--folds", "0")
    assert run("probe", *place, *like, *words(settings(gtzan.weights) | small)) == 0
    folder = runs / "maest_probe_messy_mashup" / "fold0"
    recipe = from_json(folder / "recipe.json")
    assert (recipe.corpus, recipe.folds.count) == ("messy_mashup", 2)
    oof = predictions.load(folder / "oof.npz")
    assert len(oof.id) == 8
    assert predictions.load(folder / "test.npz").id.tolist() == ["0001", "0002"]
    written = (folder / "test.npz").read_bytes()
    assert run("blend", "maest_probe_messy_mashup", "--runs", runs, "--method", "equal") == 0
    assert run("infer", "--runs", runs, "--data", data, "--submissions", tmp_path / "submissions") == 0
    assert (folder / "test.npz").read_bytes() == written  # what the probe scored is what infer.py takes
    listener = load_member(folder, CPU)
    log_mel = file_log_mel(data / "mashups" / "song0001.wav", listener.spec)
    expected = predictions.load(folder / "test.npz").logits[0]
    np.testing.assert_allclose(listener.logits([log_mel])[0], expected, atol=1e-4)
    song = data / "mashups" / "song0002.wav"
    assert run("infer", "--run", "maest_probe_messy_mashup", song, "--runs", runs) == 0
    assert "song0002.wav: " in capfd.readouterr().out


def test_files_are_embedded_by_a_command(gtzan, songs, tmp_path, capfd, monkeypatch):
    command = ("embed", songs, "--weights", gtzan.weights, "--layer", 2, "--runs", tmp_path / "runs")
    assert run(*command, "--out", tmp_path / "one.npz") == 0
    forward_is_forbidden(monkeypatch)
    assert run(*command, "--out", tmp_path / "two.npz") == 0
    with np.load(tmp_path / "one.npz", allow_pickle=False) as one, np.load(tmp_path / "two.npz") as two:
        assert one["embedding"].shape == (3, 3 * WIDTH)
        assert np.array_equal(one["embedding"], two["embedding"])
        assert one["id"].tolist() == [str(path) for path in sorted(songs.rglob("*.wav"))]
        assert (int(one["layer"]), len(str(one["weights"]))) == (2, 64)
    (songs / "rock" / "song.wav").write_bytes(b"no audio")
    assert run(*command, "--out", tmp_path / "three.npz") == 2
    assert "song.wav: cannot be read as audio" in capfd.readouterr().err
    assert run("embed", songs, "--weights", gtzan.weights, "--layer", 0, "--out", tmp_path / "a.npz") == 2
    assert "counted from 1" in capfd.readouterr().err


# Labels of which a clip may have any number


def test_scores_are_scikit_learn_s_and_what_cannot_be_scored_is_named():
    generator = np.random.default_rng(0)
    fold, target = np.arange(40) % 2, generator.random((40, 3)) < 0.5
    target[:, 2] = False
    target[1, 2] = target[3, 2] = True  # both in fold 1, so fold 0 has none to be told, and fold 1 none to learn from
    probability = generator.random((40, 3))
    scores = label_scores(target, probability, fold, ["calm", "happy", "rare"])
    for number in (0, 1):
        rows = scores[scores["fold"] == number].set_index("label")
        for place, label in enumerate(("calm", "happy")):
            truth, guess = target[fold == number, place], probability[fold == number, place]
            assert rows.loc[label, "roc_auc"] == pytest.approx(roc_auc_score(truth, guess))
            assert rows.loc[label, "average_precision"] == pytest.approx(average_precision_score(truth, guess))
        assert np.isnan(rows.loc["rare", "roc_auc"])
    told = summary(scores)
    assert told["left_out"] == [{"fold": 0, "label": "rare"}, {"fold": 1, "label": "rare"}]
    macro = scores.groupby("fold")["average_precision"].mean()
    assert told["macro_average_precision"]["mean"] == pytest.approx(macro.mean())
    assert told["macro_average_precision"]["std"] == pytest.approx(macro.std())
    with pytest.raises(UserError, match="fold 0 has no label that is true of some clips"):
        told_labels(target[:, 2:], fold)


@pytest.fixture
def moods(tmp_path) -> Path:
    """Sixteen clips of eight artists: high and low tones, loud and soft ones, and one label of one artist alone."""
    rows = []
    for number in range(16):
        high, noisy = number % 2, number // 2 % 2
        generator = np.random.default_rng(number)
        wave = tone_wave(3 * high, number, 1.2) + noisy * 0.2 * generator.standard_normal(26_460).astype(np.float32)
        write_wave(tmp_path / "audio" / f"{number}.wav", wave, 22_050)
        rows.append((f"audio/{number}.wav", f"artist {number // 4 * 2 + high}", high, noisy, int(number == 0)))
    table = pd.DataFrame(rows, columns=["file", "artist", "bright", "rough", "rare"])
    table.to_csv(tmp_path / "moods.csv", index=False)
    return tmp_path / "moods.csv"


def test_labels_are_learnt_from_a_csv_fold_by_fold(gtzan, moods, tmp_path, capfd):
    runs = tmp_path / "runs"
    given = (*words(settings(gtzan.weights) | {"folds.count": 2, "train.epochs": 60}), "--runs", runs)
    assert run("probe", "--labels", moods, *given) == 0
    told = capfd.readouterr().out
    assert "rare is left out of fold 0, 1" in told
    assert "mAP " in told
    folder = runs / "maest_probe_moods"
    figures = json.loads((folder / "scores.json").read_text())
    assert figures["macro_roc_auc"]["mean"] > 0.75
    assert figures["macro_average_precision"]["labels"]["rare"] is None
    with np.load(folder / "held_out.npz", allow_pickle=False) as held_out:
        fold, target, probability = (held_out[name] for name in ("fold", "target", "probability"))
    table = pd.read_csv(moods)
    assert (table.assign(fold=fold).groupby("artist")["fold"].nunique() == 1).all()
    assert target.sum(axis=0).tolist() == [8, 8, 1]
    expected = np.mean([roc_auc_score(target[fold == k, :2], probability[fold == k, :2]) for k in (0, 1)])
    assert figures["macro_roc_auc"]["mean"] == pytest.approx(expected)
    assert (
        run("infer", "--run", "maest_probe_moods", moods.parent / "audio", "--runs", runs, "--out", runs / "a.csv") == 0
    )
    labelled = pd.read_csv(runs / "a.csv").set_index("file")
    truth = table.set_index(table["file"].map(lambda name: str(moods.parent / name))).loc[labelled.index]
    assert roc_auc_score(truth["bright"], labelled["bright"]) > 0.9
    before = tree_digests(folder)
    assert run("probe", "--labels", moods, *given) == 0
    assert tree_digests(folder) == before
    table.assign(bright=1 - table["bright"]).to_csv(moods, index=False)
    assert run("probe", "--labels", moods, *given) == 2
    assert "trained with another plan" in capfd.readouterr().err


def test_clips_of_a_bank_and_a_column_of_labels(gtzan, tmp_path):
    names = gtzan.bank.index.loc[gtzan.bank.index["kind"] == "stem", "clip"].tolist()
    rows = [
        f"{name},{'guitar|drums' if 'rock' in name else 'guitar; voice ' if 'blues' in name else ''}" for name in names
    ]
    path = tmp_path / "instruments.csv"
    path.write_text("clip,labels\n" + "\n".join(rows) + "\n")
    table = read_labels(path, gtzan.bank)
    assert table.labels == ("drums", "guitar", "voice")
    assert table.target.sum(axis=0).tolist() == [8, 16, 8]
    assert table.group.tolist() == [f"group {name}" for name in names]
    assert len({clip.key for clip in table.clips(models.frame_spec(recipe_of(str(gtzan.weights))))}) == 24
    with pytest.raises(UserError, match="names clips of a bank"):
        read_labels(path)
    path.write_text("clip,labels\npolka.00001,a\n")
    with pytest.raises(UserError, match=r"1 clips are not in the bank .*polka\.00001"):
        read_labels(path, gtzan.bank)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name,a\nx,1\n", "no column file or clip"),
        ("file,a\n", "has no row"),
        ("file,a\nx.wav,1\nx.wav,0\n", r"has x\.wav twice"),
        ("file,a\nx.wav,yes\n", "line 2: a is 'yes': write 0 or 1"),
        ("file,artist\nx.wav,Q\n", "names no label"),
        ("file,labels\nx.wav,\n", "names no label"),
        ("file,a\nx.wav,1\n", r"there is no file .*x\.wav(.|\n)*--audio"),
        ("", "is empty: it needs a line of column names"),
    ],
)
def test_a_table_that_is_wrong_is_told(tmp_path, text, told):
    path = tmp_path / "labels.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=told):
        read_labels(path)


def test_too_few_groups_or_labels_are_told(moods, gtzan, tmp_path, capfd):
    with pytest.raises(UserError, match="clips of 8 artists or songs: they cannot be cut into 9 folds"):
        read_labels(moods).folds(9, 0)
    pd.read_csv(moods)[["file", "artist", "rare"]].to_csv(moods, index=False)
    given = words(settings(gtzan.weights) | {"folds.count": 2})
    assert run("probe", "--labels", moods, *given, "--runs", tmp_path / "runs") == 2
    assert "has no label that is true of some clips" in capfd.readouterr().err
