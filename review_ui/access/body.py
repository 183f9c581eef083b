"""The body of a request: read within a size and a time, as JSON or as a form, or refused as what it is."""

import asyncio
import re
from typing import Final
from urllib.parse import parse_qsl

from aiohttp import web

from review_ui.api.call import ApiError

MAX_BODY = 1_000_000
"""Bytes. The largest real body is an edit of a few hundred turns."""
BODY_S = 20.0
"""Seconds for a body to arrive: 50 kB/s for the largest."""
MAX_FIELDS = 2_000
JSON: Final = "application/json"
FORM: Final = "application/x-www-form-urlencoded"
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
"""Written in JSON. PostgreSQL has no text with it, and nobody who writes has."""


async def read_json(request: web.Request) -> bytes:
    """The text of a JSON body, as yet unread. Raises ApiError."""
    return refuse_nul(await _read(request, JSON))


async def read_fields(request: web.Request) -> dict[str, str]:
    """The fields of a plain HTML form; of a name that comes again, the last. Raises ApiError."""
    try:
        text = (await _read(request, FORM)).decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, encoding="utf-8", errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError as exc:
        raise ApiError(400, "form", "the form cannot be read") from exc
    fields = dict(pairs)
    if any("\0" in value for value in fields.values()):
        raise ApiError(422, "invalid", "a field has the character U+0000")
    return fields


def refuse_nul(text: bytes) -> bytes:
    """The JSON text as it is. Raises ApiError where a string in it has U+0000."""
    if _NUL.search(text):
        raise ApiError(422, "invalid", "a text has the character U+0000")
    return text


async def _read(request: web.Request, content_type: str) -> bytes:
    if request.content_type != content_type:
        raise ApiError(415, "content-type", f"the body is {request.content_type}, not {content_type}")
    try:
        async with asyncio.timeout(BODY_S):
            return await request.read()
    except TimeoutError as exc:
        raise ApiError(408, "slow", f"the body did not arrive within {BODY_S:g} seconds") from exc
    except web.RequestPayloadError as exc:
        raise ApiError(400, "body", "the body cannot be read") from exc
