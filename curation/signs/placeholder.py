"""The placeholder that stands for the user: foreign and misspelt ones, and the particles behind the right one.

A Korean particle follows the last sound of its noun: `{유저}` ends in a vowel, so 가, 는, 를, 와, 야 fit and
이, 은, 을, 과, 아 do not. `{유저}은(는)` is what a form letter prints.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from curation.subject import Span

_BRACES = re.compile(r"[{｛]{1,2}\s?([가-힣A-Za-z][가-힣A-Za-z _-]{0,19}?)\s?[}｝]{1,2}")
_BRACKETS = re.compile(
    r"[\[<(【〈«](?:유저|사용자|상대방|이름|닉네임|user|username|name|your name|char)"
    r"(?:의? ?(?:이름|닉네임|name))?[\]>)】〉»]",
    re.IGNORECASE,
)
_IN_ROUND = re.compile(r"\((?:이름|닉네임|name|user|char)\)", re.IGNORECASE)
_BLANKS = re.compile(r"(?:OO|○○|◯◯|〇〇)(?:아|야| ?씨| ?님)(?![가-힣])")
_FORMAT_STRING = re.compile(r"[fF$]\s?[\"'][^\"'\n]{0,60}$")

_DOUBLE = re.compile(
    r"(?:[은이을과아]\s?\((?:는|가|를|와|야)\)|[는가를와야]\s?\((?:은|이|을|과|아)\)|\((?:은|이|을|과|으|아)\)(?:는|가|를|와|로|랑|야)?"
    r"|[은는]/[은는]|[이가]/[이가]|[을를]/[을를]|[과와]/[과와]|[아야]/[아야])"
)
_AFTER_VOWEL = re.compile(r"(?:[은이을과아]|으로(?:부터|서)?|이랑|이나|이여)(?![가-힣])")
_AFTER_CONSONANT = re.compile(r"(?:[는가를와야]|로|랑|나)(?![가-힣])")
_MARKS = (*"{}｛[<(【〈«", "OO", "○○", "◯◯", "〇〇")
_RIEUL = 8
"""The index of ㄹ among the final consonants: 로 follows it as it follows a vowel."""


class Misuse(NamedTuple):
    """`is_sure` False: it may be meant."""

    span: Span
    text: str
    is_sure: bool = True


def may_have_foreign(text: str, own: str) -> bool:
    """Whether a search is worth its time: there is a bracket or a blank besides the persona's own placeholders."""
    return any(map((text.replace(own, "") if own else text).__contains__, _MARKS))


def find_foreign(text: str, own: str) -> Iterator[Misuse]:
    """Placeholders other than the persona's own, and its own misspelt."""
    for found in _BRACES.finditer(text):
        if found[0] != own and not _is_code(text, found):
            yield Misuse(Span(*found.span()), found[0])
    for found in _BRACKETS.finditer(text):
        if found[0] != own:
            yield Misuse(Span(*found.span()), found[0], _IN_ROUND.fullmatch(found[0]) is None)
    yield from _find_torn(text, own)
    for found in _BLANKS.finditer(text):
        yield Misuse(Span(*found.span()), found[0], is_sure=False)


def _is_code(text: str, found: re.Match[str]) -> bool:
    """A variable (`{x}`) or a field in a format string (f"{name}님")."""
    if found[1].isascii() and len(found[1]) == 1:
        return True
    before = text[max(0, found.start() - 80) : found.start()]
    return before.endswith(("`", "\\", "$")) or _FORMAT_STRING.search(before) is not None


def _find_torn(text: str, own: str) -> Iterator[Misuse]:
    """`{유저의 손`, `유저}의 손`: a brace was lost."""
    inside = own.strip("{}")
    if not inside or inside == own or text.count("{") == text.count("}"):
        return
    torn = re.compile(
        rf"\{{{re.escape(inside)}(?!\s?\}})|(?<![{{\s]){re.escape(inside)}\}}|(?<!\{{)\b{re.escape(inside)}\}}"
    )
    for found in torn.finditer(text):
        yield Misuse(Span(*found.span()), found[0])


@cache
def _compile_misfit(own: str) -> re.Pattern[str]:
    """What follows the placeholder and should not. Unknown last sound (`{user}`): only double particles."""
    choices = [_DOUBLE.pattern]
    last = next((each for each in reversed(own) if each.isalnum()), "")
    if "가" <= last <= "힣":
        final = (ord(last) - ord("가")) % 28
        choices.append(_AFTER_CONSONANT.pattern if final else _AFTER_VOWEL.pattern)
        if final == _RIEUL:
            choices[-1] = choices[-1].replace("|로", "")
    return re.compile(rf"{re.escape(own)}(?:{'|'.join(choices)})")


def find_misfits(text: str, own: str) -> Iterator[Misuse]:
    """Particles behind the persona's own placeholder that do not fit it."""
    if own not in text:
        return
    for found in _compile_misfit(own).finditer(text):
        yield Misuse(Span(*found.span()), found[0])
