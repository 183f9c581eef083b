"""What a model makes of held-out conversations: how likely it finds the persona's turns, and what it says itself.

Every model gets the same prompts as ids. Replies are generated in batches, padded on the left, so that all of a batch
go on from their last token; padding is masked and takes no positions, so a batch says what its prompts say alone.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import cross_entropy
from transformers import GenerationConfig

from train.base import LoadedModel
from train.bootstrap import Ratio
from train.conversations import Conversation
from train.masks import Encoded, render


@dataclass(frozen=True, slots=True)
class Decoding:
    """How replies are drawn. `temperature` 0: the most likely token each time (greedy), which is reproducible."""

    max_new_tokens: int = 160
    temperature: float | None = 0.0
    seed: int = 0
    batch: int = 16
    """Prompts at a time. Sampled replies depend on it; greedy ones do not."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """`turn`: the user's message that is to be answered, counted from 0 in `conversation.messages`."""

    conversation: Conversation
    turn: int

    @property
    def messages(self) -> tuple[dict[str, str], ...]:
        return self.conversation.messages[: self.turn + 1]

    @property
    def reference(self) -> str:
        """What the persona said there in the data."""
        return self.conversation.messages[self.turn + 1]["content"]

    def encode(self, loaded: LoadedModel) -> list[int]:
        text = render(loaded.tokenizer, self.messages, is_prompt=True)
        ids: list[int] = loaded.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids


@dataclass(frozen=True, slots=True)
class Reply:
    """`tokens`: generated ones, the end-of-turn token among them. `is_stopped`: the model itself ended its turn."""

    prompt_id: str
    text: str
    is_stopped: bool
    tokens: int


def choose_prompts(loaded: LoadedModel, conversations: Sequence[Conversation], max_tokens: int) -> list[Prompt]:
    """Each conversation up to the last user's turn whose prompt fits; a conversation of which none fits is left out."""
    found = []
    for each in conversations:
        turns = [number for number, message in enumerate(each.messages) if message["role"] == "user"]
        fitting = (Prompt(each, turn) for turn in reversed(turns))
        found += [prompt for prompt in fitting if len(prompt.encode(loaded)) <= max_tokens][:1]
    return found


@torch.inference_mode()
def measure_losses(loaded: LoadedModel, rows: Sequence[Encoded | None]) -> Ratio:
    """Nats over learned tokens of each row: all of them together make the perplexity, by tokens and not by rows."""
    model: Any = loaded.model
    nats, tokens = np.zeros(len(rows)), np.zeros(len(rows))
    for number, row in enumerate(rows):
        if row is None:
            continue
        ids = torch.as_tensor(row.ids, dtype=torch.long, device=model.device)
        learned = torch.cat([torch.arange(start, end) for start, end in row.spans]).to(ids.device)
        found = model(input_ids=ids[None], use_cache=False, logits_to_keep=learned - 1).logits[0]
        nats[number] = cross_entropy(found.float(), ids[learned], reduction="sum").item()
        tokens[number] = len(learned)
    return Ratio(nats, tokens, is_log=True)


def generate_replies(loaded: LoadedModel, prompts: Sequence[Prompt], decoding: Decoding, end: int) -> list[Reply]:
    """A reply for each prompt, in order. `end`: id of the end-of-turn token. A batch takes prompts of like length."""
    replies: dict[int, Reply] = {}
    encoded = [each.encode(loaded) for each in prompts]
    order = sorted(range(len(prompts)), key=lambda number: len(encoded[number]))
    with torch.random.fork_rng(devices=[]), _configure(loaded, decoding, end) as model:
        torch.manual_seed(decoding.seed)
        for start in range(0, len(order), decoding.batch):
            some = order[start : start + decoding.batch]
            made = _generate(model, [encoded[number] for number in some], end)
            for number, ids in zip(some, made, strict=True):
                replies[number] = _read(loaded, prompts[number].conversation.id, ids, end)
    return [replies[number] for number in range(len(prompts))]


@contextmanager
def _configure(loaded: LoadedModel, decoding: Decoding, end: int) -> Iterator[Any]:
    """The model with our settings in place of its own: `generate` would take from those whatever ours leave open."""
    whole: Any = loaded.model
    model = whole.get_base_model() if hasattr(whole, "get_base_model") else whole  # peft's wrapper has settings too
    is_drawn = bool(decoding.temperature)
    options: dict[str, Any] = {"max_new_tokens": decoding.max_new_tokens, "eos_token_id": end, "pad_token_id": end}
    if is_drawn:
        options |= {"temperature": decoding.temperature, "top_p": 1.0, "top_k": 0}
    own = model.generation_config
    model.generation_config = GenerationConfig(do_sample=is_drawn, **options)  # type: ignore[no-untyped-call]
    try:
        yield model
    finally:
        model.generation_config = own


@torch.inference_mode()
def _generate(model: Any, prompts: Sequence[Sequence[int]], padding: int) -> npt.NDArray[np.int64]:
    """(prompts, tokens): what was generated, filled up with `padding`."""
    longest = max(map(len, prompts))
    ids = torch.full((len(prompts), longest), padding)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, longest - len(prompt) :] = torch.tensor(prompt)
        mask[row, longest - len(prompt) :] = 1
    out = model.generate(input_ids=ids.to(model.device), attention_mask=mask.to(model.device))
    made: npt.NDArray[np.int64] = out[:, longest:].cpu().numpy()
    return made


def _read(loaded: LoadedModel, prompt_id: str, ids: npt.NDArray[np.int64], end: int) -> Reply:
    """The text before the end of the turn. Other special tokens stay in it: that they are there is measured."""
    ends = np.flatnonzero(ids == end)
    said = ids[: ends[0]] if len(ends) else ids
    text = loaded.tokenizer.decode(said.tolist(), skip_special_tokens=False)
    assert isinstance(text, str)
    return Reply(prompt_id, text.strip(), bool(len(ends)), len(said) + bool(len(ends)))
