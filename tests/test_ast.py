"""The Audio Spectrogram Transformer: held against transformers' own, its checkpoints, and structured patchout."""

import copy
import json
import re
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn.functional import cross_entropy

from messy_mashup import models, paths
from messy_mashup.errors import UserError
from messy_mashup.features.frame_spec import AST_FBANK
from messy_mashup.features.logmel import wave_log_mel
from messy_mashup.models.ast import fit_positions
from messy_mashup.models.ast_checkpoint import POSITIONS, Grid, hub_name
from messy_mashup.recipe import ASTRecipe
from messy_mashup.torchvision_import import import_torchvision

CLASSES = 5
SECONDS = 2.0  # 198 frames, which have the 19 columns of patches that 200 frames have
SMALL = ASTRecipe(heard_s=SECONDS, width=48, layers=3, heads=4)
ENCODER = "audio_spectrogram_transformer."


def small(**changes) -> ASTRecipe:
    return ASTRecipe(**{"heard_s": SECONDS, "width": 48, "layers": 3, "heads": 4} | changes)


def randomised(module: nn.Module) -> nn.Module:
    """Every parameter off its initial value: zeros and ones would hide a mistake."""
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.3)
    return module


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """transformers' model and extractor, and the folder that they write for the hub."""
    import_torchvision()
    from transformers import ASTConfig, ASTFeatureExtractor, ASTForAudioClassification

    torch.manual_seed(0)
    sizes = {"hidden_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 192}
    model = randomised(ASTForAudioClassification(ASTConfig(**sizes, max_length=200, num_labels=CLASSES)))
    extractor = ASTFeatureExtractor(max_length=200)
    folder = tmp_path_factory.mktemp("published")
    model.save_pretrained(folder)
    extractor.save_pretrained(folder)
    return SimpleNamespace(model=model, extractor=extractor, folder=folder)


@pytest.fixture
def checkpoint(published, tmp_path):
    """The published folder, to be spoilt."""
    for path in published.folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def loaded(folder, classes=CLASSES, **changes):
    recipe = small(weights=str(folder), **changes)
    torch.manual_seed(1)
    model = models.build(recipe, classes)
    models.load_pretrained(model, recipe)
    return model


def log_mels(batch=2, frames=198):
    return torch.randn(batch, frames, 128, generator=torch.Generator().manual_seed(2))


def test_log_mels_logits_and_gradients_are_transformers_own(published):
    """From waves: logits within 1e-5 of values about 1, gradients within 1e-4 of each tensor's largest."""
    waves = 0.1 * torch.randn(2, 32_000, generator=torch.Generator().manual_seed(0))
    waves[1, 8_000:] = 0.3 * waves[1, 8_000:] + 0.1 * waves[1, 7_999:-1]
    label = torch.tensor([1, 4])
    ours, theirs = loaded(published.folder).train(), published.model.train()
    log_mel = torch.stack([wave_log_mel(wave, AST_FBANK) for wave in waves])
    extracted = published.extractor([wave.numpy() for wave in waves], sampling_rate=16_000, return_tensors="pt")
    logits, expected = ours(log_mel), theirs(**extracted).logits
    assert (log_mel - extracted.input_values[:, :198]).abs().max() < 5e-4
    assert expected.std() > 0.3
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-5)
    theirs.zero_grad()
    cross_entropy(logits, label).backward()
    cross_entropy(expected, label).backward()
    gradients = {hub_name(name): parameter.grad for name, parameter in ours.named_parameters()}
    for name, parameter in theirs.named_parameters():
        error = (gradients.pop(hub_name(name)) - parameter.grad).abs().max()
        assert error <= 1e-4 * parameter.grad.abs().max() + 1e-6, name
    assert not gradients


def test_on_the_same_log_mel_the_logits_are_the_same(published):
    log_mel = log_mels(frames=200)
    ours = loaded(published.folder, heard_s=2.02).eval()
    with torch.no_grad():
        expected = published.model.eval()(log_mel)
        torch.testing.assert_close(ours(log_mel), expected.logits, rtol=1e-5, atol=1e-5)
        pooled = published.model.audio_spectrogram_transformer(log_mel).pooler_output
    torch.testing.assert_close(ours.embed(log_mel), pooled, rtol=1e-5, atol=1e-5)


