"""EXAONE 3.5 checkpoints under the names of Llama, so that they load without remote code.

transformers has no class for them, and the code that comes with them breaks from 5.9 on. The architecture is Llama's:
RMS norms before attention and MLP, grouped queries, rotary positions scaled as in Llama 3.1, a gated SiLU MLP. So a
tensor gets another name and keeps its bytes: the header of a safetensors file is written anew, the data is copied as it
lies there. A few MB of memory, whatever the size of the model.
"""

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from transformers import AutoTokenizer, GenerationConfig, LlamaConfig, LlamaForCausalLM

from datagen.errors import DataError, UsageError
from train.saved import make_portable, writing_whole

_TENSORS = {
    "model.embed_tokens": "transformer.wte",
    "model.norm": "transformer.ln_f",
    "input_layernorm": "ln_1",
    "post_attention_layernorm": "ln_2",
    "self_attn.q_proj": "attn.attention.q_proj",
    "self_attn.k_proj": "attn.attention.k_proj",
    "self_attn.v_proj": "attn.attention.v_proj",
    "self_attn.o_proj": "attn.attention.out_proj",
    "mlp.gate_proj": "mlp.c_fc_0",
    "mlp.up_proj": "mlp.c_fc_1",
    "mlp.down_proj": "mlp.c_proj",
}
_IDS = ("bos_token_id", "eos_token_id", "pad_token_id")
_SAME_KEYS = (
    *("hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads", "vocab_size"),
    *("max_position_embeddings", "tie_word_embeddings", *_IDS),
)
_RENAMED_KEYS = {"num_hidden_layers": "num_layers", "rms_norm_eps": "layer_norm_epsilon", "dtype": "torch_dtype"}
_LEFT_OUT = ("auto_map", "chat_template")
"""Of `tokenizer_config.json`: remote code, and what has a file of its own."""
_INDEX = "model.safetensors.index.json"
_AGAIN = "download the checkpoint again, all of it"


@dataclass(frozen=True, slots=True)
class Conversion:
    """What was written: `parameters` as they lie on disk, tied ones once."""

    folder: Path
    shards: int
    tensors: int
    parameters: int


@dataclass(frozen=True, slots=True)
class _Tensor:
    shard: str
    shape: tuple[int, ...]


def convert(source: Path, out: Path) -> Conversion:
    """Write the EXAONE 3.5 checkpoint in `source` as a Llama to the new folder `out`, whole or not at all.

    Raises UsageError where `source` is something else or `out` exists; DataError where the checkpoint is not what its
    config says, or the disk is too small.
    """
    config = to_llama_config(_read_json(source / "config.json"))
    tensors = _read_tensors(source)
    names = _match_names(source, tensors, config)
    shards = sorted({each.shard for each in tensors.values()})
    with writing_whole(out, sum((source / shard).stat().st_size for shard in shards)) as folder:
        size = sum(_rename_shard(source / shard, folder / shard, names) for shard in shards)
        if len(shards) > 1:
            places = {names[name]: each.shard for name, each in tensors.items()}
            index = {"metadata": {"total_size": size}, "weight_map": dict(sorted(places.items()))}
            (folder / _INDEX).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
        config.save_pretrained(folder)
        _write_tokenizer(source, folder)
        make_portable(folder)
        _check_tokenizer(source, folder, config)
    return Conversion(out, len(shards), len(tensors), sum(prod(each.shape) for each in tensors.values()))


def describe_conversion(made: Conversion) -> str:
    """The report in a line."""
    return f"{made.folder}: {made.parameters / 1e9:.3f} B parameters, {made.tensors} tensors in {made.shards} files"


def to_llama_config(exaone: Mapping[str, Any]) -> LlamaConfig:
    """The same architecture as transformers names it. Raises UsageError where this is no EXAONE 3.5's `config.json`."""
    if (kind := exaone.get("model_type")) != "exaone" or exaone.get("activation_function", "silu") != "silu":
        hint = "EXAONE 3.5 it has to be: EXAONE 4, or what is a Llama already, needs no conversion"
        raise UsageError(f"this is a model of type {kind!r}, expected 'exaone' with SiLU", hint)
    with _reading_config():
        keys = {key: exaone[key] for key in _SAME_KEYS} | {key: exaone[old] for key, old in _RENAMED_KEYS.items()}
        rope = {**(exaone.get("rope_scaling") or {"rope_type": "default"}), "rope_theta": exaone["rope_theta"]}
        head_dim = exaone.get("head_dim")
        return LlamaConfig(architectures=["LlamaForCausalLM"], head_dim=head_dim, rope_parameters=rope, **keys)


@contextmanager
def _reading_config() -> Iterator[None]:
    try:
        yield
    except Exception as exc:  # a dozen kinds: no such key, text for a number, no heads, a size below 0, no such dtype
        told = f"{exc} is missing" if isinstance(exc, KeyError) else str(exc)
        raise UsageError(f"this config.json is not EXAONE 3.5's: {told}", _AGAIN) from exc


def _read_tensors(source: Path) -> dict[str, _Tensor]:
    """Name → place and shape, of all shards, as their headers say it."""
    index = _read_index(source / _INDEX) if (source / _INDEX).is_file() else {}
    tensors: dict[str, _Tensor] = {}
    for shard in sorted(set(index.values())) if index else [_find_single(source)]:
        try:
            with safe_open(source / shard, framework="pt") as file:
                found = {name: _Tensor(shard, tuple(file.get_slice(name).get_shape())) for name in set(file.keys())}
        except (OSError, SafetensorError) as exc:
            raise DataError(f"{source / shard} is missing or torn: {exc}", _AGAIN) from exc
        if twice := sorted(set(found) & set(tensors)):
            raise DataError(f"{twice[0]} lies in {tensors[twice[0]].shard} and in {shard}, expected it once", _AGAIN)
        tensors.update(found)
    if index:
        _refuse_difference(str(source / _INDEX), {name: each.shard for name, each in tensors.items()}, index)
    return tensors


