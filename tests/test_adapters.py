"""DoRA on a frozen AST: held against its formula, where it is put, what is learnt, and what a member is made of."""

import copy
import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn.functional import cross_entropy

from messy_mashup import models
from messy_mashup.errors import UserError
from messy_mashup.models.adapters import NAME
from messy_mashup.recipe import ASTRecipe, DoRARecipe, HeadRecipe, TrainRecipe
from messy_mashup.torchvision_import import import_torchvision
from messy_mashup.training.learner import Learner
from messy_mashup.training.parallel import Ranks
from messy_mashup.training.schedule import parameter_groups

CLASSES, WIDTH, LAYERS = 4, 48, 3
ENCODER = "audio_spectrogram_transformer.encoder.layer."


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A checkpoint as the hub has it, with a head of another number of classes, as AudioSet's."""
    import_torchvision()
    from transformers import ASTConfig, ASTFeatureExtractor, ASTForAudioClassification

    torch.manual_seed(0)
    sizes = {"hidden_size": WIDTH, "num_hidden_layers": LAYERS, "num_attention_heads": 4, "intermediate_size": 192}
    model = ASTForAudioClassification(ASTConfig(**sizes, max_length=100, num_labels=7))
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.2)
    folder = tmp_path_factory.mktemp("published")
    model.save_pretrained(folder)
    ASTFeatureExtractor(max_length=100).save_pretrained(folder)
    return folder


def recipe_of(folder, **dora) -> ASTRecipe:
    dora = DoRARecipe(**({"rank": 2, "alpha": 4.247, "first": 1} | dora))
    return ASTRecipe(
        weights=str(folder),
        heard_s=1.0,
        width=WIDTH,
        layers=LAYERS,
        heads=4,
        frozen=True,
        head=HeadRecipe(20),
        dora=dora,
    )


def built(recipe: ASTRecipe):
    torch.manual_seed(1)
    model = models.build(recipe, CLASSES)
    models.load_pretrained(model, recipe)
    return model


def log_mels(batch=3):
    return torch.randn(batch, 98, 128, generator=torch.Generator().manual_seed(2))


def test_before_it_has_learnt_it_changes_nothing(published):
    adapted, plain = built(recipe_of(published)), built(recipe_of(published, rank=0))
    x = log_mels()
    torch.testing.assert_close(adapted.eval().embed(x), plain.eval().embed(x), rtol=1e-5, atol=1e-5)


def test_an_adapted_layer_is_the_formula(published):
    """m (W + alpha B A) / ||W + alpha B A||, whatever the rank, with the layer's own bias."""
    for rank in (1, 2, 5):
        model = built(recipe_of(published, rank=rank))
        layer = next(module for module in model.modules() if hasattr(module, "lora_magnitude_vector"))
        for parameter in (
            layer.lora_A[NAME].weight,
            layer.lora_B[NAME].weight,
            layer.lora_magnitude_vector[NAME].weight,
        ):
            nn.init.normal_(parameter, std=0.5)
        low_rank = layer.lora_B[NAME].weight @ layer.lora_A[NAME].weight
        directed = layer.base_layer.weight + 4.247 * low_rank
        magnitude = layer.lora_magnitude_vector[NAME].weight
        weight = magnitude[:, None] * directed / directed.norm(dim=1, keepdim=True)
        x = torch.randn(6, layer.base_layer.in_features)
        torch.testing.assert_close(layer(x), x @ weight.T + layer.base_layer.bias, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("layers", "first", "named"),
    [
        (("feed_forward_out",), 1, {"1.output.dense", "2.output.dense"}),
        (("feed_forward_in",), 2, {"2.intermediate.dense"}),
        (("query", "key", "value"), 2, {f"2.attention.attention.{part}" for part in ("query", "key", "value")}),
        (("feed_forward_out",), 0, {f"{layer}.output.dense" for layer in range(3)}),
    ],
)
def test_it_is_put_where_the_recipe_says_and_nowhere_else(published, layers, first, named):
    learnt = built(recipe_of(published, layers=layers, first=first)).learnt()
    adapted = {name.removeprefix(ENCODER).partition(".lora_")[0] for name in learnt if name.startswith(ENCODER)}
    assert adapted == named
    rest = {name for name in learnt if not name.startswith(ENCODER)}
    assert rest == {f"classifier.{layer}.{kind}" for layer in ("hidden", "dense") for kind in ("weight", "bias")}


