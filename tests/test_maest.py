"""MAEST: its front-end against Essentia's and its authors' extractor's arithmetic, the hub's format, the original
checkpoints, and its layers.
"""

import copy
import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from maests import FRAMES, HEADS, LAYERS, STYLES, WIDTH, write_maest
from messy_mashup import models, recipes
from messy_mashup.errors import UserError
from messy_mashup.features.frame_spec import MAEST_MEL
from messy_mashup.features.logmel import padding_value, wave_log_mel
from messy_mashup.models.maest import embedder, recipe_of, styles_of
from messy_mashup.models.maest_checkpoint import convert, hub_tensors
from messy_mashup.recipe import DoRARecipe, HeadRecipe, MAESTRecipe
from test_commands import run

# Largest error in log10(1 + 10000 power), of values up to 6.5. Essentia's window is symmetric, as in the authors'
# training; the feature extractor that they published beside the weights has a periodic one.
LARGEST_ERROR = {"hann_symmetric": 1e-3, "hann_periodic": 0.07}


def sounds(samples: int = 80_001) -> dict[str, np.ndarray]:
    generator, time_s = np.random.default_rng(0), np.arange(samples) / 16_000
    return {
        "noise": generator.normal(0, 0.1, samples).astype(np.float32),
        "chirp": (0.8 * np.sin(2 * np.pi * (100 + 900 * time_s) * time_s)).astype(np.float32),
        "quiet": (1e-4 * np.sin(2 * np.pi * 440 * time_s) + 0.1).astype(np.float32),
        "fading": (0.5 * np.sin(2 * np.pi * 440 * time_s) * np.exp(-time_s)).astype(np.float32),
        "silence": np.zeros(samples, np.float32),
    }


@pytest.mark.parametrize("window", sorted(LARGEST_ERROR))
@pytest.mark.parametrize("name", ["noise", "chirp", "quiet", "fading", "silence"])
def test_the_front_end_is_essentia_s(name, window):
    standard = pytest.importorskip("essentia.standard")
    wave = sounds()[name]
    bands = standard.TensorflowInputMusiCNN()
    windows = standard.FrameGenerator(wave, frameSize=512, hopSize=256, startFromZero=False)
    theirs = np.array([bands(window) for window in windows])
    spec = replace(MAEST_MEL, window_shape=window)
    ours = wave_log_mel(torch.from_numpy(wave), spec).numpy() * spec.divisor + spec.mean
    assert len(ours) == 1 + len(wave) // 256 <= len(theirs)
    assert np.abs(ours - theirs[: len(ours)]).max() < LARGEST_ERROR[window]


def test_the_front_end_is_the_extractor_s_arithmetic():
    """Its window, bands, logarithm, zeros and normalisation, by numpy and librosa's bands, within 1e-4."""
    import librosa

    wave = sounds(20_000)["noise"]
    window = np.hanning(513)[:-1] if MAEST_MEL.window_shape == "hann_periodic" else np.hanning(512)
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(wave, 256), 512)[::256] * window
    bands = librosa.filters.mel(sr=16_000, n_fft=512, n_mels=96, fmin=0, fmax=8000)
    expected = np.log10(1 + 10_000 * (np.abs(np.fft.rfft(frames)) ** 2 @ bands.T))
    ours = wave_log_mel(torch.from_numpy(wave), MAEST_MEL).numpy()
    assert ours.shape == (79, 96)
    assert np.abs(ours - (expected - 2.06755686098554) / (2 * 1.268292820667291)).max() < 1e-4
    assert padding_value(MAEST_MEL) == pytest.approx(-2.06755686098554 / (2 * 1.268292820667291))


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    return SimpleNamespace(model=write_maest(folder, std=0.3), folder=folder)


@pytest.fixture
def checkpoint(published, tmp_path):
    """The published folder, to be spoilt."""
    for path in published.folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def loaded(recipe: MAESTRecipe, classes: int = len(STYLES)) -> nn.Module:
    model = models.build(recipe, classes)
    models.load_pretrained(model, recipe)
    return model.eval()


def log_mels(batch: int = 3, frames: int = FRAMES) -> torch.Tensor:
    return torch.randn(batch, frames, 96, generator=torch.Generator().manual_seed(2))


