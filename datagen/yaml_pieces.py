"""A YAML text in pieces: entries of its lists and mappings as whole lines, moved without touching others.

A dumper writes a whole file anew, in its own manner. Here the parser only tells where things stand, and the text
between is copied as it is: what nobody changed keeps its bytes. What cannot be taken apart so (an alias, two entries
on one line, a comment inside brackets) raises `OddFormError`, and is left to the dumper.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode


class OddFormError(Exception):
    """The text is in a form that cannot be edited in place."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry as whole lines: text[lead:start] are blank lines and comments before it, text[start:end] its own."""

    lead: int
    start: int
    end: int


@dataclass(slots=True)
class Pieces:
    """A text and the splices (start, end, new text) to be made in it; an inner one is taken up by an outer one."""

    text: str
    splices: list[tuple[int, int, str]] = field(default_factory=list)

    def replace(self, start: int, end: int, new: str) -> None:
        self.splices.append((start, end, new))

    def cut(self, start: int, end: int) -> str:
        """The text from `start` to `end` with the splices inside it made."""
        inside = [each for each in self.splices if _is_inside(each, start, end)]
        parts, at = [], start
        for begin, stop, new in sorted(inside, key=lambda each: each[:2]):
            if begin < at:
                raise OddFormError("two edits at one place")
            parts += [self.text[at:begin], new]
            at = stop
        return "".join([*parts, self.text[at:end]])

    def enclose(self, start: int, end: int, new: str) -> None:
        """Replace a region by a text that was cut from it, its inner splices made."""
        self.splices = [each for each in self.splices if not _is_inside(each, start, end)]
        self.replace(start, end, new)

    def find_line_start(self, at: int) -> int:
        return self.text.rfind("\n", 0, at) + 1

    def find_line_end(self, at: int) -> int:
        """Behind the line break of the line of `at`."""
        found = self.text.find("\n", at)
        return len(self.text) if found < 0 else found + 1


def _is_inside(splice: tuple[int, int, str], start: int, end: int) -> bool:
    begin, stop, _ = splice
    return start <= begin and stop <= end and not (begin == stop == start)


def is_in_brackets(node: Node) -> bool:
    return bool(getattr(node, "flow_style", False))


def begin_of(node: Node) -> int:
    return int(node.start_mark.index)


def end_of(pieces: Pieces, node: Node) -> int:
    """Behind the last character of a node, without the white space and comments that the parser counts to it."""
    if isinstance(node, ScalarNode) or is_in_brackets(node):
        stop = int(node.end_mark.index)
        is_block_text = isinstance(node, ScalarNode) and node.style in ("|", ">")
        return begin_of(node) + len(pieces.text[begin_of(node) : stop].rstrip()) if is_block_text else stop
    last = node.value[-1]
    return max(end_of(pieces, each) for each in (last if isinstance(last, tuple) else (last,)))


def list_entries(pieces: Pieces, key: Node, node: Node) -> list[Entry]:
    """The entries of a block list or block mapping that stands under `key`."""
    if not isinstance(node, SequenceNode | MappingNode) or node.flow_style or begin_of(node) < begin_of(key):
        raise OddFormError("no block of lines of its own")
    entries: list[Entry] = []
    lead = pieces.find_line_end(key.end_mark.index)
    for each in node.value:
        first, last = each if isinstance(each, tuple) else (each, each)
        if begin_of(first) < lead or begin_of(last) < lead:
            raise OddFormError("an alias, or two entries on one line")
        start = _find_entry_start(pieces, lead, begin_of(first), isinstance(node, SequenceNode))
        end = _skip_comments(pieces, pieces.find_line_end(end_of(pieces, last)), start)
        entries.append(Entry(lead, start, end))
        lead = end
    return entries


def _find_entry_start(pieces: Pieces, lead: int, first: int, is_list: bool) -> int:
    start = pieces.find_line_start(first)
    if is_list:  # the dash may stand on a line of its own, above comments
        dashes = [found.start() for found in re.finditer(r"^[ ]*-(?=\s)", pieces.text[lead:first], re.MULTILINE)]
        if len(dashes) != 1:
            raise OddFormError("an entry does not begin with its own dash")
        return lead + dashes[0]
    if start < lead or pieces.text[start:first].strip():
        raise OddFormError("an entry does not begin its line")
    return start


def _skip_comments(pieces: Pieces, at: int, start: int) -> int:
    """Comments right below an entry and deeper than it are its own."""
    depth = measure_indent(pieces.text[start:])
    while True:
        line = pieces.text[at : pieces.find_line_end(at)]
        if not line.lstrip(" ").startswith("#") or measure_indent(line) <= depth:
            return at
        at += len(line)


def measure_indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def arrange(pieces: Pieces, entries: Sequence[Entry], order: Sequence[int | str]) -> None:
    """Put entries (by their number) and new lines in `order`; entries that are not named in it go.

    Comments right above an entry go where it goes. Those set off by an empty line are headings: they stay, above the
    first that is left of the entries that they were above.
    """
    leads = [_Lead.read(pieces.text[each.lead : each.start]) for each in entries]
    heads = [max((at for at in range(n + 1) if leads[at].heading), default=None) for n in range(len(entries))]
    waiting = {at: lead.heading for at, lead in enumerate(leads) if lead.heading}
    parts: list[str] = []
    for position, each in enumerate(order):
        is_settled = isinstance(each, int) and (each == 0) == (position == 0)
        gap = leads[each].gap if isinstance(each, int) and is_settled else leads[0 if position == 0 else -1].gap
        if isinstance(each, str):
            parts += [waiting.pop(0, "") if position == 0 else "", gap, each]
            continue
        head = heads[each]
        heading = waiting.pop(head, "") if head is not None else ""
        parts += [heading, gap, leads[each].comments, pieces.cut(entries[each].start, entries[each].end)]
    region = "".join(part if part.endswith("\n") or not part else f"{part}\n" for part in [*parts, *waiting.values()])
    end = entries[-1].end
    if end == len(pieces.text) and not pieces.text.endswith("\n"):
        region = region.removesuffix("\n")
    pieces.enclose(entries[0].lead, end, region)


@dataclass(frozen=True, slots=True)
class _Lead:
    """What stands above an entry, from top to bottom."""

    heading: str
    gap: str
    comments: str

    @classmethod
    def read(cls, text: str) -> "_Lead":
        lines = text.splitlines(keepends=True)
        first = len(lines)
        while first and lines[first - 1].strip():
            first -= 1
        blank = first
        while blank and not lines[blank - 1].strip():
            blank -= 1
        return cls("".join(lines[:blank]), "".join(lines[blank:first]), "".join(lines[first:]))


def find_child(node: Any, name: str) -> tuple[Node, Node] | None:
    """The key and value nodes of a mapping's entry."""
    return next(((key, value) for key, value in node.value if key.value == name), None)
