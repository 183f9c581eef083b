"""The web application: every request is guarded, read, handled and answered here, whatever it asks for.

host and origin → who asks → token and role → body and query → handler → JSON, with strict headers
"""

import hmac
import json
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final
from urllib.parse import quote

from aiohttp import web
from pydantic import BaseModel, ValidationError

from datagen.errors import DamhwaError, SpecError
from review_ui.access.body import MAX_BODY, read_json, refuse_nul
from review_ui.access.origin import SAFE_METHODS, is_own_write
from review_ui.access.visit import ACCESS, VISIT, Access, Visit
from review_ui.api.call import ApiError, Call, Route
from review_ui.api.forms import Problem
from review_ui.api.routes import PREFIX, ROUTES
from review_ui.cards.media import StoredFile
from review_ui.event_stream import send_events
from review_ui.file_answer import send_file
from review_ui.openapi import describe_api
from review_ui.pages.problem import show_problem
from review_ui.service import Service

SERVICE: Final = web.AppKey("service", Service)
COMPRESSED_FROM = 2_000
"""Characters of an answer; what is shorter travels in as many packets either way."""
STATIC = Path(__file__).parent / "static"
LOG_IN = "/log-in"
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Of every answer. `no-referrer` would make browsers send `Origin: null` with our own forms."""

RequestHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_LOG = logging.getLogger(__name__)


def build_app(service: Service, access: Access) -> web.Application:
    """The application. Closing it closes the service and the accounts."""
    app = web.Application(middlewares=[_guard], client_max_size=MAX_BODY)
    app[SERVICE], app[ACCESS] = service, access
    for route in ROUTES:
        _add(app, route.method, PREFIX + route.path, _answer_with(route))
    _add(app, "GET", f"{PREFIX}/openapi.json", _show_api)
    add_pages(app)
    _add(app, "GET", "/static/{name}", _serve_files(STATIC))
    app.on_response_prepare.append(_set_headers)
    app.on_shutdown.append(_stop_builds)
    app.on_cleanup.append(_close)
    return app


def _add(app: web.Application, method: str, path: str, handler: RequestHandler) -> None:
    """What can be read can also be asked for its headers alone."""
    for each in ("GET", "HEAD") if method == "GET" else (method,):
        app.router.add_route(each, path, handler)


async def _stop_builds(app: web.Application) -> None:
    """Before requests are waited for: those that follow a build end with it."""
    await app[SERVICE].stop_builds()


async def _close(app: web.Application) -> None:
    app[SERVICE].close()
    app[ACCESS].close()


async def _set_headers(request: web.Request, response: web.StreamResponse) -> None:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if not request.path.startswith("/static/"):
        response.headers.setdefault("Cache-Control", "no-store")


@web.middleware
async def _guard(request: web.Request, handler: RequestHandler) -> web.StreamResponse:
    """Nobody but our own pages gets in, and whatever goes wrong is answered as a Problem."""
    request[VISIT] = None
    try:
        await _check_in(request)
        return await handler(request)
    except ApiError as exc:
        return _tell(request, exc)
    except DamhwaError as exc:
        hint = exc.problems[0].hint if isinstance(exc, SpecError) and exc.problems else exc.hint
        return _tell(request, ApiError(503, "unavailable", exc.message, hint))
    except web.HTTPException as exc:
        if exc.status < 400:
            raise
        answer = _tell(request, ApiError(exc.status, exc.reason.lower().replace(" ", "-"), exc.reason))
        if "Allow" in exc.headers:
            answer.headers["Allow"] = exc.headers["Allow"]
        return answer
    except ConnectionError:
        raise  # the client left: nobody is there to be told
    except Exception:
        _LOG.exception("%s %r failed", request.method, request.path)
        told = "something went wrong that should not"
        return _tell(request, ApiError(500, "bug", told, "the service's output tells what"))


async def _check_in(request: web.Request) -> None:
    """Where the request is sent to, where it comes from, and whose it is. Raises ApiError."""
    if not request.path.isprintable():
        raise ApiError(400, "path", "the path has characters that cannot be seen")
    access = request.app[ACCESS]
    place = access.locate(request)
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
    if request.method not in SAFE_METHODS and not is_own_write(origin, site, place):
        raise ApiError(403, "origin", f"a write from {(origin or 'another site')[:100]!r} is not taken")
    if request.path.startswith("/static/"):
        return
    request[VISIT] = await access.identify(request)
    if request[VISIT] is None and not _is_open(request.path):
        raise ApiError(401, "log-in", "log in first")


def _is_open(path: str) -> bool:
    """What answers without a visit: the API looks at each route's role itself."""
    return path == LOG_IN or path.startswith(PREFIX + "/")


