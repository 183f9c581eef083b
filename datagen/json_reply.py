"""From a structured reply to a dialogue: `{"exchanges": [{"user": "…", "assistant": "…"}, …]}`.

Where the endpoint enforces the schema, hardly anything can be wrong with the form; not every endpoint does, and any
reply may be cut off. So the turns are judged as those of a transcript, for the same reasons. Text and fences around the
object are passed over, as around a transcript.

The schema keeps to what OpenAI's strict mode takes (guide "Structured outputs", 2026): an object at the root, every
property required, `additionalProperties: false`; `minItems` and `maxItems` are allowed there, but not for fine-tuned
models. It is the same for all requests of a spec, because a prompt cache takes it for the beginning of the prompt.
"""

import json
import re
from collections.abc import Sequence
from itertools import islice
from typing import Any

from datagen.record import Message, clean_text
from datagen.transcript import (
    Rejection,
    Transcript,
    Turn,
    check_complete,
    check_length,
    find_label,
    find_refusal,
    judge_turns,
    trim_utterance,
)

ROOT, USER, PERSONA = "exchanges", "user", "assistant"

_START = re.compile(r"\{\s*\"")
_STARTS_TRIED = 3
"""Places where an object may begin that are looked at: a preamble may hold a brace of its own."""
_DECODER = json.JSONDecoder(strict=False)


def build_response_format(exchanges: tuple[int, int]) -> dict[str, Any]:
    """The `response_format` of a request for between `exchanges[0]` and `exchanges[1]` pairs of utterances."""
    pair = {
        "type": "object",
        "properties": {USER: {"type": "string"}, PERSONA: {"type": "string"}},
        "required": [USER, PERSONA],
        "additionalProperties": False,
    }
    pairs = {"type": "array", "items": pair, "minItems": exchanges[0], "maxItems": exchanges[1]}
    schema = {"type": "object", "properties": {ROOT: pairs}, "required": [ROOT], "additionalProperties": False}
    return {"type": "json_schema", "json_schema": {"name": "dialogue", "strict": True, "schema": schema}}


def render_json(messages: Sequence[Message]) -> str:
    """Write a dialogue, user and assistant in turn, as a structured reply; `parse_json_reply` gives it back."""
    pairs = zip(messages[::2], messages[1::2], strict=True)
    told = [{USER: user.content, PERSONA: persona.content} for user, persona in pairs]
    return json.dumps({ROOT: told}, ensure_ascii=False)


def parse_json_reply(
    reply: str, exchanges: tuple[int, int], finish_reason: str | None = "stop"
) -> Transcript | Rejection:
    """Read a reply as `parse_transcript` does. Never raises; linear in time."""
    found = _find_object(reply)
    if found is None:
        return _explain_no_object(trim_utterance(clean_text(reply)), finish_reason)
    turns = _read_turns(found)
    if isinstance(turns, Rejection):
        return check_complete(finish_reason) or turns
    if not turns:
        return check_complete(finish_reason) or check_length(0, exchanges) or Rejection("wrong-form", "no exchanges")
    for turn in turns:
        if (label := find_label(turn.text)) is not None:
            return Rejection("label-in-text", f"'{label}' stands in {turn.speaker}{turn.number}")
    return judge_turns(turns, exchanges, finish_reason)


def _find_object(reply: str) -> dict[str, Any] | None:
    is_broken = False
    for start in islice(_START.finditer(reply), _STARTS_TRIED):
        try:
            value, _ = _DECODER.raw_decode(reply, start.start())
        except (ValueError, RecursionError):
            is_broken = True
            continue
        if isinstance(value, dict) and (ROOT in value or not is_broken):  # or it is a piece of the broken one
            return value
    return None


def _explain_no_object(text: str, finish_reason: str | None) -> Rejection:
    is_object = _START.search(text) is not None
    if not is_object and find_label(text) is None and (refusal := find_refusal(text)) is not None:
        return refusal
    if (cut := check_complete(finish_reason)) is not None:
        return cut
    if not text:
        return Rejection("wrong-form", "the reply is empty")
    if is_object and not text.endswith(("}", "]", "```")):
        return Rejection("truncated", "the JSON breaks off")
    return Rejection("wrong-form", "the reply holds no JSON object that can be read")


def _read_turns(value: dict[str, Any]) -> list[Turn] | Rejection:
    pairs = value.get(ROOT)
    if not isinstance(pairs, list):
        return Rejection("wrong-form", f"expected a list '{ROOT}', found the keys {_list_keys(value)}")
    turns: list[Turn] = []
    for number, pair in enumerate(pairs, 1):
        if not isinstance(pair, dict):
            return Rejection("wrong-form", f"exchange {number} is no object")
        if number == len(pairs) and USER in pair and PERSONA not in pair:
            return Rejection("truncated", f"ends with the user's turn of exchange {number}")
        texts = [pair.get(USER), pair.get(PERSONA)]
        if not all(isinstance(text, str) for text in texts):
            return Rejection("wrong-form", f"exchange {number} has {_list_keys(pair)}, expected texts user, assistant")
        keys = list(pair)
        if keys.index(USER) > keys.index(PERSONA):
            return Rejection("out-of-order", f"exchange {number} gives the answer before what it answers")
        speakers = zip(("human", "gpt"), texts, strict=True)
        turns += [Turn(speaker, number, trim_utterance(clean_text(str(text)))) for speaker, text in speakers]
    return turns


def _list_keys(value: dict[str, Any]) -> str:
    listed = clean_text(", ".join(key[:40] for key in list(value)[:8]))
    return f"'{listed}'" if listed else "none"
