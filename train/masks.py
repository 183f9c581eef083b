"""Token ids of a conversation, and which of them are learned: the persona's turns with their end-of-turn token.

The chat template is rendered for every prefix of the conversation; a turn is what a longer prefix has more than the
prompt before it. The pieces are tokenised apart, so that no token reaches over the border where generation begins when
the model serves. Any template will do that only appends.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import accumulate, chain
from typing import Any

import numpy as np
import numpy.typing as npt
from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast
from transformers.utils.chat_template_utils import _compile_jinja_template

from datagen.errors import DataError, UsageError
from train.conversations import Conversation

IGNORED = -100
"""The label of a token that is not learned, as torch's cross entropy has it."""
ROWS_PROVEN = 64
"""Rows of a split whose prompts are tokenised a second time, in one go."""
SAID_ONCE = range(2, 400)
"""Characters: only system prompts are longer and the template's line breaks shorter, and both come again and again."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """`ids`: int32 (tokens,). `spans`: start and end (exclusive) of the learned tokens of each persona turn."""

    id: str
    ids: npt.NDArray[np.int32]
    spans: tuple[tuple[int, int], ...]
    is_cut: bool = False

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """int64 (tokens,): the ids where they are learned, else IGNORED. Not shifted."""
        labels = np.full(len(self.ids), IGNORED, dtype=np.int64)
        for start, end in self.spans:
            labels[start:end] = self.ids[start:end]
        return labels


def render(tokenizer: PreTrainedTokenizerBase, messages: Sequence[dict[str, str]], *, is_prompt: bool = False) -> str:
    """The text of a conversation; `is_prompt`: with what opens the persona's next turn."""
    with _explaining():
        text = tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=is_prompt)
    assert isinstance(text, str)
    return text


def name_row(conversation: Conversation) -> str:
    """Where an error has its cause."""
    return conversation.where or f"row {conversation.id}"


@contextmanager
def _explaining() -> Iterator[None]:
    try:
        yield
    except TemplateError as exc:  # its own refusals too, of a system message say
        hint = "take a base whose chat template renders system, user and assistant in turn"
        raise UsageError(f"the base's chat template does not render the conversation: {exc}", hint) from exc


