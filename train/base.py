"""The base: its tokenizer and its weights, from a folder or a hub's cache, or made in place; adapters on top of it."""

import json
import logging
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers.utils.logging
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from datagen.errors import UsageError
from train.recipe import Base

# peft imports it where it is installed, to tell at once which kernels are not.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
with warnings.catch_warnings():
    warnings.simplefilter("ignore", EncodingWarning)  # peft's import opens a file without one
    from peft import PeftModel


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model that is ready to be asked or trained, with its tokenizer. `label`: what it is called in reports."""

    label: str
    model: PreTrainedModel | PeftModel
    tokenizer: PreTrainedTokenizerBase


def quieten() -> None:
    """Let transformers tell errors alone: its progress bars and advice are about its own steps, not the user's."""
    transformers.utils.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"(transformers|peft|trl|accelerate)\.")


def pick_device() -> torch.device:
    """The GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def load_tokenizer(place: str, revision: str | None = None, pad: str | None = None) -> PreTrainedTokenizerBase:
    """`pad`: the padding token, in place of its own.

    Raises UsageError where there is none that transformers reads without remote code, or that has no chat template.
    """
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(place, revision=revision)
    except Exception as exc:  # a dozen kinds: no such folder, no network, gated, broken files, remote code wanted
        raise _explain(place, exc) from exc
    if not tokenizer.chat_template:
        raise UsageError(f"{place} has no chat template", "take an instruction-tuned base, or save a template with it")
    if pad:
        tokenizer.pad_token = pad
    return tokenizer


def load_weights(
    place: str,
    *,
    revision: str | None = None,
    dtype: torch.dtype | None = None,
    quantization: str | None = None,
) -> PreTrainedModel:
    """The weights of a base or of a merged model, in evaluation mode, on the GPU where there is one.

    `dtype` None: as saved. Raises UsageError where transformers cannot load them without remote code.
    """
    options: dict[str, Any] = {"dtype": dtype or "auto", "revision": revision, "attn_implementation": "sdpa"}
    if quantization:
        options["quantization_config"] = _quantize(dtype or torch.bfloat16)
    try:
        config = AutoConfig.from_pretrained(place, revision=revision)
        found: Any = AutoModelForCausalLM.from_pretrained(place, config=config, output_loading_info=True, **options)
    except Exception as exc:  # as above
        raise _explain(place, exc) from exc
    model, told = found
    if unfit := sorted(
        str(name) for kind in ("missing_keys", "unexpected_keys", "mismatched_keys") for name in told[kind]
    ):
        # transformers would draw what is missing at random, and tell it in a log that nobody reads.
        what = f"the weights of {place} do not fit its config: {', '.join(unfit[:5])}{' …' if len(unfit) > 5 else ''}"
        raise UsageError(what, "download or convert the base again")
    if not quantization:
        model.to(pick_device())
    loaded: PreTrainedModel = model
    loaded.train(False)
    return loaded


def load_skeleton(place: str, revision: str | None = None) -> PreTrainedModel:
    """The model without its weights, on the meta device. Raises UsageError where transformers knows no such model."""
    try:
        with torch.device("meta"):
            config = AutoConfig.from_pretrained(place, revision=revision)
            model: PreTrainedModel = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
    except Exception as exc:  # as above
        raise _explain(place, exc) from exc
    return model


def load_adapter(model: PreTrainedModel, adapter: Path, *, is_trainable: bool = False) -> PeftModel:
    """The model with an adapter on it. Raises UsageError where there is none that fits it."""
    try:
        return PeftModel.from_pretrained(model, str(adapter), is_trainable=is_trainable)
    except Exception as exc:  # no such folder, torn files, other shapes
        raise UsageError(f"the adapter {adapter} cannot be put on the base: {exc}", "train the stage again") from exc


def find_base(folder: Path, base: Base) -> str:
    """Where the base of a trained model lies: a tiny one inside its folder. Raises UsageError where it is not there."""
    if base.tiny:
        return str(folder / "base")
    if base.model and not Path(base.model).is_dir():
        hint = (
            f"download it, or, if it is EXAONE 3.5: `damhwa convert DOWNLOADED -o {base.model}`; a hub's name is `hub:`"
        )
        raise UsageError(f"there is no folder {base.model}, expected the base", hint)
    return str(base.hub or base.model)


def load_base(folder: Path, base: Base, *, dtype: torch.dtype | None = None) -> LoadedModel:
    """The base of a recipe that is trained in `folder`, with its padding and end-of-turn tokens set."""
    place = find_base(folder, base)
    tokenizer = load_tokenizer(place, base.revision, base.pad)
    kind = dtype or getattr(torch, base.dtype)
    weights = load_weights(place, revision=base.revision, dtype=kind, quantization=base.quantization)
    return LoadedModel("base", weights, tokenizer)


def _quantize(dtype: torch.dtype) -> Any:
    """NF4 with double quantization, as QLoRA does it (Dettmers et al. 2023, arXiv 2305.14314)."""
    from importlib.util import find_spec

    from transformers import BitsAndBytesConfig

    if find_spec("bitsandbytes") is None:
        raise UsageError("`quantization: 4bit` needs bitsandbytes", "pip install 'damhwa[qlora]'")
    return BitsAndBytesConfig(  # type: ignore[no-untyped-call]
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
    )


def _explain(place: str, exc: Exception) -> UsageError:
    what = f"the model {place} cannot be loaded: {exc}"
    if _is_exaone(Path(place)):
        hint = f"transformers has no class for EXAONE 3.5: `damhwa convert {place} -o DIR`, and give DIR"
        return UsageError(what.splitlines()[0], hint)
    return UsageError(what, "give a folder with config, tokenizer and safetensors, or a name that the hub's cache has")


def _is_exaone(folder: Path) -> bool:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(config, dict) and config.get("model_type") == "exaone"
