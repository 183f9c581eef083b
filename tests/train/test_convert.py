import json
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    GPT2Tokenizer,
    LlamaConfig,
    LlamaForCausalLM,
)

from datagen.errors import DamhwaError, DataError, UsageError
from tests.train.exaone_world import (
    LLAMA3_SCALING,
    SMALL,
    Tensors,
    compute_logits,
    make_tensors,
    write_checkpoint,
    write_json,
)
from train.convert import convert, to_llama_config

INDEX = "model.safetensors.index.json"
UNTIED = SMALL | {"tie_word_embeddings": False, "num_layers": 2}
UNSCALED = SMALL | {"rope_scaling": None, "num_key_value_heads": 8}
REAL = SMALL | {
    "vocab_size": 102400,
    "max_position_embeddings": 32768,
    "rope_theta": 1000000.0,
    "rope_scaling": LLAMA3_SCALING | {"original_max_position_embeddings": 8192},
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "eos_token_id": 361,
}
EXAONE_3_5_2_4B = REAL | {"num_layers": 30, "hidden_size": 2560, "head_dim": 80, "intermediate_size": 7168}
EXAONE_3_5_7_8B = REAL | {
    "num_layers": 32,
    "hidden_size": 4096,
    "head_dim": 128,
    "intermediate_size": 14336,
    "tie_word_embeddings": False,
}
IDS = torch.arange(200) * 37 % 400
"""More positions than the scaling's 64, so that each of its three kinds of rotation counts."""

RENAMED = (
    ("transformer.h.", "model.layers."),
    ("transformer.wte", "model.embed_tokens"),
    ("transformer.ln_f", "model.norm"),
    ("ln_1", "input_layernorm"),
    ("ln_2", "post_attention_layernorm"),
    ("attn.attention.out_proj", "self_attn.o_proj"),
    ("attn.attention.", "self_attn."),
    ("c_fc_0", "gate_proj"),
    ("c_fc_1", "up_proj"),
    ("c_proj", "down_proj"),
)


def rename(tensors: Tensors) -> Tensors:
    renamed = {}
    for name, tensor in tensors.items():
        for old, new in RENAMED:
            name = name.replace(old, new)
        renamed[name] = tensor
    return renamed


def load_logits(folder: Path) -> torch.Tensor:
    model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager")
    with torch.no_grad():
        logits = model(IDS[None]).logits[0]
    assert isinstance(logits, torch.Tensor)
    return logits


@pytest.mark.parametrize("config", [SMALL, UNTIED, UNSCALED], ids=["tied", "untied", "unscaled"])
def test_a_converted_model_computes_what_the_checkpoint_does(tmp_path: Path, config: dict[str, Any]) -> None:
    tensors = make_tensors(config)
    write_checkpoint(tmp_path / "exaone", config, tensors)

    convert(tmp_path / "exaone", tmp_path / "llama")

    logits = load_logits(tmp_path / "llama")
    expected = compute_logits(config, tensors, IDS)
    assert expected.std() > 0.1
    # Both are float32 with another order of sums: 7e-7 apart at most, measured over seeds, as far as either is from
    # the same sums in float64.
    torch.testing.assert_close(logits, expected, rtol=0, atol=5e-6)
    assert torch.equal(logits.argmax(-1), expected.argmax(-1))


@pytest.mark.parametrize("config", [SMALL, UNTIED], ids=["tied", "untied"])
def test_its_logits_are_bit_for_bit_those_of_a_llama_that_is_given_the_same_tensors(
    tmp_path: Path, config: dict[str, Any]
) -> None:
    tensors = make_tensors(config)
    write_checkpoint(tmp_path / "exaone", config, tensors)
    by_hand = LlamaForCausalLM(to_llama_config(config)).train(mode=False)
    by_hand.load_state_dict(rename(tensors), strict=not config["tie_word_embeddings"])
    by_hand.tie_weights()
    by_hand.set_attn_implementation("eager")

    convert(tmp_path / "exaone", tmp_path / "llama")

    with torch.no_grad():
        assert torch.equal(load_logits(tmp_path / "llama"), by_hand(IDS[None]).logits[0])