def _tell(request: web.Request, exc: ApiError) -> web.StreamResponse:
    is_page = not request.path.startswith(PREFIX)
    if is_page and exc.status == 401 and request.method in ("GET", "HEAD") and request.path != LOG_IN:
        return web.Response(status=303, headers={"Location": f"{LOG_IN}?next={quote(request.path_qs, safe='/')}"})
    if is_page and "text/html" in request.headers.get("Accept", ""):
        response: web.Response = show_problem(request, exc)
    else:
        problem = Problem(code=exc.code, message=_make_safe(exc.message), hint=exc.hint, **exc.more)
        response = web.json_response(text=problem.model_dump_json(exclude_none=True), status=exc.status)
    if exc.status == 429 and exc.hint is not None:
        response.headers["Retry-After"] = exc.hint
    return response


def _make_safe(text: str) -> str:
    """The text with what is no Unicode (bytes of a header or a path) told by its number."""
    return text.encode("utf-8", "backslashreplace").decode()


def _answer_with(route: Route) -> RequestHandler:
    async def answer(request: web.Request) -> web.StreamResponse:
        visit = check_visit(request, route)
        call = Call(
            service=request.app[SERVICE],
            user=visit.user,
            body=_validate(route.body, await read_json(request), is_strict=True) if route.body else None,
            path=dict(request.match_info),
            query=_read_query(request, route.query) if route.query else None,
            csrf=visit.csrf,
            address=request.remote or "",
        )
        given = await route.handler(call)
        if isinstance(given, BaseModel):
            text = given.model_dump_json()
            response = web.json_response(text=text)
            if len(text) >= COMPRESSED_FROM:
                response.enable_compression()
            return response
        if isinstance(given, StoredFile):
            return send_file(given)
        return await send_events(request, given)

    return answer


def check_visit(request: web.Request, route: Route) -> Visit:
    """Whose request it is. Raises ApiError where nobody is known, the role does not suffice or a write has no token."""
    visit: Visit | None = request[VISIT]
    if visit is None:
        raise ApiError(401, "log-in", "log in first")
    if route.is_write and not is_same(request.headers.get("X-CSRF-Token", ""), visit.csrf):
        raise ApiError(403, "csrf", "the write carries no valid X-CSRF-Token", "GET /api/v1/me gives it")
    if not visit.user.may(route.role):
        raise ApiError(403, "role", f"this takes the role {route.role}, {visit.user.name} has {visit.user.role}")
    return visit


def is_same(given: str, secret: str) -> bool:
    """Compares without telling by the time it takes how much was right."""
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), secret.encode())


def _read_query(request: web.Request, form: type[BaseModel]) -> BaseModel:
    pairs = dict(request.query)
    if len(pairs) != len(request.query):
        raise ApiError(422, "invalid", "a parameter stands twice")
    return _validate(form, refuse_nul(json.dumps(pairs).encode()))


def _validate(form: type[BaseModel], text: bytes, is_strict: bool = False) -> BaseModel:
    """`is_strict`: a number in quotes is no number; a parameter of a query comes in no other way."""
    try:
        return form.model_validate_json(text, strict=is_strict)
    except ValidationError as exc:
        first = exc.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ApiError(422, "invalid", f"{place}: {first['msg']}" if place else first["msg"]) from exc


def _serve_files(folder: Path) -> RequestHandler:
    """The files of a folder, by a table of their names: no path from a request reaches the file system."""
    files = {path.name: path for path in folder.iterdir() if path.is_file()}

    async def serve(request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if name not in files:
            raise ApiError(404, "not-found", f"there is no file {name[:100]!r}")
        response = web.FileResponse(files[name])
        if "Range" not in request.headers:
            response.enable_compression()
        return response

    return serve


async def _show_api(_: web.Request) -> web.Response:
    return web.json_response(describe_api())


def add_pages(app: web.Application) -> None:
    """The pages for people."""
    from review_ui.pages.pages import PAGES

    for method, path, page in PAGES:
        _add(app, method, path, page)
