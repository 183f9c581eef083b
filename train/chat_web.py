"""`damhwa chat --web`: one page on loopback. It keeps the chat and posts it whole, so the server remembers nothing.

A reply is a stream of JSON lines: {"left": exchanges}, {"text": piece}…, {"error", "hint"}, and {"done": true}.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from threading import Event, Thread
from typing import Any, Literal

import jinja2
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from yarl import URL

from datagen.console import err
from datagen.errors import DamhwaError, UsageError
from train.saved_chat import SavedChats
from train.talk import Partner, answer

HERE = Path(__file__).parent
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; "
        "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    role: Literal["user", "assistant"]
    content: str = Field(min_length=1)


_MESSAGES = TypeAdapter(list[_Message])


def serve(partner: Partner, saved: SavedChats, port: int) -> None:
    """Serve the page on 127.0.0.1 until SIGINT or SIGTERM. Raises UsageError where the port cannot be had."""
    told = f"chatting at http://127.0.0.1:{port} (Ctrl-C ends it)"
    options: Any = {"print": lambda _: err.print(told, markup=False), "access_log": None, "handler_cancellation": True}
    try:
        web.run_app(build_app(partner, saved), host="127.0.0.1", port=port, shutdown_timeout=1.0, **options)
    except (OSError, OverflowError) as exc:
        raise UsageError(f"127.0.0.1:{port} cannot be listened on: {exc}", "give another with --port") from exc


def build_app(partner: Partner, saved: SavedChats) -> web.Application:
    template = jinja2.Template((HERE / "templates" / "chat.html").read_text(encoding="utf-8"), autoescape=True)
    page = template.render(partner=partner, can_review=saved.send_to_review is not None)

    async def show(_: web.Request) -> web.Response:
        return web.Response(text=page, content_type="text/html")

    async def reply(request: web.Request) -> web.StreamResponse:
        return await _stream_reply(request, partner, await _read(request))

    async def keep(request: web.Request) -> web.Response:
        id_ = await asyncio.to_thread(saved.save, partner, await _read(request))
        send = saved.send_to_review if "review" in request.query else None
        command = await asyncio.to_thread(send, saved.folder, id_) if send else None
        return web.json_response({"file": str(saved.file), "command": command})

    async def set_headers(_: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(HEADERS)

    app = web.Application(middlewares=[_guard], client_max_size=8_000_000)
    app.add_routes([web.get("/", show), web.post("/reply", reply), web.post("/keep", keep)])
    app.router.add_static("/static", HERE / "static")
    app.on_response_prepare.append(set_headers)
    return app


@web.middleware
async def _guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Other sites' pages stay out: the Host forbids DNS rebinding, Origin and content type a write from elsewhere."""
    try:
        own = URL(f"http://{request.headers.get('Host', '')}")
        is_ours = own.host in ("127.0.0.1", "localhost") and "X-Forwarded-For" not in request.headers
        if request.method not in ("GET", "HEAD"):
            is_ours &= request.headers.get("Origin") == str(own.origin())
            is_ours &= request.content_type == "application/json"
    except ValueError:
        is_ours = False
    if not is_ours:
        return web.json_response({"error": "only this page's own requests on loopback are answered"}, status=403)
    try:
        return await handler(request)
    except DamhwaError as exc:
        return web.json_response({"error": exc.message, "hint": exc.hint}, status=400)


async def _read(request: web.Request) -> list[dict[str, str]]:
    try:
        messages = [each.model_dump() for each in _MESSAGES.validate_json(await request.read())]
    except ValidationError as exc:
        raise UsageError(f"no chat: {exc.errors(include_input=False)[0]['msg']}") from exc
    if any(each["role"] != ("user", "assistant")[number % 2] for number, each in enumerate(messages)):
        raise UsageError("no chat: expected user and assistant in turn, user first")
    return messages


async def _stream_reply(request: web.Request, partner: Partner, messages: list[dict[str, str]]) -> web.StreamResponse:
    """A thread of its own draws the reply. Whoever leaves in the middle stops it."""
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson; charset=utf-8"})
    loop, queue, stop = asyncio.get_running_loop(), asyncio.Queue[dict[str, Any]](), Event()

    def tell(**line: Any) -> None:
        if not stop.is_set():
            loop.call_soon_threadsafe(queue.put_nowait, line)

    def draw() -> None:
        try:
            for piece in answer(partner, messages, stop):
                tell(**({"left": piece} if isinstance(piece, int) else {"text": piece}))
        except DamhwaError as exc:
            tell(error=exc.message, hint=exc.hint)
        except Exception as exc:  # a defect of ours: the page may not take it for the end of a reply
            err.print_exception()
            tell(error=f"the reply failed: {type(exc).__name__}: {exc}", hint="the terminal has its traceback")
        finally:
            tell(done=True)

    await response.prepare(request)
    Thread(target=draw, daemon=True).start()
    try:
        line: dict[str, Any] = {}
        while "done" not in line:
            line = await queue.get()
            await response.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
    finally:
        stop.set()
    return response