@pytest.mark.parametrize("shards", [1, 2, 5])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_every_tensor_arrives_once_with_its_bytes_in_the_shard_it_came_from(
    tmp_path: Path, shards: int, dtype: torch.dtype
) -> None:
    tensors = {name: each.to(dtype) for name, each in make_tensors(UNTIED, seed=shards).items()}
    source = write_checkpoint(
        tmp_path / "exaone", UNTIED | {"torch_dtype": str(dtype).removeprefix("torch.")}, tensors, shards
    )

    report = convert(source, tmp_path / "llama")

    arrived: Tensors = {}
    for path in sorted((tmp_path / "llama").glob("*.safetensors")):
        shard = load_file(path)
        assert shard.keys() == rename(load_file(source / path.name)).keys()
        assert not shard.keys() & arrived.keys()
        assert int.from_bytes(path.read_bytes()[:8], "little") % 8 == 0, "readers map the data where it is aligned"
        arrived |= shard
    expected = rename(tensors)
    assert arrived.keys() == expected.keys()
    for name, tensor in expected.items():
        assert arrived[name].dtype == dtype
        assert torch.equal(arrived[name], tensor), name
    parameters = sum(each.numel() for each in tensors.values())
    assert (report.tensors, report.shards, report.parameters) == (len(tensors), shards, parameters)


def test_the_index_says_where_each_tensor_lies_and_how_many_bytes_they_are(tmp_path: Path) -> None:
    tensors = make_tensors(SMALL)
    convert(write_checkpoint(tmp_path / "exaone", SMALL, tensors), tmp_path / "llama")

    index = json.loads((tmp_path / "llama/model.safetensors.index.json").read_text(encoding="utf-8"))
    lying = {name: path.name for path in (tmp_path / "llama").glob("*.safetensors") for name in load_file(path)}
    assert index["weight_map"] == lying
    assert index["metadata"]["total_size"] == sum(each.numel() * 4 for each in tensors.values())


@pytest.mark.parametrize(
    ("config", "billions"), [(EXAONE_3_5_2_4B, 2.405), (EXAONE_3_5_7_8B, 7.818)], ids=["2.4B", "7.8B"]
)
def test_the_two_sizes_have_as_many_parameters_as_their_makers_say(config: dict[str, Any], billions: float) -> None:
    with torch.device("meta"):
        model = LlamaForCausalLM(to_llama_config(config))
    assert round(model.num_parameters() / 1e9, 3) == billions


def test_the_tokenizer_is_that_of_tokenizer_json_and_not_a_gpt2_built_anew(tmp_path: Path) -> None:
    source = write_checkpoint(tmp_path / "exaone", SMALL, make_tensors(SMALL))
    convert(source, tmp_path / "llama")

    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "llama")
    text = "[|user|]오늘 2024년 12월 24일이야?\n[|assistant|]*웃으며* 응![|endofturn|]"
    decomposed = unicodedata.normalize("NFD", text)  # as a Mac writes it; GPT2Tokenizer would not put it together
    expected = Tokenizer.from_file(str(source / "tokenizer.json")).encode(decomposed).ids
    assert tokenizer(decomposed)["input_ids"] == expected
    assert GPT2Tokenizer.from_pretrained(source)(decomposed)["input_ids"] != expected  # as the checkpoint names it
    assert tokenizer.decode(expected) == text
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id) == (1, 6, 0)


def test_the_chat_template_is_the_checkpoints(tmp_path: Path) -> None:
    convert(write_checkpoint(tmp_path / "exaone", SMALL, make_tensors(SMALL)), tmp_path / "llama")

    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "llama")
    asked = [{"role": "system", "content": "너는 엑사야."}, {"role": "user", "content": "안녕?"}]
    text = tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
    assert text == "[|system|]너는 엑사야.[|endofturn|]\n[|user|]안녕?\n[|assistant|]"