def test_logits_are_transformers_own(published):
    recipe = recipe_of(str(published.folder))
    assert (recipe.width, recipe.layers, recipe.heads, recipe.stride) == (WIDTH, LAYERS, HEADS, (10, 10))
    assert models.frame_spec(recipe).frames_in(recipe.heard_s) == FRAMES
    with torch.no_grad():
        expected = published.model(log_mels()).logits
        assert expected.std() > 0.1
        torch.testing.assert_close(loaded(recipe)(log_mels()), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("seconds", "frames"), [(5.04, 316), (10.0, 626), (20.08, 1256), (30.0, 1876)])
def test_the_published_lengths(seconds, frames):
    assert MAEST_MEL.frames_in(seconds) == frames
    assert pytest.approx((frames - 1) * 256 / 16_000) == seconds


def test_a_base_has_the_published_shapes():
    with torch.device("meta"):
        model = models.build(MAESTRecipe(), 400)
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    assert shapes["audio_spectrogram_transformer.embeddings.position_embeddings"] == (1, 2 + 9 * 187, 768)
    assert shapes["classifier.dense.weight"] == (400, 768)
    assert model.audio_spectrogram_transformer.config.layer_norm_eps == 1e-6
    assert model.classifier.layernorm.eps == 1e-6


def with_field(file: str, **fields):
    def spoil(folder):
        (folder / file).write_text(json.dumps(json.loads((folder / file).read_text()) | fields))

    return spoil


def with_tensors(change):
    return lambda folder: save_file(change(load_file(folder / "model.safetensors")), folder / "model.safetensors")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (with_field("preprocessor_config.json", mean=-4.27), "another log-mel: mean is -4.27 .* name weights of MAEST"),
        (with_field("preprocessor_config.json", log_compression="log"), "log_compression is 'log' and not 'logC'"),
        (with_field("preprocessor_config.json", hop_length=160), "hop_length is 160 and not 256"),
        (with_field("config.json", layer_norm_eps=1e-12), "layer_norm_eps is 1e-12 and not 1e-06"),
        (with_field("config.json", num_mel_bins=128), "num_mel_bins is 128 and not 96"),
        (
            with_tensors(lambda tensors: {name: one for name, one in tensors.items() if "layernorm.bias" not in name}),
            r"lacks \S+layernorm\.bias",
        ),
        (
            with_tensors(lambda tensors: tensors | {"classifier.more": torch.zeros(1)}),
            r"has, and the network has not, classifier\.more",
        ),
        (
            with_tensors(lambda tensors: tensors | {"classifier.dense.weight": torch.zeros(2, WIDTH)}),
            r"classifier\.dense\.weight \(2, 32\) for \(5, 32\)",
        ),
    ],
)
def test_what_is_no_maest_is_refused_and_nothing_of_it_is_put_in(published, checkpoint, spoil, told):
    spoil(checkpoint)
    recipe = replace(recipe_of(str(published.folder)), weights=str(checkpoint))
    model = models.build(recipe, len(STYLES))
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(UserError, match=told):
        models.load_pretrained(model, recipe)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_an_ast_s_weights_are_no_maest_s(checkpoint):
    from transformers import ASTConfig, ASTForAudioClassification

    sizes = {"hidden_size": WIDTH, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS}
    ASTForAudioClassification(ASTConfig(**sizes, intermediate_size=128, max_length=98)).save_pretrained(checkpoint)
    recipe = recipe_of(str(checkpoint))
    with pytest.raises(UserError, match="num_mel_bins is 128 and not 96"):
        loaded(recipe)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"layer": 3}, "the network has 2 layers, counted from 1"),
        ({"layer": 1, "frozen": False}, r"backbone\.layer=1 needs backbone\.frozen=True"),
        ({"heard_s": 0.2}, "13 frames: MAEST hears 16 at least, 0.24 s"),
    ],
)
def test_recipes_that_make_no_sense_are_refused(published, changes, told):
    with pytest.raises(UserError, match=told):
        models.build(replace(recipe_of(str(published.folder)), **changes), 2)


# Layers


