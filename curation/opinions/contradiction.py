"""contradiction (optional): a model reads a long dialogue and names what cannot be true beside what was said before.

An answer counts only if its quotes stand in the messages that it names: a model that invents a contradiction mostly
invents the words too. A contradiction notes, unless the limit says otherwise.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from curation.filter import FilterSettings
from curation.finding import AtLeast, Finding
from curation.opinions.judge import PERSONA_PLACE, JudgeProvider, list_objects

CODE = "contradiction"
RULE = "conflict"
MAX_READ = 40_000
"""Characters of a reply that are searched for an answer."""
MAX_TOLD = 20
"""Contradictions of one dialogue that are told of."""
_MAX_WHY = 120
_MAX_QUOTE = 60
_KEY = "contradictions"


class ContradictionSettings(FilterSettings):
    """The `contradiction` block: which model is asked, about which dialogues, and where its confidence draws a line."""

    provider: JudgeProvider
    least_messages: int = Field(16, ge=2)
    """Messages from which on a dialogue is asked about. Default: below it models contradict themselves too seldom to
    pay for the question."""
    prompt: str | None = None
    """The system message, with `{{ persona }}` where the persona's sheet goes; None: `prompts/contradiction.md`."""
    conflict: AtLeast = AtLeast(note=0.5)
    """How surely the two cannot both be true, 0..1, as the model says. Default: as likely as not; nothing drops, since
    models take a change of mind for a contradiction."""

    @model_validator(mode="after")
    def _asks_for_contradictions(self) -> Self:
        needed = (PERSONA_PLACE, _KEY, *(name for name in Contradiction.model_fields))
        missing = [name for name in needed if self.prompt is not None and name not in self.prompt]
        if missing:
            raise ValueError(f"the prompt does not mention {', '.join(missing)}: see specs/prompts/contradiction.md")
        return self


class Contradiction(BaseModel):
    """Two messages, by their numbers from 1, and the words in them that cannot both be true."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    first: int = Field(ge=1)
    second: int = Field(ge=1)
    first_quote: str = Field(min_length=1)
    second_quote: str = Field(min_length=1)
    why: str = ""
    confidence: float = Field(ge=0, le=1)


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    contradictions: list[Contradiction]


def read_contradictions(reply: str, messages: Sequence[str]) -> list[Contradiction] | None:
    """The last answer in a reply, each with the earlier message first; None where it is not in form.

    Not in form is also one that names a message that there is not, or quotes what does not stand in it.
    """
    found: list[Contradiction] | None = None
    for value in list_objects(reply[:MAX_READ]):
        try:
            answer = _Answer.model_validate(value)
        except ValidationError:
            continue
        is_true = all(_is_quoted(each, messages) for each in answer.contradictions)
        found = [_put_in_order(each) for each in answer.contradictions] if is_true else None
    return found


def _is_quoted(each: Contradiction, messages: Sequence[str]) -> bool:
    if each.first == each.second or max(each.first, each.second) > len(messages):
        return False
    quotes = ((each.first, each.first_quote), (each.second, each.second_quote))
    return all(find_quote(quote, messages[number - 1]) is not None for number, quote in quotes)


def _put_in_order(each: Contradiction) -> Contradiction:
    if each.first < each.second:
        return each
    return each.model_copy(
        update={
            "first": each.second,
            "second": each.first,
            "first_quote": each.second_quote,
            "second_quote": each.first_quote,
        }
    )


def find_quote(quote: str, text: str) -> tuple[int, int] | None:
    """Where a quote stands in a text, whatever white space it has between its words and marks of quoting around it."""
    words = quote.strip(" \n\t\"'“”‘’").split()
    if not words:
        return None
    found = re.search(r"\s+".join(map(re.escape, words)), text)
    return None if found is None else found.span()


def list_findings(
    found: Sequence[Contradiction], messages: Sequence[str], settings: ContradictionSettings
) -> Iterator[Finding]:
    """What the limit makes of a dialogue's contradictions, each at its later place; the surest of one pair."""
    surest: dict[tuple[int, int], Contradiction] = {}
    for each in sorted(found, key=lambda each: -each.confidence):
        surest.setdefault((each.first, each.second), each)
    for each in sorted(list(surest.values())[:MAX_TOLD], key=lambda each: (each.second, each.first)):
        if (judged := settings.conflict.judge(each.confidence)) is None:
            continue
        start, end = find_quote(each.second_quote, messages[each.second - 1]) or (None, None)
        told = (
            f"{each.first}번째 말 ‘{_shorten(each.first_quote, _MAX_QUOTE)}’, "
            f"{each.second}번째 말 ‘{_shorten(each.second_quote, _MAX_QUOTE)}’, 앞뒤가 어긋남"
        )
        evidence = f"{told}: {_shorten(each.why, _MAX_WHY) or '까닭을 밝히지 않음'}"
        yield Finding(CODE, RULE, each.second - 1, start, end, evidence, each.confidence, judged[1], judged[0])


def _shorten(text: str, most: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else f"{text[: most - 1]}…"


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of reading for contradictions: dialogues that were read, that were not, and those with a finding."""

    read: int
    unread: int
    contradictory: int


def describe_reading(reading: Reading) -> Mapping[str, object]:
    """The figures of the report."""
    figures = {"read": reading.read, "unread": reading.unread, "with contradictions": reading.contradictory}
    return {"contradictions": figures}
