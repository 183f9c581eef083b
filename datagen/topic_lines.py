"""The topics of a spec's text, changed in place: the lines of what nobody changed stay as they are, comments too.

`TopicChange` says what a topic is to become; `edit_topics` finds the lines that say otherwise and writes those anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher, get_close_matches
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from datagen.topic_brackets import (
    Value,
    add_in_brackets,
    arrange_brackets,
    find_comments,
    remove_in_brackets,
    write_in_brackets,
)
from datagen.yaml_pieces import (
    OddFormError,
    Pieces,
    arrange,
    begin_of,
    end_of,
    find_child,
    is_in_brackets,
    list_entries,
    measure_indent,
)
from datagen.yaml_words import write_list, write_text, write_value

MAX_COMPARED = 2_500
"""Pairs of changed texts that are compared: 0.1 ms each."""


@dataclass(frozen=True, slots=True)
class TopicChange:
    """A topic of the new list: `index` is its number in the old one, None for a new topic.

    `fields` are those whose values change (all of a new topic); an empty `facets` takes the key away.
    """

    index: int | None
    fields: dict[str, Value]


def edit_topics(text: str, changes: Sequence[TopicChange]) -> str:
    """The spec's text with its topics as `changes` say. Raises OddFormError where it cannot be edited in place."""
    pieces = Pieces(text)
    document = YAML(typ="safe", pure=True).compose(text)
    key, topics = find_child(document, "topics") or (None, None)
    if key is None or not isinstance(topics, SequenceNode):
        raise OddFormError("no list of topics")
    is_in_order = [change.index for change in changes] == list(range(len(topics.value)))
    if topics.flow_style:
        _edit_brackets_of_topics(pieces, topics, changes)
        return pieces.cut(0, len(text))
    entries = list_entries(pieces, key, topics)
    for change in changes:
        if change.index is not None:
            _edit_topic(pieces, topics.value[change.index], change.fields, entries[change.index].end)
    if not changes:
        pieces.enclose(key.end_mark.index, entries[-1].end, ": []\n")
    elif not is_in_order:
        indent = measure_indent(text[entries[0].start :])
        offset = _find_list_offset(topics.value[0])
        new = [_write_topic(change.fields, indent, offset) if change.index is None else "" for change in changes]
        arrange(pieces, entries, [new[n] if each.index is None else each.index for n, each in enumerate(changes)])
    return pieces.cut(0, len(text))


def _edit_brackets_of_topics(pieces: Pieces, topics: SequenceNode, changes: Sequence[TopicChange]) -> None:
    order: list[int | str] = []
    for change in changes:
        if change.index is not None:
            _edit_topic(pieces, topics.value[change.index], change.fields, None)
            order.append(change.index)
        else:
            order.append(write_in_brackets({name: value for name, value in change.fields.items() if value}))
    if order != list(range(len(topics.value))):
        arrange_brackets(pieces, topics, order)


def _edit_topic(pieces: Pieces, node: Node, fields: dict[str, Value], end: int | None) -> None:
    """`end`: where lines of the topic may be added, None where it has no lines of its own."""
    if fields and not isinstance(node, MappingNode):
        raise OddFormError("a topic that is no mapping")
    for name, value in fields.items():
        found = find_child(node, name)
        if found is None or not value:
            _add_or_remove(pieces, node, name, value, end)
        else:
            _edit_value(pieces, found, value, is_in_brackets(node))


def _add_or_remove(pieces: Pieces, node: Node, name: str, value: Value, end: int | None) -> None:
    found = find_child(node, name)
    if isinstance(node, MappingNode) and node.flow_style:
        if found is None:
            add_in_brackets(pieces, node, name, value)
        elif name == "facets":
            remove_in_brackets(pieces, node, name)
        else:
            _edit_value(pieces, found, value, in_flow=True)
    elif end is None:
        raise OddFormError("lines inside brackets")
    elif found is None:
        lines = "".join(_write_field(name, value, node.start_mark.column, 2))
        pieces.replace(end, end, lines if pieces.text[:end].endswith("\n") else f"\n{lines}".removesuffix("\n"))
    elif name == "facets":
        key, old = found
        start = pieces.find_line_start(begin_of(key))
        if pieces.text[start : begin_of(key)].strip() or begin_of(old) < begin_of(key):
            raise OddFormError("facets that do not begin their line")
        pieces.replace(start, pieces.find_line_end(end_of(pieces, old)), "")
    else:
        _edit_value(pieces, found, value, in_flow=False)


