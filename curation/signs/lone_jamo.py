"""Korean letters that stand alone: laughter and chat shorthand apart from slips of the keyboard or of a tokenizer.

What decides is how a run of letters sits in its text. It may lengthen the syllable before it ("안돼ㅐㅐ"), make a
face ("ㅇㅅㅇ"), be a word that everyone writes so ("ㅇㅋ") or a letter that is spoken of ("ㄱ자", "'ㅓ'"); glued to a
syllable that it does not lengthen ("안녀ㅇ", "그래ㅓ서") it is broken text.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

JamoKind = Literal["slip", "odd", "curt"]

_RUN = re.compile(r"[ㄱ-ㅣ]+")
_FACE = re.compile(r"([ㄱ-ㅣ])[._,^·'\-ㅁㅅㅂㅇㅡㅗㅜㅈㅿ△▽∇ω◇□○v]{1,3}\1|[-=;^][ㅅㅁㅂㅡ][-=;^]")
_LAUGHTER = "ㅋㅎㅠㅜ"
_QUOTES = "'\"‘’“”「」『』`<>()[]/"
_VOWELS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
_VOWEL_TAILS = "ㅏㅐㅏㅐㅓㅔㅓㅔㅗㅏㅐㅣㅗㅜㅓㅔㅣㅜㅡㅣㅣ"
_FINALS = " ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"


@dataclass(frozen=True, slots=True)
class JamoRun:
    """Characters `start` to `end` (exclusive). slip: broken text; odd: not known as a word; curt: a terse answer."""

    start: int
    end: int
    kind: JamoKind


def find_lone_jamo(text: str, chat: frozenset[str], curt: frozenset[str]) -> Iterator[JamoRun]:
    """The runs that call for attention. Runs of laughter, chat words, faces and lengthened syllables do not."""
    faces = [found.span() for found in _FACE.finditer(text)]
    for found in _RUN.finditer(text):
        start, end = found.span()
        if any(first < end and start < last for first, last in faces):
            continue
        kind = _sort(text, start, end, chat, curt)
        if kind is not None:
            yield JamoRun(start, end, kind)


def _sort(text: str, start: int, end: int, chat: frozenset[str], curt: frozenset[str]) -> JamoKind | None:
    before = text[start - 1] if start else " "
    run = text[start:end].lstrip(_LAUGHTER)
    core = run.rstrip(_LAUGHTER)
    # The laughter after ㅇㅋ begins with its second letter: ㅇㅋㅋㅋ.
    if not core or core in chat or run[: len(core) + 1] in chat or _is_mistyped_laughter(text[start:end]):
        return None
    if "가" <= before <= "힣":
        return _sort_glued(before, core, text[end : end + 1], curt)
    if before in _QUOTES or text[end : end + 1] in tuple(_QUOTES) or text.startswith(("자 ", "자로", "자형"), end):
        return None
    if core in curt:
        return "curt"
    return "slip" if len(core) >= 4 and _alternates(core) else "odd"


def _sort_glued(before: str, core: str, after: str, curt: frozenset[str]) -> JamoKind | None:
    """A run that follows a syllable without a space."""
    if core[0] in _list_lengthenings(before):
        rest = core.lstrip(core[0])
        return None if not rest else "odd"
    if core in curt and len(core) > 1:
        return "curt"
    # "네ㅇ" at the end of a word is play with 넹; before another syllable it is the syllable come apart.
    return "odd" if core == "ㅇ" and not after.isalnum() and before in "네응어아" else "slip"


def _is_mistyped_laughter(run: str) -> bool:
    """One letter beside the key of ㅋ in a row of them: ㅋㅋㅌㅋ."""
    return len(run) >= 4 and sum(each in _LAUGHTER for each in run) >= len(run) - 1


def _list_lengthenings(syllable: str) -> str:
    """The letters that draw the syllable out: its vowel, the vowel's second half, its final consonant."""
    code = ord(syllable) - 0xAC00
    vowel = code // 28 % 21
    return (_VOWELS[vowel] + _VOWEL_TAILS[vowel] + _FINALS[code % 28]).strip()


def _alternates(letters: str) -> bool:
    """Whether consonants and vowels come in turn, as in a word typed with its syllables apart."""
    kinds = [each in _VOWELS for each in letters]
    return sum(a != b for a, b in pairwise(kinds)) >= 3
