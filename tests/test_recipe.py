"""Recipes as values: JSON and back, overrides, and what is refused."""

import json
from dataclasses import replace

import pytest
import torch

from messy_mashup import models, recipes
from messy_mashup.data.corpora import ismir2004
from messy_mashup.data.demo_music.whole_songs import ISMIR2004_TRACKS
from messy_mashup.errors import UserError
from messy_mashup.recipe import CNNRecipe, MashupRecipe, Recipe, ScoringRecipe
from messy_mashup.recipe_text import from_json, override, override_scoring, to_json
from messy_mashup.training.learner import Learner
from messy_mashup.training.parallel import Ranks

SMALL = CNNRecipe(widths=(4, 4, 4))


@pytest.mark.parametrize("name", sorted(recipes.names()))
def test_every_recipe_survives_json(tmp_path, name):
    path = tmp_path / "recipe.json"
    path.write_text(to_json(recipes.load(name)))
    assert from_json(path) == recipes.load(name)


def test_settings_are_put_in_with_their_types():
    recipe = override(
        Recipe(name="a"), ["train.lr=3e-5", "mashup.rate=(0.8, 1.2)", "name=b", "backbone.widths=(8,8,8,8)"]
    )
    assert recipe.train.lr == 3e-5
    assert recipe.mashup.rate == (0.8, 1.2)
    assert (recipe.name, recipe.backbone.widths) == ("b", (8, 8, 8, 8))
    assert override(recipe, []) == recipe


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("train.lr", "write it as"),
        ("train.speed=1", "no such field"),
        ("no.such=1", "no such field"),
        ("train.lr=-1", "greater than 0"),
        ("train.lr=fast", "valid number"),
        ("mashup.rate=(1.2,0.8)", "low to high"),
        ("mashup.noisy=1.5", "less than or equal to 1"),
        ("train.precision=float8", "'float32', 'bfloat16' or 'float16'"),
        ("train.ema=1", "less than 1"),
        ("train.class_weights=(1,-1)", "class_weights"),
        ("backbone.widths=(8,8)", "widths"),
        ("backbone.name=vgg", "'ast', 'maest', 'resnet34', 'cnn'"),
        ("scoring.pooled=median", "'logits', 'probabilities' or 'majority'"),
        ("scoring.overlap=1", "less than 1"),
        ("scoring.chunks=0", "greater than or equal to 1"),
    ],
)
def test_a_wrong_setting_is_named(setting, words):
    with pytest.raises(UserError, match="--set") as raised:
        override(Recipe(name="a"), [setting])
    assert words in str(raised.value)


def test_a_damaged_recipe_file_is_named(tmp_path):
    path = tmp_path / "recipe.json"
    for text in ("", "{}", to_json(Recipe(name="a")).replace('"lr"', '"speed"')):
        path.write_text(text)
        with pytest.raises(UserError, match=r"recipe\.json"):
            from_json(path)


def test_a_recipe_from_before_scoring_was_a_field_is_the_same_recipe(tmp_path):
    """Its card equals that of the same recipe now, or a member that was begun then could not go on."""
    recipe = Recipe(name="a")
    assert "scoring" not in json.loads(to_json(recipe))
    path = tmp_path / "recipe.json"
    path.write_text(to_json(recipe))
    assert from_json(path).scoring == ScoringRecipe(windows="overlapping", overlap=0.5, pooled="logits")
    changed = replace(recipe, scoring=ScoringRecipe(pooled="majority"))
    path.write_text(to_json(changed))
    assert from_json(path) == changed


def test_of_a_trained_member_the_scoring_alone_can_be_set():
    scoring = ScoringRecipe(chunks=7)
    settings = ["scoring.pooled=majority", "scoring.windows=random"]
    assert override_scoring(scoring, settings) == ScoringRecipe("random", chunks=7, pooled="majority")
    assert override_scoring(scoring, []) == scoring
    for setting in ("train.lr=1", "pooled=majority", "scorings.pooled=majority", "chunks"):
        with pytest.raises(UserError, match=r"only its scoring .*scoring\.pooled"):
            override_scoring(scoring, [setting])
    for setting, words in (("scoring.pool=majority", "no such field"), ("scoring.pooled=most", "'majority'")):
        with pytest.raises(UserError, match=words):
            override_scoring(scoring, [setting])


def test_recipes_are_frozen_and_checked_when_replaced():
    recipe = Recipe(name="a")
    with pytest.raises(AttributeError):
        recipe.name = "b"
    with pytest.raises(ValueError, match="low to high"):
        replace(recipe, mashup=MashupRecipe(gain=(1.0, 0.4)))


def test_an_unknown_recipe_is_answered_with_the_known_ones():
    with pytest.raises(UserError, match="messy_mashup_resnet34_demo"):
        recipes.load("resnet35")


def test_the_first_seed_is_as_its_participant_published_it():
    recipe = recipes.load("messy_mashup_ast")
    assert recipe.backbone.weights == "MIT/ast-finetuned-audioset-10-10-0.4593"
    assert (recipe.backbone.width, recipe.backbone.layers, recipe.backbone.heads) == (768, 12, 12)
    assert (recipe.backbone.stride, recipe.backbone.heard_s) == ((10, 10), 10.24)
    assert (recipe.train.lr, recipe.train.batch_size, recipe.train.epochs) == (5e-5, 12, 10)
    learner = Learner(models.build(SMALL, 2), recipe.train, 1, torch.device("cpu"), Ranks())
    assert isinstance(learner.optimizer, torch.optim.AdamW)
    assert recipe.mashup.rate == (0.9, 1.1)
    assert recipe.mashup.stretched > 0
    assert recipe.mashup.noisy > 0
    assert models.frame_spec(recipe.backbone).sample_rate_hz == 16_000


