"""A saved model that transformers 4.57 and 5 load alike, and its chat template with the persona in it.

Version 5 writes what 4.57 does not know: `rope_parameters`, `dtype`, TokenizersBackend, extra tokens as a list. Each
gets its older name beside it, or instead. The tokenizer's class is the plain one of both: a GPT2Tokenizer or a
LlamaTokenizer is built anew by version 5, from the vocabulary and with that class's own way to split text.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from datagen.errors import DataError, UsageError

TOKENIZER_CLASS = "PreTrainedTokenizerFast"


def save_model(
    folder: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, end_of_turn: str | None = None
) -> None:
    """Write weights, configuration, tokenizer and chat template. `end_of_turn` None: the tokenizer's eos."""
    assert model.generation_config is not None
    end = tokenizer.convert_tokens_to_ids(end_of_turn or str(tokenizer.eos_token))
    assert isinstance(end, int)
    for config in (model.config, model.generation_config):
        config.eos_token_id = _list_ends(end, config.eos_token_id)
        config.pad_token_id = tokenizer.pad_token_id
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    make_portable(folder)


def make_portable(folder: Path) -> None:
    """Rewrite `config.json` and `tokenizer_config.json`, as version 5 wrote them, for both versions."""
    _rewrite(folder / "config.json", _add_older_names)
    _rewrite(folder / "tokenizer_config.json", _name_plain_tokenizer)


def add_default_persona(template: str, system_prompt: str) -> str:
    """A chat template that renders `template` with this system prompt where the messages bring none of their own.

    Byte for byte what `template` renders when the prompt is given as the first message, with the jinja settings of
    transformers (trim_blocks, lstrip_blocks) and with jinja's own.
    """
    # A JSON string is a jinja string too, for jinja undoes the same escapes: whatever the prompt holds is data.
    message = f'{{"role": "system", "content": {json.dumps(system_prompt, ensure_ascii=False)}}}'
    is_missing = "not messages or messages[0]['role'] != 'system'"
    wrapper = f"{{% if {is_missing} %}}{{% set messages = [{message}] + messages | list %}}{{% endif %}}"
    # trim_blocks takes one line break after a tag: spaces that the template begins with stay at the start of a line.
    return wrapper + ("\n" if template[:1].isspace() else "") + template


@contextmanager
def writing_whole(out: Path, size: int = 0) -> Iterator[Path]:
    """A folder beside `out` to write `size` bytes into. It becomes `out` when all went well, and is removed when not.

    Raises UsageError where `out` exists, DataError where the disk does not take it. What a killed attempt left is
    removed by the next one.
    """
    if out.exists():
        raise UsageError(f"{out} exists already, expected a new folder", "give another -o, or remove it first")
    temporary = out.with_name(f".{out.name}.writing")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        if (free := shutil.disk_usage(temporary).free) < size:
            raise OSError(f"{size / 1e9:.1f} GB are needed, {free / 1e9:.1f} GB are free")
        yield temporary
        for path in [*temporary.rglob("*"), temporary]:
            if path.is_file():
                path.chmod(0o666 & ~_read_umask())  # safetensors writes for the owner alone
            _flush(path)
        temporary.rename(out)
        _flush(out.parent)
    except (OSError, SafetensorError) as exc:
        hint = "see that the disk has room and the folder may be written, then run the same command again"
        raise DataError(f"{out} could not be written: {exc}", hint) from exc
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _read_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _list_ends(end: int, given: int | list[int] | None) -> int | list[int]:
    """The end of a turn first, then what else ends a text of the base: a Llama 3 has several."""
    ends = list(dict.fromkeys([end, *(given if isinstance(given, list) else [] if given is None else [given])]))
    return ends if len(ends) > 1 else end


def _add_older_names(config: dict[str, Any]) -> None:
    config["torch_dtype"] = config["dtype"]
    rope = dict(config.get("rope_parameters") or {})
    if "rope_theta" in rope:  # else each kind of layer has its own, which has no older name
        config["rope_theta"] = rope.pop("rope_theta")
        config["rope_scaling"] = None if rope.get("rope_type") == "default" else rope


def _name_plain_tokenizer(config: dict[str, Any]) -> None:
    config["tokenizer_class"] = TOKENIZER_CLASS
    if isinstance(config.get("extra_special_tokens"), list):  # 4.57 expects named ones under this key
        config["additional_special_tokens"] = config.pop("extra_special_tokens")


def _rewrite(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
