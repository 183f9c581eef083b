"""What the simulator does wrong on purpose: how often, and which way a reply is spoilt."""

import random
import re
from collections.abc import Callable

from pydantic import BaseModel, ConfigDict, Field

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
    dressed: float = Field(0.15, ge=0, le=1)
    """The labels are bold, full-width, indented or fenced, as models write them: still a whole dialogue."""
    rpm: int | None = Field(None, ge=1)
    """Requests per minute that are let through; one second's worth may come at once."""
    announce: bool = True
    """Tell the limit in x-ratelimit headers."""
    price_prompt: float = Field(0.0, ge=0)
    price_completion: float = Field(0.0, ge=0)
    """US dollars per million tokens, reported as `usage.cost`."""


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


def spoil(messages: tuple[Message, ...], exchanges: tuple[int, int], rng: random.Random) -> tuple[str, str]:
    """A reply that is no whole dialogue, and its finish reason. `exchanges`: the least and most that count as whole."""
    return MALFORMED[rng.choice(sorted(MALFORMED))](messages, exchanges, rng)


Spoiler = Callable[[tuple[Message, ...], tuple[int, int], random.Random], tuple[str, str]]


def _unlabelled(messages: tuple[Message, ...], exchanges: tuple[int, int], rng: random.Random) -> tuple[str, str]:
    return "\n".join(f"- {message.content}" for message in messages), "stop"


def _out_of_order(messages: tuple[Message, ...], exchanges: tuple[int, int], rng: random.Random) -> tuple[str, str]:
    if rng.random() < 0.5:
        return render_transcript(messages).replace("gpt1:", "gpt2:", 1), "stop"
    return "\n".join(reversed(render_transcript(messages).split("\n"))), "stop"


def _empty_utterance(messages: tuple[Message, ...], exchanges: tuple[int, int], rng: random.Random) -> tuple[str, str]:
    lines = [f"{'gpt' if at % 2 else 'human'}{at // 2 + 1}: {message.content}" for at, message in enumerate(messages)]
    lines[-1] = lines[-1].partition(":")[0] + ":"
    return "\n".join(lines), "stop"


def _truncated(messages: tuple[Message, ...], exchanges: tuple[int, int], rng: random.Random) -> tuple[str, str]:
    text = render_transcript(messages)
    if rng.random() < 0.5:
        return text[: max(20, len(text) * 2 // 3)], "length"
    return text.rpartition("\ngpt")[0], "stop"


def _too_few(messages: tuple[Message, ...], exchanges: tuple[int, int], rng: random.Random) -> tuple[str, str]:
    least = exchanges[0]
    return (render_transcript(messages[: 2 * (least - 1)]), "stop") if least > 1 else ("", "stop")


def _too_many(messages: tuple[Message, ...], exchanges: tuple[int, int], rng: random.Random) -> tuple[str, str]:
    longer = messages * (exchanges[1] // max(1, len(messages) // 2) + 1)
    return render_transcript(longer), "stop"


def _label_in_text(messages: tuple[Message, ...], exchanges: tuple[int, int], rng: random.Random) -> tuple[str, str]:
    if rng.random() < 0.5:
        return render_transcript(messages).replace("\n", " "), "stop"
    return render_transcript(messages) + "\nUser: 그런데 있잖아", "stop"


MALFORMED: dict[str, Spoiler] = {
    "unlabelled": _unlabelled,
    "out-of-order": _out_of_order,
    "empty-utterance": _empty_utterance,
    "truncated": _truncated,
    "too-few-exchanges": _too_few,
    "too-many-exchanges": _too_many,
    "label-in-text": _label_in_text,
}
