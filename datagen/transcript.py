"""From a model's reply to a dialogue, and back: the transcript format `human1: … gpt1: … human2: …`.

The reply is read as one text: a label counts at the start of a line only, in any of the dresses that models give it,
and all lines up to the next label are the utterance. A reply that is not a whole dialogue is rejected with one reason;
the words "human1" or "gpt1:" inside a sentence are just words. Every expression here is linear in the text's length.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from datagen.record import Message, Role, clean_text

Reason = Literal[
    "refusal",
    "unlabelled",
    "wrong-form",
    "out-of-order",
    "empty-utterance",
    "truncated",
    "too-few-exchanges",
    "too-many-exchanges",
    "label-in-text",
]

_SPEAKERS = ("human", "gpt")
_ROLES: dict[str, Role] = {"human": "user", "gpt": "assistant"}

_BLANK = "[ \t\u00a0\u3000]"
_NAME = rf"(?:human|gpt){_BLANK}{{0,3}}\d{{1,6}}{_BLANK}{{0,3}}"
_LABEL = re.compile(
    rf"^{_BLANK}*(?:(?:#{{1,6}}|[>•-]){_BLANK}+)?"
    rf"(?:(\*\*|__)(?P<inside>{_NAME})[:：]{_BLANK}*\1"  # **human1:**
    rf"|(\*{{1,3}}|__?)(?P<before>{_NAME})\3{_BLANK}{{0,3}}[:：]"  # **human1**:
    rf"|(?:\*\*)?(?P<plain>{_NAME})[:：])",
    re.IGNORECASE | re.MULTILINE,
)
_LABEL_INSIDE = re.compile(rf"(?P<plain>{_NAME})(?:\*\*|__)?{_BLANK}{{0,3}}[:：]", re.IGNORECASE)
_NAME_PARTS = re.compile(r"([a-z]+)\D*(\d+)", re.IGNORECASE)
_STRAY_LABEL = re.compile(
    rf"^{_BLANK}*(?:\*\*|__)?(?:human|gpt|(?:user|assistant){_BLANK}{{0,3}}\d{{0,6}})(?:\*\*|__)?{_BLANK}{{0,3}}[:：]"
    rf"|(?<=\n){_BLANK}*(?:\*\*|__)?{_NAME}(?:\*\*|__)?{_BLANK}*$",
    re.IGNORECASE | re.MULTILINE,
)
"""A label without its number, of another convention, or alone on its line: a turn that the sequence does not show."""

_SEPARATOR = re.compile(r"[ \t]*(?:[-=_*—─][ \t]*){3,}")
_FENCE = re.compile(r"[ \t]*```[\w+-]*[ \t]*")
_REFUSAL = re.compile(
    r"(?:죄송|미안|유감)[^\n]{0,80}?(?:수\s?없|않|어렵|못|힘들)"
    r"|(?:요청|내용|대화)[^\n]{0,40}?(?:응할|도와\s?드릴|작성할|생성할|제공할|들어줄|써\s?줄)\s?수\s?(?:는\s?)?없"
    r"|\b(?:sorry|apologi[sz]e)\b|\bI(?:'m| am) (?:unable|not able)|\bI (?:can(?:'|’)?t|cannot|won(?:'|’)?t)\b",
    re.IGNORECASE,
)
_REFUSAL_WITHIN = 400
"""Characters. A refusal says so at once; an apology further down belongs to a story."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """A reply that is a whole dialogue."""

    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Rejection:
    """A reply that is not, and why: `reason` for counting, `detail` for reading."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Turn:
    """What a reply gives one side to say; `speaker` is `human` or `gpt`, and numbers begin with 1."""

    speaker: str
    number: int
    text: str


def parse_transcript(
    reply: str, exchanges: tuple[int, int], finish_reason: str | None = "stop"
) -> Transcript | Rejection:
    """Read a reply, asked to hold between `exchanges[0]` and `exchanges[1]` pairs of utterances.

    `finish_reason` is the endpoint's: "length" means that the reply was cut off. Never raises; linear in time.
    """
    text = clean_text(reply)
    preamble, turns = _split_turns(text)
    if not turns:
        return _explain_unlabelled(text, finish_reason)
    return judge_turns(turns, exchanges, finish_reason, preamble)