def test_attention_is_sdpa_and_equals_eager(monkeypatch):
    calls, fused = [], nn.functional.scaled_dot_product_attention
    monkeypatch.setattr(
        nn.functional, "scaled_dot_product_attention", lambda *given, **named: calls.append(1) or fused(*given, **named)
    )
    torch.manual_seed(0)
    model = randomised(models.build(SMALL, CLASSES)).eval()
    config = model.audio_spectrogram_transformer.config
    assert config._attn_implementation == "sdpa"
    with torch.no_grad():
        logits = model(log_mels())
        assert len(calls) == SMALL.layers
        config._attn_implementation = "eager"
        torch.testing.assert_close(model(log_mels()), logits, rtol=0, atol=1e-5)
    assert len(calls) == SMALL.layers


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_leaves_the_log_mel_in_float32(dtype):
    torch.manual_seed(0)
    model, log_mel = models.build(SMALL, CLASSES).eval(), log_mels()
    before = log_mel.clone()
    with torch.no_grad(), torch.autocast("cpu", dtype):
        logits = model(log_mel)
    assert log_mel.dtype == torch.float32
    assert torch.equal(log_mel, before)
    assert logits.dtype == dtype
    with torch.no_grad():
        torch.testing.assert_close(logits.float(), model(log_mel), rtol=0, atol=0.02)


def test_a_seed_gives_the_same_network_and_no_tensor_is_all_zeros_but_biases():
    torch.manual_seed(3)
    one = models.build(SMALL, CLASSES).state_dict()
    torch.manual_seed(3)
    other = models.build(SMALL, CLASSES).state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert all(name.endswith("bias") for name, tensor in one.items() if not tensor.any())
    for name in ("cls_token", "distillation_token", "position_embeddings"):
        assert one[f"{ENCODER}embeddings.{name}"].std() == pytest.approx(0.02, rel=0.4)


def test_the_stages_hold_every_parameter_once():
    model = models.build(SMALL, CLASSES)
    stages = model.stages()
    held = [id(parameter) for stage in stages for parameter in stage]
    assert len(stages) == 1 + 3 + 1
    assert sorted(held) == sorted(map(id, model.parameters()))
    assert any(parameter is model.classifier.dense.weight for parameter in stages[-1])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"patchout": (12, 0)}, "leaves nothing of 12 rows"),
        ({"patchout": (0, 19)}, "leaves nothing of 12 rows and 19 columns"),
        ({"heads": 5}, "not a multiple"),
        ({"heard_s": 0.1}, "8 frames"),
    ],
)
def test_a_recipe_that_makes_no_network_is_refused(changes, said):
    with pytest.raises(UserError, match=said):
        models.build(small(**changes), CLASSES)


# Names of tensors


def hub_shapes(layers=12, width=768, patches=1212, classes=527):
    """Every tensor of an AST on the hub."""
    linear = {"weight": (width, width), "bias": (width,)}
    norm = {"weight": (width,), "bias": (width,)}
    bodies = {
        "attention.attention.query": linear,
        "attention.attention.key": linear,
        "attention.attention.value": linear,
        "attention.output.dense": linear,
        "intermediate.dense": {"weight": (4 * width, width), "bias": (4 * width,)},
        "output.dense": {"weight": (width, 4 * width), "bias": (width,)},
        "layernorm_before": norm,
        "layernorm_after": norm,
    }
    rooms = {
        f"{ENCODER}encoder.layer.{layer}.{body}": kinds for layer in range(layers) for body, kinds in bodies.items()
    }
    rooms |= {
        f"{ENCODER}embeddings.patch_embeddings.projection": {"weight": (width, 1, 16, 16), "bias": (width,)},
        f"{ENCODER}layernorm": norm,
        "classifier.layernorm": norm,
        "classifier.dense": {"weight": (classes, width), "bias": (classes,)},
    }
    tokens = {"cls_token": 1, "distillation_token": 1, "position_embeddings": 2 + patches}
    shapes = {f"{room}.{kind}": shape for room, kinds in rooms.items() for kind, shape in kinds.items()}
    return shapes | {f"{ENCODER}embeddings.{name}": (1, count, width) for name, count in tokens.items()}


def test_an_ast_base_has_the_hub_s_names_and_shapes():
    with torch.device("meta"):
        model = models.build(ASTRecipe(), 527)
    assert {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()} == hub_shapes()


