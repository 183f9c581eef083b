"""From a model's reply to one utterance of a duet: whether it is one, and whether the user ends the dialogue with it.

A reply is what one side says, once: no label, no second speaker, nothing cut off. The user's model ends the dialogue
with a line `[끝]`, which is taken off and never stored.
"""

import re
from dataclasses import dataclass
from typing import Literal

from datagen.answer import Answer
from datagen.record import clean_text
from datagen.transcript import is_utterance, trim_utterance

END_MARK = "[끝]"

UtteranceReason = Literal[
    "refusal",
    "content-filter",
    "truncated",
    "empty-utterance",
    "too-long",
    "label-in-text",
    "several-turns",
    "ended-early",
]

LONGEST = 2_000
"""Characters. A messenger line has some 50 and a summary 600; curation drops a dialogue for one line of 1,200, and
until then each request would carry what an endpoint without a limit goes on about."""

_MARK = r"[\[［【][ \t]*끝[ \t]*[\]］】]"
_LINE = r"\n[ \t]*(?:[->][ \t]*)?"
_QUOTES = "[*`\"'“”‘’]{0,3}"
_MARK_AT_END = re.compile(rf"(?:(?:{_LINE})?{_QUOTES}{_MARK}|{_LINE}{_QUOTES}[(（<]끝[)）>]){_QUOTES}[.!~]?\s*\Z")
"""Round and angle brackets count on a line of their own alone: people end jokes with (끝)."""
_INSIDE = re.compile(
    rf"\b(?:human|gpt)[ \t]{{0,3}}\d{{1,6}}[ \t]{{0,3}}[:：]|{_MARK}|</?think>"
    r"|\((?:\d+번째로 말할 차례다\.|유저의 마지막 말이다\.|앞에서 나눈 이야기는 '|대화를 시작한다\.)",
    re.IGNORECASE,
)
"""Labels, marks, what a model thinks, and the note of `duet_note.md`, which models repeat."""
_SIDES = ("human", "gpt", "user", "assistant", "유저", "사용자", "페르소나")
_REFUSAL = re.compile(
    r"(?:요청|내용의?|대화)[^\n]{0,20}?"
    r"(?:응할|도와\s?드릴|작성할|작성해\s?드릴|생성할|제공할|이어\s?갈|이어\s?나갈)\s?수\s?(?:는\s?)?없"
    r"|AI 언어 모델(?:이라|로서|이므로)"
    r"|\bI(?:'m| am) sorry, but\b|\bI (?:can(?:'|’)?t|cannot) (?:help|assist|continue)\b",
    re.IGNORECASE,
)
"""Narrower than a transcript's: people in a dialogue say 미안 and 못 to one another all the time."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A reply that is an utterance. `has_mark`: it wants to be the user's last."""

    text: str
    has_mark: bool


@dataclass(frozen=True, slots=True)
class NoUtterance:
    """A reply that is none, and why."""

    reason: UtteranceReason
    detail: str


def read_utterance(answer: Answer, persona_name: str | None) -> Heard | NoUtterance:
    """What one side says by this reply. Never raises; what it hears can stand in a transcript.

    Without a persona's name it is a summary, which may name speakers.
    """
    if answer.declined:
        return NoUtterance("refusal", "the endpoint marked the reply as a refusal")
    if answer.finish_reason == "content_filter":
        return NoUtterance("content-filter", "the endpoint cut the reply off")
    if answer.finish_reason == "length":
        return NoUtterance("truncated", "the endpoint cut the reply off at its length limit")
    text, has_mark = take_mark_off(answer.text)
    if not text:
        return NoUtterance("empty-utterance", "the reply says nothing")
    if len(text) > LONGEST:
        return NoUtterance("too-long", f"the reply has {len(text):,} characters, expected at most {LONGEST:,}")
    if found := _REFUSAL.search(text):
        return NoUtterance("refusal", f"the model declined: '{found[0]}'")
    found_label = None if persona_name is None else _find_label(text, persona_name)
    return found_label or Heard(text, has_mark)


def take_mark_off(reply: str) -> tuple[str, bool]:
    """The reply in normal form without `[끝]` at its end, and whether there was one."""
    text, has_mark = trim_utterance(clean_text(reply)), False
    while found := _MARK_AT_END.search(text):
        text, has_mark = trim_utterance(text[: found.start()]), True
    return text, has_mark


def _find_label(text: str, persona_name: str) -> NoUtterance | None:
    names = "|".join(map(re.escape, (*_SIDES, persona_name)))
    label = rf"^[ \t]*(?:\*\*|__)?\{{?(?:{names})\}}?[ \t]{{0,3}}\d{{0,6}}[ \t]{{0,3}}(?:\*\*|__)?[ \t]{{0,3}}[:：]"
    labels = list(re.finditer(label, text, re.IGNORECASE | re.MULTILINE))
    if len(labels) > 1 or (labels and text[: labels[0].start()].strip()):
        return NoUtterance("several-turns", f"'{labels[-1][0].strip()}' begins another turn")
    if labels:
        return NoUtterance("label-in-text", f"'{labels[0][0].strip()}' stands before what is said")
    if found := _INSIDE.search(text):
        return NoUtterance("label-in-text", f"'{found[0]}' stands in what is said")
    if not is_utterance(text):
        return NoUtterance("label-in-text", "a transcript could not hold it: a label stands in it")
    return None
