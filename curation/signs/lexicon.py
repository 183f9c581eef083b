"""A lexicon of unsafe words: entries by category, found through pairs of letters that seldom occur.

The two rarest letters of every key are looked for first, in the whole dialogue, and only entries whose key is there
are searched, in the text without disguise. A match inside an ordinary expression (`shield`) is harmless.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from ruamel.yaml import YAML

from curation.signs.disguise import Plain, undo_disguise
from curation.signs.letter_pairs import LetterPairs

NOISE = "0-9@.*~^!_/|,;:'\"`+=#$%&·…♡♥☆★ㅡ-"
"""Characters that people put between the syllables of a bad word."""

_NOISE = f"[{NOISE}]{{0,2}}"
_ANY_NOISE = re.compile(f"[{NOISE}]")
_JAMO_WORD = re.compile("[ㄱ-ㅎㅏ-ㅣ]+")
_NOT_IN_JAMO = "[ㄱ-ㅊㅌㅍㅏ-ㅛㅝ-ㅟㅢㅣ]"
_COMMON_LETTERS = (
    " 이는다지하고요가어아나도을에기은한게보화만해영리그서사의로면거있라니자시들데좋네인야마를으무세말까"
    "정내음대스수재일없안오미주진연너여생며같전상랑우제감장었부것려구더할드람간했겠봐적잘남점작래모각예신"
)
"""The commonest letters of chat and reviews, most common first."""
_COMMON = {letter: 1 / (rank + 1) for rank, letter in enumerate(_COMMON_LETTERS)}
_RARE = 0.003
"""Of a letter that is not among them, on the same scale."""
_WINDOW = 12
"""Characters on both sides of a match in which an ordinary expression around it is looked for."""
_WEAKENED = 0.5


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Entry(_Form):
    """What the fields mean is written at the top of `filters/data/unsafe.yaml`."""

    words: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    score: float = Field(gt=0, le=1)
    start: bool = False
    inside: float | None = Field(default=None, gt=0, le=1)
    shield: tuple[str, ...] = ()
    weaken: tuple[str, ...] = ()
    refusable: bool = False

    @model_validator(mode="after")
    def _has_something_to_find(self) -> Self:
        if bool(self.patterns) != bool(self.keys) or not (self.words or self.patterns):
            raise ValueError("an entry has words, or patterns with keys")
        return self


class Age(_Form):
    minors: tuple[str, ...]
    courting: tuple[str, ...]
    romance: tuple[str, ...]


class Lexicon(_Form):
    profanity: tuple[Entry, ...]
    sexual: tuple[Entry, ...]
    minors: tuple[Entry, ...]
    hate: tuple[Entry, ...]
    self_harm: tuple[Entry, ...]
    crime: tuple[Entry, ...]
    refusals: tuple[str, ...]
    age: Age


class Hit(NamedTuple):
    """An unsafe expression: characters `start` to `end` of the original text."""

    category: str
    score: float
    start: int
    end: int
    is_refusable: bool


@dataclass(frozen=True, slots=True)
class _Search:
    category: str
    entry: Entry
    pattern: re.Pattern[str]
    shield: re.Pattern[str] | None

    def find(self, plain: Plain) -> Iterator[Hit]:
        score = _WEAKENED if any(word in plain.text for word in self.entry.weaken) else self.entry.score
        for found in self.pattern.finditer(plain.text):
            start, end = found.span()
            certainty = score
            if self.entry.start and start and re.match("[가-힣0-9]", plain.text[start - 1]):
                if self.entry.inside is None:
                    continue
                certainty = min(score, self.entry.inside)
            if start < end and not self._is_shielded(plain.text, start, end):
                yield Hit(self.category, certainty, *plain.to_original(start, end), self.entry.refusable)

    def _is_shielded(self, text: str, start: int, end: int) -> bool:
        if self.shield is None:
            return False
        found = self.shield.finditer(text, max(0, start - _WINDOW), end + _WINDOW)
        return any(each.start() < end and start < each.end() for each in found)


class Finder:
    """The lexicon, made ready to search."""

    def __init__(self, lexicon: Lexicon) -> None:
        self._searches: list[_Search] = []
        self._by_key: defaultdict[str, set[int]] = defaultdict(set)
        for category in ("profanity", "sexual", "minors", "hate", "self_harm", "crime"):
            for entry in getattr(lexicon, category):
                for key in map(str.lower, (*entry.words, *entry.keys)):
                    self._by_key[key].add(len(self._searches))
                self._searches.append(_compile(category, entry))
        pairs = [(pair, key) for key in self._by_key if (pair := _rarest_pair(key)) is not None]
        self._pairs = LetterPairs(pairs, filter(_ANY_NOISE.match, map(chr, range(1 << 16))))
        self._singles = sorted(set(self._by_key).difference(key for _, key in pairs))
        self._any_single = re.compile("|".join(map(re.escape, self._singles)))

    def find_keys(self, text: str) -> list[str]:
        """The keys that stand in a text of any number of lines; `find` looks at each line for what they belong to."""
        plain = undo_disguise(text.lower()).text
        keys = self._pairs.find(plain)
        if self._any_single.search(plain):
            keys += _pick_present(self._singles, plain)
        return keys

    def find(self, text: str, keys: Iterable[str]) -> list[Hit]:
        """The hits in `text`, sorted by category and place; of overlapping ones of a category the surest."""
        plain = undo_disguise(text)
        numbers = {number for key in _pick_present(keys, plain.text) for number in self._by_key[key]}
        return _keep_surest([hit for number in numbers for hit in self._searches[number].find(plain)])


def _pick_present(keys: Iterable[str], text: str) -> list[str]:
    squeezed = _ANY_NOISE.sub("", text)
    return [key for key in keys if key in squeezed or key in text]


def _rarest_pair(key: str) -> str | None:
    """The two neighbours in `key` that ordinary text has least often; None where all of them have noise."""
    pairs = [left + right for left, right in pairwise(key) if not _ANY_NOISE.search(left + right)]
    return min(pairs, key=lambda pair: _COMMON.get(pair[0], _RARE) * _COMMON.get(pair[1], _RARE), default=None)


def _keep_surest(hits: list[Hit]) -> list[Hit]:
    kept: list[Hit] = []
    for hit in sorted(hits, key=lambda each: (each.category, each.start, -each.score)):
        if not kept or kept[-1].category != hit.category or kept[-1].end <= hit.start:
            kept.append(hit)
        elif kept[-1].score < hit.score:
            kept[-1] = hit
    return kept


def _join_with_noise(word: str) -> str:
    return _NOISE.join(map(re.escape, word))


def _compile(category: str, entry: Entry) -> _Search:
    alternatives = [_surround_jamo(word) for word in sorted(entry.words, key=len, reverse=True)]
    alternatives += [f"(?:{pattern.replace('§', _NOISE)})" for pattern in entry.patterns]
    shield = re.compile("|".join(entry.shield)) if entry.shield else None
    return _Search(category, entry, re.compile("|".join(alternatives)), shield)


def _surround_jamo(word: str) -> str:
    joined = _join_with_noise(word.lower())
    return f"(?<!{_NOT_IN_JAMO}){joined}(?!{_NOT_IN_JAMO})" if _JAMO_WORD.fullmatch(word) else joined


_DATA = Path(__file__).parents[1] / "filters" / "data" / "unsafe.yaml"


@lru_cache(maxsize=1)
def load_lexicon() -> Lexicon:
    return Lexicon.model_validate(YAML(typ="safe").load(_DATA.read_text(encoding="utf-8")))