def test_names_are_those_that_save_pretrained_writes(published):
    written = load_file(published.folder / "model.safetensors")
    assert set(written) == set(models.build(SMALL, CLASSES).state_dict())
    assert set(written) == set(hub_shapes(3, 48, 12 * 19, CLASSES))


def test_names_of_transformers_4_and_5_become_the_hub_s():
    newer = {
        "layers.11.attention.q_proj.weight": "encoder.layer.11.attention.attention.query.weight",
        "layers.0.attention.o_proj.bias": "encoder.layer.0.attention.output.dense.bias",
        "layers.0.mlp.fc1.weight": "encoder.layer.0.intermediate.dense.weight",
        "layers.0.mlp.fc2.weight": "encoder.layer.0.output.dense.weight",
    }
    for name, on_hub in newer.items():
        assert hub_name(ENCODER + name) == ENCODER + on_hub
        assert hub_name(name) == on_hub
    assert all(hub_name(name) == name for name in hub_shapes())


def test_an_average_of_weights_meets_them_in_the_same_order():
    from timm.utils import ModelEmaV3

    model = randomised(models.build(SMALL, CLASSES))
    names = list(model.state_dict())
    average = ModelEmaV3(model, decay=0.5)
    before = copy.deepcopy(model.state_dict())
    randomised(model)
    average.update(model)
    assert list(average.module.state_dict()) == names
    for name, tensor in average.module.state_dict().items():
        torch.testing.assert_close(tensor, (before[name] + model.state_dict()[name]) / 2)


@pytest.fixture
def one_process(tmp_path):
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path / 'store'}", rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize(
    ("wrap", "prefix"), [(torch.compile, "_orig_mod."), (nn.parallel.DistributedDataParallel, "module.")]
)
def test_a_state_goes_through_wrappers(one_process, wrap, prefix):
    model = randomised(models.build(SMALL, CLASSES))
    before = copy.deepcopy(model.state_dict())
    wrapper = wrap(model)
    state = copy.deepcopy(wrapper.state_dict())
    assert list(state) == [prefix + name for name in before]
    randomised(model)
    wrapper.load_state_dict(state)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_a_copy_is_a_model_of_its_own():
    model = randomised(models.build(SMALL, CLASSES))
    before = copy.deepcopy(model.state_dict())
    twin = copy.deepcopy(model)
    randomised(twin)
    twin.load_state_dict(before)
    randomised(model)
    assert all(torch.equal(tensor, before[name]) for name, tensor in twin.state_dict().items())
    assert not torch.equal(model.classifier.dense.weight, before["classifier.dense.weight"])


def test_a_state_that_lacks_a_tensor_or_has_one_more_is_refused():
    model = models.build(SMALL, CLASSES)
    state = model.state_dict()
    name = f"{ENCODER}encoder.layer.1.output.dense.weight"
    with pytest.raises(RuntimeError, match="Missing key"):
        model.load_state_dict({key: tensor for key, tensor in state.items() if key != name})
    with pytest.raises(RuntimeError, match="Unexpected key"):
        model.load_state_dict(state | {f"{ENCODER}encoder.layer.3.output.dense.weight": state[name]})


# Structured patchout


class Spy(nn.Module):
    """Stands for a layer: keeps the tokens that come in."""

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        self.tokens = tokens
        return tokens


def tokens_of(model, log_mel) -> torch.Tensor:
    layers, spy = model._layers(), Spy()
    kept, layers[0] = layers[0], spy
    model(log_mel)
    layers[0] = kept
    return spy.tokens


def test_patchout_keeps_cls_dist_and_whole_rows_and_columns_with_their_positions():
    torch.manual_seed(0)
    model = randomised(models.build(small(patchout=(4, 7)), CLASSES)).train()
    log_mel = log_mels()
    whole = model.audio_spectrogram_transformer.embeddings(log_mel)  # with positions, all different
    drawn = set()
    for _ in range(5):
        tokens = tokens_of(model, log_mel)
        assert tokens.shape == (2, 2 + (12 - 4) * (19 - 7), 48)
        same = (tokens[:, :, None] == whole[:, None]).all(-1)  # (batch, kept, all)
        assert torch.equal(same[0], same[1])
        kept = same[0].int().argmax(1)
        assert same[0].sum(1).eq(1).all()
        assert kept[:2].tolist() == [0, 1]
        rows, columns = (kept[2:] - 2) // 19, (kept[2:] - 2) % 19
        assert len(rows.unique()) == 8
        assert len(columns.unique()) == 12
        assert kept.equal(kept.sort().values)
        drawn.add(tuple(kept.tolist()))
    assert len(drawn) == 5


