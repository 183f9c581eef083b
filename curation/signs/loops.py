"""What stands in a row over and over within a text: a letter, a few letters, a few words; and phrases said again."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

LoopKind = Literal["letter", "sign", "unit"]

_LETTERS = re.compile(r"([^\W\d_])\1{9,}")
_SIGNS = re.compile(r"([^\w\s]|[ㅋㅎㅠㅜㅡ_])\1{39,}")
_UNITS = re.compile(r"(?=[가-힣A-Za-z])(\S{2,6}?)\1{5,}")
_SIGN_LETTERS = frozenset("ㅋㅎㅠㅜㅡ")
_TOKEN = re.compile(r"\S+")
_LEAST_TIMES = 6
_WIDEST_UNIT = 4
_PHRASE_WORDS = 4
_PHRASE_LETTERS = 8
_PHRASE_TIMES = 3


@dataclass(frozen=True, slots=True)
class Loop:
    """`unit` stands `times` in a row, over the characters `start` to `end` (exclusive)."""

    kind: LoopKind
    unit: str
    times: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Phrase:
    """The phrase said most often, and the share of all words (0..1) that are repeats of such phrases."""

    text: str
    times: int
    share: float


def find_letter_loops(text: str) -> Iterator[Loop]:
    """Ten times a letter, forty times a sign or laughter, six times a unit of 2 to 6 characters."""
    for found in _LETTERS.finditer(text):
        if found[1] not in _SIGN_LETTERS:
            yield Loop("letter", found[1], len(found[0]), *found.span())
    for found in _SIGNS.finditer(text):
        yield Loop("sign", found[1], len(found[0]), *found.span())
    for found in _UNITS.finditer(text):
        if len(set(found[1])) > 1:
            yield Loop("unit", found[1], len(found[0]) // len(found[1]), *found.span())


def find_spaced_loop(text: str) -> Loop | None:
    """The longest row of one unit of 1 to 4 words, from six times on: "사랑해 사랑해 사랑해 …"."""
    places = [found.span() for found in _TOKEN.finditer(text)]
    words = [text[start:end].strip(".,!?~…") for start, end in places]
    best: Loop | None = None
    for width in range(1, _WIDEST_UNIT + 1):
        first, length = _find_longest_run([a == b for a, b in zip(words, words[width:], strict=False)])
        times = length // width + 1
        if times >= _LEAST_TIMES and (best is None or times > best.times):
            last = first + length + width - 1
            unit = " ".join(words[first : first + width])
            best = Loop("unit", unit, times, places[first][0], places[last][1])
    return best


def _find_longest_run(flags: list[bool]) -> tuple[int, int]:
    """Where the longest run of True begins, and its length."""
    best, length = (0, 0), 0
    for index, flag in enumerate(flags):
        length = length + 1 if flag else 0
        if length > best[1]:
            best = (index - length + 1, length)
    return best


def find_phrase(turns: list[list[str]]) -> Phrase | None:
    """Phrases of 4 words and 8 letters that the turns hold three times and more; None where there is none."""
    grams = [(turn, index) for turn, words in enumerate(turns) for index in range(len(words) - _PHRASE_WORDS + 1)]
    keys = [tuple(turns[turn][index : index + _PHRASE_WORDS]) for turn, index in grams]
    often = {
        key: times
        for key, times in Counter(keys).items()
        if times >= _PHRASE_TIMES and sum(map(len, key)) >= _PHRASE_LETTERS
    }
    if not often:
        return None
    seen: set[tuple[str, ...]] = set()
    covered: set[tuple[int, int]] = set()
    for (turn, index), key in zip(grams, keys, strict=True):
        if key in seen:
            covered.update((turn, index + offset) for offset in range(_PHRASE_WORDS))
        elif key in often:
            seen.add(key)
    phrase = max(often, key=lambda key: often[key])
    return Phrase(" ".join(phrase), often[phrase], len(covered) / sum(map(len, turns)))
