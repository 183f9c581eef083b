"""speech-level: a sentence of the persona in the other speech level.

Why    A persona speaks 반말 or 존댓말, always; one slip in twenty sentences and the model slips in every dialogue.
Drops  엑사 (반말): "오늘 뭐 하셨어요?", "네, 알겠습니다."; a 존댓말 persona: "뭐 해?", "고마워.", "같이 가자."
Keeps  Quoted speech (그가 '안녕하세요'라고 했어), 필요·학교 and other nouns, what a polite person says to himself
       ("와, 맛있겠다!", "그렇구나.": at most a note, a drop only where most sentences are so), the user's level.
"""

import re
from collections.abc import Iterator

from curation.filter import Filter, FilterSettings
from curation.finding import AtLeast, Observation
from curation.speech.level import SentenceLevel, judge_sentences
from curation.subject import SpeechLevel, Subject, Utterance


class Settings(FilterSettings):
    """Limits of `speech-level`."""

    off_level: AtLeast = AtLeast(drop=0.95, note=0.6)
    """How surely (0..1) a sentence is in the other level. Default: from 0.95 on stand endings that can be nothing else;
    below lie clauses broken off (…는데, …해서), 음슴체 and what one says to oneself."""

    off_share: AtLeast = AtLeast(drop=0.6)
    """Share (0..1) of the persona's sentences that are in the other level, told from two on and among three at least.
    Default: three fifths, so that a polite person may think aloud, but not speak so."""


_LEAST = 0.6
"""Confidence below which nothing is observed: 하오체 and the like."""

_ALOUD = 0.8
"""The most that a sentence scores that a polite person may say to himself."""

_EXCLAIMED = 0.5
"""The same for one that begins with a cry (와, 맛있겠다!): natural, and counted in the share only."""

_TRAILING = "[ .!?~…ㅎㅋㅠㅜ^]*$"
_THOUGHT = re.compile(
    r"(?:[다네군걸]|구나|려나|더라|[는은인한운던건큰]가|(?:[었았했였왔갔봤됐겠졌있없되]|뭐하)나|나 ?보다)" + _TRAILING
)
"""How thoughts end that are spoken aloud: 맛있겠다! · 예쁘네. · 그랬구나. · 이게 맞나?"""

_CRY = re.compile(
    "(?:아|와|우와|휴|어머|아이고|아이구|에구|헉|헐|저런)[ ,.!~…]|(?:오|어|음|참|하|앗|어라|에이|이런|이야|캬)[,.!~…]"
)
"""A cry at the beginning of a thought."""

_WONDERING = re.compile("[지까]" + _TRAILING)
_QUESTION_WORD = re.compile("뭐|뭘|무슨|왜|어디|누구|언제|어떻게|어쩌|어떡")
"""With one of these, -지 and -ㄹ까 are thoughts (뭐였지? · 왜 그럴까?); without, they are questions to somebody."""

_ADDRESSING = re.compile(
    r"(?:^|\s)(?:너|네|니|널|넌)(?:는|를|가|도|의|만|랑|한테|희)?(?=[\s,.!?]|$)|[가-힣][아야],"
    r"|^나 (?!왜|뭐|뭘|어디|어떡|어쩌|어떻|참)"
)
"""What makes it plain that somebody is spoken to. A bare 나 tells somebody of oneself: 나 지금 기분 좋다."""

_THOUGHT_END = 20
"""Characters from the end in which the ending is looked for."""

_LEVELS = {"banmal": "반말", "jondaetmal": "존댓말"}


def measure(subject: Subject, _: Settings) -> Iterator[Observation]:
    persona = subject.persona
    if persona is None or persona.speech_level is None:
        return
    levelled = off = 0
    for utterance in subject.persona_utterances:
        for sentence in judge_sentences(utterance.speech):
            if sentence.level is None:
                continue
            levelled += 1
            if sentence.level == persona.speech_level or sentence.confidence < _LEAST:
                continue
            off += 1
            yield _observe(utterance, sentence, persona.speech_level)
    if off >= 2 and levelled >= 3:
        evidence = f"말투를 알 수 있는 페르소나의 문장 {levelled}개 가운데 {off}개가 {_other(persona.speech_level)}"
        yield Observation("off_share", off / levelled, evidence)


def _observe(utterance: Utterance, sentence: SentenceLevel, level: SpeechLevel) -> Observation:
    text = utterance.text[sentence.start : sentence.end]
    score = sentence.confidence
    if level == "jondaetmal" and _is_thought(text):
        score = min(score, _EXCLAIMED if _CRY.match(text) else _ALOUD)
    quoted = text if len(text) <= 60 else f"…{text[-59:]}"
    evidence = f"{_LEVELS[level]}을 쓰는 페르소나가 {_other(level)}로 말함: “{quoted}”"
    return Observation("off_level", score, evidence, utterance.index, sentence.start, sentence.end)


def _other(level: SpeechLevel) -> str:
    return _LEVELS["banmal" if level == "jondaetmal" else "jondaetmal"]


def _is_thought(text: str) -> bool:
    """Whether a polite person might say it to himself."""
    end = text[-_THOUGHT_END:]
    is_like_one = _THOUGHT.search(end) or (_WONDERING.search(end) and _QUESTION_WORD.search(text))
    return bool(is_like_one) and not _ADDRESSING.search(text)


FILTER = Filter("speech-level", 1, Settings, measure)