def _read_index(path: Path) -> dict[str, str]:
    """Name → shard. Raises DataError for what is no name of a file beside the index: it would be written to, too."""
    index = _read_json(path).get("weight_map", {})
    if not isinstance(index, dict):
        raise DataError(f"`weight_map` of {path} holds a {type(index).__name__}, expected an object", _AGAIN)
    for shard in index.values():
        if not isinstance(shard, str) or Path(shard).name != shard or not shard.endswith(".safetensors"):
            raise DataError(f"{path} names the shard {shard!r}, expected a .safetensors file beside it", _AGAIN)
    return index


def _find_single(source: Path) -> str:
    if not (source / "model.safetensors").is_file():
        what = "only pytorch_model*.bin" if any(source.glob("pytorch_model*.bin")) else "no weights"
        hint = "download the safetensors files: a .bin is a pickle, which runs code when it is read"
        raise UsageError(f"{source} has {what}, expected model.safetensors, or {_INDEX} and its shards", hint)
    return "model.safetensors"


def _match_names(source: Path, tensors: Mapping[str, _Tensor], config: LlamaConfig) -> dict[str, str]:
    """EXAONE's name → Llama's, for the tensors there are: all that this Llama needs, and no other."""
    with _reading_config(), torch.device("meta"):
        llama = LlamaForCausalLM(config).state_dict()
    names = {_to_exaone_name(name): name for name in llama}
    wanted = {name: tuple(llama[new].shape) for name, new in names.items()}
    if config.tie_word_embeddings and "lm_head.weight" not in tensors:
        del wanted["lm_head.weight"]
    _refuse_difference(f"{source / 'config.json'}", {name: each.shape for name, each in tensors.items()}, wanted)
    return {name: names[name] for name in tensors}


def _to_exaone_name(name: str) -> str:
    prefix, part = re.fullmatch(r"(model\.layers\.\d+\.)?(.+)\.weight", name).groups("")  # type: ignore[union-attr]
    return f"{prefix.replace('model.layers', 'transformer.h')}{_TENSORS.get(part, part)}.weight"


def _refuse_difference(where: str, found: Mapping[str, object], wanted: Mapping[str, object]) -> None:
    if names := sorted(name for name in {*found, *wanted} if found.get(name) != wanted.get(name)):
        some = "; ".join(
            f"{each}: {found.get(each, 'none')}, expected {wanted.get(each, 'none')}" for each in names[:3]
        )
        raise DataError(f"what lies there is not what {where} says, {len(names)} differ: {some}", _AGAIN)


def _rename_shard(source: Path, target: Path, names: Mapping[str, str]) -> int:
    """Copy a safetensors file under new names and return the bytes of its data.

    The format: the header's length in 8 bytes, the header in JSON, the data; offsets count from where the data begins.
    """
    with source.open("rb") as given, target.open("xb") as written:
        header = json.loads(given.read(int.from_bytes(given.read(8), "little")))
        renamed = {names.get(name, name): entry for name, entry in header.items()} | {"__metadata__": {"format": "pt"}}
        text = json.dumps(renamed, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)  # the data stays aligned
        written.write(len(text).to_bytes(8, "little") + text)
        shutil.copyfileobj(given, written, 16 << 20)
        return written.tell() - 8 - len(text)


def _write_tokenizer(source: Path, folder: Path) -> None:
    """The tokenizer as `tokenizer.json` has it, whatever class the checkpoint names for it."""
    given = _read_json(source / "tokenizer_config.json")
    template = source / "chat_template.jinja"
    text = template.read_text(encoding="utf-8") if template.is_file() else given.get("chat_template")
    if not (source / "tokenizer.json").is_file() or not isinstance(text, str):
        raise UsageError(f"{source} has no tokenizer.json, or no chat template", _AGAIN)
    shutil.copyfile(source / "tokenizer.json", folder / "tokenizer.json")
    (folder / "chat_template.jinja").write_text(text, encoding="utf-8")
    kept = {key: value for key, value in given.items() if key not in _LEFT_OUT}
    (folder / "tokenizer_config.json").write_text(json.dumps(kept, ensure_ascii=False), encoding="utf-8")


def _check_tokenizer(source: Path, folder: Path, config: LlamaConfig) -> None:
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
    except Exception as exc:  # a dozen kinds again
        raise DataError(f"the tokenizer of {source} cannot be read: {exc!r}", _AGAIN) from exc
    ids = {name: getattr(tokenizer, name) for name in _IDS}
    wanted = {name: getattr(config, name) for name in _IDS}
    _refuse_difference(f"{source / 'config.json'} (special tokens)", ids, wanted)
    GenerationConfig(**wanted).save_pretrained(folder)  # type: ignore[no-untyped-call]


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as exc:
        raise UsageError(f"there is no {path}", "give the folder that the checkpoint was downloaded to") from exc
    except (OSError, ValueError) as exc:
        raise DataError(f"{path} cannot be read as JSON: {exc}", _AGAIN) from exc
    if not isinstance(content, dict):
        raise DataError(f"{path} holds a {type(content).__name__}, expected an object", _AGAIN)
    return content
