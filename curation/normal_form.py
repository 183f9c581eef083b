"""The form in which texts are compared: what two people would call the same line is the same string.

For comparison only, never for storage. Spaces, punctuation, symbols, text emoticons and laughter differ from one draft
to the next without making it another line, so they are dropped; Latin letters are lower-cased. Of a stage direction
the asterisks go and the words stay. A text that is nothing but signs ("ㅋㅋㅋ", "...?") is its own form, so that short
answers do not all become one.
"""

import re
import unicodedata
from collections.abc import Sequence

_KEPT = re.compile(r"[^\W_ㅋㅎㅠㅜ]+(?:(?<=[ㄱ-ㅅㅇ-ㅊ])[ㅋㅎ])?")
"""Letters and digits but for laughter and tears. After another lone consonant, ㅋ and ㅎ are a word: ㅇㅋ, ㅇㅎ."""


def fold(text: str) -> str:
    """The normal form of a text. Idempotent; empty only for a blank text."""
    text = unicodedata.normalize("NFC", text)
    kept = "".join(_KEPT.findall(text.lower()))
    # Letters that stood apart may compose once they stand together: conjoining jamo around a space.
    return unicodedata.normalize("NFC", kept) or text.strip()


_USUAL_MARKS = " .,!?*~…^'\"{}()-\nㅋㅎㅠㅜ"
_CONSONANT = re.compile("[ㄱ-ㅅㅇ-ㅊ]")
_BORDER = "\0"


def fold_all(texts: Sequence[str]) -> list[str]:
    """The normal form of each text: those of most dialogues lose nothing but the usual marks, all at once."""
    whole = _BORDER.join(texts).lower()
    for mark in _USUAL_MARKS:
        whole = whole.replace(mark, "")
    folded = whole.split(_BORDER)
    is_plain = whole.replace(_BORDER, "").isalnum() and not _CONSONANT.search(whole)
    if is_plain and all(folded) and len(folded) == len(texts) and unicodedata.is_normalized("NFC", whole):
        return folded
    return [fold(text) for text in texts]
