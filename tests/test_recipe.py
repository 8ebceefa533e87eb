"""Recipes as values: JSON and back, overrides, and what is refused."""

from dataclasses import replace

import pytest

from messy_mashup import recipes
from messy_mashup.errors import UserError
from messy_mashup.recipe import MashupRecipe, Recipe, from_json, override, to_json


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
        ("train.precision=float8", "'float32' or 'bfloat16'"),
        ("backbone.widths=(8,8)", "backbone.widths"),
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


def test_recipes_are_frozen_and_checked_when_replaced():
    recipe = Recipe(name="a")
    with pytest.raises(AttributeError):
        recipe.name = "b"
    with pytest.raises(ValueError, match="low to high"):
        replace(recipe, mashup=MashupRecipe(gain=(1.0, 0.4)))


def test_an_unknown_recipe_is_answered_with_the_known_ones():
    with pytest.raises(UserError, match="messy_mashup_resnet34_demo"):
        recipes.load("resnet35")