def _render_probe(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """The added tokens that the template writes. Raises UsageError where it leaves the system message out."""
    said = {"system": "나는 누구인가", "user": "묻는 말", "assistant": "대답하는 말"}
    text = render(tokenizer, [{"role": role, "content": content} for role, content in said.items()])
    if said["system"] not in text:
        hint = "take a base whose template has a place for it: the persona's prompt stands there"
        raise UsageError("the base's chat template leaves the system message out", hint)
    return [each.content for each in tokenizer.added_tokens_decoder.values() if each.content in text]


@dataclass(frozen=True, slots=True)
class Encoder:
    """How conversations become ids.

    `markers`: the special tokens, and those that the template writes, with their ids; no text may hold one.
    """

    tokenizer: PreTrainedTokenizerBase
    max_tokens: int
    end_of_turn: str
    markers: dict[str, int]
    is_isolating: bool
    """Whether markers part a text cleanly: none eats white space or has other spellings, no added token holds one."""

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase, max_tokens: int, end_of_turn: str | None = None) -> "Encoder":
        """`end_of_turn` None: the tokenizer's eos. Raises UsageError for a template that drops the system message."""
        end = end_of_turn or str(tokenizer.eos_token)
        written = _render_probe(tokenizer)
        added = tokenizer.added_tokens_decoder
        marking = {id_: each for id_, each in added.items() if each.special or each.content in (end, *written)}
        others = [each.content for id_, each in added.items() if id_ not in marking]
        eaten = any(each.lstrip or each.rstrip or each.single_word or each.normalized for each in marking.values())
        markers = {each.content: id_ for id_, each in marking.items()}
        overlap = any(marker in other for other in others for marker in markers)
        return cls(tokenizer, max_tokens, end, markers, is_isolating=not (eaten or overlap))

    def encode_all(self, conversations: Iterable[Conversation]) -> Iterator[Encoded | None]:
        """As `encode`, in order. Where special tokens part a text cleanly, the first rows prove that serving sees the
        same ids, and for the others it is enough that each turn stands between special tokens."""
        for number, conversation in enumerate(conversations):
            yield self.encode(conversation, is_proven=self.is_isolating and number >= ROWS_PROVEN)

    def encode(self, conversation: Conversation, *, is_proven: bool = False) -> Encoded | None:
        """The ids, cut after the last whole exchange that fits; None where not even the first does.

        Raises UsageError for a chat template that does not only append; DataError for a special token in what is
        said, a turn without its end-of-turn token, or prompt ids that are no prefix of the training ids.
        """
        self._check_content(conversation)
        pieces = self._split(conversation)
        ids = self._tokenise(name_row(conversation), pieces)
        ends = list(accumulate(map(len, ids)))
        whole = [number for number in range(1, len(pieces), 2) if ends[number] <= self.max_tokens]
        if not whole:
            return None
        kept = whole[-1]
        flat = np.fromiter(chain.from_iterable(ids[: kept + 1]), np.int32, ends[kept])
        spans = tuple((ends[number - 1], ends[number]) for number in whole)
        self._check_ends(conversation, flat, spans)
        if not (is_proven and all(pieces[number - 1].endswith(tuple(self.markers)) for number in whole)):
            self._check_prompt(conversation, flat[: spans[-1][0]].tolist(), turn=len(whole) - 1)
        return Encoded(conversation.id, flat, spans, is_cut=kept < len(pieces) - 2)

    def _tokenise(self, row: str, pieces: Sequence[str]) -> list[list[int]]:
        """The ids of each piece. What stands between special tokens is tokenised in one call for all pieces."""
        parted = [_split_at(piece, tuple(self.markers)) for piece in pieces]
        texts = [part for parts in parted for part in parts if part not in self.markers and len(part) in SAID_ONCE]
        found, marked = iter(_encode_fast(self.tokenizer, texts)), set(self.markers.values())

        def find_ids(part: str) -> Sequence[int]:
            if part in self.markers:
                return (self.markers[part],)
            # A system prompt of a thousand characters stands in every row: it would be most of a row's cost.
            ids = next(found) if len(part) in SAID_ONCE else _encode_again(self.tokenizer, part)
            if not marked.isdisjoint(ids):  # in another spelling, which the tokenizer's normalizer knows
                hint = "it would open or end a turn: take it out of the text, or leave the row out"
                raise DataError(f"{row} holds a special token in {part[:60]!r}", hint)
            return ids

        return [[id_ for part in parts for id_ in find_ids(part)] for parts in parted]

    def _check_content(self, conversation: Conversation) -> None:
        for number, message in enumerate(conversation.messages, conversation.messages[0]["role"] != "system"):
            if found := next((each for each in self.markers if each in message["content"]), None):
                place = f"{name_row(conversation)}, turn {number} ({message['role']})"
                hint = "it would open or end a turn: take it out of the text, or leave the row out"
                raise DataError(f"{place} holds the special token {found}", hint)

    def _split(self, conversation: Conversation) -> list[str]:
        """Prompt, turn, prompt, turn, …, rest: every second piece is a persona's turn up to its end-of-turn token."""
        messages = conversation.messages
        turns = [number for number, each in enumerate(messages) if each["role"] == "assistant"]
        prompts = self._render([messages[:number] for number in turns], is_prompt=True)
        whole = self._render([messages], is_prompt=False)[0]
        pieces, done = [], 0
        for turn, prompt in zip(turns, prompts, strict=True):
            if not whole.startswith(prompt):
                raise UsageError(
                    "the chat template does not only append: a later message changes how an earlier one is rendered",
                    "give the base a template that renders a prefix of the messages as a prefix of the text",
                )
            end = whole.find(self.end_of_turn, len(prompt))
            if end < 0:
                found = f"{name_row(conversation)}: the template writes no {self.end_of_turn} after a persona's turn"
                raise DataError(found, "the model would never learn to stop; set `base.end_of_turn` to what it writes")
            end += len(self.end_of_turn)
            is_plain = whole[len(prompt) : end] == messages[turn]["content"] + self.end_of_turn
            # Where the template trims, or writes more, its rendering so far tells whether the end is this turn's.
            if not is_plain and end > len(self._render([messages[: turn + 1]], is_prompt=False)[0]):
                found = f"{name_row(conversation)}: not every persona turn is followed by {self.end_of_turn}"
                raise DataError(found, "set `base.end_of_turn` to the token that the template writes after each")
            pieces += [whole[done : len(prompt)], whole[len(prompt) : end]]
            done = end
        return [*pieces, whole[done:]]

    def _render(self, prefixes: Sequence[Sequence[dict[str, str]]], *, is_prompt: bool) -> list[str]:
        """As `render`, whose template it takes without copying the messages each time: they are plain strings."""
        beside: dict[str, Any] = {"tools": None, "documents": None, "add_generation_prompt": is_prompt}
        beside |= self.tokenizer.special_tokens_map
        with _explaining():
            template = _compile_jinja_template(self.tokenizer.get_chat_template())
            return [template.render(messages=list(each), **beside) for each in prefixes]

    def _check_ends(
        self, conversation: Conversation, ids: npt.NDArray[np.int32], spans: Sequence[tuple[int, int]]
    ) -> None:
        end_id = self.tokenizer.convert_tokens_to_ids(self.end_of_turn)
        if any(ids[end - 1] != end_id for _, end in spans):
            found = (
                f"{name_row(conversation)} has a persona turn without {self.end_of_turn} ({end_id}) among its labels"
            )
            raise DataError(found, "the tokenizer has to know it as one token; see `base.end_of_turn`")

    def _check_prompt(self, conversation: Conversation, trained: list[int], turn: int) -> None:
        """What serving renders and tokenises in one go, before persona turn `turn`, has to be what was trained on."""
        turns = [number for number, each in enumerate(conversation.messages) if each["role"] == "assistant"]
        prompt = render(self.tokenizer, conversation.messages[: turns[turn]], is_prompt=True)
        served = _encode(self.tokenizer, prompt)
        if served != trained:
            pairs = zip(served, trained, strict=False)
            first = next((place for place, (one, other) in enumerate(pairs) if one != other), "the end")
            found = (
                f"{name_row(conversation)}: the prompt's ids are no prefix of the training ids, from token {first} on"
            )
            raise DataError(found, "the template has to set a special token before and after a persona's turn")


def _split_at(text: str, markers: tuple[str, ...]) -> list[str]:
    """The text parted at the markers, which stay: `["[|user|]", "안녕?\\n"]`."""
    return [part for part in _compile(markers).split(text) if part]


@cache
def _compile(markers: tuple[str, ...]) -> re.Pattern[str]:
    longest_first = sorted(markers, key=lambda each: (-len(each), each))
    return re.compile(f"({'|'.join(map(re.escape, longest_first))})" if markers else r"(?!)")


def _encode(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


@lru_cache(maxsize=256)
def _encode_again(tokenizer: PreTrainedTokenizerBase, text: str) -> tuple[int, ...]:
    return tuple(_encode(tokenizer, text))


def _encode_fast(tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> list[list[int]]:
    """As `_encode`, of texts without special tokens: a third less time without the offsets that nobody asks for."""
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        return [_encode(tokenizer, text) for text in texts]
    backend = tokenizer.backend_tokenizer
    backend.no_padding()  # as whoever had the tokenizer before may have left it
    backend.no_truncation()
    return [each.ids for each in backend.encode_batch_fast(texts, add_special_tokens=False)]