@pytest.mark.parametrize("layer", [1, 2])
def test_an_embedding_is_cls_dist_and_mean_of_the_tokens_after_a_layer(published, layer):
    with torch.no_grad():
        tokens = published.model(log_mels(), output_hidden_states=True).hidden_states[layer]
        ours = embedder(recipe_of(str(published.folder), layer=layer)).embed(log_mels())
    assert tokens.shape == (3, 2 + 9 * 4, WIDTH)
    expected = torch.cat([tokens[:, 0], tokens[:, 1], tokens[:, 2:].mean(1)], dim=1)
    assert ours.shape == (3, 3 * WIDTH)
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-5)


def test_a_probe_is_a_head_alone_and_adapters_go_on_a_maest_too(published):
    probe = recipe_of(str(published.folder), layer=1, head=HeadRecipe(hidden=8))
    learnt = loaded(probe, 3).learnt()
    assert set(learnt) == {
        f"classifier.{name}"
        for name in (
            "standardised.mean",
            "standardised.deviation",
            "hidden.weight",
            "hidden.bias",
            "dense.weight",
            "dense.bias",
        )
    }
    assert loaded(probe, 3)(log_mels()).shape == (3, 3)
    adapted = loaded(replace(probe, layer=0, dora=DoRARecipe(rank=2, first=1)), 3)
    assert sum(".lora_" in name for name in adapted.learnt()) == 3


def test_the_recipe_is_as_the_authors_have_it():
    recipe = recipes.load("maest_probe")
    assert recipe.backbone.weights == "mtg-upf/discogs-maest-30s-pw-129e"
    assert (recipe.backbone.heard_s, recipe.backbone.frozen) == (30.0, True)
    assert (recipe.backbone.width, recipe.backbone.layers, recipe.backbone.heads) == (768, 12, 12)
    assert 1 <= recipe.backbone.layer <= 12
    assert recipe.backbone.head.hidden > 0
    assert recipe.folds == recipes.load("gtzan_ast_dora").folds
    assert recipe.train.mashups_per_epoch == 0


# The original checkpoints


class Block(nn.Module):
    """A layer of PaSST: fused query, key and value, the norms before."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH, eps=1e-6), nn.LayerNorm(WIDTH, eps=1e-6)
        self.attn = nn.ModuleDict({"qkv": nn.Linear(WIDTH, 3 * WIDTH), "proj": nn.Linear(WIDTH, WIDTH)})
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(WIDTH, 4 * WIDTH), "fc2": nn.Linear(4 * WIDTH, WIDTH)})

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, tokens, _ = x.shape
        qkv = self.attn["qkv"](self.norm1(x)).reshape(batch, tokens, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        attention = (qkv[0] @ qkv[1].transpose(-2, -1) * (WIDTH // HEADS) ** -0.5).softmax(-1)
        x = x + self.attn["proj"]((attention @ qkv[2]).transpose(1, 2).reshape(batch, tokens, WIDTH))
        return x + self.mlp["fc2"](nn.functional.gelu(self.mlp["fc1"](self.norm2(x))))


class Original(nn.Module):
    """The authors' network without patchout, on (batch, 1, mels, frames)."""

    def __init__(self, rows: int = 9, columns: int = 31, styles: int = 5) -> None:
        super().__init__()
        self.cls_token, self.dist_token = (nn.Parameter(torch.zeros(1, 1, WIDTH)) for _ in range(2))
        self.new_pos_embed = nn.Parameter(torch.zeros(1, 2, WIDTH))
        self.freq_new_pos_embed = nn.Parameter(torch.zeros(1, WIDTH, rows, 1))
        self.time_new_pos_embed = nn.Parameter(torch.zeros(1, WIDTH, 1, columns))
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(1, WIDTH, 16, stride=10)})
        self.blocks = nn.Sequential(*(Block() for _ in range(LAYERS)))
        self.norm = nn.LayerNorm(WIDTH, eps=1e-6)
        self.head = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, styles))  # its norm's epsilon is torch's 1e-5
        self.head_dist = nn.Linear(WIDTH, styles)
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=0.3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        patches = self.patch_embed["proj"](x) + self.time_new_pos_embed + self.freq_new_pos_embed
        special = torch.cat([self.cls_token, self.dist_token], dim=1) + self.new_pos_embed
        tokens = torch.cat([special.expand(len(x), -1, -1), patches.flatten(2).transpose(1, 2)], dim=1)
        tokens = self.norm(self.blocks(tokens))
        return self.head((tokens[:, 0] + tokens[:, 1]) / 2)


