"""The suffix rule: what the last syllables of a sentence tell of its level, by a table of endings.

Korean marks the level at the sentence's end, so a few dictionary look-ups settle most sentences a hundred times faster
than morphology. The table (`endings.yaml`) says where it is sure, where there is nothing to tell, and where it is not
sure. A last word behind a finished sentence (뭐야 이거 · 고마워요, 오빠) is put aside before one gives up.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from ruamel.yaml import YAML

from curation.subject import SpeechLevel

TABLE = Path(__file__).with_name("endings.yaml")

_FIRST, _LAST = "가", "힣"
_FINALS = " ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"
"""The final consonants in Unicode's order: a syllable's final is (code - U+AC00) mod 28, its vowel (// 28) mod 21."""

_MARKS = (
    " \t\n\r.,!?…·~^*_-=+:;\"'`()[]{}<>/\\|&%#@$\u3000\u00a0—–ー∼〜～。、，！？；："
    "“”‘’「」『』《》〈〉【】♥♡☆★♪♬♩●○◆◇■□▲△▼▽→←↑↓ㆍ•※"
)
_FILLER = _MARKS + "ㅋㅎㅠㅜㅡㅇㄱㄴㄷㅂㅅㅁㅗㅣ"
"""What may stand around the words without meaning anything: marks, laughter, what text emoticons are made of."""

_LONGEST_TAIL = 20
"""Characters of an address or an afterthought behind a comma; longer ones are clauses of their own."""

_CALL = re.compile(r"[가-힣][,.…~!] ?[가-힣]{1,5}[야아]$")
"""A call behind the sentence: 고마워요, 민수야."""

_CRY = re.compile(r"(?:^|[^가-힣])[와아자야어오]$")
"""An interjection that is written like a predicate: 와, 이런 대작이."""

_LONGEST_CLAUSE = 60
"""Characters from the end in which a finished sentence without its full stop is looked for."""

_CLEAR_ENDS = ("요", "니다", "죠", "네", "었다", "았다", "했다", "였다", "겠다", "었음", "았음", "했음", "봤다", "졌다")
"""Ends that close a sentence wherever they stand."""


@dataclass(frozen=True, slots=True)
class Ending:
    """What an ending tells. `is_sure` False: it may be an ending or not. `closes`: a sentence ends here."""

    level: SpeechLevel | None
    confidence: float
    closes: bool = False
    is_sure: bool = True


_LEANING = 0.8
"""A clause on which a sentence may rest, with so little confidence that an ellipsis makes it one broken off."""

NOTHING = Ending(None, 0.9)
"""No predicate ends so: a noun, a particle, an interjection."""

UNSURE = Ending(None, 0.0, is_sure=False)


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    level: Literal["banmal", "jondaetmal", "none", "unsure"]
    confidence: float = Field(ge=0, le=1)
    closes: bool = False
    forms: str

    def list_forms(self) -> list[str]:
        return [form.replace("_", " ") for form in self.forms.split()]

    def describe(self) -> Ending:
        level = self.level if self.level == "banmal" or self.level == "jondaetmal" else None
        return Ending(level, self.confidence, self.closes, self.level != "unsure")


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    endings: tuple[_Group, ...]
    whole: tuple[_Group, ...]
    tails: str


class EndingTable:
    """The endings spelt out for look-up: about 46,000 strings, 6 MB."""

    def __init__(self, path: Path = TABLE) -> None:
        table = _Table.model_validate(YAML(typ="safe").load(path.read_text(encoding="utf-8")))
        self._endings: dict[str, Ending] = {}
        for group in table.endings:
            ending = group.describe()
            self._endings.update((spelt, ending) for form in group.list_forms() for spelt in _spell(form))
        self._whole = {form: group.describe() for group in table.whole for form in group.list_forms()}
        self._tails = frozenset(table.tails.split())
        self._lengths = _list_lengths(self._endings)

    def judge(self, sentence: str) -> Ending:
        """What the ending of one sentence tells; linear in its length, and never at a loss."""
        core = sentence.rstrip(_FILLER)
        if not core:
            return self._whole.get(sentence.strip(_MARKS), NOTHING)
        marks = sentence[len(core) :]
        is_question = "?" in marks or "？" in marks
        if len(core) < 16 and (whole := self._find_whole(core.lstrip(_FILLER), is_question)) is not None:
            return whole
        found = self._find(core, is_question)
        if core[-1] in "야아":
            found = self._hear_call(core, found)
        if found.level is None:
            return self._look_again(core, found, is_question)
        if found.confidence <= _LEANING and ("…" in marks or ".." in marks):
            return NOTHING
        return found

    def _find_whole(self, words: str, is_question: bool) -> Ending | None:
        return (self._whole.get(words + "?") if is_question else None) or self._whole.get(words)

    def _hear_call(self, core: str, found: Ending) -> Ending:
        """고마워요, 민수야 is polite; 민수야 by itself may be a call or a predicate."""
        called = _CALL.search(core, max(0, len(core) - 9))
        if called is not None and (before := self._find(core[: called.start() + 1], False)).level == "jondaetmal":
            return before
        if " " not in core and found.level is not None and core[-2:] not in self._endings:
            return replace(found, confidence=min(found.confidence, 0.9))
        return found

    def closes(self, piece: str) -> bool:
        """Whether a sentence is finished at the end of `piece`, which goes on after laughter, ~ or an ellipsis."""
        return self._find(piece.rstrip(_FILLER), False).closes

    def _find(self, core: str, is_question: bool) -> Ending:
        known = self._endings
        window = " " + core[-8:] if len(core) <= 8 else core[-9:]
        for length in self._lengths.get(window[-1], ()):
            end = window[-length:]
            if is_question and (found := known.get(end + "?")) is not None:
                return found
            if (found := known.get(end)) is not None:
                return found
        return NOTHING

    def _look_again(self, core: str, found: Ending, is_question: bool) -> Ending:
        plain = _unstretch(core)
        if plain != core and (again := self._find(plain, is_question)).level is not None:
            return replace(again, confidence=min(again.confidence, 0.97))
        head = core
        for _ in range(3):
            shorter = self._cut_tail(head)
            if shorter is None:
                break
            head = shorter
            again = self._find(head, is_question)
            if again.level is not None and again.confidence > 0.9 and not _CRY.search(head, len(head) - 2):
                return replace(again, confidence=min(again.confidence, 0.96))
        return self._find_inside(core) or found

    def _find_inside(self, core: str) -> Ending | None:
        """A sentence that ends within, no mark behind it: 재밌게 봤어요 최고의 영화."""
        words = core[-_LONGEST_CLAUSE:].split()[len(core) > _LONGEST_CLAUSE : -1]
        for word in reversed(words):
            if word.endswith(_CLEAR_ENDS) and (again := self._find(word, False)).closes:
                return replace(again, confidence=0.85)
        return None

    def _cut_tail(self, core: str) -> str | None:
        """The sentence without its last word, or without what follows its comma, if that may stand behind."""
        comma = core.rfind(",", max(0, len(core) - _LONGEST_TAIL))
        if comma > 0:
            head = core[:comma].rstrip(_FILLER)
            return head if head and (core.count(" ", comma) <= 2 or self._find(head, False).closes) else None
        space = max(core.rfind(each, max(0, len(core) - _LONGEST_TAIL)) for each in " .…")
        if space <= 0:
            return None
        word = core[space + 1 :]
        if (
            word in self._tails
            or word.endswith(("님", "씨"))
            or word.startswith("#")
            or not any(_FIRST <= each <= _LAST for each in word)
        ):
            return core[:space].rstrip(_FILLER) or None
        return None


@cache
def load_endings() -> EndingTable:
    """The table, read once."""
    return EndingTable()


def _list_lengths(endings: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """Last character → how long the endings in it are, the longest first."""
    lengths: defaultdict[str, set[int]] = defaultdict(set)
    for end in endings:
        words = end.removesuffix("?")
        if words:
            lengths[words[-1]].add(len(words))
    return {last: tuple(sorted(each, reverse=True)) for last, each in lengths.items()}


def _spell(form: str) -> Iterator[str]:
    """The strings that a form of the table stands for: `ㅂ니다` is every syllable with that final, and 니다."""
    if form[0] not in _FINALS[1:]:
        yield form
        return
    final = _FINALS.index(form[0])
    for open_syllable in range(ord(_FIRST), ord(_LAST) + 1, 28):
        yield chr(open_syllable + final) + form[1:]


def _unstretch(core: str) -> str:
    """좋아아 → 좋아, 가자아 → 가자, 했엌 → 했어: the last syllable without its stretched vowel or fused laughter."""
    last = ord(core[-1]) - ord(_FIRST)
    if not 0 <= last <= ord(_LAST) - ord(_FIRST):
        return core
    if _FINALS[last % 28] in "ㅋㅎ":
        return core[:-1] + chr(ord(core[-1]) - last % 28)
    end = len(core)
    while end > 2 and _stretches(core[end - 2], core[end - 1]):
        end -= 1
    return core[:end]


def _stretches(before: str, last: str) -> bool:
    if not (_FIRST <= before <= _LAST and _FIRST <= last <= _LAST):
        return False
    first, second = ord(before) - ord(_FIRST), ord(last) - ord(_FIRST)
    is_bare_vowel = second // 588 == 11 and second % 28 == 0
    return is_bare_vowel and first % 28 == 0 and _SOUNDS[first // 28 % 21] == _VOWELS[second // 28 % 21]


_VOWELS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
_SOUNDS = "ㅏㅐㅏㅐㅓㅔㅓㅔㅗㅏㅐㅔㅗㅜㅓㅔㅣㅜㅡㅣㅣ"
"""The vowel that a stretched syllable goes on with, by its vowel."""
