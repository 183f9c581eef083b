"""The form in which texts are compared: what two people would call the same line is the same string.

For comparison only, never for storage. Spaces, punctuation, symbols, text emoticons and laughter differ from one draft
to the next without making it another line, so they are dropped; Latin letters are lower-cased. Of a stage direction
the asterisks go and the words stay. A text that is nothing but signs ("ㅋㅋㅋ", "...?") is its own form, so that short
answers do not all become one.
"""

import re
import unicodedata

_KEPT = re.compile(r"[^\W_ㅋㅎㅠㅜ]+(?:(?<=[ㄱ-ㅅㅇ-ㅊ])[ㅋㅎ])?")
"""Letters and digits but for laughter and tears. After another lone consonant, ㅋ and ㅎ are a word: ㅇㅋ, ㅇㅎ."""


def fold(text: str) -> str:
    """The normal form of a text. Idempotent; empty only for a blank text."""
    text = unicodedata.normalize("NFC", text)
    kept = "".join(_KEPT.findall(text.lower()))
    # Letters that stood apart may compose once they stand together: conjoining jamo around a space.
    return unicodedata.normalize("NFC", kept) or text.strip()
