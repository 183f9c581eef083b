"""Speech level by morphology: what Kiwi says the last morphemes of a sentence are. A thousand times dearer than the table.

Kiwi is loaded when the first sentence asks for it (one second, 200 MB), once in a process, with one thread: the
filters run in several processes already.
"""

import re
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from curation.speech.ending import NOTHING, UNSURE, Ending
from curation.speech.sentence import PLACEHOLDER
from curation.subject import SpeechLevel

if TYPE_CHECKING:
    from kiwipiepy import Kiwi, Token

_LONGEST = 120
"""Characters from the end that Kiwi gets: the level stands in the last words, and Kiwi's time grows with the length."""

_QUOTED = re.compile(f"{PLACEHOLDER}+")

_MARK_TAGS = ("S", "W", "Z")
"""Tags of marks, foreign letters, e-mail and the like, and fused final consonants (했엌, 반가워용)."""

_POLITE_ENDS = (
    "요",
    "죠",
    "니다",
    "ᆸ니까",
    "습니까",
    "시오",
    "소서",
    "시다",
    "슴다",
    "여",
    "쥬",
    "유",
    "니당",
    "엽",
    "욤",
    "염",
)
_OLD_ENDS = ("오", "소", "구려", "ᆸ디다", "리다")
"""하오체: polite once, a play today; told with little confidence."""

_FREE_CLAUSES = {
    "어": 0.95, "아": 0.95, "여": 0.95, "지": 0.95, "자": 0.95, "거든": 0.95, "는데": 0.9, "은데": 0.9, "ᆫ데": 0.9, "던데": 0.95,
    "니까": 0.9, "으니까": 0.9, "려고": 0.9, "으려고": 0.9, "다고": 0.9, "ᆫ다고": 0.9, "라고": 0.9, "게": 0.85, "고": 0.8, "면서": 0.8,
    "나": 0.9, "는지": 0.9, "ᆫ지": 0.9, "ᆯ지": 0.9, "ᆯ까": 0.97, "라니": 0.9, "다니": 0.9, "다": 0.95,
}  # fmt: skip
"""Connective endings on which a sentence may rest without 요, and how surely that is 반말."""

_NAMING_TAGS = ("N", "J", "M", "XS", "XR", "XP", "IC", "VCP", "ETM")
"""Behind these a sentence has no predicate: a noun phrase, a particle, an adverb, a call."""


def judge_by_morphology(sentences: Sequence[str]) -> list[Ending]:
    """The level of each sentence, in order; not sure where Kiwi finds no ending it could be told from.

    Takes NFC text. About 5,000 short sentences a second.
    """
    kiwi = load_kiwi()
    return [_judge(tokens) for tokens in kiwi.tokenize([_fill(each[-_LONGEST:]) for each in sentences])]


@cache
def load_kiwi() -> "Kiwi":
    from kiwipiepy import Kiwi

    return Kiwi(num_workers=1)


def _fill(sentence: str) -> str:
    """Quoted speech reads as a noun."""
    return _QUOTED.sub("그것", sentence) if PLACEHOLDER in sentence else sentence


def _judge(tokens: "list[Token]") -> Ending:
    spoken = [each for each in tokens if not each.tag.startswith(_MARK_TAGS)]
    if not spoken:
        return NOTHING
    last = spoken[-1]
    if last.tag in ("EF", "EC", "JX", "ETN"):
        found = _judge_last(last, spoken)
        if found is not None:
            return found
    for each in reversed(spoken[-4:-1]):
        if each.tag.startswith("V"):
            break
        if each.tag == "EF":
            level, confidence = _read_final(each.form)
            return Ending(level, min(confidence, 0.9))
    return NOTHING if last.tag.startswith(_NAMING_TAGS) or last.tag in ("EC", "ETN") else UNSURE


def _judge_last(last: "Token", spoken: "list[Token]") -> Ending | None:
    if last.tag == "EF":
        return Ending(*_read_final(last.form))
    if last.tag == "JX":
        return Ending("jondaetmal", 0.97) if last.form in ("요", "이요") else None
    if last.tag == "EC":
        if last.form.endswith("요"):
            return Ending("jondaetmal", 0.97)
        confidence = _FREE_CLAUSES.get(last.form)
        return Ending("banmal", confidence) if confidence else None
    is_predicate = last.form in ("음", "ᆷ") and len(spoken) > 1 and spoken[-2].tag[0] in "VEX"
    return Ending("banmal", 0.85) if is_predicate else None


def _read_final(form: str) -> tuple[SpeechLevel, float]:
    if form.endswith(_POLITE_ENDS):
        return "jondaetmal", 0.97
    if form.endswith(_OLD_ENDS):
        return "jondaetmal", 0.6
    if form.endswith("구"):
        return "banmal", 0.8
    return "banmal", 0.97
