"""Pretrained weights of ResNet34: timm's own numbers through one channel, and files that are refused."""

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from messy_mashup import models, paths
from messy_mashup.errors import UserError
from messy_mashup.models import resnet34
from messy_mashup.recipe import ResNet34Recipe
from messy_mashup.torchvision_import import import_torchvision

WIDTHS = (8, 8, 16, 16)
HUB_ID = "timm/resnet34.a1_in1k"


@pytest.fixture(scope="module")
def theirs() -> torch.nn.Module:
    """A network as timm's are, three channels and 1000 classes; random statistics, and no branch is zero."""
    import_torchvision()
    import timm

    torch.manual_seed(1)
    network = timm.create_model("resnet34", channels=WIDTHS, stem_width=WIDTHS[0])
    for norm in network.modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            norm.running_mean.uniform_(-0.2, 0.2)
            norm.running_var.uniform_(0.5, 1.5)
            torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
    return network.eval()


@pytest.fixture
def snapshot(theirs, tmp_path) -> Path:
    """A folder in the hub's layout."""
    folder = tmp_path / "snapshot"
    folder.mkdir()
    save_file(theirs.state_dict(), folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"architecture": "resnet34", "num_classes": 1000}))
    return folder


@pytest.fixture(autouse=True)
def offline(tmp_path, monkeypatch) -> Path:
    """No network, an empty hub cache, and an input folder of its own."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(paths, "inputs", lambda: tmp_path / "input")
    return tmp_path


def loaded(weights: object, classes: int = 10) -> models.Backbone:
    recipe = ResNet34Recipe(weights=str(weights), widths=WIDTHS)
    model = models.build(recipe, classes)
    models.load_pretrained(model, recipe)
    return model.eval()


def altered(snapshot: Path, theirs: torch.nn.Module, **tensors: torch.Tensor | None) -> Path:
    """The snapshot with these tensors put in, or left out where None; __ is a dot."""
    state = theirs.state_dict() | {name.replace("__", "."): tensor for name, tensor in tensors.items()}
    save_file({name: tensor for name, tensor in state.items() if tensor is not None}, snapshot / "model.safetensors")
    return snapshot


@pytest.fixture(scope="module")
def log_mel() -> torch.Tensor:
    return torch.randn(2, 65, 48, generator=torch.Generator().manual_seed(2))


def features(network: torch.nn.Module, log_mel: torch.Tensor) -> torch.Tensor:
    thrice = log_mel[:, None].expand(-1, 3, -1, -1)
    with torch.no_grad():
        return network.forward_head(network.forward_features(thrice), pre_logits=True)


def test_one_channel_hears_what_three_equal_channels_would(theirs, snapshot, log_mel):
    for place in (snapshot, snapshot / "model.safetensors"):
        model = loaded(place)
        with torch.no_grad():
            embedded = model.embed(log_mel)
        torch.testing.assert_close(embedded, features(theirs, log_mel), rtol=1e-4, atol=1e-4)
        assert model(log_mel).shape == (2, 10)
        assert embedded.std() > 0.01


def test_the_head_is_taken_for_as_many_classes_and_else_left_random(theirs, snapshot, log_mel):
    same, other = loaded(snapshot, classes=1000), loaded(snapshot, classes=7)
    torch.testing.assert_close(same.network.fc.weight, theirs.fc.weight)
    torch.testing.assert_close(same(log_mel), theirs(log_mel[:, None].expand(-1, 3, -1, -1)), rtol=1e-4, atol=1e-4)
    assert other.network.fc.weight.shape == (7, 16)
    altered(snapshot, theirs, fc__weight=None, fc__bias=None)
    torch.testing.assert_close(loaded(snapshot).embed(log_mel), features(theirs, log_mel), rtol=1e-4, atol=1e-4)


def test_a_stem_of_one_channel_is_taken_as_it_is(theirs, snapshot):
    grey = torch.randn(64, 1, 7, 7)
    altered(snapshot, theirs, conv1__weight=grey, bn1__num_batches_tracked=None)
    assert torch.equal(loaded(snapshot).network.conv1.weight, grey)


def test_a_mount_a_cached_snapshot_and_no_weights_at_all(theirs, snapshot, offline, log_mel):
    expected = features(theirs, log_mel)
    with pytest.raises(UserError, match=r"no weights timm/resnet34.a1_in1k.*snapshot_download.*below input/"):
        loaded(HUB_ID)
    cached = offline / "cache" / "models--timm--resnet34.a1_in1k"
    (cached / "snapshots").mkdir(parents=True)
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text("a" * 40)
    os.symlink(snapshot, cached / "snapshots" / ("a" * 40))
    torch.testing.assert_close(loaded(HUB_ID).embed(log_mel), expected, rtol=1e-4, atol=1e-4)
    (cached / "refs" / "main").unlink()
    mount = offline / "input" / "resnet34-a1-in1k" / "pytorch" / "default" / "1"
    mount.parent.mkdir(parents=True)
    snapshot.rename(mount)
    torch.testing.assert_close(loaded(HUB_ID).embed(log_mel), expected, rtol=1e-4, atol=1e-4)


def test_without_weights_in_the_recipe_the_model_stays_as_it_is():
    recipe = ResNet34Recipe(widths=WIDTHS)
    model = models.build(recipe, 3)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    models.load_pretrained(model, recipe)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_what_does_not_fit_is_named_with_its_file(theirs, snapshot):
    altered(snapshot, theirs, **{f"layer1__{k}__conv1__weight": None for k in range(3)}, layer2__0__bn1__bias=None)
    with pytest.raises(UserError, match=r"model.safetensors .*lacks layer1.0.conv1.weight, .* and 1 more"):
        loaded(snapshot)
    altered(snapshot, theirs, extra__weight=torch.zeros(1))
    with pytest.raises(UserError, match=r"has what a ResNet34 has not: extra.weight"):
        loaded(snapshot)
    altered(snapshot, theirs, fc__weight=torch.zeros(1000, 9))
    with pytest.raises(UserError, match=r"other shapes: fc.weight \(\(1000, 9\) and not \(10, 16\)\)"):
        loaded(snapshot)
    altered(snapshot, theirs, conv1__weight=torch.zeros(64, 3, 3, 3))
    with pytest.raises(UserError, match=r"conv1.weight \(\(64, 1, 3, 3\) and not \(64, 1, 7, 7\)\)"):
        loaded(snapshot)


def test_a_refused_file_changes_nothing(theirs, snapshot):
    recipe = ResNet34Recipe(weights=str(altered(snapshot, theirs, layer4__0__bn1__bias=None)), widths=WIDTHS)
    model = models.build(recipe, 3)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(UserError, match=r"layer4.0.bn1.bias"):
        models.load_pretrained(model, recipe)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_a_broken_file_is_refused(snapshot, share):
    path = snapshot / "model.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(UserError, match=r"model.safetensors is no whole safetensors file .*get it again"):
        loaded(snapshot)


def test_a_pickle_is_refused_and_not_opened(theirs, tmp_path):
    folder = tmp_path / "weights"
    folder.mkdir()
    for name in ("pytorch_model.bin", "renamed.safetensors"):
        torch.save(theirs.state_dict(), folder / name)
        with pytest.raises(UserError, match=rf"{name} is a pickle.*weights_only=True"):
            loaded(folder / name)
    (folder / "renamed.safetensors").unlink()
    with pytest.raises(UserError, match=r"pytorch_model.bin is a pickle"):
        loaded(folder)


def test_a_folder_of_no_weights_or_of_several_is_refused(snapshot, theirs):
    path = snapshot / "model.safetensors"
    path.rename(snapshot / "one.safetensors")
    assert resnet34._weights_file(str(snapshot)) == snapshot / "one.safetensors"
    save_file(theirs.state_dict(), snapshot / "two.safetensors")
    with pytest.raises(UserError, match=r"holds 2 files of weights"):
        loaded(snapshot)
    for name in ("one", "two"):
        (snapshot / f"{name}.safetensors").unlink()
    with pytest.raises(UserError, match=r"holds 0 files of weights"):
        loaded(snapshot)
