"""Options of a recipe, and what they do to the losses."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoTokenizer, LlamaForCausalLM

from tests.train.conftest import LICENCE, WriteRecipe
from train.recipe import load_recipe
from train.stage import ADAPTER_FILE
from train.train import train

TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj"]
PLAIN: dict[str, Any] = {"r": 4, "alpha": 8, "dropout": 0.0, "targets": TARGETS}
SHORT: dict[str, Any] = {"epochs": 0.3, "evaluate_every": 100, "save_every": 100}


def run(recipe: Path, out: Path) -> list[dict[str, Any]]:
    """Lines of the first stage's log."""
    train(load_recipe(recipe), out)
    return [json.loads(line) for line in (out / "1-one/log.jsonl").read_text(encoding="utf-8").splitlines()]


def take(rows: list[dict[str, Any]], name: str) -> list[float]:
    return [row[name] for row in rows if name in row]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("plain") / "model"


@pytest.fixture
def plain(kept: Path, write_recipe: WriteRecipe) -> list[dict[str, Any]]:
    """The log of training without any option, done once."""
    return run(write_recipe(SHORT, SHORT, lora=PLAIN), kept)


def test_activation_checkpointing_keeps_every_loss(
    plain: list[dict[str, Any]], kept: Path, write_recipe: WriteRecipe, tmp_path: Path
) -> None:
    found = run(write_recipe(SHORT, SHORT, lora=PLAIN, gradient_checkpointing=True), tmp_path / "saving")
    assert take(found, "loss") == take(plain, "loss")
    assert take(found, "grad_norm") == take(plain, "grad_norm")
    ours, theirs = (load_file(each / "2-two/adapter" / ADAPTER_FILE) for each in (tmp_path / "saving", kept))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_grouping_by_length_changes_the_order_alone(
    plain: list[dict[str, Any]], write_recipe: WriteRecipe, tmp_path: Path
) -> None:
    """The held-out loss before is the same; the losses of the steps are of other rows."""
    found = run(write_recipe(SHORT | {"group_by_length": True}, SHORT, lora=PLAIN), tmp_path / "grouped")
    assert take(found, "held_out_loss")[0] == take(plain, "held_out_loss")[0]
    assert len(take(found, "loss")) == len(take(plain, "loss"))
    assert take(found, "loss") != take(plain, "loss")


def test_packing_learns_from_the_same_tokens_in_fewer_rows(
    plain: list[dict[str, Any]], write_recipe: WriteRecipe, tmp_path: Path
) -> None:
    """With one step for the whole split, what is learned is the same sum, whichever way the rows are put together."""
    whole = {"epochs": 1, "evaluate_every": 100, "save_every": 100, "schedule": "constant", "warmup_ratio": 0.0}
    alone = run(write_recipe(whole | {"batch": 1, "accumulation": 128}, SHORT, lora=PLAIN), tmp_path / "alone")
    packed = {"batch": 1, "accumulation": 128, "packing": True}
    together = run(write_recipe(whole | packed, SHORT, lora=PLAIN), tmp_path / "packed")
    [ours], [theirs] = take(together, "loss"), take(alone, "loss")
    assert ours == pytest.approx(theirs, abs=1e-5)
    assert take(together, "grad_norm")[0] == pytest.approx(take(alone, "grad_norm")[0], rel=1e-3)
    assert take(together, "held_out_loss")[0] == pytest.approx(take(plain, "held_out_loss")[0], abs=1e-5)


def test_a_base_rounded_to_four_bits_is_trained(write_recipe: WriteRecipe, tiny_base: Path, tmp_path: Path) -> None:
    """Its losses are near those of the base that was not rounded, and not the same. Blocks of 64 have to fit."""
    pytest.importorskip("bitsandbytes")
    config = AutoConfig.from_pretrained(str(tiny_base), hidden_size=64, intermediate_size=128, head_dim=16)
    LlamaForCausalLM(config).save_pretrained(tmp_path / "base")
    AutoTokenizer.from_pretrained(str(tiny_base)).save_pretrained(tmp_path / "base")
    base = {"model": str(tmp_path / "base"), "dtype": "float32", "quantization": "4bit", "licence": LICENCE}
    rounded = take(run(write_recipe(SHORT, SHORT, lora=PLAIN, base=base), tmp_path / "rounded"), "loss")
    del base["quantization"]
    whole = take(run(write_recipe(SHORT, SHORT, lora=PLAIN, base=base), tmp_path / "whole"), "loss")
    assert rounded == pytest.approx(whole, abs=0.05)
    assert rounded != whole
