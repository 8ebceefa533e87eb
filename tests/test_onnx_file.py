"""A wave goes into a file of ONNX and what infer.py tells comes out, for all lengths and ways to blend."""

import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch

from example_trees import tone_wave
from messy_mashup import models
from messy_mashup.errors import UserError
from messy_mashup.features.frame_spec import AST_FBANK, MAEST_MEL, librosa_log_mel, speech_log_mel
from messy_mashup.features.logmel import wave_log_mel
from messy_mashup.features.wave_front_end import WaveFrontEnd
from messy_mashup.recipe import ASTRecipe, CNNRecipe, Recipe, ScoringRecipe
from messy_mashup.release.onnx_file import agreement, probabilities_of, session_of, write_onnx
from messy_mashup.scoring.blending import Geometric, Mean, RankMean, Rule
from messy_mashup.scoring.ensemble import Blend, equal_blend
from messy_mashup.scoring.stacking import Stack
from messy_mashup.training.trained import listener_of

pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")
CLASSES = ("blues", "jazz", "rock")
SPECS = (AST_FBANK, MAEST_MEL, speech_log_mel(), librosa_log_mel(64, 320, 1024))


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Shorter than a window, as long as one, and with several; loud, soft, and with digital silence in it."""
    folder = tmp_path_factory.mktemp("clips")
    for number, seconds in enumerate((0.3, 0.5, 0.81, 1.7, 4.0)):
        wave = tone_wave(number, number, seconds, 22_050) * (0.01 if number == 1 else 1.0)
        wave[len(wave) // 3 : len(wave) // 2] = 0
        soundfile.write(folder / f"{number}.wav", wave, 22_050)
    return sorted(folder.iterdir())


def member(backbone, seed: int, **scoring):
    torch.manual_seed(seed)
    model = models.build(backbone, len(CLASSES))
    recipe = Recipe(name="a", backbone=backbone, scoring=ScoringRecipe(**scoring))
    return listener_of(model.eval(), recipe, CLASSES, torch.device("cpu"))


CNN = CNNRecipe(widths=(8, 8, 16), heard_s=0.5, mels=32)
SMALL_AST = ASTRecipe(heard_s=0.5, width=16, layers=2, heads=2, stride=(16, 16))


def blend_of(*runs: str, rule: Rule | None = None) -> Blend:
    one = equal_blend("mine", runs, [""] * len(runs))
    names = tuple(dict.fromkeys(runs))
    return replace(
        one, counted_for=runs, runs=names, rule=rule or Rule((1.0,) * len(names), Mean((1 / len(names),) * len(names)))
    )


@pytest.mark.parametrize("spec", SPECS, ids=["ast", "maest", "speech", "librosa"])
@pytest.mark.parametrize("samples", [900, 5_000, 16_000, 16_001, 70_777])
def test_the_front_end_is_that_of_waves(spec, samples):
    wave = torch.from_numpy(np.random.default_rng(0).normal(0, 0.2, samples).clip(-1, 1).astype(np.float32))
    expected, told = wave_log_mel(wave, spec), WaveFrontEnd(spec)(wave)
    assert told.shape == expected.shape
    assert (told - expected).abs().max() < 1e-3


@pytest.mark.parametrize("backbone", [CNN, SMALL_AST], ids=["cnn", "ast"])
@pytest.mark.parametrize("scoring", [{}, {"pooled": "probabilities", "overlap": 0.75}], ids=["logits", "probabilities"])
def test_a_member_tells_the_same(clips, tmp_path, backbone, scoring):
    listener, blend = member(backbone, 1, **scoring), blend_of("a")
    path = tmp_path / "a.onnx"
    write_onnx(path, [listener], blend)
    found = agreement(path, [listener], blend, clips)
    assert found.largest < 1e-4
    assert (found.clips, found.same_class) == (5, 5)
    told = np.array([probabilities_of(session_of(path), clip, 16_000) for clip in clips])
    assert told.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert np.ptp(told, axis=0).max() > 1e-4  # clips differ, so that agreement says something
    metadata = session_of(path).get_modelmeta().custom_metadata_map
    assert (json.loads(metadata["classes"]), metadata["sample_rate_hz"]) == (list(CLASSES), "16000")


STACK = Stack(tuple(tuple(row) for row in np.random.default_rng(0).normal(size=(3, 6)).tolist()), (0.1, 0.2, -0.3), 1.0)


@pytest.mark.parametrize("combiner", [Mean((0.3, 0.7)), Geometric(), STACK], ids=["mean", "geometric", "stack"])
def test_every_rule_that_one_wave_allows_is_in_the_file(clips, tmp_path, combiner):
    """Two members of one run, one of another with another front-end, with temperatures."""
    listeners = [member(CNN, 1), member(CNN, 2), member(SMALL_AST, 3)]
    blend = blend_of("a", "a", "b", rule=Rule((0.4, 2.0), combiner))
    write_onnx(tmp_path / "a.onnx", listeners, blend)
    assert agreement(tmp_path / "a.onnx", listeners, blend, clips).largest < 1e-4


def test_what_a_file_cannot_do_is_said(tmp_path):
    path, one = tmp_path / "a.onnx", member(CNN, 1)
    vocals = member(replace(CNN, separated="hpss"), 1)
    for listeners, blend, words in (
        ([one], blend_of("a", rule=Rule((1.0,), RankMean(0.1))), "ranks clips against each other"),
        ([vocals], blend_of("a"), "no file of ONNX separates them"),
        ([member(CNN, 1, pooled="majority")], blend_of("a"), "majority votes"),
        ([member(CNN, 1, windows="random")], blend_of("a"), "random windows"),
    ):
        with pytest.raises(UserError, match=words):
            write_onnx(path, listeners, blend)
    assert list(tmp_path.iterdir()) == []
    path.write_bytes(b"no model")
    with pytest.raises(UserError, match=r"a\.onnx cannot be loaded by ONNX Runtime"):
        session_of(path)


def test_another_model_s_file_is_noticed(clips, tmp_path):
    write_onnx(tmp_path / "a.onnx", [member(CNN, 1)], blend_of("a"))
    assert agreement(tmp_path / "a.onnx", [member(CNN, 2)], blend_of("a"), clips).largest > 1e-3
