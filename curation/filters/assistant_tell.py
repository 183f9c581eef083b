"""assistant-tell: the persona talks like an assistant or a help desk.

Why    "도움이 되셨나요?" is what the teacher model falls back to; a few in the data and the persona ends every turn so.
Drops  "AI 언어 모델로서", "무엇을 도와드릴까요?", "죄송하지만 … 할 수 없습니다", "그것은 훌륭한 질문입니다".
Keeps  "나는 AI라서 밥은 못 먹지만" (엑사 is one, and says so), "내가 도와줄게!", the user's "죄송합니다".
Notes  What a friend may say as well: "도움이 됐길 바라", "좋은 질문이야", "AI라 감정은 없지만".
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from pydantic import Field

from curation.filter import Filter, FilterSettings
from curation.filters.word_file import WordForm, read_words
from curation.finding import AtLeast, Observation
from curation.subject import Subject, Utterance


class Settings(FilterSettings):
    """Limits of `assistant-tell`."""

    phrase: AtLeast = AtLeast(drop=1, note=0.5)
    """The weight of a stock phrase, 0 to 1, from the data file. Default: only what no friend says drops."""


class PhraseForm(WordForm):
    key: str = Field(min_length=1)
    pattern: str = Field(min_length=1)
    weight: float = Field(gt=0, le=1)
    what: str = Field(min_length=1)


class Words(WordForm):
    phrases: list[PhraseForm]


class Phrase(NamedTuple):
    pattern: re.Pattern[str]
    weight: float
    what: str


def _group_by_key(phrases: list[PhraseForm]) -> dict[str, list[Phrase]]:
    """Key → its phrases: a key absent from a dialogue saves their searches."""
    grouped: dict[str, list[Phrase]] = {}
    for each in phrases:
        grouped.setdefault(each.key, []).append(Phrase(re.compile(each.pattern), each.weight, each.what))
    return grouped


_PHRASES = _group_by_key(read_words("assistant-tell", Words).phrases)
_ANY_KEY = re.compile("|".join(map(re.escape, _PHRASES)))


def measure(subject: Subject, _: Settings) -> Iterator[Observation]:
    if _ANY_KEY.search(subject.whole):
        phrases = [phrase for key in _PHRASES if key in subject.whole for phrase in _PHRASES[key]]
        for utterance in subject.persona_utterances:
            yield from _observe(utterance, phrases)


def _observe(utterance: Utterance, phrases: list[Phrase]) -> Iterator[Observation]:
    """The first place of each phrase; of phrases at overlapping places only the heaviest."""
    found = [(match, each) for each in phrases if (match := each.pattern.search(utterance.speech)) is not None]
    taken: list[tuple[int, int]] = []
    for match, phrase in sorted(found, key=lambda pair: (-pair[1].weight, pair[0].start())):
        text = match[0].strip()
        start = match.start() + match[0].index(text)
        end = start + len(text)
        if text and all(end <= low or start >= high for low, high in taken):
            taken.append((start, end))
            evidence = f"{phrase.what}: {text[:70]}"
            yield Observation("phrase", phrase.weight, evidence, utterance.index, start, end)


FILTER = Filter("assistant-tell", 1, Settings, measure)
