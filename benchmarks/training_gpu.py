"""Tokens a second and MFU of training on one CUDA GPU: `python -m benchmarks.training_gpu`.

EXAONE 3.5 2.4B's shape with random weights, LoRA as the recipe has it, bfloat16: first the old script's way, one
dialogue at a time and 16 to a step, then packed rows with each kernel that is there. A step is forward, backward and
AdamW, as transformers' Trainer takes it. MFU counts 4 N FLOPs a token (train/log.py). `--device cpu` runs the same code
on a model of a few layers that is small all over: its figures mean nothing.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import cycle, islice
from typing import Any

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

from datagen.errors import DamhwaError, UsageError
from train.base import quieten
from train.batches import Collator, Rows
from train.log import FLOPS_PER_PARAMETER, PEAK_BF16_FLOPS
from train.masks import IGNORED, Encoded
from train.recipe import load_recipe

DIALOGUES = 512
WARMUP_STEPS = 2


@dataclass(frozen=True, slots=True)
class Way:
    """`tokens`: of a packed row; None: one dialogue a row. `rows`: of a step, so that all steps are of like size."""

    name: str
    attention: str
    tokens: int | None
    rows: int
    is_checkpointed: bool = False
    is_liger: bool = False


OLD = Way("one dialogue at a time × 16", "sdpa", None, 16)
WAYS = (
    OLD,
    *(Way(f"packed {tokens:,}", "sdpa", tokens, 8192 // tokens) for tokens in (2048, 4096, 8192)),
    Way("packed 8,192, checkpointing", "sdpa", 8192, 1, is_checkpointed=True),
    *(Way(f"packed {tokens:,}", "flash_attention_2", tokens, 8192 // tokens) for tokens in (2048, 4096, 8192)),
    Way("packed 8,192", "flex_attention", 8192, 1),
    Way("packed 8,192, liger", "sdpa", 8192, 1, is_liger=True),
    Way("packed 8,192, liger", "flash_attention_2", 8192, 1, is_liger=True),
)


def make_config(layers: int, is_small: bool) -> LlamaConfig:
    """EXAONE 3.5 2.4B as a Llama, as `damhwa convert` writes it."""
    names = ("hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads", "head_dim", "vocab_size")
    sizes = (64, 128, 4, 2, 16, 1024) if is_small else (2560, 7168, 32, 8, 80, 102_400)
    shape: dict[str, Any] = dict(zip(names, sizes, strict=True))
    rope = {
        "rope_type": "llama3",
        "rope_theta": 1e6,
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    }
    return LlamaConfig(
        **shape,
        num_hidden_layers=layers,
        max_position_embeddings=32_768,
        tie_word_embeddings=True,
        use_cache=False,  # with a cache transformers makes no mask for packed rows
        rope_parameters=rope,
    )


def make_rows(vocabulary: int) -> list[Encoded]:
    """Dialogues of 200 to 1,200 random tokens, half of them the persona's."""
    random = np.random.default_rng(0)
    lengths = np.clip(random.lognormal(6.2, 0.4, DIALOGUES), 200, 1200).astype(int)
    spans = [((length // 2, length),) for length in lengths.tolist()]
    ids = [random.integers(8, vocabulary, length, dtype=np.int32) for length in lengths]
    return [Encoded(str(n), each, span) for n, (each, span) in enumerate(zip(ids, spans, strict=True))]


def make_model(config: LlamaConfig, way: Way, device: torch.device) -> Any:
    if way.is_liger:
        from liger_kernel.transformers import (  # type: ignore[import-not-found, unused-ignore]
            apply_liger_kernel_to_llama,
        )

        apply_liger_kernel_to_llama()
    config._attn_implementation = way.attention
    torch.manual_seed(0)
    with device:
        base = LlamaForCausalLM(config).bfloat16()
    lora = load_recipe("exagirl-2.4b").recipe.lora
    peft = LoraConfig(
        r=lora.r if device.type == "cuda" else 4,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=list(lora.targets),
        task_type="CAUSAL_LM",
    )
    model = get_peft_model(base, peft)
    if way.is_checkpointed:
        base.gradient_checkpointing_enable({"use_reentrant": False})  # type: ignore[no-untyped-call]
        model.enable_input_require_grads()
    return model.train()


def draw_batches(rows: Rows, device: torch.device) -> Iterator[dict[str, torch.Tensor]]:
    collate = Collator(0)
    for index in cycle(range(len(rows))):
        yield {name: each.to(device) for name, each in collate([rows[index]]).items()}


def take_step(model: Any, optimizer: torch.optim.Optimizer, batches: Sequence[dict[str, torch.Tensor]]) -> int:
    """One optimizer step; the loss is the mean over its learned tokens. Returns the tokens that were read."""
    learned = sum((batch["labels"] != IGNORED).sum() for batch in batches)
    for batch in batches:
        with torch.autocast(batch["labels"].device.type, torch.bfloat16):
            loss = model(**batch, num_items_in_batch=learned).loss
        loss.backward()
    torch.nn.utils.clip_grad_norm_([each for each in model.parameters() if each.requires_grad], 1.0)
    optimizer.step()
    optimizer.zero_grad()
    return sum(batch["input_ids"].numel() for batch in batches)


def measure(way: Way, config: LlamaConfig, device: torch.device, steps: int) -> tuple[float, float]:
    """Tokens a second, and peak memory in GB."""
    model = make_model(config, way, device)
    optimizer = torch.optim.AdamW([each for each in model.parameters() if each.requires_grad], lr=1e-4, fused=True)
    batches = draw_batches(Rows(make_rows(config.vocab_size), way.tokens), device)
    tokens, started = 0, 0.0
    for step in range(WARMUP_STEPS + steps):
        if step == WARMUP_STEPS:
            _wait(device)
            tokens, started = 0, time.perf_counter()
        tokens += take_step(model, optimizer, list(islice(batches, way.rows)))
    _wait(device)
    peak = torch.cuda.max_memory_allocated() / 1e9 if device.type == "cuda" else 0.0
    return tokens / (time.perf_counter() - started), peak


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def is_installed(way: Way, device: torch.device) -> bool:
    wanted = ["flash_attn"] if way.attention == "flash_attention_2" else []
    wanted += ["liger_kernel"] if way.is_liger else []
    return all(find_spec(name) for name in wanted) and (device.type == "cuda" or way.attention == "sdpa")


def tell(way: Way, config: LlamaConfig, device: torch.device, steps: int) -> str:
    if not is_installed(way, device):
        return "not installed | | |"
    try:
        speed, memory = measure(way, config, device, steps)
    except torch.OutOfMemoryError:
        return "out of memory | | |"
    with torch.device("meta"):
        parameters = LlamaForCausalLM(config).num_parameters()
    name = torch.cuda.get_device_name() if device.type == "cuda" else ""
    peak = next((flops for known, flops in PEAK_BF16_FLOPS.items() if known in name), None)
    used = f"{FLOPS_PER_PARAMETER * parameters * speed / peak:.1%}" if peak else "peak not known"
    return f"{speed:,.0f} | {used} | {memory:.1f} |"


def main(layers: int, device: torch.device, steps: int) -> None:
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UsageError("there is no CUDA GPU here", "to try the code alone: --device cpu --layers 2 --steps 1")
    quieten()
    print(f"{torch.cuda.get_device_name() if device.type == 'cuda' else 'CPU'}, torch {torch.__version__}")
    print("| rows | attention | tokens/s | MFU | peak GB |\n|---|---|---|---|---|")
    for way in WAYS:
        config = make_config(layers, is_small=device.type == "cpu")
        print(f"| {way.name} | {way.attention} | {tell(way, config, device, steps)}", flush=True)
        if device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Print the table of training on a GPU.")
    parser.add_argument("--layers", type=int, default=30)
    parser.add_argument("--device", type=torch.device, default=torch.device("cuda"))
    parser.add_argument("--steps", type=int, default=8)
    asked = parser.parse_args()
    try:
        main(asked.layers, asked.device, asked.steps)
    except DamhwaError as exc:
        sys.exit(f"error: {exc}\nhint: {exc.hint}")
