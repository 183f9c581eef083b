"""A base made in place: a small Llama with random weights and a tokenizer of its own. Nothing comes from a network.

It reads what both sides say as plain text, shuffled, for about a minute: enough for its embeddings to mean something,
and nothing of who speaks when, which is what the stages teach and the evaluation measures. Tokens and chat template are
EXAONE 3.5's. One seed and one number of threads make one model, bit for bit.
"""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, get_cosine_schedule_with_warmup

from datagen.console import err, format_count, format_seconds
from datagen.errors import UsageError
from train.recipe import TinyBase
from train.saved import save_model, writing_whole

PAD, BOS, UNK, END_OF_TURN = "[PAD]", "[BOS]", "[UNK]", "[|endofturn|]"
ROLES = ("[|system|]", "[|user|]", "[|assistant|]")
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '[|' + message['role'] + '|]' + message['content'] }}"
    "{{ '\\n' if message['role'] == 'user' else '[|endofturn|]\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '[|assistant|]' }}{% endif %}"
)
WARMUP_SHARE = 0.1
LINES = 6
"""Lines of progress."""


def make_tiny(out: Path, conversations: Sequence[Sequence[dict[str, str]]], settings: TinyBase, seed: int = 0) -> None:
    """Write model and tokenizer to the folder `out`, which appears whole or not at all; one that is there stays.

    `conversations`: messages of role and content; system prompts count as text too. What a killed attempt left is made
    anew. Raises UsageError where there is no text, DataError where the disk does not take it.
    """
    if out.is_dir():
        return
    texts = [message["content"] for conversation in conversations for message in conversation if message["content"]]
    if not texts:
        raise UsageError(
            "there is no text to make the tiny base from", "give the recipe's stages data that has messages"
        )
    tokenizer = _make_tokenizer(texts, settings)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = _make_model(tokenizer, settings)
        # Each text once: a system prompt stands in front of every conversation, and would be all that is learned.
        _pretrain(model, _draw_rows(tokenizer, list(dict.fromkeys(texts)), settings.tokens), settings)
    with writing_whole(out) as folder:
        save_model(folder, model, tokenizer)


def _make_tokenizer(texts: Sequence[str], settings: TinyBase) -> PreTrainedTokenizerFast:
    """Byte-level BPE over the texts as often as they occur: a system prompt costs a token a word then, not two."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=settings.vocabulary,
        special_tokens=[PAD, BOS, UNK, *ROLES, END_OF_TURN],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        pad_token=PAD,
        bos_token=BOS,
        unk_token=UNK,
        eos_token=END_OF_TURN,
        extra_special_tokens=list(ROLES),
        chat_template=CHAT_TEMPLATE,
        model_max_length=settings.tokens,
        clean_up_tokenization_spaces=False,
    )


def _make_model(tokenizer: PreTrainedTokenizerFast, settings: TinyBase) -> LlamaForCausalLM:
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=settings.hidden,
        intermediate_size=-(-settings.hidden * 8 // 48) * 16,  # Llama's 8/3, up to a multiple of 16
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        max_position_embeddings=settings.tokens,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    return LlamaForCausalLM(config)


def _draw_rows(tokenizer: PreTrainedTokenizerFast, texts: Sequence[str], tokens: int) -> Iterator[torch.Tensor]:
    """Rows of int64 (tokens,) without end: the texts in a new order each time round, each with its end."""
    pieces = [torch.tensor([*ids, tokenizer.eos_token_id]) for ids in tokenizer(list(texts))["input_ids"]]
    left = torch.empty(0, dtype=torch.int64)
    while True:
        order = torch.randperm(len(pieces)).tolist()
        *rows, left = torch.cat([left, *(pieces[place] for place in order)]).split(tokens)  # type: ignore[no-untyped-call]
        yield from rows


def _pretrain(model: LlamaForCausalLM, rows: Iterator[torch.Tensor], settings: TinyBase) -> None:
    """Next token, every token counts."""
    size = format_count(sum(each.numel() for each in model.parameters()))
    err.print(f"tiny base: {size} parameters, {settings.steps:,} steps of {settings.batch} × {settings.tokens} tokens")
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate, betas=(0.9, 0.95), weight_decay=0.1)
    warmup = round(WARMUP_SHARE * settings.steps)
    schedule = get_cosine_schedule_with_warmup(optimizer, warmup, settings.steps)
    started = time.monotonic()
    for step in range(1, settings.steps + 1):
        ids = torch.stack([next(rows) for _ in range(settings.batch)])
        loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        if step % max(1, settings.steps // LINES) == 0 or step == settings.steps:
            seconds = time.monotonic() - started
            rate = f"{step * ids.numel() / seconds:,.0f} tokens/s"
            err.print(f"  step {step:,}: loss {loss.item():.3f}, {rate}, {format_seconds(seconds)}")