def test_patchout_is_of_training_alone_and_drawn_from_torch_s_generator():
    torch.manual_seed(0)
    model = randomised(models.build(small(patchout=(4, 7)), CLASSES))
    plain = models.build(SMALL, CLASSES)
    plain.load_state_dict(model.state_dict())
    log_mel = log_mels()
    with torch.no_grad():
        assert torch.equal(model.eval()(log_mel), plain.eval()(log_mel))
        assert tokens_of(plain.train(), log_mel).shape[1] == 2 + 12 * 19
        model.train()
        torch.manual_seed(5)
        one, other = model(log_mel), model(log_mel)
        torch.manual_seed(5)
        assert torch.equal(model(log_mel), one)
        assert not torch.equal(one, other)


def test_patchout_and_attention_are_compiled_whole():
    torch.manual_seed(0)
    model = models.build(small(patchout=(4, 7), layers=1), CLASSES).train()
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    torch.manual_seed(5)
    expected = model(log_mels())
    torch.manual_seed(5)
    torch.testing.assert_close(compiled(log_mels()), expected)


# The table of positions


def table(grid: Grid) -> torch.Tensor:
    """Each patch holds its row and its column; CLS and DIST hold -1 and -2."""
    rows, columns = torch.meshgrid(torch.arange(grid.rows), torch.arange(grid.columns), indexing="ij")
    patches = torch.stack([rows.flatten(), columns.flatten()], dim=1)
    return torch.cat([torch.tensor([[-1, -1], [-2, -2]]), patches])[None].float()


def rows_and_columns(fitted: torch.Tensor, rows: int) -> tuple[torch.Tensor, torch.Tensor]:
    assert fitted[0, :2].tolist() == [[-1, -1], [-2, -2]]
    picture = fitted[0, 2:].unflatten(0, (rows, -1))
    return picture[..., 0], picture[..., 1]


@pytest.mark.parametrize("columns", [101, 100, 99, 51, 50, 1])
def test_shorter_windows_get_the_centre_of_the_table(columns):
    """The slice is that of the AST authors' code."""
    grid = Grid(12, 101)
    rows, times = rows_and_columns(fit_positions(table(grid), grid, grid, columns), 12)
    start = 50 - int(columns / 2)
    assert torch.equal(times, torch.arange(101.0)[start : start + columns].expand(12, columns))
    assert torch.equal(rows, torch.arange(12.0)[:, None].expand(12, columns))


def test_longer_windows_get_the_table_interpolated_in_time():
    grid = Grid(12, 101)
    rows, times = rows_and_columns(fit_positions(table(grid), grid, grid, 202), 12)
    expected = ((torch.arange(202) + 0.5) / 2 - 0.5).clamp(0, 100)
    torch.testing.assert_close(times, expected.expand(12, 202))
    torch.testing.assert_close(rows, torch.arange(12.0)[:, None].expand(12, 202))


def test_another_stride_gets_the_table_interpolated_over_its_own_extent_then_cropped():
    source, restrided = Grid.over(128, 1024, (10, 10), 16), Grid.over(128, 1024, (16, 16), 16)
    assert (source, restrided) == (Grid(12, 101), Grid(8, 64))
    rows, times = rows_and_columns(fit_positions(table(source), source, restrided, 32), 8)
    expected = ((torch.arange(64) + 0.5) * 101 / 64 - 0.5)[16:48]
    torch.testing.assert_close(times, expected.expand(8, 32))
    torch.testing.assert_close(rows, ((torch.arange(8) + 0.5) * 12 / 8 - 0.5)[:, None].expand(8, 32))


@pytest.mark.parametrize(
    ("changes", "columns"), [({"heard_s": 1.0}, 9), ({"heard_s": 3.0}, 29), ({"stride": (16, 12)}, 16)]
)
def test_a_checkpoint_is_heard_through_other_windows_and_strides(published, changes, columns):
    model = loaded(published.folder, **changes)
    rows = 12 if "stride" not in changes else 8
    source = Grid(12, 19)
    restrided = source if rows == 12 else Grid(8, 16)
    own = load_file(published.folder / "model.safetensors")
    expected = fit_positions(own[POSITIONS], source, restrided, columns)
    assert expected.shape == (1, 2 + rows * columns, 48)
    assert torch.equal(model.state_dict()[POSITIONS], expected)
    frames = AST_FBANK.frames_in(changes.get("heard_s", SECONDS))
    assert model(log_mels(frames=frames)).shape == (2, CLASSES)


