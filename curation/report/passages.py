"""Dialogue text cut into pieces for showing: speech, stage directions, marked places, and what differs in a pair."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise

from curation.report.document import Excerpt, Quote
from curation.subject import Utterance

_TOKEN = re.compile(r"\s+|\w+|[^\w\s]")
_COMPARED = 1_500  # tokens a side: comparing takes their product


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text. `mark`: the verdict of the findings on it, `changed` in a pair, or empty."""

    text: str
    is_direction: bool
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Passage:
    """One message as it is shown. `skipped`: messages left out before it."""

    index: int
    role: str
    pieces: tuple[Piece, ...]
    cut_before: bool
    cut_after: bool
    flagged: bool
    skipped: int


def show_quote(quote: Quote) -> list[Passage]:
    marks = [
        [(each["start"], each["end"], each["verdict"]) for each in message["marks"]] for message in quote["messages"]
    ]
    return _show(quote["messages"], marks)


def _show(messages: Sequence[Excerpt], marks: Sequence[Sequence[tuple[int, int, str]]]) -> list[Passage]:
    passages = []
    following = 0
    for message, marked in zip(messages, marks, strict=True):
        pieces = tuple(_cut(message["text"], marked))
        cut = (message["cut_before"], message["cut_after"], message["flagged"])
        passages.append(Passage(message["index"], message["role"], pieces, *cut, message["index"] - following))
        following = message["index"] + 1
    return passages


def _cut(text: str, marks: Sequence[tuple[int, int, str]]) -> Iterable[Piece]:
    """Pieces that are all alike inside. Where marks overlap, `drop` shows."""
    directions = [(span.start, span.end) for span in Utterance.of(text).directions]
    edges = {0, len(text)}
    edges.update(edge for span in directions for edge in span)
    edges.update(edge for start, end, _ in marks for edge in (start, end))
    ordered = sorted(edge for edge in edges if 0 <= edge <= len(text))
    for start, end in pairwise(ordered):
        verdicts = {verdict for first, last, verdict in marks if first <= start and end <= last}
        is_direction = any(first <= start and end <= last for first, last in directions)
        yield Piece(text[start:end], is_direction, min(verdicts, default=""))


def show_pair(left: Quote, right: Quote) -> tuple[list[Passage], list[Passage]]:
    """Both dialogues with what the other lacks marked `changed`, compared word by word across messages."""
    ours, theirs = _list_tokens(left), _list_tokens(right)
    matcher = SequenceMatcher(None, [each[0] for each in ours], [each[0] for each in theirs], autojunk=False)
    here: set[int] = set()
    there: set[int] = set()
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind != "equal":
            here.update(range(a, b))
            there.update(range(c, d))
    return _mark(left, ours, here), _mark(right, theirs, there)


_Token = tuple[tuple[str, str], int, int, int]
"""Role and text, which are compared; the message's place in the quote; its characters."""


def _list_tokens(quote: Quote) -> list[_Token]:
    found = [
        ((message["role"], match[0]), at, match.start(), match.end())
        for at, message in enumerate(quote["messages"])
        for match in _TOKEN.finditer(message["text"])
    ]
    return found[:_COMPARED]


def _mark(quote: Quote, tokens: Sequence[_Token], changed: set[int]) -> list[Passage]:
    marks: list[list[tuple[int, int, str]]] = [[] for _ in quote["messages"]]
    for number in sorted(changed):
        _, at, start, end = tokens[number]
        if marks[at] and marks[at][-1][1] == start:
            start = marks[at].pop()[0]
        marks[at].append((start, end, "changed"))
    return _show(quote["messages"], marks)