def test_the_report_s_adapters_are_few(published):
    """On AST-base: rank 2 on layers 10 and 11 is 2 * (2 * (3072 + 768) + 768) numbers beside the head."""
    base = replace(recipe_of(published, first=10), width=768, layers=12, heads=12, head=HeadRecipe(200, 0.1))
    with torch.device("meta"):
        network = models.build(base, 10)
    adapters = sum(value.numel() for name, value in network.learnt().items() if ".lora_" in name)
    head = sum(value.numel() for name, value in network.learnt().items() if name.startswith("classifier."))
    assert adapters == 2 * (2 * (3072 + 768) + 768)
    assert head == 768 * 200 + 200 + 200 * 10 + 10


def test_only_adapter_and_head_learn(published):
    model = built(recipe_of(published))
    before = copy.deepcopy(model.state_dict())
    learner = Learner(model, TrainRecipe(lr=0.01, ema=0.5), 4, torch.device("cpu"), Ranks())
    batch = SimpleBatch(log_mels(8), torch.eye(CLASSES)[torch.arange(8) % CLASSES])
    for number in range(4):
        learner.step(number, batch)
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == set(model.learnt())
    grouped = {id(parameter) for group in parameter_groups(model, TrainRecipe()) for parameter in group["params"]}
    assert grouped == {id(parameter) for parameter in model.parameters() if parameter.requires_grad}
    state = learner.state({}, [], {})
    assert set(state.model) == set(state.averaged) == set(model.learnt())
    assert {name.rpartition(".")[0] for name in state.moments} == set(model.learnt())
    assert sum(value.numel() for value in state.model.values()) < 0.05 * sum(p.numel() for p in model.parameters())


class SimpleBatch(tuple):
    """A log-mel and its target."""

    def __new__(cls, log_mel, target):
        return super().__new__(cls, (log_mel, target))

    @property
    def log_mel(self):
        return self[0]


def test_what_was_learnt_goes_back_in_on_the_same_weights(published):
    model = built(recipe_of(published))
    for value in model.learnt().values():
        nn.init.normal_(value, std=0.3)
    kept = {name: value.clone() for name, value in model.learnt().items()}
    other = built(recipe_of(published))
    other.load_learnt(kept)
    x = log_mels()
    torch.testing.assert_close(other.eval()(x), model.eval()(x), rtol=0, atol=0)
    with pytest.raises(RuntimeError, match="it lacks"):
        other.load_learnt({name: value for name, value in kept.items() if "lora_A" not in name})
    with pytest.raises(RuntimeError, match="has not"):
        other.load_learnt(kept | {"audio_spectrogram_transformer.layernorm.weight": torch.ones(WIDTH)})


def test_gradients_reach_the_adapters_through_the_frozen_layers(published):
    model = built(recipe_of(published)).train()
    cross_entropy(model(log_mels()), torch.tensor([0, 1, 2])).backward()
    for name, parameter in model.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, name
    lora_b = [parameter for name, parameter in model.named_parameters() if ".lora_B." in name]
    assert all(parameter.grad.abs().max() > 0 for parameter in lora_b)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"frozen": False}, r"backbone\.dora\.rank=2 needs backbone\.frozen=True"),
        ({"weights": ""}, r"backbone\.frozen=True needs backbone\.weights"),
        ({"dora": DoRARecipe(rank=2, first=3)}, r"backbone\.dora\.first=3: the network has no transformer layer"),
    ],
)
def test_recipes_that_make_no_sense_are_refused(published, change, told):
    with pytest.raises(UserError, match=told):
        models.build(replace(recipe_of(published), **change), CLASSES)


def test_a_checkpoint_is_told_by_its_bytes(published, tmp_path):
    recipe = recipe_of(published)
    digest = models.base_digest(recipe)
    assert models.base_digest(replace(recipe, frozen=False, dora=DoRARecipe())) is None
    for path in published.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert models.base_digest(recipe_of(tmp_path)) == digest
    tensors = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(tensors[:-1] + bytes([tensors[-1] ^ 1]))
    assert models.base_digest(recipe_of(tmp_path)) != digest
    assert json.loads((published / "config.json").read_text())["hidden_size"] == WIDTH
    assert load_file(published / "model.safetensors")
