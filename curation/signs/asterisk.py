"""How the asterisks of an utterance pair, and which of them are no marks of a direction at all.

`*밝게 웃으며*` is a direction. Asterisks also multiply (3*4), mask (홍*동, 010-****-1234, ㅅ*), make faces (*^^*) and
point to footnotes; those are left alone. What remains and does not pair within its line is a slip: the model opened a
direction and never closed it, closed one that it never opened, or opened one inside another.
"""

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from curation.subject import Span

SlipKind = Literal["unpaired", "nested", "empty", "spaced"]

WELL_FORMED = re.compile(r"(?<![*\w])\*(?![\s*])[^*\n]*(?<![\s*(\[“‘])\*(?!\*)")
"""A direction that needs no second look: a word or a mark right inside both asterisks."""

_RUN = re.compile(r"\*+")
_OPENING = frozenset(" ([“‘\t")
_FACE = frozenset("^><=;@~&$%★☆♥♡∀ω▽´`˘•°◕ᴗ_¯:･ﾟ｡✧ㅅㅇㅎㅠㅜㅡㅁ")
_QUOTING, _QUOTED = frozenset("'\"‘“([`"), frozenset("'\"’”)]`")
_VARIABLE = r"(?<![A-Za-z])[A-Za-z](?![A-Za-z])"
_PRODUCT = re.compile(rf"(?:[0-9)\]]|{_VARIABLE})\s?\*{{1,2}}\s?(?:[0-9(\[]|{_VARIABLE})|[A-Za-z_] \* [A-Za-z_]")
_FOOTNOTE_MARK = re.compile(r"[0-9)][가-힣%]{0,2}\*")
_FOOTNOTE = re.compile(r"^[ \t]*\*[ \t]?[^\s*]", re.MULTILINE)
_SWEARING = frozenset("ㄱㄲㄷㅁㅂㅅㅆㅈㅊ")
_INTERJECTIONS = frozenset("응음오와헐아어자네예앗악흠우휴후흥힝에엥")
"""One-syllable words after which a direction may follow without a space; any other syllable before a lone asterisk
is the visible part of a masked word."""


class Slip(NamedTuple):
    kind: SlipKind
    span: Span


def find_slips(text: str) -> list[Slip]:
    """The asterisks of a text that make no direction, in order; Markdown's own must have been blanked out before."""
    rest = WELL_FORMED.sub(" ", text)
    if "*" not in rest:
        return []
    has_footnotes = _has_footnotes(rest)
    slips = []
    start = 0
    for line in text.split("\n"):
        if "*" in line:
            found = _scan(line, has_footnotes)
            slips += [Slip(each.kind, Span(start + each.span.start, start + each.span.end)) for each in found]
        start += len(line) + 1
    return slips


def _has_footnotes(text: str) -> bool:
    """`5,000원*` on one line and `*부가세 별도` at the beginning of a later one."""
    mark = _FOOTNOTE_MARK.search(text)
    return mark is not None and _FOOTNOTE.search(text, mark.end()) is not None


def _scan(line: str, has_footnotes: bool) -> Iterator[Slip]:
    opened: int | None = None
    is_nested = False
    last, has_equation = line.rfind("*"), "=" in line
    lead = len(line) - len(line.lstrip())
    for run in _RUN.finditer(line):
        start, end = run.span()
        before, after = _neighbours(line, start, end)
        if opened is None and (
            _is_harmless(line, start, end, lead)
            or (has_equation and before.isspace() == after.isspace())
            or (has_footnotes and (start == lead or not before.isspace()))
        ):
            continue
        if end - start > 1:
            yield Slip("empty" if after.isspace() and end - start in (2, 4) else "unpaired", Span(start, end))
        elif opened is None and after.isspace() and (not before.isspace() or start == last):
            if not is_nested:
                yield Slip("unpaired", Span(start, end))
        elif opened is None:
            opened = start
        elif before in _OPENING and not after.isspace():
            is_nested = True
            yield Slip("nested", Span(opened, end))
        else:
            yield from _judge_direction(line, opened, end)
            opened = None
    if opened is not None and not is_nested:
        yield Slip("unpaired", Span(opened, len(line.rstrip())))


def _neighbours(line: str, start: int, end: int) -> tuple[str, str]:
    """The characters beside; a space where the line ends."""
    return line[start - 1] if start else " ", line[end] if end < len(line) else " "


def _judge_direction(line: str, start: int, end: int) -> Iterator[Slip]:
    inside = line[start + 1 : end - 1]
    if not inside.strip():
        yield Slip("empty", Span(start, end))
    elif inside[0].isspace() or inside[-1].isspace():
        yield Slip("spaced", Span(start, end))


def _is_harmless(line: str, start: int, end: int, lead: int) -> bool:
    """Products, grades (A*), faces, masks, and the asterisk that is spoken of (‘*’, *표). `lead`: where words begin."""
    before, after = _neighbours(line, start, end)
    if _PRODUCT.match(line, max(0, start - 2)) or _PRODUCT.match(line, max(0, start - 1)):
        return True
    if (before in _QUOTING and after in _QUOTED) or (before.isspace() and line.startswith(("표 ", "표시"), end)):
        return True
    if before.isascii() and before.isalnum() and line.find("*", end) < 0:
        return True
    if (before in _FACE or after in _FACE) and not (_is_syllable(before) or _is_syllable(after)):
        return True
    return _is_mask(line, start, end) or (end - start >= 3 and (start > lead or after.isalnum()))


def _is_mask(line: str, start: int, end: int) -> bool:
    """`홍*동`, `김**`, `ㅅ*`, `010-****-1234`."""
    before, after = _neighbours(line, start, end)
    if before in _SWEARING:
        return True
    if _is_syllable(before):
        is_word = start == 1 or not _is_syllable(line[start - 2])
        return is_word and before not in _INTERJECTIONS and _count_syllables(line[end : end + 6]) <= 5
    return end - start > 1 and (before.isalnum() or before in "-\"'“‘(" or after in "-@")


def _is_syllable(character: str) -> bool:
    return "가" <= character <= "힣"


def _count_syllables(text: str) -> int:
    """Hangul syllables at the beginning of a text."""
    return next((index for index, each in enumerate(text) if not _is_syllable(each)), len(text))
