"""A made-up checkpoint in EXAONE 3.5's layout, and its forward pass written down once more, without transformers."""

import json
import math
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

SPECIALS = ["[PAD]", "[BOS]", "[UNK]", "[|system|]", "[|user|]", "[|assistant|]", "[|endofturn|]"]
TEMPLATE = (
    "{% for message in messages %}"
    "{% if loop.first and message['role'] != 'system' %}{{ '[|system|][|endofturn|]\\n' }}{% endif %}"
    "{{ '[|' + message['role'] + '|]' + message['content'] }}"
    "{{ '\\n' if message['role'] == 'user' else '[|endofturn|]\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '[|assistant|]' }}{% endif %}"
)
LLAMA3_SCALING = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
SMALL: dict[str, Any] = {
    "architectures": ["ExaoneForCausalLM"],
    "auto_map": {"AutoModelForCausalLM": "modeling_exaone.ExaoneForCausalLM"},
    "model_type": "exaone",
    "activation_function": "silu",
    "num_layers": 3,
    "hidden_size": 64,
    "intermediate_size": 112,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "vocab_size": 400,
    "max_position_embeddings": 512,
    "layer_norm_epsilon": 1e-05,
    "rope_theta": 10000.0,
    "rope_scaling": LLAMA3_SCALING,
    "tie_word_embeddings": True,
    "bos_token_id": 1,
    "eos_token_id": 6,
    "pad_token_id": 0,
    "torch_dtype": "float32",
    "embed_dropout": 0.0,
    "attention_dropout": 0.0,
}
"""The keys of the real one, at a thousandth of its size; 64 positions stand for the 8,192 that scaling begins from."""

Tensors = dict[str, torch.Tensor]


def make_tensors(config: dict[str, Any], seed: int = 0) -> Tensors:
    draw = torch.Generator().manual_seed(seed)
    hidden, inner, head = config["hidden_size"], config["intermediate_size"], config["head_dim"]
    shapes = {"transformer.wte.weight": (config["vocab_size"], hidden), "transformer.ln_f.weight": (hidden,)}
    for number in range(config["num_layers"]):
        layer = f"transformer.h.{number}"
        shapes |= {f"{layer}.{norm}.weight": (hidden,) for norm in ("ln_1", "ln_2")}
        shapes[f"{layer}.attn.attention.q_proj.weight"] = (config["num_attention_heads"] * head, hidden)
        shapes[f"{layer}.attn.attention.k_proj.weight"] = (config["num_key_value_heads"] * head, hidden)
        shapes[f"{layer}.attn.attention.v_proj.weight"] = (config["num_key_value_heads"] * head, hidden)
        shapes[f"{layer}.attn.attention.out_proj.weight"] = (hidden, config["num_attention_heads"] * head)
        shapes |= {f"{layer}.mlp.{name}.weight": (inner, hidden) for name in ("c_fc_0", "c_fc_1")}
        shapes[f"{layer}.mlp.c_proj.weight"] = (hidden, inner)
    if not config["tie_word_embeddings"]:
        shapes["lm_head.weight"] = (config["vocab_size"], hidden)
    return {name: torch.randn(shape, generator=draw) * 0.2 for name, shape in shapes.items()}


