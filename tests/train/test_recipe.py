"""Recipes: what the shipped ones say, and every mistake told where it stands."""

from pathlib import Path

import pytest

from datagen.errors import SpecError, UsageError
from train.base import find_base
from train.recipe import load_recipe

SHIPPED = ("exagirl-2.4b", "exagirl-7.8b", "exagirl-kanana-2.1b", "tiny")
RECIPE = """\
name: mine
base:
  model: somewhere
  licence: {name: MIT, url: "https://opensource.org/license/mit", commercial: true}
lora: {r: 8, alpha: 16, targets: [q_proj]}
persona: exa.yaml
stages:
  - name: one
    data: runs/one
    epochs: 1
    batch: 1
    accumulation: 4
    learning_rate: 1.0e-4
    schedule: constant
"""
PERSONA = "id: exa\nname: 엑사\nage: 19\nspeech_level: banmal\nsystem_prompt: 너는 엑사다. 언제나 반말로 말한다.\n"


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    (tmp_path / "exa.yaml").write_text(PERSONA, encoding="utf-8")
    (tmp_path / "mine.yaml").write_text(RECIPE, encoding="utf-8")
    return tmp_path / "mine.yaml"


@pytest.mark.parametrize("name", SHIPPED[:3])
def test_the_shipped_recipes_train_as_it_was_meant(name: str) -> None:
    """Defect: the old code trained one epoch in stage 2, the document said two; its stage 1 used other data."""
    recipe = load_recipe(name).recipe
    first, second = recipe.stages
    assert (recipe.lora.r, recipe.lora.alpha, recipe.lora.dropout) == (256, 128, 0.1)
    assert recipe.lora.targets == ("q_proj", "k_proj", "v_proj", "o_proj")
    assert (first.data, first.batch, first.accumulation, first.learning_rate) == ("runs/gf-persona-data", 1, 16, 1e-4)
    assert (first.epochs, first.schedule, first.warmup_ratio) == (1, "cosine", 0.1)
    assert (second.data, second.batch, second.accumulation, second.learning_rate) == ("runs/exa-data", 1, 4, 4e-5)
    assert (second.epochs, second.schedule, second.warmup_ratio) == (2, "constant", 0.0)
    assert (recipe.base.dtype, load_recipe(name).persona.id) == ("bfloat16", "exa")


@pytest.mark.parametrize("name", SHIPPED)
def test_a_recipe_says_under_which_licence_its_base_is(name: str) -> None:
    licence = load_recipe(name).recipe.base.licence
    is_exaone = name in ("exagirl-2.4b", "exagirl-7.8b")
    assert licence.commercial is not is_exaone
    assert ("EXAONE AI Model License Agreement 1.1 - NC" in licence.name) is is_exaone


@pytest.mark.parametrize(
    ("old", "new", "line", "told"),
    [
        ("    epochs: 1\n", "    epoch: 1\n", 10, "unknown key `stages[1].epoch`"),
        ("    learning_rate: 1.0e-4\n", "    learning_rate: 0\n", 13, "expected a number greater than 0"),
        ("schedule: constant", "schedule: cosin", 14, "'cosine', 'linear'"),
        ("    schedule: constant\n", "    schedule: constant\n    warmup_ratio: 0.1\n", 8, "'constant' has no warm-up"),
        ("    batch: 1\n", "    batch: 2\n    packing: true\n", 8, "packing makes rows of `max_tokens` itself"),
        ("  model: somewhere\n", "", 2, "expected one of `model`, `hub` and `tiny`"),
        ("persona: exa.yaml", "persona: gone.yaml", 6, "there is no "),
        ("targets: [q_proj]", "targets: []", 5, "expected at least 1 entry"),
        ("  model: somewhere\n", "  tiny: {hidden: 72, heads: 5}\n", 3, "hidden 72 is no multiple of 2 × heads, 10"),
    ],
)
def test_a_mistake_is_told_with_its_line(recipe: Path, old: str, new: str, line: int, told: str) -> None:
    recipe.write_text(RECIPE.replace(old, new), encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        load_recipe(recipe)
    assert any(each.line == line and told in each.message for each in caught.value.problems), caught.value.problems


def test_two_stages_of_one_name_are_refused(recipe: Path) -> None:
    recipe.write_text(RECIPE + RECIPE[RECIPE.index("  - name") :], encoding="utf-8")
    with pytest.raises(SpecError, match="two stages are called 'one'"):
        load_recipe(recipe)


def test_an_unknown_recipe_names_those_that_there_are() -> None:
    with pytest.raises(UsageError, match="no such recipe") as caught:
        load_recipe("exagirl-3b")
    assert "exagirl-2.4b" in str(caught.value.hint)


def test_the_fingerprint_is_of_what_decides_the_weights(recipe: Path) -> None:
    before = load_recipe(recipe).fingerprint
    recipe.write_text(RECIPE + "    evaluate_every: 7\nevaluation: {dialogues: 3}\n", encoding="utf-8")
    assert load_recipe(recipe).fingerprint == before
    recipe.write_text(RECIPE.replace("r: 8", "r: 16"), encoding="utf-8")
    assert load_recipe(recipe).fingerprint != before
    recipe.write_text(RECIPE, encoding="utf-8")
    persona = recipe.with_name("exa.yaml")
    persona.write_text(persona.read_text(encoding="utf-8").replace("반말로", "편하게 반말로"), encoding="utf-8")
    assert load_recipe(recipe).fingerprint != before


def test_a_base_that_is_not_there_is_told_without_asking_a_hub(recipe: Path) -> None:
    with pytest.raises(UsageError, match="there is no folder somewhere, expected the base") as caught:
        find_base(recipe.parent, load_recipe(recipe).recipe.base)
    assert "damhwa convert DOWNLOADED -o somewhere" in str(caught.value.hint)
    recipe.write_text(RECIPE.replace("model: somewhere", "hub: somebody/something"), encoding="utf-8")
    assert find_base(recipe.parent, load_recipe(recipe).recipe.base) == "somebody/something"
