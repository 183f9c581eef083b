"""A model that knows two exchanges by heart, and answers with them."""

import json
from itertools import islice
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from datagen.errors import ProviderError, UsageError
from tests.train.chatting import COMFORT, GREETING
from train.base import LoadedModel
from train.masks import render
from train.speaker import LocalSpeaker, load_model
from train.talk import Sampling, TooLongError

TEMPLATE = (
    "{% for m in messages %}[|{{ m.role }}|]{{ m.content }}{{ '[|endofturn|]' if m.role != 'user' }}\n{% endfor %}"
    "{% if add_generation_prompt %}[|assistant|]{% endif %}"
)
MARKS = ["[PAD]", "[BOS]", "[|system|]", "[|user|]", "[|assistant|]", "[|endofturn|]"]
CHAT = [
    {"role": "system", "content": "너는 엑사다."},
    {"role": "user", "content": "나 왔어"},
    {"role": "assistant", "content": GREETING},
    {"role": "user", "content": "오늘 힘들었어"},
    {"role": "assistant", "content": COMFORT},
]
LIKELIEST = Sampling(temperature=0.0, max_new_tokens=60)


@pytest.fixture(scope="module")
def loaded() -> LoadedModel:
    tokenizer = _make_tokenizer()
    torch.manual_seed(0)
    size: dict[str, Any] = {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
    }
    config = LlamaConfig(vocab_size=len(tokenizer), max_position_embeddings=256, eos_token_id=5, pad_token_id=0, **size)
    model = LlamaForCausalLM(config)
    text = render(tokenizer, CHAT)
    ids = tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    loss = torch.tensor(9.0)
    for _ in range(300):
        loss = model(input_ids=ids, labels=ids).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if float(loss.detach()) < 0.01:
            break
    assert float(loss.detach()) < 0.05
    model.train(False)
    return LoadedModel("by heart", model, tokenizer)


def _make_tokenizer() -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=MARKS, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([each["content"] for each in CHAT], trainer)
    fast: Any = PreTrainedTokenizerFast  # has no types
    made: PreTrainedTokenizerFast = fast(
        tokenizer_object=tokenizer, eos_token=MARKS[5], pad_token=MARKS[0], bos_token=MARKS[1]
    )
    made.chat_template = TEMPLATE
    return made


def test_a_merged_model_is_found_in_its_folder_and_in_that_it_was_trained_in(
    loaded: LoadedModel, tmp_path: Path
) -> None:
    _save(loaded, tmp_path / "merged")
    for place in (tmp_path / "merged", tmp_path):
        speaker, stop = LocalSpeaker(load_model(place), LIKELIEST), Event()
        assert "".join(speaker.stream(CHAT[:2], stop)) == GREETING
        assert not stop.is_set()  # or a page would take the whole reply for one that was stopped, and never end it


def test_a_trained_model_that_is_not_merged_speaks_through_the_newest_adapter(
    loaded: LoadedModel, tmp_path: Path
) -> None:
    _save(loaded, tmp_path / "base")
    persona = {"id": "exa", "name": "엑사", "age": 19, "speech_level": "banmal", "system_prompt": "너는 엑사다."}
    stage = {"data": "-", "epochs": 1, "batch": 1, "accumulation": 1, "learning_rate": 1, "schedule": "constant"}
    recipe = {
        "name": "by-heart",
        "base": {
            "model": str(tmp_path / "base"),
            "dtype": "float32",
            "licence": {"name": "-", "url": "-", "commercial": True},
        },
        "lora": {"r": 2, "alpha": 2, "targets": ["q_proj"]},
        "persona": "exa.yaml",
        "stages": [{"name": name, **stage} for name in ("one", "two", "three")],
    }
    (tmp_path / "manifest.json").write_text(json.dumps({"recipe": recipe, "persona": persona}), encoding="utf-8")
    with pytest.raises(UsageError, match="no trained stage yet"):
        load_model(tmp_path)
    for number, name in enumerate(("one", "two")):
        adapted: Any = get_peft_model(_load(tmp_path / "base"), LoraConfig(r=2, target_modules=["q_proj"]))
        if number == 0:  # an adapter that would be heard
            for weights in adapted.parameters():
                torch.nn.init.normal_(weights.data, std=2.0)
        adapted.save_pretrained(tmp_path / f"{number + 1}-{name}" / "adapter")
        (tmp_path / f"{number + 1}-{name}" / "stage.json").touch()
    speaker = LocalSpeaker(load_model(tmp_path), LIKELIEST)
    assert isinstance(speaker.loaded.model, PeftModel)
    assert "".join(speaker.stream(CHAT[:2], Event())) == GREETING


