"""Words in disguise: full-width letters and syllables split into jamo (ㅅㅣㅂㅏㄹ), undone with a way back.

A word found in the plain text is shown in the stored one, so every plain character knows where it came from.
"""

import re
from dataclasses import dataclass

_LEADS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
_VOWELS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
_TAILS = " ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"
_SPLIT = re.compile(
    f"(?P<lead>[{_LEADS}])(?P<vowel>[ㅏ-ㅚㅝ-ㅟㅢㅣ])(?P<tail>[{_TAILS[1:]}](?![{_VOWELS}]))?"
    "|(?P<open>[가-힣])(?P<late>[ㄹㄴ])(?![ㄱ-ㅎ])"
)
"""ㅛ, ㅜ, ㅠ and ㅡ are left alone: in ㅅㅂㅠㅠ they are tears. A late ㄹ or ㄴ completes an open syllable (시바ㄹ)."""

_DISGUISE = re.compile("[ㄱ-ㅊㅌㅍ\uff01-\uff5e]")
_WIDE = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}


@dataclass(frozen=True, slots=True)
class Plain:
    """`text` in lower case and without disguise. `starts` None: every character stands where it stood."""

    text: str
    starts: tuple[int, ...] | None = None

    def to_original(self, start: int, end: int) -> tuple[int, int]:
        """The place in the original of the characters `start` to `end` (exclusive) of the plain text."""
        return (start, end) if self.starts is None else (self.starts[start], self.starts[end])


def undo_disguise(text: str) -> Plain:
    lowered = text.lower()
    # A few capitals (İ) are longer in lower case, which would move every place after them.
    text = lowered if len(lowered) == len(text) else text
    if _DISGUISE.search(text) is None:
        return Plain(text)
    text = text.translate(_WIDE)
    parts: list[str] = []
    starts: list[int] = []
    last = 0
    for found in _SPLIT.finditer(text):
        syllable = _compose(found)
        if syllable is not None:
            parts += (text[last : found.start()], syllable)
            starts += (*range(last, found.start()), found.start())
            last = found.end()
    if not parts:
        return Plain(text)
    return Plain("".join(parts) + text[last:], (*starts, *range(last, len(text) + 1)))


def _compose(found: re.Match[str]) -> str | None:
    if found["open"]:
        code = ord(found["open"]) - 0xAC00
        return None if code % 28 else chr(0xAC00 + code + _TAILS.index(found["late"]))
    lead, vowel, tail = _LEADS.index(found["lead"]), _VOWELS.index(found["vowel"]), found["tail"]
    return chr(0xAC00 + (lead * 21 + vowel) * 28 + (_TAILS.index(tail) if tail else 0))
