"""From a raw row to a dialogue: what a row must be, and what is said of one that is not.

Rows of our own runs pass as they are. Of others the `messages` column is taken, or the published `text` column (both
lists of role and content); a leading system message is left out, text comes into the normal form of `clean_text`.
Content may be a list of parts: their text is the message's, their pictures and recordings are left to `take`.
"""

import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from datagen.record import Dialogue, MediaKind, Medium, Message, Role, clean_text

MAX_TURNS = 1_000
"""Messages. The longest dialogues that a spec can ask for have 120; more is a file gone wrong."""
MAX_CHARACTERS = 50_000
"""Characters of one utterance; the longest replies of today's models stay below."""

MEDIA_PARTS: dict[str, MediaKind] = {
    "image_url": "image",
    "image": "image",
    "input_audio": "audio",
    "audio_url": "audio",
    "audio": "audio",
}
"""Types of content parts, as chat completions and those who extend them name them → what they hold."""
TakeMedia = Callable[[Sequence[Any], tuple[Medium, ...]], tuple[Medium, ...]]
"""Puts the files that a row's raw turns hold, or its `media` column names, where they belong. Raises BadRowError."""

_OUR_FILE = re.compile(r"media/([0-9a-f]{64})\.[a-z0-9]{2,5}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ROLES: tuple[Role, Role] = ("user", "assistant")
_KNOWN_AS = {"human": "user", "gpt": "assistant", "model": "assistant", "bot": "assistant"}


class BadRowError(Exception):
    """A row that is no dialogue; the message says what is wrong with it."""


def read_dialogue(
    values: dict[str, Any], default_id: str, dataset: str, persona: str, take: TakeMedia | None = None
) -> Dialogue:
    """The dialogue of a raw row. `take` None: its files lie where they belong. Raises BadRowError."""
    turns = pick_messages(values)
    messages = read_messages(turns)
    assert isinstance(turns, list)
    media = _read_media(values.get("media"), len(messages))
    if take is not None:
        said = turns[-len(messages) :]
        if media or any(isinstance(each["content"], list) for each in said):
            media = take(said, media)
    return Dialogue(
        id=_read_text(values, "id") or default_id,
        dataset=_read_text(values, "dataset") or dataset,
        topic=_read_text(values, "topic"),
        category=_read_text(values, "category"),
        persona=_read_text(values, "persona") or persona,
        messages=messages,
        scenario=_read_scenario(values.get("scenario")),
        model=_read_text(values, "model"),
        provider=_read_text(values, "provider"),
        prompt_sha256=_read_text(values, "prompt_sha256"),
        attempt_id=_read_text(values, "attempt_id"),
        prompt_tokens=_read_count(values, "prompt_tokens"),
        completion_tokens=_read_count(values, "completion_tokens"),
        cost_usd=_read_cost(values),
        created_at=_read_time(values.get("created_at")),
        media=media,
    )


def _read_media(value: object, turns: int) -> tuple[Medium, ...]:
    if value is None:
        return ()
    try:
        media = tuple(Medium(**each) for each in value)  # type: ignore[attr-defined]
        if all(_is_ours(each) and 0 <= each.message < turns for each in media):
            return media
    except TypeError:
        pass
    raise BadRowError("`media` is not in form: expected message, kind, path, sha256, media_type and size of each file")


def _is_ours(medium: Medium) -> bool:
    """Whether it names a file of `media/`, by its hash; whatever else is no path that anybody should open."""
    texts = (medium.kind, medium.path, medium.sha256, medium.media_type)
    if type(medium.message) is not int or type(medium.size) is not int or not all(type(each) is str for each in texts):
        return False
    found = _OUR_FILE.fullmatch(medium.path)
    return found is not None and found[1] == medium.sha256


def pick_messages(values: dict[str, Any]) -> object:
    """The value of the `messages` column, else of the published `text` column."""
    messages = values.get("messages")
    return values.get("text") if messages is None else messages


def read_messages(value: object) -> tuple[Message, ...]:
    """The turns, `user` first, alternating, `assistant` last. Raises BadRowError."""
    if not isinstance(value, list) or not value:
        raise BadRowError(f"`messages` is {_describe(value)}, expected a list of role and content")
    if len(value) > MAX_TURNS:
        raise BadRowError(f"{len(value):,} turns, expected at most {MAX_TURNS:,}")
    if isinstance(value[0], dict) and value[0].get("role") == "system":
        value = value[1:]
    messages = tuple(_read_message(number, each) for number, each in enumerate(value, 1))
    if not messages:
        raise BadRowError("there is no turn beside the system's")
    for number, message in enumerate(messages, 1):
        expected = _ROLES[(number - 1) % 2]
        if message.role != expected:
            after = f"two turns of {message.role} in a row" if number > 1 else "it starts with the assistant"
            raise BadRowError(f"turn {number}: {after}, expected the {expected}'s")
    if messages[-1].role == "user":
        raise BadRowError(f"it ends with the user's turn {len(messages)}, expected an answer")
    return messages


def _read_message(number: int, value: object) -> Message:
    if not isinstance(value, dict):
        raise BadRowError(f"turn {number} is {_describe(value)}, expected role and content")
    role, content = value.get("role"), value.get("content")
    role = _KNOWN_AS.get(role, role) if isinstance(role, str) else role
    if role not in _ROLES:
        raise BadRowError(f"turn {number} has the role {_describe(role)}, expected user or assistant")
    if isinstance(content, list):
        content = _join_text(number, content)
    if not isinstance(content, str):
        raise BadRowError(f"turn {number} has {_describe(content)} for its content, expected text")
    if len(content) > MAX_CHARACTERS:
        raise BadRowError(f"turn {number} has {len(content):,} characters, expected at most {MAX_CHARACTERS:,}")
    content = clean_text(content)
    if not content.strip():
        raise BadRowError(f"turn {number} says nothing")
    return Message(cast(Role, role), content)


def _join_text(number: int, parts: Sequence[object]) -> str:
    """What is said in content parts, a line each."""
    texts: list[str] = []
    for part in parts:
        type_ = part.get("type") if isinstance(part, dict) else None
        if type_ == "text" and isinstance(part, dict):
            if not isinstance(part.get("text"), str):
                raise BadRowError(f"turn {number} has a text part whose text is {_describe(part.get('text'))}")
            texts.append(part["text"])
        elif not isinstance(type_, str) or type_ not in MEDIA_PARTS:
            expected = f"text, {', '.join(MEDIA_PARTS)}"
            raise BadRowError(f"turn {number} has a part of the type {_describe(type_)}, expected one of {expected}")
    if len(texts) < len(parts) and not any(each.strip() for each in texts):
        raise BadRowError(f"turn {number} shows something and says nothing: give it a text part")
    return "\n".join(texts)


def _describe(value: object) -> str:
    if value is None:
        return "missing"
    if isinstance(value, str):
        return f"'{clean_text(value[:40])}'" if value else "empty"
    if isinstance(value, list | dict):
        return "an empty list" if not value else f"a {type(value).__name__}"
    return f"{value!r:.40}"


def _read_text(values: dict[str, Any], name: str) -> str:
    value = values.get(name)
    if value is None:
        return ""
    if not isinstance(value, str | int):
        raise BadRowError(f"`{name}` is {_describe(value)}, expected text")
    return clean_text(str(value))


def _read_scenario(value: object) -> str:
    if isinstance(value, str):
        return clean_text(value)
    try:
        return clean_text(json.dumps(value or {}, ensure_ascii=False, default=str))
    except (ValueError, RecursionError):
        return "{}"


def _read_count(values: dict[str, Any], name: str) -> int | None:
    value = values.get(name)
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31
    return value if is_count else None


def _read_cost(values: dict[str, Any]) -> float | None:
    value = values.get("cost_usd")
    try:
        return float(value) if isinstance(value, int | float) else None
    except OverflowError:  # JSON knows whole numbers of any size
        return None


def _read_time(value: object) -> datetime:
    """In UTC, as is one that names no zone; the epoch where there is none, or none that the calendar has in UTC."""
    if not isinstance(value, datetime):
        return _EPOCH
    try:
        moment = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except (OverflowError, ValueError):
        return _EPOCH
    # built anew: with pandas around, times in nanoseconds come as its Timestamps, which do not fit the column
    date, time = (moment.year, moment.month, moment.day), (moment.hour, moment.minute, moment.second)
    return datetime(*date, *time, moment.microsecond, tzinfo=UTC)