def test_generation_ends_at_the_end_of_a_turn(tmp_path: Path) -> None:
    convert(write_checkpoint(tmp_path / "exaone", SMALL, make_tensors(SMALL)), tmp_path / "llama")

    folder = tmp_path / "llama"
    for config in (LlamaConfig.from_pretrained(folder), GenerationConfig.from_pretrained(folder)):
        assert (config.bos_token_id, config.eos_token_id, config.pad_token_id) == (1, 6, 0)


def test_nothing_of_the_remote_code_comes_along(tmp_path: Path) -> None:
    source = write_checkpoint(tmp_path / "exaone", SMALL, make_tensors(SMALL))
    (source / "modeling_exaone.py").write_text("raise SystemExit('started')", encoding="utf-8")
    convert(source, tmp_path / "llama")

    assert not list((tmp_path / "llama").glob("*.py"))
    assert all("auto_map" not in path.read_text(encoding="utf-8") for path in (tmp_path / "llama").glob("*.json"))


Damage = Callable[[Path], object]


def _edit(file: str, **changes: object) -> Damage:
    def change(folder: Path) -> None:
        content = json.loads((folder / file).read_text(encoding="utf-8"))
        kept = {key: value for key, value in (content | changes).items() if value is not None}
        write_json(folder / file, kept)

    return change


def _write(file: str, content: object) -> Damage:
    return lambda folder: write_json(folder / file, content)


def _edit_tensors(change: Callable[[Tensors], object]) -> Damage:
    def rewrite(folder: Path) -> None:
        tensors = load_file(folder / "model.safetensors")
        change(tensors)
        save_file(tensors, folder / "model.safetensors", {"format": "pt"})

    return rewrite


def _tear(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])