def test_every_system_of_the_competition_has_a_variant_for_two_cores_and_these_share_their_validation():
    known = {name: recipe for name, recipe in recipes.names().items() if recipe.corpus == "messy_mashup"}
    systems = {name for name in known if not name.endswith(("_tiny", "_demo"))}
    assert systems == {
        "messy_mashup_ast",
        "messy_mashup_ast_patchout",
        "messy_mashup_resnet34",
        "messy_mashup_cnn",
    }
    assert {f"{name}_tiny" for name in systems} <= set(known)
    for group in ([known[name] for name in systems], [known[f"{name}_tiny"] for name in systems]):
        assert len({recipe.folds for recipe in group}) == 1
        assert len({recipe.corpus for recipe in group}) == 1
    for name in systems:
        model = models.build(known[f"{name}_tiny"].backbone, 10)
        assert sum(parameter.numel() for parameter in model.parameters()) < 6e6


def test_gtzan_s_recipe_is_as_the_report_has_it():
    recipe = recipes.load("gtzan_ast_dora")
    backbone, train = recipe.backbone, recipe.train
    assert backbone.weights == "MIT/ast-finetuned-audioset-10-10-0.4593"
    assert backbone.frozen
    assert backbone.head.hidden == 200
    assert backbone.head.dropout > 0
    assert (backbone.dora.rank, backbone.dora.alpha) == (2, 4.247)
    assert (backbone.dora.layers, backbone.dora.first) == (("feed_forward_out",), 10)
    assert (train.lr, train.warmup, train.weight_decay) == (1.32e-4, 0.085, 0.0676)
    assert (train.batch_size // train.accumulate, train.accumulate, train.epochs) == (2, 8, 13)
    assert recipe.mashup.changes == ("slower", "faster", "high_pass", "low_pass", "echo")
    assert (recipe.mashup.copies, recipe.mashup.drawn, train.mashups_per_epoch) == ("kept", "songs", 0)
    assert recipe.scoring == ScoringRecipe("random", chunks=20, chunk_s=30.0, pooled="majority")
    assert (recipe.folds.cut, recipe.folds.ratios) == ("ratios", (8, 1, 1))
    assert recipes.load("gtzan_ast_dora_fresh").mashup == replace(recipe.mashup, copies="fresh")
    heard = {len(recipes.load(f"gtzan_ast_dora{variant}").mashup.changes) for variant in ("", "_fresh", "_plain")}
    assert heard == {5, 0}


def test_gtzan_s_adapters_are_scaled_by_alpha_whatever_their_rank():
    """The report multiplies by alpha, peft by lora_alpha / rank."""
    for rank in (1, 2, 8):
        backbone = replace(recipes.load("gtzan_ast_dora").backbone, width=32, layers=11, heads=2)
        model = models.build(replace(backbone, dora=replace(backbone.dora, rank=rank)), 10)
        scalings = [layer.scaling["default"] for layer in model.modules() if hasattr(layer, "lora_magnitude_vector")]
        assert scalings == [pytest.approx(4.247)]


def test_ismir2004_s_recipe_is_on_the_contest_s_own_split():
    recipe = recipes.load("ismir2004_ast")
    assert recipe.backbone.weights == "MIT/ast-finetuned-audioset-10-10-0.4593"
    assert (recipe.backbone.width, recipe.backbone.layers, recipe.backbone.frozen) == (768, 12, False)
    assert (recipe.folds.cut, recipe.folds.count) == ("given", 1)
    assert ismir2004.CLASSES == ("classical", "electronic", "jazz_blues", "metal_punk", "rock_pop", "world")
    assert recipe.train.class_weights == ()
    assert recipes.load("ismir2004_ast_weighted").train == replace(recipe.train, class_weights="balanced")
    assert sum(ISMIR2004_TRACKS.values()) == 729


def test_fields_that_came_later_are_not_written_where_they_are_at_their_defaults():
    """So a member that was trained before there were such fields goes on."""
    told = json.loads(to_json(recipes.load("messy_mashup_ast")))
    assert not {"drawn", "changes", "copies"} & told["mashup"].keys()
    assert not {"frozen", "head", "dora"} & told["backbone"].keys()
    assert not {"cut", "ratios"} & told["folds"].keys()
    assert not {"drawn", "changes", "copies"} & told["folds"]["validation"].keys()
    told = json.loads(to_json(recipes.load("gtzan_ast_dora")))
    assert told["mashup"]["copies"] == "kept"
    assert told["backbone"]["dora"]["rank"] == 2
    assert told["folds"]["validation"]["drawn"] == "songs"


def test_a_value_from_a_file(tmp_path):
    path = tmp_path / "mashup.json"
    path.write_text('{"rate": [0.8, 1.2], "bursts": [2, 4]}')
    recipe = override(Recipe(name="a"), [f"mashup=@{path}", f"folds.validation=@{path}", "mashup.noisy=0.5"])
    assert recipe.folds.validation == MashupRecipe(rate=(0.8, 1.2), bursts=(2, 4))
    assert recipe.mashup == replace(recipe.folds.validation, noisy=0.5)


@pytest.mark.parametrize(
    ("content", "told"),
    [(None, "is missing"), ("{", "is not JSON"), ('{"tempi": 1}', "mashup.tempi"), ("[1]", "mashup")],
)
def test_a_file_that_is_no_value_is_refused(tmp_path, content, told):
    path = tmp_path / "mashup.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError, match=told):
        override(Recipe(name="a"), [f"mashup=@{path}"])
