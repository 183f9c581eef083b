"""The listening end: connections that may be slow, broken or hostile, and an end that finishes what is under way."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from aiohttp import web

from datagen.errors import UsageError
from review_ui.app import HEADERS

DRAIN_S = 10.0
"""Seconds that requests under way have to finish once the service is told to stop."""
IDLE_S = 75.0
"""Seconds for a connection without a whole request, be it silent or slow."""
MAX_LINE: Final = 8_190
MAX_HEADER: Final = 8_190
MAX_HEADERS: Final = 64
_LOG = logging.getLogger(__name__)


class _Connection(web.RequestHandler):
    """One connection. What is no HTTP is answered with the strict headers too, and without a traceback of ours."""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - it repeats the request's bytes
    ) -> web.StreamResponse:
        if status >= 500 and not isinstance(exc, ConnectionError):  # who left needs no answer
            _LOG.error("a request failed", exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionResetError("the answer has begun: it can only be broken off")
        response = web.Response(status=status, text="this is no request that can be read\n", headers=HEADERS)
        response.force_close()
        return response


class _Arriving:
    """Requests under way. Once it shuts down, aiohttp takes nothing more in, also not the rest of a body."""

    def __init__(self, handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> None:
        self._handler = handler
        self._requests: dict[int, web.BaseRequest] = {}

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self._requests[id(request)] = request
        try:
            return await self._handler(request)
        finally:
            del self._requests[id(request)]

    async def wait(self) -> None:
        """Until all bodies that began to arrive are here, for DRAIN_S at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                # looked at again and again: a client that leaves in the middle sets no event
                while not all(request.content.is_eof() for request in self._requests.values()):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)


async def listen(app: web.Application, address: tuple[str, int], until: Callable[[str], Awaitable[None]]) -> None:
    """Answer at host and port until `until(url)`, called once listening, returns; then finish what is under way.

    Raises UsageError where the address cannot be had.
    """
    host, port = address
    loop = asyncio.get_running_loop()
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=DRAIN_S, handle_signals=False)
    await runner.setup()
    manager = runner.server
    assert manager is not None
    arriving = _Arriving(manager.request_handler)
    manager.request_handler = arriving.handle

    def connect() -> web.RequestHandler:
        return _Connection(
            manager,
            loop=loop,
            keepalive_timeout=IDLE_S,
            max_line_size=MAX_LINE,
            max_field_size=MAX_HEADER,
            max_headers=MAX_HEADERS,
        )

    try:
        try:
            server = await loop.create_server(connect, host, port, backlog=128)
        except (OSError, UnicodeError, OverflowError) as exc:
            cause = getattr(exc, "strerror", None) or str(exc)
            told = f"{host}:{port} cannot be listened on: {cause}"
            raise UsageError(told, "give another with --host or --port") from exc
        try:
            await until(_name_address(server))
        finally:
            server.close()
            await arriving.wait()
    finally:
        await runner.cleanup()


def _name_address(server: asyncio.Server) -> str:
    host, port = server.sockets[0].getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
