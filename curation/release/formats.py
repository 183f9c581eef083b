"""The shapes of exported rows: one dialogue in, one row out.

Rows of text alone are the same whatever else is exported with them. Pictures and recordings stand where each format's
readers look for them; a format that has no place for them leaves them out, and the export says of how many dialogues.

Text is never changed: stage directions and `{유저}` stay as they are, and role and order of turns are the dialogue's.
The system prompt of the persona, where it is asked for, stands where each format's readers look for it.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from curation.release.shown import (
    Carries,
    ReadMedium,
    carry_all,
    carry_nothing,
    carry_what_is_asked,
    encode,
    in_message,
    list_carried,
)
from datagen.record import MediaKind, Medium, Message

Row = dict[str, object]


@dataclass(frozen=True, slots=True)
class ExportedDialogue:
    """What a row is made from. `system` None: no system prompt is wanted."""

    id: str
    topic: str
    persona: str
    messages: tuple[Message, ...]
    system: str | None
    media: tuple[Medium, ...]
    read: ReadMedium


@dataclass(frozen=True, slots=True)
class RowFormat:
    """A format whose rows are the accepted dialogues themselves.

    `shown`: the schema where a dialogue has pictures or recordings; None: the same. `flatten`: a line's row as Parquet
    has it. `has_lines`: whether there is JSONL beside it. `has_files`: whether rows name files that come along.
    """

    name: str
    summary: str
    schema: pa.Schema
    convert: Callable[[ExportedDialogue], Row]
    carries: Carries = carry_nothing
    shown: pa.Schema | None = None
    flatten: Callable[[Row], Row] | None = None
    has_lines: bool = True
    has_files: bool = False


def _struct_list(*names: str) -> pa.ListType:
    return pa.list_(pa.struct([pa.field(name, pa.string()) for name in names]))


MESSAGE_LIST = _struct_list("role", "content")


def list_messages(messages: Sequence[Message], system: str | None = None) -> list[Row]:
    """Turns as role and content, led by the system prompt where there is one."""
    lead: list[Row] = [] if system is None else [{"role": "system", "content": system}]
    return lead + [{"role": each.role, "content": each.content} for each in messages]


def _to_messages(dialogue: ExportedDialogue) -> Row:
    messages = list_messages(dialogue.messages, dialogue.system)
    first = len(messages) - len(dialogue.messages)
    for number in sorted({each.message for each in dialogue.media}):
        message = messages[first + number]
        shown = [_to_part(each, dialogue.read(each)) for each in in_message(dialogue.media, number)]
        message["content"] = [{"type": "text", "text": message["content"]}, *shown]
    return {"messages": messages, "id": dialogue.id, "topic": dialogue.topic, "persona": dialogue.persona}


def _to_part(medium: Medium, content: bytes) -> Row:
    """As chat completions take it."""
    if medium.kind == "image":
        return {"type": "image_url", "image_url": {"url": f"data:{medium.media_type};base64,{encode(content)}"}}
    name = medium.path.rpartition(".")[2]
    return {"type": "input_audio", "input_audio": {"data": encode(content), "format": name}}


def flatten_messages(row: Row) -> Row:
    """With the text of content parts alone: a Parquet column has one type."""
    messages = row["messages"]
    assert isinstance(messages, list)
    flat = [
        each if isinstance(each["content"], str) else each | {"content": each["content"][0]["text"]}
        for each in messages
    ]
    return row | {"messages": flat}


def _to_sharegpt(dialogue: ExportedDialogue) -> Row:
    speakers = {"user": "human", "assistant": "gpt"}
    media = sorted(list_carried(dialogue.media, carry_what_is_asked), key=lambda each: each.message)
    turns = []
    for number, each in enumerate(dialogue.messages):
        tags = "".join(_TAGS[medium.kind] for medium in in_message(media, number))
        turns.append({"from": speakers[each.role], "value": tags + each.content})
    row: Row = {"conversations": turns, "system": dialogue.system, "id": dialogue.id, "topic": dialogue.topic}
    for column, kind in _COLUMNS:
        if paths := [each.path for each in media if each.kind == kind]:
            row[column] = paths
    return row


_TAGS: dict[MediaKind, str] = {"image": "<image>", "audio": "<audio>"}
"""What stands in a turn for the next file of `images` or `audios` (LLaMA-Factory, data/README.md)."""
_COLUMNS: tuple[tuple[str, MediaKind], ...] = (("images", "image"), ("audios", "audio"))


def _to_datasets(dialogue: ExportedDialogue) -> Row:
    first = 0 if dialogue.system is None else 1
    messages: list[Row] = []
    for number, each in enumerate(list_messages(dialogue.messages, dialogue.system), -first):
        shown: list[Row] = [{"type": medium.kind, "text": None} for medium in in_message(dialogue.media, number)]
        parts = [*shown, {"type": "text", "text": each["content"]}]
        messages.append({"role": each["role"], "content": parts})
    row: Row = {"messages": messages, "id": dialogue.id, "topic": dialogue.topic, "persona": dialogue.persona}
    media = sorted(dialogue.media, key=lambda each: each.message)
    for column, kind in _COLUMNS:
        own = [each for each in media if each.kind == kind]
        row[column] = [{"bytes": dialogue.read(each), "path": each.path.rpartition("/")[2]} for each in own]
    return row


def _to_published(dialogue: ExportedDialogue) -> Row:
    messages = list_messages(dialogue.messages, dialogue.system)
    turns = [{"content": each["content"], "role": each["role"]} for each in messages]
    return {"text": turns, "topic": dialogue.topic or None}


def _schema(**columns: pa.DataType) -> pa.Schema:
    return pa.schema([pa.field(name, type_) for name, type_ in columns.items()])


def _declare_features(schema: pa.Schema) -> pa.Schema:
    """With what `datasets` (4 and later) reads of its columns: without it, files would be bytes and paths."""
    text = {"dtype": "string", "_type": "Value"}
    parts = {"feature": {"type": text, "text": text}, "_type": "List"}
    features: dict[str, object] = dict.fromkeys(("id", "topic", "persona"), text)
    features["messages"] = {"feature": {"role": text, "content": parts}, "_type": "List"}
    features["images"] = {"feature": {"_type": "Image"}, "_type": "List"}
    features["audios"] = {"feature": {"_type": "Audio"}, "_type": "List"}
    ordered = {name: features[name] for name in schema.names}
    return schema.with_metadata({"huggingface": json.dumps({"info": {"features": ordered}})})


_PARTS = pa.list_(pa.struct([pa.field("role", pa.string()), pa.field("content", _struct_list("type", "text"))]))
_FILES = pa.list_(pa.struct([pa.field("bytes", pa.binary()), pa.field("path", pa.string())]))
_SHAREGPT = _schema(conversations=_struct_list("from", "value"), system=pa.string(), id=pa.string(), topic=pa.string())
ROW_FORMATS = (
    RowFormat(
        "messages",
        "`messages` of role and content, as chat templates, TRL and most trainers read them",
        _schema(messages=MESSAGE_LIST, id=pa.string(), topic=pa.string(), persona=pa.string()),
        _to_messages,
        carries=carry_all,
        flatten=flatten_messages,
    ),
    RowFormat(
        "sharegpt",
        "`conversations` of from (human, gpt) and value, with the system prompt in a column of its own",
        _SHAREGPT,
        _to_sharegpt,
        carries=carry_what_is_asked,
        shown=pa.schema([*_SHAREGPT, *(pa.field(name, pa.list_(pa.string())) for name, _ in _COLUMNS)]),
        has_files=True,
    ),
    RowFormat(
        "datasets",
        "Parquet with the files inside: `messages` of content parts, `images` and `audios` as `datasets` decodes them",
        _declare_features(
            _schema(
                messages=_PARTS,
                images=_FILES,
                audios=_FILES,
                id=pa.string(),
                topic=pa.string(),
                persona=pa.string(),
            )
        ),
        _to_datasets,
        carries=carry_all,
        has_lines=False,
    ),
    RowFormat(
        "published",
        "`text` of content and role, and `topic`: the schema of huggingface-KREW/korean-role-playing",
        _schema(text=_struct_list("content", "role"), topic=pa.string()),
        _to_published,
    ),
)
PREFERENCES = "preferences"
PREFERENCES_SUMMARY = (
    "`kto`: prompt, completion, label from accepted and dropped; `dpo`: prompt, chosen, rejected from edits"
)
FORMAT_NAMES = (*(each.name for each in ROW_FORMATS), PREFERENCES)
