"""label-leak: the transcript's labels or a chat template's tokens stand inside an utterance.

Why    A label that the parser did not take off is spoken aloud, and a model trained on it plays both sides.
Drops  "gpt2: 그래", "**User:** 안녕", "엑사: 응", "사용자：안녕", "[|user|]", "<|im_start|>", "### 응답", JSON.
Keeps  "시간: 3시", "준비물: 물", "to. 엑사", "내가 그랬지: “…”", "엑사야: 라고 부르지 마", "GPT-4는", "역할: 왕자".
Notes  "AI: …", "Q: …", "시스템: …": people write these too.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

from curation.filter import Filter, FilterSettings
from curation.filters.word_file import WordForm, read_words
from curation.finding import AtLeast, Observation
from curation.subject import Subject, Utterance


class Settings(FilterSettings):
    """Limits of `label-leak`. A score is 1 for what nobody says and 0.5 for what people write too."""

    label: AtLeast = AtLeast(drop=1, note=0.5)
    """A speaker's label, 0.5 or 1. Default: the sure ones drop."""
    token: AtLeast = AtLeast(drop=1)
    """A control token or a heading of a prompt, 1. Default: nobody says it."""
    structure: AtLeast = AtLeast(drop=1)
    """A message as JSON or YAML, 1. Default: nobody says it."""


class Words(WordForm):
    numbered: list[str]
    speakers: list[str]
    doubtful: list[str]
    tokens: list[str]
    headings: list[str]


_WORDS = read_words("label-leak", Words)


def _any_of(words: list[str]) -> str:
    return "|".join(re.escape(each) for each in sorted(words, key=len, reverse=True))


_OPEN = r"[ \t]{0,8}(?:[-*>#]{1,3} ?)?[*_\[<(【「\"']{0,4} ?"
_CLOSE = r"[*_\]>)】」\"']{0,4}[ \t]?[:：][*_]{0,3}"
_NUMBERED = re.compile(
    rf"(?:^|(?<=[\s.,!?~…\"”’]))[*_\[(<]{{0,3}}(?:{_any_of(_WORDS.numbered)})[ _]?\d{{1,3}}{_CLOSE}",
    re.IGNORECASE | re.MULTILINE,
)
_MID_LINE = re.compile(
    r"(?<=[.!?~…\"”ㅋㅎㅠ^] )\*{0,3}(?:User|Assistant|Human|System|GPT|사용자|유저|어시스턴트)\*{0,3}[:：]"
)
_DOUBTFUL = re.compile(rf"^{_OPEN}(?:{_any_of(_WORDS.doubtful)}){_CLOSE}(?=[ \t]*\S)", re.IGNORECASE | re.MULTILINE)
_TOKEN = re.compile(
    rf"{_any_of([each for each in _WORDS.tokens if each not in ('<|', '|>')])}|<\|[^\s|<>]{{1,40}}\|>", re.IGNORECASE
)
_HEADING = re.compile(
    rf"^[ \t]{{0,3}}(?:#{{2,6}} ?|# )(?:{_any_of(_WORDS.headings)})(?![가-힣A-Za-z])", re.IGNORECASE | re.MULTILINE
)
_STRUCTURE = re.compile(
    r"[\"'](?:role|content|messages|speaker|utterance)[\"']\s?:\s?[\"'\[{]"
    r"|^[ \t]{0,8}(?:- )?role:[ \t]?[\"']?(?:user|assistant|system)\b",
    re.MULTILINE,
)
_MARKS = (":", "：", "[", "【", "<", "|", "#")
"""What every label and token contains; most dialogues have none of it."""


@lru_cache(maxsize=64)
def _compile_speakers(name: str) -> re.Pattern[str]:
    """Labels at the beginning of a line, the persona's name among them; its name in square brackets needs no colon."""
    speakers = [*_WORDS.speakers, *([name] if name else [])]
    bracketed = rf"|^[ \t]{{0,8}}(?:\[{re.escape(name)}\]|【{re.escape(name)}】|<{re.escape(name)}>)" if name else ""
    return re.compile(rf"^{_OPEN}(?:{_any_of(speakers)}){_CLOSE}{bracketed}", re.IGNORECASE | re.MULTILINE)


def measure(subject: Subject, _: Settings) -> Iterator[Observation]:
    whole = subject.whole
    if not any(map(whole.__contains__, _MARKS)):
        return
    speakers = _compile_speakers(subject.persona.name.strip() if subject.persona else "")
    rules: tuple[tuple[str, re.Pattern[str], float, str], ...] = (
        ("label", speakers, 1, "대사 속에 화자 표시가 있음"),
        ("label", _NUMBERED, 1, "대사 속에 화자 표시가 있음"),
        ("label", _MID_LINE, 1, "대사 속에 화자 표시가 있음"),
        ("label", _DOUBTFUL, 0.5, "화자 표시일 수 있음"),
        ("token", _TOKEN, 1, "대화 서식의 제어 토큰"),
        ("token", _HEADING, 1, "프롬프트의 제목"),
        ("structure", _STRUCTURE, 1, "JSON이나 YAML로 적힌 메시지"),
    )
    for rule, pattern, score, kind in rules:
        if pattern.search(whole) is not None:
            for utterance in subject.utterances:
                yield from _observe(utterance, (rule, pattern, score, kind))


def _observe(utterance: Utterance, what: tuple[str, re.Pattern[str], float, str]) -> Iterator[Observation]:
    """The first place of a kind in an utterance."""
    rule, pattern, score, kind = what
    found = pattern.search(utterance.text)
    if found is not None:
        start = found.start() + len(found[0]) - len(found[0].lstrip())
        shown = utterance.text[start : found.end() + 20].splitlines()[0]
        yield Observation(rule, score, f"{kind}: {shown[:60]}", utterance.index, start, found.end())


FILTER = Filter("label-leak", 1, Settings, measure)
