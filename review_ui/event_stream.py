"""Server-sent events: one form after another on an answer that stays open (text/event-stream of the HTML standard).

A stream has no memory: every event tells the whole state, so one who comes back (`Last-Event-ID`) just gets it as it is
now. It ends by itself after a while; the browser comes back, and is asked again who it is.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from itertools import count
from typing import Final

from aiohttp import web
from pydantic import BaseModel

MEDIA_TYPE: Final = "text/event-stream"
HEARTBEAT_S = 15.0
"""Seconds without an event after which a comment tells both ends that the other is there; proxies wait 60."""
LASTS_S = 600.0
"""Seconds of one stream: for so long one who was logged out meanwhile could look on."""
RETRY_MS = 3_000


async def send_events(
    request: web.Request,
    events: AsyncGenerator[BaseModel, None],
    heartbeat_s: float = HEARTBEAT_S,
    lasts_s: float = LASTS_S,
) -> web.StreamResponse:
    """Send every form as an event, until there are no more or the reader leaves; of HEAD the headers alone."""
    response = web.StreamResponse(headers={"Content-Type": f"{MEDIA_TYPE}; charset=utf-8", "X-Accel-Buffering": "no"})
    await response.prepare(request)
    try:
        if request.method != "HEAD":
            with suppress(TimeoutError, ConnectionError):
                async with asyncio.timeout(lasts_s):
                    await _send(response, events, heartbeat_s)
    finally:
        await events.aclose()
    return response


async def _send(response: web.StreamResponse, events: AsyncGenerator[BaseModel, None], heartbeat_s: float) -> None:
    await response.write(f"retry: {RETRY_MS}\n\n".encode())
    for number in count(1):
        coming = asyncio.ensure_future(anext(events, None))
        try:
            while not (await asyncio.wait({coming}, timeout=heartbeat_s))[0]:
                await response.write(b": \n\n")
        finally:
            await _settle(coming)
        event = coming.result()
        if event is None:
            return
        await response.write(f"id: {number}\ndata: {event.model_dump_json()}\n\n".encode())


async def _settle(coming: asyncio.Future[BaseModel | None]) -> None:
    """Take back what nobody waits for any more: a generator that runs cannot be closed."""
    if not coming.done():
        coming.cancel()
        with suppress(asyncio.CancelledError):
            await coming
