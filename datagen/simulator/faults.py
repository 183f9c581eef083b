"""What the simulator does wrong on purpose: how often, and which way a reply is spoilt."""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from datagen.errors import UsageError
from datagen.record import Message
from datagen.transcript import render_transcript

Share = Field(0.0, ge=0, le=1)


class Faults(BaseModel):
    """Shares are of requests, in 0..1; times in seconds. Every draw is seeded by the request's text and its count."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    latency_s: float = Field(0.0, ge=0)
    jitter_s: float = Field(0.0, ge=0)
    """The latency is drawn evenly from latency ± jitter."""
    rate_limited: float = Share
    """Answered 429 with Retry-After."""
    retry_after_s: float = Field(1.0, ge=0)
    server_error: float = Share
    """Answered 500."""
    cut: float = Share
    """The connection breaks in the middle of the reply."""
    stall: float = Share
    """No answer for `stall_s`, then the connection ends."""
    stall_s: float = Field(600.0, ge=0)
    malformed: float = Share
    """The reply is no whole dialogue, in one of the ways of `MALFORMED`."""
    refusal: float = Share
    slip: float = Share
    """The dialogue is whole, but something in it is not as it should be, in one of the ways of `slips.SLIPS`."""
    dressed: float = Field(0.15, ge=0, le=1)
    """The labels are bold, full-width, indented or fenced, as models write them: still a whole dialogue."""
    batch_s: float = Field(0.2, ge=0)
    """How long a batch takes."""
    batch_failed: float = Share
    """Of batches: not accepted by validation."""
    batch_expired: float = Share
    """Of batches: over with half of the requests done; so are cancelled ones."""
    batch_cancelled: float = Share
    batch_vanished: float = Share
    """Of batches: half-way, the endpoint no longer knows them."""
    batch_mess: float = Share
    """Of lines in an output file: garbage, missing, there twice, or followed by one of somebody else's."""
    batch_tokens: int | None = Field(None, ge=1)
    """Tokens of prompts that may wait in batches; one that passes it is not accepted."""
    answer_lost: float = Share
    """Of uploads and creations: they are done, and the connection breaks in the middle of the answer."""
    download_cut: float = Share
    """The connection breaks in the middle of the file."""
    download_short: float = Share
    """The file ends in the middle, as if that were all of it."""
    batch_stall: Literal["upload", "uploaded", "create", "created", "download"] | None = None
    """Where calls stand still for `stall_s`: before or after an upload, before or after a creation, at a download."""
    rpm: int | None = Field(None, ge=1)
    """Requests per minute that are let through; one second's worth may come at once."""
    announce: bool = True
    """Tell the limit in x-ratelimit headers."""
    price_prompt: float = Field(0.0, ge=0)
    price_completion: float = Field(0.0, ge=0)
    """US dollars per million tokens, reported as `usage.cost`."""


def read_faults(options: list[str]) -> Faults:
    """Read `NAME=VALUE` options. Raises UsageError where one is unknown or out of range."""
    try:
        return Faults.model_validate(dict(option.split("=", 1) for option in options))
    except ValidationError as exc:
        raise UsageError(f"--fault: {'; '.join(map(_describe, exc.errors()))}", _list_faults()) from exc
    except ValueError as exc:
        raise UsageError("--fault: expected NAME=VALUE", _list_faults()) from exc


def _describe(error: ErrorDetails) -> str:
    name = ".".join(map(str, error["loc"]))
    return f"there is no fault '{name}'" if error["type"] == "extra_forbidden" else f"{name}: {error['msg']}"


def _list_faults() -> str:
    known = ", ".join(f"{name}={field.default}" for name, field in Faults.model_fields.items())
    return f"known, with their defaults: {known}"


REFUSALS = (
    "죄송하지만 그 요청에는 응할 수 없습니다. 다른 주제로 도와드릴까요?",
    "미안하지만 이런 내용의 대화는 작성해 드릴 수 없어요.",
    "I'm sorry, but I can't help with that request.",
)

_LABEL = re.compile(r"^(human|gpt)(\d+):", re.MULTILINE)


def dress(transcript: str, rng: random.Random) -> str:
    """The same dialogue in another dress that the transcript format allows for."""
    return rng.choice(_DRESSES)(transcript)


_DRESSES: tuple[Callable[[str], str], ...] = (
    lambda text: _LABEL.sub(r"**\1\2**:", text),
    lambda text: _LABEL.sub(r"**\1\2:**", text),
    lambda text: _LABEL.sub(lambda found: f"{found[1].capitalize()} {found[2]} :", text),
    lambda text: _LABEL.sub(r"\1\2：", text),
    lambda text: _LABEL.sub(r"\n  \1\2:", text),
    lambda text: f"```\n{text}\n```",
    lambda text: f"네, 요청하신 대화예요.\n\n---\n\n{text}\n\n---",
    lambda text: "\ufeff" + text.replace("\n", "\r\n"),
)


@dataclass(frozen=True, slots=True)
class Draft:
    """A dialogue to be spoilt. `exchanges`: the least and the most that count as whole."""

    messages: tuple[Message, ...]
    exchanges: tuple[int, int]
    rng: random.Random

    @property
    def text(self) -> str:
        return render_transcript(self.messages)


def spoil(draft: Draft) -> tuple[str, str]:
    """A reply that is no whole dialogue, in a drawn way, and its finish reason."""
    return MALFORMED[draft.rng.choice(sorted(MALFORMED))](draft)


def _unlabelled(draft: Draft) -> tuple[str, str]:
    return "\n".join(f"- {message.content}" for message in draft.messages), "stop"


def _out_of_order(draft: Draft) -> tuple[str, str]:
    if draft.rng.random() < 0.5:
        return draft.text.replace("gpt1:", "gpt2:", 1), "stop"
    return draft.text.replace("human1:", "gpt0:", 1), "stop"


def _empty_utterance(draft: Draft) -> tuple[str, str]:
    return draft.text.rpartition("\ngpt")[0] + f"\ngpt{len(draft.messages) // 2}:", "stop"


def _truncated(draft: Draft) -> tuple[str, str]:
    if draft.rng.random() < 0.5:
        return draft.text[: max(20, len(draft.text) * 2 // 3)], "length"
    return draft.text.rpartition("\ngpt")[0], "stop"


def _too_few(draft: Draft) -> tuple[str, str]:
    return render_transcript(draft.messages[: 2 * (draft.exchanges[0] - 1)]), "stop"


def _too_many(draft: Draft) -> tuple[str, str]:
    repeats = draft.exchanges[1] // (len(draft.messages) // 2) + 1
    return render_transcript(draft.messages * repeats), "stop"


def _label_in_text(draft: Draft) -> tuple[str, str]:
    if draft.rng.random() < 0.5:
        return " ".join(draft.text.split("\n")), "stop"
    return draft.text + "\nUser: 그런데 있잖아", "stop"


MALFORMED: dict[str, Callable[[Draft], tuple[str, str]]] = {
    "unlabelled": _unlabelled,
    "out-of-order": _out_of_order,
    "empty-utterance": _empty_utterance,
    "truncated": _truncated,
    "too-few-exchanges": _too_few,
    "too-many-exchanges": _too_many,
    "label-in-text": _label_in_text,
}