def judge_turns(
    turns: list[Turn], exchanges: tuple[int, int], finish_reason: str | None, preamble: str = ""
) -> Transcript | Rejection:
    """The dialogue that the turns are, or the first reason why they are none. `preamble`: the text before them."""
    rejection = (
        check_complete(finish_reason)
        or _check_order(preamble, turns)
        or _check_texts(turns)
        or check_length(len(turns) // 2, exchanges)
    )
    return rejection or Transcript(tuple(Message(_ROLES[turn.speaker], turn.text) for turn in turns))


def render_transcript(messages: Sequence[Message]) -> str:
    """Write a dialogue in the transcript format; `parse_transcript` gives it back.

    Raises ValueError for what could not be read back: roles that do not alternate, or text that is no utterance.
    """
    turns = []
    for index, message in enumerate(messages):
        speaker = _SPEAKERS[index % 2]
        if message.role != _ROLES[speaker]:
            raise ValueError(f"message {index + 1} is the {message.role}'s, expected user and assistant in turn")
        if not is_utterance(message.content):
            raise ValueError(f"message {index + 1} is empty, not in normal form, or holds a label: {message.content!r}")
        turns.append(Turn(speaker, index // 2 + 1, message.content))
    if not turns:
        raise ValueError("the dialogue is empty")
    if (rejection := _check_order("", turns)) is not None:
        raise ValueError(f"the dialogue could not be read back: {rejection.detail}")
    return "\n".join(f"{turn.speaker}{turn.number}: {turn.text}" for turn in turns)


def find_label(text: str) -> str | None:
    """A label at the start of a line of a text that should have none."""
    found = _LABEL.search(text) or _STRAY_LABEL.search(text)
    return found[0].strip() if found else None


def is_utterance(text: str) -> bool:
    """Whether a transcript can hold the text: not empty, in normal form, no label at the start of a line of it."""
    if not text or text != trim_utterance(clean_text(text)) or _STRAY_LABEL.search(text):
        return False
    return "\n" not in text or not _LABEL.search(text, text.index("\n"))


def _split_turns(text: str) -> tuple[str, list[Turn]]:
    """The text before the first label, and the labelled turns, trimmed."""
    labels = list(_LABEL.finditer(text))
    if not labels:
        return text, []
    ends = [label.start() for label in labels[1:]] + [len(text)]
    turns = [
        Turn(*_read_name(label), trim_utterance(text[label.end() : end]))
        for label, end in zip(labels, ends, strict=True)
    ]
    return text[: labels[0].start()], turns


def _read_name(label: re.Match[str]) -> tuple[str, int]:
    groups = label.groupdict()
    name = _NAME_PARTS.match(next(group for group in groups.values() if group))
    assert name is not None  # _NAME holds letters, then digits
    return name[1].lower(), int(name[2])


def trim_utterance(text: str) -> str:
    """Without white space, separators and an unpaired code fence around it."""
    lines = text.strip().split("\n")
    unpaired = sum(_FENCE.fullmatch(line) is not None for line in lines) % 2 == 1
    while lines and _is_frame(lines[-1], unpaired):
        unpaired = unpaired and not _FENCE.fullmatch(lines[-1])
        lines.pop()
    start = 0
    while start < len(lines) and (not lines[start].strip() or _SEPARATOR.fullmatch(lines[start])):
        start += 1
    return "\n".join(lines[start:]).strip()


def _is_frame(line: str, unpaired: bool) -> bool:
    return not line.strip() or bool(_SEPARATOR.fullmatch(line)) or (unpaired and bool(_FENCE.fullmatch(line)))


def find_refusal(text: str) -> Rejection | None:
    """Whether a reply that is no dialogue declines."""
    if found := _REFUSAL.search(text[:_REFUSAL_WITHIN]):
        return Rejection("refusal", f"the model declined: '{found[0]}'")
    return None


def _explain_unlabelled(text: str, finish_reason: str | None) -> Rejection:
    if (refusal := find_refusal(text)) is not None:
        return refusal
    if finish_reason == "length":
        return check_complete(finish_reason) or Rejection("truncated", "cut off")
    if found := _LABEL_INSIDE.search(text):
        return Rejection("label-in-text", f"'{found[0]}' stands inside a line, expected labels at the start of one")
    return Rejection("unlabelled", "no line starts with human1:" if text.strip() else "the reply is empty")


def check_complete(finish_reason: str | None) -> Rejection | None:
    if finish_reason == "length":
        return Rejection("truncated", "the endpoint cut the reply off at its length limit")
    return None


def _expected_names() -> Iterator[tuple[str, int]]:
    number = 1
    while True:
        yield "human", number
        yield "gpt", number
        number += 1


def _check_order(preamble: str, turns: list[Turn]) -> Rejection | None:
    before = preamble
    for turn, (speaker, number) in zip(turns, _expected_names(), strict=False):
        if (turn.speaker, turn.number) != (speaker, number):
            if _holds_label(before, speaker, number):
                return Rejection("label-in-text", f"{speaker}{number}: stands inside the text before it")
            return Rejection("out-of-order", f"found {turn.speaker}{turn.number}, expected {speaker}{number}")
        before = turn.text
    if turns[-1].speaker == "human":
        if _holds_label(before, "gpt", turns[-1].number):
            return Rejection("label-in-text", f"gpt{turns[-1].number}: stands inside the user's text")
        return Rejection("truncated", f"ends with the user's turn human{turns[-1].number}")
    following = turns[-1].number + 1
    if _holds_label(before, "human", following) and _holds_label(before, "gpt", following):
        return Rejection("label-in-text", f"human{following}: and gpt{following}: stand inside gpt{following - 1}")
    return None


def _holds_label(text: str, speaker: str, number: int) -> bool:
    return any(_read_name(label) == (speaker, number) for label in _LABEL_INSIDE.finditer(text))


def _check_texts(turns: list[Turn]) -> Rejection | None:
    for turn in turns:
        if not turn.text:
            return Rejection("empty-utterance", f"{turn.speaker}{turn.number} says nothing")
        if found := _STRAY_LABEL.search(turn.text):
            return Rejection("label-in-text", f"'{found[0].strip()}' stands in {turn.speaker}{turn.number}")
    return None


def check_length(count: int, exchanges: tuple[int, int]) -> Rejection | None:
    least, most = exchanges
    if count < least:
        return Rejection("too-few-exchanges", f"{count}, expected at least {least}")
    if count > most:
        return Rejection("too-many-exchanges", f"{count}, expected at most {most}")
    return None