def _edit_value(pieces: Pieces, found: tuple[Node, Node], value: Value, in_flow: bool) -> None:
    key, node = found
    if begin_of(node) < begin_of(key):
        raise OddFormError("an alias")
    if isinstance(value, dict):
        _edit_mapping(pieces, found, value)
    elif isinstance(value, list):
        _edit_list(pieces, found, value)
    elif isinstance(node, ScalarNode):
        _edit_scalar(pieces, node, value, key.start_mark.column + 2, in_flow)
    else:
        raise OddFormError("not the value that was expected")


def _edit_scalar(pieces: Pieces, node: ScalarNode, value: str | int, indent: int, in_flow: bool) -> None:
    """`indent`: of the lines of a text that takes several."""
    start, stop = begin_of(node), end_of(pieces, node)
    old = pieces.text[start:stop]
    if in_flow or isinstance(value, int):
        new = write_value(value, in_flow)
    else:
        known = [line.strip() for line in old.split("\n")[1:]] if node.style == ">" else []
        new = write_text(value, indent, node.style in ("|", ">"), known)
    header, _, comment = old.partition("\n")[0].partition("#")
    if node.style in ("|", ">") and comment:
        first, _, rest = new.partition("\n")
        new = f"{first}{header[len(header.rstrip()) :]}#{comment}" + (f"\n{rest}" if rest else "")
    if not old and pieces.text[start - 1 : start] in (":", "-"):
        new = f" {new}"
    pieces.replace(start, stop, new)


def _edit_list(pieces: Pieces, found: tuple[Node, Node], values: list[str]) -> None:
    key, node = found
    if not isinstance(node, SequenceNode) or node.flow_style:
        _replace_brackets(pieces, node, write_list(values, node.start_mark.column, key.start_mark.column + 2))
        return
    entries = list_entries(pieces, key, node)
    if not values:
        pieces.enclose(key.end_mark.index, entries[-1].end, ": []\n")
        return
    indent = measure_indent(pieces.text[entries[0].start :])
    order: list[int | str] = []
    for index, value in _pair([_read_text(each) for each in node.value], values):
        if index is None:
            order.append(_write_item(value, indent))
            continue
        order.append(index)
        if _read_text(node.value[index]) != value:
            _edit_scalar(pieces, node.value[index], value, indent + 2, in_flow=False)
    if order != list(range(len(entries))):
        arrange(pieces, entries, order)


def _edit_mapping(pieces: Pieces, found: tuple[Node, Node], value: dict[str, list[str]]) -> None:
    key, node = found
    names, indent = list(value), key.start_mark.column + 2
    if not isinstance(node, MappingNode) or node.flow_style:
        _edit_brackets(pieces, node, value, indent)
        return
    entries = list_entries(pieces, key, node)
    order: list[int | str] = []
    for index, name in _pair([_read_text(each) for each, _ in node.value], names):
        if index is None:
            order.append("".join(_write_field(name, value[name], node.start_mark.column, 2)))
            continue
        order.append(index)
        old_key, old = node.value[index]
        if _read_text(old_key) != name:
            _edit_scalar(pieces, old_key, name, indent, in_flow=True)
        if not isinstance(old, SequenceNode) or [_read_text(each) for each in old.value] != value[name]:
            _edit_value(pieces, (old_key, old), value[name], in_flow=False)
    if order != list(range(len(entries))):
        arrange(pieces, entries, order)