# Checkpoints


def respell(folder, change):
    """Write a checkpoint's tensors anew; `change` gives the new ones."""
    path = folder / "model.safetensors"
    save_file(change(load_file(path)), path)


def newer_name(name: str) -> str:
    """How transformers 5 names the module."""
    for old, new in {
        "encoder.layer.": "layers.",
        "attention.attention.query": "attention.q_proj",
        "attention.attention.key": "attention.k_proj",
        "attention.attention.value": "attention.v_proj",
        "attention.output.dense": "attention.o_proj",
        "intermediate.dense": "mlp.fc1",
        "output.dense": "mlp.fc2",
    }.items():
        name = name.replace(old, new)
    return name


def same_as_published(model, published) -> bool:
    own = load_file(published.folder / "model.safetensors")
    return all(torch.equal(tensor, own[name]) for name, tensor in model.state_dict().items())


def test_a_checkpoint_with_the_module_names_of_transformers_5_loads(published, checkpoint):
    respell(checkpoint, lambda tensors: {newer_name(name): tensor for name, tensor in tensors.items()})
    assert any("q_proj" in name for name in load_file(checkpoint / "model.safetensors"))
    assert same_as_published(loaded(checkpoint), published)


def test_a_checkpoint_of_half_floats_loads(published, checkpoint):
    respell(checkpoint, lambda tensors: {name: tensor.half() for name, tensor in tensors.items()})
    for name, tensor in loaded(checkpoint).state_dict().items():
        assert tensor.dtype == torch.float32
        torch.testing.assert_close(
            tensor, load_file(published.folder / "model.safetensors")[name], rtol=1e-3, atol=1e-6
        )


def test_a_bare_encoder_loads_and_leaves_the_head_random(published, tmp_path):
    published.model.audio_spectrogram_transformer.save_pretrained(tmp_path)
    model = loaded(tmp_path)
    torch.manual_seed(1)
    untouched = models.build(SMALL, CLASSES).state_dict()
    own = load_file(published.folder / "model.safetensors")
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, (untouched if name.startswith("classifier.") else own)[name])


def test_any_number_of_classes_takes_the_encoder_alone(published):
    model = loaded(published.folder, classes=3)
    torch.manual_seed(1)
    untouched = models.build(SMALL, 3).state_dict()
    own = load_file(published.folder / "model.safetensors")
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, (untouched if name.startswith("classifier.") else own)[name])
    assert model(log_mels()).shape == (2, 3)


def without(pattern: str):
    def spoil(folder):
        respell(folder, lambda tensors: {name: kept for name, kept in tensors.items() if not re.search(pattern, name)})

    return spoil


def with_tensor(name: str, *shape: int):
    return lambda folder: respell(folder, lambda tensors: tensors | {name: torch.zeros(shape)})


def with_field(file: str, **fields):
    def spoil(folder):
        written = json.loads((folder / file).read_text())
        kept = {name: value for name, value in (written | fields).items() if value is not None}
        (folder / file).write_text(json.dumps(kept))

    return spoil


