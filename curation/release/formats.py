"""The shapes of exported rows: one dialogue in, one row out.

Text is never changed: stage directions and `{유저}` stay as they are, and role and order of turns are the dialogue's.
The system prompt of the persona, where it is asked for, stands where each format's readers look for it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from datagen.record import Message

Row = dict[str, object]


@dataclass(frozen=True, slots=True)
class ExportedDialogue:
    """What a row is made from. `system` None: no system prompt is wanted."""

    id: str
    topic: str
    persona: str
    messages: tuple[Message, ...]
    system: str | None = None


@dataclass(frozen=True, slots=True)
class RowFormat:
    """A format whose rows are the accepted dialogues themselves."""

    name: str
    summary: str
    schema: pa.Schema
    convert: Callable[[ExportedDialogue], Row]


def _struct_list(*names: str) -> pa.ListType:
    return pa.list_(pa.struct([pa.field(name, pa.string()) for name in names]))


MESSAGE_LIST = _struct_list("role", "content")


def list_messages(messages: Sequence[Message], system: str | None = None) -> list[Row]:
    """Turns as role and content, led by the system prompt where there is one."""
    lead: list[Row] = [] if system is None else [{"role": "system", "content": system}]
    return lead + [{"role": each.role, "content": each.content} for each in messages]


def _to_messages(dialogue: ExportedDialogue) -> Row:
    messages = list_messages(dialogue.messages, dialogue.system)
    return {"messages": messages, "id": dialogue.id, "topic": dialogue.topic, "persona": dialogue.persona}


def _to_sharegpt(dialogue: ExportedDialogue) -> Row:
    speakers = {"user": "human", "assistant": "gpt"}
    turns = [{"from": speakers[each.role], "value": each.content} for each in dialogue.messages]
    return {"conversations": turns, "system": dialogue.system, "id": dialogue.id, "topic": dialogue.topic}


def _to_published(dialogue: ExportedDialogue) -> Row:
    messages = list_messages(dialogue.messages, dialogue.system)
    turns = [{"content": each["content"], "role": each["role"]} for each in messages]
    return {"text": turns, "topic": dialogue.topic or None}


def _schema(**columns: pa.DataType) -> pa.Schema:
    return pa.schema([pa.field(name, type_) for name, type_ in columns.items()])


ROW_FORMATS = (
    RowFormat(
        "messages",
        "`messages` of role and content, as chat templates, TRL and most trainers read them",
        _schema(messages=MESSAGE_LIST, id=pa.string(), topic=pa.string(), persona=pa.string()),
        _to_messages,
    ),
    RowFormat(
        "sharegpt",
        "`conversations` of from (human, gpt) and value, with the system prompt in a column of its own",
        _schema(conversations=_struct_list("from", "value"), system=pa.string(), id=pa.string(), topic=pa.string()),
        _to_sharegpt,
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
