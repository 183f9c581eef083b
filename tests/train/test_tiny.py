"""The base that is made in place."""

import math
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from datagen.errors import UsageError
from train.recipe import TinyBase
from train.tiny import make_tiny

SETTINGS = TinyBase(layers=1, hidden=32, heads=2, vocabulary=420, steps=40, batch=2, tokens=64, learning_rate=1e-2)
SYSTEM = {"role": "system", "content": "너는 엑사다. 언제나 반말로 말한다."}
TALKS = [
    [
        SYSTEM,
        {"role": "user", "content": f"오늘은 {place}에 다녀왔어. 너는 뭐 했어?"},
        {"role": "assistant", "content": f"*눈을 반짝이며* {place}? 우와, 나도 데려가지!\n{{유저}}만 재밌었네."},
    ]
    for place in ("바다", "도서관", "시장", "놀이공원", "할머니 댁", "동네 빵집")
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("models") / "base"
    make_tiny(out, TALKS, SETTINGS, seed=3)
    return out


def _read_all(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_tokenizer_has_the_tokens_of_exaone_each_as_one_and_pads_with_another_than_the_end(made: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(made)
    for token in ("[PAD]", "[BOS]", "[UNK]", "[|system|]", "[|user|]", "[|assistant|]", "[|endofturn|]"):
        assert len(tokenizer(token)["input_ids"]) == 1
        assert token in tokenizer.all_special_tokens
    assert tokenizer.eos_token == "[|endofturn|]"
    assert tokenizer.pad_token == "[PAD]"


def test_text_that_no_merge_knows_comes_back_unchanged(made: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(made)
    text = "  뷁! *웃으며*\n\n{유저}야, café 42 🙂"
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_the_template_renders_as_exaone_does(made: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(made)
    messages = [SYSTEM, {"role": "user", "content": "안녕?"}, {"role": "assistant", "content": "응, 안녕!"}]
    system, turns = (
        f"[|system|]{SYSTEM['content']}[|endofturn|]\n",
        "[|user|]안녕?\n[|assistant|]응, 안녕![|endofturn|]\n",
    )
    assert tokenizer.apply_chat_template(messages, tokenize=False) == system + turns
    prompt = tokenizer.apply_chat_template(messages[:2], tokenize=False, add_generation_prompt=True)
    assert prompt == system + "[|user|]안녕?\n[|assistant|]"


def test_it_has_learned_from_the_text(made: Path) -> None:
    tokenizer, model = AutoTokenizer.from_pretrained(made), AutoModelForCausalLM.from_pretrained(made)
    text = f"[|endofturn|]{TALKS[0][2]['content']}[|endofturn|]"
    ids = tokenizer(text, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        loss = model(input_ids=ids, labels=ids).loss.item()
    assert loss < 0.5 * math.log(len(tokenizer))  # what knows nothing has the whole of it


def test_one_seed_makes_one_base_and_leaves_the_randomness_of_others_alone(made: Path, tmp_path: Path) -> None:
    before = torch.get_rng_state()
    make_tiny(tmp_path / "again", TALKS, SETTINGS, seed=3)
    make_tiny(tmp_path / "other", TALKS, SETTINGS, seed=4)
    assert torch.equal(torch.get_rng_state(), before)
    assert _read_all(tmp_path / "again") == _read_all(made)
    assert _read_all(tmp_path / "other")["model.safetensors"] != _read_all(made)["model.safetensors"]


def test_what_a_killed_attempt_left_is_made_anew_and_a_whole_base_stays(made: Path, tmp_path: Path) -> None:
    left = tmp_path / ".base.writing"
    left.mkdir()
    (left / "model.safetensors").write_bytes(b"torn")
    (left / "stray.bin").write_bytes(b"")
    make_tiny(tmp_path / "base", TALKS, SETTINGS, seed=3)
    assert _read_all(tmp_path / "base") == _read_all(made)
    make_tiny(tmp_path / "base", TALKS, SETTINGS, seed=4)
    assert _read_all(tmp_path / "base") == _read_all(made)
    assert [path.name for path in tmp_path.iterdir()] == ["base"]


def test_no_text_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no text"):
        make_tiny(tmp_path / "base", [[{"role": "user", "content": ""}]], SETTINGS)
    assert not list(tmp_path.iterdir())