def truncated(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def pickled_only(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def without_file(name: str):
    return lambda folder: (folder / name).unlink()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (without(r"layer\.1\.output\.dense\.bias"), r"lacks \S+encoder\.layer\.1\.output\.dense\.bias\. Get"),
        (without(r"layer\.[12]\."), r"lacks \S+layer\.1\.\S+, \S+, \S+ and 29 more"),
        (without("embeddings"), "lacks .*cls_token"),
        (without("classifier.dense.weight"), r"lacks classifier\.dense\.weight"),
        (with_tensor(f"{ENCODER}encoder.layer.3.output.dense.bias", 48), r"has not, \S+layer\.3\.output\.dense\.bias"),
        (with_tensor(f"{ENCODER}layernorm.bias", 47), r"layernorm\.bias \(47,\) for \(48,\)"),
        (with_tensor(POSITIONS, 1, 200, 48), r"position_embeddings \(1, 200, 48\) for \(1, 230, 48\)"),
        (with_tensor("classifier.dense.weight", 3, 48), r"classifier\.dense\.weight \(3, 48\) for \(5, 48\)"),
        (truncated, "model.safetensors is damaged or half a file"),
        (pickled_only, r"pytorch_model\.bin is not read.*save_pretrained"),
        (without_file("model.safetensors"), "model.safetensors is missing"),
        (without_file("config.json"), "config.json is missing"),
        (lambda folder: (folder / "config.json").write_text("{"), "config.json is damaged: it is not JSON"),
        (lambda folder: (folder / "config.json").write_text("[]"), "config.json is damaged: it holds no JSON object"),
        (with_field("config.json", model_type="vit"), "is of a 'vit'"),
        (
            with_field("config.json", hidden_size=64, num_hidden_layers=4),
            "hidden_size is 64 and not 48, num_hidden_layers",
        ),
        (with_field("config.json", num_attention_heads=6), "num_attention_heads is 6 and not 4"),
        (with_field("config.json", layer_norm_eps=1e-6), "layer_norm_eps is 1e-06 and not 1e-12"),
        (with_field("config.json", hidden_act="relu"), "hidden_act is 'relu'"),
        (with_field("config.json", qkv_bias=False), "qkv_bias is False"),
        (with_field("config.json", time_stride=None, hidden_act=None), "lacks hidden_act, time_stride"),
        (with_field("config.json", max_length=1024), r"position_embeddings \(1, 230, 48\) for \(1, 1214, 48\)"),
        (with_field("preprocessor_config.json", mean=-6.8, std=5.5), "another log-mel: mean is -6.8 .* std is 5.5"),
        (with_field("preprocessor_config.json", sampling_rate=22_050), "sampling_rate is 22050"),
        (with_field("preprocessor_config.json", do_normalize=False), "do_normalize is False"),
    ],
)
def test_a_wrong_or_half_checkpoint_is_refused_and_nothing_of_it_is_put_in(checkpoint, spoil, said):
    spoil(checkpoint)
    recipe = small(weights=str(checkpoint))
    model = models.build(recipe, CLASSES)
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(UserError, match=said) as refusal:
        models.load_pretrained(model, recipe)
    assert str(checkpoint) in str(refusal.value)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_a_file_in_place_of_a_folder_is_refused(published):
    with pytest.raises(UserError, match="are a file: name the folder"):
        loaded(published.folder / "model.safetensors")


def test_without_the_extractor_s_file_a_checkpoint_loads(published, checkpoint):
    (checkpoint / "preprocessor_config.json").unlink()
    assert same_as_published(loaded(checkpoint), published)


# Where checkpoints are found


def put(published, folder):
    folder.mkdir(parents=True)
    for path in published.folder.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """No net, a hub's cache and inputs of their own."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(paths, "inputs", lambda: tmp_path / "input")
    return tmp_path


@pytest.mark.parametrize(
    "mount",
    ["ast-10-10-0-4593/transformers/default/1", "models/someone/ast-10-10-0-4593/transformers/default/1", "ast"],
)
def test_a_mount_is_found_by_its_name(published, offline, mount):
    put(published, offline / "input" / mount)
    name = "ast" if mount == "ast" else "MIT/ast-10-10-0.4593"
    assert same_as_published(loaded(name), published)


def test_a_mount_is_found_by_the_folder_at_its_top(published, offline):
    put(published, offline / "input" / "ast" / "transformers" / "default" / "1")
    assert same_as_published(loaded("ast"), published)
    put(published, offline / "input" / "ast" / "transformers" / "default" / "2")
    with pytest.raises(UserError, match="2 AST checkpoints below"):
        loaded("ast")


def test_a_hub_id_is_taken_from_the_hub_s_cache_offline(published, offline):
    repository = offline / "cache" / "models--someone--ast"
    put(published, repository / "snapshots" / ("a" * 40))
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("a" * 40)
    assert same_as_published(loaded("someone/ast"), published)


@pytest.mark.parametrize("name", ["someone/ast", "no such id!"])
def test_weights_that_are_nowhere_are_refused_with_the_way_to_get_them(offline, name):
    with pytest.raises(UserError, match=r"no weights .*snapshot_download.*put it below input/"):
        loaded(name)
