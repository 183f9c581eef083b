"""What training is tried on: a tiny base made from a small run, and recipes for it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from ruamel.yaml import YAML

from train.base import quieten
from train.conversations import read_split
from train.recipe import TinyBase, load_recipe
from train.tiny import make_tiny

ROOT = Path(__file__).parents[2]
LICENCE = {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0", "commercial": True}
WriteRecipe = Callable[..., Path]


@pytest.fixture(autouse=True)
def _quiet() -> None:
    """One thread: models this small are only slowed down by more."""
    torch.set_num_threads(1)
    quieten()


@pytest.fixture(scope="session")
def tiny_base(built_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Model and tokenizer of some ten thousand parameters, made from the small run."""
    folder = tmp_path_factory.mktemp("tiny") / "base"
    persona = load_recipe("exagirl-2.4b").persona
    conversations = [each.messages for each in read_split(str(built_run), "train", persona).conversations]
    make_tiny(
        folder, conversations, TinyBase(layers=2, hidden=32, heads=4, vocabulary=1000, steps=2, batch=1, tokens=1024)
    )
    return folder


@pytest.fixture
def write_recipe(tmp_path: Path, built_run: Path, tiny_base: Path) -> WriteRecipe:
    """Writes a recipe of two short stages over the small run; keywords replace its keys, or those of a stage."""

    def write(first: dict[str, Any] | None = None, second: dict[str, Any] | None = None, **keys: Any) -> Path:
        stage = {"data": str(built_run), "epochs": 0.5, "batch": 2, "accumulation": 4, "held_out": 4}
        stage |= {
            "learning_rate": 1e-3,
            "schedule": "cosine",
            "warmup_ratio": 0.1,
            "evaluate_every": 3,
            "save_every": 2,
        }
        recipe = {
            "name": "small",
            "base": {"model": str(tiny_base), "dtype": "float32", "licence": LICENCE},
            "lora": {"r": 4, "alpha": 8, "dropout": 0.1, "targets": ["q_proj", "k_proj", "v_proj", "o_proj"]},
            "persona": str(built_run.parent / "specs/personas/exa.yaml"),
            "max_tokens": 1024,
            "stages": [{"name": "one", **stage, **(first or {})}, {"name": "two", **stage, **(second or {})}],
            "evaluation": {"prompts": ["오늘 하루 어땠어?"], "max_new_tokens": 8},
        }
        path = tmp_path / "recipe.yaml"
        with path.open("w", encoding="utf-8") as file:
            YAML(typ="safe").dump(recipe | keys, file)
        return path

    return write
