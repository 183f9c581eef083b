"""Text that was decoded in the wrong encoding, known by the traces that each mistake leaves in Korean.

UTF-8 read as Latin-1 or CP1252   안녕 → ìë…•, é → Ã©, ’ → â€™
CP949 read as Latin-1             안녕하세요 → ¾È³çÇÏ¼¼¿ä
U+FFFD read as CP949              � → 占쏙옙
UTF-8 read as CP949               안녕 → �덈뀞, with syllables that no Korean word has; a byte order mark → 癤
never decoded at all              \\uc548\\ub155, %EC%95%88, &#50504;
"""

import re
from functools import cache

_MARKS = re.compile(
    r"(?:[êëìí][\xa0-¿œžŸƒ‚„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›]{0,2}){2,}"
    r"|Ã[\xa0-¿]|â€[\xa0-¿™œžš›˜“”¢]|Â[\xa0-¿]|ï¿½|ï»¿"
    r"|(?P<row>[¡-þ]{5,})"
    r"|占(?=[가-힣])|占?쏙옙|癤"
    r"|(?:\\u[0-9a-fA-F]{4})+|(?:%E[A-D](?:%[89AB][0-9A-F]){2})+|(?:&#(?:x[0-9a-fA-F]{4}|\d{5});)+"
)


@cache
def list_rare_syllables() -> frozenset[str]:
    """The 8,426 syllables outside KS X 1001 and without a final ㅋ, which chat is full of (앜, 엌)."""
    final_k = 24
    syllables = (chr(code) for code in range(0xAC00, 0xD7A4) if (code - 0xAC00) % 28 != final_k)
    return frozenset(each for each in syllables if min(each.encode("cp949")) < 0xA1)


def find_mojibake(text: str) -> tuple[int, int] | None:
    """Start and end (exclusive) of the first trace; None for text that was decoded rightly."""
    for found in _MARKS.finditer(text):
        if found["row"] is None or _is_trace(found["row"]):
            return found.span()
    return _find_rare_syllables(text)


def _is_trace(row: str) -> bool:
    """Whether Latin-1 characters in a row are damage: one sign repeated ("½½½½½") and letters alone are not."""
    signs = sum(each <= "¿" for each in row)
    return len(set(row)) >= 4 and 0 < signs < len(row)


def _find_rare_syllables(text: str) -> tuple[int, int] | None:
    """Four different ones, making a fifth of the Hangul: bad typists reach three (딍, 떄), damage is full of them."""
    rare = list_rare_syllables()
    places = [index for index, each in enumerate(text) if each in rare]
    if len({text[index] for index in places}) < 4:
        return None
    hangul = sum("가" <= each <= "힣" for each in text)
    return (places[0], places[-1] + 1) if len(places) * 5 >= hangul else None
