"""Speech level by morphology: what Kiwi says the last morphemes of a sentence are. Far dearer than the table.

Kiwi is loaded when the first sentence asks for it, once in a process: one to two seconds and 300 MB, a third less than
with its multi-word dictionary, which changes no level in the labelled sets. It is asked sentence by sentence, as fast
as with a list and without its thread, which does not outlive a fork.
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

_POLITE = ("요", "죠", "니다", "니까", "시오", "소서", "ᆸ시다", "읍시다", "슴다", "쥬", "유", "니당", "엽", "욤", "염")
"""How polite final endings (EF) end."""

_DOUBTFUL = (("여", 0.8), ("오", 0.6), ("소", 0.6), ("구려", 0.6), ("리다", 0.6))
"""Polite with little confidence: 아니여 is dialect or a careless 아니에요; 하오체 is a play today."""

_LEANING = {"구": 0.8, "라": 0.85, "음": 0.85, "ᆷ": 0.85, "슴": 0.85}
"""Final endings that Kiwi also sees where a clause is broken off, and 음슴체, which addresses nobody."""

_FREE_CLAUSES = (
    ("어 아 여 지 자 거든 던데 ᆯ까 다", 0.95),
    ("는데 은데 ᆫ데 니까 으니까 려고 으려고 다고 ᆫ다고 라고 나 는지 ᆫ지 ᆯ지 라니 다니", 0.9),
    ("게", 0.85),
    ("고 면서", 0.8),
)
_FREE = {form: confidence for forms, confidence in _FREE_CLAUSES for form in forms.split()}
"""Connective endings on which a sentence may rest without 요, and how surely that is 반말."""

_NAMING_TAGS = ("N", "J", "M", "XS", "XR", "XP", "IC", "VCP", "ETM")
"""Behind these a sentence has no predicate: a noun phrase, a particle, an adverb, a call."""


def judge_by_morphology(sentences: Sequence[str]) -> list[Ending]:
    """The level of each sentence, in order; not sure where Kiwi finds no ending it could be told from.

    Takes NFC text. Some 4,000 sentences a second.
    """
    kiwi = load_kiwi()
    return [_judge(kiwi.tokenize(_fill(each[-_LONGEST:]))) for each in sentences]


@cache
def load_kiwi() -> "Kiwi":
    from kiwipiepy import Kiwi

    return Kiwi(num_workers=1, load_multi_dict=False)


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
        confidence = _FREE.get(last.form)
        return Ending("banmal", confidence) if confidence else None
    is_predicate = last.form in ("음", "ᆷ") and len(spoken) > 1 and spoken[-2].tag[0] in "VEX"
    return Ending("banmal", 0.85) if is_predicate else None


def _read_final(form: str) -> tuple[SpeechLevel, float]:
    if form.endswith(_POLITE):
        return "jondaetmal", 0.97
    doubtful = next((confidence for end, confidence in _DOUBTFUL if form.endswith(end)), None)
    if doubtful is not None:
        return "jondaetmal", doubtful
    return "banmal", _LEANING.get(form, 0.97)
