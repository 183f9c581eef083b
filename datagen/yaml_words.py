"""How a value is written in a YAML file that people edit: plain where it may be, quoted where it must, folded if long.

Lines are filled to the width of a screen on which a Hangul syllable takes two columns, as in the specs by hand.
"""

import json
import unicodedata
from collections.abc import Sequence

from ruamel.yaml import YAML

WIDTH = 120
"""Columns of a line."""
_OLD_BOOLEANS = {"y", "n", "yes", "no", "on", "off"}
"""Texts here, but truth values to readers of YAML 1.1."""


def load_values(text: str) -> object:
    """What a YAML text says, without its form."""
    return YAML(typ="safe").load(text)


def write_value(value: str | int, in_flow: bool = False) -> str:
    """One value on one line, quoted only where it would be read as something else."""
    if isinstance(value, int):
        return str(value)
    return value if _is_plain(value, in_flow) else _quote(value)


def _is_plain(text: str, in_flow: bool) -> bool:
    if not text.isprintable() or text.strip() != text or text.lower() in _OLD_BOOLEANS:
        return False
    try:
        return load_values(f"[{text}]" if in_flow else f"- {text}\n") == [text]
    except Exception:  # the reader raises what it likes for odd texts; all of them want quotes
        return False


def _quote(text: str) -> str:
    written = json.dumps(text, ensure_ascii=False)
    return "".join(each if each.isprintable() else _escape(each) for each in written)


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def write_text(text: str, indent: int, prefers_folded: bool, known: Sequence[str] = ()) -> str:
    """A text of one or more lines; folded over lines at `indent` where it is long or `prefers_folded`.

    `known`: the lines that it had so far; those that it still begins with are left as they are, but for the last.
    """
    is_long = "\n" in text or indent + _measure(text) > WIDTH - len("situations: ")
    if not (prefers_folded or is_long) or not _may_be_folded(text):
        return write_value(text)
    margin = " " * indent
    paragraphs = []
    for paragraph in text.split("\n"):  # one line break of the text is an empty line of the file
        kept, rest = _keep_lines(paragraph, known if "\n" not in text else ())
        lines = kept + (fill(rest.split(" "), indent, indent) if rest else [])
        paragraphs.append("\n".join(f"{margin}{line}" for line in lines))
    return ">-\n" + "\n\n".join(paragraphs)


def _keep_lines(text: str, known: Sequence[str]) -> tuple[list[str], str]:
    """The known lines that the text begins with, and the rest of it."""
    kept: list[str] = []
    for line in known[:-1]:
        if not line or not text.startswith(f"{line} "):
            break
        kept.append(line)
        text = text[len(line) + 1 :]
    return kept, text


def _may_be_folded(text: str) -> bool:
    """Folding takes a text apart at single spaces, and keeps no other white space at the ends of lines."""
    has_only_words = all(
        line == line.strip() and "  " not in line and (line.isprintable()) for line in text.split("\n")
    )
    return bool(text) and text == text.strip() and has_only_words


def write_list(values: Sequence[str], column: int, indent: int) -> str:
    """`[a, b, c]` that starts at `column`; what does not fit goes on at `indent`."""
    written = [write_value(value, in_flow=True) for value in values]
    pieces = [f"{value}," for value in written[:-1]] + written[-1:]
    return "[" + ("\n" + " " * indent).join(fill(pieces, column + 1, indent)) + "]"


def fill(pieces: Sequence[str], column: int, indent: int) -> list[str]:
    """Join pieces by spaces into lines: the first begins at `column`, the others at `indent`."""
    lines: list[str] = []
    line, used = "", column
    for piece in pieces:
        size = _measure(piece)
        if line and used + 1 + size > WIDTH:
            lines.append(line)
            line, used = piece, indent + size
        else:
            used += size + (1 if line else 0)
            line = f"{line} {piece}" if line else piece
    return [*lines, line]


def _measure(text: str) -> int:
    """Columns that a text takes on a screen."""
    return sum(2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text)
