"""Styles of files: sigmoids in the mean over windows, the likeliest first, a table of all, and a run of them."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from example_trees import tone_wave, write_wave
from maests import FRAMES, STYLES, write_maest
from messy_mashup.errors import UserError
from messy_mashup.features.frame_spec import MAEST_MEL
from messy_mashup.models.maest import recipe_of, styles_of
from messy_mashup.recipe import Recipe, ScoringRecipe
from messy_mashup.scoring.predict import file_log_mel
from messy_mashup.scoring.top_labels import label_files, top_rows
from messy_mashup.training.labelling import style_listener
from test_commands import run


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    return write_maest(folder, std=0.3), folder


@pytest.fixture(scope="module")
def songs(tmp_path_factory) -> Path:
    """One shorter than a window, one of several windows."""
    folder = tmp_path_factory.mktemp("songs")
    write_wave(folder / "short.wav", tone_wave(0, 1, 0.5), 22_050)
    write_wave(folder / "long.wav", tone_wave(2, 2, 1.9), 22_050)
    return folder


def by_hand(model, path: Path) -> np.ndarray:
    """Half a window on at a time, the last ending with the file."""
    log_mel = file_log_mel(path, MAEST_MEL)
    last = len(log_mel) - FRAMES
    starts = np.linspace(0, last, 1 + -(-last // (FRAMES // 2))).round().astype(int)
    windows = torch.stack([log_mel[start : start + FRAMES] for start in starts])
    with torch.no_grad():
        return model(windows).logits.sigmoid().mean(0).numpy()


def test_probabilities_are_the_mean_sigmoid_of_the_windows(published, songs):
    model, folder = published
    listener = style_listener(Recipe(name="a", backbone=recipe_of(str(folder))), torch.device("cpu"))
    ((_, told),) = label_files([listener], [songs / "long.wav"])
    np.testing.assert_allclose(told, by_hand(model, songs / "long.wav"), atol=1e-5)
    assert told.std() > 0.05
    assert abs(told.sum() - 1) > 1e-3  # of each by itself, not of one among all


@pytest.mark.parametrize("pooled", ["probabilities", "majority"])
def test_how_classes_are_pooled_does_not_touch_labels(published, songs, pooled):
    recipe = Recipe(name="a", backbone=recipe_of(str(published[1])), scoring=ScoringRecipe(pooled=pooled))
    ((_, told),) = label_files([style_listener(recipe, torch.device("cpu"))], [songs / "long.wav"])
    np.testing.assert_allclose(told, by_hand(published[0], songs / "long.wav"), atol=1e-5)


def test_the_likeliest_come_first_and_equal_ones_in_their_order():
    rows = top_rows(Path("a.wav"), np.array([0.2, 0.9, 0.9, 0.1]), ["a", "b", "c", "d"], 3)
    assert [row["label"] for row in rows] == ["b", "c", "a"]
    assert rows[0] == {"file": "a.wav", "label": "b", "probability": 0.9}
    assert len(top_rows(Path("a.wav"), np.array([0.2, 0.9]), ["a", "b"], 10)) == 2


def test_files_are_told_by_the_command_and_by_infer_alike(published, songs, tmp_path, capfd):
    _, folder = published
    assert run("styles", songs, "--weights", folder, "--top", 2, "--out", tmp_path / "styles.csv") == 0
    told = capfd.readouterr().out
    table = pd.read_csv(tmp_path / "styles.csv")
    assert list(table.columns) == ["file", *STYLES]
    assert table["file"].tolist() == [str(songs / "long.wav"), str(songs / "short.wav")]
    for _, row in table.iterrows():
        first = row[list(STYLES)].astype(float).sort_values(ascending=False)
        assert f"{first.iloc[0]:.1%}  {first.index[0]}" in told
        assert first.index[2] not in told.split(row["file"])[1].split(str(songs))[0]
    place = ("--runs", tmp_path / "runs")
    assert run("styles", "--run", "discogs", "--weights", folder, *place) == 0
    assert run("styles", "--run", "discogs", "--weights", folder, *place) == 0
    assert run("infer", "--run", "discogs", songs, "--out", tmp_path / "infer.csv", *place) == 0
    assert (tmp_path / "infer.csv").read_text() == (tmp_path / "styles.csv").read_text()
    assert "remote code" not in capfd.readouterr().err
    assert run("infer", "--run", "discogs", songs, "--labelled", *place) == 2
    assert "any number of labels" in capfd.readouterr().err
    assert run("blend", "discogs", *place) == 2
    assert "its score is not known" in capfd.readouterr().err


def test_bad_input_gets_a_sentence(published, songs, tmp_path, capfd):
    _, folder = published
    (tmp_path / "noise.wav").write_bytes(b"no audio")
    write_wave(tmp_path / "silent.wav", np.zeros(8000, np.float32))
    out = tmp_path / "styles.csv"
    assert run("styles", tmp_path, songs, "--weights", folder, "--out", out) == 2
    told = capfd.readouterr().err
    assert "noise.wav: cannot be read as audio" in told
    assert "silent.wav is digital silence" in told
    assert "2 of 4 files could not be labelled" in told
    assert not out.exists()
    for arguments, words in (
        ((), "name files or folders of audio"),
        ((songs, "--top", 0), "tell one style or more"),
        ((tmp_path / "none.wav", "--weights", folder), "there is no file or folder"),
        ((songs, "--weights", songs), "config.json is missing"),
        (("--run", "a", "--out", out), "--out is for files"),
    ):
        assert run("styles", *arguments) == 2
        assert words in capfd.readouterr().err


def test_weights_without_styles_are_told(published, tmp_path):
    model, folder = published
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    model.audio_spectrogram_transformer.save_pretrained(tmp_path)
    fields = json.loads((folder / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(fields))
    recipe = Recipe(name="a", backbone=recipe_of(str(tmp_path)))
    with pytest.raises(UserError, match="bring no head of 5 styles"):
        style_listener(recipe, torch.device("cpu"))
    (tmp_path / "config.json").write_text(json.dumps(fields | {"id2label": {"1": "a"}}))
    with pytest.raises(UserError, match="does not name its styles"):
        styles_of(str(tmp_path))
