"""The topics of a spec's text changed by the round-trip dumper: for forms that cannot be edited in place.

It writes the file anew in its own manner, and keeps anchors, quotes and most comments; one that it would lose is named.
"""

from collections.abc import Sequence
from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from datagen.errors import UsageError
from datagen.topic_brackets import Value, find_comments
from datagen.topic_lines import TopicChange
from datagen.yaml_words import WIDTH


def rewrite_topics(text: str, changes: Sequence[TopicChange]) -> str:
    """The spec's text with its topics as `changes` say. Raises UsageError where a comment would be lost."""
    yaml = YAML(typ="rt", pure=True)
    yaml.preserve_quotes = True
    yaml.width = WIDTH
    yaml.allow_unicode = True
    yaml.indent(mapping=2, sequence=4, offset=2)
    data = yaml.load(text)
    old = list(data["topics"])
    topics = [_change(CommentedMap() if each.index is None else old[each.index], each.fields) for each in changes]
    if [each.index for each in changes] != list(range(len(old))):
        data["topics"] = _copy_style(data["topics"], topics)
    stream = StringIO()
    yaml.dump(data, stream)
    _check_comments(text, stream.getvalue())
    return stream.getvalue()


def _change(topic: Any, fields: dict[str, Value]) -> Any:
    for name, value in fields.items():
        if name == "facets" and not value:
            topic.pop(name, None)
        else:
            topic[name] = value
    return topic


def _copy_style(old: Any, topics: list[Any]) -> CommentedSeq:
    new = CommentedSeq(topics)
    if old.fa.flow_style():
        new.fa.set_flow_style()
    return new


def _check_comments(before: str, after: str) -> None:
    kept = [comment for _, comment in find_comments(after)]
    for _, comment in find_comments(before):
        if comment not in kept:
            found = f"the comment '{comment[:60]}' would be lost: the topics stand in a form that keeps it only by hand"
            raise UsageError(
                found, "edit the file with an editor, or write one entry a line, as in specs/exa-data.yaml"
            )
        kept.remove(comment)
