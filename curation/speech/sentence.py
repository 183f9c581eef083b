"""Cut what a person says into sentences, with their places, and put quoted speech aside.

Marks that end a sentence always cut. Laughter, ~ and … cut only behind a finished ending: 그래 ㅋㅋ 알았어 is two
sentences, 음… 그건 좀 is one. Quoted speech is not the speaker's: it is replaced by placeholders of the same length,
which read as a noun, so that 그가 '안녕하세요'라고 했어 is judged by 했어. Speech that is quoted as a whole is speech.
"""

import re
from collections.abc import Callable
from itertools import pairwise

PLACEHOLDER = "\ue000"
"""Stands for one character of quoted speech (a private-use character: no text has it for anything else)."""

_QUOTE = re.compile(
    r"“[^“”\n]+”|‘[^‘’\n]+’|「[^「」\n]+」|『[^『』\n]+』|《[^《》\n]+》|〈[^〈〉\n]+〉|\"[^\"\n]+\"|(?<![A-Za-z])'[^'\n]+'"
)
_QUOTE_MARK = re.compile("[“‘「『《〈\"']")
_HANGUL = re.compile("[가-힣ㄱ-ㅎㅏ-ㅣ]")
_BREAK = re.compile(r"(?: {3}|[.!?…。！？~～∼ㅋㅎㅠㅜ^♥♡☆★;\n])[.!?…。！？~～∼ㅋㅎㅠㅜㅡ^♥♡☆★;:)\]\s\"'”’」』_-]*")
_HARD = re.compile("[\n!?。！？]|^ {3}")
"""In the marks: a sentence ends here whatever stands before. Three spaces are a stage direction blanked out."""

_ASIDE = re.compile(r"\([^()\n]*\)")


def mask_quotes(speech: str) -> str:
    """`speech` with quoted speech replaced by placeholders and bracketed asides by spaces, character by character."""
    masked = _ASIDE.sub(lambda found: " " * len(found[0]), speech) if "(" in speech else speech
    if _QUOTE_MARK.search(masked):
        masked = _QUOTE.sub(lambda found: PLACEHOLDER * len(found[0]), masked)
    return masked if masked == speech or _HANGUL.search(masked) else speech


def split_sentences(masked: str, closes: Callable[[str], bool]) -> list[tuple[int, int]]:
    """The places of the sentences in masked speech: in order, not overlapping, without surrounding space.

    `closes` tells whether a piece that is followed by laughter or an ellipsis is a finished sentence.
    """
    borders = [0]
    for found in _BREAK.finditer(masked):
        end = found.end()
        if end == len(masked) or _cuts(masked, borders[-1], found, closes):
            borders.append(end)
    borders.append(len(masked))
    return [place for start, end in pairwise(borders) if (place := _trim(masked, start, end)) is not None]


def _cuts(masked: str, start: int, found: re.Match[str], closes: Callable[[str], bool]) -> bool:
    marks, here, there = found[0], masked[found.start() - 1 : found.start()], masked[found.end()]
    if marks != ". " and _HARD.search(marks):
        return True
    if marks.startswith(".") and not marks.startswith("..") and "…" not in marks:
        return not (here.isascii() and there.isascii() and here.isalnum() and there.isalnum())
    return closes(masked[max(start, found.start() - 16) : found.start()])


def _trim(masked: str, start: int, end: int) -> tuple[int, int] | None:
    """The place without surrounding space; None where nothing is said."""
    piece = masked[start:end]
    bare = piece.lstrip()
    if not _SPOKEN.search(bare):
        return None
    return start + len(piece) - len(bare), start + len(piece.rstrip())


_SPOKEN = re.compile("[가-힣ㄱ-ㅎㅏ-ㅣA-Za-z0-9\ue000]")
