"""Who answers in the tests of chats: a partner with a script, and endpoints that stream one."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass, field
from threading import Event
from typing import Any

from aiohttp import web

from train.talk import Messages, Partner

GREETING = "*손을 흔들며* 어서 와! 오늘은 뭐 하고 놀까?"
COMFORT = "*{유저}의 어깨를 토닥이며*\n고생했어. 여기 앉아서 좀 쉬어."


@dataclass
class Script:
    """Replies in their order, each in pieces of three characters. An exception in a reply is raised there."""

    replies: list[list[str | Exception]]
    pause_s: float = 0.0
    asked: list[Messages] = field(default_factory=list)
    was_stopped: Event = field(default_factory=Event)

    @classmethod
    def of(cls, *replies: str | Exception, pause_s: float = 0.0) -> "Script":
        return cls([_split(each) for each in replies], pause_s)

    def speak(self, messages: Messages, stop: Event) -> Generator[str, None, None]:
        self.asked.append(list(messages))
        for piece in self.replies.pop(0):
            if isinstance(piece, Exception):
                raise piece
            if stop.wait(self.pause_s) if self.pause_s else stop.is_set():
                self.was_stopped.set()
                return
            yield piece

    @property
    def partner(self) -> Partner:
        return Partner("exagirl-tiny", self.speak, "exa", "엑사")


def _split(reply: str | Exception) -> list[str | Exception]:
    if isinstance(reply, Exception):
        return [reply]
    return [reply[at : at + 3] for at in range(0, len(reply), 3)]


def stream(*pieces: str, is_whole: bool = True, pause_s: float = 0.0) -> Callable[[web.Request], Awaitable[Any]]:
    """A handler that streams chat completions; not `is_whole`: its connection breaks off after the pieces."""

    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for piece in pieces:
            await response.write(chunk({"delta": {"content": piece}, "finish_reason": None}))
            await asyncio.sleep(pause_s)
        if not is_whole:
            assert request.transport is not None
            request.transport.abort()
            return response
        await response.write(chunk({"delta": {}, "finish_reason": "stop"}) + b"data: [DONE]\n\n")
        return response

    return handle


def chunk(choice: dict[str, Any]) -> bytes:
    """One event of a stream of chat completions."""
    whole = {"id": "chat-1", "object": "chat.completion.chunk", "created": 1, "model": "exagirl"}
    return b"data: " + json.dumps(whole | {"choices": [{"index": 0} | choice]}).encode() + b"\n\n"


def wait_for(is_so: Callable[[], object], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)
