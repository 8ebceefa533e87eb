"""Members as files of a release: adapters merged, ONNX for what transformers does not load, licences."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from messy_mashup import models
from messy_mashup.errors import UserError
from messy_mashup.models.adapters import NAME
from messy_mashup.recipe import ASTRecipe, CNNRecipe, DoRARecipe, HeadRecipe, MAESTRecipe, Recipe, ResNet34Recipe
from messy_mashup.release.licences import is_noncommercial, licence_of, strictest, weights_name
from messy_mashup.release.transformers_folder import write_transformers_folder
from messy_mashup.torchvision_import import import_torchvision
from messy_mashup.training.trained import listener_of
from test_adapters import published  # noqa: F401

AST = ASTRecipe(heard_s=1.0, width=48, layers=3, heads=4)
CLASSES = ("jazz", "rock", "ska")


def listener(backbone: ASTRecipe):
    torch.manual_seed(3)
    model = models.build(backbone, len(CLASSES))
    models.load_pretrained(model, backbone)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and "magnitude" not in name:
            nn.init.normal_(parameter, std=0.3)
    return listener_of(model, Recipe("tried", backbone=backbone), CLASSES, torch.device("cpu"))


def log_mels():
    return torch.randn(3, 98, 128, generator=torch.Generator().manual_seed(1))


def test_adapters_are_merged_and_every_tensor_is_plain(published, tmp_path):  # noqa: F811
    dora = DoRARecipe(rank=2, alpha=4.2, layers=("query", "feed_forward_out"), first=1)
    adapted = listener(replace(AST, weights=str(published), frozen=True, dora=dora))
    layer = next(layer for layer in adapted.model.modules() if hasattr(layer, "lora_magnitude_vector"))
    assert layer.lora_B[NAME].weight.abs().max() > 0.1
    with torch.inference_mode():
        expected = adapted.model.eval()(log_mels())
    write_transformers_folder(tmp_path, adapted)
    assert not [name for name in load_file(tmp_path / "model.safetensors") if "lora" in name or "base_layer" in name]
    import_torchvision()
    from transformers import AutoFeatureExtractor, AutoModelForAudioClassification

    model = AutoModelForAudioClassification.from_pretrained(tmp_path).eval()
    with torch.inference_mode():
        torch.testing.assert_close(model(log_mels()).logits, expected, rtol=1e-4, atol=1e-4)
    assert model.config.id2label == dict(enumerate(CLASSES))
    assert model.config.label2id == {name: number for number, name in enumerate(CLASSES)}
    assert AutoFeatureExtractor.from_pretrained(tmp_path).max_length == 98


def test_a_hidden_head_is_no_transformers_folder(tmp_path):
    with pytest.raises(ValueError, match="plain linear head"):
        write_transformers_folder(tmp_path, listener(replace(AST, head=HeadRecipe(hidden=8))))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("backbone", "licence"),
    [
        (AST, "mit"),
        (CNNRecipe(), "mit"),
        (replace(AST, weights="MIT/ast-finetuned-audioset-10-10-0.4593"), "bsd-3-clause"),
        (MAESTRecipe(weights="mtg-upf/discogs-maest-30s-pw-129e"), "cc-by-nc-sa-4.0"),
        (ResNet34Recipe(weights="timm/resnet34.a1_in1k"), "apache-2.0"),
    ],
)
def test_the_licence_is_that_of_the_weights(backbone, licence):
    assert licence_of(backbone) == licence


def test_a_folder_tells_its_licence_or_it_is_asked_for(tmp_path):
    backbone = replace(AST, weights=str(tmp_path / "mine"))
    (tmp_path / "mine").mkdir()
    with pytest.raises(UserError, match="--licence"):
        licence_of(backbone)
    assert licence_of(backbone, "CC-BY-4.0") == "cc-by-4.0"
    (tmp_path / "mine" / "README.md").write_text("---\nlicense: cc-by-nc-4.0\n---\n# Mine\n")
    assert licence_of(backbone) == "cc-by-nc-4.0"
    assert weights_name(backbone) == "mine"
    assert is_noncommercial("cc-by-nc-4.0")
    assert not is_noncommercial("bsd-3-clause")
    assert strictest(["mit", "cc-by-nc-sa-4.0", "bsd-3-clause"]) == "cc-by-nc-sa-4.0"