def _pickle(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


@pytest.mark.parametrize(
    ("damage", "kind", "told"),
    [
        (_edit("config.json", model_type="llama"), UsageError, "type 'llama', expected 'exaone'"),
        (_edit("config.json", activation_function="gelu"), UsageError, "expected 'exaone' with SiLU"),
        (_edit("config.json", num_layers=None), UsageError, "'num_layers' is missing"),
        (_edit("config.json", hidden_size="wide"), UsageError, "hidden_size"),
        (_edit("config.json", num_layers=4), DataError, r"transformer.h.3.\S+: none, expected \("),
        (_edit("config.json", num_layers=2), DataError, "expected none"),
        (_edit("config.json", intermediate_size=128), DataError, r"\(112, 64\), expected \(128, 64\)"),
        (_edit("config.json", tie_word_embeddings=False), DataError, "lm_head.weight: none"),
        (_edit("config.json", eos_token_id=361), DataError, "eos_token_id: 6, expected 361"),
        (_edit("config.json", rope_scaling="linear"), UsageError, "is not EXAONE 3.5's"),
        (_edit("config.json", num_attention_heads=0), UsageError, "is not EXAONE 3.5's"),
        (_edit("config.json", vocab_size=-1), UsageError, "is not EXAONE 3.5's"),
        (_edit("config.json", torch_dtype="foo"), UsageError, "is not EXAONE 3.5's"),
        (_write("config.json", []), DataError, "config.json holds a list, expected an object"),
        (_write("tokenizer_config.json", []), DataError, "tokenizer_config.json holds a list"),
        (_write("tokenizer.json", {}), DataError, "the tokenizer of .*exaone cannot be read"),
        (_write(INDEX, []), DataError, "index.json holds a list"),
        (_write(INDEX, {"weight_map": ["model.safetensors"]}), DataError, "weight_map"),
        (_write(INDEX, {"weight_map": {"transformer.wte.weight": 1}}), DataError, "names the shard 1, expected"),
        (_write(INDEX, {"weight_map": {"transformer.wte.weight": ".."}}), DataError, "names the shard '..', expected"),
        (lambda folder: (folder / "config.json").unlink(), UsageError, "there is no .*config.json"),
        (lambda folder: (folder / "config.json").write_text("{", encoding="utf-8"), DataError, "read as JSON"),
        (_edit_tensors(lambda all_: all_.pop("transformer.ln_f.weight")), DataError, "ln_f.weight: none"),
        (_edit_tensors(lambda all_: all_.update({"h.0.bias": torch.ones(3)})), DataError, "h.0.bias"),
        (_tear, DataError, "model.safetensors is missing or torn"),
        (_pickle, UsageError, r"only pytorch_model\*.bin"),
        (lambda folder: (folder / "model.safetensors").unlink(), UsageError, "has no weights"),
        (lambda folder: (folder / "tokenizer.json").unlink(), UsageError, "no tokenizer.json"),
        (_edit("tokenizer_config.json", chat_template=None), UsageError, "no chat template"),
    ],
)
def test_what_is_no_whole_exaone_is_refused_and_nothing_is_left(
    tmp_path: Path, damage: Damage, kind: type[DamhwaError], told: str
) -> None:
    source = write_checkpoint(tmp_path / "exaone", SMALL, make_tensors(SMALL), shards=1)
    damage(source)

    with pytest.raises(kind, match=told) as caught:
        convert(source, tmp_path / "llama")

    assert caught.value.hint
    assert [path.name for path in tmp_path.iterdir()] == ["exaone"]


def test_a_shard_that_was_not_downloaded_is_named(tmp_path: Path) -> None:
    source = write_checkpoint(tmp_path / "exaone", SMALL, make_tensors(SMALL))
    (source / "model-00002-of-00003.safetensors").unlink()

    with pytest.raises(DataError, match=r"model-00002-of-00003.safetensors is missing or torn"):
        convert(source, tmp_path / "llama")


def test_an_index_that_is_not_true_is_refused(tmp_path: Path) -> None:
    source = write_checkpoint(tmp_path / "exaone", SMALL, make_tensors(SMALL))
    index = json.loads((source / "model.safetensors.index.json").read_text(encoding="utf-8"))
    index["weight_map"]["transformer.wte.weight"] = "model-00001-of-00003.safetensors"
    write_json(source / "model.safetensors.index.json", index)

    with pytest.raises(DataError, match=r"index.json says, 1 differ: transformer.wte.weight"):
        convert(source, tmp_path / "llama")


@pytest.mark.parametrize("place", ["../outside.safetensors", "{absolute}/outside.safetensors"])
def test_an_index_that_names_a_file_outside_the_folder_leaves_that_file_as_it_was(tmp_path: Path, place: str) -> None:
    source = write_checkpoint(tmp_path / "exaone", SMALL, make_tensors(SMALL), shards=1)
    outside = (source / "model.safetensors").rename(tmp_path / "outside.safetensors")
    before = outside.read_bytes()
    shard = place.format(absolute=tmp_path)
    write_json(source / INDEX, {"weight_map": dict.fromkeys(load_file(outside), shard)})

    with pytest.raises(DataError, match=f"names the shard '{shard}', expected"):
        convert(source, tmp_path / "llama")

    assert outside.read_bytes() == before


def test_a_tensor_that_lies_in_two_shards_is_refused(tmp_path: Path) -> None:
    source = write_checkpoint(tmp_path / "exaone", SMALL, make_tensors(SMALL), shards=2)
    doubled = load_file(source / "model-00001-of-00002.safetensors")
    path = source / "model-00002-of-00002.safetensors"
    save_file(load_file(path) | doubled, path, {"format": "pt"})

    with pytest.raises(DataError, match="expected it once"):
        convert(source, tmp_path / "llama")


def test_a_folder_that_is_there_already_is_left_alone(tmp_path: Path) -> None:
    source = write_checkpoint(tmp_path / "exaone", SMALL, make_tensors(SMALL), shards=1)
    (tmp_path / "llama").mkdir()
    (tmp_path / "llama/mine").write_text("내 것", encoding="utf-8")

    with pytest.raises(UsageError, match="exists already"):
        convert(source, tmp_path / "llama")

    assert [path.name for path in (tmp_path / "llama").iterdir()] == ["mine"]
