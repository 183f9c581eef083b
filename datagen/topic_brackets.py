"""Topics that stand in brackets (`topics: [{name: …}, …]`, as in JSON): entries come, go and move inside them."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from datagen.yaml_pieces import OddFormError, Pieces, begin_of, end_of
from datagen.yaml_words import write_value

Value = str | int | list[str] | dict[str, list[str]]


@lru_cache(maxsize=2)
def find_comments(text: str) -> tuple[tuple[int, str], ...]:
    """The comments of a YAML text with their places; a `#` inside a value is none."""
    pieces, masked = Pieces(text), list(text)
    document = YAML(typ="safe", pure=True).compose(text)
    for node in _walk(document, set()):
        start, stop = begin_of(node), end_of(pieces, node)
        if node.style in ("|", ">"):
            start = text.find("\n", start) % (len(text) + 1)  # its first line may end in a comment
        masked[start:stop] = "_" * max(0, stop - start)
    found = re.finditer(r"(?:^|(?<=[\s,\[\]{}]))#[^\n]*", "".join(masked))
    return tuple((each.start(), text[each.start() : each.end()]) for each in found)


def _walk(node: Node | None, seen: set[int]) -> Iterator[ScalarNode]:
    if node is None or id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, ScalarNode):
        yield node
        return
    for each in node.value:
        for inner in each if isinstance(each, tuple) else (each,):
            yield from _walk(inner, seen)


def arrange_brackets(pieces: Pieces, node: SequenceNode, order: Sequence[int | str]) -> None:
    """Put entries (by their number) and new texts in `order` between the brackets of a list.

    Raises OddFormError where there are comments between them, which belong to one or the other.
    """
    spans = [(begin_of(each), end_of(pieces, each)) for each in node.value]
    start, stop = begin_of(node), end_of(pieces, node)
    ends = [start + 1, *(end for _, end in spans)]
    gaps = [pieces.text[end:begin] for end, begin in zip(ends, [*(begin for begin, _ in spans), stop - 1], strict=True)]
    if any(gap.strip(" \n,") for gap in gaps) or pieces.text[start] != "[":
        raise OddFormError("comments between brackets, an alias or an anchor")
    items = [each if isinstance(each, str) else pieces.cut(*spans[each]) for each in order]
    between = gaps[1] if len(gaps) > 2 else ", "
    last = gaps[-1] if items and spans else ""
    pieces.enclose(start, stop, f"[{gaps[0] if spans else ''}{between.join(items)}{last}]")


def add_in_brackets(pieces: Pieces, topic: MappingNode, name: str, value: Value) -> None:
    """Put one more key at the end of a topic in brackets."""
    if not topic.value:
        raise OddFormError("an empty topic")
    at = end_of(pieces, topic.value[-1][1])
    if begin_of(topic.value[-1][1]) < begin_of(topic.value[-1][0]):
        raise OddFormError("an alias")
    pieces.replace(at, at, f", {write_value(name, in_flow=True)}: {write_in_brackets(value)}")


def remove_in_brackets(pieces: Pieces, topic: MappingNode, name: str) -> None:
    """Take a key out of a topic in brackets, with the comma before it."""
    names = [key.value for key, _ in topic.value]
    at = names.index(name)
    ends = [(begin_of(key), begin_of(value), end_of(pieces, value)) for key, value in topic.value]
    if at == 0 or any(begin < key for key, begin, _ in ends[at - 1 : at + 1]):
        raise OddFormError("the first key, or an alias")
    pieces.replace(ends[at - 1][2], ends[at][2], "")


def write_in_brackets(value: Value | dict[str, Value]) -> str:
    """A value, a list or a mapping on one line."""
    if isinstance(value, dict):
        fields = (f"{write_value(name, in_flow=True)}: {write_in_brackets(each)}" for name, each in value.items())
        return "{" + ", ".join(fields) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(write_value(each, in_flow=True) for each in value) + "]"
    return write_value(value, in_flow=True)
