"""What is refused before the first step is taken: each would train something else than the recipe says, in silence."""

import difflib
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from datagen.console import format_count
from datagen.errors import DataError, UsageError
from train.recipe import Lora, Recipe, Stage

CHECKPOINTS_KEPT = 2
BYTES_PER_PARAMETER = 12
"""Of a checkpoint: weights and Adam's two moments, each in 32 bits."""


def check_tokens(tokenizer: PreTrainedTokenizerBase, end_of_turn: str | None) -> None:
    """Raise UsageError where padding cannot be told from the end of a turn, or where there is no such token."""
    end = end_of_turn or tokenizer.eos_token
    if end is None or tokenizer.convert_tokens_to_ids(end) in (None, tokenizer.unk_token_id):
        raise UsageError(f"the tokenizer has no token {end} that ends a turn", "name one with `base.end_of_turn`")
    if tokenizer.pad_token_id is None:
        raise UsageError("the tokenizer has no padding token", f"name one with `base.pad`; {_suggest(tokenizer)}")
    if tokenizer.convert_tokens_to_ids(str(tokenizer.pad_token)) in _list_unknown(tokenizer, tokenizer.pad_token):
        raise UsageError(f"the tokenizer does not know the padding token {tokenizer.pad_token}", _suggest(tokenizer))
    if tokenizer.pad_token_id in (tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids(end)):
        what = (
            f"the padding token {tokenizer.pad_token} is also the end of a turn: masked as padding, it is never learned"
        )
        raise UsageError(what, f"name another with `base.pad`; {_suggest(tokenizer)}")


def _list_unknown(tokenizer: PreTrainedTokenizerBase, token: object) -> tuple[int | None, ...]:
    """The ids that a token gets which is none."""
    return (None,) if token == tokenizer.unk_token else (None, tokenizer.unk_token_id)


def _suggest(tokenizer: PreTrainedTokenizerBase) -> str:
    special = [each.content for each in tokenizer.added_tokens_decoder.values() if each.special]
    free = [each for each in special if each != tokenizer.eos_token]
    return f"special tokens of this tokenizer: {', '.join(free[:8]) or 'no other'}"


def check_targets(model: PreTrainedModel, lora: Lora) -> None:
    """Raise UsageError for a target that matches no module: peft takes it as soon as any one of them matches."""
    linear = {name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)}
    known = {name.rpartition(".")[2] for name in linear} - {"lm_head"}
    for target in lora.targets:
        if target not in known:
            near = difflib.get_close_matches(target, known, 1, 0.5)
            hint = f"did you mean {near[0]}? " if near else ""
            what = f"LoRA target {target} matches no module of the base"
            raise UsageError(what, f"{hint}its linear modules: {', '.join(sorted(known))}")


def check_skeleton(model: PreTrainedModel, recipe: Recipe) -> None:
    """Raise UsageError where the recipe asks of a base what it does not have: modules, or so long a context."""
    check_targets(model, recipe.lora)
    context = getattr(model.config, "max_position_embeddings", None) or recipe.max_tokens
    if recipe.max_tokens > context:
        what = f"max_tokens is {recipe.max_tokens:,}, and the base knows {context:,} positions"
        raise UsageError(what, f"lower it to {context} or less")


def count_trainable(model: torch.nn.Module) -> int:
    """Parameters that are trained. Raises UsageError where there are none."""
    count = sum(each.numel() for each in model.parameters() if each.requires_grad)
    if not count:
        raise UsageError("no parameter of the model is trainable", "the adapter has to be loaded with is_trainable")
    return count


def check_disk(folder: Path, free: int, parameters: int, stages: Sequence[Stage]) -> None:
    """Raise DataError where a stage's checkpoints, one beyond those kept, and all adapters need more than `free`."""
    needed = parameters * (BYTES_PER_PARAMETER * (CHECKPOINTS_KEPT + 1) + 4 * len(stages))
    if free < needed:
        what = f"{folder} has {format_count(free)}B free, expected {format_count(needed)}B for checkpoints and adapters"
        raise DataError(what, "free some space, or write to another disk with -o")
