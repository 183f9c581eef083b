"""The web application: every request is guarded, read, handled and answered here, whatever it asks for.

host and origin → who asks → token and role → body and query → handler → JSON, with strict headers
"""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from aiohttp import web
from pydantic import BaseModel, ValidationError
from yarl import URL

from datagen.errors import DamhwaError
from review_ui.access.visit import Access, Visit
from review_ui.api.call import ApiError, Call, Route
from review_ui.api.forms import Problem
from review_ui.api.routes import PREFIX, ROUTES
from review_ui.openapi import describe_api
from review_ui.service import Service

SERVICE: Final = web.AppKey("service", Service)
ACCESS: Final[web.AppKey[Access]] = web.AppKey("access", Access)
VISIT: Final = "visit"
MAX_BODY = 1_000_000
"""Bytes. The largest real body is an edit of a few hundred turns."""
STATIC = Path(__file__).parent / "static"
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

RequestHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def build_app(service: Service, access: Access) -> web.Application:
    """The application. Closing it closes the service."""
    app = web.Application(middlewares=[_guard], client_max_size=MAX_BODY)
    app[SERVICE], app[ACCESS] = service, access
    for route in ROUTES:
        app.router.add_route(route.method, PREFIX + route.path, _answer_with(route))
    app.router.add_get(f"{PREFIX}/openapi.json", _show_api)
    add_pages(app)
    app.router.add_static("/static", STATIC)
    app.on_response_prepare.append(_set_headers)
    app.on_cleanup.append(_close)
    return app


async def _close(app: web.Application) -> None:
    app[SERVICE].close()


async def _set_headers(request: web.Request, response: web.StreamResponse) -> None:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if not request.path.startswith("/static/"):
        response.headers.setdefault("Cache-Control", "no-store")


@web.middleware
async def _guard(request: web.Request, handler: RequestHandler) -> web.StreamResponse:
    """Nobody but our own pages gets in, and whatever goes wrong is answered as a Problem."""
    try:
        if not request.app[ACCESS].is_own_host(request.host):
            raise ApiError(403, "host", f"this service does not answer for the host {request.host[:100]!r}")
        _check_origin(request)
        request[VISIT] = await request.app[ACCESS].identify(request)
        return await handler(request)
    except ApiError as exc:
        return _tell(exc)
    except DamhwaError as exc:
        return _tell(ApiError(503, "unavailable", exc.message, exc.hint))
    except web.HTTPException as exc:
        if exc.status < 400 or not request.path.startswith(PREFIX):
            raise
        return _tell(ApiError(exc.status, exc.reason.lower().replace(" ", "-"), exc.reason))


def _check_origin(request: web.Request) -> None:
    """A write that a browser sends for another site names that site."""
    origin = request.headers.get("Origin")
    if request.method in ("GET", "HEAD") or origin is None:
        return
    if URL(origin).authority != request.host:
        raise ApiError(403, "origin", f"a write from {origin[:100]!r} is not taken")


def _tell(exc: ApiError) -> web.Response:
    problem = Problem(code=exc.code, message=exc.message, hint=exc.hint, **exc.more)
    response = web.json_response(text=problem.model_dump_json(exclude_none=True), status=exc.status)
    if exc.status == 429 and exc.hint is not None:
        response.headers["Retry-After"] = exc.hint
    return response


def _answer_with(route: Route) -> RequestHandler:
    async def answer(request: web.Request) -> web.StreamResponse:
        visit = check_visit(request, route)
        call = Call(
            service=request.app[SERVICE],
            user=visit.user,
            body=await _read_body(request, route.body) if route.body else None,
            path=dict(request.match_info),
            query=_validate(route.query, json.dumps(dict(request.query)).encode()) if route.query else None,
            csrf=visit.csrf,
            address=request.remote or "",
        )
        return web.json_response(text=(await route.handler(call)).model_dump_json())

    return answer


def check_visit(request: web.Request, route: Route) -> Visit:
    """Whose request it is. Raises ApiError where nobody is known, the role does not suffice or a write has no token."""
    visit: Visit | None = request[VISIT]
    if visit is None:
        raise ApiError(401, "log-in", "log in first")
    if route.is_write and request.headers.get("X-CSRF-Token") != visit.csrf:
        raise ApiError(403, "csrf", "the write carries no valid X-CSRF-Token", "GET /api/v1/me gives it")
    if not visit.user.may(route.role):
        raise ApiError(403, "role", f"this takes the role {route.role}, {visit.user.name} has {visit.user.role}")
    return visit


async def _read_body(request: web.Request, form: type[BaseModel]) -> BaseModel:
    return _validate(form, await request.read())


def _validate(form: type[BaseModel], text: bytes) -> BaseModel:
    try:
        return form.model_validate_json(text)
    except ValidationError as exc:
        first = exc.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ApiError(422, "invalid", f"{place}: {first['msg']}" if place else first["msg"]) from exc


async def _show_api(_: web.Request) -> web.Response:
    return web.json_response(describe_api())


def add_pages(app: web.Application) -> None:
    """The pages for people."""
    from review_ui.pages.pages import PAGES

    for method, path, page in PAGES:
        app.router.add_route(method, path, page)
