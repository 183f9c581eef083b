"""What evaluating needs in a test: a random Llama of a few thousand parameters, its tokenizer, and conversations."""

import json
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from train.base import LoadedModel
from train.conversations import Conversation

SPECIALS = ["[PAD]", "[BOS]", "[UNK]", "[|system|]", "[|user|]", "[|assistant|]", "[|endofturn|]"]
TEMPLATE = (
    "{% for message in messages %}{{ '[|' + message.role + '|]' + message.content }}"
    "{% if message.role != 'user' %}{{ '[|endofturn|]' }}{% endif %}{{ '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '[|assistant|]' }}{% endif %}"
)
TEXTS = (
    ("나 오늘 발표하다가 머리가 하얘졌어.", "*등을 토닥이며* 헐, 진짜 놀랐겠다. 그래도 끝까지 한 게 어디야!"),
    ("무지개는 왜 둥글어?", "*눈을 반짝이며* 물방울마다 빛이 같은 각도로 꺾여서 그래. 모이면 동그라미가 되는 거지!"),
    ("잠이 안 와.", "*{유저}의 이불을 덮어 주며* 눈 감고 내 목소리만 들어 봐."),
)


def make_conversation(number: int, exchanges: int = 2) -> Conversation:
    messages = [{"role": "system", "content": "너는 엑사다. 언제나 반말로 말한다."}]
    for at in range(exchanges):
        asked, answer = TEXTS[(number + at) % len(TEXTS)]
        messages += [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]
    return Conversation(f"exa-data-{number:06d}", tuple(messages), "exa")


def make_tokenizer() -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=SPECIALS, initial_alphabet=alphabet)
    tokenizer.train_from_iterator([text for pair in TEXTS for text in pair], trainer)
    fast: PreTrainedTokenizerFast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, pad_token="[PAD]", bos_token="[BOS]", unk_token="[UNK]", eos_token="[|endofturn|]"
    )
    fast.add_special_tokens({"additional_special_tokens": SPECIALS[3:6]})
    fast.chat_template = TEMPLATE
    return fast


def make_model(seed: int = 0, label: str = "base") -> LoadedModel:
    tokenizer = make_tokenizer()
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=512,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        initializer_range=0.3,  # wide, so that the most likely token is no close call
    )
    model: Any = LlamaForCausalLM(config)
    return LoadedModel(label, model.eval(), tokenizer)


def save_model(folder: Path, seed: int = 0) -> Path:
    loaded = make_model(seed)
    loaded.model.save_pretrained(str(folder))
    loaded.tokenizer.save_pretrained(folder)
    return folder


RECIPE: dict[str, Any] = {
    "name": "tiny-exa",
    "base": {"tiny": {}, "dtype": "float32", "licence": {"name": "Apache-2.0", "url": "x", "commercial": True}},
    "lora": {"r": 4, "alpha": 8, "targets": ["q_proj", "v_proj"]},
    "persona": "exa.yaml",
    "evaluation": {"max_new_tokens": 9},
    "stages": [
        {"name": name, "data": f"runs/{name}", "epochs": 1, "batch": 1, "accumulation": 1, "learning_rate": 1e-4}
        | {"schedule": "constant"}
        for name in ("gf-persona-data", "exa-data")
    ],
}
PERSONA = {"id": "exa", "name": "엑사", "age": 19, "speech_level": "banmal", "system_prompt": "너는 엑사다."}


def make_trained(folder: Path, stages: int = 2) -> Path:
    """A folder as `damhwa train` leaves it, with random adapters."""
    save_model(folder / "base")
    (folder / "recipe.yaml").write_text("name: tiny-exa\n", encoding="utf-8")
    manifest = {"recipe": RECIPE, "persona": PERSONA, "stages": []}
    (folder / "manifest.json").write_text(json.dumps(manifest, ensure_ascii=False), encoding="utf-8")
    for number, stage in enumerate(RECIPE["stages"][:stages], 1):
        base: Any = make_model().model
        torch.manual_seed(number)
        config = LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
        get_peft_model(base, config).save_pretrained(str(folder / f"{number}-{stage['name']}" / "adapter"))
    return folder
