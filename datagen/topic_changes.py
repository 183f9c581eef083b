"""From what an author wants to the text that says it: what differs, where to write it, and whether it reads so."""

from contextlib import suppress
from typing import Any

from datagen.errors import UsageError
from datagen.topic_brackets import Value
from datagen.topic_forms import TopicEdit, TopicText
from datagen.topic_lines import TopicChange, edit_topics
from datagen.topic_rewrite import rewrite_topics
from datagen.yaml_pieces import OddFormError
from datagen.yaml_words import load_values


def find_changes(old: tuple[TopicText, ...], new: tuple[TopicEdit, ...]) -> list[TopicChange]:
    """What becomes of each topic wanted. Raises UsageError where one is said to be a topic that the file has not."""
    places: dict[str, list[int]] = {}
    for place, topic in enumerate(old):
        places.setdefault(topic.name, []).append(place)
    changes = []
    for edit in new:
        if edit.original is not None and not places.get(edit.original):
            found = f"the edit changes topic '{edit.original}', which the file does not have (so often)"
            raise UsageError(found, "`original` is a topic's name in the file, once each; leave it out for a new topic")
        index = None if edit.original is None else places[edit.original].pop(0)
        wanted = _list_values(edit)
        known = _list_values(old[index]) if index is not None else {}
        fields = {
            name: value for name, value in wanted.items() if name not in known or not _is_same(known[name], value)
        }
        changes.append(TopicChange(index, fields))
    return changes


def _list_values(topic: TopicText | TopicEdit) -> dict[str, Value]:
    return {
        "name": topic.name,
        "category": topic.category,
        "quota": topic.quota,
        "brief": topic.brief.replace("\r\n", "\n"),
        "situations": [" ".join(each.split()) if "\n" in each else each for each in topic.situations],
        "facets": {name: list(values) for name, values in topic.facets.items()},
    }


def _is_same(old: Value, new: Value) -> bool:
    """Equal, in the same order."""
    return list(old.items()) == list(new.items()) if isinstance(old, dict) and isinstance(new, dict) else old == new


def apply_changes(text: str, changes: list[TopicChange]) -> str:
    """The spec's text with the changes made: in place if that can be, else written anew.

    Raises UsageError where neither would say just what is wanted, or would lose a comment.
    """
    expected = _expect(text, changes)
    with suppress(OddFormError):
        edited = edit_topics(text, changes)
        if _says(edited, expected):
            return edited
    edited = rewrite_topics(text, changes)
    if not _says(edited, expected):
        found = "the topics stand in a form that cannot be edited here: values are shared by anchors, or the like"
        raise UsageError(found, "edit the file with an editor, or write each topic out, as in specs/exa-data.yaml")
    return edited


def _expect(text: str, changes: list[TopicChange]) -> object:
    data: Any = load_values(text)
    old = data.get("topics") or []
    topics = []
    for change in changes:
        topic = {**(old[change.index] if change.index is not None else {}), **change.fields}
        topics.append({name: value for name, value in topic.items() if name != "facets" or value})
    return {**data, "topics": topics}


def _says(text: str, expected: Any) -> bool:
    try:
        found: Any = load_values(text)
    except Exception:  # the reader raises what it likes; such a text is not what was wanted
        return False
    if not isinstance(found, dict) or list(found) != list(expected):
        return False
    orders = [[list(topic.get("facets") or {}) for topic in each.get("topics") or []] for each in (found, expected)]
    return bool(_drop_empty_facets(found) == expected) and orders[0] == orders[1]


def _drop_empty_facets(data: dict[str, Any]) -> dict[str, Any]:
    topics = [{name: value for name, value in each.items() if name != "facets" or value} for each in data["topics"]]
    return {**data, "topics": topics}