def make_tokenizer() -> Tokenizer:
    """Single digits and NFC: a GPT2Tokenizer that is built anew from the vocabulary knows of neither."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    pieces = [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(pieces)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=SPECIALS, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(["오늘 2024년 12월 24일이야?", "*웃으며* 응, 크리스마스 이브!"] * 4, trainer)
    return tokenizer


def write_checkpoint(folder: Path, config: dict[str, Any], tensors: Tensors, shards: int = 3) -> Path:
    """As it is downloaded: config, shards with their index (one file where `shards` is 1), tokenizer, licence."""
    folder.mkdir(parents=True)
    write_json(folder / "config.json", config)
    names = sorted(tensors)
    if shards == 1:
        save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    else:
        places = {name: f"model-{at % shards + 1:05d}-of-{shards:05d}.safetensors" for at, name in enumerate(names)}
        for file in sorted(set(places.values())):
            save_file({name: tensors[name] for name in names if places[name] == file}, folder / file, {"format": "pt"})
        size = sum(each.numel() * each.element_size() for each in tensors.values())
        index = {"metadata": {"total_size": size}, "weight_map": places}
        write_json(folder / "model.safetensors.index.json", index)
    make_tokenizer().save(str(folder / "tokenizer.json"))
    special = {"bos_token": "[BOS]", "eos_token": "[|endofturn|]", "pad_token": "[PAD]", "unk_token": "[UNK]"}
    tokenizer: dict[str, Any] = {"tokenizer_class": "GPT2Tokenizer", "add_bos_token": True, **special}
    tokenizer["auto_map"] = {"AutoTokenizer": ["tokenization_exaone.ExaoneTokenizer", None]}
    write_json(folder / "tokenizer_config.json", tokenizer | {"chat_template": TEMPLATE, "model_max_length": 512})
    return folder


def write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def compute_logits(config: dict[str, Any], tensors: Tensors, ids: torch.Tensor) -> torch.Tensor:
    """Next-token scores, float32 (tokens, vocabulary), of one text."""
    hidden = tensors["transformer.wte.weight"][ids]
    angles = torch.arange(len(ids))[:, None] * _scale_frequencies(config)[None, :]
    for number in range(config["num_layers"]):
        layer = {name.removeprefix(f"transformer.h.{number}."): each for name, each in tensors.items()}
        hidden = hidden + _attend(config, layer, _normalise(config, hidden, layer["ln_1.weight"]), angles)
        given = _normalise(config, hidden, layer["ln_2.weight"])
        gate = given @ layer["mlp.c_fc_0.weight"].T
        hidden = (
            hidden + (gate * gate.sigmoid() * (given @ layer["mlp.c_fc_1.weight"].T)) @ layer["mlp.c_proj.weight"].T
        )
    hidden = _normalise(config, hidden, tensors["transformer.ln_f.weight"])
    return hidden @ tensors.get("lm_head.weight", tensors["transformer.wte.weight"]).T


def _normalise(config: dict[str, Any], hidden: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Root mean square norm (Zhang and Sennrich 2019)."""
    normal: torch.Tensor = hidden / (hidden.square().mean(-1, keepdim=True) + config["layer_norm_epsilon"]).sqrt()
    return weight * normal


def _attend(config: dict[str, Any], layer: Tensors, given: torch.Tensor, angles: torch.Tensor) -> torch.Tensor:
    """Causal attention; each key and value head serves a group of query heads (Ainslie et al. 2023)."""
    tokens, head = len(given), config["head_dim"]
    group = config["num_attention_heads"] // config["num_key_value_heads"]
    query, key, value = (
        (given @ layer[f"attn.attention.{name}_proj.weight"].T).view(tokens, -1, head).transpose(0, 1)
        for name in ("q", "k", "v")
    )
    query, key = _rotate(query, angles), _rotate(key, angles)
    key, value = key.repeat_interleave(group, 0), value.repeat_interleave(group, 0)
    scores = query @ key.transpose(1, 2) / math.sqrt(head)
    future = torch.ones(tokens, tokens, dtype=torch.bool).triu(1)
    mixed = scores.masked_fill(future, -math.inf).softmax(-1) @ value
    return mixed.transpose(0, 1).reshape(tokens, -1) @ layer["attn.attention.out_proj.weight"].T


def _rotate(heads: torch.Tensor, angles: torch.Tensor) -> torch.Tensor:
    """Rotary positions (Su et al. 2021): a head's first half and second half are the two sides of each rotation."""
    first, second = heads.chunk(2, -1)
    cos, sin = angles.cos(), angles.sin()
    return torch.cat([first * cos - second * sin, second * cos + first * sin], -1)


def _scale_frequencies(config: dict[str, Any]) -> torch.Tensor:
    """Radians per position. Llama 3.1: slow rotations are slowed by `factor`, fast ones not, those between in part."""
    head = config["head_dim"]
    theta = torch.tensor(config["rope_theta"], dtype=torch.float64)
    frequencies: torch.Tensor = theta ** (-torch.arange(0, head, 2) / head)
    scaling = config["rope_scaling"]
    if scaling is None:
        return frequencies.to(torch.float32)
    turns = scaling["original_max_position_embeddings"] * frequencies / (2 * math.pi)
    low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
    kept = ((turns - low) / (high - low)).clamp(0, 1)
    scaled: torch.Tensor = frequencies * (kept + (1 - kept) / scaling["factor"])
    return scaled.to(torch.float32)