@pytest.fixture(scope="module")
def original() -> Original:
    torch.manual_seed(4)
    return Original().eval()


def write_original(path, original, kind):
    tensors = original.state_dict()
    others = {name: torch.zeros_like(tensor) for name, tensor in tensors.items()}
    match kind:
        case "safetensors":
            save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)
        case "plain":
            torch.save(dict(tensors), path)
        case "last":
            torch.save({"state_dict": {f"net.{name}": one for name, one in tensors.items()}, "epoch": 3}, path)
        case "averaged":
            nested = {f"net.{name}": one for name, one in others.items()}
            nested |= {f"net_swa.module.{name}": one for name, one in tensors.items()}
            torch.save({"state_dict": nested | {"net_swa.n_averaged": torch.tensor(3)}}, path)


@pytest.mark.parametrize("kind", ["safetensors", "plain", "last", "averaged"])
def test_an_original_checkpoint_gives_equal_logits(original, tmp_path, kind):
    """Within 1e-4 of values about 1; its authors' conversion has the head norm's epsilon as ours has."""
    path, folder = tmp_path / ("a.safetensors" if kind == "safetensors" else "a.ckpt"), tmp_path / "hub"
    write_original(path, original, kind)
    (tmp_path / "labels.txt").write_text("\n".join(STYLES) + "\n")
    assert run("convert_maest", path, folder, "--labels", tmp_path / "labels.txt", "--heads", HEADS) == 0
    recipe = recipe_of(str(folder))
    assert models.frame_spec(recipe).frames_in(recipe.heard_s) == 316
    assert styles_of(str(folder)) == STYLES
    x = log_mels(frames=316)
    with torch.no_grad():
        expected = original(x.transpose(1, 2)[:, None])
        assert expected.std() > 0.3
        torch.testing.assert_close(loaded(recipe)(x), expected, rtol=0, atol=1e-4)


class Code:
    """What unpickling would run."""

    def __reduce__(self):
        return (print, ("code was run",))


def test_no_code_of_a_checkpoint_is_run(original, tmp_path, capfd):
    torch.save({"state_dict": original.state_dict(), "hyper_parameters": Code()}, tmp_path / "a.ckpt")
    assert run("convert_maest", tmp_path / "a.ckpt", tmp_path / "hub") == 2
    told = capfd.readouterr()
    assert "holds more than tensors" in told.err
    assert "code was run" not in told.out
    assert not (tmp_path / "hub").exists()


def test_what_is_no_original_checkpoint_is_told(original, tmp_path):
    path, tensors = tmp_path / "a.safetensors", {name: one.contiguous() for name, one in original.state_dict().items()}
    for change, told in (
        ({"head.0.weight": None}, r"it lacks head\.0\.weight"),
        ({"fc.weight": torch.zeros(2)}, r"it has fc\.weight"),
        ({"time_new_pos_embed": None}, "time_new_pos_embed"),
        ({"blocks.0.attn.gate.weight": torch.zeros(2)}, r"attn\.gate"),
    ):
        save_file({name: one for name, one in (tensors | change).items() if one is not None}, path)
        with pytest.raises(UserError, match=told):
            convert(path, tmp_path / "hub", heads=HEADS)
    save_file(tensors, path)
    with pytest.raises(UserError, match="has 5 styles and 2 are named"):
        convert(path, tmp_path / "hub", ["a", "b"], HEADS)
    with pytest.raises(UserError, match="5 heads do not divide"):
        convert(path, tmp_path / "hub", heads=5)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(UserError, match="damaged or half a file"):
        convert(path, tmp_path / "hub")
    with pytest.raises(UserError, match="there is no file"):
        convert(tmp_path / "nothing.ckpt", tmp_path / "hub")
    assert not any(name.startswith("head_dist") for name in hub_tensors(tensors))