def _save(loaded: LoadedModel, folder: Path) -> None:
    loaded.model.save_pretrained(str(folder))
    loaded.tokenizer.save_pretrained(folder)


def _load(folder: Path) -> Any:
    return LlamaForCausalLM.from_pretrained(folder)


def test_a_reply_is_what_was_learned_and_ends_with_its_turn(loaded: LoadedModel) -> None:
    speaker = LocalSpeaker(loaded, LIKELIEST)
    pieces = list(speaker.stream(CHAT[:2], Event()))
    assert "".join(pieces) == GREETING
    assert len([each for each in pieces if each]) > 3
    assert "".join(speaker.stream(CHAT[:4], Event())) == COMFORT


def test_no_special_token_is_shown_and_the_next_turn_is_not_spoken_too(loaded: LoadedModel) -> None:
    """As of a model whose generation settings name another end of the text than that of a turn."""
    model: Any = loaded.model
    other = LoadedModel("odd", model, _make_tokenizer())
    other.tokenizer.eos_token = "[BOS]"
    own, model.generation_config.eos_token_id = model.generation_config.eos_token_id, None
    try:
        long = Sampling(temperature=0.0, max_new_tokens=120)
        assert "".join(LocalSpeaker(other, long).stream(CHAT[:2], Event())) == GREETING
    finally:
        model.generation_config.eos_token_id = own


def test_a_stopped_reply_ends_before_it_is_whole_and_the_next_one_is_not_held_up(loaded: LoadedModel) -> None:
    speaker, stop = LocalSpeaker(loaded, LIKELIEST), Event()
    stop.set()
    assert len("".join(speaker.stream(CHAT[:2], stop))) < len(GREETING)
    left = speaker.stream(CHAT[:2], Event())
    assert next(islice(filter(None, left), 1)) == "*손을 "
    left.close()
    assert "".join(speaker.stream(CHAT[:4], Event())) == COMFORT


def test_two_who_ask_at_once_are_answered_one_after_the_other(loaded: LoadedModel) -> None:
    speaker, heard = LocalSpeaker(loaded, LIKELIEST), [""] * 4

    def ask(number: int) -> None:
        heard[number] = "".join(speaker.stream(CHAT[: 2 if number % 2 else 4], Event()))

    threads = [Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert heard == [COMFORT, GREETING, COMFORT, GREETING]


def test_what_leaves_no_room_for_a_reply_is_told_before_anything_is_drawn(loaded: LoadedModel) -> None:
    with pytest.raises(TooLongError):
        next(LocalSpeaker(loaded, LIKELIEST).stream([*CHAT[:3], *CHAT[1:3], *CHAT[1:2]] * 4, Event()))


def test_a_seed_makes_the_same_reply_again(loaded: LoadedModel) -> None:
    hot = Sampling(temperature=3.0, top_p=1.0, max_new_tokens=20, seed=4)
    one, same = ("".join(LocalSpeaker(loaded, hot).stream(CHAT[:2], Event())) for _ in range(2))
    other = "".join(LocalSpeaker(loaded, Sampling(3.0, 1.0, 20, 5)).stream(CHAT[:2], Event()))
    assert one == same
    assert one != other


def test_a_model_that_fails_is_told_and_nothing_waits_for_ever(loaded: LoadedModel) -> None:
    broken: Any = LlamaForCausalLM(LlamaConfig(**{**loaded.model.config.to_dict(), "vocab_size": 3}))
    with pytest.raises(ProviderError, match="the model failed"):
        list(LocalSpeaker(LoadedModel("broken", broken, loaded.tokenizer), LIKELIEST).stream(CHAT[:2], Event()))
