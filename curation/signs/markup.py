"""Markdown and HTML in an utterance: what a chat window would show as stray signs.

Each pattern is anchored or bounded, so that a search is linear. `~~`, `___` and `>` are also laughter, blanks and
faces, so a pattern asks for the whole form.
"""

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from curation.subject import Span


class Markup(NamedTuple):
    """`is_sure` False: people write this by hand too."""

    kind: Literal["markdown", "html"]
    name: str
    span: Span
    is_sure: bool = True


BOLD = re.compile(r"(?<![*\w])\*{2,3}(?![\s*])[^*\n]*(?<![\s*])\*{2,3}(?!\*)")
_GLUED_BOLD = re.compile(r"(?<=\w)\*\*(?![\s*])[^*\n]{1,40}(?<![\s*])\*\*(?!\*)")
RULE = re.compile(r"^[ \t]{0,3}(?:\*[ \t]?){3,}$|^[ \t]{0,3}(?:-{3,}|_{3,}|(?:- ){2,}-)[ \t]*$", re.MULTILINE)
BULLET = re.compile(r"^[ \t]{0,8}[-*+] (?=[^\s*])(?![^*\n]*\*)", re.MULTILINE)

_MARKDOWN: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("굵은 글씨", BOLD),
    ("구분선", RULE),
    ("코드 블록", re.compile(r"```")),
    ("제목 표시", re.compile(r"^[ \t]{0,3}#{1,6} \S[^\n]{0,40}", re.MULTILINE)),
    ("밑줄 강조", re.compile(r"(?<![\w_^-])__(?![\s_])[^_\n]{0,80}[가-힣][^_\n]{0,80}(?<!\s)__(?![\w_^-])")),
    ("링크", re.compile(r"!?\[[^\[\]\n]{1,200}\]\((?:https?://|www\.|/|#|mailto:)[^()\s]{0,500}\)")),
    (
        "표",
        re.compile(
            r"^[ \t]{0,8}\|?[ \t]{0,8}:?-{3,}:?[ \t]{0,8}\|[-:| \t]*$|^[ \t]{0,8}\|[^|\n]+\|[^|\n]+\|[^\n]*$",
            re.MULTILINE,
        ),
    ),
    ("인용 표시", re.compile(r"^[ \t]{0,3}>{1,3} ?(?=[가-힣\"“][^\n]{2})", re.MULTILINE)),
)
_DOUBTFUL: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("굵은 글씨", _GLUED_BOLD),
    ("취소선", re.compile(r"(?<![~가-힣\w!?.])~~(?![\s~])[^~\n]{1,80}(?<![\s~])~~(?!~)")),
    ("코드 글꼴", re.compile(r"(?<![`´])`(?![\s`])[^`´\n]{1,80}`(?!`)")),
    ("기울임 표시", re.compile(r"(?<![\w_^;>~-])_(?![\s_])[가-힣][^_\n]{0,60}[가-힣.!?]_(?![\w_^])")),
)

_TAGS = (
    "a|b|big|blockquote|br|center|code|del|div|em|font|h[1-6]|hr|html|i|img|ins|li|mark|ol|p|pre|s|script|small|span|strike"
    "|strong|style|sub|summary|sup|table|tbody|td|th|thead|tr|u|ul"
)
_HTML = re.compile(
    rf"</?(?:{_TAGS})(?:\s[^<>\n]{{0,300}})?/?>|<!--|&(?:nbsp|lt|gt|amp|quot|apos|#\d{{1,6}}|#x[0-9a-f]{{1,5}});",
    re.IGNORECASE,
)
_TAG_TALK = re.compile(r"[`'\"’”]?\s?(?:태그|기호|코드|라고|이라고|하나|요소|속성)")
"""What follows a tag that is spoken of: "<br> 태그를 쓰면 줄이 바뀌어"."""

_LEAST_BULLETS = 2
_MARKS = (
    "**",
    "#",
    "`",
    "_",
    "<",
    ">",
    "|",
    "](",
    "&",
    "~~",
    "---",
    "- -",
    "* *",
    "\n- ",
    "\n* ",
    "\n+ ",
    "\n ",
    "\n\t",
)


def may_have_markup(text: str) -> bool:
    """Whether a search is worth its time: every pattern contains one of these, and most dialogues have none."""
    return any(map(text.__contains__, _MARKS))


def find_markup(text: str) -> Iterator[Markup]:
    """Markdown and HTML of a text, each with its place."""
    bullets = list(BULLET.finditer(text))
    if len(bullets) >= _LEAST_BULLETS:
        is_sure = any(each[0].strip() != "-" for each in bullets)
        yield Markup("markdown", "목록 표시", Span(*bullets[0].span()), is_sure)
    for patterns, is_sure in ((_MARKDOWN, True), (_DOUBTFUL, False)):
        for name, pattern in patterns:
            for found in pattern.finditer(text):
                yield Markup("markdown", name, Span(*found.span()), is_sure)
    for found in _HTML.finditer(text):
        yield Markup("html", "HTML", Span(*found.span()), _TAG_TALK.match(text, found.end()) is None)


def blank_out_markdown(text: str) -> str:
    """The text with Markdown's own asterisks replaced by spaces, of the same length."""
    if "**" in text or "* *" in text:
        text = RULE.sub(_blank, BOLD.sub(_blank, _GLUED_BOLD.sub(_blank, text)))
    if "\n" in text and len(BULLET.findall(text)) >= _LEAST_BULLETS:
        text = BULLET.sub(_blank, text)
    return text


def _blank(found: re.Match[str]) -> str:
    return " " * len(found[0])