def _edit_brackets(pieces: Pieces, node: Node, value: dict[str, list[str]], indent: int) -> None:
    if isinstance(node, MappingNode) and [_read_text(key) for key, _ in node.value] == list(value):
        for (_, old), texts in zip(node.value, value.values(), strict=True):
            if not isinstance(old, SequenceNode) or [_read_text(each) for each in old.value] != texts:
                _replace_brackets(pieces, old, write_list(texts, old.start_mark.column, indent))
        return
    _replace_brackets(pieces, node, write_in_brackets(value))


def _replace_brackets(pieces: Pieces, node: Node, new: str) -> None:
    start, stop = begin_of(node), end_of(pieces, node)
    old = pieces.text[start:stop]
    has_comment = any(start <= at < stop for at, _ in find_comments(pieces.text))
    if has_comment or old[:1] not in ("[", "{", ""):
        raise OddFormError("comments, an anchor or a single value where brackets are written")
    pieces.replace(start, stop, new if old or pieces.text[start - 1 : start] != ":" else f" {new}")


def _pair(old: list[str], new: list[str]) -> list[tuple[int | None, str]]:
    """For each new text the number of the old entry that it is, or takes the place of; None for one more."""
    pairs: list[int | None] = [None] * len(new)
    candidates: list[int | None] = [None] * len(new)
    for kind, first, last, begin, end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        for at in range(min(last - first, end - begin)):
            (pairs if kind == "equal" else candidates)[begin + at] = first + at
    free = [index for index in range(len(old)) if index not in pairs]
    moved = {old[index]: index for index in free}
    for at, text in enumerate(new):
        if pairs[at] is None and text in moved:
            pairs[at] = moved.pop(text)
    _pair_alike(pairs, old, new)
    for at, index in enumerate(candidates):
        if pairs[at] is None and index not in pairs:
            pairs[at] = index
    return list(zip(pairs, new, strict=True))


def _pair_alike(pairs: list[int | None], old: list[str], new: list[str]) -> None:
    """A text of which a part was changed is the old one still."""
    free = {text: index for index, text in enumerate(old) if index not in pairs}
    unknown = [at for at, index in enumerate(pairs) if index is None]
    if len(free) * len(unknown) > MAX_COMPARED:
        return
    for at in unknown:
        for text in get_close_matches(new[at], free, n=1):
            pairs[at] = free.pop(text)


def _read_text(node: Any) -> str:
    return str(node.value).strip()


def _find_list_offset(topic: Node) -> int:
    """Columns by which the dashes of a topic's lists stand in from their keys."""
    found = find_child(topic, "situations") if isinstance(topic, MappingNode) else None
    if found is None or is_in_brackets(found[1]):
        return 2
    return max(0, int(found[1].start_mark.column) - int(found[0].start_mark.column))


def _write_topic(fields: dict[str, Value], indent: int, offset: int) -> str:
    lines = [line for name, value in fields.items() if value for line in _write_field(name, value, indent + 2, offset)]
    first = lines[0][indent + 2 :]
    return f"{' ' * indent}- {first}" + "".join(lines[1:])


def _write_field(name: str, value: Value, indent: int, offset: int) -> list[str]:
    """The lines of `name: value` at `indent`."""
    margin, key = " " * indent, write_value(name, in_flow=True)
    if isinstance(value, dict):
        lists = [line for each, texts in value.items() for line in _write_field(each, texts, indent + 2, offset)]
        return [f"{margin}{key}:\n", *lists]
    if isinstance(value, list) and name == "situations":
        return [f"{margin}{key}:\n", *(_write_item(text, indent + offset) for text in value)]
    if isinstance(value, list):
        return [f"{margin}{key}: {write_list(value, indent + len(key) + 2, indent + 2)}\n"]
    if isinstance(value, int):
        return [f"{margin}{key}: {value}\n"]
    return [f"{margin}{key}: {write_text(value, indent + 2, prefers_folded=name == 'brief')}\n"]


def _write_item(text: str, indent: int) -> str:
    return f"{' ' * indent}- {write_text(text, indent + 2, prefers_folded=False)}\n"
