"""What is refused before the first step, each with a word that says what to do."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from datagen.errors import DataError, UsageError
from train.base import load_weights
from train.checks import check_disk, check_targets, check_tokens, count_trainable
from train.recipe import Lora, load_recipe


@pytest.fixture
def tokenizer(tiny_base: Path) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(str(tiny_base))


@pytest.fixture
def model(tiny_base: Path) -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(str(tiny_base))


def test_a_padding_token_that_ends_turns_is_refused(tokenizer: PreTrainedTokenizerBase) -> None:
    """Defect: pad = eos; the end of a turn, masked as padding, was never learned."""
    check_tokens(tokenizer, None)
    tokenizer.pad_token = tokenizer.eos_token
    with pytest.raises(UsageError, match="is also the end of a turn") as caught:
        check_tokens(tokenizer, None)
    assert "name another with `base.pad`" in str(caught.value.hint)


def test_padding_that_is_the_recipes_end_of_turn_is_refused(tokenizer: PreTrainedTokenizerBase) -> None:
    with pytest.raises(UsageError, match=r"the padding token \[PAD\] is also the end of a turn"):
        check_tokens(tokenizer, "[PAD]")


def test_a_tokenizer_without_padding_or_end_is_refused(tokenizer: PreTrainedTokenizerBase) -> None:
    with pytest.raises(UsageError, match=r"has no token <\|im_end\|> that ends a turn"):
        check_tokens(tokenizer, "<|im_end|>")
    tokenizer.pad_token = None
    with pytest.raises(UsageError, match="has no padding token"):
        check_tokens(tokenizer, None)


def test_a_target_that_matches_no_module_is_refused(model: PreTrainedModel) -> None:
    """Defect: EXAONE's own layout calls o_proj out_proj; peft trained the three others and said nothing."""
    check_targets(model, Lora(r=4, alpha=8, targets=("q_proj", "k_proj", "v_proj", "o_proj")))
    with pytest.raises(UsageError, match="LoRA target out_proj matches no module of the base") as caught:
        check_targets(model, Lora(r=4, alpha=8, targets=("q_proj", "k_proj", "v_proj", "out_proj")))
    assert "did you mean o_proj?" in str(caught.value.hint)


def test_a_norm_is_no_target(model: PreTrainedModel) -> None:
    with pytest.raises(UsageError, match="LoRA target input_layernorm matches no module"):
        check_targets(model, Lora(r=4, alpha=8, targets=("input_layernorm",)))


def test_a_model_without_a_trainable_parameter_is_refused(model: PreTrainedModel) -> None:
    assert count_trainable(model) == sum(each.numel() for each in model.parameters())
    model.requires_grad_(False)
    with pytest.raises(UsageError, match="no parameter of the model is trainable"):
        count_trainable(model)


def test_checkpoints_that_do_not_fit_the_disk_are_refused(tmp_path: Path) -> None:
    stages = load_recipe("exagirl-2.4b").recipe.stages
    needed = 1000 * (12 * 3 + 4 * 2)
    check_disk(tmp_path, needed, 1000, stages)
    with pytest.raises(DataError, match=r"has 44\.0 kB free, expected 44\.0 kB for checkpoints and adapters"):
        check_disk(tmp_path, needed - 1, 1000, stages)


def test_a_padding_token_that_nobody_knows_is_refused(tokenizer: PreTrainedTokenizerBase) -> None:
    tokenizer._special_tokens_map["pad_token"] = "[NOSUCH]"
    with pytest.raises(UsageError, match=r"does not know the padding token \[NOSUCH\]"):
        check_tokens(tokenizer, None)


def test_a_base_that_lacks_weights_is_refused(tiny_base: Path, tmp_path: Path) -> None:
    """transformers draws them at random: stage 2 would go on from another base than stage 1 began with."""
    folder = tmp_path / "base"
    shutil.copytree(tiny_base, folder)
    tensors = load_file(folder / "model.safetensors")
    save_file(
        {name: each for name, each in tensors.items() if "layers.1.mlp" not in name}, folder / "model.safetensors"
    )
    with pytest.raises(UsageError, match=r"do not fit its config: model\.layers\.1\.mlp"):
        load_weights(str(folder))
    save_file({**tensors, "model.layers.9.mlp.up_proj.weight": torch.zeros(2)}, folder / "model.safetensors")
    with pytest.raises(UsageError, match=r"do not fit its config: model\.layers\.9\.mlp"):
        load_weights(str(folder))
